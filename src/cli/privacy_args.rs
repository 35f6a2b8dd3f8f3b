//! The arguments of the commands that leave people out.

use std::path::PathBuf;

use backstitch::Time;
use clap::{Args, ValueHint};

use crate::cli::identity::Naming;
use crate::cli::reading::moment;

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

#[derive(Debug, Args)]
#[group(id = "whom", required = true, multiple = true, args = ["ids", "file", "list"])]
pub struct ForgetArgs {
    /// Session IDs, or `namespace:value` for other identities
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// And the IDs in this file, one a line; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// With all identities, sessions and events of the person of each
    #[arg(long, conflicts_with = "revert")]
    pub whole_person: bool,
    /// Only what was up to and including this moment, such as 2026-11-01T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "revert")]
    pub until: Option<Time>,
    /// From this log of `serve` as well, while it does not run
    #[cfg(feature = "serve")]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "revert")]
    pub log: Option<PathBuf>,
    /// Say what would go, and change nothing
    #[cfg_attr(feature = "serve", arg(conflicts_with = "log"))]
    #[arg(long, conflicts_with = "revert")]
    pub dry_run: bool,
    /// Let events of them be taken in again instead: by value, since the store knows hashes alone
    #[arg(long)]
    pub revert: bool,
    /// List what was erased instead: the hash of each identity, and when
    #[cfg_attr(feature = "serve", arg(conflicts_with = "log"))]
    #[arg(long, conflicts_with_all = ["ids", "file", "whole_person", "until", "dry_run", "revert"])]
    pub list: bool,
    #[command(flatten)]
    pub naming: Naming,
}
