//! The logs that a command was given.

use crate::cli::failure::Failure;

/// Standard input among the logs.
pub const STDIN: &str = "-";

/// Refuses an empty list of logs, and says how to name one.
pub fn some_log(logs: &[String]) -> Result<(), Failure> {
    match logs {
        [] => {
            Err(Failure::Usage("no log given: name files, folders or patterns, or `-` to read standard input".into()))
        }
        _ => Ok(()),
    }
}
