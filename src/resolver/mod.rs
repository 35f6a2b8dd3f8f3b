//! Who is this session? Read-only answers from memory, shared by threads.
//!
//! A [`Resolver`] is a handle on the graph that the engine publishes after each durable commit: every answer
//! is that of one whole commit, never of half a one. Short questions read under a shared lock that a commit
//! takes for the moment of publishing; long ones (rows, totals) take a [`View`], which later commits leave alone.

mod attribution;
mod compare;
mod explain;
mod known_at;
mod lookup;
mod rows;
mod totals;

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use serde::Serialize;

use crate::graph::Graph;
use crate::model::event::DecodedEvent;
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::namespace::{Namespaces, SESSION};
use crate::model::person::{AttributionKind, Person, Standing};
use crate::model::policy::{Policy, Reading};
use crate::model::source::Source;
use crate::model::time::Time;
use crate::store::error::StoreError;
use crate::store::scan::Events;

use lookup::Lookup;

pub use attribution::Attributed;
pub use compare::{DiffRow, Logins, PolicyShare, PolicyShares, SharedRow};
pub use explain::{Evidence, Explanation, Obstacle, OwnerRow, PairExplanation, Party, WitnessRow};
pub use known_at::KnownAt;
pub use lookup::Attributor;
pub use rows::{EventRow, SessionRow};
pub use totals::{AttributionCounts, Totals};

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
/// A view has a [`Reading`], the default one unless [`under`](Self::under) gave it another; everything that is asked of the view follows it.
///
/// One that is held keeps its graph in memory beside later ones: keep it for a question, not for a day.
#[derive(Clone)]
pub struct View {
    graph: Arc<Graph>,
    /// The graph as of the moment of the reading, where it has one.
    past: Option<Arc<Graph>>,
    events: Events,
    sources: Arc<Vec<Source>>,
    reading: Reading,
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
        Self { shared: Arc::new(RwLock::new(View::new(graph, events, sources))) }
    }

    /// Makes a durable commit visible, all of it at once, and gives the graph before it back where no [`View`] holds it.
    /// Readers wait for no longer than it takes to exchange three pointers.
    pub(crate) fn publish(&self, graph: Graph, events: Events, sources: Vec<Source>) -> Option<Graph> {
        let mut view = self.shared.write();
        let old = std::mem::replace(&mut *view, View::new(graph, events, sources));
        drop(view);
        Arc::into_inner(old.graph)
    }

    /// Takes the graph out, where nobody else can read it, until the next [`publish`](Self::publish).
    pub(crate) fn take_unread(&self) -> Option<Graph> {
        if Arc::strong_count(&self.shared) > 1 {
            return None;
        }
        let mut view = self.shared.write();
        let nothing = Graph::new(view.graph.namespaces().clone());
        let graph = Arc::get_mut(&mut view.graph)?;
        Some(std::mem::replace(graph, nothing))
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
        let view = self.shared.read();
        let id = view.find(namespace, value)?;
        // Nothing is ever read for the default reading, which is that of what was published.
        let Ok(found) = view.resolution::<Infallible>(id, |id| Ok(view.graph.standing(id)));
        Some(found)
    }

    /// The customer that the session belongs to, without the rest of the resolution: the question a service asks per request.
    /// `None` when the session is unknown or nobody's yet.
    pub fn customer_of(&self, session: &str) -> Option<String> {
        let view = self.shared.read();
        let owner = view.graph.owner(view.find(SESSION, session)?)?;
        Some(view.graph.identities().value(owner.customer).to_string())
    }

    /// As [`customer_of`](Self::customer_of), by the events up to and including `until`. Memory only, O(log n): no graph is built.
    pub fn customer_as_of(&self, session: &str, until: Time) -> Option<String> {
        let view = self.shared.read();
        let owner = view.graph.owner_as_of(view.find(SESSION, session)?, until)?;
        Some(view.graph.identities().value(owner.customer).to_string())
    }
}

impl View {
    pub(crate) fn new(graph: Graph, events: Events, sources: Vec<Source>) -> Self {
        let (graph, sources) = (Arc::new(graph), Arc::new(sources));
        Self { graph, past: None, events, sources, reading: Reading::default() }
    }

    /// The same facts, read another way.
    ///
    /// A policy and a lookback cost nothing; a moment costs a graph of its own, built from the links up to then. What is
    /// asked of the new view takes no account of the reading of this one.
    pub fn under(&self, reading: Reading) -> Self {
        let past = match reading.as_of {
            Some(_) if reading.as_of == self.reading.as_of => self.past.clone(),
            until => until.map(|until| Arc::new(self.graph.as_of(until))),
        };
        Self { past, reading, ..self.clone() }
    }

