//! The events of a person, gathered to be put in the order of time: forty bytes each, and what neighbours share. A row of one takes ten
//! times as much, so rows are made one by one, as they are asked for.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::graph::Graph;
use crate::model::error::Result;
use crate::model::event::{Event, EventId, in_level_order};
use crate::model::identity::{IdentityId, Value};
use crate::model::person::{AttributionKind, Person};
use crate::model::profile::ProfilePart;
use crate::model::source::SourceId;
use crate::model::time::Time;
use crate::resolver::attribution::{AnchorRule, Attributed};
use crate::resolver::rows::{self, EventRow, anchors_of};
use crate::resolver::view::View;

/// An event.
#[derive(Clone, Copy)]
struct SmallEvent {
    time: Time,
    /// The 16 bytes of a hash or a UUID, as they are ordered; start and end of a text.
    id: [u64; 2],
    anchor: IdentityId,
    companions: u32,
    sources: u32,
    sort: IdSort,
    kind: AttributionKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IdSort {
    Line,
    Uuid,
    Text,
}

/// Sets, one after the other. Within a session the set hardly changes, so one that follows on itself is kept once.
struct Sets<T> {
    members: Vec<T>,
    ends: Vec<usize>,
}

impl<T: Copy + PartialEq> Sets<T> {
    fn new() -> Self {
        Self { members: Vec::new(), ends: Vec::new() }
    }

    fn add(&mut self, set: &[T]) -> u32 {
        if self.ends.is_empty() || self.get(self.ends.len() as u32 - 1) != set {
            self.members.extend_from_slice(set);
            self.ends.push(self.members.len());
        }
        self.ends.len() as u32 - 1
    }

    fn get(&self, place: u32) -> &[T] {
        let place = place as usize;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.members[start..self.ends[place]]
    }
}

/// The events of a person, in time order (then by id, then by identities).
pub struct PersonEvents {
    person: Person,
    all: Vec<SmallEvent>,
    /// The ids that are texts, end to end.
    texts: String,
    companions: Sets<IdentityId>,
    sources: Sets<SourceId>,
}

impl PersonEvents {
    /// The events that belong to `person` under the reading of `view`.
    pub fn of(view: &View, person: Person) -> Result<Self> {
        let (companions, sources) = (Sets::new(), Sets::new());
        let mut this = Self { person, all: Vec::new(), texts: String::new(), companions, sources };
        this.gather(view)?;
        let mut all = std::mem::take(&mut this.all);
        all.par_sort_unstable_by(|a, b| this.compare(view.graph(), a, b));
        this.all = all;
        Ok(this)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The row of one of them. `view` is the one they were gathered of.
    pub fn row(&self, view: &View, at: usize) -> EventRow {
        let small = &self.all[at];
        let event = Event {
            time: small.time,
            id: self.id(small),
            companions: self.companions.get(small.companions),
            sources: self.sources.get(small.sources),
            profile: ProfilePart::default(),
        };
        rows::event(view, small.anchor, &event, Attributed { person: self.person, kind: small.kind })
    }

    fn gather(&mut self, view: &View) -> Result<()> {
        let until = view.reading().until();
        let mut cursor = view.stored_events().cursor();
        for anchor in anchors_of(view, self.person) {
            let group = cursor.group(anchor)?;
            let rule = AnchorRule::of_group(view, &group);
            for event in group.events().take_while(|event| event.time <= until) {
                let Attributed { person, kind } = rule.attribute(&event);
                if person == self.person {
                    self.push(anchor, &event, kind);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, anchor: IdentityId, event: &Event<'_>, kind: AttributionKind) {
        let halves = |word: u128| [(word >> 64) as u64, word as u64];
        let (sort, id) = match event.id {
            EventId::Line(hash) => (IdSort::Line, halves(hash)),
            EventId::Uuid(bytes) => (IdSort::Uuid, halves(u128::from_be_bytes(bytes))),
            EventId::Text(text) => {
                let start = self.texts.len() as u64;
                self.texts.push_str(text);
                (IdSort::Text, [start, self.texts.len() as u64])
            }
        };
        let (companions, sources) = (self.companions.add(event.companions), self.sources.add(event.sources));
        self.all.push(SmallEvent { time: event.time, id, anchor, companions, sources, sort, kind });
    }

    fn id(&self, event: &SmallEvent) -> EventId<'_> {
        let word = u128::from(event.id[0]) << 64 | u128::from(event.id[1]);
        match event.sort {
            IdSort::Line => EventId::Line(word),
            IdSort::Uuid => EventId::Uuid(word.to_be_bytes()),
            IdSort::Text => EventId::Text(&self.texts[event.id[0] as usize..event.id[1] as usize]),
        }
    }

    fn compare(&self, graph: &Graph, a: &SmallEvent, b: &SmallEvent) -> Ordering {
        a.time
            .cmp(&b.time)
            .then_with(|| self.compare_ids(a, b))
            .then_with(|| self.compare_identities(graph, a, b))
            .then_with(|| a.id.cmp(&b.id))
    }

    /// By what is written of the ids: of the hash of a line, nothing.
    fn compare_ids(&self, a: &SmallEvent, b: &SmallEvent) -> Ordering {
        let value = |event| match self.id(event) {
            EventId::Line(_) => None,
            EventId::Uuid(bytes) => Some(Value::Uuid(bytes)),
            EventId::Text(text) => Some(Value::Text(text)),
        };
        value(a).cmp(&value(b))
    }

    fn compare_identities(&self, graph: &Graph, a: &SmallEvent, b: &SmallEvent) -> Ordering {
        if (a.anchor, a.companions) == (b.anchor, b.companions) {
            return Ordering::Equal;
        }
        let identities = |event: &SmallEvent| {
            in_level_order(event.anchor, graph.is_session(event.anchor), self.companions.get(event.companions))
        };
        let written = |id| {
            let all = graph.identities();
            (graph.namespaces().display(all.namespace(id)), all.value(id))
        };
        identities(a).map(written).cmp(identities(b).map(written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_small() {
        assert_eq!(size_of::<SmallEvent>(), 40);
    }

    #[test]
    fn a_set_that_follows_on_itself_is_kept_once() {
        let mut sets = Sets::new();
        let places = [&[][..], &[1, 2], &[1, 2], &[2], &[], &[], &[1, 2]].map(|set| sets.add(set));
        assert_eq!(places, [0, 1, 1, 2, 3, 3, 4]);
        assert_eq!([0, 1, 2, 3, 4].map(|place| sets.get(place)), [&[][..], &[1, 2], &[2], &[], &[1, 2]]);
    }
}
