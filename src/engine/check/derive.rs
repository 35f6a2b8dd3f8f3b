//! What follows from the stored events alone: links and times, reduced again.

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
    derive_kept(view, &|_, event| Some(event))
}

/// The same of the events as they will be, those left out that will not be.
///
/// # Errors
/// As [`derive`].
pub fn derive_kept(view: &View, kept: KeptEvent<'_>) -> Result<Derived, StoreError> {
    let pieces = view.pieces().into_par_iter();
    pieces.map(|piece| derive_piece(view, piece, kept)).try_reduce(Derived::default, |a, b| Ok(a.merge(b)))
}

fn derive_piece(view: &View, anchors: Range<u32>, kept: KeptEvent<'_>) -> Result<Derived, StoreError> {
    let mut derived = Derived::default();
    let mut scan = view.stored_events().scan(anchors);
    while let Some(group) = scan.next()? {
        for event in group.events().filter_map(|event| kept(group.anchor(), event)) {
            derived.add(view.graph(), group.anchor(), &event);
        }
    }
    Ok(derived)
}

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
