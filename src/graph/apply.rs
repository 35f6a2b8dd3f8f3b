//! How a batch changes who is who.
//!
//! Links are taken in order of their keys. One that comes after everything in the two groups it ties is a plain union
//! or refusal, as when the forest is built from nothing. A late one costs O(log n) to see whether it changes anything;
//! if so, its groups are put aside, together with all that later links of the batch may tie to them, and are joined again
//! at the end, each once, from their own links alone.
//!
//! While a group is put aside its tree is out of date. A link or an earlier key can only make the greatest key on
//! the way from an identity to a customer smaller, so what the old tree says is an upper bound, and a link that comes
//! after the bounds of both its ends is refused for certain. Any other that touches such a group is put aside with it.

use crate::graph::dirty::Dirty;
use crate::graph::facts::Facts;
use crate::graph::forest::Forest;
use crate::graph::links::{LinkId, Links};
use crate::graph::order::Due;
use crate::graph::{Applied, Delta, Graph, GraphError};
use crate::model::counting::CountsAs;
use crate::model::identity::IdentityId;
use crate::model::limits::MAX_IDENTITIES;
use crate::model::link::{Seen, Unlink};
use crate::model::places::AHEAD;
use crate::model::time::Time;

impl Graph {
    /// Adds what `delta` knows. When it does not fit, nothing changes.
    ///
    /// Into an empty graph (a store that is opened) this costs as [`of`](Self::of). Otherwise it costs
    /// O(log n) for each link of the delta, and for each group that changes in its past a sort of the links at its members.
    ///
    /// # Errors
    /// When the delta was made for another graph: see [`GraphError`].
    pub fn apply(&mut self, delta: Delta) -> Result<Applied, GraphError> {
        self.check(&delta)?;
        let Delta { namespaces, identities, seen, links, unlinks, recounts } = delta;
        let before = self.facts.identities.len();
        let mut applied = Applied::over(before, self.facts.links.len());
        self.facts.identities.append(identities).map_err(GraphError::Known)?;
        self.facts.namespaces = namespaces;
        recounts.into_iter().for_each(|recount| self.facts.counting.decide(recount));
        self.take_in(&seen, links, &unlinks, &mut applied);
        Ok(applied)
    }

    /// The graph of the events up to and including `until`, with the same ids: an identity that was not seen by then is
    /// there, but not [known](Self::is_known).
    ///
    /// The last times and the counts of its links and identities are those of all events still: links alone cannot tell them
    /// apart. What is unlinked today is so in it too. Costs a copy of the identity table and a sort of the links up to then.
    pub fn as_of(&self, until: Time) -> Self {
        let Facts { namespaces, identities, seen, links, counting, .. } = &self.facts;
        let by_then = identities.ids().zip(seen.iter()).filter(|(_, seen)| seen.first <= until);
        let seen: Vec<(IdentityId, Seen)> = by_then.collect();
        let mut kept = Links::new();
        for &link in links.as_slice().iter().filter(|link| link.first <= until) {
            kept.merge_link(link);
        }
        let unlinks = self.unlinked_pairs().map(|(lower, higher)| Unlink { lower, higher, stands: true });
        let mut graph = Self::new(namespaces.clone());
        graph.facts.identities = identities.clone();
        graph.facts.counting = counting.clone();
        graph.take_in(&seen, kept, &unlinks.collect::<Vec<_>>(), &mut Applied::over(0, 0));
        graph
    }

    /// Takes in what a delta says of the identities of the table.
    fn take_in(&mut self, seen: &[(IdentityId, Seen)], links: Links, unlinks: &[Unlink], applied: &mut Applied) {
        self.facts.seen.grow(self.facts.identities.len());
        self.facts.touching.grow(self.facts.identities.len());
        self.see(seen, applied);
        // Into an empty graph decisions come first: there is nothing to cut yet.
        let (first, last) = if self.facts.links.is_empty() { (unlinks, &[][..]) } else { (&[][..], unlinks) };
        self.decide(first, applied);
        let changed = self.merge_links(links, applied);
        if applied.identities == 0 {
            self.forest = Forest::of(&self.facts);
            return;
        }
        self.forest.grow(&self.facts);
        // Not before the forest has all identities and the facts all times, of which the earliest is chosen.
        for at in 0..applied.seen.len() {
            self.rename_by(applied.seen[at].0, applied);
        }
        self.take_all(changed, applied);
        self.decide(last, applied);
    }

    /// Takes links that are new, earlier than before, or count again.
    pub(super) fn take_all(&mut self, links: Vec<LinkId>, applied: &mut Applied) {
        let mut dirty = Dirty::default();
        for due in self.facts.in_order(links) {
            take(due, &self.facts, &mut self.forest, &mut dirty, applied);
        }
        for (set, roots) in dirty.sets() {
            self.join_again(set, &roots, &mut dirty, applied);
        }
    }

