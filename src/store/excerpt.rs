//! A part of the identities of a store, by numbers of their own: what a graph over a few of them numbers densely. Stored events speak by
//! the numbers of the store, so that reading them over a part translates.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::model::identity::IdentityId;
use crate::store::decoded::DecodedEvents;
use crate::store::error::StoreError;

/// The identities of a part, and those that were found missing.
#[derive(Debug, Default)]
pub struct Excerpt {
    /// By own number; ascending, so that the order by one is that by the other.
    stored: Vec<IdentityId>,
    missing: Mutex<BTreeSet<IdentityId>>,
}

impl Excerpt {
    /// The part of these identities, each of which stands in it once.
    pub fn of(ids: BTreeSet<IdentityId>) -> Self {
        Self { stored: ids.into_iter().collect(), missing: Mutex::default() }
    }

    /// The own number of an identity of the store; `None` where it is none of the part.
    pub fn own(&self, stored: IdentityId) -> Option<IdentityId> {
        self.stored.binary_search(&stored).ok().map(|at| IdentityId(at as u32))
    }

    /// The number in the store.
    ///
    /// # Errors
    /// When the part has no such number.
    pub fn stored(&self, own: IdentityId) -> Result<IdentityId, StoreError> {
        self.stored.get(own.index()).copied().ok_or_else(|| StoreError::Invalid("a part has no such identity".into()))
    }

    /// The identities that events named and the part lacks.
    pub fn missing(&self) -> BTreeSet<IdentityId> {
        std::mem::take(&mut *self.missing.lock())
    }

    /// Puts own numbers into events.
    pub(crate) fn renumber(&self, events: &mut DecodedEvents) -> Result<(), StoreError> {
        let mut missing = BTreeSet::new();
        events.renumber(|id| {
            self.own(id).unwrap_or_else(|| {
                missing.insert(id);
                id
            })
        });
        if missing.is_empty() {
            return Ok(());
        }
        self.missing.lock().append(&mut missing);
        Err(StoreError::Invalid("an event names an identity that is not in this part".into()))
    }
}
