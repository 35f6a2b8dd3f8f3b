//! What an erasure leaves: no event of whom it is about, and nobody who changes hands because of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Belief, Event, Id, Life, Link, Pairs, Reading};

/// An erasure that stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erasure {
    /// Whom it is about, each with the last moment of which its events are not taken in.
    pub ids: BTreeMap<Id, i64>,
    /// Links that count as never seen because of it.
    pub cuts: Pairs,
}

impl Erasure {
    /// Whether an event is one that goes.
    pub fn takes(&self, event: &Event) -> bool {
        event.ids.iter().any(|id| self.ids.get(id).is_some_and(|&until| event.time <= until))
    }
}

impl Life {
    /// Erases identities, perhaps with all that their persons have, perhaps only up to a moment.
    pub fn forget(&mut self, ids: &[Id], whole_person: bool, until: Option<i64>) {
        let before = self.belief(Reading::default());
        let group = |id: &Id| {
            let counted = self.counts_as(id).unwrap_or(id.clone());
            before.identities.get(&counted).map_or_else(|| vec![counted], |answer| answer.group.clone())
        };
        let persons = ids.iter().filter(|_| whole_person).flat_map(group);
        let mut targets: BTreeSet<Id> = ids.iter().cloned().chain(persons).collect();
        // And those that count as one of them.
        let renamed: Vec<Id> =
            self.renamed.keys().filter(|old| self.chain(old).iter().any(|id| targets.contains(id))).cloned().collect();
        targets.extend(renamed);
        let until = until.unwrap_or(i64::MAX);
        let mut erasure = Erasure { ids: targets.into_iter().map(|id| (id, until)).collect(), cuts: Pairs::default() };
        self.delivered.retain(|event, _| !erasure.takes(event));
        let cuts = self.cuts(&before);
        self.unlinked.extend(cuts.iter().cloned());
        let carried: BTreeSet<&Id> = self.delivered.keys().flat_map(|event| &event.ids).collect();
        let staying: BTreeSet<Id> = carried.into_iter().flat_map(|id| self.chain(id)).collect();
        let is_gone = |id: &Id| erasure.ids.contains_key(id) && !staying.contains(id);
        let stays = |(lower, higher): &(Id, Id)| !is_gone(lower) && !is_gone(higher);
        self.unlinked.retain(stays);
        self.renamed.retain(|old, new| !is_gone(old) && !is_gone(new));
        self.aside.retain(|id| !is_gone(id));
        self.erased.iter_mut().for_each(|known| known.cuts.retain(stays));
        erasure.cuts = cuts;
        // Who is erased again is of the new erasure, with all that were erased together.
        let (again, others) = std::mem::take(&mut self.erased)
            .into_iter()
            .partition(|known: &Erasure| known.ids.keys().any(|id| erasure.ids.contains_key(id)));
        self.erased = others;
        for known in again {
            erasure.cuts.extend(known.cuts);
            for (id, until) in known.ids {
                let bound = erasure.ids.entry(id).or_insert(until);
                *bound = until.max(*bound);
            }
        }
        self.erased.push(erasure);
    }

    /// An identity, and all that it was renamed to.
    pub fn chain(&self, id: &Id) -> Vec<Id> {
        let mut chain = vec![id.clone()];
        while let Some(next) = self.renamed.get(chain.last().expect("not empty")) {
            chain.push(next.clone());
        }
        chain
    }

    /// The links that would give somebody to another customer than before: of those that tied two customers' identities, the ones at an
    /// identity that without them has lost its customer, or was connected to it by another link than before.
    fn cuts(&self, before: &Belief) -> Pairs {
        let left = self.belief(Reading::default());
        let customer =
            |id: &Id| before.identities.get(id).map(|answer| &answer.person).filter(|person| person.is_customer());
        let tied_two = |link: &&Link| {
            let (lower, higher) = (customer(&link.lower), customer(&link.higher));
            lower.is_some() && higher.is_some() && lower != higher
        };
        let pair = |link: &Link| (link.lower.clone(), link.higher.clone());
        let tying: Pairs = left.links.iter().filter(tied_two).map(pair).collect();
        let tying: Pairs = tying.difference(&self.unlinked).cloned().collect();
        let all: Pairs = tying.union(&self.unlinked).cloned().collect();
        let alone = Belief::of(&self.events().collect::<Vec<_>>(), &all, Reading::default());
        let connection = |answer: Option<&Answer>| {
            let answer = answer.filter(|answer| answer.person.is_customer())?;
            let joined = answer.joined.as_ref().map(|link| (link.first, pair(link)));
            Some((answer.person.clone(), joined))
        };
        let falls = |id: &Id| {
            let was = connection(before.identities.get(id));
            was.is_some() && was != connection(alone.identities.get(id))
        };
        tying.into_iter().filter(|(lower, higher)| falls(lower) || falls(higher)).collect()
    }

    /// Lets events of an identity be taken in again. With the last one of an erasure, what was cut by it counts again.
    pub fn readmit(&mut self, id: &Id) {
        for erasure in &mut self.erased {
            erasure.ids.remove(id);
            if erasure.ids.is_empty() {
                self.unlinked.retain(|pair| !erasure.cuts.contains(pair));
            }
        }
        self.erased.retain(|erasure| !erasure.ids.is_empty());
    }
}
