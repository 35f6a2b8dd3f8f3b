//! One commit, read in one way: what questions are asked of.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::graph::Graph;
use crate::graph::interner::Hashed;
use crate::graph::met::Met;
use crate::model::counting::CountsAs;
use crate::model::history::Sequence;
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::namespace::{NamespaceId, Namespaces, SESSION};
use crate::model::policy::{Lookback, Policy, Reading};
use crate::model::source::Source;
use crate::model::time::Time;
use crate::model::totals::{StoreCounts, Totals};
use crate::resolver::Published;
use crate::resolver::met::KnownMet;
use crate::resolver::nearest;
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
    /// Whom the identities of the one that is read met.
    met: Arc<KnownMet>,
    events: Events,
    sources: Arc<Vec<Source>>,
    sequence: Sequence,
    /// What these facts amount to under the default reading, once that is known.
    totals: Arc<OnceLock<Totals>>,
    /// How much there is in the graph, once that is known.
    counts: Arc<OnceLock<StoreCounts>>,
    reading: Reading,
}

/// What it is made of, and what others are made of it.
impl View {
    pub(super) fn new(Published { graph, events, sources, sequence, totals, counts }: Published) -> Self {
        let (graph, sources) = (Arc::new(graph), Arc::new(sources));
        let totals = Arc::new(totals.map_or_else(OnceLock::new, OnceLock::from));
        let counts = Arc::new(counts.map_or_else(OnceLock::new, OnceLock::from));
        let (past, met, reading) = (None, Arc::default(), Reading::default());
        Self { graph, past, met, events, sources, sequence, totals, counts, reading }
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
        if reading.as_of == self.reading.as_of {
            return Self { reading, ..self.clone() };
        }
        let past = reading.as_of.map(|until| Arc::new(self.graph.as_of(until)));
        Self { past, met: Arc::default(), reading, ..self.clone() }
    }

    /// The same people over other events.
    pub(crate) fn over(&self, events: Events) -> Self {
        Self { events, totals: Arc::default(), ..self.clone() }
    }

    /// Other people over other events.
    pub(crate) fn over_graph(&self, graph: Graph, events: Events) -> Self {
        let (met, totals, counts) = (Arc::default(), Arc::default(), Arc::default());
        Self { graph: Arc::new(graph), past: None, met, events, totals, counts, ..self.clone() }
    }

    /// What its facts amount to under the default reading, where that was counted or kept up.
    pub(crate) fn known_totals(&self) -> Option<Totals> {
        self.totals.get().copied()
    }

    /// How much there is in the graph of all events, where that was counted or kept up.
    pub(crate) fn known_counts(&self) -> Option<StoreCounts> {
        self.counts.get().copied()
    }

    /// The same, counted where it is not known.
    pub(crate) fn counts(&self) -> StoreCounts {
        *self.counts.get_or_init(|| self.graph.count_all())
    }

    /// Tells what its facts amount to, to who asks from now on.
    pub(super) fn learn_totals(&self, totals: Totals) {
        let _ = self.totals.set(totals);
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

    /// The same without anybody in it.
    pub(super) fn without_graph(self) -> Self {
        Self { graph: Arc::new(Graph::new(self.graph.namespaces().clone())), ..self }
    }

    /// The same with its events in other runs.
    #[cfg(feature = "serve")]
    pub(super) fn with_events(self, events: Events) -> Self {
        Self { events, ..self }
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

    /// A source by its name; `None` where it is unknown, or was taken back.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name && !source.retracted)
    }

    /// The sources of this view, in the order in which they were first read.
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
        self.counted(namespace, value).filter(|&id| self.graph().is_known(id))
    }

