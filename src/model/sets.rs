//! Interned sets: what many events carry alike is kept once.

use crate::model::identity::IdentityId;
use crate::model::places::Places;
use crate::model::seed;
use crate::model::source::SourceId;

/// A number in a set.
pub(crate) trait SetMember: Copy + PartialEq {
    fn number(self) -> u32;
    fn numbered(number: u32) -> Self;
}

impl SetMember for IdentityId {
    fn number(self) -> u32 {
        self.0
    }
    fn numbered(number: u32) -> Self {
        Self(number)
    }
}

impl SetMember for SourceId {
    fn number(self) -> u32 {
        self.0
    }
    fn numbered(number: u32) -> Self {
        Self(number)
    }
}

/// Interned sets, each in the order it was given. Within a session a set hardly changes, so millions of events share some thousands.
#[derive(Debug)]
pub(crate) struct InternedSets<T> {
    ends: Vec<u32>,
    members: Vec<T>,
    index: Places,
}

impl<T> Default for InternedSets<T> {
    fn default() -> Self {
        Self { ends: Vec::new(), members: Vec::new(), index: Places::default() }
    }
}

impl<T: SetMember> InternedSets<T> {
    /// Forgets all, and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.ends.clear();
        self.members.clear();
        self.index.clear();
    }

    /// How many there are; their places are the numbers below it.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The members of the set at a place; empty where the place was never given.
    pub(crate) fn get(&self, place: u32) -> &[T] {
        members(&self.ends, &self.members, place)
    }

    /// The place of a set, made when new.
    pub(crate) fn intern(&mut self, set: &[T]) -> u32 {
        let Self { ends, members: all, index } = self;
        if index.is_full() {
            *index = Places::of(index.next_room(), (0..ends.len()).map(|known| hash(members(ends, all, known as u32))));
        }
        let (place, new) = index.find_or_add(hash(set), |known| members(ends, all, known) == set);
        if new {
            all.extend_from_slice(set);
            ends.push(all.len() as u32);
        }
        place
    }
}

fn members<'a, T>(ends: &[u32], all: &'a [T], set: u32) -> &'a [T] {
    let set = set as usize;
    let start = set.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(set).copied().unwrap_or(start);
    all.get(start as usize..end as usize).unwrap_or_default()
}

fn hash<T: SetMember>(set: &[T]) -> u64 {
    match set {
        [one] => seed::hash_number(u64::from(one.number())),
        more => {
            let bytes: smallvec::SmallVec<[u8; 64]> = more.iter().flat_map(|one| one.number().to_le_bytes()).collect();
            seed::hash(&bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_kept_once_and_comes_back() {
        let mut sets = InternedSets::default();
        let set = |ids: &[u32]| ids.iter().copied().map(IdentityId).collect::<Vec<_>>();
        assert!(sets.is_empty());
        assert_eq!(sets.intern(&[]), 0);
        let places: Vec<u32> = (0..1000).map(|n| sets.intern(&set(&[n, n + 1, 7]))).collect();
        for (n, place) in (0..1000).zip(places) {
            assert_eq!(sets.get(place), set(&[n, n + 1, 7]));
            assert_eq!(sets.intern(&set(&[n, n + 1, 7])), place);
        }
        assert_eq!((sets.get(0), sets.len(), sets.get(1001)), (&[][..], 1001, &[][..]));
        sets.clear();
        assert_eq!((sets.len(), sets.intern(&set(&[5])), sets.get(0)), (0, 0, &set(&[5])[..]));
    }
}
