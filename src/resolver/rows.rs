//! Rows: sessions with their person, and the events of a person.

use hashbrown::HashSet;
use rayon::prelude::*;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::graph::Graph;
use crate::model::digest::EventHash;
use crate::model::error::Result;
use crate::model::event::{Event, in_level_order};
use crate::model::identity::{Identity, IdentityId};
use crate::model::link::Seen;
use crate::model::person::{AttributionKind, Person, PersonKind, Standing};
use crate::model::time::Time;
use crate::model::writing::Text;
use crate::resolver::attribution::Attributed;
use crate::resolver::lookup::Lookup;
use crate::resolver::view::View;
use crate::store::feed::StoredChanges;
use crate::store::scan::Cursor;

/// A session and whom it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionRow {
    /// The session ID.
    pub session: String,
    /// The identity that names its person.
    pub person: Identity,
    /// The moment that first connected it to its customer; none where it is anonymous.
    pub since: Option<Time>,
    /// How many events carry the session, whatever person they belong to.
    pub events: u64,
    /// Whether its person is a customer.
    pub kind: PersonKind,
    /// The time of the first of its events.
    pub first: Time,
    /// The time of the last of its events.
    pub last: Time,
}

impl SessionRow {
    /// The names of its fields, as it is serialised; others may be added at their end.
    pub const NAMES: [&'static str; 8] = ["session", "person", "since", "events", "customer", "kind", "first", "last"];

    /// The value of its customer; none where it is anonymous.
    pub fn customer(&self) -> Option<&str> {
        match self.kind {
            PersonKind::Customer => Some(&self.person.value),
            PersonKind::Anonymous => None,
        }
    }
}

impl Serialize for SessionRow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let [session, person, since, events, customer, kind, first, last] = Self::NAMES;
        let mut row = to.serialize_struct("SessionRow", Self::NAMES.len())?;
        row.serialize_field(session, &self.session)?;
        row.serialize_field(person, &Text(&self.person))?;
        row.serialize_field(since, &self.since.as_ref().map(Text))?;
        row.serialize_field(events, &self.events)?;
        row.serialize_field(customer, &self.customer())?;
        row.serialize_field(kind, &self.kind)?;
        row.serialize_field(first, &Text(&self.first))?;
        row.serialize_field(last, &Text(&self.last))?;
        row.end()
    }
}

/// An event of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EventRow {
    /// When it happened.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub time: Time,
    /// The identity that names the person.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub person: Identity,
    /// How the event came to the person.
    pub attribution: AttributionKind,
    /// Its `id`; none where the line had none.
    pub id: Option<String>,
    /// Its identities, lowest level first.
    #[serde(serialize_with = "crate::model::writing::texts")]
    pub identities: Vec<Identity>,
    /// The sources that delivered it.
    pub sources: Vec<String>,
    /// Its hash, by which it is found again.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub event: EventHash,
}

/// Sessions that one task makes rows of: some hundred microseconds, well above the cost of handing out a task.
const SESSIONS_A_TASK: usize = 1 << 12;

/// A row a session of the store, sorted by session.
pub fn sessions(view: &View) -> Result<Vec<SessionRow>> {
    let graph = view.graph();
    let sessions: Vec<IdentityId> =
        graph.identities().ids().filter(|&id| graph.is_session(id) && graph.is_known(id)).collect();
    rows_of(view, &sessions)
}

/// The rows of known sessions, sorted by session.
fn rows_of(view: &View, sessions: &[IdentityId]) -> Result<Vec<SessionRow>> {
    let view = &view.for_many();
    let graph = view.graph();
    let rows = sessions.par_chunks(SESSIONS_A_TASK).map(|sessions| {
        let (mut lookup, mut counter) = (Lookup::new(view), Counter::new(view));
        let row = |&session| Ok(row(graph, session, counter.count(session)?, lookup.standing(session)?));
        sessions.iter().map(row).collect()
    });
    let rows: Vec<Vec<SessionRow>> = rows.collect::<Result<_>>()?;
    let mut rows: Vec<SessionRow> = rows.into_iter().flatten().collect();
    rows.par_sort_unstable_by(|a, b| a.session.cmp(&b.session));
    Ok(rows)
}

/// A row of `sessions` that commits changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowChange {
    /// It is this now.
    Now(SessionRow),
    /// It is gone: no event carries this session any more.
    Gone(String),
}

impl RowChange {
    /// Its session.
    pub fn session(&self) -> &str {
        match self {
            Self::Now(row) => &row.session,
            Self::Gone(session) => session,
        }
    }
}

