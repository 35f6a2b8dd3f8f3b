//! What was known once.

use std::convert::Infallible;

use crate::graph::Graph;
use crate::model::policy::Reading;
use crate::model::time::Time;
use crate::resolver::{Resolution, View};
use crate::store::scan::Events;

/// What a store had published after an earlier commit: who was who by the facts it held then. Not what events it held, nor how
/// many: those are not kept apart by commits.
pub struct KnownAt {
    view: View,
}

impl KnownAt {
    pub(crate) fn new(graph: Graph) -> Self {
        Self { view: View::new(graph, Events::none(), Vec::new()) }
    }

    /// The same by the events up to `until` alone: what was believed then about an earlier moment. Costs a graph of its own.
    pub fn as_of(&self, until: Time) -> Self {
        Self { view: self.view.under(Reading { as_of: Some(until), ..Reading::default() }) }
    }

    /// Who the identity `value` of `namespace` was; `None` when no event carried it yet.
    pub fn resolve(&self, namespace: &str, value: &str) -> Option<Resolution> {
        let id = self.view.find(namespace, value)?;
        let Ok(found) = self.view.resolution::<Infallible>(id, |id| Ok(self.view.graph().standing(id)));
        Some(found)
    }

    /// The graph of then.
    pub fn graph(&self) -> &Graph {
        self.view.graph()
    }
}
