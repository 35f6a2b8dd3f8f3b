//! What follows from the stored events alone: links and times, reduced again.

use std::collections::HashSet;
use std::ops::Range;

use hashbrown::HashMap;
use rayon::prelude::*;
use smallvec::SmallVec;

use crate::graph::Graph;
use crate::graph::links::Links;
use crate::model::digest::EventHash;
use crate::model::event::{Event, in_level_order};
use crate::model::identity::IdentityId;
use crate::model::link::{Seen, Witness};
use crate::resolver::View;
use crate::store::erase::KeptEvent;
use crate::store::error::StoreError;

/// What follows from the stored events alone.
#[derive(Default)]
pub struct Derived {
    /// How many events there are.
    pub events: u64,
    /// Their links.
    pub links: Links,
    /// When identities were seen; one that no event carries is not among them. A map, for each of the many pieces of a
    /// scan knows but a few.
    seen: HashMap<IdentityId, Seen>,
}

/// Reduces all stored events, in parallel pieces. Memory grows with identities and links, not with events.
///
/// # Errors
/// When the store cannot be read or a block is damaged.
pub fn derive(view: &View) -> Result<Derived, StoreError> {
    let piece = |anchors: Range<u32>| {
        let mut derived = Derived::default();
        let mut scan = view.stored_events().scan(anchors);
        while let Some(group) = scan.next()? {
            group.events().for_each(|event| derived.add(view.graph(), group.anchor(), &event));
        }
        Ok(derived)
    };
    view.pieces().into_par_iter().map(piece).try_reduce(Derived::default, |a, b| Ok(a.merge(b)))
}

/// The same of the events alone that carry any of `ids`, as they will be, those left out that will not be: of these identities, and of
/// links at them, it is the whole truth. Looks at every block, and decodes those in which any of `ids` stands.
///
/// # Errors
/// As [`derive`].
pub fn derive_carrying(view: &View, ids: &HashSet<IdentityId>, kept: KeptEvent<'_>) -> Result<Derived, StoreError> {
    let carries = |anchor: IdentityId, companions: &[IdentityId]| {
        ids.contains(&anchor) || companions.iter().any(|id| ids.contains(id))
    };
    let gather = |anchor, event: &Event<'_>, anchors: &mut Vec<IdentityId>| {
        if anchors.last() != Some(&anchor) && carries(anchor, event.companions) {
            anchors.push(anchor);
        }
    };
    let (_, anchors) = view.stored_events().sift(&|block| block.names(|id| ids.contains(&id)), gather)?;
    let mut anchors = anchors.concat();
    anchors.sort_unstable();
    anchors.dedup();
    let part = |anchors: &[IdentityId]| {
        let mut derived = Derived::default();
        let mut events = view.stored_events().cursor();
        for &anchor in anchors {
            let group = events.group(anchor)?;
            let carrying = group.events().filter(|event| carries(anchor, event.companions));
            carrying
                .filter_map(|event| kept(anchor, event))
                .for_each(|event| derived.add(view.graph(), anchor, &event));
        }
        Ok(derived)
    };
    let parts = anchors.par_chunks(ANCHORS_A_TASK).map(part);
    parts.try_reduce(Derived::default, |a, b| Ok(a.merge(b)))
}

/// Anchors that one task reads: some milliseconds.
const ANCHORS_A_TASK: usize = 256;

impl Derived {
    /// When an identity was seen.
    pub fn seen(&self, id: IdentityId) -> Seen {
        self.seen.get(&id).copied().unwrap_or(Seen::NEVER)
    }

    fn add(&mut self, graph: &Graph, anchor: IdentityId, event: &Event<'_>) {
        self.events += 1;
        let identities: SmallVec<[IdentityId; 4]> =
            in_level_order(anchor, graph.is_session(anchor), event.companions).collect();
        for &id in &identities {
            let seen = Seen { events: u64::from(id == anchor), ..Seen::at(event.time) };
            self.seen.entry(id).or_insert(Seen::NEVER).merge(seen);
        }
        let [lowers @ .., higher] = &*identities else { return };
        if lowers.is_empty() {
            return;
        }
        let hash = EventHash::new(event.time, event.id, identities.iter().map(|&id| graph.hash(id)));
        for &lower in lowers {
            self.links.observe(lower, *higher, event.time, Witness { event: hash, anchor });
        }
    }

    fn merge(mut self, mut other: Derived) -> Derived {
        self.events += other.events;
        self.links.merge(other.links);
        if self.seen.len() < other.seen.len() {
            std::mem::swap(&mut self.seen, &mut other.seen);
        }
        for (id, seen) in other.seen {
            self.seen.entry(id).or_insert(Seen::NEVER).merge(seen);
        }
        self
    }
}
