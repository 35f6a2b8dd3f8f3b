//! Links: every pair of identities once, with what its events add up to.

use std::ops::Index;

use crate::model::identity::IdentityId;
use crate::model::link::{Link, Witness};
use crate::model::places::Places;
use crate::model::seed;
use crate::model::time::Time;

/// A link of one [`Links`]: its place there. Dense, in the order of first meeting, hence never part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

impl LinkId {
    /// Its place.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The mergeable reduction of events to links: parts can be reduced apart and merged in any order,
/// and give the same links (in another order of ids).
///
/// An empty one allocates nothing; a link costs about 60 bytes.
#[derive(Debug, Clone, Default)]
pub struct Links {
    links: Vec<Link>,
    /// The place of every link, by the hash of its pair.
    table: Places,
}

impl Links {
    /// No links; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Links of which no two are of one pair; their ids are their places. They are in no table yet: until they are, none of them is
    /// [found](Self::find).
    pub(super) fn unindexed(links: Vec<Link>) -> Self {
        Self { links, table: Places::default() }
    }

    /// The table of their places, with room for `room`.
    pub(super) fn table_of(&self, room: usize) -> Places {
        Places::of(room, self.links.iter().map(|link| hash(link.lower, link.higher)))
    }

    /// The same with that table.
    pub(super) fn indexed(self, table: Places) -> Self {
        Self { table, ..self }
    }

    /// How many there are; their ids are the numbers below it.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.links.clear();
        self.table.clear();
    }

    /// Makes room for `more` links.
    pub fn reserve(&mut self, more: usize) {
        self.links.reserve(more);
        let room = self.links.len() + more;
        if room > self.table.room() {
            self.grow(room);
        }
    }

    /// Adds an event at `time` that carries both: `lower`, and `higher` as the highest of all it carries.
    pub fn observe(&mut self, lower: IdentityId, higher: IdentityId, time: Time, witness: Witness) {
        self.merge_link(Link { lower, higher, first: time, witness, last: time, count: 1 });
    }

    /// Asks for the memory of all of these before one is looked for. A hint: nothing comes of it.
    pub(super) fn fetch(&self, links: &[Link]) {
        self.table.fetch(links.iter().map(|link| hash(link.lower, link.higher)));
    }

    /// Adds what `link` knows of its pair. Returns where it is now, and what was known before.
    pub fn merge_link(&mut self, link: Link) -> (LinkId, Option<Link>) {
        if self.table.is_full() {
            self.grow(self.table.next_room());
        }
        let Self { links, table } = self;
        let same = |at: u32| same(&links[at as usize], link.lower, link.higher);
        let (at, new) = table.find_or_add(hash(link.lower, link.higher), same);
        if new {
            links.push(link);
            return (LinkId(at), None);
        }
        let known = &mut links[at as usize];
        let before = *known;
        known.merge(&link);
        (LinkId(at), Some(before))
    }

    /// Adds what `other` knows of all its pairs.
    pub fn merge(&mut self, other: Links) {
        if self.is_empty() {
            *self = other;
            return;
        }
        for link in other.links {
            self.merge_link(link);
        }
    }

    /// The link between two identities, if any event carried both so.
    pub fn get(&self, lower: IdentityId, higher: IdentityId) -> Option<&Link> {
        self.find(lower, higher).map(|id| &self[id])
    }

    /// The id of the link between two identities.
    pub fn find(&self, lower: IdentityId, higher: IdentityId) -> Option<LinkId> {
        self.table.find(hash(lower, higher), |at| same(&self.links[at as usize], lower, higher)).map(LinkId)
    }

    /// All links, by id.
    pub fn as_slice(&self) -> &[Link] {
        &self.links
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = LinkId> + use<> {
        (0..self.len() as u32).map(LinkId)
    }

    fn grow(&mut self, room: usize) {
        // The old one goes first: there is room for one.
        self.table = Places::default();
        self.table = self.table_of(room);
    }
}

impl Index<LinkId> for Links {
    type Output = Link;

    fn index(&self, id: LinkId) -> &Link {
        &self.links[id.index()]
    }
}

fn same(link: &Link, lower: IdentityId, higher: IdentityId) -> bool {
    (link.lower, link.higher) == (lower, higher)
}

fn hash(lower: IdentityId, higher: IdentityId) -> u64 {
    seed::hash_number(u64::from(lower.0) << 32 | u64::from(higher.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::EventHash;

    fn observe(links: &mut Links, lower: u32, higher: u32, time: i64) {
        let witness = Witness { event: EventHash(time as u128), anchor: IdentityId(lower) };
        links.observe(IdentityId(lower), IdentityId(higher), Time::from_micros(time), witness);
    }

    #[test]
    fn a_pair_is_one_link_with_first_last_and_count() {
        let mut links = Links::new();
        for time in [5, 3, 9] {
            observe(&mut links, 1, 2, time);
        }
        observe(&mut links, 2, 1, 4);
        assert_eq!(links.len(), 2);
        let link = links.get(IdentityId(1), IdentityId(2)).unwrap();
        assert_eq!((link.first, link.last, link.count), (Time::from_micros(3), Time::from_micros(9), 3));
        assert_eq!(link.witness.event, EventHash(3));
        assert_eq!(links.get(IdentityId(1), IdentityId(3)), None);
    }

    #[test]
    fn many_links_stay_apart_and_clear_forgets_them() {
        let mut links = Links::new();
        for pair in 0..10_000 {
            observe(&mut links, pair % 100, pair / 100, 1);
        }
        assert_eq!(links.len(), 10_000);
        for id in links.ids() {
            assert_eq!(links.find(links[id].lower, links[id].higher), Some(id));
        }
        links.clear();
        assert_eq!(links.find(IdentityId(0), IdentityId(0)), None);
    }
}
