//! Where a visitor's session ID and opt-out are kept.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tempfile::NamedTempFile;

/// Where a visitor's session ID and opt-out are kept over restarts, as a browser's local storage keeps them: a value by name.
///
/// [`VisitorFile`] and [`VisitorMemory`] are two; a service would keep them in a cookie or a row of its own.
pub trait VisitorStore {
    /// The value of `name`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, name: &str) -> io::Result<Option<String>>;
    /// Puts `value` in the place of that of `name`.
    ///
    /// # Errors
    /// When it cannot be written: the one before is still there.
    fn set(&mut self, name: &str, value: &str) -> io::Result<()>;
    /// Forgets the value of `name`, if there is one.
    ///
    /// # Errors
    /// When that cannot be written: it is still there.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

/// Keeps a visitor in memory. Its clones are handles on the same memory.
#[derive(Debug, Clone, Default)]
pub struct VisitorMemory {
    values: Arc<Mutex<BTreeMap<String, String>>>,
}

impl VisitorStore for VisitorMemory {
    fn get(&self, name: &str) -> io::Result<Option<String>> {
        Ok(self.values.lock().get(name).cloned())
    }

    fn set(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.values.lock().insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.values.lock().remove(name);
        Ok(())
    }
}

/// Keeps a visitor in a file, as an object of texts. Each change replaces the file in one step, so a process that is killed leaves
/// the values before or after. Two processes that change one file at once keep what the last of them wrote.
#[derive(Debug, Clone)]
pub struct VisitorFile {
    path: PathBuf,
}

impl VisitorFile {
    /// The file at `path`; it and its folder are made when there is something to keep.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn values(&self) -> io::Result<BTreeMap<String, String>> {
        let invalid = |error| {
            let text = format!("{} is not a file of a visitor ({error}): move it away", self.path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(invalid),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    fn keep(&self, values: &BTreeMap<String, String>) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut new = NamedTempFile::new_in(folder)?;
        serde_json::to_writer(new.as_file_mut(), values)?;
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        Ok(())
    }
}

impl VisitorStore for VisitorFile {
    fn get(&self, name: &str) -> io::Result<Option<String>> {
        Ok(self.values()?.remove(name))
    }

    fn set(&mut self, name: &str, value: &str) -> io::Result<()> {
        let mut values = self.values()?;
        values.insert(name.to_owned(), value.to_owned());
        self.keep(&values)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut values = self.values()?;
        match values.remove(name) {
            Some(_) => self.keep(&values),
            None => Ok(()),
        }
    }
}
