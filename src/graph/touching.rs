//! Which links touch an identity.

use crate::graph::links::{LinkId, Links};
use crate::model::identity::IdentityId;
use crate::model::link::Link;

/// The end of a list.
const END: u32 = u32::MAX;

/// Two linked lists for each identity, one of the links in which it is the lower end, one of those in which
/// it is the higher: 8 bytes an identity and 8 a link, and no allocation of its own for any.
///
/// They are apart because a group's links are gathered from their lower ends alone: a customer whom a million
/// sessions of others have met is then never scanned.
#[derive(Debug, Clone, Default)]
pub(super) struct Touching {
    /// By identity: the newest link as lower, as higher end.
    heads: Vec<[u32; 2]>,
    /// By link: the next one of its lower, of its higher end.
    next: Vec<[u32; 2]>,
}

impl Touching {
    /// Those of all links, between `len` identities.
    pub(super) fn of(len: usize, links: &Links) -> Self {
        let mut touching = Self { heads: Vec::new(), next: Vec::with_capacity(links.len()) };
        touching.grow(len);
        links.as_slice().iter().for_each(|link| touching.push(link));
        touching
    }

    /// Makes place for identities up to `len`.
    pub(super) fn grow(&mut self, len: usize) {
        self.heads.resize(len, [END; 2]);
    }

    /// Adds the next link; links come in the order of their ids.
    pub(super) fn push(&mut self, link: &Link) {
        let id = self.next.len() as u32;
        let [lower, higher] = [link.lower.index(), link.higher.index()];
        self.next.push([self.heads[lower][0], self.heads[higher][1]]);
        self.heads[lower][0] = id;
        self.heads[higher][1] = id;
    }

    /// The links in which `id` is the lower end, newest first.
    pub(super) fn above(&self, id: IdentityId) -> impl Iterator<Item = LinkId> {
        self.list(id, 0)
    }

    /// The links that touch `id`: as lower end first, then as higher.
    pub(super) fn all<'a>(&'a self, id: IdentityId, links: &'a Links) -> impl Iterator<Item = (LinkId, &'a Link)> {
        self.list(id, 0).chain(self.list(id, 1)).map(|link| (link, &links[link]))
    }

    fn list(&self, id: IdentityId, side: usize) -> impl Iterator<Item = LinkId> {
        let mut at = self.heads[id.index()][side];
        std::iter::from_fn(move || {
            let link = at;
            (link != END).then(|| {
                at = self.next[link as usize][side];
                LinkId(link)
            })
        })
    }
}
