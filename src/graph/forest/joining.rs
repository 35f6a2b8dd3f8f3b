//! All links of a graph joined at once.
//!
//! Which links join is asked of an array of parents whose ways become shorter as they are gone: four bytes an identity. The edges of the
//! trees, which keep their ways, are put by another thread when that is known, so no join waits for their memory; the members of groups are
//! listed at the end.

use rayon::prelude::*;

use crate::graph::facts::Facts;
use crate::graph::forest::first_links::WaitingLinks;
use crate::graph::forest::{AHEAD, CUSTOMER, Forest, MANY, NO_LINK, Node, ROOT};
use crate::graph::links::LinkId;
use crate::graph::order::{self, Due, LinkKey};
use crate::model::identity::IdentityId;

/// The parents of identities. At a root stands [`WITH_CUSTOMER`] or, beside [`ROOT`], how many its group has.
struct Parents(Vec<u32>);

/// More than any group has.
const WITH_CUSTOMER: u32 = u32::MAX;

impl Parents {
    fn of(nodes: &[Node]) -> Self {
        let parent = |node: &Node| match node.parent {
            CUSTOMER => WITH_CUSTOMER,
            ROOT => ROOT | 1,
            parent => parent,
        };
        Self(nodes.par_iter().with_min_len(MANY).map(parent).collect())
    }

    /// The root of the group of `id`. Halves the way as it goes.
    #[inline]
    fn root(&mut self, id: u32) -> u32 {
        let mut at = id;
        loop {
            let above = self.0[at as usize];
            if above & ROOT != 0 {
                return at;
            }
            let next = self.0[above as usize];
            if next & ROOT != 0 {
                return above;
            }
            self.0[at as usize] = next;
            at = next;
        }
    }

    /// The same, where nothing is joined any more: the way stays as it is.
    fn root_of(&self, id: u32) -> u32 {
        let mut at = id;
        while self.0[at as usize] & ROOT == 0 {
            at = self.0[at as usize];
        }
        at
    }

    /// Takes links in order. Leaves those that joined, with what is below the other now for a lower end.
    fn join_all(&mut self, links: &mut Vec<Due>) {
        let mut joined = 0;
        for start in (0..links.len()).step_by(AHEAD) {
            let end = links.len().min(start + AHEAD);
            // The roots of a whole block first: no climb waits for another, so the memory is asked for many at once.
            let mut roots = [(0, 0); AHEAD];
            for (due, roots) in links[start..end].iter().zip(&mut roots) {
                *roots = (self.root(due.lower.0), self.root(due.higher.0));
            }
            for (at, (a, b)) in (start..end).zip(roots) {
                // What was a root is on the way to what is one now.
                let (a, b) = (self.root(a), self.root(b));
                if let Some((part, top)) = self.join(a, b) {
                    let key = links[at].key;
                    links[joined] = Due { key, lower: IdentityId(part), higher: IdentityId(top) };
                    joined += 1;
                }
            }
        }
        links.truncate(joined);
    }

    /// Joins the groups of two roots, unless both have a customer. Returns the one that is below the other now, first.
    fn join(&mut self, a: u32, b: u32) -> Option<(u32, u32)> {
        let (of_a, of_b) = (self.0[a as usize], self.0[b as usize]);
        if a == b || of_a == WITH_CUSTOMER && of_b == WITH_CUSTOMER {
            return None;
        }
        // A customer is greater than any size.
        let (part, top, size) = if of_a >= of_b { (b, a, of_a) } else { (a, b, of_b) };
        if size != WITH_CUSTOMER {
            self.0[top as usize] = ROOT | ((of_a & !ROOT) + (of_b & !ROOT));
        }
        self.0[part as usize] = top;
        Some((part, top))
    }
}

impl Forest {
    /// Takes the links that wait, in order, and hangs the leaves.
    pub(super) fn join_all(&mut self, WaitingLinks { links, leaves }: WaitingLinks, facts: &Facts) {
        if links.is_empty() {
            return;
        }
        let mut parents = Parents::of(&self.nodes);
        let put = |joined: &[Due]| {
            for &Due { key, lower: part, higher: top } in joined {
                self.nodes[part.index()].hang(top.0, key);
                self.accepted[key.link.index()] = true;
            }
        };
        let pieces = links.iter().map(Vec::as_slice).collect();
        order::each_stretch(pieces, |a, b| facts.compare_due(a, b), |stretch| parents.join_all(stretch), put);
        drop(links);
        self.list_members(&parents, &leaves, facts);
    }

    /// Lists each identity that is still listed as alone among the members of its root, and hangs each leaf below what the other end of
    /// its link was below by then.
    fn list_members(&mut self, parents: &Parents, leaves: &[bool], facts: &Facts) {
        let nodes = &self.nodes[..];
        let is_listed = |id: usize| nodes[id].next.index() != id;
        let above = |node: &Node| {
            let goes_on = |edge| node.key().is_some_and(|key| facts.compare_keys(edge, key).is_lt());
            self.climb_while(IdentityId(node.parent), goes_on).top
        };
        // Nothing is joined any more: where all belong is found side by side.
        let places = |start: usize| {
            let ids = start..nodes.len().min(start + MANY);
            let root = |id: usize| if is_listed(id) { id as u32 } else { parents.root_of(id as u32) };
            let roots: Vec<u32> = ids.clone().map(root).collect();
            let above: Vec<IdentityId> = ids.filter(|&id| leaves[id]).map(|id| above(&nodes[id])).collect();
            (roots, above)
        };
        let starts: Vec<usize> = (0..nodes.len()).step_by(MANY).collect();
        let places: Vec<(Vec<u32>, Vec<IdentityId>)> = starts.into_par_iter().map(places).collect();
        let mut ids = facts.identities.ids();
        for (roots, above) in places {
            let mut above = above.into_iter();
            for (root, id) in roots.into_iter().zip(&mut ids) {
                if let Some(above) = leaves[id.index()].then(|| above.next()).flatten() {
                    self.nodes[id.index()].parent = above.0;
                }
                if root != id.0 {
                    self.list_member(id, root, facts);
                }
            }
        }
    }

    /// Lists an identity among the members of its root.
    #[inline]
    fn list_member(&mut self, id: IdentityId, root: u32, facts: &Facts) {
        let edge = self.nodes[id.index()].key();
        let group = &mut self.nodes[root as usize];
        group.rest[0] += 1;
        let next = std::mem::replace(&mut group.next, id);
        if group.parent != CUSTOMER {
            if facts.is_earlier(id, group.earliest()) {
                group.rest[1] = id.0;
            }
            let is_later = |edge: &LinkKey| {
                group.link == NO_LINK || facts.compare_keys(facts.key(LinkId(group.link)), *edge).is_lt()
            };
            if let Some(edge) = edge.filter(is_later) {
                group.link = edge.link.0;
            }
        }
        self.nodes[id.index()].next = next;
    }
}
