//! The links that need not wait for their turn: the first ones of identities that were met with a customer first.
//!
//! Nobody else is in the group of an identity when its first link is taken, and a customer is the root of its own. So a first link that leads to
//! a customer hangs the identity right below the customer, whatever happens in other groups; and a link between two that each
//! have a customer by then joins nothing. Of the links of a shop, whose sessions log in, few are left to be sorted.

use rayon::prelude::*;

use crate::graph::facts::Facts;
use crate::graph::forest::{Forest, Node, ROOT};
use crate::graph::links::LinkId;
use crate::graph::order::LinkKey;
use crate::model::identity::IdentityId;
use crate::model::link::Link;

/// Pieces of all links, among which the first of each identity is looked for side by side.
const PIECES: usize = 64;

/// Links of a piece at least; few in tests, so that they have pieces.
const A_PIECE: usize = if cfg!(test) { 4 } else { 1 << 14 };

/// Identities that one task marks at least.
const MARKED_A_TASK: usize = 1 << 14;

impl Forest {
    /// Hangs each identity whose first link leads to a customer below that customer, in a forest where all are alone. Returns the links that
    /// may join more.
    pub(super) fn take_first_logins(&mut self, facts: &Facts) -> Vec<LinkId> {
        let customers = IdentityMarks::of(self.nodes.len(), |id| self.is_customer(id));
        self.find_first_links(&customers, facts);
        let leads_to_customer = |node: &Node| customers.contains(IdentityId(node.parent));
        let mut others = 0;
        for at in 0..self.nodes.len() {
            let node = self.nodes[at];
            if node.is_root() {
                continue;
            }
            if leads_to_customer(&node) {
                let group = &mut self.nodes[node.parent as usize];
                group.rest[0] += 1;
                self.nodes[at].next = std::mem::replace(&mut group.next, node.next);
                self.accepted[node.link as usize] = true;
            } else {
                others += 1;
            }
        }
        if others == 0 {
            return Vec::new();
        }
        for (node, id) in self.nodes.iter_mut().zip((0..).map(IdentityId)) {
            if !node.is_root() && !leads_to_customer(node) {
                *node = Node::alone(id, ROOT);
            }
        }
        let has_customer = |id| !self.nodes[IdentityId::index(id)].is_root() || customers.contains(id);
        let links = facts.links.ids().zip(facts.links.as_slice());
        let may_join = links.filter(|(_, ends)| !(has_customer(ends.lower) && has_customer(ends.higher)));
        may_join.map(|(id, _)| id).filter(|&id| !facts.is_unlinked(id)).collect()
    }

    /// Puts the first link of each identity that is not a customer into its node, with the other end for a parent.
    ///
    /// Links of a store ascend by their lower ends: a piece of the links is about a piece of the identities, and the pieces are gone through
    /// side by side. What is about others follows afterwards.
    fn find_first_links(&mut self, customers: &IdentityMarks, facts: &Facts) {
        let links = facts.links.as_slice();
        let size = links.len().div_ceil(PIECES).max(A_PIECE);
        let (mut rest, mut start) = (&mut self.nodes[..], 0);
        let pieces: Vec<FirstLinks<'_>> = (0..links.len())
            .step_by(size)
            .filter_map(|at| {
                let after = links.get(at + size).map_or(usize::MAX, |next| next.lower.index());
                let nodes = rest.split_off_mut(..after.saturating_sub(start).min(rest.len()))?;
                let piece = FirstLinks { from: at, links: &links[at..links.len().min(at + size)], start, nodes };
                start += piece.nodes.len();
                Some(piece)
            })
            .collect();
        let missed: Vec<Vec<LinkId>> = pieces.into_par_iter().map(|piece| piece.find(customers, facts)).collect();
        for &link in missed.iter().flatten() {
            let Link { lower, higher, .. } = links[link.index()];
            for (id, other) in [(lower, higher), (higher, lower)] {
                if !customers.contains(id) {
                    self.nodes[id.index()].meet(facts.key(link), other, facts);
                }
            }
        }
    }
}

/// Some of the links, and a part of the identities: all from `start` on that `nodes` are of.
struct FirstLinks<'f> {
    from: usize,
    links: &'f [Link],
    start: usize,
    nodes: &'f mut [Node],
}

impl FirstLinks<'_> {
    /// Puts the first link of each identity of this part into its node. Returns the links that are about others, too.
    fn find(self, customers: &IdentityMarks, facts: &Facts) -> Vec<LinkId> {
        let Self { from, links, start, nodes } = self;
        let mut missed = Vec::new();
        for (link, ends) in (from as u32..).map(LinkId).zip(links).filter(|&(link, _)| !facts.is_unlinked(link)) {
            let mut is_missed = false;
            for (id, other) in [(ends.lower, ends.higher), (ends.higher, ends.lower)] {
                if !customers.contains(id) {
                    match nodes.get_mut(id.index().wrapping_sub(start)) {
                        Some(node) => node.meet(LinkKey { first: ends.first, link }, other, facts),
                        None => is_missed = true,
                    }
                }
            }
            if is_missed {
                missed.push(link);
            }
        }
        missed
    }
}

/// Some of the identities: a bit for each.
struct IdentityMarks(Vec<u64>);

impl IdentityMarks {
    /// Of `len` identities those that are `marked`.
    fn of(len: usize, marked: impl Fn(IdentityId) -> bool + Sync) -> Self {
        let bits = |word: usize| {
            let ids = 64 * word..len.min(64 * (word + 1));
            ids.fold(0, |bits, id| bits | u64::from(marked(IdentityId(id as u32))) << (id % 64))
        };
        Self((0..len.div_ceil(64)).into_par_iter().with_min_len(MARKED_A_TASK / 64).map(bits).collect())
    }

    fn contains(&self, id: IdentityId) -> bool {
        self.0[id.index() / 64] >> (id.index() % 64) & 1 == 1
    }
}
