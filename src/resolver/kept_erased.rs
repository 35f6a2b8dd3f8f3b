//! Totals without what is erased: only what may differ is counted, as it was and as it is.

use std::collections::HashSet;

use rayon::prelude::*;

use crate::graph::Graph;
use crate::model::event::Event;
use crate::model::identity::IdentityId;
use crate::model::totals::Totals;
use crate::resolver::attribution::AnchorRule;
use crate::resolver::count::{IdentityHashes, TotalsCounter};
use crate::resolver::view::View;
use crate::store::erase::KeptEvent;
use crate::store::error::StoreError;
use crate::store::scan::Events;

/// Identities that one task compares, and whose events it reads where they differ.
const IDENTITIES_A_TASK: usize = 1 << 12;

/// What is left, over the same identities.
#[derive(Clone, Copy)]
pub(crate) struct Left<'l> {
    /// The people.
    pub graph: &'l Graph,
    /// The events, as they count.
    pub events: &'l Events,
    /// What becomes of each of them.
    pub kept: KeptEvent<'l>,
    /// Those under whose anchors any event differs.
    pub affected: &'l HashSet<IdentityId>,
}

/// The totals of what is left of `view`, whose totals are `all`, under the default reading. Costs a pass over the identities and links, and a read of the
/// events of the anchors that stand elsewhere or whose events differ.
///
/// # Errors
/// When the events cannot be read.
pub(crate) fn totals_left(view: &View, all: Totals, left: Left<'_>) -> Result<Totals, StoreError> {
    let before = view.graph();
    let ids: Vec<IdentityId> = before.identities().ids().collect();
    let counter = |graph| TotalsCounter::new(IdentityHashes::of_last(graph, &[]));
    let standing = |graph: &Graph, id| graph.is_known(id).then(|| graph.standing(id));
    let task = |ids: &[IdentityId]| {
        let (mut lost, mut gained) = (counter(before), counter(left.graph));
        let (mut stored, mut events) = (view.stored_events().cursor(), left.events.cursor_of_deliveries());
        for &id in ids {
            let (stood, stands) = (standing(before, id), standing(left.graph, id));
            if stood != stands {
                stood.into_iter().for_each(|stood| lost.identity(id, stood.person));
                stands.into_iter().for_each(|stands| gained.identity(id, stands.person));
            } else if !left.affected.contains(&id) {
                continue;
            }
            if let Some(stood) = stood {
                lost.events(id, &AnchorRule::by_standing(before, id, stood), stored.group(id)?.events());
            }
            if let Some(stands) = stands {
                let rule = AnchorRule::by_standing(left.graph, id, stands);
                let group = events.group(id)?;
                gained.events(id, &rule, united(group.events().filter_map(|event| (left.kept)(id, event))));
            }
        }
        Ok((lost.totals, gained.totals))
    };
    let parts: Result<Vec<(Totals, Totals)>, StoreError> = ids.par_chunks(IDENTITIES_A_TASK).map(task).collect();
    let totals = parts?.into_iter().fold(all, |all, (lost, gained)| all.without(lost).with(gained));
    let met = left.graph.met_by_all();
    let shared = left.graph.identities().ids().filter(|&id| left.graph.is_known(id) && left.graph.is_session(id));
    let shared_sessions = shared.filter(|id| met[id.index()].several()).count() as u64;
    Ok(Totals { shared_sessions, ..totals })
}

/// Each event once, with the greatest part of segments and traits that is left to it: one that is greater may have told a value.
fn united<'e>(deliveries: impl Iterator<Item = Event<'e>>) -> Vec<Event<'e>> {
    let mut events: Vec<Event<'e>> = Vec::new();
    for event in deliveries {
        match events.last_mut().filter(|last| last.key() == event.key()) {
            Some(last) => last.profile = last.profile.max(event.profile),
            None => events.push(event),
        }
    }
    events
}
