//! The folder that copies of a store are read in (`--read-only`), which goes with the command, also where a signal ends it: a copy has all that
//! the store tells.

use tempfile::TempDir;

use crate::cli::interrupt;

/// Makes it, for all temporary files of this process. It goes where this is dropped; a signal that ends the process deletes it before.
///
/// `None` where it cannot be made: to make a copy fails then, and says why.
pub fn folder() -> Option<TempDir> {
    let folder = TempDir::with_prefix("backstitch-").ok()?;
    interrupt::delete_at_end(folder.path());
    tempfile::env::override_temp_dir(folder.path()).ok()?;
    Some(folder)
}
