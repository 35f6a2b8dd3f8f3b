//! The leaves of the database, and how often it is told of a block that was read, so that it lets go of the leaf that it read for it.
//!
//! It lets go of a cached leaf only when 64 accesses have come to the leaf's shard, whatever its capacity. Of leaves that are read once, block
//! after block, each of the 256 shards kept eight: 97 MB of a database of 560, and of 70. Where a single block of each is read, here and there,
//! as for the events that a commit may hold again, a shard kept sixteen: 63 MB after ten minutes of a collector, and growing with its store.

use std::cell::Cell;

/// Keys a leaf of the database holds at most.
pub(super) const LEAF_KEYS: usize = 16;

/// Look-ups beyond the one, of a block near one that was read before: 40 MB of that database are kept. A look-up in a leaf that is cached
/// takes less than a microsecond.
const TOUCHES_NEAR: usize = 3;

/// The same of a block far from those: to read its leaf takes a hundred times as long.
const TOUCHES_FAR: usize = 15;

/// Places that are read side by side at most: a merge reads from some eight runs and their directories in turn.
const PLACES: usize = 16;

thread_local! {
    static RECENT: RecentReads = const { RecentReads { places: [const { Cell::new(0) }; PLACES], next: Cell::new(0) } };
}

/// Where a thread read last, by the numbers that keys are.
struct RecentReads {
    places: [Cell<u128>; PLACES],
    next: Cell<usize>,
}

impl RecentReads {
    /// Whether `place` is near one of them; it stands in the place of that one, or of the one that was there longest.
    fn are_near(&self, place: u128) -> bool {
        let near = self.places.iter().find(|read| read.get().abs_diff(place) <= LEAF_KEYS as u128);
        match near {
            Some(read) => read.set(place),
            None => {
                let next = self.next.get();
                self.next.set((next + 1) % PLACES);
                self.places.iter().skip(next).take(1).for_each(|read| read.set(place));
            }
        }
        near.is_some()
    }
}

/// Look-ups that are to follow on that of `key` by this thread.
pub(super) fn touches(key: &[u8]) -> usize {
    let place = key.iter().fold(0, |place, byte| place << 8 | u128::from(*byte));
    if RECENT.with(|recent| recent.are_near(place)) { TOUCHES_NEAR } else { TOUCHES_FAR }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::block::BlockKey;
    use crate::store::events::EVENTS;

    fn touched(run: u32, index: u32) -> usize {
        touches(&BlockKey { kind: EVENTS, run, index }.bytes())
    }

    #[test]
    fn runs_that_are_read_side_by_side_are_near_and_single_blocks_are_not() {
        let runs = 1..=PLACES as u32;
        assert!(runs.clone().all(|run| touched(run, 0) == TOUCHES_FAR));
        assert!((1..1_000).all(|index| runs.clone().all(|run| touched(run, index) == TOUCHES_NEAR)));
        assert_eq!(touched(3, 999 + LEAF_KEYS as u32), TOUCHES_NEAR);
        assert!((0..1_000).all(|at| touched(99, at * 2 * LEAF_KEYS as u32) == TOUCHES_FAR));
        assert_eq!(touched(3, 1_016), TOUCHES_FAR, "what was read long before is not near");
    }
}
