//! Taking stored events back: the runs that hold them are written again without them.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::counting::Recount;
use crate::model::event::Event;
use crate::model::history::{Overwritten, StoredChange};
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen};
use crate::model::namespace::NamespaceId;
use crate::model::source::{Source, SourceId};
use crate::model::totals::{StoreCounts, Totals};
use crate::store::commit::{recounts_of, write_identities};
use crate::store::decoded::KnownIds;
use crate::store::directory::GroupWriter;
use crate::store::error::StoreError;
use crate::store::events::{EVENTS, WRITTEN, kind_of};
use crate::store::feed;
use crate::store::open::Store;
use crate::store::recount::{CountedEvent, count_again};
use crate::store::repair::{check_all_seen, retire_reduced};
use crate::store::run::Run;
use crate::store::scan::Events;
use crate::store::table::sorted;
use crate::store::totals;
use crate::store::transaction::{Transaction, write_rows};

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
#[derive(Debug, Clone)]
pub struct Retraction<'a> {
    /// Every namespace of the store, by id, in lower case; empty where nothing changed.
    pub namespaces: &'a [String],
    /// Identities that are new: no event carries them yet.
    pub identities: Vec<(NamespaceId, Value<'a>)>,
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
    /// Decisions about what identities count as.
    pub recounts: &'a [Recount],
    /// What the store holds then, counted under the default reading.
    pub totals: Totals,
    /// How much there is in the graph then.
    pub counts: StoreCounts,
}

impl Store {
    /// Writes the runs again whose events `fate` does not let stay, or which `count` says count otherwise than before, and makes
    /// nothing of it yet: see [`commit_rewritten`](Self::commit_rewritten). An event lies in a run once for each commit that
    /// delivered it, with that commit's sources; both are asked for each, as it was written, and more than once. `recounted` says
    /// that `count` differs from what it was.
    ///
    /// Costs a read of all events, and a write of the runs that change. `None` where none does.
    ///
    /// # Errors
    /// When a block is damaged, cannot be read or cannot be written.
    pub fn rewrite(
        &mut self,
        fate: impl Fn(IdentityId, &Event<'_>) -> Fate,
        count: impl Fn(IdentityId, &Event<'_>) -> CountedEvent,
        recounted: bool,
    ) -> Result<Option<Rewritten>, StoreError> {
        let mut transaction = self.ledger.begin()?;
        let (mut changed, mut has_written) = (false, false);
        let held = self.ledger.manifest();
        for run in held.of(EVENTS).chain(held.of(WRITTEN)) {
            let known = KnownIds::of(&self.ledger.manifest().totals);
            let events = Events { known, ..Events::of(Arc::clone(self.ledger.backend()), vec![run.clone()]) };
            let is_plain = kind_of(run) == EVENTS;
            has_written |= !is_plain;
            let moves = |anchor, event: &Event<'_>| {
                fate(anchor, event) != Fate::Stays || (count(anchor, event) == CountedEvent::AsWritten) != is_plain
            };
            if is_touched(&events, moves)? {
                let [plain, written] = rewrite_run(&mut transaction, &events, &fate, &count)?;
                transaction.replace(&events.runs, plain);
                has_written |= written.is_some();
                transaction.add(written);
                changed = true;
            }
        }
        if has_written && (changed || recounted) {
            count_again(&mut transaction, &count)?;
            changed = true;
        }
        // They may name identities that the same commit will add.
        let after = Events { known: KnownIds::ALL, ..self.events_in(transaction.next()) };
        Ok(changed.then_some(Rewritten { transaction, after }))
    }

    /// Makes events that were written again what the store holds, durably, together with all that follows from them.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_rewritten(&mut self, rewritten: Rewritten, retraction: Retraction<'_>) -> Result<u64, StoreError> {
        let (seen, links) = (sorted(retraction.seen)?, sorted(retraction.links)?);
        let sources = sorted(retraction.sources)?;
        let identities = self.ledger.manifest().totals.identities + retraction.identities.len() as u64;
        check_all_seen(&seen, identities)?;
        let Rewritten { transaction, after } = rewritten;
        drop(after);
        self.ledger.complete(transaction, |transaction| {
            retire_reduced(transaction);
            totals::keep(transaction, Some(retraction.totals))?;
            totals::keep(transaction, Some(retraction.counts))?;
            transaction.totals().identities = identities;
            if !retraction.namespaces.is_empty() {
                transaction.totals().namespaces = retraction.namespaces.to_vec();
            }
            let recounts = sorted(&recounts_of(transaction, retraction.recounts))?;
            let [records, past] = feed::numbered(transaction, retraction.changes, &retraction.overwritten);
            transaction.write_runs(vec![
                Box::new(|run| write_identities(run, retraction.identities)),
                Box::new(|run| write_rows(run, seen)),
                Box::new(|run| write_rows(run, links)),
                Box::new(|run| write_rows(run, sources)),
                Box::new(|run| write_rows(run, recounts)),
                records,
                past,
            ])
        })?;
        Ok(self.generation())
    }
}

/// Writes the events of a run that stay: those that count as they were written, and the others.
fn rewrite_run(
    transaction: &mut Transaction,
    events: &Events,
    fate: &impl Fn(IdentityId, &Event<'_>) -> Fate,
    count: &impl Fn(IdentityId, &Event<'_>) -> CountedEvent,
) -> Result<[Option<Run>; 2], StoreError> {
    let mut writers = [EVENTS, WRITTEN].map(|kind| GroupWriter::new(kind, transaction.new_run()));
    let mut scan = events.deliveries(0..u32::MAX);
    while let Some(group) = scan.next()? {
        let anchor = group.anchor();
        let decided = |event: Event<'_>| (fate(anchor, &event), count(anchor, &event) == CountedEvent::AsWritten);
        let decided: Vec<(Fate, bool)> = group.events().map(decided).collect();
        for (writer, is_plain) in writers.iter_mut().zip([true, false]) {
            let of_this = group.events().zip(&decided).filter(|(_, (_, plain))| *plain == is_plain);
            let kept: Vec<Event<'_>> = of_this
                .filter_map(|(event, (fate, _))| match fate {
                    Fate::Stays => Some(event),
                    Fate::DeliveredBy(sources) => Some(Event { sources, ..event }),
                    Fate::Goes => None,
                })
                .collect();
            if !kept.is_empty() {
                writer.push(anchor, kept)?;
            }
        }
    }
    let [plain, written] = writers.map(GroupWriter::finish);
    Ok([plain?, written?])
}

/// Whether any event `moves`.
fn is_touched(events: &Events, moves: impl Fn(IdentityId, &Event<'_>) -> bool) -> Result<bool, StoreError> {
    let mut scan = events.deliveries(0..u32::MAX);
    while let Some(group) = scan.next()? {
        if group.events().any(|event| moves(group.anchor(), &event)) {
            return Ok(true);
        }
    }
    Ok(false)
}
