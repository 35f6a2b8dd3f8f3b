//! A file that appears once it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

/// Bytes gathered before they are written: a system call a thousand rows.
const WRITE_BYTES: usize = 128 << 10;

/// A file that appears under its name once it is [complete](Self::finish): a crash leaves the old file or the new one, whole.
/// Dropped before, it leaves no trace.
///
/// It is written beside its place, under a hidden name. What is a link stays one: the file that it leads to is exchanged, and
/// keeps its permissions.
#[derive(Debug)]
pub struct NewFile {
    to: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl NewFile {
    /// Begins the file that is to be at `path`.
    ///
    /// # Errors
    /// When no file can be made in its folder.
    pub fn at(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        // On the same disk, so that the renaming is one step; hidden, so that no pattern of logs finds it.
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.partial", process::id()));
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary)?;
        let to = BufWriter::with_capacity(WRITE_BYTES, file);
        let this = Self { to, temporary, path };
        if let Ok(old) = fs::metadata(&this.path) {
            this.to.get_ref().set_permissions(old.permissions())?;
        }
        Ok(this)
    }

    /// Brings everything to the disk, then gives the file its name.
    ///
    /// # Errors
    /// When it cannot be written: the old file is as it was.
    pub fn finish(mut self) -> io::Result<()> {
        self.to.flush()?;
        self.to.get_ref().sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        sync_folder(&self.path)
    }
}

/// Brings a name to the disk. Elsewhere than on Unix a folder cannot be opened for that.
fn sync_folder(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone already when it was renamed.
        let _ = fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_appears_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let mut file = NewFile::at(&path).unwrap();
        file.write_all(b"a\n").unwrap();
        file.flush().unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a\n");
        assert_eq!(names(folder.path()), ["rows.csv"]);
    }

    #[test]
    fn an_unfinished_file_leaves_the_old_one_alone_and_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        fs::write(&path, "old").unwrap();
        let mut file = NewFile::at(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["rows.csv"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("rows.csv"), folder.path().join("link.csv"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("rows.csv", &link).unwrap();
        let mut file = NewFile::at(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
