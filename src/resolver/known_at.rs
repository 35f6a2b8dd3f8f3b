//! What was known once.

use smallvec::SmallVec;

use crate::graph::Graph;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, in_level_order};
use crate::model::history::Sequence;
use crate::model::identity::{Identity, IdentityId};
use crate::model::namespace::{Namespaces, SESSION};
use crate::model::time::Time;
use crate::resolver::Published;
use crate::resolver::resolution::{self, Resolution};
#[cfg(feature = "serve")]
use crate::resolver::resolutions::Resolutions;
use crate::resolver::rows::EventRow;
use crate::resolver::view::View;

/// What a store had published right after an earlier commit: who was who by the facts it held then. Not what events it held, nor how
/// many: those are not kept apart by commits.
pub struct KnownAt {
    view: View,
    generation: u64,
    /// Whether identities counted then as what they count as now, and so the stored events, too.
    counted_so: bool,
}

/// Why events cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("identities were renamed, set aside or released since, and what events counted as before is not kept")]
struct CountedOtherwise;

impl KnownAt {
    /// What was known after the commit `generation`, by the graph of then, over the events of `now`.
    pub(crate) fn new(graph: Graph, generation: u64, sequence: Sequence, now: &View) -> Self {
        let counted_so = graph.counting() == now.graph().counting();
        let (events, sources) = (now.stored_events().clone(), now.sources().to_vec());
        let view = View::new(Published { graph, events, sources, sequence, totals: None, counts: None });
        Self { view, generation, counted_so }
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

    /// Who identities of any namespace were, in their order.
    #[cfg(feature = "serve")]
    pub(crate) fn resolve_identities(&self, identities: &[Identity]) -> Result<Resolutions> {
        self.view.resolve_identities(identities)
    }

    /// Of the events that the store holds now, those of the sessions, and other anchors, on which the person of an identity was seen, in
    /// time order: whose each was by what was known then. `None` when no event carried the identity yet.
    ///
    /// Left out is an event with an identity that was not known then, or known from a later moment on, or of two that were not known to have
    /// been seen together. Events are not kept apart by commits, so one that came later and tells of nothing new stands among them.
    ///
    /// Costs as [`View::timeline`].
    ///
    /// # Errors
    /// When the store cannot be read, and where identities were renamed, set aside or released since
    /// ([`Argument`](ErrorKind::Argument)): what events counted as before is not kept.
    pub fn timeline(
        &self,
        namespace: &str,
        value: &str,
    ) -> Result<Option<impl ExactSizeIterator<Item = EventRow> + Clone + use<'_>>> {
        match self.counted_so {
            true => self.view.timeline_of(namespace, value, |anchor, event| self.may_know(anchor, event)),
            false => Err(Error::new(ErrorKind::Argument, CountedOtherwise)),
        }
    }

    /// Whether all that an event tells was known.
    fn may_know(&self, anchor: IdentityId, event: &Event<'_>) -> bool {
        let graph = self.view.graph();
        let is_seen = |id: IdentityId| graph.is_known(id) && graph.seen(id).first <= event.time;
        let ids: SmallVec<[IdentityId; 4]> =
            in_level_order(anchor, graph.is_session(anchor), event.companions).collect();
        let Some((&highest, lower)) = ids.split_last() else { return false };
        let is_linked = |id: IdentityId| graph.links().get(id, highest).is_some_and(|link| link.first <= event.time);
        is_seen(highest) && lower.iter().all(|&id| is_seen(id) && is_linked(id))
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
