//! The forest: a union-find whose trees remember when each part joined.
//!
//! It is a cache over the links: union by size, *without* path compression, so that parents only ever get added
//! and the key of the link that added them (see `Facts::compare_keys`) rises on the way to the root. Hence
//!
//! - cutting every edge above a time leaves the groups as they were then;
//! - the link that first connected two identities is met by climbing always from the side with the smaller key.
//!
//! A customer is the root of its group, whatever the sizes; a group has at most one, so this costs one step at most.
//! The owner of an identity is then its root, and the last edge on the way is the link that first connected the two.

mod first_links;
mod joining;

use rayon::prelude::*;

use crate::graph::facts::Facts;
use crate::graph::links::LinkId;
use crate::graph::order::{Due, LinkKey};
use crate::model::identity::IdentityId;
use crate::model::places::AHEAD;
use crate::model::time::Time;

/// `Node::parent` of a root. Identities have 31 bits, so no parent is mistaken for it.
const ROOT: u32 = 1 << 31;
/// `Node::parent` of a customer, always a root.
const CUSTOMER: u32 = ROOT | 1;
/// `Node::link` of a root that is alone.
const NO_LINK: u32 = u32::MAX;

/// Fewer identities than this are made place for by one thread.
const MANY: usize = 1 << 14;

/// Where an identity stands in its tree, and the next member of its group. 20 bytes: a root has no edge above it, and only a root knows of its
/// group.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Where the edge above it leads, or what kind of root it is.
    parent: u32,
    /// The link of the edge above it. Of a root that is not a customer: the latest one in its group.
    link: u32,
    /// The halves of when that link's two ends first met. Of a root: how many members its group has, and of one that is not a customer whom
    /// the group is named by, the member seen first, ties by identity order.
    rest: [u32; 2],
    /// The next member of the same group; a ring.
    next: IdentityId,
}

const _: () = assert!(size_of::<Node>() == 20);

impl Node {
    fn alone(id: IdentityId, kind: u32) -> Self {
        Self { parent: kind, link: NO_LINK, rest: [1, id.0], next: id }
    }

    /// Hangs it below another; it stays in the ring of its group.
    fn hang(&mut self, parent: u32, LinkKey { first, link }: LinkKey) {
        let first = first.as_micros() as u64;
        *self = Self { parent, link: link.0, rest: [(first >> 32) as u32, first as u32], next: self.next };
    }

    fn is_root(&self) -> bool {
        self.parent & ROOT != 0
    }

    /// The key of the edge above it.
    #[inline]
    fn key(&self) -> Option<LinkKey> {
        let [high, low] = self.rest.map(u64::from);
        let first = Time::from_micros((high << 32 | low) as i64);
        (!self.is_root()).then_some(LinkKey { first, link: LinkId(self.link) })
    }

    /// Hangs it by a link with `other` where that is the first one met.
    #[inline]
    fn meet(&mut self, key: LinkKey, other: IdentityId, facts: &Facts) {
        if self.key().is_none_or(|known| facts.compare_keys(key, known).is_lt()) {
            self.hang(other.0, key);
        }
    }

    /// How many members the group of a root has.
    fn size(&self) -> u32 {
        debug_assert!(self.is_root());
        self.rest[0]
    }

    /// Whom the group of a root is named by that is not a customer.
    fn earliest(&self) -> IdentityId {
        debug_assert!(self.is_root());
        IdentityId(self.rest[1])
    }
}

/// A way up a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Climb {
    /// Where it ended.
    pub(super) top: IdentityId,
    /// The key of its last edge: where the top is a customer, of the link that first connected the two. `None` where it has none.
    pub(super) last: Option<LinkKey>,
}

/// The groups of all identities. 20 bytes an identity, one a link.
#[derive(Debug, Clone, Default)]
pub(super) struct Forest {
    nodes: Vec<Node>,
    /// By link.
    accepted: Vec<bool>,
}

