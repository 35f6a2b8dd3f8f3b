//! A store as facts alone: which source delivered which event, which pairs are unlinked, whose events are not taken in, and what
//! identities count as.

use std::collections::{BTreeMap, BTreeSet};

use super::{Belief, Erasure, Event, Id, Pairs, Reading, Tag};

#[derive(Debug, Clone, Default)]
pub struct Life {
    /// Every stored event, with the sources that delivered it.
    pub delivered: BTreeMap<Event, BTreeSet<String>>,
    pub unlinked: Pairs,
    /// The acts of opting out that stand: whom each was for.
    pub opted_out: Vec<BTreeSet<Id>>,
    /// Identities that count as others.
    pub renamed: BTreeMap<Id, Id>,
    /// Identities that count as nothing.
    pub aside: BTreeSet<Id>,
    /// The erasures that stand.
    pub erased: Vec<Erasure>,
}

/// Events that were not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refused {
    pub erased: u64,
    pub suppressed: u64,
}

impl Life {
    /// Takes events in, but for those that carry an identity that was erased, or opted out; says how many these are.
    pub fn deliver(&mut self, source: &str, events: impl IntoIterator<Item = Event>) -> Refused {
        let mut refused = Refused::default();
        for event in events {
            if self.erased.iter().any(|erasure| erasure.takes(&event)) {
                refused.erased += 1;
            } else if self.opted_out.iter().flatten().any(|id| event.ids.contains(id)) {
                refused.suppressed += 1;
            } else {
                self.delivered.entry(event).or_default().insert(source.to_owned());
            }
        }
        refused
    }

    /// An identity opts out, and all that its person has now.
    pub fn opt_out(&mut self, id: &Id) {
        let belief = self.belief(Reading::default());
        let counted = self.counts_as(id).unwrap_or(id.clone());
        let group = belief.identities.get(&counted).map(|answer| answer.group.iter().cloned().collect());
        let mut group: BTreeSet<Id> = group.unwrap_or_else(|| BTreeSet::from([counted]));
        // Those that count as one of them, too.
        let renamed = self.renamed.keys().filter(|old| self.counts_as(old).is_some_and(|end| group.contains(&end)));
        let renamed: Vec<Id> = renamed.chain([id]).cloned().collect();
        group.extend(renamed);
        if !self.opted_out.iter().any(|act| group.is_subset(act)) {
            self.opted_out.push(group);
        }
    }

    /// Every act that an identity was part of is taken back.
    pub fn opt_in(&mut self, id: &Id) {
        self.opted_out.retain(|act| !act.contains(id));
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

    /// What an identity counts as; nothing where it is set aside.
    pub fn counts_as(&self, id: &Id) -> Option<Id> {
        let mut id = id.clone();
        while let Some(other) = self.renamed.get(&id) {
            id = other.clone();
        }
        (!self.aside.contains(&id)).then_some(id)
    }

    /// The event that one counts as; none where nothing is left of it.
    pub fn counted(&self, event: &Event) -> Option<Event> {
        let ids: Vec<Id> = event.ids.iter().filter_map(|id| self.counts_as(id)).collect();
        (!ids.is_empty()).then(|| Event { ids, ..event.clone() })
    }

    /// As if no event had ever had this id.
    pub fn retract_id(&mut self, id: &str) {
        self.delivered.retain(|event, _| event.tag != Tag::Id(id.to_owned()));
    }

    /// Every event as it counts, each once.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        let counted: BTreeSet<Event> = self.delivered.keys().filter_map(|event| self.counted(event)).collect();
        counted.into_iter()
    }

    pub fn belief(&self, reading: Reading) -> Belief {
        Belief::of(&self.events().collect::<Vec<_>>(), &self.unlinked, reading)
    }
}
