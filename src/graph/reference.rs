//! The rule, written once more from its wording: links sorted by key, groups as labels in a vector, no union-find.
//!
//! It shares the words of `model` and nothing of this module, so a fault in both would have to be made twice.
//! It cannot see faults of `Link::merge` and `Value`, which have tests of their own, nor anything about speed.

use std::collections::BTreeMap;

/// The namespaces, by level. `b` is met before `a`, so that ids and levels disagree.
pub(super) const NAMESPACES: [&str; 4] = ["sessionid", "a", "b", "ecommerceid"];

/// An identity: level and value. Its order is identity order.
pub(super) type Name = (usize, String);

/// An event: when, and what it carries, ascending.
#[derive(Debug, Clone)]
pub(super) struct Happening {
    pub(super) time: i64,
    pub(super) names: Vec<Name>,
}

/// Who is who by a set of events.
#[derive(Debug, Default)]
pub(super) struct Reference {
    /// All identities in identity order.
    pub(super) names: Vec<Name>,
    first_seen: Vec<i64>,
    /// First, last and count of (lower, higher).
    pub(super) links: BTreeMap<(usize, usize), (i64, i64, u64)>,
    labels: Vec<usize>,
    /// The link that first connected a pair.
    pub(super) connected: BTreeMap<(usize, usize), (usize, usize)>,
    pub(super) accepted: Vec<(usize, usize)>,
    pub(super) refused: Vec<(usize, usize)>,
    unique: bool,
}

impl Reference {
    /// The result over the links of `events` with a first co-occurrence up to `until`.
    pub(super) fn new(events: &[Happening], unique: bool, until: i64) -> Self {
        Self::without(&[], events, unique, until)
    }

    /// The same, as if the pairs (lower, higher) of `unlinked` had never met.
    pub(super) fn without(unlinked: &[(Name, Name)], events: &[Happening], unique: bool, until: i64) -> Self {
        let mut this = Self { unique, ..Self::default() };
        this.names = events.iter().flat_map(|event| event.names.clone()).collect();
        this.names.sort();
        this.names.dedup();
        this.first_seen = vec![i64::MAX; this.names.len()];
        this.labels = (0..this.names.len()).collect();
        for event in events {
            this.observe(event);
        }
        let mut order: Vec<_> = this.links.iter().map(|(&(low, high), &(first, ..))| (first, high, low)).collect();
        order.sort();
        for (_, high, low) in order.into_iter().filter(|&(first, ..)| first <= until) {
            let pair = (this.names[low].clone(), this.names[high].clone());
            if !unlinked.contains(&pair) {
                this.take(low, high);
            }
        }
        this
    }

    fn observe(&mut self, event: &Happening) {
        let at = |name: &Name| self.names.binary_search(name).unwrap();
        let places: Vec<usize> = event.names.iter().map(at).collect();
        let Some((&high, lower)) = places.split_last() else { return };
        for &place in &places {
            self.first_seen[place] = self.first_seen[place].min(event.time);
        }
        for &low in lower {
            let link = self.links.entry((low, high)).or_insert((event.time, event.time, 0));
            *link = (link.0.min(event.time), link.1.max(event.time), link.2 + 1);
        }
    }

    fn take(&mut self, low: usize, high: usize) {
        if self.labels[low] == self.labels[high] {
            return;
        }
        if self.customer(low).is_some() && self.customer(high).is_some() {
            self.refused.push((low, high));
            return;
        }
        self.accepted.push((low, high));
        let (ours, theirs) = (self.group(low), self.group(high));
        for &a in &ours {
            for &b in &theirs {
                self.connected.insert((a.min(b), a.max(b)), (low, high));
            }
        }
        let label = self.labels[high];
        for place in ours {
            self.labels[place] = label;
        }
    }

    pub(super) fn group(&self, place: usize) -> Vec<usize> {
        (0..self.names.len()).filter(|&other| self.labels[other] == self.labels[place]).collect()
    }

    pub(super) fn customer(&self, place: usize) -> Option<usize> {
        let top = NAMESPACES.len() - 1;
        self.group(place).into_iter().find(|&member| self.unique && self.names[member].0 == top)
    }

    /// The owner and since when.
    pub(super) fn owner(&self, place: usize) -> Option<(usize, Option<i64>)> {
        let customer = self.customer(place)?;
        let link = self.connected.get(&(place.min(customer), place.max(customer)));
        Some((customer, link.map(|link| self.links[link].0)))
    }

    pub(super) fn earliest(&self, place: usize) -> usize {
        self.group(place).into_iter().min_by_key(|&member| (self.first_seen[member], member)).unwrap()
    }
}