impl Forest {
    /// The forest of facts that are all known: their links are taken in order, each a join or none.
    pub(super) fn of(facts: &Facts) -> Self {
        let mut forest = Self::default();
        forest.grow(facts);
        let waiting = forest.take_first_links(facts);
        forest.join_all(waiting, facts);
        forest
    }

    /// Takes links in order, which come after all others in their groups: each joins these, or is refused, or closes a ring.
    pub(super) fn take_in_order(&mut self, links: &[Due], facts: &Facts) {
        for block in links.chunks(AHEAD) {
            // The roots of a whole block first: no climb waits for another, so the memory is asked for many nodes at once.
            let mut roots = [(IdentityId(0), IdentityId(0)); AHEAD];
            for (due, roots) in block.iter().zip(&mut roots) {
                *roots = (self.root(due.lower), self.root(due.higher));
            }
            for (&due, (a, b)) in block.iter().zip(roots) {
                // What was a root is on the way to what is one now.
                let (a, b) = (self.root(a), self.root(b));
                if a != b && !(self.is_customer(a) && self.is_customer(b)) {
                    self.join_last(due.key, a, b, facts);
                }
            }
        }
    }

    /// Makes place for the identities and links of `facts`; new ones are alone.
    pub(super) fn grow(&mut self, facts: &Facts) {
        let unique = facts.namespaces.unique();
        let more = facts.identities.len() - self.nodes.len();
        let new = self.nodes.len() as u32..facts.identities.len() as u32;
        let node = |id| {
            let is_customer = Some(facts.identities.namespace(IdentityId(id))) == unique;
            Node::alone(IdentityId(id), if is_customer { CUSTOMER } else { ROOT })
        };
        if more < MANY {
            self.nodes.extend(new.map(node));
        } else {
            // On several cores, since most of it is memory that is touched for the first time.
            self.nodes.par_extend(new.into_par_iter().map(node));
        }
        self.accepted.resize(facts.links.len(), false);
    }

    /// The root of the group of `id`. O(log n).
    pub(super) fn root(&self, id: IdentityId) -> IdentityId {
        self.climb(id).top
    }

    /// The way from `id` to the root of its group. O(log n).
    pub(super) fn climb(&self, id: IdentityId) -> Climb {
        self.climb_while(id, |_| true)
    }

    /// As [`climb`](Self::climb), over the links with a first co-occurrence up to `until`.
    pub(super) fn climb_as_of(&self, id: IdentityId, until: Time) -> Climb {
        self.climb_while(id, |key| key.first <= until)
    }

    /// The one way up: edge by edge, while `goes_on` says so of the next, to the root at most.
    #[inline]
    fn climb_while(&self, id: IdentityId, mut goes_on: impl FnMut(LinkKey) -> bool) -> Climb {
        let mut way = Climb { top: id, last: None };
        while let Some((key, above)) = self.edge(way.top).filter(|&(key, _)| goes_on(key)) {
            way = Climb { top: above, last: Some(key) };
        }
        way
    }

    /// The edge above `id`: its key, and where it leads. `None` for a root.
    #[inline]
    fn edge(&self, id: IdentityId) -> Option<(LinkKey, IdentityId)> {
        let node = &self.nodes[id.index()];
        node.key().map(|key| (key, IdentityId(node.parent)))
    }

    /// Whether `id` is a customer.
    pub(super) fn is_customer(&self, id: IdentityId) -> bool {
        self.nodes[id.index()].parent == CUSTOMER
    }

    /// The member of the group of `root` that was seen first; `root` is not a customer.
    pub(super) fn earliest(&self, root: IdentityId) -> IdentityId {
        self.nodes[root.index()].earliest()
    }

    /// How many members the group of `root` has.
    pub(super) fn size(&self, root: IdentityId) -> usize {
        self.nodes[root.index()].size() as usize
    }

    /// Whether a link is one of the forest.
    pub(super) fn accepted(&self, link: LinkId) -> bool {
        self.accepted[link.index()]
    }

