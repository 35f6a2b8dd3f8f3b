//! Finding damage, and what can be done about it: events can be replayed, and the rest follows from them.

use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen};
use crate::model::source::{Source, SourceId};
use crate::model::totals::{StoreCounts, Totals};
use crate::store::backend::Backend;
use crate::store::block::{self, BlockKey, Loss};
use crate::store::decoded::DecodedEvents;
use crate::store::directory::{self, EventRunWriter};
use crate::store::error::{BackendError, Damage, StoreError};
use crate::store::events::{EVENTS, WRITTEN, kind_of};
use crate::store::feed;
use crate::store::index;
use crate::store::kinds::{self, identities};
use crate::store::load;
use crate::store::manifest;
use crate::store::open::Store;
use crate::store::run::Run;
use crate::store::table::{TableRow, sorted};
use crate::store::totals;
use crate::store::transaction::Transaction;

/// What [`Store::drop_unreadable_events`] had to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Blocks that could not be read.
    pub blocks: u64,
    /// Events that were in them.
    pub events: u64,
}

impl Store {
    /// Reads every block and says which are damaged. An unreadable manifest beside a good one is among them:
    /// a crash in a commit leaves one, and the next commit writes over it.
    ///
    /// # Errors
    /// When the backend fails otherwise.
    pub fn check(&self) -> Result<Vec<Damage>, StoreError> {
        let mut damaged = manifest::read(self.backend())?.unreadable;
        for run in &self.ledger.manifest().runs {
            // An opening refuses a store with a run of a kind that is not listed.
            if let Some(spec) = kinds::spec_of(run) {
                let mut found = |block: BlockKey, read: Result<(), StoreError>| match read {
                    Ok(()) => Ok(()),
                    Err(StoreError::Damaged(damage)) => {
                        damaged.push(*damage);
                        Ok(())
                    }
                    Err(StoreError::Backend(BackendError::Corrupt { store, how: what })) => {
                        damaged.push(Damage { store, block: Some(block), what });
                        Ok(())
                    }
                    Err(error) => Err(error),
                };
                (spec.check)(self.backend(), run, &mut found)?;
            }
        }
        if let Err(error) = self.read_all_pages() {
            match error {
                // A page that nothing is read from yet: the next commits would not get past it.
                StoreError::Backend(BackendError::Corrupt { store, how: what }) if damaged.is_empty() => {
                    damaged.push(Damage { store, block: None, what });
                }
                StoreError::Backend(BackendError::Corrupt { .. }) => {}
                other => return Err(other),
            }
        }
        Ok(damaged)
    }

    /// Leaves out every block of events that cannot be read, durably, and says what was lost with them.
    ///
    /// Where events were lost, the same commit forgets how far every source was read, so that a replay of the logs brings
    /// them back, and everything that follows from events: until [`rewrite_derived`](Self::rewrite_derived) is done too, the
    /// store is damaged, and says so. A repair that is cut short is thus done again, and never taken for a whole one.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn drop_unreadable_events(&mut self) -> Result<Lost, StoreError> {
        self.ledger.transact(|transaction| {
            let mut lost = Lost::default();
            let next = transaction.next();
            let runs: Vec<Run> = next.of(EVENTS).chain(next.of(WRITTEN)).cloned().collect();
            for run in runs {
                if !is_whole(&**transaction.backend(), &run)? {
                    let kept = keep_readable(transaction, &run, &mut lost)?;
                    transaction.replace(&[run], kept);
                }
            }
            if lost.events > 0 {
                transaction.retire_all(Loss::Rebuilt);
                forget_positions(transaction)?;
            }
            Ok(lost)
        })
    }

    /// Replaces everything that follows from the events, durably: `seen` of every identity, all links, and the totals. The change feed begins
    /// again: what was lost was never told in it.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn rewrite_derived(
        &mut self,
        seen: &[(IdentityId, Seen)],
        links: &[Link],
        totals: Option<&Totals>,
    ) -> Result<u64, StoreError> {
        let (seen, links) = (sorted(seen)?, sorted(links)?);
        check_all_seen(&seen, self.ledger.manifest().totals.identities)?;
        self.ledger.transact(|transaction| {
            retire_reduced(transaction);
            index_again(transaction)?;
            totals::keep(transaction, totals.copied())?;
            totals::keep::<StoreCounts>(transaction, None)?;
            transaction.write_table(seen)?;
            transaction.write_table(links)?;
            feed::begin_again(transaction)
        })?;
        Ok(self.generation())
    }
}

