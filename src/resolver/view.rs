//! One commit, read in one way: what questions are asked of.

use std::ops::Range;
use std::sync::Arc;

use crate::graph::Graph;
use crate::model::error::Result;
use crate::model::event::DecodedEvent;
use crate::model::history::Sequence;
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::namespace::{NamespaceId, Namespaces, SESSION};
use crate::model::person::AttributionKind;
use crate::model::policy::{Lookback, Policy, Reading};
use crate::model::source::Source;
use crate::model::time::Time;
use crate::resolver::Published;
use crate::resolver::attribution::is_shared;
use crate::resolver::compare::{self, DiffRow, SharedRow};
use crate::resolver::explain::{self, Explanation, PairExplanation};
use crate::resolver::lookup::{self, Attributor, Lookup};
use crate::resolver::nearest;
use crate::resolver::people::{self, PersonRow};
use crate::resolver::resolution::{self, Resolution};
use crate::resolver::rows::{self, EventRow, SessionRow};
use crate::resolver::totals::{self, GraphCounts, Totals};
use crate::store::scan::Events;

/// Pieces of a scan a thread: enough that one slow piece does not leave the others idle.
const PIECES_PER_THREAD: usize = 8;

/// Everything that one commit published, unchanged by later ones. Cheap to clone.
///
/// It is read in one way: by the default policy, without a lookback, as of the last event, unless [`policy`](Self::policy),
/// [`lookback`](Self::lookback) or [`as_of`](Self::as_of) gave another view of the same facts. Everything that is asked of a view follows it.
///
/// One that is held keeps its graph in memory beside later ones: keep it for a question, not for a day.
#[derive(Clone)]
pub struct View {
    graph: Arc<Graph>,
    /// The graph as of the moment of the reading, where it has one.
    past: Option<Arc<Graph>>,
    events: Events,
    sources: Arc<Vec<Source>>,
    sequence: Sequence,
    reading: Reading,
}

/// What it is made of, and what others are made of it.
impl View {
    pub(super) fn new(Published { graph, events, sources, sequence }: Published) -> Self {
        let (graph, sources) = (Arc::new(graph), Arc::new(sources));
        Self { graph, past: None, events, sources, sequence, reading: Reading::default() }
    }

    /// The same facts, read by another policy. Costs nothing; nothing is stored for it.
    pub fn policy(&self, policy: Policy) -> Self {
        Self { reading: Reading { policy, ..self.reading }, ..self.clone() }
    }

    /// The same facts, where a retroactive attribution reaches no further back than this: earlier events stay with their
    /// anchor, anonymous. It bounds events, not whom a session belongs to. Costs nothing.
    pub fn lookback(&self, lookback: Lookback) -> Self {
        Self { reading: Reading { lookback: Some(lookback), ..self.reading }, ..self.clone() }
    }

    /// The facts of the events up to and including `until`, as if there were no others.
    ///
    /// Costs a graph of its own: a copy of the identity table and a sort of the links up to then. For one session,
    /// [`Resolver::customer_as_of`](crate::resolver::Resolver::customer_as_of) needs none.
    pub fn as_of(&self, until: Time) -> Self {
        self.under(Reading { as_of: Some(until), ..self.reading })
    }

    /// The same facts under a reading as a whole: that of this view plays no part. Costs nothing, but for a moment that this
    /// view does not have: then as [`as_of`](Self::as_of).
    pub fn under(&self, reading: Reading) -> Self {
        let past = match reading.as_of {
            Some(_) if reading.as_of == self.reading.as_of => self.past.clone(),
            until => until.map(|until| Arc::new(self.graph.as_of(until))),
        };
        Self { past, reading, ..self.clone() }
    }

    /// The same people over other events.
    pub(crate) fn over(&self, events: Events) -> Self {
        Self { events, ..self.clone() }
    }

    /// How its facts are read.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The last record of the change feed that its commit, or one before it, had written: its rows are those that a follower
    /// of the feed has after that record.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The graph of this view: where the reading has a moment, [as of](Graph::as_of) that one.
    #[doc(hidden)]
    pub fn graph(&self) -> &Graph {
        self.past.as_ref().unwrap_or(&self.graph)
    }

    /// The graph, where this is its only holder.
    pub(super) fn into_graph(self) -> Option<Graph> {
        Arc::into_inner(self.graph)
    }

