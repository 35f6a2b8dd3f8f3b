//! How a batch changes who is who.
//!
//! Links are taken in order of their keys. One that comes after everything in the two groups it ties is a plain union
//! or refusal, as when the forest is built from nothing. A late one costs O(log n) to see whether it changes anything;
//! if so, its groups are put aside, together with all that later links of the batch may tie to them, and are joined anew
//! at the end, each once, from their own links alone.
//!
//! While a group is put aside its tree is out of date. A link or an earlier key can only make the greatest key on
//! the way from an identity to a customer smaller, so what the old tree says is an upper bound, and a link that comes
//! after the bounds of both its ends is refused for certain. Any other that touches such a group is put aside with it.

use crate::graph::dirty::Dirty;
use crate::graph::facts::{Due, Facts, Key};
use crate::graph::forest::Forest;
use crate::graph::links::{LinkId, Links};
use crate::graph::{Delta, Graph, GraphError};
use crate::model::identity::IdentityId;
use crate::model::limits::MAX_IDENTITIES;
use crate::model::link::Seen;

impl Graph {
    /// Adds what `delta` knows. When it does not fit, nothing changes.
    ///
    /// Into an empty graph (a store that is opened) this is a sort of the links and a union for each. Otherwise it costs
    /// O(log n) for each link of the delta, and for each group that changes in its past a sort of the links at its members.
    ///
    /// # Errors
    /// When the delta was made for another graph: see [`GraphError`].
    pub fn apply(&mut self, delta: Delta) -> Result<(), GraphError> {
        self.check(&delta)?;
        let Delta { namespaces, identities, seen, links } = delta;
        let before = self.facts.identities.len();
        self.facts.identities.append(identities).map_err(GraphError::Known)?;
        self.facts.namespaces = namespaces;
        self.facts.seen.resize(self.facts.identities.len(), Seen::NEVER);
        self.facts.touching.grow(self.facts.identities.len());
        self.see(&seen);
        let changed = self.merge_links(links);
        self.forest.grow(&self.facts);
        self.customers += self.customers_from(before).count();
        // Not before the forest has all identities and the facts all times, of which the earliest is chosen.
        for &(id, _) in seen.iter().filter(|(id, _)| id.index() < before) {
            self.forest.see(id, &self.facts);
        }
        let mut dirty = Dirty::default();
        for due in self.facts.in_order(changed) {
            take(due, &self.facts, &mut self.forest, &mut dirty);
        }
        for (set, roots) in dirty.sets() {
            self.join_anew(set, &roots, &mut dirty);
        }
        Ok(())
    }

    fn check(&self, delta: &Delta) -> Result<(), GraphError> {
        let (old, new) = (&self.facts.namespaces, &delta.namespaces);
        if old.levels() != new.levels() || !new.names().starts_with(old.names()) {
            return Err(GraphError::Namespaces);
        }
        if delta.identities.ids().any(|id| usize::from(delta.identities.namespace(id).0) >= new.len()) {
            return Err(GraphError::Namespaces);
        }
        let len = self.facts.identities.len() + delta.identities.len();
        if len > MAX_IDENTITIES {
            return Err(GraphError::TooMany);
        }
        let seen = delta.seen.iter().map(|&(id, _)| id);
        let ends = delta.links.as_slice().iter().flat_map(|link| [link.lower, link.higher, link.witness.anchor]);
        match seen.chain(ends).find(|id| id.index() >= len) {
            Some(id) => Err(GraphError::Unknown(id)),
            None => Ok(()),
        }
    }

    fn see(&mut self, seen: &[(IdentityId, Seen)]) {
        for &(id, seen) in seen {
            self.facts.seen[id.index()].merge(seen);
        }
    }

    /// Merges links in; returns those that are new or have an earlier key than before. An accepted one among these
    /// keeps its old key in the forest until it is taken again, and then closes a ring with itself.
    fn merge_links(&mut self, links: Links) -> Vec<LinkId> {
        let facts = &mut self.facts;
        if facts.links.is_empty() {
            facts.links = links;
            facts.links.as_slice().iter().for_each(|link| facts.touching.push(link));
            return facts.links.ids().collect();
        }
        let mut changed = Vec::new();
        for &link in links.as_slice() {
            let (id, before) = facts.links.merge_link(link);
            if before.is_none() {
                facts.touching.push(&link);
            }
            if before.is_none_or(|before| link.first < before.first) {
                changed.push(id);
            }
        }
        changed
    }

    /// Takes a set of groups apart and takes the links among them again, in order.
    fn join_anew(&mut self, set: u32, roots: &[IdentityId], dirty: &mut Dirty) {
        let Self { facts, forest, .. } = self;
        let members: Vec<IdentityId> = roots.iter().flat_map(|&root| forest.members(root)).collect();
        // Links to other groups are refused, and stay so. Each link is found once, from its lower end.
        let mut links = Vec::new();
        for link in members.iter().flat_map(|&member| facts.touching.above(member)) {
            if dirty.set(forest.root(facts.links[link].higher)) == Some(set) {
                links.push(link);
            }
        }
        let links = facts.in_order(links);
        forest.take_apart(&members, &links);
        for due in links {
            let (a, b) = (forest.root(due.lower), forest.root(due.higher));
            if a != b && !(forest.is_customer(a) && forest.is_customer(b)) {
                let joined = forest.join(due, a, b, facts);
                debug_assert!(joined, "links in order can always be joined");
            }
        }
    }

    fn customers_from(&self, first: usize) -> impl Iterator<Item = IdentityId> {
        self.facts.identities.ids().skip(first).filter(|&id| self.forest.is_customer(id))
    }
}

/// Takes one link: joins, refuses, passes over, or puts aside.
fn take(due: Due, facts: &Facts, forest: &mut Forest, dirty: &mut Dirty) {
    let Due { key, lower, higher } = due;
    let (a, b) = (forest.root(lower), forest.root(higher));
    if a == b {
        let closes_earlier =
            || forest.bott(lower, higher, facts).is_some_and(|known| facts.compare_keys(key, known).is_lt());
        if !dirty.contains(a) && closes_earlier() {
            dirty.unite(a, a);
        }
    } else if forest.is_customer(a) && forest.is_customer(b) {
        let earlier_than = |id| forest.last_edge(id).is_some_and(|known: Key| facts.compare_keys(key, known).is_lt());
        if earlier_than(lower) || earlier_than(higher) {
            dirty.unite(a, b);
        }
    } else if dirty.contains(a) || dirty.contains(b) || !forest.join(due, a, b, facts) {
        dirty.unite(a, b);
    }
}
