//! Flags that say how rows are written, and where.

use std::path::PathBuf;

use backstitch::RowFormat;
use clap::{Args, ValueHint};

/// How rows are written.
#[derive(Debug, Args)]
pub struct RowsArgs {
    /// Write CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Write CSV for a spreadsheet: an apostrophe stands before what it would take for a formula
    #[arg(long, conflicts_with_all = ["csv", "json"])]
    pub csv_safe: bool,
    /// Write to this file, which appears once it is complete
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

impl RowsArgs {
    /// The format that was asked for.
    pub fn format(&self) -> RowFormat {
        csv_format(self.csv, self.csv_safe).unwrap_or_default()
    }
}

/// The format that flags ask for; none where none does.
pub fn csv_format(exact: bool, safe: bool) -> Option<RowFormat> {
    match (exact, safe) {
        (_, true) => Some(RowFormat::CsvSafe),
        (true, false) => Some(RowFormat::Csv),
        (false, false) => None,
    }
}
