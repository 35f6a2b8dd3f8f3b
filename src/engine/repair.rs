//! What can be done about a damaged store.
//!
//! Events are facts: a block of them that cannot be read is lost, and comes back only from the log. So its events are
//! given up, and every source is forgotten as if it had never been read; the next replay reads all of them again and adds what is
//! missing. Links and times follow from the events, and are worked out anew.

use std::path::Path;

use serde::Serialize;

use crate::engine::derive::derive;
use crate::engine::error::Error;
use crate::engine::people;
use crate::model::identity::IdentityId;
use crate::model::link::Seen;
use crate::model::source::{Source, SourceId};
use crate::model::time::Time;
use crate::resolver::Resolver;
use crate::store::{Commit, Store};

/// What a repair did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Repaired {
    /// Events that could not be read any more. They come back when the logs are replayed: every source is read again.
    pub lost_events: u64,
}

/// An identity that no readable event carries any more: it was seen at no time, until its events are replayed.
const NEVER: Seen = Seen { first: Time::from_micros(i64::MAX), last: Time::from_micros(i64::MIN) };

/// Repairs the store in the folder `path`.
pub(crate) fn run(path: &Path) -> Result<(Store, Repaired), Error> {
    let mut store = Store::open_damaged(path)?;
    let lost = store.drop_unreadable_events()?;
    let (graph, loaded) = people::facts(&store)?;
    let resolver = Resolver::new(graph, store.events(), loaded.sources.clone());
    let derived = derive(&resolver.view())?;
    let seen: Vec<(IdentityId, Seen)> = resolver
        .view()
        .graph()
        .identities()
        .ids()
        .map(|id| (id, derived.seen.get(id.index()).copied().flatten().unwrap_or(NEVER)))
        .collect();
    store.rewrite_derived(&seen, derived.links.as_slice())?;
    if lost.events > 0 {
        let forgotten: Vec<(SourceId, Source)> = (0..)
            .map(SourceId)
            .zip(loaded.sources)
            .map(|(id, source)| (id, Source { position: None, ..source }))
            .collect();
        store.commit(Commit { sources: &forgotten, ..Commit::default() })?;
    }
    Ok((store, Repaired { lost_events: lost.events }))
}
