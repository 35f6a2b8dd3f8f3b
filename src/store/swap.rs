//! Another database in the place of a store's: whole before anything of the old one goes, and taken over to the end whatever is
//! killed on the way.
//!
//! The new store is made in a folder inside of the old one. A file then says that it is whole; from there on every opening takes the
//! swap to its end first. The file changes when the old database is gone, so that nothing of the new one is taken for old.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::model::source::STORE_MARKER;

/// The folder of the new store.
const NEXT: &str = "next";

/// The file that says that a swap is under way, and how far it is.
const SWAP: &str = "swap";

/// The old database is to go.
const OLD_GOES: &[u8] = b"The store in the folder `next` takes the place of this one: its files are being deleted.\n";

/// The new one is to come.
const NEW_COMES: &[u8] = b"The store in the folder `next` takes the place of this one: its files are being moved.\n";

/// What the database says of its files.
#[derive(Clone, Copy)]
pub(crate) struct OwnFiles {
    /// Whether a file or a folder of that name is one of them.
    pub is_own: fn(&str) -> bool,
    /// Returns once the entries of a folder would outlive a loss of power.
    pub sync_directory: fn(&Path) -> io::Result<()>,
}

/// Where the new store of a store at `path` is made.
pub(crate) fn next(path: &Path) -> PathBuf {
    path.join(NEXT)
}

/// Whether a swap is under way.
pub(crate) fn is_under_way(path: &Path) -> bool {
    path.join(SWAP).is_file()
}

/// Deletes what is left of a new store that was not made to the end.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(next(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Lets the new store take the place of the old one, which nobody has open. Cut short before it returns, the next
/// [`finish`] ends it, or nothing has begun.
pub(crate) fn begin(path: &Path, own: OwnFiles) -> io::Result<()> {
    (own.sync_directory)(&next(path))?;
    say(path, OLD_GOES, own)?;
    finish(path, own)
}

/// Takes a swap that is under way to its end.
pub(crate) fn finish(path: &Path, own: OwnFiles) -> io::Result<()> {
    // One process at a time.
    let lock = File::open(path.join(STORE_MARKER))?;
    lock.lock()?;
    let said = match fs::read(path.join(SWAP)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    if said != NEW_COMES {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(own.is_own) {
                remove(&entry.path())?;
            }
        }
        say(path, NEW_COMES, own)?;
    }
    if next(path).is_dir() {
        for entry in fs::read_dir(next(path))? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(own.is_own) {
                fs::rename(entry.path(), path.join(entry.file_name()))?;
            }
        }
        (own.sync_directory)(path)?;
        fs::remove_dir_all(next(path))?;
    }
    fs::remove_file(path.join(SWAP))?;
    (own.sync_directory)(path)
}

/// Writes how far the swap is, whole or not at all.
fn say(path: &Path, what: &[u8], own: OwnFiles) -> io::Result<()> {
    let draft = next(path).join(SWAP);
    let mut file = File::create(&draft)?;
    file.write_all(what)?;
    file.sync_all()?;
    fs::rename(draft, path.join(SWAP))?;
    (own.sync_directory)(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}
