//! Rows: sessions with their person, and the events of a person.

use rayon::prelude::*;
use serde::Serialize;

use crate::graph::Graph;
use crate::model::event::in_level_order;
use crate::model::identity::{Identity, IdentityId};
use crate::model::person::{Kind, Person};
use crate::model::time::Time;
use crate::resolver::View;
use crate::resolver::attribution::AnchorRule;
use crate::store::error::StoreError;

/// A session and whom it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    /// The session ID.
    pub session: String,
    /// The identity that names its person.
    #[serde(serialize_with = "crate::resolver::in_writing")]
    pub person: Identity,
    /// The moment that first connected it to its customer; none for nobody yet.
    #[serde(serialize_with = "crate::resolver::time_in_writing")]
    pub since: Option<Time>,
    /// How many events carry the session, whoever they belong to.
    pub events: u64,
}

/// An event of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRow {
    /// When it happened.
    #[serde(serialize_with = "crate::resolver::moment_in_writing")]
    pub time: Time,
    /// The identity that names the person.
    #[serde(serialize_with = "crate::resolver::in_writing")]
    pub person: Identity,
    /// How the event came to the person.
    pub attribution: Kind,
    /// Its `id`; none where the line had none.
    pub id: Option<String>,
    /// Its identities, lowest level first.
    #[serde(serialize_with = "crate::resolver::all_in_writing")]
    pub identities: Vec<Identity>,
    /// The sources that delivered it.
    pub sources: Vec<String>,
}

/// A row a session of the store, sorted by session.
pub fn sessions(view: &View) -> Result<Vec<SessionRow>, StoreError> {
    let counts: Vec<Vec<(IdentityId, u64)>> = view
        .pieces()
        .into_par_iter()
        .map(|piece| {
            let mut counts = Vec::new();
            let mut scan = view.events.scan(piece);
            while let Some(group) = scan.next()? {
                if view.graph.is_session(group.anchor()) {
                    counts.push((group.anchor(), group.len() as u64));
                }
            }
            Ok(counts)
        })
        .collect::<Result<_, StoreError>>()?;
    let mut rows: Vec<SessionRow> =
        counts.into_par_iter().flatten_iter().map(|(session, events)| row(&view.graph, session, events)).collect();
    rows.par_sort_unstable_by(|a, b| a.session.cmp(&b.session));
    Ok(rows)
}

/// The sessions in the group of `id`, sorted by session.
pub fn sessions_of(view: &View, id: IdentityId) -> Result<Vec<SessionRow>, StoreError> {
    let mut sessions: Vec<IdentityId> = view.graph.members(id).filter(|&id| view.graph.is_session(id)).collect();
    sessions.sort_unstable();
    let mut cursor = view.events.cursor();
    let mut rows = Vec::with_capacity(sessions.len());
    for session in sessions {
        let events = cursor.group(session)?.len() as u64;
        rows.push(row(&view.graph, session, events));
    }
    rows.sort_unstable_by(|a, b| a.session.cmp(&b.session));
    Ok(rows)
}

fn row(graph: &Graph, session: IdentityId, events: u64) -> SessionRow {
    let rule = AnchorRule::new(graph, session);
    SessionRow {
        session: graph.identities().value(session).to_string(),
        person: graph.identity(rule.person().identity()),
        since: rule.owner().and_then(|owner| owner.since),
        events,
    }
}

/// The events that belong to `person`, in time order (then by id, then by identities).
pub fn events(view: &View, person: Person) -> Result<Vec<EventRow>, StoreError> {
    let graph = &*view.graph;
    let mut rows = Vec::new();
    let mut cursor = view.events.cursor();
    for anchor in anchors_of(graph, person) {
        let (rule, is_session) = (AnchorRule::new(graph, anchor), graph.is_session(anchor));
        for event in cursor.group(anchor)?.events() {
            let attributed = rule.attribute(&event);
            if attributed.person != person {
                continue;
            }
            rows.push(EventRow {
                time: event.time,
                person: graph.identity(person.identity()),
                attribution: attributed.kind,
                id: event.id.written(),
                identities: in_level_order(anchor, is_session, event.companions).map(|id| graph.identity(id)).collect(),
                sources: event.sources.iter().map(|source| view.sources[source.0 as usize].name.clone()).collect(),
            });
        }
    }
    rows.par_sort_unstable_by(|a, b| {
        a.time.cmp(&b.time).then_with(|| a.id.cmp(&b.id)).then_with(|| written(a).cmp(written(b)))
    });
    Ok(rows)
}

/// The identities of a row, as their order is told by their bytes.
fn written(row: &EventRow) -> impl Iterator<Item = (&str, &str)> {
    row.identities.iter().map(|identity| (&*identity.namespace, &*identity.value))
}

/// Every anchor that may hold an event of `person`, ascending: the members of the group, and whatever was
/// seen together with the customer (a shared device keeps that customer's events under a session of another group).
fn anchors_of(graph: &Graph, person: Person) -> Vec<IdentityId> {
    let mut anchors: Vec<IdentityId> = graph.members(person.identity()).collect();
    if let Person::Customer(customer) = person {
        anchors.extend(graph.links_of(customer).map(|(_, link)| link.lower));
    }
    anchors.sort_unstable();
    anchors.dedup();
    anchors
}
