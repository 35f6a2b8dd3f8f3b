//! What is put later: entries of a run that is encoded while others are.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::backend::{Backend, Entry};
use crate::store::error::BackendError;

/// Holds what is put, in order, until all of it is put into the backend behind it; asks that one everything else.
#[derive(Debug)]
pub(super) struct WaitingBackend {
    behind: Arc<dyn Backend>,
    puts: Mutex<Vec<Vec<Entry>>>,
}

impl WaitingBackend {
    /// Holds nothing yet of what is to be put into `backend`.
    pub(super) fn before(backend: &Arc<dyn Backend>) -> Self {
        Self { behind: Arc::clone(backend), puts: Mutex::default() }
    }

    /// Puts what it holds into the backend behind it.
    ///
    /// # Errors
    /// As [`put`](Backend::put).
    pub(super) fn put_all(&self) -> Result<(), BackendError> {
        let puts = std::mem::take(&mut *self.puts.lock());
        puts.into_iter().try_for_each(|entries| self.behind.put(entries))
    }
}

impl Backend for WaitingBackend {
    fn name(&self) -> String {
        self.behind.name()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.behind.get(key)
    }

    fn put(&self, entries: Vec<Entry>) -> Result<(), BackendError> {
        self.puts.lock().push(entries);
        Ok(())
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Result<(), BackendError> {
        self.behind.delete(keys)
    }

    fn keys(&self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, BackendError> {
        self.behind.keys(from, to)
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.behind.sync()
    }

    fn bytes_on_disk(&self) -> Result<u64, BackendError> {
        self.behind.bytes_on_disk()
    }
}