    /// How its facts are read.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The graph of this view: where the reading has a moment, [as of](Graph::as_of) that one.
    pub fn graph(&self) -> &Graph {
        self.past.as_ref().unwrap_or(&self.graph)
    }

    /// The stored events of this view.
    pub fn stored_events(&self) -> &Events {
        &self.events
    }

    /// The same people over other events.
    pub(crate) fn over(&self, events: Events) -> View {
        View { events, ..self.clone() }
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
        let graph = self.graph();
        let namespaces = graph.namespaces();
        let namespace = namespaces.get(namespace).or_else(|| namespaces.get(namespace.trim()))?;
        graph.identities().get(namespace, Value::new(value.trim())).filter(|&id| graph.is_known(id))
    }

    /// Who the identity `value` of `namespace` (in any case) is; `None` when no event (of the reading) carries it. Its group are all identities
    /// that belong to the same person.
    ///
    /// Memory only, as [`Resolver::resolve`], unless the policy is `device-split` or `last-login` *and* the reading has a moment: then
    /// the events of the shared sessions of its person are read.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn resolve(&self, namespace: &str, value: &str) -> Result<Option<Resolution>, StoreError> {
        let mut lookup = Lookup::new(self);
        self.find(namespace, value).map(|id| self.resolution(id, |id| lookup.standing(id))).transpose()
    }

    fn resolution<E>(
        &self,
        id: IdentityId,
        mut standing: impl FnMut(IdentityId) -> Result<Standing, E>,
    ) -> Result<Resolution, E> {
        let graph = self.graph();
        let Standing { person, since } = standing(id)?;
        let mut group = rows::held_by(self, person);
        // Under the default policy the group is the person, and nobody need be asked.
        if self.reading.policy != Policy::FirstLogin {
            let mut kept = Vec::with_capacity(group.len());
            for member in group {
                if standing(member)?.person == person {
                    kept.push(member);
                }
            }
            group = kept;
        }
        group.sort_by(|&a, &b| graph.compare(a, b));
        let (kind, customer) = match person {
            Person::Customer(customer) => (PersonKind::Customer, Some(customer)),
            Person::Anonymous(_) => (PersonKind::Anonymous, None),
        };
        Ok(Resolution {
            identity: graph.identity(id),
            person: graph.identity(person.identity()),
            kind,
            customer: customer.map(|customer| graph.identities().value(customer).to_string()),
            since,
            group: group.into_iter().map(|member| graph.identity(member)).collect(),
        })
    }

    /// Whom an activity belongs to, and how; `namespaces` are those it was decoded with. It need not be stored:
    /// where no event carries its anchor, it stays with its lowest identity, anonymous. An activity after the moment of the
    /// reading is told by what was known then.
    ///
    /// A hash look-up and two O(log n) climbs; the events of a shared session are read where the policy follows its logins.
    /// For many activities, ask an [`attributor`](Self::attributor).
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn attribute(
        &self,
        namespaces: &Namespaces,
        activity: &DecodedEvent<'_>,
    ) -> Result<(Identity, AttributionKind), StoreError> {
        lookup::of_activity(self, namespaces, activity, |anchor| Lookup::new(self).rule(anchor))
    }

    /// What attributes a whole log. Where the policy is `device-split` or `last-login` it costs a look at every session, and
    /// (but for `last-login` without a moment) a read of the events of those that met several customers, on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn attributor(&self) -> Result<Attributor, StoreError> {
        Attributor::new(self.clone())
    }

    /// The events of a person in time order; which person, an identity of it tells: the one that [`resolve`](Self::resolve) names.
    /// `None` when no event carries the identity.
    ///
    /// An event that a lookback leaves with its anchor belongs to nobody whom `resolve` names, unless the policy is
    /// `strict` and the session was shared; it is counted in [`totals`](Self::totals), and listed by nothing here.
    ///
    /// Costs a read and a decoding of each block that holds an anchor of the person, and the memory of the rows.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn events(&self, namespace: &str, value: &str) -> Result<Option<Vec<EventRow>>, StoreError> {
        match self.find(namespace, value) {
            Some(id) => rows::events(self, Lookup::new(self).standing(id)?.person).map(Some),
            None => Ok(None),
        }
    }

    /// A row a session, sorted by session. From memory, on all cores of the current rayon pool; as of a moment it costs a scan of
    /// all events.
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

    /// Every session whose person differs between two readings, or some of whose events do, sorted by session. The reading of this view
    /// plays no part in it. Costs a scan of all events, on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn diff(&self, a: Reading, b: Reading) -> Result<Vec<DiffRow>, StoreError> {
        compare::diff(self, a, b)
    }

    /// Every session that met more than one customer, and how its events are shared out under each policy, sorted by session; lookback and
    /// moment are those of the reading. Costs a scan of all events, on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn shared(&self) -> Result<Vec<SharedRow>, StoreError> {
        compare::shared(self)
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
