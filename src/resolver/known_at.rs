//! What was known once.

use crate::graph::Graph;
use crate::model::history::Sequence;
use crate::model::identity::Identity;
use crate::model::namespace::{Namespaces, SESSION};
use crate::model::time::Time;
use crate::resolver::Published;
use crate::resolver::resolution::{self, Resolution};
use crate::resolver::view::View;
use crate::store::scan::Events;

/// What a store had published right after an earlier commit: who was who by the facts it held then. Not what events it held, nor how
/// many: those are not kept apart by commits.
pub struct KnownAt {
    view: View,
    generation: u64,
}

impl KnownAt {
    pub(crate) fn new(graph: Graph, generation: u64, sequence: Sequence) -> Self {
        let view = View::new(Published { graph, events: Events::none(), sources: Vec::new(), sequence, totals: None });
        Self { view, generation }
    }

    /// The same by the events up to `until` alone: what was believed then about an earlier moment. Costs a graph of its own.
    pub fn as_of(&self, until: Time) -> Self {
        Self { view: self.view.as_of(until), ..*self }
    }

    /// The number of the commit.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The last record of the change feed by then.
    pub fn sequence(&self) -> Sequence {
        self.view.sequence()
    }

    /// Who the session was; `None` when no event carried it yet.
    pub fn resolve(&self, session: &str) -> Option<Resolution> {
        self.resolve_in(SESSION, session)
    }

    /// Who the identity `value` of `namespace` was; `None` when no event carried it yet.
    pub fn resolve_in(&self, namespace: &str, value: &str) -> Option<Resolution> {
        // Its policy is the default one, for which nothing is read.
        self.view.find(namespace, value).map(|id| resolution::published(&self.view, id))
    }

    /// The namespaces of the store then, with their levels and spellings.
    pub fn namespaces(&self) -> &Namespaces {
        self.view.namespaces()
    }

    /// Every identity that had this value, of whatever namespace, in identity order. A hash look-up for each namespace.
    pub fn find_value(&self, value: &str) -> Vec<Identity> {
        self.view.find_value(value)
    }

    /// The graph of then.
    #[doc(hidden)]
    pub fn graph(&self) -> &Graph {
        self.view.graph()
    }
}
