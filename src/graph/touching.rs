//! Which links touch an identity.

use std::hint::black_box;

use hashbrown::HashMap;

use crate::graph::links::{LinkId, Links};
use crate::model::identity::IdentityId;
use crate::model::link::Link;
use crate::model::places::AHEAD;

/// The end of a list.
const END: u32 = u32::MAX;

/// In a head: the list is of links in which the identity is the higher end. Links are fewer than this.
const HIGHER: u32 = 1 << 31;

/// The head of an identity that has lists of both kinds: they stand elsewhere.
const BOTH: u32 = END - 1;

/// Two linked lists for each identity, one of the links in which it is the lower end, one of those in which
/// it is the higher: 4 bytes an identity and 8 a link, and an entry of a map for each identity that has both.
///
/// They are apart because a group's links are gathered from their lower ends alone: a customer whom a million
/// sessions of others have met is then never scanned. Sessions are lower ends alone, and customers higher ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Touching {
    /// By identity: the newest link as lower or, [marked](HIGHER), as higher end.
    heads: Vec<u32>,
    /// Of identities that have both: the newest link as lower, as higher end.
    both: HashMap<IdentityId, [u32; 2]>,
    /// By link: the next one of its lower, of its higher end.
    next: Vec<[u32; 2]>,
}

impl Touching {
    /// Those of all links, between `len` identities.
    pub(super) fn of(len: usize, links: &Links) -> Self {
        let mut touching = Self { next: Vec::with_capacity(links.len()), ..Self::default() };
        touching.grow(len);
        touching.push_all(links.as_slice());
        touching
    }

    /// Makes place for identities up to `len`.
    pub(super) fn grow(&mut self, len: usize) {
        self.heads.resize(len, END);
    }

    /// Adds the next links; links come in the order of their ids.
    pub(super) fn push_all(&mut self, links: &[Link]) {
        for links in links.chunks(AHEAD) {
            // The heads of all of them are asked for before the first is waited for.
            let heads = links.iter().flat_map(|link| [link.lower, link.higher]).map(|id| self.heads[id.index()]);
            black_box(heads.fold(END, |read, head| read ^ head));
            links.iter().for_each(|link| self.push(link));
        }
    }

    fn push(&mut self, link: &Link) {
        let id = self.next.len() as u32;
        let next = [(link.lower, 0), (link.higher, 1)].map(|(end, side)| self.put_first(end, side, id));
        self.next.push(next);
    }

    /// Puts a link at the head of a list; returns the one that was there.
    fn put_first(&mut self, id: IdentityId, side: usize, link: u32) -> u32 {
        let mut heads = self.heads_of(id);
        let before = std::mem::replace(&mut heads[side], link);
        self.heads[id.index()] = match heads {
            [lower, END] => lower,
            [END, higher] => higher | HIGHER,
            both => {
                self.both.insert(id, both);
                BOTH
            }
        };
        before
    }

    #[inline]
    fn heads_of(&self, id: IdentityId) -> [u32; 2] {
        match self.heads[id.index()] {
            END => [END; 2],
            BOTH => self.both.get(&id).copied().unwrap_or([END; 2]),
            lower if lower & HIGHER == 0 => [lower, END],
            higher => [END, higher & !HIGHER],
        }
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
        let mut at = self.heads_of(id)[side];
        std::iter::from_fn(move || {
            let link = at;
            (link != END).then(|| {
                at = self.next[link as usize][side];
                LinkId(link)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::EventHash;
    use crate::model::link::Witness;
    use crate::model::time::Time;

    #[test]
    fn each_end_lists_its_links_whichever_kinds_it_has() {
        // 0 is a lower end alone, 3 a higher one alone; 1 and 2 become both, from either side.
        let pairs = [(0, 1), (0, 2), (1, 3), (2, 3), (1, 2), (0, 3)];
        let time = Time::from_micros(0);
        let link = |(lower, higher)| {
            let [lower, higher] = [lower, higher].map(IdentityId);
            let witness = Witness { event: EventHash(0), anchor: lower };
            Link { lower, higher, first: time, witness, last: time, count: 1 }
        };
        let mut touching = Touching::default();
        touching.grow(5);
        touching.push_all(&pairs.map(link));
        for id in 0..5 {
            let of = |is_end: fn((u32, u32)) -> u32| {
                (0..pairs.len() as u32).rev().filter(move |&at| is_end(pairs[at as usize]) == id).collect::<Vec<u32>>()
            };
            let found = |side| touching.list(IdentityId(id), side).map(|link| link.0).collect::<Vec<u32>>();
            assert_eq!([found(0), found(1)], [of(|pair| pair.0), of(|pair| pair.1)], "{id}");
        }
        assert_eq!(touching.both.len(), 2);
    }
}
