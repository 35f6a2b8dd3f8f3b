//! What the collector needs to erase from its log what is erased from the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::erase::targets::{Forget, Targets};
use crate::model::error::Result;
use crate::model::time::Time;
use crate::store::barred::Barred;

impl Forget {
    /// The moment of [`until`](Self::until).
    pub(crate) fn moment(&self) -> Option<Time> {
        self.until
    }
}

impl Engine {
    /// The identities that [`forget`](Self::forget) would erase, those that the store does not hold too: namespaces in lower case, and values.
    ///
    /// # Errors
    /// As [`forget`](Self::forget), but for the store.
    pub(crate) fn forgotten_by(&self, forget: &Forget) -> Result<BTreeSet<(String, String)>> {
        Ok(Targets::of(self.resolver.view().graph(), forget)?.named)
    }

    /// The identities whose events are not taken in.
    pub(crate) fn barred(&self) -> &Arc<Barred> {
        self.store.barred()
    }
}
