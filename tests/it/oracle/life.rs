//! A store as facts alone: which source delivered which event, and which pairs are unlinked.

use std::collections::{BTreeMap, BTreeSet};

use super::{Belief, Event, Id, Pairs, Reading, Tag};

#[derive(Debug, Clone, Default)]
pub struct Life {
    /// Every stored event, with the sources that delivered it.
    pub delivered: BTreeMap<Event, BTreeSet<String>>,
    pub unlinked: Pairs,
}

impl Life {
    pub fn deliver(&mut self, source: &str, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.delivered.entry(event).or_default().insert(source.to_owned());
        }
    }

    pub fn unlink(&mut self, lower: &Id, higher: &Id) {
        self.unlinked.insert((lower.clone(), higher.clone()));
    }

    pub fn relink(&mut self, lower: &Id, higher: &Id) {
        self.unlinked.remove(&(lower.clone(), higher.clone()));
    }

    /// As if the source had never been read: what another one delivered too stays.
    pub fn retract_source(&mut self, name: &str) {
        for sources in self.delivered.values_mut() {
            sources.remove(name);
        }
        self.delivered.retain(|_, sources| !sources.is_empty());
    }

    /// As if no event had ever had this id.
    pub fn retract_id(&mut self, id: &str) {
        self.delivered.retain(|event, _| event.tag != Tag::Id(id.to_owned()));
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.delivered.keys()
    }

    pub fn belief(&self, reading: Reading) -> Belief {
        Belief::of(self.delivered.keys(), &self.unlinked, reading)
    }
}
