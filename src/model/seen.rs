//! When identities were seen, by id: a column of millions of rows.

use hashbrown::HashMap;

use crate::model::identity::IdentityId;
use crate::model::link::Seen;
use crate::model::time::Time;

/// Bits of how many events: 65,000, more than nearly any identity has.
const EVENT_BITS: u32 = 16;

/// From the first event to the last, in microseconds: nearly nine years.
const MOST_TIME: u64 = (1 << (u64::BITS - EVENT_BITS)) - 1;

/// In the place of the rest: it was never seen, or is among the few that do not fit.
const NEVER: u64 = MOST_TIME << EVENT_BITS;
const ELSEWHERE: u64 = NEVER + 1;

/// A [`Seen`] in 16 bytes instead of 24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PackedSeen {
    first: Time,
    /// How long after it the last event was, and how many events.
    rest: u64,
}

/// When each identity was seen. 16 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenColumn {
    packed: Vec<PackedSeen>,
    /// Those that were seen for longer or in more events than the bits hold.
    others: HashMap<IdentityId, Seen>,
}

impl SeenColumn {
    /// None, with room for so many.
    pub fn with_capacity(room: usize) -> Self {
        Self { packed: Vec::with_capacity(room), others: HashMap::new() }
    }

    /// How many identities.
    pub fn len(&self) -> usize {
        self.packed.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// When an identity was seen; one that is not there panics, as indexing does.
    #[inline]
    pub fn get(&self, id: IdentityId) -> Seen {
        let PackedSeen { first, rest } = self.packed[id.index()];
        match rest {
            NEVER => Seen::NEVER,
            ELSEWHERE => self.others.get(&id).copied().unwrap_or(Seen::NEVER),
            _ => {
                let last = Time::from_micros(first.as_micros() + (rest >> EVENT_BITS) as i64);
                Seen { first, last, events: rest & ((1 << EVENT_BITS) - 1) }
            }
        }
    }

    /// When an identity was first seen.
    pub fn first(&self, id: IdentityId) -> Time {
        self.packed[id.index()].first
    }

    /// Adds the next identity.
    pub fn push(&mut self, seen: Seen) {
        let id = IdentityId(self.packed.len() as u32);
        self.packed.push(PackedSeen { first: seen.first, rest: NEVER });
        self.set(id, seen);
    }

    /// Puts another in the place of what is known of an identity that is there.
    pub fn set(&mut self, id: IdentityId, seen: Seen) {
        let place = &mut self.packed[id.index()];
        if place.rest == ELSEWHERE {
            self.others.remove(&id);
        }
        let time = seen.last.as_micros().checked_sub(seen.first.as_micros()).and_then(|time| u64::try_from(time).ok());
        let rest = match time {
            _ if seen == Seen::NEVER => NEVER,
            Some(time) if time < MOST_TIME && seen.events < 1 << EVENT_BITS => time << EVENT_BITS | seen.events,
            _ => {
                self.others.insert(id, seen);
                ELSEWHERE
            }
        };
        *place = PackedSeen { first: seen.first, rest };
    }

    /// Makes place for identities up to `len`, which were never seen.
    pub fn grow(&mut self, len: usize) {
        self.packed.resize(len.max(self.len()), PackedSeen { first: Seen::NEVER.first, rest: NEVER });
    }

    /// All, by id.
    pub fn iter(&self) -> impl Iterator<Item = Seen> {
        (0..self.packed.len() as u32).map(|id| self.get(IdentityId(id)))
    }
}

impl FromIterator<Seen> for SeenColumn {
    fn from_iter<I: IntoIterator<Item = Seen>>(all: I) -> Self {
        let mut column = Self::default();
        all.into_iter().for_each(|seen| column.push(seen));
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_whether_it_fits_or_not() {
        let [least, most] = [i64::MIN, i64::MAX];
        let most_time = MOST_TIME as i64;
        let ends = [(0, 0), (-5, 7), (0, most_time - 1), (0, most_time), (least, most), (least, least), (most, most)];
        let seen = ends.into_iter().flat_map(|(first, last)| {
            let [first, last] = [first, last].map(Time::from_micros);
            [0, 1, 65_535, 65_536, u64::MAX].map(|events| Seen { first, last, events })
        });
        let seen: Vec<Seen> = seen.chain([Seen::NEVER]).collect();
        let mut column = SeenColumn::default();
        seen.iter().for_each(|&seen| column.push(seen));
        assert!(column.iter().eq(seen.iter().copied()) && column.len() == seen.len());
        assert!(seen.iter().zip(0..).all(|(seen, id)| column.first(IdentityId(id)) == seen.first));
        // Each in the place of another, so that all go from one to the other and back.
        for by in 1..seen.len() {
            for at in 0..seen.len() {
                column.set(IdentityId(at as u32), seen[(at + by) % seen.len()]);
            }
            assert!(column.iter().eq(seen.iter().copied().cycle().skip(by).take(seen.len())));
        }
        column.grow(seen.len() + 2);
        assert_eq!((column.len(), column.get(IdentityId(seen.len() as u32 + 1))), (seen.len() + 2, Seen::NEVER));
    }

    #[test]
    fn those_that_are_replaced_are_forgotten() {
        let mut column = SeenColumn::default();
        column.push(Seen { events: 1 << 20, ..Seen::at(Time::from_micros(0)) });
        assert_eq!(column.others.len(), 1);
        column.set(IdentityId(0), Seen::at(Time::from_micros(0)));
        assert!(column.others.is_empty());
    }
}
