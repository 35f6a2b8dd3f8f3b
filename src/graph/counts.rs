//! How much a graph holds: counted by a pass over it, or kept up by what a delta changed.

use hashbrown::HashSet;

use crate::graph::links::LinkId;
use crate::graph::sharing::customer;
use crate::graph::{Applied, Graph};
use crate::model::identity::IdentityId;
use crate::model::link::Link;
use crate::model::totals::{GraphCounts, MOST_COUNTED, StoreCounts};

impl Graph {
    /// Counts everything. A pass over all identities and links.
    pub fn count_all(&self) -> StoreCounts {
        let mut met = vec![0_u64; self.identities().len()];
        for link in self.links().as_slice().iter().filter(|link| self.is_customer(link.higher)) {
            met[link.lower.index()] += 1;
            met[link.higher.index()] += u64::from(self.is_session(link.lower));
        }
        let most = |of_customers: bool| {
            let ids = self.identities().ids().filter(|&id| self.is_customer(id) == of_customers);
            ids.map(|id| met[id.index()]).max().unwrap_or(0).min(MOST_COUNTED)
        };
        let graph = GraphCounts {
            identities: self.identities().ids().filter(|&id| self.is_known(id)).count() as u64,
            links: self.links().len() as u64,
            refused_links: self.links().ids().filter(|&link| self.refused(link)).count() as u64,
        };
        StoreCounts { graph, most_customers: most(false), most_sessions: most(true) }
    }

    /// The same after a delta that was just applied, where `before` were the counts before it. Linear in what it changed, and in the links there.
    pub fn count_since(&self, before: StoreCounts, applied: &Applied) -> StoreCounts {
        let fresh = (applied.identities as u32..self.identities().len() as u32).map(IdentityId);
        let unseen = applied.before.iter().filter(|(_, stood)| stood.is_none()).map(|(&id, _)| id);
        let mut counts = before;
        counts.graph.identities += fresh.chain(unseen).filter(|&id| self.is_known(id)).count() as u64;
        counts.graph.links = self.links().len() as u64;
        let (was, is) = self.refused_before_and_now(applied);
        counts.graph.refused_links = (counts.graph.refused_links + is).saturating_sub(was);
        let mut counted: HashSet<IdentityId> = HashSet::new();
        for &Link { lower, higher, .. } in &self.links().as_slice()[applied.known_links..] {
            if !self.is_customer(higher) {
                continue;
            }
            if counted.insert(lower) {
                let customers = self.links_above(lower).filter(|(_, link)| self.is_customer(link.higher));
                counts.most_customers = counts.most_customers.max(customers.take(MOST_COUNTED as usize).count() as u64);
            }
            if self.is_session(lower) && counted.insert(higher) {
                let sessions = self.links_of(higher).filter(|(_, link)| self.is_session(link.lower));
                counts.most_sessions = counts.most_sessions.max(sessions.take(MOST_COUNTED as usize).count() as u64);
            }
        }
        counts
    }

    /// Of the links that a delta may have touched, how many were refused, and how many are.
    fn refused_before_and_now(&self, applied: &Applied) -> (u64, u64) {
        let owner = |id| self.owner(id).map(|owner| owner.customer);
        let owner_before = |id| match applied.before.get(&id) {
            Some(stood) => stood.and_then(customer),
            None => owner(id),
        };
        let moved = applied.before.iter().filter(|&(&id, stood)| stood.and_then(customer) != owner(id));
        // The links of a customer lead to others, which moved where the link is another now.
        let moved = moved.map(|(&id, _)| id).filter(|&id| !self.is_customer(id));
        let mut touched: HashSet<LinkId> = moved.flat_map(|id| self.links_of(id)).map(|(link, _)| link).collect();
        touched.extend(applied.decided.keys().filter_map(|&(lower, higher)| self.links().find(lower, higher)));
        touched.extend((applied.known_links as u32..self.links().len() as u32).map(LinkId));
        let (mut was, mut is) = (0, 0);
        for link in touched {
            let Link { lower, higher, .. } = self.links()[link];
            let unlinked = applied.decided.get(&(lower, higher)).copied().unwrap_or_else(|| self.unlinked(link));
            if link.index() < applied.known_links && !unlinked {
                let (lower, higher) = (owner_before(lower), owner_before(higher));
                was += u64::from(lower.is_some() && higher.is_some() && lower != higher);
            }
            is += u64::from(self.refused(link));
        }
        (was, is)
    }
}
