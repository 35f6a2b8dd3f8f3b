//! Taking a store as it is that may be older than its last commit: only when told to.

use std::path::Path;
use std::sync::Arc;

use crate::store::backend::Backend;
use crate::store::error::StoreError;
use crate::store::feed;
use crate::store::last_commit::{self, Missing};
use crate::store::open::{Mode, Store};

impl Store {
    /// Opens a store as [`open_damaged`](Self::open_damaged) does that may be older than its last commit, and takes it as it is,
    /// durably: a new epoch begins, and with it the change feed. Says what is missing, as far as that is known.
    ///
    /// # Errors
    /// As [`open_damaged`](Self::open_damaged), but for [`StoreError::Older`].
    pub fn accept(path: &Path) -> Result<(Self, Missing), StoreError> {
        let mut store = Self::open_as(path, None, Mode::Accept)?;
        let missing = store.begin_epoch()?;
        Ok((store, missing))
    }

    /// The same for what `backend` holds.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_backend(backend: Arc<dyn Backend>) -> Result<(Self, Missing), StoreError> {
        let mut store = Self::start(backend, None, Mode::Accept)?;
        let missing = store.begin_epoch()?;
        Ok((store, missing))
    }

    fn begin_epoch(&mut self) -> Result<Missing, StoreError> {
        let records = last_commit::read(self.backend())?;
        let held = self.ledger.manifest();
        let missing = records.missing(held);
        self.ledger.accept(records.beyond(held), feed::begin_again)?;
        Ok(missing)
    }

    /// Lets a new epoch begin, with numbers `beyond` those that another store has given, in whose place this one is to be.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn continue_beyond(&mut self, beyond: (u64, u64)) -> Result<(), StoreError> {
        let own = last_commit::read(self.backend())?.beyond(self.ledger.manifest());
        self.ledger.accept((own.0.max(beyond.0), own.1.max(beyond.1)), feed::begin_again)
    }
}
