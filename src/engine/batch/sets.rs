//! What an event carries besides its anchor.

use crate::model::identity::IdentityId;
use crate::model::sets::InternedSets;

/// A set of one [`CompanionSets`]; the empty one is [`SetId::EMPTY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetId(pub u32);

impl SetId {
    /// The set of nothing, which every [`CompanionSets`] holds.
    pub const EMPTY: Self = Self(0);
}

/// Interned sets of identities, the empty one among them.
pub struct CompanionSets(InternedSets<IdentityId>);

impl CompanionSets {
    /// The empty set alone.
    pub fn new() -> Self {
        let mut sets = InternedSets::default();
        sets.intern(&[]);
        Self(sets)
    }

    /// Forgets all but the empty set, and keeps the room.
    pub fn clear(&mut self) {
        self.0.clear();
        self.0.intern(&[]);
    }

    /// How many there are; their ids are the numbers below it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The members of a set.
    pub fn get(&self, id: SetId) -> &[IdentityId] {
        self.0.get(id.0)
    }

    /// The id of a set, made when new.
    pub fn intern(&mut self, set: &[IdentityId]) -> SetId {
        if set.is_empty() { SetId::EMPTY } else { SetId(self.0.intern(set)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_set_is_always_there() {
        let mut sets = CompanionSets::new();
        for _ in 0..2 {
            assert_eq!((sets.intern(&[]), sets.intern(&[IdentityId(5)]), sets.len()), (SetId::EMPTY, SetId(1), 2));
            assert_eq!((sets.get(SetId::EMPTY), sets.get(SetId(1))), (&[][..], &[IdentityId(5)][..]));
            sets.clear();
        }
    }
}
