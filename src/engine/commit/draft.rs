//! The graph that the next commit is worked out on, while the last one is being read.

use crate::graph::{Delta, Graph, GraphError};
use crate::resolver::{Published, Resolver};

/// The graph as it is to be after a commit that is not durable yet.
pub struct Draft {
    /// The graph.
    pub graph: Graph,
    /// Whether it was taken from the resolver, which nobody else reads.
    taken: bool,
}

impl Draft {
    /// Whether the resolver has no graph until this one is published, or another.
    pub fn is_taken(&self) -> bool {
        self.taken
    }
}

/// A second graph, kept a commit behind the published one where somebody reads that: so no commit waits for readers, nor copies
/// the graph. Where nobody does, as when a log is replayed from the command line, there is no second one.
#[derive(Default)]
pub struct Drafts {
    spare: Option<(Graph, Delta)>,
}

impl Drafts {
    /// A graph that is as the last commit left it, to be changed.
    ///
    /// # Errors
    /// None that a delta which was applied before could meet again.
    pub fn begin(&mut self, resolver: &Resolver) -> Result<Draft, GraphError> {
        if let Some(graph) = resolver.take_unread() {
            self.spare = None;
            return Ok(Draft { graph, taken: true });
        }
        let graph = match self.spare.take() {
            Some((mut graph, missing)) => {
                graph.apply(missing)?;
                graph
            }
            None => resolver.read().graph().clone(),
        };
        Ok(Draft { graph, taken: false })
    }

    /// What has to be kept of a delta for the second graph, before it is applied to the draft.
    pub fn keep(draft: &Draft, delta: &Delta) -> Option<Delta> {
        (!draft.taken).then(|| delta.clone())
    }

    /// Publishes what was a draft, and whose commit is durable.
    pub fn publish(&mut self, resolver: &Resolver, published: Published, kept: Option<Delta>) {
        let old = resolver.publish(published);
        self.spare = kept.and_then(|delta| Some((old?, delta)));
    }

    /// Forgets the second graph: the next is made from nothing.
    pub fn forget(&mut self) {
        self.spare = None;
    }
}
