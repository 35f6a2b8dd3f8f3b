//! The facts of a graph: identities, when they were seen, links; and the orders over them.

use std::cmp::Ordering;

use hashbrown::HashSet;

use crate::graph::interner::Interner;
use crate::graph::links::{LinkId, Links};
use crate::graph::order::{self, Due, LinkKey};
use crate::graph::touching::Touching;
use crate::model::counting::Counting;
use crate::model::identity::IdentityId;
use crate::model::namespace::Namespaces;
use crate::model::seen::SeenColumn;

/// Everything the forest is derived from.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) namespaces: Namespaces,
    pub(super) identities: Interner,
    /// By identity.
    pub(super) seen: SeenColumn,
    pub(super) links: Links,
    pub(super) touching: Touching,
    /// Pairs (lower, higher) whose link counts as never seen.
    pub(super) unlinked: HashSet<(IdentityId, IdentityId)>,
    /// What identities count as. Links and times are of events as they count, so this tells alone what was decided.
    pub(super) counting: Counting,
}

impl Facts {
    /// Identity order: by level, then by the bytes of the value.
    pub(super) fn compare(&self, a: IdentityId, b: IdentityId) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        let all = &self.identities;
        self.namespaces.cmp(all.namespace(a), all.namespace(b)).then_with(|| all.value(a).cmp(&all.value(b)))
    }

    /// Whether `a` was seen before `b`, ties by identity order.
    pub(super) fn is_earlier(&self, a: IdentityId, b: IdentityId) -> bool {
        let first = |id: IdentityId| self.seen.first(id);
        first(a).cmp(&first(b)).then_with(|| self.compare(a, b)).is_lt()
    }

    /// Whether a link counts as never seen.
    pub(super) fn is_unlinked(&self, link: LinkId) -> bool {
        let link = &self.links[link];
        !self.unlinked.is_empty() && self.unlinked.contains(&(link.lower, link.higher))
    }

    /// The key of a link, as it stands now.
    pub(super) fn key(&self, link: LinkId) -> LinkKey {
        LinkKey { first: self.links[link].first, link }
    }

    /// The order in which links are taken: by first co-occurrence, then higher, then lower identity.
    pub(super) fn compare_keys(&self, a: LinkKey, b: LinkKey) -> Ordering {
        a.first.cmp(&b.first).then_with(|| self.compare_ends(a.link, b.link))
    }

    /// `links`, ascending by key.
    pub(super) fn in_order(&self, links: impl IntoIterator<Item = LinkId>) -> Vec<Due> {
        let due = |id| {
            let link = &self.links[id];
            Due { key: LinkKey { first: link.first, link: id }, lower: link.lower, higher: link.higher }
        };
        order::sorted(links.into_iter().map(due).collect(), |a, b| self.compare_due(a, b))
    }

    /// The same order, of links that have their ends beside them.
    pub(super) fn compare_due(&self, a: &Due, b: &Due) -> Ordering {
        let ends = || self.compare(a.higher, b.higher).then_with(|| self.compare(a.lower, b.lower));
        a.key.first.cmp(&b.key.first).then_with(ends)
    }

    fn compare_ends(&self, a: LinkId, b: LinkId) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        let (a, b) = (&self.links[a], &self.links[b]);
        self.compare(a.higher, b.higher).then_with(|| self.compare(a.lower, b.lower))
    }
}
