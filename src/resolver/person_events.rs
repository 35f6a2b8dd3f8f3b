//! The events of a person, gathered to be put in the order of time: forty bytes each, and what neighbours share. A row of one takes ten
//! times as much, so rows are made one by one, as they are asked for.

use std::cmp::Ordering;

use hashbrown::HashMap;
use rayon::prelude::*;

use crate::graph::Graph;
use crate::model::error::Result;
use crate::model::event::{Event, EventId, in_level_order};
use crate::model::identity::{IdentityId, Value};
use crate::model::link::Seen;
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
    /// The set of the identity that names its person, and of its companions.
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

/// The events of a person, or of some anchors, in time order (then by id, then by identities).
pub struct PersonEvents {
    all: Vec<SmallEvent>,
    /// The ids that are texts, end to end.
    texts: String,
    companions: Sets<IdentityId>,
    sources: Sets<SourceId>,
}

impl PersonEvents {
    /// The events that belong to `person` under the reading of `view`.
    pub fn of(view: &View, person: Person) -> Result<Self> {
        Self::gather(view, &anchors_of(view, person), |found, _, _| found == person)
    }

    /// The events of these anchors that are `wanted`, of whatever person under the reading of `view`.
    pub fn around(
        view: &View,
        anchors: &[IdentityId],
        wanted: impl Fn(IdentityId, &Event<'_>) -> bool,
    ) -> Result<Self> {
        Self::gather(view, anchors, |_, anchor, event| wanted(anchor, event))
    }

    fn gather(
        view: &View,
        anchors: &[IdentityId],
        wanted: impl Fn(Person, IdentityId, &Event<'_>) -> bool,
    ) -> Result<Self> {
        let (companions, sources) = (Sets::new(), Sets::new());
        let mut this = Self { all: Vec::new(), texts: String::new(), companions, sources };
        let until = view.reading().until();
        let mut cursor = view.stored_events().cursor();
        let mut set: Vec<IdentityId> = Vec::new();
        for &anchor in anchors {
            let group = cursor.group(anchor)?;
            let rule = AnchorRule::of_group(view, &group);
            for event in group.events().take_while(|event| event.time <= until) {
                let Attributed { person, kind } = rule.attribute(&event);
                if wanted(person, anchor, &event) {
                    set.clear();
                    set.push(person.identity());
                    set.extend_from_slice(event.companions);
                    this.push(anchor, &event, &set, kind);
                }
            }
        }
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
        let (person, companions) = self.set(small);
        let person = match small.kind {
            AttributionKind::Anonymous => Person::Anonymous(person),
            AttributionKind::Direct | AttributionKind::Retroactive | AttributionKind::Carried => {
                Person::Customer(person)
            }
        };
        let event = Event {
            time: small.time,
            id: self.id(small),
            companions,
            sources: self.sources.get(small.sources),
            profile: ProfilePart::default(),
        };
        rows::event(view, small.anchor, &event, Attributed { person, kind: small.kind })
    }

    /// The identities that they carry, each with when and in how many of them.
    pub fn identities(&self) -> HashMap<IdentityId, Seen> {
        let mut all: HashMap<IdentityId, Seen> = HashMap::new();
        for event in &self.all {
            for &id in std::iter::once(&event.anchor).chain(self.set(event).1) {
                all.entry(id).or_insert(Seen::NEVER).merge(Seen { events: 1, ..Seen::at(event.time) });
            }
        }
        all
    }

    /// The identity that names the person of an event, and its companions.
    fn set(&self, event: &SmallEvent) -> (IdentityId, &[IdentityId]) {
        let set = self.companions.get(event.companions);
        set.split_first().map_or((event.anchor, set), |(&person, companions)| (person, companions))
    }

    fn push(&mut self, anchor: IdentityId, event: &Event<'_>, set: &[IdentityId], kind: AttributionKind) {
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
        let (companions, sources) = (self.companions.add(set), self.sources.add(event.sources));
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
        let identities =
            |event: &SmallEvent| in_level_order(event.anchor, graph.is_session(event.anchor), self.set(event).1);
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
