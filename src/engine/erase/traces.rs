//! What a store holds of the erased: events that carry them, and texts that tell their values.

use std::collections::{BTreeSet, HashSet};

use rayon::prelude::*;

use crate::engine::count::counted;
use crate::engine::erase::targets::Targets;
use crate::engine::erase::texts::TellTale;
use crate::model::barred::{BarHash, IdentityBar};
use crate::model::digest::EventHash;
use crate::model::error::Result;
use crate::model::event::Event;
use crate::model::identity::{IdentityId, Value};
use crate::model::profile::ProfilePart;
use crate::resolver::View;
use crate::store::Store;
use crate::store::barred::{BarKey, hash_text};
use crate::store::error::StoreError;
use crate::store::recount::CountedEvent;

/// Pieces a thread: enough that one slow piece does not leave the others idle.
const PIECES_PER_THREAD: usize = 8;

/// What a store holds of the erased.
pub struct Traces {
    /// The key that hashes are made with from now on.
    pub key: BarKey,
    /// What tells the values of those that go.
    pub tale: TellTale,
    /// Those of which later events are left.
    pub staying: HashSet<IdentityId>,
    /// The events that go, as they were written.
    pub written: HashSet<EventHash>,
    /// The events that go, as they were written, and as they count.
    pub events: HashSet<EventHash>,
    /// The hashes of what tells a value of other events: their ids, their segments and traits.
    pub ids: BTreeSet<BarHash>,
}

impl Traces {
    /// What there is. Reads all events; once more where there is a bound in time.
    pub fn of(view: &View, store: &Store, targets: &Targets) -> Result<Self> {
        let graph = view.graph();
        let staying = match targets.until == IdentityBar::FOR_GOOD {
            true => HashSet::new(),
            false => gather(view, |anchor, event, staying: &mut HashSet<IdentityId>| {
                if !targets.take(anchor, event) {
                    let of_it = targets.carried(anchor, event);
                    staying.extend(of_it.flat_map(|id| graph.counting().chain(id)));
                }
            })?,
        };
        let going = targets.named.iter().filter(|(name, value)| {
            let id = graph.namespaces().get(name).and_then(|name| graph.identities().get(name, Value::new(value)));
            id.is_none_or(|id| !staying.contains(&id))
        });
        let tale = TellTale::of(going.map(|(_, value)| Value::new(value)))?;
        let key = store.key()?;
        let mut this =
            Self { key, tale, staying, written: HashSet::new(), events: HashSet::new(), ids: BTreeSet::new() };
        type Gathering = (HashSet<EventHash>, (HashSet<EventHash>, BTreeSet<BarHash>));
        let (written, (events, ids)) = gather(view, |anchor, event, (written, (events, ids)): &mut Gathering| {
            if targets.take(anchor, event) {
                written.insert(graph.event_hash(anchor, event));
                if let CountedEvent::As(anchor, ids) = counted(graph, graph.counting(), anchor, event) {
                    events.insert(graph.event_hash(anchor, &Event { companions: &ids, ..*event }));
                }
                return;
            }
            if let Some(told) = this.tale.told_by(event.id) {
                ids.insert(hash_text(&this.key, &told));
            }
            let profile = [event.profile.segments, event.profile.traits].into_iter();
            ids.extend(profile.filter(|text| this.tale.is_in_profile(text)).map(|text| hash_text(&this.key, text)));
        })?;
        (this.events, this.ids) = (events.union(&written).copied().collect(), ids);
        this.written = written;
        Ok(this)
    }

    /// What becomes of an event.
    pub fn kept<'e>(&self, targets: &Targets, anchor: IdentityId, event: Event<'e>) -> Option<Event<'e>> {
        (!targets.take(anchor, &event)).then(|| self.renamed(event))
    }

    /// An event whose `id`, segments and traits tell no value: a mark takes the place of an id that does, and nothing that of the others.
    pub fn renamed<'e>(&self, event: Event<'e>) -> Event<'e> {
        let id = match self.tale.told_by(event.id) {
            Some(told) => hash_text(&self.key, &told).event_id(),
            None => event.id,
        };
        let untold = |text| if self.tale.is_in_profile(text) { "" } else { text };
        let ProfilePart { segments, traits } = event.profile;
        let profile = ProfilePart { segments: untold(segments), traits: untold(traits) };
        Event { id, profile, ..event }
    }
}

/// Shows all events as they were written, in parallel pieces, and unites what was gathered of them.
fn gather<G: Default + Send + Unites>(
    view: &View,
    each: impl Fn(IdentityId, &Event<'_>, &mut G) + Sync,
) -> Result<G, StoreError> {
    let events = view.stored_events().as_written();
    let piece = |anchors| {
        let mut gathered = G::default();
        let mut scan = events.deliveries(anchors);
        while let Some(group) = scan.next()? {
            group.events().for_each(|event| each(group.anchor(), &event, &mut gathered));
        }
        Ok(gathered)
    };
    let pieces = events.pieces(rayon::current_num_threads() * PIECES_PER_THREAD);
    pieces.into_par_iter().map(piece).try_reduce(G::default, |a, b| Ok(a.unite(b)))
}

/// Sets that unite.
trait Unites {
    fn unite(self, other: Self) -> Self;
}

impl<T: Eq + std::hash::Hash> Unites for HashSet<T> {
    fn unite(mut self, other: Self) -> Self {
        self.extend(other);
        self
    }
}

impl<T: Ord> Unites for BTreeSet<T> {
    fn unite(mut self, mut other: Self) -> Self {
        self.append(&mut other);
        self
    }
}

impl<A: Unites, B: Unites> Unites for (A, B) {
    fn unite(self, other: Self) -> Self {
        (self.0.unite(other.0), self.1.unite(other.1))
    }
}
