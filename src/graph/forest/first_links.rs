//! The links that need not wait for their turn.
//!
//! Nobody else is in the group of an identity when its first link is taken, and a customer is the root of its own. So a first link that leads to
//! a customer hangs the identity right below the customer, whatever happens in other groups; and a link between two that each
//! have a customer by then joins nothing. Of the links of a shop, whose sessions log in, few are left to be sorted.
//!
//! A *leaf* is an identity that is the higher end of no link, as every session is. Its first link joins whenever its turn is, all its others come later,
//! and nothing ever comes below it. So it counts as one with the other end from the beginning, and hangs at the end, below what that was below by then.
//! Of sessions that meet a customer through an e-mail address, only the second links are left to be sorted.

use rayon::prelude::*;

use crate::graph::facts::Facts;
use crate::graph::forest::{Forest, MANY, Node, ROOT};
use crate::graph::links::LinkId;
use crate::graph::order::{self, Due, LinkKey};
use crate::model::identity::IdentityId;
use crate::model::link::Link;

/// Pieces of all links, among which the first of each identity is looked for side by side, and ranges of all identities, which are gone
/// through likewise.
const PIECES: usize = 64;

/// Links of a piece, and identities of a range, at least; few in tests, so that they have several.
const A_PIECE: usize = if cfg!(test) { 4 } else { 1 << 14 };

/// What waits for its turn.
#[derive(Default)]
pub(super) struct WaitingLinks {
    /// The links that may join more, in pieces each of which is sorted.
    pub(super) links: Vec<Vec<Due>>,
    /// Of each identity whether it is a leaf that is still to hang. The node of one has its first link, with the other end for a parent.
    pub(super) leaves: Vec<bool>,
}

impl Forest {
    /// Hangs each identity whose first link leads to a customer below that customer, in a forest where all are alone. Returns what is left to
    /// be done.
    pub(super) fn take_first_links(&mut self, facts: &Facts) -> WaitingLinks {
        let customers = IdentityMarks::of(self.nodes.len(), |id| self.is_customer(id));
        let is_higher = self.find_first_links(&customers, facts);
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
            return WaitingLinks::default();
        }
        let is_leaf = |(at, (node, is_higher)): (usize, (&mut Node, bool))| {
            let waits = !node.is_root() && !leads_to_customer(node);
            if waits && is_higher {
                *node = Node::alone(IdentityId(at as u32), ROOT);
            }
            waits && !is_higher
        };
        let leaves: Vec<bool> =
            self.nodes.par_iter_mut().zip(is_higher).enumerate().with_min_len(MANY).map(is_leaf).collect();
        WaitingLinks { links: self.waiting_links(&customers, &leaves, facts), leaves }
    }

    /// The links that may join more; the first ones of leaves are accepted.
    fn waiting_links(&mut self, customers: &IdentityMarks, leaves: &[bool], facts: &Facts) -> Vec<Vec<Due>> {
        let Self { nodes, accepted } = self;
        let nodes = &nodes[..];
        let has_customer =
            |id: IdentityId| customers.contains(id) || !nodes[id.index()].is_root() && !leaves[id.index()];
        let size = order::piece_size(facts.links.len());
        let pieces = facts.links.as_slice().par_chunks(size).zip(accepted.par_chunks_mut(size)).enumerate();
        let waiting = |(piece, (links, accepted)): (usize, (&[Link], &mut [bool]))| {
            let mut waiting = Vec::with_capacity(links.len());
            for ((link, ends), accepted) in ((piece * size) as u32..).map(LinkId).zip(links).zip(accepted) {
                let &Link { lower, higher, first, .. } = ends;
                if leaves[lower.index()] && nodes[lower.index()].link == link.0 {
                    *accepted = true;
                } else if !(has_customer(lower) && has_customer(higher) || facts.is_unlinked(link)) {
                    waiting.push(Due { key: LinkKey { first, link }, lower, higher });
                }
            }
            order::sort(&mut waiting, |a, b| facts.compare_due(a, b));
            waiting
        };
        pieces.map(waiting).collect()
    }

    /// Puts the first link of each identity that is not a customer into its node, with the other end for a parent. Returns of each whether
    /// it is the higher end of any link.
    ///
    /// Links of a store ascend by their lower ends: a piece of the links is about a piece of the identities, and the pieces are gone through
    /// side by side. What is about others follows afterwards, a range of identities beside the other.
    fn find_first_links(&mut self, customers: &IdentityMarks, facts: &Facts) -> Vec<bool> {
        let links = facts.links.as_slice();
        let size = links.len().div_ceil(PIECES).max(A_PIECE);
        let range = self.nodes.len().div_ceil(PIECES).max(A_PIECE);
        let mut is_higher = vec![false; self.nodes.len()];
        let (mut nodes, mut marks, mut start) = (&mut self.nodes[..], &mut is_higher[..], 0);
        let pieces: Vec<(usize, FirstLinks<'_>)> = (0..links.len())
            .step_by(size)
            .filter_map(|at| {
                let after = links.get(at + size).map_or(usize::MAX, |next| next.lower.index());
                let count = after.saturating_sub(start).min(nodes.len());
                let (nodes, is_higher) = (nodes.split_off_mut(..count)?, marks.split_off_mut(..count)?);
                let piece = FirstLinks { customers, facts, start, nodes, is_higher };
                start += count;
                Some((at, piece))
            })
            .collect();
        let find = |(at, mut piece): (usize, FirstLinks<'_>)| {
            let mut missed = vec![Vec::new(); PIECES];
            for link in (at..links.len().min(at + size)).map(|at| LinkId(at as u32)) {
                piece.take(link, |id| missed[id.index() / range].push(link));
            }
            missed
        };
        let missed: Vec<Vec<Vec<LinkId>>> = pieces.into_par_iter().map(find).collect();
        let ranges = self.nodes.par_chunks_mut(range).zip(is_higher.par_chunks_mut(range)).enumerate();
        ranges.for_each(|(at, (nodes, is_higher))| {
            let mut part = FirstLinks { customers, facts, start: at * range, nodes, is_higher };
            let missed = missed.iter().filter_map(|of_piece| of_piece.get(at)).flatten();
            missed.for_each(|&link| part.take(link, |_| ()));
        });
        is_higher
    }
}

/// The first links of a part of the identities, which are those from `start` on that `nodes` are of.
struct FirstLinks<'f> {
    customers: &'f IdentityMarks,
    facts: &'f Facts,
    start: usize,
    nodes: &'f mut [Node],
    is_higher: &'f mut [bool],
}

impl FirstLinks<'_> {
    /// Puts a link into the node of each of its ends whose first one it is. `missed` is told the ends of other parts. To take a link again changes
    /// nothing.
    #[inline]
    fn take(&mut self, link: LinkId, mut missed: impl FnMut(IdentityId)) {
        if self.facts.is_unlinked(link) {
            return;
        }
        let &Link { lower, higher, first, .. } = &self.facts.links[link];
        for (id, other) in [(lower, higher), (higher, lower)] {
            if self.customers.contains(id) {
                continue;
            }
            let at = id.index().wrapping_sub(self.start);
            match self.nodes.get_mut(at) {
                Some(node) => {
                    self.is_higher[at] |= id == higher;
                    node.meet(LinkKey { first, link }, other, self.facts);
                }
                None => missed(id),
            }
        }
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
        Self((0..len.div_ceil(64)).into_par_iter().with_min_len(MANY / 64).map(bits).collect())
    }

    fn contains(&self, id: IdentityId) -> bool {
        self.0[id.index() / 64] >> (id.index() % 64) & 1 == 1
    }
}
