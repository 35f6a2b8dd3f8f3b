//! The change feed: which rows of `sessions` a commit changes, and why.

use rayon::prelude::*;

use crate::graph::{Applied, Graph};
use crate::model::event::Event;
use crate::model::history::{Cause, Moved, Overwritten, StoredChange};
use crate::model::identity::IdentityId;
use crate::model::link::{Seen, Unlink};
use crate::model::person::{Person, Standing};
use crate::store::erase::KeptEvent;
use crate::store::error::StoreError;
use crate::store::scan::{Cursor, Events};

/// Sessions that one task works on: some hundred microseconds, well above the cost of handing out a task.
const SESSIONS_A_TASK: usize = 1 << 12;

/// A session whose row may differ.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    session: IdentityId,
    /// Where it stood, and how many events it had; `None` where no event carried it.
    before: Option<(Standing, u64)>,
}

/// The sessions that a delta may have changed, ascending: those with new events (`seen` says how many), and those of groups
/// that changed. `graph` is as the delta left it.
pub fn candidates(graph: &Graph, applied: &Applied, seen: &[(IdentityId, Seen)]) -> Vec<Candidate> {
    let added = seen.iter().filter(|(_, seen)| seen.events > 0).map(|&(id, _)| id);
    let mut sessions: Vec<IdentityId> = added.chain(applied.before.keys().copied()).collect();
    sessions.retain(|&id| graph.is_session(id));
    sessions.par_sort_unstable();
    sessions.dedup();
    let before = |id: IdentityId| {
        let stood = match applied.before.get(&id) {
            _ if id.index() >= applied.identities => None,
            Some(noted) => *noted,
            None => Some(graph.standing(id)),
        };
        let added = seen.binary_search_by_key(&id, |row| row.0).map_or(0, |at| seen[at].1.events);
        stood.map(|stood| (stood, graph.seen(id).events - added))
    };
    sessions.into_par_iter().map(|session| Candidate { session, before: before(session) }).collect()
}

/// The sessions of a graph in whose place another one over the same identities comes as a whole.
pub fn all_sessions(graph: &Graph, after: &Graph) -> Vec<Candidate> {
    let is_either = |id: &IdentityId| graph.is_session(*id) && (graph.is_known(*id) || after.is_known(*id));
    let before = |id| graph.is_known(id).then(|| (graph.standing(id), graph.seen(id).events));
    let sessions = graph.identities().ids().filter(is_either);
    sessions.map(|session| Candidate { session, before: before(session) }).collect()
}

/// The changes of those among `candidates` whose row differs, in their order. `stored` are the events that were stored before and
/// still are, in so far as they are `kept`; those of a session are read only where its person changed.
///
/// # Errors
/// When stored events cannot be read.
pub fn stored_changes(
    graph: &Graph,
    candidates: &[Candidate],
    stored: &Events,
    kept: KeptEvent<'_>,
) -> Result<Vec<StoredChange>, StoreError> {
    let tasks = candidates.par_chunks(SESSIONS_A_TASK).map(|candidates| {
        let mut stored = stored.cursor();
        candidates
            .iter()
            .filter_map(|candidate| stored_change(graph, candidate, &mut stored, kept).transpose())
            .collect()
    });
    let changes: Vec<Vec<StoredChange>> = tasks.collect::<Result<_, StoreError>>()?;
    Ok(changes.concat())
}

fn stored_change(
    graph: &Graph,
    candidate: &Candidate,
    stored: &mut Cursor,
    kept: KeptEvent<'_>,
) -> Result<Option<StoredChange>, StoreError> {
    let Candidate { session, before } = *candidate;
    let after = graph.is_known(session).then(|| (graph.standing(session), graph.seen(session).events));
    if before == after {
        return Ok(None);
    }
    let (stood, stands) = (before.map(|row| row.0), after.map(|row| row.0));
    let moved = match (stood, stands) {
        (Some(old), Some(new)) if old.person != new.person => moved(graph, session, stored, kept)?,
        _ => None,
    };
    Ok(Some(StoredChange {
        session: Some(session),
        events: after.map_or(0, |row| row.1),
        since: stands.and_then(|standing| standing.since),
        from: stood.map(|standing| standing.person.identity()),
        to: stands.map(|standing| standing.person.identity()),
        moved,
        cause: stands.filter(|_| stood != stands).and_then(|standing| cause(graph, session, standing)),
    }))
}

/// The events of a session that go where the session goes: those that carry no customer.
fn moved(
    graph: &Graph,
    session: IdentityId,
    stored: &mut Cursor,
    kept: KeptEvent<'_>,
) -> Result<Option<Moved>, StoreError> {
    let stays = |event: &Event<'_>| event.companions.last().is_some_and(|&highest| graph.is_customer(highest));
    let group = stored.group(session)?;
    let mut all: Option<Moved> = None;
    for event in group.events().filter_map(|event| kept(session, event)).filter(|event| !stays(event)) {
        let moved = all.get_or_insert(Moved { events: 0, first: event.time, last: event.time });
        moved.events += 1;
        moved.last = event.time;
    }
    Ok(all)
}

/// The link that made a session stand where it does.
fn cause(graph: &Graph, session: IdentityId, standing: Standing) -> Option<Cause> {
    let (Person::Customer(id) | Person::Anonymous(id)) = standing.person;
    let link = &graph.links()[graph.connected_by(session, id)?];
    Some(Cause { lower: link.lower, higher: link.higher, event: link.witness.event })
}

/// What a delta overwrote.
pub fn overwritten(applied: Applied, unlinks: Vec<Unlink>) -> Overwritten {
    Overwritten { seen: applied.seen, links: applied.links, unlinks }
}

/// What is overwritten when `after` takes the place of `before`, over the same identities.
pub fn difference(before: &Graph, after: &Graph) -> Overwritten {
    let mut all = Overwritten::default();
    for id in before.identities().ids() {
        let first = |graph: &Graph| graph.is_known(id).then(|| graph.seen(id).first);
        if first(before) != first(after) {
            all.seen.push((id, first(before)));
        }
    }
    for link in before.links().as_slice() {
        let now = after.links().get(link.lower, link.higher).map(|now| now.first);
        if now != Some(link.first) {
            all.links.push((link.lower, link.higher, Some(link.first)));
        }
    }
    for link in after.links().as_slice() {
        if before.links().get(link.lower, link.higher).is_none() {
            all.links.push((link.lower, link.higher, None));
        }
    }
    all
}
