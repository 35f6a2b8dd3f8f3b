//! Why two identities are one person, or why not. Nothing here changes anything.
//!
//! Chains are searched from both ends at once, a level of links at a time, always on the side that has fewer links to look
//! at: a session of a customer with a million sessions is answered from the session's end. What is found depends on keys
//! and identities alone, so an answer does not depend on the order in which anything was met.

use std::cmp::Ordering;

use hashbrown::HashMap;

use crate::graph::Graph;
use crate::graph::links::LinkId;
use crate::model::identity::IdentityId;
use crate::model::link::Link;
use crate::model::person::Owner;

/// Refused links that one answer lists. A shared device may have a hundred thousand; few readers want more than the first,
/// and the rest is counted.
pub const MAX_REFUSALS: usize = 20;

/// A refused link, and what stood in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The link.
    pub link: LinkId,
    /// The owner of its lower end at the moment of the link.
    pub lower: Owner,
    /// The owner of its higher end at that moment.
    pub higher: Owner,
}

/// Refused links, the earliest by key first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusals {
    /// The first [`MAX_REFUSALS`].
    pub first: Vec<Refusal>,
    /// How many more there are.
    pub more: usize,
}

/// Why two identities are not one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// Links between their two groups were refused.
    Refused {
        /// These.
        refusals: Refusals,
        /// The shortest way from one to the other over the earliest of them, from the first end asked for to the second.
        way: Vec<LinkId>,
    },
    /// No link ties their two groups, but a way leads through other groups: this one has the fewest refused links.
    Through(Vec<LinkId>),
    /// No chain of links ties them, refused ones included.
    Strangers,
}

impl Graph {
    /// The shortest chain of links between two identities of one group, from `a` to `b`; `None` when they are of two groups.
    /// Empty for an identity and itself. Of several it is always the same one, from whichever end it is asked for.
    ///
    /// Linear in the links at the identities of the group, at worst; that many only where both ends have many.
    pub fn chain(&self, a: IdentityId, b: IdentityId) -> Option<Vec<LinkId>> {
        self.within_group(a, b, |_| true)
    }

    /// The chain of [accepted](Self::accepted) links between two identities of one group, from `a` to `b`: there is only one.
    /// Its latest link is the moment that first connected the two ([`connected_by`](Self::connected_by)). `None` when
    /// they are of two groups. Costs as [`chain`](Self::chain).
    pub fn decisive_chain(&self, a: IdentityId, b: IdentityId) -> Option<Vec<LinkId>> {
        self.within_group(a, b, |link| self.accepted(link))
    }

    /// What stood in the way of a link; `None` where it was not [refused](Self::refused).
    pub fn refusal(&self, link: LinkId) -> Option<Refusal> {
        if !self.counts(link) || !self.refused(link) {
            return None;
        }
        // Both ends had an owner then, and an identity that has one keeps it and the moment it came to it: later links change neither.
        let Link { lower, higher, .. } = self.facts.links[link];
        Some(Refusal { link, lower: self.owner(lower)?, higher: self.owner(higher)? })
    }

    /// The refused links that touch an identity. Linear in the links at it.
    pub fn refusals_of(&self, id: IdentityId) -> Refusals {
        self.earliest_refusals(self.links_of(id).map(|(link, _)| link).collect())
    }

    /// Why two identities are not one person; `None` when they are.
    ///
    /// Linear in the links at the identities that are tied to either, by refused links too; at worst, when only a long
    /// way leads from one to the other.
    pub fn why_not(&self, a: IdentityId, b: IdentityId) -> Option<WhyNot> {
        let ends = [self.forest.root(a), self.forest.root(b)];
        if ends[0] == ends[1] {
            return None;
        }
        let leads_to = |from: IdentityId, link: LinkId| {
            let Link { lower, higher, .. } = self.facts.links[link];
            let (lower, higher) = (self.forest.root(lower), self.forest.root(higher));
            (lower != higher && self.counts(link)).then_some(if lower == from { higher } else { lower })
        };
        let Some(refused) = self.shortest(ends, |root| self.links_at(root), leads_to) else {
            return Some(WhyNot::Strangers);
        };
        if refused.len() > 1 {
            return Some(WhyNot::Through(self.way(a, &refused, b)));
        }
        let [from, to] =
            if self.is_lighter(self.links_at(ends[0]), self.links_at(ends[1])) { ends } else { [ends[1], ends[0]] };
        let ties = self.links_at(from).filter(|&link| leads_to(from, link) == Some(to)).collect();
        Some(WhyNot::Refused { refusals: self.earliest_refusals(ties), way: self.way(a, &refused, b) })
    }

    /// Whether a link counts as evidence, for or against. The one place that says so: one that was taken back does not.
    pub fn counts(&self, link: LinkId) -> bool {
        !self.unlinked(link)
    }

    fn within_group(&self, a: IdentityId, b: IdentityId, usable: impl Fn(LinkId) -> bool) -> Option<Vec<LinkId>> {
        let root = self.forest.root(a);
        if self.forest.root(b) != root {
            return None;
        }
        let touching = |id| self.links_of(id).map(|(link, _)| link);
        self.shortest([a, b], touching, |from, link| {
            let to = self.far_end(link, from);
            (self.counts(link) && usable(link) && self.forest.root(to) == root).then_some(to)
        })
    }

