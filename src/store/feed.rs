//! The change feed as it lies in the store: read from any record on, in any thread; added to, and trimmed from the old end.

use std::fmt;
use std::sync::Arc;

use crate::model::history::{Epoch, FeedPosition, Overwritten, Sequence, StoredChange};
use crate::model::identity::IdentityId;
use crate::store::backend::Backend;
use crate::store::block::{BlockKey, Loss};
use crate::store::error::StoreError;
use crate::store::kinds::Numbered;
use crate::store::kinds::history::{Past, rows_of};
use crate::store::known_at::writer_of;
use crate::store::manifest::Manifest;
use crate::store::open::Store;
use crate::store::run::{self, Run};
use crate::store::scan::Events;
use crate::store::table::{self, TableRow};
use crate::store::transaction::{Transaction, WriteRun, write_rows};

/// The change feed as of one commit. Cheap to clone; readable in any thread while commits go on: the runs that it names are
/// not deleted as long as it lives.
#[derive(Clone)]
pub struct StoredFeed {
    backend: Arc<dyn Backend>,
    /// Runs of records, the oldest first.
    pub(super) runs: Vec<Run>,
    epoch: Epoch,
    sequence: Sequence,
    trimmed: Sequence,
    identities: u64,
}

impl fmt::Debug for StoredFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.backend.name();
        f.debug_struct("StoredFeed").field("store", &store).field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl StoredFeed {
    /// That of a store which holds `held`.
    pub(super) fn new(backend: &Arc<dyn Backend>, held: &Manifest) -> Self {
        Self {
            backend: Arc::clone(backend),
            runs: held.of(Numbered::KIND).cloned().collect(),
            epoch: held.epoch,
            sequence: Sequence(held.totals.sequence),
            trimmed: Sequence(held.totals.trimmed),
            identities: held.totals.identities,
        }
    }

    /// Whether it numbers identities as some events do: both are of the store since it was last rewritten.
    pub fn is_beside(&self, events: &Events) -> bool {
        Arc::ptr_eq(&self.backend, &events.backend)
    }

    /// The number of the last record; 0 where there was none yet.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The position of a reader who has read up to the record `sequence`.
    pub fn position_at(&self, sequence: Sequence) -> FeedPosition {
        FeedPosition { epoch: Some(self.epoch), sequence }
    }

    /// The number of the last record that was trimmed.
    pub fn trimmed(&self) -> Sequence {
        self.trimmed
    }

    /// The records after `since`. Costs a read of the blocks that hold them, and of a few more to find the first.
    ///
    /// # Errors
    /// [`StoreError::OtherEpoch`] where `since` is of another epoch; [`StoreError::Trimmed`] where some of them were trimmed;
    /// [`StoreError::Ahead`] where `since` was never given.
    pub fn changes(&self, since: impl Into<FeedPosition>) -> Result<StoredChanges, StoreError> {
        let asked = since.into();
        if asked.epoch.is_some_and(|epoch| epoch != self.epoch) {
            return Err(StoreError::OtherEpoch { store: self.backend.name(), asked, epoch: self.epoch });
        }
        let since = asked.sequence;
        self.check(since)?;
        let mut last = self.sequence.0;
        let mut runs = Vec::new();
        for run in self.runs.iter().rev() {
            if last <= since.0 {
                break;
            }
            last = self.last_before(run, last)?;
            runs.push(run.clone());
        }
        let at = match runs.pop() {
            Some(first) => {
                let block = self.block_of(&first, since)?;
                Some((first, block))
            }
            None => None,
        };
        let (backend, identities) = (Arc::clone(&self.backend), self.identities);
        Ok(StoredChanges { backend, identities, runs, at, rows: Vec::new().into_iter(), since })
    }

    /// The number before those of a run whose last is `last`.
    fn last_before(&self, run: &Run, last: u64) -> Result<u64, StoreError> {
        last.checked_sub(run.rows).ok_or_else(|| {
            let key = BlockKey { kind: Numbered::KIND, run: run.number, index: 0 };
            run::damaged(&*self.backend, key, "it holds more records than the manifest numbers")
        })
    }

    /// The last block of a run that does not begin after the record that follows on `since`.
    fn block_of(&self, run: &Run, since: Sequence) -> Result<u32, StoreError> {
        let (mut low, mut high) = (0, run.blocks);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let rows = table::read_block::<Numbered>(&*self.backend, run, middle)?;
            if rows.first().is_some_and(|row| row.0.0 > since.0 + 1) { high = middle } else { low = middle }
        }
        Ok(low)
    }

    /// The runs that hold no record after `sequence`.
    fn runs_until(&self, sequence: Sequence) -> Result<Vec<Run>, StoreError> {
        let mut last = self.sequence.0;
        let mut old = Vec::new();
        for run in self.runs.iter().rev() {
            if last <= sequence.0 {
                old.push(run.clone());
            }
            last = self.last_before(run, last)?;
        }
        Ok(old)
    }

    /// Whether the records after `sequence` are kept.
    pub(super) fn check(&self, sequence: Sequence) -> Result<(), StoreError> {
        let (store, last, trimmed) = (self.backend.name(), self.sequence, self.trimmed);
        if sequence < trimmed {
            return Err(StoreError::Trimmed { store, asked: sequence, trimmed });
        }
        if sequence > last {
            return Err(StoreError::Ahead { store, asked: sequence, last });
        }
        Ok(())
    }
}

