//! All links of a graph joined at once.
//!
//! Which links join is asked of an array of parents whose ways become shorter as they are gone: four bytes an identity. The edges of the
//! trees, which keep their ways, and the members of groups are written when that is known: then no join waits for the memory of another.

use crate::graph::facts::Facts;
use crate::graph::forest::{AHEAD, CUSTOMER, Forest, Node, ROOT};
use crate::graph::order::Due;
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
        Self(nodes.iter().map(parent).collect())
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
    /// Takes `links` in order, which are all that may still join anything.
    pub(super) fn join_all(&mut self, mut links: Vec<Due>, facts: &Facts) {
        if links.is_empty() {
            return;
        }
        let mut parents = Parents::of(&self.nodes);
        let mut joined = 0;
        for start in (0..links.len()).step_by(AHEAD) {
            let end = links.len().min(start + AHEAD);
            // The roots of a whole block first: no climb waits for another, so the memory is asked for many at once.
            let mut roots = [(0, 0); AHEAD];
            for (due, roots) in links[start..end].iter().zip(&mut roots) {
                *roots = (parents.root(due.lower.0), parents.root(due.higher.0));
            }
            for (at, (a, b)) in (start..end).zip(roots) {
                // What was a root is on the way to what is one now.
                let (a, b) = (parents.root(a), parents.root(b));
                if let Some((part, top)) = parents.join(a, b) {
                    let key = links[at].key;
                    links[joined] = Due { key, lower: IdentityId(part), higher: IdentityId(top) };
                    joined += 1;
                }
            }
        }
        for &Due { key, lower: part, higher: top } in &links[..joined] {
            self.nodes[part.index()].hang(top.0, key);
            self.keep_latest(top, key.link);
            self.accepted[key.link.index()] = true;
        }
        drop(links);
        self.list_members(parents, facts);
    }

    /// Lists each identity that is still listed as alone among the members of its root.
    fn list_members(&mut self, mut parents: Parents, facts: &Facts) {
        for id in facts.identities.ids() {
            if parents.0[id.index()] & ROOT != 0 || self.nodes[id.index()].next != id {
                continue;
            }
            let root = parents.root(id.0);
            let group = &mut self.nodes[root as usize];
            group.rest[0] += 1;
            if group.parent != CUSTOMER && facts.is_earlier(id, group.earliest()) {
                group.rest[1] = id.0;
            }
            self.nodes[id.index()].next = std::mem::replace(&mut group.next, id);
        }
    }
}