    /// Takes the graph out, where this is its only holder; an empty one is left.
    pub(super) fn take_graph(&mut self) -> Option<Graph> {
        let nothing = Graph::new(self.graph.namespaces().clone());
        Some(std::mem::replace(Arc::get_mut(&mut self.graph)?, nothing))
    }

    /// The namespaces of the store, with their levels and spellings.
    pub fn namespaces(&self) -> &Namespaces {
        self.graph().namespaces()
    }

    /// The stored events of this view.
    #[doc(hidden)]
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
}

/// What identities there are.
impl View {
    /// The id of an identity; `None` when no event carries it. The value is taken without the white space around it, as in the log.
    #[doc(hidden)]
    pub fn find(&self, namespace: &str, value: &str) -> Option<IdentityId> {
        // A log may hold a name with white space around it, which is another name.
        let namespaces = self.namespaces();
        let namespace = namespaces.get(namespace).or_else(|| namespaces.get(namespace.trim()))?;
        self.known(namespace, value)
    }

    /// Every identity that has this value, of whatever namespace, in identity order. A hash look-up for each namespace.
    pub fn find_value(&self, value: &str) -> Vec<Identity> {
        let namespaces = (0..self.namespaces().len()).map(|id| NamespaceId(id as u16));
        let mut found: Vec<IdentityId> = namespaces.filter_map(|namespace| self.known(namespace, value)).collect();
        found.sort_by(|&a, &b| self.graph().compare(a, b));
        found.into_iter().map(|id| self.graph().identity(id)).collect()
    }

    /// The known identity that a caller may have meant who wrote a value that no event carries: one of the namespace that differs in
    /// case alone or in a few letters, or the only one that begins so. A walk over all identities, in memory.
    pub fn nearest(&self, namespace: &str, value: &str) -> Option<Identity> {
        let namespace = self.namespaces().get(namespace)?;
        nearest::nearest(self.graph(), namespace, value.trim()).map(|id| self.graph().identity(id))
    }

    fn known(&self, namespace: NamespaceId, value: &str) -> Option<IdentityId> {
        let graph = self.graph();
        graph.identities().get(namespace, Value::new(value.trim())).filter(|&id| graph.is_known(id))
    }

    /// Whether any event carries both the session and the customer, unlinked or not. Memory only: three hash look-ups.
    pub fn have_met(&self, session: &str, customer: &str) -> bool {
        let customer = self.namespaces().unique().and_then(|unique| self.known(unique, customer));
        let ends = self.find(SESSION, session).zip(customer);
        ends.is_some_and(|(session, customer)| self.graph().links().get(session, customer).is_some())
    }

    /// The pairs of a session and a customer whose link counts as never seen, sorted as they are written.
    pub fn unlinked(&self) -> Vec<[Identity; 2]> {
        let graph = self.graph();
        let mut pairs: Vec<[Identity; 2]> =
            graph.unlinked_pairs().map(|(lower, higher)| [lower, higher].map(|id| graph.identity(id))).collect();
        pairs.sort_by_cached_key(|pair| pair.each_ref().map(ToString::to_string));
        pairs
    }

    /// How many identities and links there are. A walk over all of them, in memory.
    pub fn graph_counts(&self) -> GraphCounts {
        let graph = self.graph();
        GraphCounts {
            identities: graph.identities().ids().filter(|&id| graph.is_known(id)).count() as u64,
            links: graph.links().len() as u64,
            refused_links: graph.links().ids().filter(|&link| graph.refused(link)).count() as u64,
        }
    }

    /// Whether a session met more than one customer. Memory only: two of its links are looked at.
    pub fn is_shared(&self, session: &str) -> bool {
        self.find(SESSION, session).is_some_and(|id| is_shared(self.graph(), id))
    }
}