/// Writes runs of identities again whose index is not what their rows say.
fn index_again(transaction: &mut Transaction) -> Result<(), StoreError> {
    let Some(merging) = identities::SPEC.merge else { return Ok(()) };
    let runs: Vec<Run> = transaction.next().of(identities::SPEC.kind).cloned().collect();
    for run in runs {
        let mut is_sound = index::is_indexed(&run);
        (identities::SPEC.check)(&**transaction.backend(), &run, &mut |_, read| {
            is_sound &= read.is_ok();
            Ok(())
        })?;
        if !is_sound {
            let into = transaction.new_run();
            let written = (merging.merge)(transaction.backend(), std::slice::from_ref(&run), into)?;
            transaction.replace(&[run], written);
        }
    }
    Ok(())
}

/// Whether `seen` is that of every identity, of which there are so many, ascending.
pub(super) fn check_all_seen(seen: &[(IdentityId, Seen)], identities: u64) -> Result<(), StoreError> {
    match seen.iter().map(|row| u64::from(row.0.0)).eq(0..identities) {
        true => Ok(()),
        false => Err(StoreError::Invalid("not every identity was seen".into())),
    }
}

/// Lets links and times count no more, which are reduced from the events that count.
pub(super) fn retire_reduced(transaction: &mut Transaction) {
    transaction.retire(|run| [Link::KIND, <(IdentityId, Seen)>::KIND].iter().any(|kind| kind.number() == run.kind));
}

/// Writes the blocks of a run of events that can be read, as they are.
fn keep_readable(transaction: &mut Transaction, run: &Run, lost: &mut Lost) -> Result<Option<Run>, StoreError> {
    let mut writer = EventRunWriter::new(kind_of(run), transaction.new_run());
    let backend = transaction.backend();
    let mut events = DecodedEvents::default();
    for key in run.keys_of(kind_of(run)) {
        match events.read(&**backend, run, key) {
            Ok(()) => {
                let stored = backend.get(&key.bytes())?.unwrap_or_else(block::blank);
                writer.push_raw(events.slot(), stored)?;
            }
            Err(error) if error.is_damage() => lost.blocks += 1,
            Err(error) => return Err(error),
        }
    }
    let kept = writer.finish()?;
    lost.events += run.rows - kept.as_ref().map_or(0, |kept| kept.rows).min(run.rows);
    Ok(kept)
}

/// Forgets how far every source was read.
fn forget_positions(transaction: &mut Transaction) -> Result<(), StoreError> {
    let next = transaction.next();
    let sources =
        load::numbered::<(SourceId, Source), _>(&**transaction.backend(), next, next.totals.sources, |row| {
            (u64::from(row.0.0), row.1)
        })?;
    let forgotten = (0..).map(SourceId).zip(sources);
    let forgotten = forgotten.map(|(id, source)| (id, Source { position: None, pushed: None, ..source })).collect();
    let old: Vec<Run> = next.of(<(SourceId, Source)>::KIND).cloned().collect();
    transaction.retire(|run| old.contains(run));
    transaction.write_table::<(SourceId, Source)>(forgotten)
}

fn is_whole(backend: &dyn Backend, run: &Run) -> Result<bool, StoreError> {
    let mut events = DecodedEvents::default();
    let read = directory::read(backend, run.entry())
        .and_then(|run| run.keys_of(kind_of(&run)).try_for_each(|key| events.read(backend, &run, key)));
    match read {
        Ok(()) => Ok(true),
        Err(error) if error.is_damage() => Ok(false),
        Err(error) => Err(error),
    }
}
