//! The one way in which a store changes.
//!
//! **A transaction**, from its beginning to the disk:
//! 1. [`Ledger::begin`] takes what the last commit left, as the manifest that will be;
//! 2. runs are written ([`add`](Transaction::add), [`write_runs`](Transaction::write_runs)), put in the place of others
//!    ([`replace`](Transaction::replace)), or retired ([`retire`](Transaction::retire)). Nothing that lies in the backend is
//!    touched, and nothing of it counts yet: it lies under numbers that no manifest names;
//! 3. sync;
//! 4. the manifest that will be goes into the slot of the generation before last;
//! 5. sync: from here on the transaction is what a crash leaves, and not before;
//! 6. the record of the commit goes into its slot outside of the database (`store/last_commit.rs`), and sync;
//! 7. the ledger takes the manifest over, and runs that an *earlier* transaction retired are deleted, unless they are read.
//!
//! A transaction that fails on the way poisons the ledger: whether it counts is known when the store is opened again. One that is
//! dropped before step 3 deletes what it wrote, and one that changes nothing writes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use rayon::prelude::*;

use crate::model::history::Epoch;
use crate::model::time::Time;
use crate::store::backend::Backend;
use crate::store::block::{BlockKey, Loss};
use crate::store::error::StoreError;
use crate::store::kinds::{self, KINDS};
use crate::store::last_commit::CommitRecord;
use crate::store::manifest::{Manifest, StoreTotals};
use crate::store::run::{NewRun, Run};
use crate::store::table::{TableRow, TableWriter};
use crate::store::waiting::WaitingBackend;

/// What a store holds, as of its last commit.
#[derive(Debug)]
pub(crate) struct Ledger {
    backend: Arc<dyn Backend>,
    manifest: Manifest,
    /// The number of the next run, which transactions under way take theirs from: none is given twice, not even where a
    /// transaction is given up.
    next_run: Arc<AtomicU32>,
    /// Why nothing more is written until the store is opened again.
    poison: Option<String>,
}

impl Ledger {
    /// That of a store that is to be made.
    pub(crate) fn empty(backend: Arc<dyn Backend>) -> Result<Self, StoreError> {
        let manifest = Manifest::empty(Epoch::drawn());
        CommitRecord::of(&manifest).put(&*backend)?;
        Ok(Self { backend, manifest, next_run: Arc::default(), poison: None })
    }

    /// That of a store in an empty backend which is to go on after `held`: it will hold nothing until a transaction has written it.
    pub(crate) fn after(backend: Arc<dyn Backend>, held: &Manifest) -> Result<Self, StoreError> {
        let manifest = Manifest { runs: Vec::new(), retired: Vec::new(), ..held.clone() };
        CommitRecord::of(&manifest).put(&*backend)?;
        let next_run = Arc::new(AtomicU32::new(manifest.next_run));
        Ok(Self { backend, manifest, next_run, poison: None })
    }

    /// That of a store that is only read.
    pub(crate) fn unswept(backend: Arc<dyn Backend>, manifest: Manifest) -> Self {
        Self { backend, manifest, next_run: Arc::default(), poison: None }
    }

