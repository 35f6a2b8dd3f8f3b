//! What one commit adds, and the order in which it is written.

use crate::model::counting::Recount;
use crate::model::history::{Overwritten, StoredChange};
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen};
use crate::model::namespace::NamespaceId;
use crate::model::source::{Source, SourceId};
use crate::model::totals::{StoreCounts, Totals};
use crate::store::block::BlockKind;
use crate::store::compact::compact;
use crate::store::directory::EventRunWriter;
use crate::store::error::StoreError;
use crate::store::events::{COUNTED, EVENTS, EventBlock, WRITTEN};
use crate::store::feed;
use crate::store::kinds::identities::IdentityWriter;
use crate::store::kinds::recounts::StoredRecount;
use crate::store::manifest::StoreTotals;
use crate::store::open::Store;
use crate::store::run::{NewRun, Run};
use crate::store::table::sorted;
use crate::store::totals;
use crate::store::transaction::{Transaction, write_rows};

/// What one commit adds.
#[derive(Debug, Default)]
pub struct Commit<'a> {
    /// Every namespace of the store, by id, in lower case; empty where nothing changed.
    pub namespaces: &'a [String],
    /// New identities; their ids follow on those that the store holds.
    pub identities: Vec<(NamespaceId, Value<'a>)>,
    /// When identities were seen, in all: a later commit overrides an earlier one. New identities must be among them.
    pub seen: &'a [(IdentityId, Seen)],
    /// Links, as they are in all: likewise.
    pub links: &'a [Link],
    /// Events, encoded by an [`EventWriter`](crate::store::events::EventWriter), ascending by anchor.
    pub events: Vec<EventBlock>,
    /// What events count as that do not count as they were written: likewise.
    pub counted: Vec<EventBlock>,
    /// These events as they were written: likewise.
    pub written: Vec<EventBlock>,
    /// Sources that are new (ids follow on) or were read further.
    pub sources: &'a [(SourceId, Source)],
    /// Records of the change feed, in order.
    pub changes: &'a [StoredChange],
    /// What it overwrites, decisions included.
    pub overwritten: Overwritten,
    /// Decisions about what identities count as. No stored event is touched by them.
    pub recounts: &'a [Recount],
    /// What the store holds with it, counted under the default reading; `None` where that is to be counted from the beginning.
    pub totals: Option<Totals>,
    /// How much there is in the graph with it; `None` as of the totals.
    pub counts: Option<StoreCounts>,
}

impl Commit<'_> {
    fn is_empty(&self, totals: &StoreTotals) -> bool {
        let Self { namespaces, identities, seen, links, events, counted, written, sources, .. } = self;
        (namespaces.is_empty() || **namespaces == totals.namespaces)
            && identities.is_empty()
            && seen.is_empty()
            && links.is_empty()
            && [events, counted, written].iter().all(|blocks| blocks.is_empty())
            && sources.is_empty()
            && self.overwritten.unlinks.is_empty()
            && self.recounts.is_empty()
    }

    /// Whether it fits what the store holds; `seen` and `sources` are its own in ascending order.
    fn check(
        &self,
        totals: &StoreTotals,
        seen: &[(IdentityId, Seen)],
        sources: &[(SourceId, Source)],
    ) -> Result<(), StoreError> {
        let invalid = |what: &str| Err(StoreError::Invalid(what.into()));
        let known = totals.identities;
        let new = seen.iter().skip_while(|row| u64::from(row.0.0) < known).map(|row| u64::from(row.0.0));
        if !new.eq(known..known + self.identities.len() as u64) {
            return invalid("the new identities are not those that were seen");
        }
        let known = totals.sources;
        let new = sources.iter().map(|row| u64::from(row.0.0)).filter(|&id| id >= known);
        if new.enumerate().any(|(at, id)| id != known + at as u64) {
            return invalid("the ids of new sources leave a gap");
        }
        let ascend = |blocks: &Vec<EventBlock>| blocks.is_sorted_by(|block, next| block.last <= next.first);
        if ![&self.events, &self.counted, &self.written].into_iter().all(ascend) {
            return invalid("the blocks of events are out of order");
        }
        if !self.namespaces.is_empty() && !self.namespaces.starts_with(&totals.namespaces) {
            return invalid("namespaces were renamed");
        }
        Ok(())
    }
}

impl Store {
    /// Makes `commit` durable, and says which generation it became. Does nothing where it is empty.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when it contradicts itself or the store: nothing happened. Any other error poisons
    /// the store: whether the commit counts is known when it is opened again, and it counts as a whole or not at all.
    pub fn commit(&mut self, commit: Commit<'_>) -> Result<u64, StoreError> {
        self.ledger.check_poison()?;
        let totals = &self.ledger.manifest().totals;
        if commit.is_empty(totals) {
            return Ok(self.generation());
        }
        let (seen, links, sources) = (sorted(commit.seen)?, sorted(commit.links)?, sorted(commit.sources)?);
        let unlinks = sorted(&commit.overwritten.unlinks)?;
        commit.check(totals, &seen, &sources)?;
        self.ledger.transact(|transaction| {
            compact(transaction)?;
            grow(transaction.totals(), &commit, &sources);
            let recounts = sorted(&recounts_of(transaction, commit.recounts))?;
            let [records, past] = feed::numbered(transaction, commit.changes, &commit.overwritten);
            transaction.write_runs(vec![
                Box::new(|run| write_identities(run, commit.identities)),
                Box::new(|run| write_rows(run, seen)),
                Box::new(|run| write_rows(run, links)),
                Box::new(|run| write_rows(run, sources)),
                records,
                past,
                Box::new(|run| write_rows(run, unlinks)),
                Box::new(|run| write_rows(run, recounts)),
                Box::new(|run| write_events(EVENTS, run, commit.events)),
                Box::new(|run| write_events(COUNTED, run, commit.counted)),
                Box::new(|run| write_events(WRITTEN, run, commit.written)),
            ])?;
            totals::keep(transaction, commit.totals)?;
            totals::keep(transaction, commit.counts)
        })?;
        Ok(self.generation())
    }
}

fn grow(totals: &mut StoreTotals, commit: &Commit<'_>, sources: &[(SourceId, Source)]) {
    totals.identities += commit.identities.len() as u64;
    totals.sources = totals.sources.max(sources.last().map_or(0, |row| u64::from(row.0.0) + 1));
    if !commit.namespaces.is_empty() {
        totals.namespaces = commit.namespaces.to_vec();
    }
}

pub(super) fn write_identities(
    run: NewRun,
    identities: Vec<(NamespaceId, Value<'_>)>,
) -> Result<Option<Run>, StoreError> {
    let mut writer = IdentityWriter::new(run);
    identities.into_iter().try_for_each(|(namespace, value)| writer.push(namespace, value))?;
    writer.finish()
}

/// Decisions about what identities count as, as they are written.
pub(super) fn recounts_of(transaction: &Transaction, recounts: &[Recount]) -> Vec<StoredRecount> {
    let generation = transaction.next().generation;
    recounts.iter().map(|&recount| StoredRecount { recount, generation }).collect()
}

fn write_events(kind: BlockKind, run: NewRun, events: Vec<EventBlock>) -> Result<Option<Run>, StoreError> {
    let mut writer = EventRunWriter::new(kind, run);
    events.into_iter().try_for_each(|block| writer.push(block))?;
    writer.finish()
}
