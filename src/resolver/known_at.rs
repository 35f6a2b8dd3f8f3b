//! What was known once.

use crate::graph::Graph;
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

    /// Who the identity `value` of `namespace` was; `None` when no event carried it yet.
    pub fn resolve(&self, namespace: &str, value: &str) -> Option<Resolution> {
        self.view.resolve(namespace, value)
    }

    /// The graph of then.
    pub fn graph(&self) -> &Graph {
        self.view.graph()
    }
}
