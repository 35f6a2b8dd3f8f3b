//! What two people share who were not merged: the refused links, told from the identity that both are seen with.

use hashbrown::HashMap;

use crate::graph::Graph;
use crate::graph::links::LinkId;
use crate::model::identity::IdentityId;
use crate::model::link::Link;

/// An identity that belongs to one person and was seen with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The identity: an e-mail address, a device or a session.
    pub shared: IdentityId,
    /// The customer that it does not belong to.
    pub other: IdentityId,
}

/// A customer, and the link that ties it to an identity.
pub type Sharer = (IdentityId, LinkId);

impl Graph {
    /// What a refused link says: the lower end is shared where the higher is a customer; else the higher one is, with the owner of the
    /// lower. `None` where the link was not refused.
    pub fn share(&self, link: LinkId) -> Option<Share> {
        if !self.refused(link) {
            return None;
        }
        let Link { lower, higher, .. } = self.links()[link];
        match self.is_customer(higher) {
            true => Some(Share { shared: lower, other: higher }),
            false => Some(Share { shared: higher, other: self.owner(lower)?.customer }),
        }
    }

    /// Who shares an identity, each once, in identity order: its owner, with the link that first connected the two, and the others, each with
    /// the earliest link. Fewer than two where nobody was refused. Linear in the links that touch it.
    pub fn sharers(&self, shared: IdentityId) -> Vec<Sharer> {
        let links = self.links_of(shared).map(|(link, _)| link);
        let shares = links.filter_map(|link| Some((link, self.share(link)?)));
        let others = shares.filter(|(_, share)| share.shared == shared).map(|(link, share)| (share.other, link));
        self.with_owner(shared, others)
    }

    /// The same of all identities that are shared, in no order that means anything. A pass over all links.
    pub fn all_sharers(&self) -> impl Iterator<Item = (IdentityId, Vec<Sharer>)> {
        let mut others: HashMap<IdentityId, Vec<Sharer>> = HashMap::new();
        for link in self.links().ids() {
            if let Some(Share { shared, other }) = self.share(link) {
                others.entry(shared).or_default().push((other, link));
            }
        }
        others.into_iter().map(|(shared, others)| (shared, self.with_owner(shared, others.into_iter())))
    }

    fn with_owner(&self, shared: IdentityId, others: impl Iterator<Item = Sharer>) -> Vec<Sharer> {
        let mut all: Vec<Sharer> = others.collect();
        let owner = self.owner(shared).map(|owner| owner.customer);
        all.extend(owner.and_then(|owner| Some((owner, self.connected_by(shared, owner)?))));
        all.sort_unstable_by(|a, b| self.compare(a.0, b.0).then_with(|| self.compare_links(a.1, b.1)));
        all.dedup_by_key(|sharer| sharer.0);
        all
    }
}
