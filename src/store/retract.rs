//! Taking stored events back: the runs that hold them are written again without them.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::event::Event;
use crate::model::history::{Overwritten, StoredChange};
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen};
use crate::model::source::{Source, SourceId};
use crate::store::block::Loss;
use crate::store::directory::GroupWriter;
use crate::store::error::StoreError;
use crate::store::events::EVENTS;
use crate::store::feed;
use crate::store::open::Store;
use crate::store::run::Run;
use crate::store::scan::Events;
use crate::store::table::sorted;
use crate::store::transaction::Transaction;

/// What becomes of a stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Stays,
    /// It stays, delivered by these sources alone (ascending, at least one).
    DeliveredBy(SmallVec<[SourceId; 4]>),
    /// It goes.
    Goes,
}

/// Events written again, not yet what the store holds; dropped, they are deleted.
#[derive(Debug)]
pub struct Rewritten {
    transaction: Transaction,
    /// The events as they will be.
    pub after: Events,
}

/// What follows from the events that are left.
#[derive(Debug)]
pub struct Retraction<'a> {
    /// When each identity was seen, by id; all of them.
    pub seen: &'a [(IdentityId, Seen)],
    /// All links.
    pub links: &'a [Link],
    /// Sources that changed.
    pub sources: &'a [(SourceId, Source)],
    /// Records of the change feed, in order.
    pub changes: &'a [StoredChange],
    /// What is overwritten.
    pub overwritten: Overwritten,
}

impl Store {
    /// Writes the runs again whose events `fate` does not let stay, and makes nothing of it yet: see
    /// [`commit_rewritten`](Self::commit_rewritten). An event lies in a run once for each commit that delivered it, with that
    /// commit's sources; `fate` is asked for each, and more than once.
    ///
    /// Costs a read of all events, and a write of the runs that change. `None` where none does.
    ///
    /// # Errors
    /// When a block is damaged, cannot be read or cannot be written.
    pub fn rewrite(&mut self, fate: impl Fn(IdentityId, &Event<'_>) -> Fate) -> Result<Option<Rewritten>, StoreError> {
        let mut transaction = self.ledger.begin()?;
        let mut changed = false;
        for run in self.ledger.manifest().of(EVENTS) {
            let events = self.events_of(vec![run.clone()]);
            if is_touched(&events, &fate)? {
                let kept = rewrite_run(&mut transaction, &events, &fate)?;
                transaction.replace(&events.runs, kept);
                changed = true;
            }
        }
        let after = self.events_of(transaction.next().of(EVENTS).cloned().collect());
        Ok(changed.then_some(Rewritten { transaction, after }))
    }

    fn events_of(&self, runs: Vec<Run>) -> Events {
        Events { backend: Arc::clone(self.ledger.backend()), runs }
    }

    /// Makes events that were written again what the store holds, durably, together with all that follows from them.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_rewritten(&mut self, rewritten: Rewritten, retraction: &Retraction<'_>) -> Result<u64, StoreError> {
        let (seen, links) = (sorted(retraction.seen)?, sorted(retraction.links)?);
        let sources = sorted(retraction.sources)?;
        self.check_all_seen(&seen)?;
        let Rewritten { transaction, after } = rewritten;
        drop(after);
        self.ledger.complete(transaction, |transaction| {
            transaction.retire_all(Loss::Rebuilt);
            transaction.write_table(seen)?;
            transaction.write_table(links)?;
            transaction.write_table(sources)?;
            feed::write(transaction, retraction.changes, &retraction.overwritten)
        })?;
        Ok(self.generation())
    }

    /// Whether `seen` is that of every identity, ascending.
    pub(super) fn check_all_seen(&self, seen: &[(IdentityId, Seen)]) -> Result<(), StoreError> {
        match seen.iter().map(|row| u64::from(row.0.0)).eq(0..self.ledger.manifest().totals.identities) {
            true => Ok(()),
            false => Err(StoreError::Invalid("not every identity was seen".into())),
        }
    }
}

/// Writes the events of a run that stay.
fn rewrite_run(
    transaction: &mut Transaction,
    events: &Events,
    fate: &impl Fn(IdentityId, &Event<'_>) -> Fate,
) -> Result<Option<Run>, StoreError> {
    let mut writer = GroupWriter::new(transaction.new_run());
    let mut scan = events.scan(0..u32::MAX);
    while let Some(group) = scan.next()? {
        let fates: Vec<Fate> = group.events().map(|event| fate(group.anchor(), &event)).collect();
        let kept = group.events().zip(&fates).filter_map(|(event, fate)| match fate {
            Fate::Stays => Some(event),
            Fate::DeliveredBy(sources) => Some(Event { sources, ..event }),
            Fate::Goes => None,
        });
        writer.push(group.anchor(), kept)?;
    }
    writer.finish()
}

/// Whether `fate` lets any event not stay.
fn is_touched(events: &Events, fate: &impl Fn(IdentityId, &Event<'_>) -> Fate) -> Result<bool, StoreError> {
    let mut scan = events.scan(0..u32::MAX);
    while let Some(group) = scan.next()? {
        if group.events().any(|event| fate(group.anchor(), &event) != Fate::Stays) {
            return Ok(true);
        }
    }
    Ok(false)
}