/// What the rows are of which `changes` tell, in so far as `view` knows of them, sorted by session; and whether they tell of an erasure.
pub fn changed(view: &View, mut changes: StoredChanges) -> Result<(Vec<RowChange>, bool)> {
    let graph = view.graph();
    let (mut sessions, mut erased) = (HashSet::new(), false);
    while let Some((_, change)) = changes.next()?.filter(|(sequence, _)| *sequence <= view.sequence()) {
        match change.session {
            Some(session) => drop(sessions.insert(session)),
            None => erased = true,
        }
    }
    let (known, gone): (Vec<IdentityId>, Vec<IdentityId>) = sessions.into_iter().partition(|&id| graph.is_known(id));
    let now = rows_of(view, &known)?.into_iter().map(RowChange::Now);
    let gone = gone.into_iter().map(|id| RowChange::Gone(graph.identities().value(id).to_string()));
    let mut rows: Vec<RowChange> = now.chain(gone).collect();
    rows.par_sort_unstable_by(|a, b| a.session().cmp(b.session()));
    Ok((rows, erased))
}

/// The sessions of the person of `id`, sorted by session.
pub fn sessions_of(view: &View, id: IdentityId) -> Result<Vec<SessionRow>> {
    let graph = view.graph();
    let mut lookup = Lookup::new(view);
    let person = lookup.standing(id)?.person;
    let mut counter = Counter::new(view);
    let mut rows = Vec::new();
    for session in held_by(view, person).into_iter().filter(|&id| graph.is_session(id)) {
        let standing = lookup.standing(session)?;
        if standing.person == person {
            rows.push(row(graph, session, counter.count(session)?, standing));
        }
    }
    rows.sort_unstable_by(|a, b| a.session.cmp(&b.session));
    Ok(rows)
}

/// Says when a session was seen, and in how many events: from memory, but as of a moment.
struct Counter<'v> {
    view: &'v View,
    until: Option<(Time, Cursor)>,
}

impl<'v> Counter<'v> {
    fn new(view: &'v View) -> Self {
        Self { view, until: view.reading().as_of.map(|until| (until, view.stored_events().cursor())) }
    }

    fn count(&mut self, session: IdentityId) -> Result<Seen> {
        let Some((until, cursor)) = &mut self.until else { return Ok(self.view.graph().seen(session)) };
        let mut seen = Seen::NEVER;
        for event in cursor.group(session)?.events().take_while(|event| event.time <= *until) {
            seen.merge(Seen { events: 1, ..Seen::at(event.time) });
        }
        Ok(seen)
    }
}

fn row(graph: &Graph, session: IdentityId, seen: Seen, standing: Standing) -> SessionRow {
    SessionRow {
        session: graph.identities().value(session).to_string(),
        person: graph.identity(standing.person.identity()),
        since: standing.since,
        events: seen.events,
        kind: standing.person.kind(),
        first: seen.first,
        last: seen.last,
    }
}

/// The row of an event.
pub fn event(view: &View, anchor: IdentityId, event: &Event<'_>, attributed: Attributed) -> EventRow {
    let graph = view.graph();
    let identities = in_level_order(anchor, graph.is_session(anchor), event.companions);
    EventRow {
        time: event.time,
        person: graph.identity(attributed.person.identity()),
        attribution: attributed.kind,
        id: event.id.written(),
        identities: identities.map(|id| graph.identity(id)).collect(),
        sources: event.sources.iter().map(|source| view.sources()[source.0 as usize].name.clone()).collect(),
        event: graph.event_hash(anchor, event),
    }
}

/// Every identity that may belong to `person`, ascending by id: the members of the group and, where a policy takes sessions
/// out of their groups, those that met the customer.
pub fn held_by(view: &View, person: Person) -> Vec<IdentityId> {
    let graph = view.graph();
    let mut all: Vec<IdentityId> = match person {
        // A session that stays apart from its group's customer is alone.
        Person::Anonymous(id) if graph.owner(id).is_some() => vec![id],
        Person::Anonymous(id) | Person::Customer(id) => graph.members(id).collect(),
    };
    if let Person::Customer(customer) = person
        && view.reading().policy.follows_logins()
    {
        all.extend(graph.links_of(customer).map(|(_, link)| link.lower));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Every anchor that may hold an event of `person`, ascending: whatever may be the person's, and whatever was
/// seen together with the customer (a shared device keeps that customer's events under a session of another group).
pub fn anchors_of(view: &View, person: Person) -> Vec<IdentityId> {
    let mut anchors = held_by(view, person);
    if let Person::Customer(customer) = person {
        anchors.extend(view.graph().links_of(customer).map(|(_, link)| link.lower));
    }
    anchors.sort_unstable();
    anchors.dedup();
    anchors
}