    /// The way from `a` to `b` over these refused links, each of which leads from the group that the last one led to.
    fn way(&self, a: IdentityId, refused: &[LinkId], b: IdentityId) -> Vec<LinkId> {
        let (mut at, mut way) = (a, Vec::new());
        for &link in refused {
            let Link { lower, higher, .. } = self.facts.links[link];
            let (near, far) = if self.connected(at, lower) { (lower, higher) } else { (higher, lower) };
            way.extend(self.chain(at, near).unwrap_or_default());
            way.push(link);
            at = far;
        }
        way.extend(self.chain(at, b).unwrap_or_default());
        way
    }

    /// The links that touch the group of `id`.
    fn links_at(&self, id: IdentityId) -> impl Iterator<Item = LinkId> {
        self.members(id).flat_map(|member| self.links_of(member)).map(|(link, _)| link)
    }

    fn far_end(&self, link: LinkId, near: IdentityId) -> IdentityId {
        let Link { lower, higher, .. } = self.facts.links[link];
        if lower == near { higher } else { lower }
    }

    fn earliest_refusals(&self, mut links: Vec<LinkId>) -> Refusals {
        links.retain(|&link| self.counts(link) && self.refused(link));
        let more = links.len().saturating_sub(MAX_REFUSALS);
        if more > 0 {
            links.select_nth_unstable_by(MAX_REFUSALS, |&a, &b| self.compare_links(a, b));
            links.truncate(MAX_REFUSALS);
        }
        links.sort_unstable_by(|&a, &b| self.compare_links(a, b));
        Refusals { first: links.into_iter().filter_map(|link| self.refusal(link)).collect(), more }
    }

    /// Whether `a` ends no later than `b`; looks at no more of either than the shorter has.
    fn is_lighter(&self, mut a: impl Iterator<Item = LinkId>, mut b: impl Iterator<Item = LinkId>) -> bool {
        loop {
            match (a.next(), b.next()) {
                (None, _) => return true,
                (_, None) => return false,
                _ => {}
            }
        }
    }

    /// The shortest chain of links between two places: `touching` lists the links at a place, and `leads_to` says where a link
    /// leads from there, if anywhere.
    ///
    /// Of several links to a place the earliest by key is kept, and of several by which the two sides meet the earliest too.
    fn shortest<I: Iterator<Item = LinkId>>(
        &self,
        ends: [IdentityId; 2],
        touching: impl Fn(IdentityId) -> I,
        leads_to: impl Fn(IdentityId, LinkId) -> Option<IdentityId>,
    ) -> Option<Vec<LinkId>> {
        if ends[0] == ends[1] {
            return Some(Vec::new());
        }
        // By identity order, so that the answer is the same from both ends.
        let turned = self.compare(ends[0], ends[1]) == Ordering::Greater;
        let mut sides = if turned { [ends[1], ends[0]] } else { ends }.map(Side::new);
        let earlier = |a: &PathStep, b: &PathStep| self.compare_links(a.link, b.link).is_lt();
        loop {
            let links = |side: &Side| side.outermost.clone().into_iter().flat_map(&touching);
            let here = usize::from(!self.is_lighter(links(&sides[0]), links(&sides[1])));
            let (mut bridge, mut next): (Option<(PathStep, IdentityId)>, _) = (None, HashMap::new());
            for &from in &sides[here].outermost {
                for link in touching(from) {
                    let Some(to) = leads_to(from, link) else { continue };
                    let step = PathStep { link, from };
                    if sides[1 - here].steps.contains_key(&to) {
                        if bridge.is_none_or(|(known, _)| earlier(&step, &known)) {
                            bridge = Some((step, to));
                        }
                    } else if !sides[here].steps.contains_key(&to) {
                        let known = next.entry(to).or_insert(step);
                        if earlier(&step, known) {
                            *known = step;
                        }
                    }
                }
            }
            if let Some((PathStep { link, from }, to)) = bridge {
                let mut chain = sides[here].way_back(from);
                chain.reverse();
                chain.push(link);
                chain.extend(sides[1 - here].way_back(to));
                // It leads from the end that was searched last.
                if turned != (here == 1) {
                    chain.reverse();
                }
                return Some(chain);
            }
            if next.is_empty() {
                return None;
            }
            sides[here].go_on(next);
        }
    }
}

/// How a place was reached.
#[derive(Debug, Clone, Copy)]
struct PathStep {
    link: LinkId,
    from: IdentityId,
}

/// One end of a search, and what was reached from it.
struct Side {
    /// How each place was reached; the end itself by nothing.
    steps: HashMap<IdentityId, Option<PathStep>>,
    /// The places of the last level.
    outermost: Vec<IdentityId>,
}

impl Side {
    fn new(end: IdentityId) -> Self {
        Self { steps: HashMap::from([(end, None)]), outermost: vec![end] }
    }

    fn go_on(&mut self, next: HashMap<IdentityId, PathStep>) {
        self.outermost = next.keys().copied().collect();
        self.steps.extend(next.into_iter().map(|(place, step)| (place, Some(step))));
    }

    /// The links from a place back to the end.
    fn way_back(&self, mut at: IdentityId) -> Vec<LinkId> {
        let mut way = Vec::new();
        while let Some(Some(step)) = self.steps.get(&at) {
            way.push(step.link);
            at = step.from;
        }
        way
    }
}