/// Records of the change feed, in the order of their numbers. Holds a block.
pub struct StoredChanges {
    backend: Arc<dyn Backend>,
    /// How many identities the store holds: a record that names another is damaged.
    identities: u64,
    /// Runs that were not begun yet, the oldest last.
    runs: Vec<Run>,
    /// The run at hand, and the next block of it.
    at: Option<(Run, u32)>,
    rows: std::vec::IntoIter<Numbered>,
    since: Sequence,
}

impl fmt::Debug for StoredChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredChanges").field("since", &self.since).finish_non_exhaustive()
    }
}

impl StoredChanges {
    /// The next record with its number.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read. The feed is over then.
    #[expect(clippy::should_implement_trait, reason = "as the scan of events")]
    pub fn next(&mut self) -> Result<Option<Numbered>, StoreError> {
        loop {
            if let Some(row) = self.rows.find(|row| row.0 > self.since) {
                return Ok(Some(row));
            }
            let (run, block) = match self.at.take().or_else(|| self.runs.pop().map(|run| (run, 0))) {
                Some(at) => at,
                None => return Ok(None),
            };
            if block < run.blocks {
                self.rows = self.read(&run, block).inspect_err(|_| self.runs.clear())?.into_iter();
                self.at = Some((run, block + 1));
            }
        }
    }

    /// The records of a block, which name identities of the store alone.
    fn read(&self, run: &Run, block: u32) -> Result<Vec<Numbered>, StoreError> {
        let rows = table::read_block::<Numbered>(&*self.backend, run, block)?;
        let is_stored = |id: IdentityId| u64::from(id.0) < self.identities;
        if rows.iter().all(|row| row.1.named().all(is_stored)) {
            return Ok(rows);
        }
        let key = BlockKey { kind: Numbered::KIND, run: run.number, index: block };
        Err(run::damaged(&*self.backend, key, "it names identities that the store does not hold"))
    }
}

impl Store {
    /// The change feed as of the last commit.
    pub fn feed(&self) -> StoredFeed {
        StoredFeed::new(self.ledger.backend(), self.ledger.manifest())
    }

    /// The number of the last record of the change feed; 0 where there was none yet.
    pub fn sequence(&self) -> Sequence {
        Sequence(self.ledger.manifest().totals.sequence)
    }

    /// The number of the last record of the change feed that was trimmed.
    pub fn trimmed(&self) -> Sequence {
        Sequence(self.ledger.manifest().totals.trimmed)
    }

    /// Forgets the records up to `sequence`, durably, and what would be needed to go back before them.
    ///
    /// # Errors
    /// [`StoreError::Ahead`] where `sequence` was never given; else as [`commit`](Self::commit).
    pub fn trim(&mut self, sequence: Sequence) -> Result<(), StoreError> {
        self.ledger.check_poison()?;
        if sequence <= self.trimmed() {
            return Ok(());
        }
        let feed = self.feed();
        feed.check(sequence)?;
        self.ledger.transact(|transaction| {
            let changes = feed.runs_until(sequence)?;
            let history = history_until(transaction, sequence)?;
            transaction.retire(|run| changes.contains(run) || history.contains(run));
            transaction.totals().trimmed = sequence.0;
            write(transaction, &[], &Overwritten::default())
        })
    }
}

/// The runs of what was overwritten that hold nothing after `sequence`.
fn history_until(transaction: &Transaction, sequence: Sequence) -> Result<Vec<Run>, StoreError> {
    let (backend, held) = (&**transaction.backend(), transaction.next());
    let kept = writer_of(backend, held, sequence)?.map_or(0, |commit| commit.generation);
    let mut old = Vec::new();
    for run in held.of(Past::KIND) {
        let Some(last) = run.blocks.checked_sub(1) else { continue };
        let rows = table::read_block::<Past>(backend, run, last)?;
        if rows.last().is_some_and(|row| row.generation < kept) {
            old.push(run.clone());
        }
    }
    Ok(old)
}

/// Writes records of the feed, and numbers them; and what the commit overwrote.
pub(super) fn write(
    transaction: &mut Transaction,
    changes: &[StoredChange],
    overwritten: &Overwritten,
) -> Result<(), StoreError> {
    let writers = numbered(transaction, changes, overwritten).into();
    transaction.write_runs(writers)
}

/// Numbers records of the feed. They are to be written, and what the commit overwrote.
pub(super) fn numbered<'c>(
    transaction: &mut Transaction,
    changes: &'c [StoredChange],
    overwritten: &'c Overwritten,
) -> [WriteRun<'c>; 2] {
    let totals = transaction.totals();
    let first = totals.sequence + 1;
    totals.sequence += changes.len() as u64;
    let records = (first..).map(Sequence).zip(changes.iter().copied());
    let held = transaction.next().clone();
    [
        Box::new(|run| write_rows::<Numbered>(run, records)),
        Box::new(move |run| write_rows(run, rows_of(overwritten, &held))),
    ]
}

/// Begins the feed again: of what came before nothing is kept.
pub(super) fn begin_again(transaction: &mut Transaction) -> Result<(), StoreError> {
    transaction.retire_all(Loss::FeedBegunAgain);
    let totals = transaction.totals();
    // A number that no record has: even a reader that had applied the last one must begin again from a full export.
    totals.sequence += 1;
    totals.trimmed = totals.sequence;
    write(transaction, &[], &Overwritten::default())
}
