//! Who is this session? Read-only answers from memory, shared by threads.
//!
//! A [`Resolver`] is a handle on the graph that the engine publishes after each durable commit: every answer
//! is that of one whole commit, never of half a one. Short questions read under a lock that a commit
//! takes for the moment of publishing, and that few threads share (`copies`); long ones (rows, totals) take a [`View`], which later commits leave alone.

mod attribution;
mod compare;
mod copies;
mod count;
mod explain;
pub(crate) mod feed;
mod households;
pub(crate) mod kept;
pub(crate) mod kept_erased;
mod known_at;
mod lookup;
mod members;
mod met;
mod nearest;
mod people;
mod person_events;
mod profiles;
mod questions;
mod resolution;
mod resolutions;
mod rows;
mod totals;
mod view;
pub(crate) mod wanted;

use std::sync::Arc;

use parking_lot::RwLockReadGuard;

use crate::graph::Graph;
use crate::model::history::Sequence;
use crate::model::namespace::SESSION;
use crate::model::source::Source;
use crate::model::time::Time;
use crate::model::totals::StoreCounts;
use crate::resolver::copies::Copies;
use crate::store::scan::Events;

pub use crate::model::totals::{AttributionCounts, GraphCounts, Totals};
pub use attribution::Attributed;
pub use compare::{DiffRow, Logins, PolicyShare, PolicyShares, SharedRow};
pub use explain::{Evidence, Explanation, Obstacle, OwnerRow, PairExplanation, Party, WitnessRow};
pub use feed::change::{Change, Changes};
pub use feed::handle::Feed;
pub use households::{CommonIdentity, DuplicateRow, RelatedRow, Shares, Tie};
pub use known_at::KnownAt;
pub use lookup::Attributor;
pub use members::MemberRow;
pub use people::PersonRow;
pub use profiles::{EarlierValue, Holder, Profile, ProfileRow, ProfileValue, Profiles};
pub use resolution::Resolution;
pub use resolutions::{IdentityRef, ResolutionRef, Resolutions};
pub use rows::{EventRow, RowChange, SessionRow};
pub use view::View;

/// Answers questions about people. Cheap to clone, `Send + Sync`; all clones see the same commits.
///
/// Short questions (who is this?) are asked here and read memory alone. Those about events, rows and totals read the store, and are asked of a
/// [`View`]: `resolver.view().events("ecommerceId", "18278")`.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Copies>,
}

/// What a commit publishes.
pub(crate) struct Published {
    /// The graph.
    pub graph: Graph,
    /// The stored events.
    pub events: Events,
    /// The sources, by [`SourceId`](crate::model::source::SourceId).
    pub sources: Vec<Source>,
    /// The last record of the change feed.
    pub sequence: Sequence,
    /// What it holds under the default reading, where that is known.
    pub totals: Option<Totals>,
    /// How much there is in its graph, where that is known.
    pub counts: Option<StoreCounts>,
}

impl Resolver {
    /// A resolver over a first commit; the engine publishes the next ones.
    pub(crate) fn new(first: Published) -> Self {
        Self { shared: Arc::new(Copies::of(View::new(first))) }
    }

    /// Makes a durable commit visible, all of it at once, and gives the graph before it back where no [`View`] holds it.
    /// Readers wait for no longer than it takes to exchange a few pointers.
    pub(crate) fn publish(&self, next: Published) -> Option<Graph> {
        self.shared.replace(View::new(next)).into_graph()
    }

    /// Makes visible where the events of the last commit lie now, of which the runs were merged.
    #[cfg(feature = "serve")]
    pub(crate) fn publish_events(&self, events: Events) {
        let next = self.view().with_events(events);
        self.shared.replace(next);
    }

    /// Takes the graph out, where it has no other reader, until the next [`publish`](Self::publish).
    pub(crate) fn take_unread(&self) -> Option<Graph> {
        if Arc::strong_count(&self.shared) > 1 {
            return None;
        }
        let without = self.view().without_graph();
        let mut view = self.shared.replace(without);
        let graph = view.take_graph();
        if graph.is_none() {
            self.shared.replace(view);
        }
        graph
    }

    /// The last view, kept from changing while the guard lives: for short questions of the engine.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, View> {
        self.shared.read()
    }

    /// Everything the last commit published, to ask several questions of one state.
    pub fn view(&self) -> View {
        self.shared.read().clone()
    }

    /// Who the session is; `None` when no event carries it. Memory only: a hash look-up and two O(log n) climbs,
    /// and the listing of its group.
    pub fn resolve(&self, session: &str) -> Option<Resolution> {
        self.resolve_in(SESSION, session)
    }

    /// Who the identity `value` of `namespace` (in any case) is; `None` when no event carries it. Costs as
    /// [`resolve`](Self::resolve).
    pub fn resolve_in(&self, namespace: &str, value: &str) -> Option<Resolution> {
        let view = self.shared.read();
        view.find(namespace, value).map(|id| resolution::published(&view, id))
    }

    /// Who each of the sessions is, in their order: all answers are those of one commit. Costs about half of so many calls of
    /// [`resolve`](Self::resolve), since the answers read the commit instead of having texts of their own; no commit waits for it.
    pub fn resolve_many<S: AsRef<str>>(&self, sessions: impl IntoIterator<Item = S>) -> Resolutions {
        Resolutions::published(self.view(), sessions)
    }

    /// The customer that the session belongs to, without the rest of the resolution: the question a service asks per request.
    /// `None` when the session is unknown or anonymous. Memory only, O(log n).
    pub fn customer_of(&self, session: &str) -> Option<String> {
        let view = self.shared.read();
        let customer = view.customer_of(session)?;
        Some(view.graph().identities().value(customer).to_text())
    }

    /// As [`customer_of`](Self::customer_of), by the events up to and including `until`. Memory only, O(log n): no graph is built.
    pub fn customer_as_of(&self, session: &str, until: Time) -> Option<String> {
        let view = self.shared.read();
        let owner = view.graph().owner_as_of(view.find(SESSION, session)?, until)?;
        Some(view.graph().identities().value(owner.customer).to_text())
    }
}