    /// The members of the group of `id`, beginning with it.
    pub(super) fn members(&self, id: IdentityId) -> impl Iterator<Item = IdentityId> {
        let mut at = Some(id);
        std::iter::from_fn(move || {
            let member = at?;
            let next = self.nodes[member.index()].next;
            at = (next != id).then_some(next);
            Some(member)
        })
    }

    /// Steps from each of `ids` to the root of its group, and then to the first few members, of which `see` is told: the same number of steps
    /// for all.
    pub(super) fn visit(&self, ids: &mut [IdentityId], see: impl Fn(IdentityId)) {
        const UP: usize = 2;
        const AROUND: usize = 3;
        for _ in 0..UP {
            for id in &mut *ids {
                let node = &self.nodes[id.index()];
                *id = if node.is_root() { *id } else { IdentityId(node.parent) };
            }
        }
        for _ in 0..AROUND {
            for id in &mut *ids {
                *id = self.nodes[id.index()].next;
            }
            ids.iter().for_each(|&id| see(id));
        }
    }

    /// The key that first connected two identities: the greatest on their path. `None` when they are one, or not connected.
    /// O(log n).
    pub(super) fn connected_by(&self, a: IdentityId, b: IdentityId, facts: &Facts) -> Option<LinkKey> {
        let (mut low, mut high, mut latest) = (a, b, None);
        while low != high {
            let (of_low, of_high) = (self.edge(low), self.edge(high));
            let low_is_next = match (of_low, of_high) {
                (Some(low), Some(high)) => facts.compare_keys(low.0, high.0).is_le(),
                (of_low, _) => of_low.is_some(),
            };
            let (key, above) = if low_is_next { of_low } else { of_high }?;
            // The next climb is from either: they change places.
            (low, high) = (above, if low_is_next { high } else { low });
            latest = Some(key);
        }
        latest
    }

    /// Names the group of `root` by its member `earliest`, which turned out to have been seen first.
    pub(super) fn name_by(&mut self, root: IdentityId, earliest: IdentityId) {
        self.nodes[root.index()].rest[1] = earliest.0;
    }

    /// Joins the groups with the roots `a` (of the lower end of `due`) and `b` (of the higher), of which at most one
    /// holds a customer.
    ///
    /// Returns whether it could: not, when links of both groups come later than `key`, or when the tree would
    /// become too high. Such groups are to be taken apart and joined again in order. O(log n).
    pub(super) fn join(&mut self, due: Due, a: IdentityId, b: IdentityId, facts: &Facts) -> bool {
        let Due { key, lower, higher } = due;
        match (self.is_before(a, key, facts), self.is_before(b, key, facts)) {
            (true, true) => {
                self.join_last(key, a, b, facts);
                true
            }
            (true, false) => self.join_late(a, higher, b, key, facts),
            (false, true) => self.join_late(b, lower, a, key, facts),
            (false, false) => false,
        }
    }

    /// Joins two groups, all of whose links come before `key`.
    fn join_last(&mut self, key: LinkKey, a: IdentityId, b: IdentityId, facts: &Facts) {
        let a_stays = self.is_customer(a) || (!self.is_customer(b) && self.size(a) >= self.size(b));
        let (top, part) = if a_stays { (a, b) } else { (b, a) };
        self.keep_latest(top, key.link);
        self.attach(part, top, top, key, facts);
    }

    /// Keeps the latest link of a root's group, which is not a customer's.
    fn keep_latest(&mut self, root: IdentityId, link: LinkId) {
        let node = &mut self.nodes[root.index()];
        if node.parent != CUSTOMER {
            node.link = link.0;
        }
    }

