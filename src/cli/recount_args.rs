//! What was asked of `rename`, `quarantine` and `release`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Debug, Args)]
pub struct RenameArgs {
    /// The customer that counts as another, or `namespace:value` for another identity
    #[arg(value_name = "OLD", conflicts_with_all = ["file", "list"])]
    pub old: Option<String>,
    /// The one that it counts as
    #[arg(value_name = "NEW", conflicts_with_all = ["file", "revert"])]
    pub new: Option<String>,
    /// Rename all pairs of this file, or none of them: CSV without a heading, `OLD,NEW` a line
    #[arg(long, value_name = "PAIRS", value_hint = ValueHint::FilePath, conflicts_with = "list")]
    pub file: Option<PathBuf>,
    /// Take a rename back
    #[arg(long, conflicts_with = "list")]
    pub revert: bool,
    /// Say what would change, and change nothing
    #[arg(long, conflicts_with_all = ["revert", "list"])]
    pub dry_run: bool,
    /// List the renames that stand
    #[arg(long)]
    pub list: bool,
}

#[derive(Debug, Args)]
pub struct QuarantineArgs {
    /// Session IDs, or `namespace:value` for other identities
    #[arg(value_name = "ID", required_unless_present_any = ["list", "on", "off"])]
    pub ids: Vec<String>,
    /// List what is set aside, and what is over the limits
    #[arg(long, conflicts_with = "ids")]
    pub list: bool,
    /// Let the store set those aside by itself that are over the limits, now and from now on
    #[arg(long, conflicts_with_all = ["ids", "list"])]
    pub on: bool,
    /// Set nothing aside by itself any more: what was counts again
    #[arg(long, conflicts_with_all = ["ids", "list", "on"])]
    pub off: bool,
    /// Customers that an identity may meet [default: 20]
    #[arg(long, value_name = "N", value_parser = number, requires = "on")]
    pub customers: Option<u64>,
    /// Sessions that a customer may have [default: 10000]
    #[arg(long, value_name = "N", value_parser = number, requires = "on")]
    pub sessions: Option<u64>,
}

fn number(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "write a whole number, such as 1000")
}

#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// Session IDs, or `namespace:value` for other identities
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
}
