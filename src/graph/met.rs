//! Whom an identity met: the customers that its events tell of, directly or by way of an e-mail address or a device.
//!
//! A customer met itself. Any other identity met its owner, and everybody whom the highest identities met that stand on an
//! event with it. Links are of exactly such pairs, (lower, highest of the event), so they lead from level to level
//! upwards, and those that are unlinked are left out.
//!
//! How many there are is of interest only up to two, so no more are kept: a device that a whole town shares costs its
//! sessions nothing.

use hashbrown::HashMap;

use crate::graph::Graph;
use crate::model::identity::IdentityId;

/// The first two customers that an identity met, in identity order: enough to tell whether it met several, and to name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met([Option<IdentityId>; 2]);

impl Met {
    /// Whether it met more than one customer.
    pub fn several(&self) -> bool {
        self.0[1].is_some()
    }

    /// Those that are kept: all of them, or the first two.
    pub fn first(&self) -> impl Iterator<Item = IdentityId> {
        self.0.into_iter().flatten()
    }

    fn add(&mut self, customer: IdentityId, graph: &Graph) {
        let before = |other: Option<IdentityId>| other.is_none_or(|other| graph.compare(customer, other).is_lt());
        let [first, second] = self.0;
        if first == Some(customer) || second == Some(customer) {
            return;
        }
        if before(first) {
            self.0 = [Some(customer), first];
        } else if before(second) {
            self.0[1] = Some(customer);
        }
    }
}

impl Graph {
    /// Whom an identity met. What was worked out on the way is kept in `known`, so that many questions together take each link
    /// once.
    pub fn met(&self, id: IdentityId, known: &mut HashMap<IdentityId, Met>) -> Met {
        if let Some(&met) = known.get(&id) {
            return met;
        }
        // Each step goes up a level, of which there are no more than namespaces.
        let met = self.met_with(id, |higher| self.met(higher, known));
        known.insert(id, met);
        met
    }

    /// Whom each identity met, by id. A pass over all links, from the highest level down.
    pub fn met_by_all(&self) -> Vec<Met> {
        let mut by_namespace = vec![Vec::new(); self.namespaces().len()];
        for id in self.identities().ids() {
            by_namespace[usize::from(self.identities().namespace(id).0)].push(id);
        }
        let mut all = vec![Met::default(); self.identities().len()];
        for namespace in self.namespaces().by_level().into_iter().rev() {
            for &id in &by_namespace[usize::from(namespace.0)] {
                all[id.index()] = self.met_with(id, |higher| all[higher.index()]);
            }
        }
        all
    }

    /// Whom an identity met, where it is known whom the identities above it did.
    fn met_with(&self, id: IdentityId, mut above: impl FnMut(IdentityId) -> Met) -> Met {
        let mut met = Met::default();
        if let Some(owner) = self.owner(id) {
            met.add(owner.customer, self);
        }
        for (link, ends) in self.links_above(id) {
            if !self.unlinked(link) {
                above(ends.higher).first().for_each(|customer| met.add(customer, self));
            }
        }
        met
    }
}
