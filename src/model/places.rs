//! Hash tables of the places in a column; the column holds the keys.

use std::hint::black_box;

use smallvec::SmallVec;

/// Keys that a table has room for, once it holds any: 16 slots are a cache line.
const FIRST_ROOM: usize = 12;

/// Keys that are asked for together before one is waited for: enough to keep the memory busy, few enough to stay in the first cache.
pub const AHEAD: usize = 32;

/// Keys from which on a table takes megabytes, so that its free slots matter more than the time to fill a new one.
const LARGE: usize = 1 << 20;

/// A slot without a place. No place has all bits of a slot: there are fewer than these tell apart.
const FREE: u32 = u32::MAX;

/// The places 0, 1, 2, … of a column by the hashes of their keys, in 4 bytes a slot.
///
/// Open addressing with linear probing (Knuth, *The Art of Computer Programming* 3, 6.4, algorithm L), of which three quarters of the slots
/// are used at most. The upper half of a hash chooses the slot where a search begins, by a multiplication (Lemire, *Fast random integer
/// generation in an interval*, 2019), so that there may be any number of slots. A slot holds the place in as many bits as places
/// need, and in those above them bits of the lower half of the hash, so that nearly every key that is compared is the one wanted: a look-up
/// reads one cache line of the table and one of the column, where a table that keeps marks apart from places reads two and one.
///
/// It does not grow by itself: the caller asks [`is_full`](Self::is_full) first, and makes a new one. Old slots lie in the order of hashes, and to
/// move them would fetch every key from a random place of its column; [`of`](Self::of) reads the column front to back. To put the places
/// of a large table in the order of its slots first, on all cores, gained a fifth of the time that it takes, and cost as much memory again.
///
/// Nothing is removed from it, and it takes no more than 2³¹ places: there are as many ids. Keys that come from outside must be hashed with
/// the seed of [`seed`](crate::model::seed).
#[derive(Debug, Clone, Default)]
pub struct Places {
    slots: Vec<u32>,
    /// How many are used, which is the next place.
    len: usize,
    /// How many there is room for.
    room: usize,
    /// How many bits of a slot are the place.
    bits: u32,
}

impl Places {
    /// Those of a column with these hashes, with room for `room` of them, or for all that there are.
    pub fn of(room: usize, mut hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let room = room.max(hashes.len()).max(FIRST_ROOM);
        // Written front to back: to touch so much memory for the first time in the order of hashes takes longer.
        let slots = vec![FREE; room + room.div_ceil(3)];
        let mut places = Self { slots, len: 0, room, bits: room.ilog2() + 1 };
        loop {
            let block: SmallVec<[u64; AHEAD]> = hashes.by_ref().take(AHEAD).collect();
            if block.is_empty() {
                return places;
            }
            places.fetch(block.iter().copied());
            block.iter().for_each(|&hash| places.add(hash));
        }
    }

    /// How many there is room for.
    pub fn room(&self) -> usize {
        self.room
    }

    /// For how many the next table has room, where this one is full: half as many again, and of a large one a quarter.
    pub fn next_room(&self) -> usize {
        self.room + self.room / if self.room < LARGE { 2 } else { 4 }
    }

