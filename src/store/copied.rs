//! A store that is only read: a private copy of its files, so that neither another process that writes to it nor a folder that cannot be
//! written stands in the way.
//!
//! The database locks its files, and writes when it is opened; there is no other way to read it beside a writer. A copy that was
//! made while something was written may be torn: checksums, generations and the record of the last commit tell, and it is made again.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::store::backend::{Backend, Entry};
use crate::store::error::BackendError;
use crate::store::sled::SledBackend;

/// A copy of a database, gone with it.
#[derive(Debug)]
pub(crate) struct CopiedBackend {
    name: String,
    copy: SledBackend,
    // Dropped after the database in it.
    _folder: TempDir,
}

impl CopiedBackend {
    /// Copies the files of the store at `path` into the folder for temporary files, and opens that.
    ///
    /// # Errors
    /// When they cannot be read or copied, or the copy is torn.
    pub(crate) fn of(path: &Path) -> Result<Self, BackendError> {
        let name = path.display().to_string();
        let failed = |error| BackendError::Io { store: name.clone(), what: "cannot be copied to be read", error };
        let folder = TempDir::with_prefix("backstitch-").map_err(failed)?;
        for file in SledBackend::files_to_copy(path).map_err(failed)? {
            copy(&path.join(&file), &folder.path().join(&file)).map_err(failed)?;
        }
        let copy = SledBackend::open(folder.path()).map_err(|error| error.of(&name))?;
        Ok(Self { name, copy, _folder: folder })
    }

    /// When the files of the store at `path` were last written to.
    pub(crate) fn last_written(path: &Path) -> Option<SystemTime> {
        let time = |file: String| fs::metadata(path.join(file)).and_then(|file| file.modified()).ok();
        SledBackend::files_to_copy(path).ok()?.into_iter().filter_map(time).max()
    }
}

/// Copies a file, or the files of a folder. One that is gone by then was not needed.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let copied = match from.is_dir() {
        true => fs::create_dir(to).and_then(|()| {
            fs::read_dir(from)?.try_for_each(|entry| {
                let entry = entry?;
                copy(&entry.path(), &to.join(entry.file_name()))
            })
        }),
        // The database writes to its files, and no one else is to read them.
        false => fs::copy(from, to).and_then(|_| make_own(to)),
    };
    match copied {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        copied => copied,
    }
}

#[cfg(unix)]
fn make_own(file: &Path) -> io::Result<()> {
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_own(file: &Path) -> io::Result<()> {
    let mut permissions = fs::metadata(file)?.permissions();
    permissions.set_readonly(false);
    fs::set_permissions(file, permissions)
}

impl Backend for CopiedBackend {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.copy.get(key).map_err(|error| error.of(&self.name))
    }

    fn put(&self, _: Vec<Entry>) -> Result<(), BackendError> {
        Err(BackendError::ReadOnly(self.name.clone()))
    }

    fn delete(&self, _: &[Vec<u8>]) -> Result<(), BackendError> {
        Err(BackendError::ReadOnly(self.name.clone()))
    }

    fn keys(&self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, BackendError> {
        self.copy.keys(from, to).map_err(|error| error.of(&self.name))
    }

    fn sync(&self) -> Result<(), BackendError> {
        Err(BackendError::ReadOnly(self.name.clone()))
    }

    fn bytes_on_disk(&self) -> Result<u64, BackendError> {
        self.copy.bytes_on_disk().map_err(|error| error.of(&self.name))
    }
}