    /// Lets the group of an identity that turned out to have been seen earlier follow it.
    fn rename_by(&mut self, id: IdentityId, applied: &mut Applied) {
        let Self { facts, forest } = self;
        let root = forest.root(id);
        if !forest.is_customer(root) && facts.is_earlier(id, forest.earliest(root)) {
            applied.note(root, forest);
            forest.name_by(root, id);
        }
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
        let unlinks = delta.unlinks.iter().flat_map(|unlink| [unlink.lower, unlink.higher]);
        let recounts = delta.recounts.iter().flat_map(|recount| match recount.counts_as {
            CountsAs::Other(other) => [recount.id, other],
            CountsAs::Itself | CountsAs::Nothing | CountsAs::Crowded | CountsAs::Kept => [recount.id; 2],
        });
        let seen = delta.seen.iter().map(|&(id, _)| id).chain(unlinks).chain(recounts);
        let ends = delta.links.as_slice().iter().flat_map(|link| [link.lower, link.higher, link.witness.anchor]);
        match seen.chain(ends).find(|id| id.index() >= len) {
            Some(id) => Err(GraphError::Unknown(id)),
            None => Ok(()),
        }
    }

    fn see(&mut self, seen: &[(IdentityId, Seen)], applied: &mut Applied) {
        for &(id, seen) in seen {
            let mut known = self.facts.seen.get(id);
            if id.index() < applied.identities && seen.first < known.first {
                applied.see(id, known.is_known().then_some(known.first));
            }
            known.merge(seen);
            self.facts.seen.set(id, known);
        }
    }

    /// Merges links in; returns those that are new or have an earlier key than before. An accepted one among these
    /// keeps its old key in the forest until it is taken again, and then closes a ring with itself.
    fn merge_links(&mut self, links: Links, applied: &mut Applied) -> Vec<LinkId> {
        let facts = &mut self.facts;
        if facts.links.is_empty() {
            facts.links = links;
            let all = facts.links.as_slice();
            facts.touching.push_all(all);
            applied.links.extend(all.iter().map(|link| (link.lower, link.higher, None)));
            return facts.links.ids().filter(|&id| !facts.is_unlinked(id)).collect();
        }
        let (mut changed, known) = (Vec::new(), facts.links.len());
        for links in links.as_slice().chunks(AHEAD) {
            facts.links.fetch(links);
            for &link in links {
                let (id, before) = facts.links.merge_link(link);
                if before.is_none_or(|before| link.first < before.first) {
                    applied.links.push((link.lower, link.higher, before.map(|before| before.first)));
                    changed.push(id);
                }
            }
        }
        facts.touching.push_all(&facts.links.as_slice()[known..]);
        changed.retain(|&id| !facts.is_unlinked(id));
        changed
    }

    /// Takes a set of groups apart and takes the links among them again, in order.
    pub(super) fn join_again(&mut self, set: u32, roots: &[IdentityId], dirty: &mut Dirty, applied: &mut Applied) {
        let Self { facts, forest } = self;
        roots.iter().for_each(|&root| applied.note(root, forest));
        let members: Vec<IdentityId> = roots.iter().flat_map(|&root| forest.members(root)).collect();
        // Links to other groups are refused, and stay so. Each link is found once, from its lower end.
        let mut links = Vec::new();
        for link in members.iter().flat_map(|&member| facts.touching.above(member)) {
            if !facts.is_unlinked(link) && dirty.set(forest.root(facts.links[link].higher)) == Some(set) {
                links.push(link);
            }
        }
        let links = facts.in_order(links);
        forest.take_apart(&members, &links);
        forest.take_in_order(&links, facts);
    }
}

/// Takes one link: joins, refuses, ignores, or puts aside.
fn take(due: Due, facts: &Facts, forest: &mut Forest, dirty: &mut Dirty, applied: &mut Applied) {
    let Due { key, lower, higher } = due;
    let (a, b) = (forest.root(lower), forest.root(higher));
    if a == b {
        let closes_earlier =
            || forest.connected_by(lower, higher, facts).is_some_and(|known| facts.compare_keys(key, known).is_lt());
        if !dirty.contains(a) && closes_earlier() {
            dirty.unite(a, a);
        }
    } else if forest.is_customer(a) && forest.is_customer(b) {
        let earlier_than = |id| forest.climb(id).last.is_some_and(|known| facts.compare_keys(key, known).is_lt());
        if earlier_than(lower) || earlier_than(higher) {
            dirty.unite(a, b);
        }
    } else {
        applied.note(renamed(a, b, facts, forest), forest);
        if !dirty.contains(a) && !dirty.contains(b) {
            applied.join(a, b, forest);
            if forest.join(due, a, b, facts) {
                return;
            }
        }
        dirty.unite(a, b);
    }
}

/// Of two groups that are to be one, that which takes the other's name. In the other, no identity stands differently afterwards.
fn renamed(a: IdentityId, b: IdentityId, facts: &Facts, forest: &Forest) -> IdentityId {
    let a_stays =
        forest.is_customer(a) || !forest.is_customer(b) && facts.is_earlier(forest.earliest(a), forest.earliest(b));
    if a_stays { b } else { a }
}