    /// Joins a group that was complete before `key` to the part of the other that `at` was in by then.
    fn join_late(&mut self, part: IdentityId, at: IdentityId, root: IdentityId, key: LinkKey, facts: &Facts) -> bool {
        if self.is_customer(part) {
            return false;
        }
        let top = self.climb_while(at, |edge| facts.compare_keys(edge, key).is_lt()).top;
        let height = self.depth(top) + 1 + max_height(self.size(part), false);
        if height > max_height(self.size(root) + self.size(part), self.is_customer(root)) {
            return false;
        }
        self.attach(part, top, root, key, facts);
        true
    }

    /// Hangs the root `part` below `top`, which is in the group of `root`.
    fn attach(&mut self, part: IdentityId, top: IdentityId, root: IdentityId, key: LinkKey, facts: &Facts) {
        let joining = self.nodes[part.index()];
        let group = &mut self.nodes[root.index()];
        group.rest[0] += joining.size();
        if group.parent != CUSTOMER && facts.is_earlier(joining.earliest(), group.earliest()) {
            group.rest[1] = joining.earliest().0;
        }
        let after = std::mem::replace(&mut group.next, joining.next);
        let joined = &mut self.nodes[part.index()];
        joined.hang(top.0, key);
        joined.next = after;
        self.accepted[key.link.index()] = true;
    }

    /// Takes a group apart: each of `members` is alone, and none of `links` accepted.
    pub(super) fn take_apart(&mut self, members: &[IdentityId], links: &[Due]) {
        for &id in members {
            let node = &mut self.nodes[id.index()];
            *node = Node::alone(id, if node.parent == CUSTOMER { CUSTOMER } else { ROOT });
        }
        for due in links {
            self.accepted[due.key.link.index()] = false;
        }
    }

    /// Forgets that a link was accepted, which no tree holds any more.
    pub(super) fn reject(&mut self, link: LinkId) {
        self.accepted[link.index()] = false;
    }

    /// Whether every link in the group of `root` is known to come before `key`: of a customer's that is not kept.
    ///
    /// A link of the group may have turned out to be earlier than its edge. It is taken again before all that come after it, and
    /// its group is put aside then: of those that come before it nothing else is said.
    fn is_before(&self, root: IdentityId, key: LinkKey, facts: &Facts) -> bool {
        let node = &self.nodes[root.index()];
        let is_earlier = |latest| facts.compare_keys(facts.key(latest), key).is_lt();
        node.parent != CUSTOMER && (node.link == NO_LINK || is_earlier(LinkId(node.link)))
    }

    fn depth(&self, id: IdentityId) -> u32 {
        let mut depth = 0;
        self.climb_while(id, |_| {
            depth += 1;
            true
        });
        depth
    }
}

/// How high the tree of a group may be. Union by size makes half of it; the other half is room for late parts.
/// It is kept by every join: where the smaller tree goes below the root of the larger, its bound grows by two, its height by one.
fn max_height(size: usize, customer: bool) -> u32 {
    2 * size.max(1).ilog2() + u32::from(customer)
}

#[cfg(test)]
impl Forest {
    /// What every tree must be: keys rise on the way up, no tree is too high, a ring holds the group and nothing else.
    pub(super) fn check(&self, facts: &Facts) {
        for id in facts.identities.ids() {
            let root = self.root(id);
            let node = &self.nodes[id.index()];
            assert!(node.key().is_none_or(|key| key == facts.key(key.link)), "the key is the link's");
            assert!(self.depth(id) <= max_height(self.size(root), self.is_customer(root)), "too high");
            assert_eq!(self.members(id).count(), self.size(root));
            assert!(self.members(id).all(|member| self.root(member) == root));
            if let Some(key) = node.key() {
                let above = &self.nodes[node.parent as usize];
                let order = |next| facts.compare_keys(key, next);
                let rises = match above.key() {
                    Some(next) => order(next).is_lt(),
                    // The latest link of the group may be that below its root.
                    None => above.parent == CUSTOMER || order(facts.key(LinkId(above.link))).is_le(),
                };
                assert!(rises, "keys rise");
            }
        }
    }
}