/// The questions.
impl View {
    /// Who the session is; `None` when no event (of the reading) carries it.
    ///
    /// Memory only, as [`Resolver::resolve`](crate::resolver::Resolver::resolve), unless the policy is `device-split` or
    /// `last-login` *and* the reading has a moment: then the events of the shared sessions of its person are read.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn resolve(&self, session: &str) -> Result<Option<Resolution>> {
        self.resolve_in(SESSION, session)
    }

    /// Who the identity `value` of `namespace` (in any case) is; `None` when no event (of the reading) carries it. Costs as
    /// [`resolve`](Self::resolve).
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_in(&self, namespace: &str, value: &str) -> Result<Option<Resolution>> {
        self.find(namespace, value).map(|id| resolution::read(self, id)).transpose()
    }

    /// Whom an activity belongs to, and how; `namespaces` are those it was decoded with. It need not be stored:
    /// where no event carries its anchor, it stays with its lowest identity, anonymous. An activity after the moment of the
    /// reading is attributed by what was known then.
    ///
    /// A hash look-up and two O(log n) climbs; the events of a shared session are read where the policy follows its logins.
    /// For many activities, ask an [`attributor`](Self::attributor).
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    #[doc(hidden)]
    pub fn attribute(
        &self,
        namespaces: &Namespaces,
        activity: &DecodedEvent<'_>,
    ) -> Result<(Identity, AttributionKind)> {
        lookup::of_activity(self, namespaces, activity, |anchor| Lookup::new(self).rule(anchor))
    }

    /// What attributes a whole log. Where the policy is `device-split` or `last-login` it costs a look at every session, and
    /// (but for `last-login` without a moment) a read of the events of those that met several customers, on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    #[doc(hidden)]
    pub fn attributor(&self) -> Result<Attributor> {
        Attributor::new(self.clone())
    }

    /// The events of a person in time order. The person is that of the identity, as [`resolve_in`](Self::resolve_in) names it.
    /// `None` when no event carries the identity.
    ///
    /// An event that a lookback leaves with its anchor belongs to no person that `resolve` names, unless the policy is
    /// `strict` and the session was shared. It is counted in [`totals`](Self::totals), but not listed here.
    ///
    /// Costs a read and a decoding of each block that holds an anchor of the person, and the memory of the rows.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn events(&self, namespace: &str, value: &str) -> Result<Option<Vec<EventRow>>> {
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
    pub fn sessions(&self) -> Result<Vec<SessionRow>> {
        rows::sessions(self)
    }

    /// The sessions of the person that an identity belongs to, sorted by session; `None` when no event carries the identity.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn sessions_of(&self, namespace: &str, value: &str) -> Result<Option<Vec<SessionRow>>> {
        match self.find(namespace, value) {
            Some(id) => rows::sessions_of(self, id).map(Some),
            None => Ok(None),
        }
    }

    /// A row a person, in identity order: anonymous people by their sessions first, customers last.
    ///
    /// Their events are all that [`totals`](Self::totals) counts, but for those that a lookback leaves with an anchor that belongs to a customer.
    /// Costs a scan of all events, on all cores of the current rayon pool, and 24 bytes an identity while it goes on.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn people(&self) -> Result<Vec<PersonRow>> {
        people::people(self)
    }

    /// Every session whose person differs between two readings, or some of whose events do, sorted by session. The reading of this view
    /// plays no part in it. Costs a scan of all events, on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn diff(&self, a: Reading, b: Reading) -> Result<Vec<DiffRow>> {
        compare::diff(self, a, b)
    }

    /// Every session that met more than one customer, and how its events are shared out under each policy, sorted by session; lookback and
    /// moment are those of the reading. Costs a scan of all events, on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn shared(&self) -> Result<Vec<SharedRow>> {
        compare::shared(self)
    }

    /// Why an identity belongs to its person: the links between it and the identity that names the person, each with the event
    /// that is its evidence, and the refused links that touch it. `None` when no event carries the identity.
    ///
    /// Linear in the links of the group, at worst, and a read of the events of each anchor that holds evidence.
    ///
    /// # Errors
    /// When the store cannot be read, a block is damaged, or the event of a link is missing.
    pub fn explain(&self, namespace: &str, value: &str) -> Result<Option<Explanation>> {
        self.find(namespace, value).map(|id| explain::one(self, id)).transpose()
    }

    /// Why two identities are one person, or why not; `None` when either is carried by no event. Costs as [`explain`](Self::explain)
    /// does, in the groups of both and, where no link ties these, in those that lead from one to the other.
    ///
    /// # Errors
    /// When the store cannot be read, a block is damaged, or the event of a link is missing.
    pub fn explain_pair(&self, a: &Identity, b: &Identity) -> Result<Option<PairExplanation>> {
        let find = |identity: &Identity| self.find(&identity.namespace, &identity.value);
        find(a).zip(find(b)).map(|(a, b)| explain::pair(self, a, b)).transpose()
    }

    /// Counts and digest of everything stored. Costs a scan of all events, on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn totals(&self) -> Result<Totals> {
        totals::tally(self)
    }
}
