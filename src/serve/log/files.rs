//! How files of the log come to be in the place of others.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The file that is being written. It is hidden, so that a replay of the folder skips it.
const NEW: &str = ".new";

/// Puts a new file in the place of another, or where there is none: whenever it is killed, the one or the other is there, whole.
pub fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let beside = path.with_file_name(NEW);
    let mut new = File::create(&beside)?;
    write(&mut new)?;
    new.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder(path)
}

/// Makes the names in the folder of a file survive as contents do.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}
