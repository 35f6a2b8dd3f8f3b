//! The arguments of `serve`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// The log of what came in: a folder, made where it is missing
    #[arg(long, value_name = "DIR", default_value = "./backstitch.log", value_hint = ValueHint::DirPath)]
    pub log: PathBuf,
    /// The tracker keys: a UUID a line, each followed by the origins whose pages may send with it, if not all may
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keys: PathBuf,
    /// The tokens that open questions and decisions, one a line [default: only programs on this machine may ask]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    /// Compress the files of the log with zstd as they are closed
    #[arg(long)]
    pub compress: bool,
}
