//! Whom identities met: worked out for one after the other as they are asked about, or for all at once.

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::graph::Graph;
use crate::graph::met::Met;
use crate::model::identity::IdentityId;

/// What is known so far of whom the identities of one graph met.
///
/// A question about one person asks about a few identities; one about a store asks about all of them, and then a pass over all links is
/// cheapest: 16 bytes an identity.
#[derive(Default)]
pub struct KnownMet {
    all: Option<Vec<Met>>,
    asked: Mutex<HashMap<IdentityId, Met>>,
}

impl KnownMet {
    /// That of all identities.
    pub fn of_all(graph: &Graph) -> Self {
        Self { all: Some(graph.met_by_all()), ..Self::default() }
    }

    /// Whom an identity met.
    pub fn of(&self, graph: &Graph, id: IdentityId) -> Met {
        match &self.all {
            Some(all) => all[id.index()],
            None => graph.met(id, &mut self.asked.lock()),
        }
    }
}
