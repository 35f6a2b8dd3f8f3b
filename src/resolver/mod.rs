//! Who is this session? Read-only answers from memory, shared by threads.
//!
//! A [`Resolver`] is a handle on the graph that the engine publishes after each durable commit: every answer
//! is that of one whole commit, never of half a one. Short questions read under a shared lock that a commit
//! takes for the moment of publishing; long ones (rows, totals) take a [`View`], which later commits leave alone.

mod attribution;
mod explain;
mod rows;
mod totals;

use std::ops::Range;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use serde::Serialize;

use crate::graph::{Delta, Graph, GraphError};
use crate::model::event::Activity;
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::namespace::{Namespaces, SESSION};
use crate::model::person::Kind;
use crate::model::source::Source;
use crate::model::time::Time;
use crate::store::error::StoreError;
use crate::store::scan::Events;

pub use attribution::Attributed;
pub use explain::{Evidence, Explanation, Obstacle, OwnerRow, PairExplanation, Party, WitnessRow};
pub use rows::{EventRow, SessionRow};
pub use totals::{Attribution, Totals};

/// Pieces of a scan a thread: enough that one slow piece does not leave the others idle.
const PIECES_PER_THREAD: usize = 8;

/// Answers questions about people. Cheap to clone, `Send + Sync`; all clones see the same commits.
///
/// Short questions (who is this?) are asked here and read memory alone. Those about events, rows and totals read the store, and are asked of a
/// [`View`]: `resolver.view().events("ecommerceId", "18278")`.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<RwLock<View>>,
}

/// Everything that one commit published, unchanged by later ones. Cheap to clone.
///
/// While one is held, the next commit copies the graph before it changes it: keep it for a question, not for a day.
#[derive(Clone)]
pub struct View {
    graph: Arc<Graph>,
    events: Events,
    sources: Arc<Vec<Source>>,
}

/// Whether a person is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PersonKind {
    /// The person is a customer.
    Customer,
    /// Nobody yet: a group of identities without a customer.
    Anonymous,
}

/// Who an identity is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolution {
    /// The identity that was asked for.
    pub identity: Identity,
    /// The identity that names the person: the customer or, for nobody yet, the group's earliest identity.
    #[serde(serialize_with = "in_writing")]
    pub person: Identity,
    /// Whether the person is a customer.
    pub kind: PersonKind,
    /// The customer's value, if the person is one.
    pub customer: Option<String>,
    /// The moment that first connected the identity to the customer; none for the customer itself and for nobody yet.
    #[serde(serialize_with = "time_in_writing")]
    pub since: Option<Time>,
    /// The group, in identity order.
    #[serde(serialize_with = "all_in_writing")]
    pub group: Vec<Identity>,
}

impl Resolver {
    /// A resolver over a first view; the engine publishes the next ones.
    pub(crate) fn new(graph: Graph, events: Events, sources: Vec<Source>) -> Self {
        let view = View { graph: Arc::new(graph), events, sources: Arc::new(sources) };
        Self { shared: Arc::new(RwLock::new(view)) }
    }

    /// Makes a durable commit visible, all of it at once.
    ///
    /// Costs what the delta costs; only while a [`View`] of the last commit is held elsewhere is the graph copied first.
    pub(crate) fn publish(&self, delta: Delta, events: Events, sources: Vec<Source>) -> Result<(), GraphError> {
        let mut view = self.shared.write();
        Arc::make_mut(&mut view.graph).apply(delta)?;
        view.events = events;
        view.sources = Arc::new(sources);
        Ok(())
    }

    /// The last view, kept from changing while the guard lives: for short questions of the engine.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, View> {
        self.shared.read()
    }

    /// Everything the last commit published, to ask several questions of one state.
    pub fn view(&self) -> View {
        self.shared.read().clone()
    }

    /// Who the session `value` is; `None` when no event carries it. Memory only: a hash look-up and two O(log n) climbs,
    /// and the listing of its group.
    pub fn session(&self, value: &str) -> Option<Resolution> {
        self.resolve(SESSION, value)
    }

    /// Who the identity `value` of `namespace` (in any case) is; `None` when no event carries it.
    pub fn resolve(&self, namespace: &str, value: &str) -> Option<Resolution> {
        self.shared.read().resolve(namespace, value)
    }

    /// The customer that the session belongs to, without the rest of the resolution: the question a service asks per request.
    /// `None` when the session is unknown or nobody's yet.
    pub fn customer_of(&self, session: &str) -> Option<String> {
        let view = self.shared.read();
        let owner = view.graph.owner(view.find(SESSION, session)?)?;
        Some(view.graph.identities().value(owner.customer).to_string())
    }
}

impl View {
    /// The graph of this view.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The stored events of this view.
    pub fn stored_events(&self) -> &Events {
        &self.events
    }