    /// Whether the next one needs a larger table.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.len == self.room
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.slots.fill(FREE);
        self.len = 0;
    }

    /// Reads the slots where searches for these begin, so that they are at hand: all of them are asked for before the first is waited for,
    /// where a search waits for its slot to know whether to go on.
    pub fn fetch(&self, hashes: impl Iterator<Item = u64>) {
        let slots = hashes.map(|hash| self.slots.get(self.start(hash)));
        black_box(slots.fold(FREE, |read, slot| read ^ slot.copied().unwrap_or(FREE)));
    }

    /// The place of the key that `is` recognizes, if it is there.
    #[inline]
    pub fn find(&self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        self.probe(hash, is).ok()
    }

    /// The place of the key that `is` recognizes, or else the next place, which the key has from now on; and whether the key is new. The
    /// table must not be full.
    #[inline]
    pub fn find_or_add(&mut self, hash: u64, is: impl FnMut(u32) -> bool) -> (u32, bool) {
        match self.probe(hash, is) {
            Ok(known) => (known, false),
            Err(free) => (self.put(hash, free), true),
        }
    }

    /// Gives the next place to a key that is not there. The table must not be full.
    #[inline]
    fn add(&mut self, hash: u64) {
        if let Err(free) = self.probe(hash, |_| false) {
            self.put(hash, free);
        }
    }

    fn put(&mut self, hash: u64, free: usize) -> u32 {
        let place = self.len as u32;
        self.slots[free] = self.mark(hash) | place;
        self.len += 1;
        place
    }

    /// The place of the key, or the free slot that it would be put into.
    #[inline]
    fn probe(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Result<u32, usize> {
        let mark = self.mark(hash);
        let mut at = self.start(hash);
        loop {
            // A slot is missing only where there are none at all.
            let slot = self.slots.get(at).copied().unwrap_or(FREE);
            if slot == FREE {
                return Err(at);
            }
            let place = slot ^ mark;
            if u64::from(place) >> self.bits == 0 && is(place) {
                return Ok(place);
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }

    /// The slot where a search begins.
    #[inline]
    fn start(&self, hash: u64) -> usize {
        (((hash >> 32) * self.slots.len() as u64) >> 32) as usize
    }

    /// The part of a hash that a slot keeps: bits that do not choose the slot.
    #[inline]
    fn mark(&self, hash: u64) -> u32 {
        (hash << self.bits) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::seed;

    /// A column of numbers and its table.
    struct Column(Vec<u64>, Places, fn(u64) -> u64);

    impl Column {
        fn intern(&mut self, key: u64) -> (u32, bool) {
            let Self(keys, places, hash) = self;
            if places.is_full() {
                *places = Places::of(places.next_room(), keys.iter().map(|&key| hash(key)));
            }
            let (place, new) = places.find_or_add(hash(key), |place| keys[place as usize] == key);
            if new {
                keys.push(key);
            }
            (place, new)
        }

        fn find(&self, key: u64) -> Option<u32> {
            self.1.find(self.2(key), |place| self.0[place as usize] == key)
        }
    }

    /// A good hash, and others: four values, one slot for all, one slot and one mark for all, one mark for all, the last slot.
    const HASHES: [fn(u64) -> u64; 6] =
        [seed::hash_number, |key| key % 4, |key| key, |_| 0, |key| key << 50, |key| u64::MAX - key];

    #[test]
    fn every_key_has_one_place_whatever_the_hash() {
        for hash in HASHES {
            let mut column = Column(Vec::new(), Places::default(), hash);
            for key in 0..2_000 {
                assert_eq!(column.find(key), None);
                assert_eq!(column.intern(key), (key as u32, true));
                assert_eq!(column.intern(key), (key as u32, false));
            }
            assert!((0..2_000).all(|key| column.find(key) == Some(key as u32)));
            assert_eq!((column.find(2_000), column.1.len), (None, 2_000));
        }
    }

    #[test]
    fn a_table_is_full_when_three_quarters_of_its_slots_are_used() {
        assert!(Places::default().is_full());
        for (keys, wanted, room) in [(0, 0, 12), (12, 0, 12), (13, 12, 13), (13, 100, 100), (5, 1_001, 1_001)] {
            let mut places = Places::of(wanted, (0..keys).map(|key: u32| seed::hash_number(key.into())));
            assert_eq!((places.len, places.is_full()), (keys as usize, room == keys as usize));
            while !places.is_full() {
                places.add(seed::hash_number(places.len as u64));
            }
            assert_eq!((places.len, places.room()), (room, room));
            assert!(4 * room <= 3 * places.slots.len(), "{room} in {}", places.slots.len());
        }
        let next = |room| Places { room, ..Places::default() }.next_room();
        assert_eq!([12, LARGE - 2, LARGE].map(next), [18, LARGE / 2 * 3 - 3, LARGE / 4 * 5]);
    }

    #[test]
    fn cleared_it_starts_again_in_its_room() {
        let mut places = Places::of(0, [1, 2, 3].into_iter());
        let slots = places.slots.len();
        places.clear();
        assert_eq!((places.len, places.find(1, |_| true), places.slots.len()), (0, None, slots));
        assert_eq!(places.find_or_add(7, |_| true), (0, true));
    }
}
