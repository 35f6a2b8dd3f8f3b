//! What a store is to hold no more when it is rewritten, as the rows of every kind are asked about it.
#![deny(clippy::indexing_slicing)]

use std::collections::HashSet;

use crate::model::barred::BarHash;
use crate::model::digest::EventHash;
use crate::model::identity::IdentityId;

/// What goes: identities, what names them, and texts that tell their values.
///
/// Identities are renumbered, in their order, so that nothing is left in the place of one that goes.
#[derive(Clone, Copy)]
pub struct Erased<'a> {
    /// The identities that the store will not hold, ascending.
    pub gone: &'a [IdentityId],
    /// Those that rows of the feed and of the history are not to name, ascending; the ones that go among them.
    pub unnamed: &'a [IdentityId],
    /// The events that go.
    pub events: &'a HashSet<EventHash>,
    /// The hash of a text that tells a value which is to be told no more; `None` of any other.
    pub hidden: &'a (dyn Fn(&str) -> Option<BarHash> + Sync),
}

impl Erased<'_> {
    /// The new number of an identity; `None` where it goes.
    pub fn id(&self, id: IdentityId) -> Option<IdentityId> {
        match self.gone.binary_search(&id) {
            Ok(_) => None,
            Err(before) => Some(IdentityId(id.0 - before as u32)),
        }
    }

    /// The number that an identity had before.
    pub fn old(&self, new: IdentityId) -> IdentityId {
        let goes_before = |(place, id): (u32, &IdentityId)| id.0 - place <= new.0;
        let (mut low, mut high) = (0, self.gone.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.gone.get(middle) {
                Some(id) if goes_before((middle as u32, id)) => low = middle + 1,
                _ => high = middle,
            }
        }
        IdentityId(new.0 + low as u32)
    }

    /// How many of the first `count` identities stay.
    pub fn count(&self, count: u32) -> u32 {
        count - self.gone.partition_point(|id| id.0 < count) as u32
    }

    /// Whether rows are not to name an identity.
    pub fn unnames(&self, id: IdentityId) -> bool {
        self.unnamed.binary_search(&id).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_back() {
        let gone = [0, 3, 4, 9].map(IdentityId);
        let events = HashSet::new();
        let erased = Erased { gone: &gone, unnamed: &gone, events: &events, hidden: &|_| None };
        let staying: Vec<u32> = (0..12).filter(|id| !gone.contains(&IdentityId(*id))).collect();
        for (new, old) in (0..).zip(staying) {
            assert_eq!(
                (erased.id(IdentityId(old)), erased.old(IdentityId(new))),
                (Some(IdentityId(new)), IdentityId(old))
            );
        }
        assert!(gone.iter().all(|&id| erased.id(id).is_none() && erased.unnames(id)));
        assert_eq!([0, 1, 4, 5, 12].map(|count| erased.count(count)), [0, 0, 2, 2, 8]);
    }
}