    /// That of a store whose last commit left `manifest`.
    ///
    /// Deletes blocks of transactions that were cut short. Their numbers are not given again, so that nothing of them can pass
    /// for a block of a later run.
    pub(crate) fn open(backend: Arc<dyn Backend>, manifest: Manifest) -> Result<Self, StoreError> {
        let mut next_run = manifest.next_run;
        for spec in KINDS {
            let from = BlockKey { kind: spec.kind, run: manifest.next_run, index: 0 }.bytes();
            let left = backend.keys(&from, &[spec.kind.number() + 1])?;
            let last = left.iter().filter_map(|key| kinds::run_of(key)).max();
            next_run = next_run.max(last.map_or(0, |run| run.saturating_add(1)));
            backend.delete(&left)?;
        }
        Ok(Self { backend, manifest, next_run: Arc::new(AtomicU32::new(next_run)), poison: None })
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Takes no further transaction until the store is opened again.
    pub(crate) fn poison(&mut self, why: &str) {
        self.poison = Some(why.to_owned());
    }

    pub(crate) fn check_poison(&self) -> Result<(), StoreError> {
        match &self.poison {
            Some(why) => Err(StoreError::Poisoned { store: self.backend.name(), why: why.clone() }),
            None => Ok(()),
        }
    }

    /// Begins a transaction, to be [completed](Self::complete) later.
    pub(crate) fn begin(&self) -> Result<Transaction, StoreError> {
        self.check_poison()?;
        let after = self.manifest.generation;
        let next = Manifest { generation: after + 1, at: self.now(), ..self.manifest.clone() };
        let (backend, next_run) = (Arc::clone(&self.backend), Arc::clone(&self.next_run));
        Ok(Transaction { backend, next_run, after, next, taken: Vec::new() })
    }

    /// Takes the store for its latest state although nothing vouches for that, and lets a new epoch begin with `work`. The numbers
    /// of its commit and of the feed are `beyond` all that were given.
    ///
    /// Cut short, the store is as doubtful as before, or in its new epoch.
    pub(crate) fn accept(
        &mut self,
        beyond: (u64, u64),
        work: impl FnOnce(&mut Transaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin()?;
        let (generation, sequence) = beyond;
        let next = &mut transaction.next;
        // The slot of the manifest that is there stays as it is until the new one is durable.
        next.generation = generation + u64::from(generation % 2 == self.manifest.generation % 2);
        next.epoch = Epoch::drawn();
        next.totals.sequence = sequence;
        let before = CommitRecord { generation: next.generation - 1, ..CommitRecord::of(next) };
        before.put(&*self.backend)?;
        self.complete(transaction, work)
    }

    /// Makes what `work` does durable, as a whole or not at all.
    pub(crate) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.begin()?;
        self.complete(transaction, work)
    }

    /// The same for a transaction that was begun before.
    pub(crate) fn complete<T>(
        &mut self,
        mut transaction: Transaction,
        work: impl FnOnce(&mut Transaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.check_poison()?;
        if transaction.after != self.manifest.generation {
            return Err(StoreError::Invalid("another commit came in between".into()));
        }
        // It may have been begun long ago.
        transaction.next.at = self.now();
        // Until it is through, it has failed: a panic on the way must not pass for success.
        self.poison("it broke off");
        let done = work(&mut transaction).and_then(|made| self.publish(transaction).map(|()| made));
        self.poison = done.as_ref().err().map(ToString::to_string);
        done
    }

    /// The moment of a commit that is made now: by the clock of the machine, which may have been set back since the last.
    fn now(&self) -> Time {
        Time::from(SystemTime::now()).max(self.manifest.at)
    }

    /// Steps 3 to 7.
    fn publish(&mut self, transaction: Transaction) -> Result<(), StoreError> {
        let next = transaction.into_manifest();
        let Manifest { generation, at, next_run, .. } = next;
        if next == (Manifest { generation, at, next_run, ..self.manifest.clone() }) {
            return Ok(());
        }
        self.backend.sync()?;
        let (key, block) = next.sealed()?;
        self.backend.put(vec![(key.bytes(), block)])?;
        self.backend.sync()?;
        CommitRecord::of(&next).put(&*self.backend)?;
        self.backend.sync()?;
        self.manifest = next;
        self.delete_retired();
        Ok(())
    }

    /// Deletes what an earlier transaction retired and no reader holds. What the last one retired stays for another generation: it
    /// is what the manifest before names. A failure leaves the run listed, for the next time.
    fn delete_retired(&mut self) {
        let generation = self.manifest.generation;
        let retired = std::mem::take(&mut self.manifest.retired);
        for (since, run) in retired {
            if since == generation || run.is_read() || self.backend.delete(&kinds::keys(&run)).is_err() {
                self.manifest.retired.push((since, run));
            }
        }
    }
}

/// Writes a run; none where it would hold nothing.
pub(crate) type WriteRun<'a> = Box<dyn FnOnce(NewRun) -> Result<Option<Run>, StoreError> + Send + 'a>;

/// Writes a run of rows, which ascend.
pub(crate) fn write_rows<R: TableRow>(
    run: NewRun,
    rows: impl IntoIterator<Item = R>,
) -> Result<Option<Run>, StoreError> {
    const { assert!(kinds::is_listed(R::KIND), "the kind of these rows is missing from the list of kinds") };
    let mut writer = TableWriter::new(run);
    rows.into_iter().try_for_each(|row| writer.push(row))?;
    writer.finish()
}

/// A change to what a store holds, under way.
#[derive(Debug)]
pub(crate) struct Transaction {
    backend: Arc<dyn Backend>,
    next_run: Arc<AtomicU32>,
    /// The commit that it follows on.
    after: u64,
    /// The manifest that will be.
    next: Manifest,
    /// The numbers of the runs that it began to write.
    taken: Vec<u32>,
}

impl Transaction {
    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// What the store will hold.
    pub(crate) fn next(&self) -> &Manifest {
        &self.next
    }

    /// How much the store will hold.
    pub(crate) fn totals(&mut self) -> &mut StoreTotals {
        &mut self.next.totals
    }

    /// A run to be written, and then [added](Self::add).
    pub(crate) fn new_run(&mut self) -> NewRun {
        let number = self.next_run.fetch_add(1, Ordering::Relaxed);
        self.taken.push(number);
        NewRun { backend: Arc::clone(&self.backend), number, generation: self.next.generation }
    }

    /// Lets a run count.
    pub(crate) fn add(&mut self, run: Option<Run>) {
        self.next.runs.extend(run);
    }

    /// Writes a run of rows, which ascend.
    pub(crate) fn write_table<R: TableRow>(&mut self, rows: Vec<R>) -> Result<(), StoreError> {
        let run = write_rows(self.new_run(), rows)?;
        self.add(run);
        Ok(())
    }

    /// Writes runs: they are encoded side by side, and put one after the other, so that what is deleted together lies together.
    pub(crate) fn write_runs(&mut self, writers: Vec<WriteRun<'_>>) -> Result<(), StoreError> {
        let writers: Vec<_> = writers.into_iter().map(|write| (write, self.new_run())).collect();
        let encode = |(write, run): (WriteRun<'_>, NewRun)| {
            let waiting = Arc::new(WaitingBackend::before(&run.backend));
            let run = write(NewRun { backend: Arc::<WaitingBackend>::clone(&waiting), ..run })?;
            Ok((run, waiting))
        };
        let encoded = writers.into_par_iter().with_max_len(1).map(encode).collect::<Result<Vec<_>, StoreError>>()?;
        for (run, waiting) in encoded {
            waiting.put_all()?;
            self.add(run);
        }
        Ok(())
    }

    /// Lets a run count in the place of others of its kind, or nothing in their place.
    pub(crate) fn replace(&mut self, old: &[Run], new: Option<Run>) {
        let place = self.next.runs.iter().position(|run| old.contains(run)).unwrap_or(self.next.runs.len());
        self.retire(|run| old.contains(run));
        self.next.runs.splice(place..place, new);
    }

    /// Lets runs count no more.
    pub(crate) fn retire(&mut self, is_old: impl Fn(&Run) -> bool) {
        let (old, kept): (Vec<Run>, Vec<Run>) = std::mem::take(&mut self.next.runs).into_iter().partition(is_old);
        self.next.runs = kept;
        self.next.retired.extend(old.into_iter().map(|run| (self.next.generation, run)));
    }

    /// Lets all runs count no more whose loss would mean `loss`.
    pub(crate) fn retire_all(&mut self, loss: Loss) {
        self.retire(|run| kinds::spec_of(run).is_some_and(|spec| spec.kind.loss() == loss));
    }

    fn into_manifest(mut self) -> Manifest {
        self.taken.clear();
        let next_run = self.next_run.load(Ordering::Relaxed);
        Manifest { next_run, ..self.next.clone() }
    }
}

/// What was written and is not to count is deleted. Where that cannot be done, the next opening does it.
impl Drop for Transaction {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for run in self.taken.drain(..) {
            for spec in KINDS {
                let [from, to] =
                    [run, run.saturating_add(1)].map(|run| BlockKey { kind: spec.kind, run, index: 0 }.bytes());
                let _ = self.backend.keys(&from, &to).and_then(|left| self.backend.delete(&left));
            }
        }
    }
}
