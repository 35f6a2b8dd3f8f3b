//! What stored events count as, by the decisions about their identities.

use crate::graph::Graph;
use crate::model::counting::Counting;
use crate::model::event::{Event, anchored};
use crate::model::identity::{Identity, IdentityId};
use crate::store::recount::CountedEvent;

/// What is to become of an identity.
#[derive(Debug, Clone, Copy)]
pub enum Decision<'a> {
    /// It counts as another.
    Rename(&'a Identity, &'a Identity),
    /// It counts as itself again.
    RenameBack(&'a Identity),
    /// It counts as nothing.
    SetAside(&'a Identity),
    /// It counts again.
    Release(&'a Identity),
    /// It counts as itself, whatever the limits.
    Keep(&'a Identity),
}

/// What a stored event counts as.
pub fn counted(graph: &Graph, counting: &Counting, anchor: IdentityId, event: &Event<'_>) -> CountedEvent {
    if !counting.touches(anchor, event.companions) {
        return CountedEvent::AsWritten;
    }
    let ids = counting.counted(anchor, graph.is_session(anchor), event.companions);
    match anchored(&ids, |id| graph.is_session(id)) {
        Some((anchor, companions)) => CountedEvent::As(anchor, companions.into()),
        None => CountedEvent::Nothing,
    }
}
