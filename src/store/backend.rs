//! The seam between the store and its database: seven methods and a name, with an implementation in memory.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::store::error::{BackendError, StoreError};

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// An ordered map from keys to values, made durable by [`sync`](Backend::sync) and by nothing else:
/// of what was put or deleted since, a crash may keep any part in any order, and may tear a value.
pub trait Backend: Debug + Send + Sync {
    /// Its name in error texts: the directory.
    fn name(&self) -> String;
    /// The value of `key`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError>;
    /// Puts every entry in place.
    ///
    /// # Errors
    /// When one cannot be written; others may have been.
    fn put(&self, entries: Vec<Entry>) -> Result<(), BackendError>;
    /// Deletes the keys that are there.
    ///
    /// # Errors
    /// When one cannot be deleted; others may have been.
    fn delete(&self, keys: &[Vec<u8>]) -> Result<(), BackendError>;
    /// The keys from `from` on and below `to`, ascending.
    ///
    /// # Errors
    /// When they cannot be read.
    fn keys(&self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, BackendError>;
    /// Returns once everything put and deleted so far would outlive a loss of power.
    ///
    /// # Errors
    /// When that cannot be promised.
    fn sync(&self) -> Result<(), BackendError>;
    /// Bytes that the store takes on the disk.
    ///
    /// # Errors
    /// When they cannot be counted.
    fn bytes_on_disk(&self) -> Result<u64, BackendError>;
    /// Puts what `fill` writes and syncs into an empty backend in the place of all that is here: durably, as a whole or not at all, and
    /// so that nothing is left of what was here. Gives the one that is to be used from now on; this one answers nothing any more.
    ///
    /// # Errors
    /// When it cannot be replaced: then it is as it was. Those of `fill`.
    fn replace(&self, _fill: FillBackend<'_>) -> Result<Arc<dyn Backend>, StoreError> {
        Err(BackendError::ReadOnly(self.name()).into())
    }
}

/// Writes what a backend is to hold, and lets go of it.
pub type FillBackend<'a> = &'a mut dyn FnMut(Arc<dyn Backend>) -> Result<(), StoreError>;

/// A store that ends with the process: for tests, and for answers that need no store on the disk.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    map: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// What took its place.
    next: RwLock<Option<Arc<MemoryBackend>>>,
}

impl MemoryBackend {
    /// One that holds `entries`.
    pub fn holding(entries: BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        Self { map: RwLock::new(entries), next: RwLock::default() }
    }

    /// The one that is used now in its place, if it was [replaced](Backend::replace).
    pub fn latest(self: &Arc<Self>) -> Arc<Self> {
        self.next.read().as_ref().map_or_else(|| Arc::clone(self), Self::latest)
    }

    fn check(&self) -> Result<(), BackendError> {
        match *self.next.read() {
            Some(_) => Err(BackendError::Replaced(self.name())),
            None => Ok(()),
        }
    }

    /// Everything in it.
    pub fn entries(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.map.read().clone()
    }
}

impl Backend for MemoryBackend {
    fn name(&self) -> String {
        "in memory".into()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.check()?;
        Ok(self.map.read().get(key).cloned())
    }

    fn put(&self, entries: Vec<Entry>) -> Result<(), BackendError> {
        self.map.write().extend(entries);
        Ok(())
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Result<(), BackendError> {
        let mut map = self.map.write();
        for key in keys {
            map.remove(key);
        }
        Ok(())
    }

    fn keys(&self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, BackendError> {
        self.check()?;
        if from >= to {
            return Ok(Vec::new());
        }
        let range = (Bound::Included(from), Bound::Excluded(to));
        Ok(self.map.read().range::<[u8], _>(range).map(|(key, _)| key.clone()).collect())
    }

    fn sync(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn bytes_on_disk(&self) -> Result<u64, BackendError> {
        Ok(0)
    }

    fn replace(&self, fill: FillBackend<'_>) -> Result<Arc<dyn Backend>, StoreError> {
        let next = Arc::new(Self::default());
        fill(Arc::<Self>::clone(&next))?;
        *self.next.write() = Some(Arc::clone(&next));
        self.map.write().clear();
        Ok(next)
    }
}
