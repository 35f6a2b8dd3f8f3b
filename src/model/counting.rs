//! What identities count as, where a person decided that: as another (renamed), or as nothing (set aside).
//!
//! Stored events stay as they were written; what they count as is worked out from them, so that every decision can be taken
//! back.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::model::event::in_level_order;
use crate::model::identity::IdentityId;

/// What an identity counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountsAs {
    /// As itself, as all do about whom nothing was decided.
    Itself,
    /// As another, of the same namespace.
    Other(IdentityId),
    /// As nothing: as if its value stood in the list of junk.
    Nothing,
    /// As nothing, as long as it is over the [limits](Limits).
    Crowded,
    /// As itself, also where it is over the limits.
    Kept,
}

impl CountsAs {
    /// Whether events that carry the identity count otherwise than they were written.
    fn differs(self) -> bool {
        match self {
            Self::Other(_) | Self::Nothing | Self::Crowded => true,
            Self::Itself | Self::Kept => false,
        }
    }
}

/// How many customers an identity may meet, and how many sessions a customer, before they say nothing of who is who: by the events as
/// they were written, renames followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Customers that an e-mail address, a device or a session stands on an event with, at most.
    pub customers: u64,
    /// Sessions that a customer stands on an event with, at most.
    pub sessions: u64,
}

/// A family has a handful of customers on a device, and the busiest customer some hundred sessions: what is beyond is a value such as
/// `guest-checkout`, or a device in a shop.
impl Default for Limits {
    fn default() -> Self {
        Self { customers: 20, sessions: 10_000 }
    }
}

/// A decision about an identity, made by a person and not by an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recount {
    /// The identity.
    pub id: IdentityId,
    /// What it counts as from then on, also in events that were stored before.
    pub counts_as: CountsAs,
}

/// An event as it counts: its identities in level order.
pub type CountedIds = SmallVec<[IdentityId; 8]>;

/// The decisions that stand. Nearly always there is none, and then nothing costs anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counting {
    decided: HashMap<IdentityId, CountsAs>,
}

/// A chain of renames leads back to where it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle(pub Vec<IdentityId>);

impl Counting {
    /// Whether every identity counts as itself.
    pub fn is_empty(&self) -> bool {
        self.decided.is_empty()
    }

    /// Lets a decision stand. One that makes a [`circle`](Self::circle) is not to be let stand.
    pub fn decide(&mut self, recount: Recount) {
        match recount.counts_as {
            CountsAs::Itself => self.decided.remove(&recount.id),
            decided => self.decided.insert(recount.id, decided),
        };
    }

    /// What was decided about an identity, chains not followed.
    pub fn decided(&self, id: IdentityId) -> CountsAs {
        self.decided.get(&id).copied().unwrap_or(CountsAs::Itself)
    }

    /// The decisions that stand, in no order that means anything.
    pub fn all(&self) -> impl Iterator<Item = Recount> {
        self.decided.iter().map(|(&id, &counts_as)| Recount { id, counts_as })
    }

    /// What an identity counts as in the end; `None` where that is nothing. Linear in the chain of renames.
    pub fn of(&self, id: IdentityId) -> Option<IdentityId> {
        let mut at = id;
        // No chain is longer than there are decisions.
        for _ in 0..=self.decided.len() {
            match self.decided(at) {
                CountsAs::Itself | CountsAs::Kept => return Some(at),
                CountsAs::Other(other) => at = other,
                CountsAs::Nothing | CountsAs::Crowded => return None,
            }
        }
        None
    }

    /// What an identity was renamed to in the end, set aside or not. The chain has no circle.
    pub fn renamed(&self, id: IdentityId) -> IdentityId {
        let mut at = id;
        for _ in 0..=self.decided.len() {
            match self.decided(at) {
                CountsAs::Other(other) => at = other,
                CountsAs::Itself | CountsAs::Kept | CountsAs::Nothing | CountsAs::Crowded => break,
            }
        }
        at
    }

    /// An identity, and all that it was renamed to, in their order.
    pub fn chain(&self, id: IdentityId) -> impl Iterator<Item = IdentityId> {
        let next = |&id: &IdentityId| match self.decided(id) {
            CountsAs::Other(other) => Some(other),
            CountsAs::Itself | CountsAs::Kept | CountsAs::Nothing | CountsAs::Crowded => None,
        };
        // No chain is longer than there are decisions.
        std::iter::successors(Some(id), next).take(self.decided.len() + 1)
    }

    /// A chain of renames that has no end, if there is one that begins at `id`.
    pub fn circle(&self, id: IdentityId) -> Option<Circle> {
        let mut chain = vec![id];
        while let CountsAs::Other(next) = self.decided(chain[chain.len() - 1]) {
            let back = chain.contains(&next);
            chain.push(next);
            if back {
                return Some(Circle(chain));
            }
        }
        None
    }

    /// Whether an event counts otherwise than it was written.
    pub fn touches(&self, anchor: IdentityId, companions: &[IdentityId]) -> bool {
        let is_decided = |id: &IdentityId| self.decided(*id).differs();
        !self.decided.is_empty() && (is_decided(&anchor) || companions.iter().any(is_decided))
    }

    /// The identities that an event counts as carrying, in level order; none where it does not count. A session stands in the place
    /// of a session, so that it is the anchor still, where it is left.
    pub fn counted(&self, anchor: IdentityId, is_session: bool, companions: &[IdentityId]) -> CountedIds {
        in_level_order(anchor, is_session, companions).filter_map(|id| self.of(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(number: u32) -> IdentityId {
        IdentityId(number)
    }

    fn counting(decisions: &[(u32, CountsAs)]) -> Counting {
        let mut counting = Counting::default();
        decisions.iter().for_each(|&(number, counts_as)| counting.decide(Recount { id: id(number), counts_as }));
        counting
    }

    #[test]
    fn chains_are_followed_to_their_end_and_circles_are_found() {
        let other = |number| CountsAs::Other(id(number));
        let chain = counting(&[(1, other(2)), (2, other(3)), (4, other(5)), (5, CountsAs::Nothing)]);
        assert_eq!(
            [1, 2, 3, 4, 5, 6].map(|number| chain.of(id(number)).map(|id| id.0)),
            [Some(3), Some(3), Some(3), None, None, Some(6)]
        );
        assert_eq!(chain.circle(id(1)), None);
        let circle = counting(&[(1, other(2)), (2, other(3)), (3, other(2))]);
        assert_eq!(circle.circle(id(1)), Some(Circle([1, 2, 3, 2].map(IdentityId).to_vec())));
        assert_eq!(circle.of(id(1)), None, "and are not walked for ever");
    }

    #[test]
    fn what_is_left_of_an_event() {
        let counting = counting(&[(1, CountsAs::Other(id(7))), (2, CountsAs::Nothing)]);
        let ids = |anchor, is_session, companions: &[u32]| {
            let companions: Vec<IdentityId> = companions.iter().copied().map(IdentityId).collect();
            let counted = counting.counted(id(anchor), is_session, &companions);
            counted.into_iter().map(|id| id.0).collect::<Vec<_>>()
        };
        assert_eq!(ids(1, true, &[3, 2]), [7, 3]);
        assert_eq!(ids(2, true, &[3, 4]), [3, 4]);
        assert_eq!(ids(2, false, &[3, 4]), [3, 4]);
        assert_eq!(ids(2, true, &[]), [0; 0]);
        assert!(counting.touches(id(5), &[id(2)]) && !counting.touches(id(5), &[id(3)]));
    }
}
