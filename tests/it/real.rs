//! Where the real logs lie. They are not ours to redistribute, so tests that read one are ignored unless asked for:
//! `cargo test -- --ignored`.

use std::path::PathBuf;

use crate::place::file;

/// A file among the real logs: in the folder `BACKSTITCH_DATA`, or beside the repository.
///
/// # Panics
/// When it is not there: the tests of the real logs are for those who have them.
pub fn path(below: &str) -> PathBuf {
    let beside = || file("../shared/data");
    let path = std::env::var_os("BACKSTITCH_DATA").map_or_else(beside, PathBuf::from).join(below);
    assert!(path.is_file(), "no real log at {}: set BACKSTITCH_DATA to the folder that holds {below}", path.display());
    path
}

/// The lines of the log of a real shop.
pub fn diginetica() -> Vec<String> {
    let text = std::fs::read_to_string(path("diginetica-purchases.ndjson")).expect("the real log is readable");
    text.lines().map(str::to_owned).collect()
}