    /// Ranges of anchors that together hold all events, for the threads of the current rayon pool to scan.
    pub(crate) fn pieces(&self) -> Vec<Range<u32>> {
        self.events.pieces(rayon::current_num_threads() * PIECES_PER_THREAD)
    }

    /// The sources of this view, by [`SourceId`](crate::model::source::SourceId).
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The id of an identity; `None` when no event carries it. The value is taken without the white space around it, as in the log.
    pub fn find(&self, namespace: &str, value: &str) -> Option<IdentityId> {
        // A log may hold a name with white space around it, which is another name.
        let namespaces = self.graph.namespaces();
        let namespace = namespaces.get(namespace).or_else(|| namespaces.get(namespace.trim()))?;
        self.graph.identities().get(namespace, Value::new(value.trim()))
    }

    /// As [`Resolver::resolve`].
    pub fn resolve(&self, namespace: &str, value: &str) -> Option<Resolution> {
        let graph = &*self.graph;
        let id = self.find(namespace, value)?;
        let owner = graph.owner(id);
        let mut group: Vec<IdentityId> = graph.members(id).collect();
        group.sort_by(|&a, &b| graph.compare(a, b));
        Some(Resolution {
            identity: graph.identity(id),
            person: graph.identity(graph.person(id).identity()),
            kind: if owner.is_some() { PersonKind::Customer } else { PersonKind::Anonymous },
            customer: owner.map(|owner| graph.identities().value(owner.customer).to_string()),
            since: owner.and_then(|owner| owner.since),
            group: group.into_iter().map(|member| graph.identity(member)).collect(),
        })
    }

    /// Whom an activity belongs to, and how; `namespaces` are those it was decoded with. It need not be stored:
    /// where no event carries its anchor, it stays with its lowest identity, anonymous.
    ///
    /// Memory only: a hash look-up and two O(log n) climbs.
    pub fn attribute(&self, namespaces: &Namespaces, activity: &Activity<'_>) -> (Identity, Kind) {
        attribution::of_activity(&self.graph, namespaces, activity)
    }

    /// The events of a person in time order; which person, an identity of it tells. `None` when no event carries the identity.
    ///
    /// Costs a read and a decoding of each block that holds an anchor of the person, and the memory of the rows.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn events(&self, namespace: &str, value: &str) -> Result<Option<Vec<EventRow>>, StoreError> {
        match self.find(namespace, value) {
            Some(id) => rows::events(self, self.graph.person(id)).map(Some),
            None => Ok(None),
        }
    }

    /// A row a session, sorted by session. Costs a scan of all events, on all cores of the current rayon pool, and the
    /// memory of the rows.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        rows::sessions(self)
    }

    /// The sessions of the person that an identity belongs to, sorted by session; `None` when no event carries the identity.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn sessions_of(&self, namespace: &str, value: &str) -> Result<Option<Vec<SessionRow>>, StoreError> {
        match self.find(namespace, value) {
            Some(id) => rows::sessions_of(self, id).map(Some),
            None => Ok(None),
        }
    }

    /// Why an identity belongs to its person: the links between it and the identity that names the person, each with the event
    /// that bears witness to it, and the refused links that touch it. `None` when no event carries the identity.
    ///
    /// Linear in the links of the group, at worst, and a read of the events of each anchor that holds a witness.
    ///
    /// # Errors
    /// When the store cannot be read, a block is damaged, or a witness is not there.
    pub fn explain(&self, namespace: &str, value: &str) -> Result<Option<Explanation>, StoreError> {
        self.find(namespace, value).map(|id| explain::one(self, id)).transpose()
    }

    /// Why two identities are one person, or why not; `None` when either is carried by no event. Costs as [`explain`](Self::explain)
    /// does, in the groups of both and, where no link ties these, in those that lead from one to the other.
    ///
    /// # Errors
    /// When the store cannot be read, a block is damaged, or a witness is not there.
    pub fn explain_pair(&self, a: &Identity, b: &Identity) -> Result<Option<PairExplanation>, StoreError> {
        let find = |identity: &Identity| self.find(&identity.namespace, &identity.value);
        find(a).zip(find(b)).map(|(a, b)| explain::pair(self, a, b)).transpose()
    }

    /// Counts and digest of everything stored. Costs a scan of all events, on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        totals::tally(self)
    }
}

fn in_writing<S: serde::Serializer>(identity: &Identity, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(identity)
}

fn all_in_writing<S: serde::Serializer>(identities: &[Identity], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(identities.iter().map(ToString::to_string))
}

fn time_in_writing<S: serde::Serializer>(time: &Option<Time>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.collect_str(time),
        None => to.serialize_none(),
    }
}

fn moment_in_writing<S: serde::Serializer>(time: &Time, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(time)
}
