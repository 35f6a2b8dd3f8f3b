//! The arguments of the commands that leave people out.

use clap::Args;

use crate::cli::identity::Naming;

#[derive(Debug, Args)]
#[group(id = "out", required = true, multiple = false, args = ["id", "list"])]
pub struct OptOutArgs {
    /// A session ID, or `namespace:value` for another identity of the person
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// List the identities that opted out instead
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    pub naming: Naming,
}

#[derive(Debug, Args)]
pub struct OptInArgs {
    /// A session ID, or `namespace:value`: any identity that opted out with the person
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub naming: Naming,
}
