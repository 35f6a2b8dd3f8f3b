//! Events by what names them: their `id`, or their hash.

use hashbrown::HashMap;
use rayon::prelude::*;

use crate::graph::Graph;
use crate::model::digest::EventHash;
use crate::model::error::Result;
use crate::model::event::{Event, EventId};
use crate::model::identity::{IdentityId, canonical_uuid};
use crate::model::limits::MAX_EVENTS_LOCATED;
use crate::model::time::Time;
use crate::resolver::attribution::AnchorRule;
use crate::resolver::rows::{self, EventRow};
use crate::resolver::view::View;

/// What names events.
pub struct WantedEvent<'a> {
    id: EventId<'a>,
    hash: Option<EventHash>,
}

impl<'a> WantedEvent<'a> {
    /// The events with this `id`, or the one with this hash (32 hex digits).
    pub fn new(text: &'a str) -> Self {
        let text = text.trim();
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self {
            id: canonical_uuid(text).map_or(EventId::Text(text), EventId::Uuid),
            hash: digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(EventHash),
        }
    }

    /// Whether an event under `anchor` is one of them.
    pub fn is(&self, graph: &Graph, anchor: IdentityId, event: &Event<'_>) -> bool {
        event.id == self.id || self.hash.is_some_and(|hash| hash == graph.event_hash(anchor, event))
    }
}

/// The earliest of some events: when, and what they are.
#[derive(Default)]
struct Earliest {
    found: Vec<(Time, EventHash, IdentityId)>,
    /// How many there are in all.
    count: u64,
}

impl Earliest {
    fn add(&mut self, time: Time, hash: EventHash, anchor: IdentityId) {
        self.found.push((time, hash, anchor));
        self.count += 1;
        if self.found.len() > 2 * MAX_EVENTS_LOCATED {
            self.cut();
        }
    }

    fn merge(mut self, other: Self) -> Self {
        self.found.extend(other.found);
        self.count += other.count;
        self.cut();
        self
    }

    fn cut(&mut self) {
        self.found.sort_unstable();
        self.found.truncate(MAX_EVENTS_LOCATED);
    }
}

/// The earliest of the wanted events, with how many more there are. A scan of all events for what they are, and a read of those.
pub fn events(view: &View, wanted: &WantedEvent<'_>) -> Result<(Vec<EventRow>, u64)> {
    let (graph, until) = (view.graph(), view.reading().until());
    let earliest = view
        .pieces()
        .into_par_iter()
        .map(|piece| {
            let mut earliest = Earliest::default();
            let mut scan = view.stored_events().scan(piece);
            while let Some(group) = scan.next()? {
                let anchor = group.anchor();
                for event in group.events().take_while(|event| event.time <= until) {
                    if wanted.is(graph, anchor, &event) {
                        earliest.add(event.time, graph.event_hash(anchor, &event), anchor);
                    }
                }
            }
            Ok(earliest)
        })
        .try_reduce(Earliest::default, |a, b| Ok::<_, crate::model::error::Error>(a.merge(b)))?;
    let mut anchors: Vec<IdentityId> = earliest.found.iter().map(|found| found.2).collect();
    anchors.sort_unstable();
    anchors.dedup();
    let mut made: HashMap<EventHash, EventRow> = HashMap::new();
    let mut cursor = view.stored_events().cursor();
    for anchor in anchors {
        let group = cursor.group(anchor)?;
        let rule = AnchorRule::of_group(view, &group);
        for event in group.events().filter(|event| wanted.is(graph, anchor, event)) {
            let row = rows::event(view, anchor, &event, rule.attribute(&event));
            made.insert(row.event, row);
        }
    }
    let more = earliest.count - earliest.found.len() as u64;
    Ok((earliest.found.iter().filter_map(|(_, hash, _)| made.remove(hash)).collect(), more))
}
