//! What follows from the stored events alone: links and times, reduced anew.

use rayon::prelude::*;

use crate::graph::Graph;
use crate::graph::links::Links;
use crate::model::digest::EventHash;
use crate::model::event::{Event, Witness};
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen};
use crate::resolver::{View, in_level_order};
use crate::store::error::StoreError;

/// What follows from the stored events alone.
#[derive(Default)]
pub struct Derived {
    /// How many events there are.
    pub events: u64,
    /// Their links.
    pub links: Links,
    /// When each identity was seen; `None` where no event carries it.
    pub seen: Vec<Option<Seen>>,
}

/// Pieces a thread, so that a slow one does not leave the others idle.
const PIECES_PER_THREAD: usize = 4;

/// Reduces all stored events, in parallel pieces. Memory grows with identities and links, not with events.
///
/// # Errors
/// When the store cannot be read or a block is damaged.
pub fn derive(view: &View) -> Result<Derived, StoreError> {
    let pieces = view.stored_events().pieces(rayon::current_num_threads() * PIECES_PER_THREAD);
    pieces.into_par_iter().map(|piece| derive_piece(view, piece)).try_reduce(Derived::default, |a, b| Ok(a.merge(b)))
}

fn derive_piece(view: &View, anchors: std::ops::Range<u32>) -> Result<Derived, StoreError> {
    let mut derived = Derived::default();
    let mut scan = view.stored_events().scan(anchors);
    while let Some(group) = scan.next()? {
        for event in group.events() {
            derived.add(view.graph(), group.anchor(), &event);
        }
    }
    Ok(derived)
}

impl Derived {
    fn add(&mut self, graph: &Graph, anchor: IdentityId, event: &Event<'_>) {
        self.events += 1;
        let identities: Vec<IdentityId> = in_level_order(graph, anchor, event.companions).collect();
        for id in &identities {
            if self.seen.len() <= id.index() {
                self.seen.resize(id.index() + 1, None);
            }
            let seen = self.seen[id.index()].get_or_insert(Seen::at(event.time));
            seen.merge(Seen::at(event.time));
        }
        let [lowers @ .., higher] = &*identities else { return };
        if lowers.is_empty() {
            return;
        }
        let event_hash = EventHash::new(event.time, event.id, identities.iter().map(|&id| graph.hash(id)));
        for &lower in lowers {
            self.links.merge_link(Link {
                lower,
                higher: *higher,
                first: event.time,
                witness: Witness { event: event_hash, anchor },
                last: event.time,
                count: 1,
            });
        }
    }

    fn merge(mut self, other: Derived) -> Derived {
        self.events += other.events;
        self.links.merge(other.links);
        if self.seen.len() < other.seen.len() {
            self.seen.resize(other.seen.len(), None);
        }
        for (known, other) in self.seen.iter_mut().zip(other.seen) {
            match (known.as_mut(), other) {
                (Some(known), Some(other)) => known.merge(other),
                (None, Some(_)) => *known = other,
                (_, None) => {}
            }
        }
        self
    }
}
