//! Events that count otherwise than they were written.
//!
//! An event that carries an identity which counts as another, or as nothing, lies among those *as written* (kind 14), out of
//! the events that count. What it counts as lies in runs of their own (kind 13), which follow from it and from the decisions.
//! So a reader of what counts reads the plain events and these together, as runs of one index, and two that become one event
//! are one there; and what was written is the plain events and those as written.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::counting::CountedIds;
use crate::model::event::{Event, EventId};
use crate::model::identity::IdentityId;
use crate::model::profile::ProfilePart;
use crate::model::source::SourceId;
use crate::model::time::Time;
use crate::store::directory::GroupWriter;
use crate::store::error::StoreError;
use crate::store::events::{COUNTED, WRITTEN};
use crate::store::open::Store;
use crate::store::run::Run;
use crate::store::scan::Events;
use crate::store::transaction::Transaction;

/// Events that are gathered to be put in order, at most: some ten megabytes. Each such share is a run.
const EVENTS_A_RUN: usize = 1 << 17;

/// What an event counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CountedEvent {
    /// It counts as it was written.
    AsWritten,
    /// It counts as one under this anchor, with these companions.
    As(IdentityId, CountedIds),
    /// It does not count.
    Nothing,
}

/// An event that is held on its own.
struct OwnEvent {
    anchor: IdentityId,
    time: Time,
    id: OwnId,
    companions: CountedIds,
    sources: SmallVec<[SourceId; 4]>,
    segments: Box<str>,
    traits: Box<str>,
}

enum OwnId {
    Line(u128),
    Uuid([u8; 16]),
    Text(Box<str>),
}

impl OwnEvent {
    fn new(anchor: IdentityId, companions: CountedIds, event: &Event<'_>) -> Self {
        let id = match event.id {
            EventId::Line(hash) => OwnId::Line(hash),
            EventId::Uuid(bytes) => OwnId::Uuid(bytes),
            EventId::Text(text) => OwnId::Text(text.into()),
        };
        let ProfilePart { segments, traits } = event.profile;
        Self {
            anchor,
            time: event.time,
            id,
            companions,
            sources: SmallVec::from_slice(event.sources),
            segments: segments.into(),
            traits: traits.into(),
        }
    }

    fn event(&self) -> Event<'_> {
        let id = match &self.id {
            OwnId::Line(hash) => EventId::Line(*hash),
            OwnId::Uuid(bytes) => EventId::Uuid(*bytes),
            OwnId::Text(text) => EventId::Text(text),
        };
        let profile = ProfilePart { segments: &self.segments, traits: &self.traits };
        Event { time: self.time, id, companions: &self.companions, sources: &self.sources, profile }
    }

    /// Where it is written: by anchor, then as events are within one, then by profile part.
    fn order(&self, other: &Self) -> Ordering {
        let (own, others) = (self.event(), other.event());
        let keys = || own.key().cmp(&others.key()).then_with(|| own.profile.cmp(&others.profile));
        self.anchor.cmp(&other.anchor).then_with(keys)
    }
}

/// Works out again what the events as written count as, in the place of what was worked out before.
pub(super) fn count_again(
    transaction: &mut Transaction,
    count: &impl Fn(IdentityId, &Event<'_>) -> CountedEvent,
) -> Result<(), StoreError> {
    transaction.retire(|run| run.kind == COUNTED.number());
    let runs: Vec<Run> = transaction.next().of(WRITTEN).cloned().collect();
    let written = Events::of(Arc::clone(transaction.backend()), runs);
    let mut share = Vec::new();
    let mut scan = written.deliveries(0..u32::MAX);
    while let Some(group) = scan.next()? {
        for event in group.events() {
            if let CountedEvent::As(anchor, companions) = count(group.anchor(), &event) {
                share.push(OwnEvent::new(anchor, companions, &event));
            }
            if share.len() >= EVENTS_A_RUN {
                write_share(transaction, &mut share)?;
            }
        }
    }
    write_share(transaction, &mut share)
}

/// Writes a run of what was gathered, each event once for each of its profile parts.
fn write_share(transaction: &mut Transaction, share: &mut Vec<OwnEvent>) -> Result<(), StoreError> {
    share.sort_by(OwnEvent::order);
    share.dedup_by(|next, kept| {
        let is_same = next.order(kept).is_eq();
        if is_same {
            kept.sources.extend_from_slice(&next.sources);
            kept.sources.sort_unstable();
            kept.sources.dedup();
        }
        is_same
    });
    let mut writer = GroupWriter::new(COUNTED, transaction.new_run());
    for group in share.chunk_by(|a, b| a.anchor == b.anchor) {
        if let Some(first) = group.first() {
            writer.push(first.anchor, group.iter().map(OwnEvent::event))?;
        }
    }
    let run = writer.finish()?;
    transaction.add(run);
    share.clear();
    Ok(())
}

impl Store {
    /// Works out again, durably, what the events as written count as: what a repair begins with.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn count_again(&mut self, count: impl Fn(IdentityId, &Event<'_>) -> CountedEvent) -> Result<(), StoreError> {
        self.ledger.transact(|transaction| count_again(transaction, &count))
    }
}
