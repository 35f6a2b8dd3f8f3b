//! Interned sets of identities: what an event carries besides its anchor.

use hashbrown::HashTable;

use crate::model::identity::IdentityId;
use crate::model::seed;

/// A set of one [`CompanionSets`]; the empty one is [`SetId::EMPTY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetId(pub u32);

impl SetId {
    /// The set of nothing, which every [`CompanionSets`] holds.
    pub const EMPTY: Self = Self(0);
}

/// Interned sets of identities, each in the order it was given. Within a session the set hardly changes,
/// so millions of events share some thousands of sets.
pub struct CompanionSets {
    ends: Vec<u32>,
    members: Vec<IdentityId>,
    index: HashTable<u32>,
}

impl CompanionSets {
    /// The empty set alone.
    pub fn new() -> Self {
        Self { ends: vec![0], members: Vec::new(), index: HashTable::new() }
    }

    /// Forgets all but the empty set, and keeps the room.
    pub fn clear(&mut self) {
        self.ends.truncate(1);
        self.members.clear();
        self.index.clear();
    }

    /// How many there are; their ids are the numbers below it.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The members of a set.
    pub fn get(&self, id: SetId) -> &[IdentityId] {
        members(&self.ends, &self.members, id.0)
    }

    /// The id of a set, made when new.
    pub fn intern(&mut self, set: &[IdentityId]) -> SetId {
        if set.is_empty() {
            return SetId::EMPTY;
        }
        let Self { ends, members: all, index } = self;
        let hash = hash(set);
        if let Some(&known) = index.find(hash, |&known| members(ends, all, known) == set) {
            return SetId(known);
        }
        let id = ends.len() as u32;
        all.extend_from_slice(set);
        ends.push(all.len() as u32);
        index.insert_unique(hash, id, |&known| self::hash(members(ends, all, known)));
        SetId(id)
    }
}

fn members<'a>(ends: &[u32], all: &'a [IdentityId], set: u32) -> &'a [IdentityId] {
    let start = if set == 0 { 0 } else { ends[set as usize - 1] };
    &all[start as usize..ends[set as usize] as usize]
}

fn hash(set: &[IdentityId]) -> u64 {
    match set {
        [one] => seed::hash_number(u64::from(one.0)),
        more => {
            let bytes: smallvec::SmallVec<[u8; 64]> = more.iter().flat_map(|id| id.0.to_le_bytes()).collect();
            seed::hash(&bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_kept_once_and_comes_back() {
        let mut sets = CompanionSets::new();
        let set = |ids: &[u32]| ids.iter().copied().map(IdentityId).collect::<Vec<_>>();
        assert_eq!(sets.intern(&[]), SetId::EMPTY);
        let ids: Vec<SetId> = (0..1000).map(|n| sets.intern(&set(&[n, n + 1, 7]))).collect();
        for (n, id) in (0..1000).zip(ids) {
            assert_eq!(sets.get(id), set(&[n, n + 1, 7]));
            assert_eq!(sets.intern(&set(&[n, n + 1, 7])), id);
        }
        assert_eq!(sets.get(SetId::EMPTY), &[]);
        assert_eq!(sets.len(), 1001);
        sets.clear();
        assert_eq!(sets.len(), 1);
        assert_eq!(sets.intern(&set(&[5])), SetId(1));
        assert_eq!(sets.get(SetId(1)), set(&[5]));
    }
}
