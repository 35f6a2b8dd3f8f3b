//! Taking a link back, and giving it back.
//!
//! Taking one away from a spanning forest cuts one tree in two; the smallest link that crosses the cut, if there is one,
//! takes its place, and nothing else changes. With a virtual root above all customers that means: the part that lost
//! its way to a customer goes, whole, to where its smallest other link leads.

use hashbrown::HashSet;

use crate::graph::dirty::Dirty;
use crate::graph::links::LinkId;
use crate::graph::{Applied, Graph};
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Unlink};

impl Graph {
    /// Follows decisions, one after the other: the forest is a minimum one before and after each. Linear in the groups of a
    /// link that is cut, and in the links that touch the part it held.
    pub(super) fn decide(&mut self, unlinks: &[Unlink], applied: &mut Applied) {
        for &Unlink { lower, higher, stands } in unlinks {
            let unlinked = &mut self.facts.unlinked;
            let changes = if stands { unlinked.insert((lower, higher)) } else { unlinked.remove(&(lower, higher)) };
            if changes {
                applied.decided.entry((lower, higher)).or_insert(!stands);
            }
            match self.facts.links.find(lower, higher) {
                Some(link) if changes && !stands => self.take_all(vec![link], applied),
                Some(link) if changes && self.forest.accepted(link) => self.cut(link, applied),
                _ => {}
            }
        }
    }

    /// Takes an accepted link out of the forest.
    fn cut(&mut self, link: LinkId, applied: &mut Applied) {
        let Link { lower, higher, .. } = self.facts.links[link];
        let root = self.forest.root(lower);
        let mut part = self.part_without(link, lower);
        if self.forest.is_customer(root) && part.contains(&root) {
            part = self.part_without(link, higher);
        }
        let mut dirty = Dirty::default();
        dirty.unite(root, self.leads_to(&part).unwrap_or(root));
        for (set, roots) in dirty.sets() {
            self.join_again(set, &roots, &mut dirty, applied);
        }
        self.forest.reject(link);
    }

    /// What hangs together with `start` by accepted links other than `cut`.
    fn part_without(&self, cut: LinkId, start: IdentityId) -> HashSet<IdentityId> {
        let (mut part, mut due) = (HashSet::from([start]), vec![start]);
        while let Some(id) = due.pop() {
            for (link, ends) in self.facts.touching.all(id, &self.facts.links) {
                if link != cut && self.forest.accepted(link) {
                    due.extend([ends.lower, ends.higher].into_iter().filter(|&end| part.insert(end)));
                }
            }
        }
        part
    }

    /// The root of the group that the smallest link out of `part` leads to.
    fn leads_to(&self, part: &HashSet<IdentityId>) -> Option<IdentityId> {
        let facts = &self.facts;
        let links = part.iter().flat_map(|&member| facts.touching.all(member, &facts.links));
        let leads_out = |link: &Link| part.contains(&link.lower) != part.contains(&link.higher);
        let out = links.filter(|&(id, link)| leads_out(link) && !facts.is_unlinked(id));
        let (_, least) = out.min_by(|a, b| facts.compare_keys(facts.key(a.0), facts.key(b.0)))?;
        let outside = if part.contains(&least.lower) { least.higher } else { least.lower };
        Some(self.forest.root(outside))
    }
}