    /// The ids of sessions, each as [`find`](Self::find) but that no event need carry it: they are appended to `ids`.
    pub(super) fn find_sessions<'a, S: AsRef<str>>(&self, sessions: &'a [S], ids: &mut Vec<Option<IdentityId>>) {
        let graph = self.graph();
        let hashed = |session: &'a S| Hashed::new(NamespaceId::SESSION, Value::new(session.as_ref().trim()));
        let sessions: Vec<Hashed<'a>> = sessions.iter().map(hashed).collect();
        let start = ids.len();
        graph.identities().get_each(&sessions, ids);
        if !graph.counting().is_empty() {
            for id in &mut ids[start..] {
                *id = id.and_then(|id| graph.counting().of(id));
            }
        }
    }

    /// What an identity of the table counts as, whether or not any event carries it.
    fn counted(&self, namespace: NamespaceId, value: &str) -> Option<IdentityId> {
        let graph = self.graph();
        graph.counting().of(graph.identities().get(namespace, Value::new(value.trim()))?)
    }

    /// The customer of a session, if an event carries it. Where a link led to the customer, one does: when it was seen need not be looked up.
    #[inline]
    pub(super) fn customer_of(&self, session: &str) -> Option<IdentityId> {
        let id = self.counted(NamespaceId::SESSION, session)?;
        let owner = self.graph().owner(id)?;
        (owner.since.is_some() || self.graph().is_known(id)).then_some(owner.customer)
    }

    /// Whether two identities have a link, unlinked or not: any event carries both, one of them as its highest. Memory only: a few
    /// hash look-ups.
    pub fn have_met(&self, a: &Identity, b: &Identity) -> bool {
        let find = |identity: &Identity| self.find(&identity.namespace, &identity.value);
        let links = self.graph().links();
        find(a).zip(find(b)).is_some_and(|(a, b)| links.get(a, b).or_else(|| links.get(b, a)).is_some())
    }

    /// The pairs whose link counts as never seen, each its lower end first, sorted as they are written.
    pub fn unlinked(&self) -> Vec<[Identity; 2]> {
        let graph = self.graph();
        let mut pairs: Vec<[Identity; 2]> =
            graph.unlinked_pairs().map(|(lower, higher)| [lower, higher].map(|id| graph.identity(id))).collect();
        pairs.sort_by_cached_key(|pair| pair.each_ref().map(ToString::to_string));
        pairs
    }

    /// The identities that count as others, each with the one that it was renamed to, sorted as they are written. Chains are not
    /// followed.
    pub fn renamed(&self) -> Vec<[Identity; 2]> {
        let graph = self.graph();
        let renamed = graph.counting().all().filter_map(|recount| match recount.counts_as {
            CountsAs::Other(other) => Some([recount.id, other].map(|id| graph.identity(id))),
            CountsAs::Itself | CountsAs::Nothing | CountsAs::Crowded | CountsAs::Kept => None,
        });
        let mut renamed: Vec<[Identity; 2]> = renamed.collect();
        renamed.sort_by_cached_key(|pair| pair.each_ref().map(ToString::to_string));
        renamed
    }

    /// The identities that are set aside, by hand or since they are over the limits, sorted as they are written.
    pub fn set_aside(&self) -> Vec<Identity> {
        self.decided_as(&[CountsAs::Nothing, CountsAs::Crowded])
    }

    /// The identities about which one of these was decided, sorted as they are written.
    pub(crate) fn decided_as(&self, wanted: &[CountsAs]) -> Vec<Identity> {
        let graph = self.graph();
        let decided = graph.counting().all().filter(|recount| wanted.contains(&recount.counts_as));
        let mut decided: Vec<Identity> = decided.map(|recount| graph.identity(recount.id)).collect();
        decided.sort_by_cached_key(ToString::to_string);
        decided
    }

    /// What an identity counts as that was renamed, its chain followed to the end, or is set aside (`None`); itself where neither is so.
    pub fn counts_as(&self, identity: &Identity) -> Option<Identity> {
        let graph = self.graph();
        let namespace = self.namespaces().get(identity.namespace.trim());
        let id = namespace.and_then(|namespace| graph.identities().get(namespace, Value::new(identity.value.trim())));
        match id {
            Some(id) => graph.counting().of(id).map(|id| graph.identity(id)),
            None => Some(identity.clone()),
        }
    }

    /// Whether a session met more than one customer, directly or by way of an e-mail address or a device. Memory only: the links
    /// that lead upwards from it.
    pub fn is_shared(&self, session: &str) -> bool {
        self.is_shared_in(SESSION, session)
    }

    /// The same of the identity `value` of `namespace`.
    pub fn is_shared_in(&self, namespace: &str, value: &str) -> bool {
        self.find(namespace, value).is_some_and(|id| self.met(id).several())
    }

    /// Whom an identity met.
    pub(super) fn met(&self, id: IdentityId) -> Met {
        self.met.of(self.graph(), id)
    }

    /// The same, where it is known whom all identities met: by one pass, which is cheapest where many are asked about.
    pub(super) fn knowing_met(&self) -> Self {
        Self { met: Arc::new(KnownMet::of_all(self.graph())), ..self.clone() }
    }

    /// The same, ready to be asked about all identities.
    pub(super) fn for_many(&self) -> Self {
        if self.reading.policy == Policy::Strict { self.knowing_met() } else { self.clone() }
    }
}
