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
    #[arg(value_name = "ID", required_unless_present = "list")]
    pub ids: Vec<String>,
    /// List what is set aside
    #[arg(long, conflicts_with = "ids")]
    pub list: bool,
}

#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// Session IDs, or `namespace:value` for other identities
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
}
