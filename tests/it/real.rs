//! Where the real log lies.

use std::path::PathBuf;

/// The log that is not ours to redistribute: beside the repository, or where `BACKSTITCH_DIGINETICA` says.
pub fn diginetica_path() -> Option<PathBuf> {
    let path = std::env::var_os("BACKSTITCH_DIGINETICA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/diginetica-purchases.ndjson"),
        PathBuf::from,
    );
    if path.is_file() {
        return Some(path);
    }
    eprintln!("SKIPPED: the real log is not at {}; set BACKSTITCH_DIGINETICA to its path", path.display());
    None
}

/// Its lines.
pub fn diginetica() -> Option<Vec<String>> {
    let text = std::fs::read_to_string(diginetica_path()?).expect("the real log is readable");
    Some(text.lines().map(str::to_owned).collect())
}
