//! What is asked of a view: each question stands here, and is answered in a file of its own.

use std::sync::Arc;

use crate::model::error::Result;
use crate::model::event::{DecodedEvent, Event};
use crate::model::identity::{Identity, IdentityId};
use crate::model::namespace::{Namespaces, SESSION};
use crate::model::person::{AttributionKind, Person};
use crate::model::policy::Reading;
use crate::model::profile::ProfileRules;
use crate::model::totals::{GraphCounts, Totals};
use crate::resolver::compare::{self, DiffRow, SharedRow};
use crate::resolver::explain::{self, Explanation, PairExplanation};
use crate::resolver::households::{self, DuplicateRow, RelatedRow, Shares};
use crate::resolver::lookup::{self, Attributor, Lookup};
use crate::resolver::members::{self, MemberRow};
use crate::resolver::people::{self, PersonRow};
use crate::resolver::person_events::PersonEvents;
use crate::resolver::profiles::{Profile, Profiles};
use crate::resolver::resolution::{self, Resolution};
use crate::resolver::resolutions::Resolutions;
use crate::resolver::rows::{self, EventRow, SessionRow};
use crate::resolver::totals;
use crate::resolver::view::View;
use crate::resolver::wanted::{self, WantedEvent};

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

    /// Who each of the sessions is, in their order. Costs as so many calls of [`resolve`](Self::resolve) that share what is read, without
    /// their texts.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_many<S: AsRef<str>>(&self, sessions: impl IntoIterator<Item = S>) -> Result<Resolutions> {
        self.resolve_ids(sessions.into_iter().map(|session| self.find(SESSION, session.as_ref())))
    }

    /// The same of identities of any namespace.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    #[cfg(feature = "serve")]
    pub(crate) fn resolve_identities(&self, identities: &[Identity]) -> Result<Resolutions> {
        self.resolve_ids(identities.iter().map(|identity| self.find(&identity.namespace, &identity.value)))
    }

    fn resolve_ids(&self, ids: impl Iterator<Item = Option<IdentityId>>) -> Result<Resolutions> {
        let mut lookup = Lookup::new(self);
        Resolutions::of(self.clone(), ids, |id| lookup.standing(id))
    }

    /// Whom an identity belongs to under the reading.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub(crate) fn person_of(&self, id: IdentityId) -> Result<Person> {
        Ok(Lookup::new(self).standing(id)?.person)
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

    /// An activity as it counts, where that is otherwise than it was written; `namespaces` are those it was decoded with.
    pub(crate) fn as_counted<'a, 'line: 'a>(
        &'a self,
        namespaces: &Namespaces,
        activity: &DecodedEvent<'line>,
    ) -> Option<DecodedEvent<'a>> {
        lookup::as_counted(self, namespaces, activity)
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
    /// Costs a read and a decoding of each block that holds an anchor of the person, and the memory of the rows: some 400 bytes each.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn events(&self, namespace: &str, value: &str) -> Result<Option<Vec<EventRow>>> {
        Ok(self.each_event(namespace, value)?.map(Iterator::collect))
    }

    /// The same, each row made when it is asked for: a tenth of the memory of all of them, for the events of a busy machine. A clone begins
    /// where this one is.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged: here, and not later.
    pub fn each_event(
        &self,
        namespace: &str,
        value: &str,
    ) -> Result<Option<impl ExactSizeIterator<Item = EventRow> + Clone + use<'_>>> {
        let Some(id) = self.find(namespace, value) else { return Ok(None) };
        let events = Arc::new(PersonEvents::of(self, self.person_of(id)?)?);
        Ok(Some((0..events.len()).map(move |at| events.row(self, at))))
    }

    /// The events with this `id`, or the one with this hash (32 hex digits), in time order: the earliest
    /// [`MAX_EVENTS_LOCATED`](crate::model::limits::MAX_EVENTS_LOCATED), and how many more there are. Costs a scan of all events,
    /// on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub(crate) fn events_named(&self, id: &str) -> Result<(Vec<EventRow>, u64)> {
        wanted::events(self, &WantedEvent::new(id))
    }

    /// All events of the sessions, and other anchors, on which a person was seen, in time order: of whatever person under the
    /// reading of this view. The person is that of the identity by all events under the default policy, so that the rows of two
    /// readings can be compared one by one; `None` when no event carries the identity.
    ///
    /// Costs as [`each_event`](Self::each_event).
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged: here, and not later.
    pub fn timeline(
        &self,
        namespace: &str,
        value: &str,
    ) -> Result<Option<impl ExactSizeIterator<Item = EventRow> + Clone + use<'_>>> {
        self.timeline_of(namespace, value, |_, _| true)
    }

    /// The same of those events that are `wanted`.
    pub(super) fn timeline_of<W: Fn(IdentityId, &Event<'_>) -> bool>(
        &self,
        namespace: &str,
        value: &str,
        wanted: W,
    ) -> Result<Option<impl ExactSizeIterator<Item = EventRow> + Clone + use<'_, W>>> {
        let whole = self.under(Reading::default());
        let Some(id) = whole.find(namespace, value) else { return Ok(None) };
        let anchors = rows::anchors_of(&whole, whole.person_of(id)?);
        let events = Arc::new(PersonEvents::around(self, &anchors, wanted)?);
        Ok(Some((0..events.len()).map(move |at| events.row(self, at))))
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

    /// The identities of the person that an identity belongs to, and those of others on that person's events, in identity order, each with
    /// when and in how many of the person's events it stands; `None` when no event carries the identity.
    ///
    /// Costs a read and a decoding of each block that holds an anchor of the person.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn members(&self, namespace: &str, value: &str) -> Result<Option<Vec<MemberRow>>> {
        match self.find(namespace, value) {
            Some(id) => members::members_of(self, id).map(Some),
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

    /// The segments and traits of a person by `rules`, each with the event that told it, what was before, and who held it before. The person
    /// is that of the identity, as [`resolve_in`](Self::resolve_in) names it; `None` when no event carries the identity.
    ///
    /// Costs a read of each block that holds an anchor of the person, and the memory of the values that differ.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn profile(&self, namespace: &str, value: &str, rules: &ProfileRules) -> Result<Option<Profile>> {
        let Some(id) = self.find(namespace, value) else { return Ok(None) };
        Profile::of(self, self.person_of(id)?, rules).map(Some)
    }

    /// The segments and traits of each person of whom any event tells some, in identity order.
    ///
    /// Costs a scan of all events, a temporary file of what they tell, and 8 bytes an identity; the people are gone through some
    /// 65,000 at a time. By the rules `most-frequent` and `union` all values of these are in memory.
    ///
    /// # Errors
    /// When the store cannot be read, a block is damaged, or a temporary file cannot be written; of a row, when it cannot be read.
    pub fn profiles(&self, rules: &ProfileRules) -> Result<Profiles> {
        Profiles::of(self, rules.clone())
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

    /// Pairs of customers that share an identity and were not merged, the most telling first: those whose identity the fewest
    /// customers share, then those that share more. At most `most` rows; `namespace` bounds what is shared (`email`), in any case.
    ///
    /// Linear in the links: for an identity that more than twenty customers share, pairs are not told. Memory only.
    pub fn duplicates(&self, namespace: Option<&str>, most: usize) -> Shares<DuplicateRow> {
        households::duplicates(self, namespace, most)
    }

    /// The people who share an identity with the person that an identity belongs to, and were not merged: a household, perhaps.
    /// Ordered and bounded as [`duplicates`](Self::duplicates) are; `None` when no event carries the identity.
    ///
    /// Linear in the links of the person, and in those of what is shared. Memory only.
    pub fn related(&self, namespace: &str, value: &str, most: usize) -> Option<Shares<RelatedRow>> {
        self.find(namespace, value).map(|id| households::related(self, id, most))
    }

    /// How many identities and links there are. Each commit keeps that up; as of a moment it is a walk over all of them, in memory.
    pub fn graph_counts(&self) -> GraphCounts {
        match self.reading().as_of {
            None => self.counts().graph,
            Some(_) => self.graph().count_all().graph,
        }
    }

    /// Counts and digest of everything stored.
    ///
    /// Under the default reading each commit keeps them up, and nothing is read, but where the last one changed too much for that. Under
    /// any other, and then, it costs a scan of all events, on all cores of the current rayon pool.
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn totals(&self) -> Result<Totals> {
        if *self.reading() != Reading::default() {
            return totals::tally(self);
        }
        if let Some(known) = self.known_totals() {
            return Ok(known);
        }
        let counted = totals::tally(self)?;
        self.learn_totals(counted);
        Ok(counted)
    }

    /// The same counted from the beginning, whatever is known of it.
    pub(crate) fn totals_counted(&self) -> Result<Totals> {
        totals::tally(self)
    }
}
