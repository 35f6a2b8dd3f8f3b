//! What can be done about a damaged store.
//!
//! Events are facts: a block of them that cannot be read is lost, and comes back only from the log. So its events are
//! given up, and every source is forgotten as if it had never been read; the next replay reads all of them again and adds what is
//! missing. Links and times follow from the events and are rebuilt, and the change feed starts again with them.

use crate::engine::check::derive::{Derived, derive};
use crate::engine::check::loss::{Repaired, told};
use crate::engine::count::counted;
use crate::engine::people::{self, follows};
use crate::model::error::Error;
use crate::model::identity::IdentityId;
use crate::model::link::Seen;
use crate::resolver::kept::totals_of;
use crate::resolver::{Published, Resolver};
use crate::store::error::StoreError;
use crate::store::{Missing, Store};

/// Repairs a store that was opened as a damaged one, in its place.
pub(crate) fn run(mut store: Store, missing: Missing) -> Result<(Store, Repaired), Error> {
    store.read_all_pages()?;
    let damaged = !store.check()?.is_empty();
    let lost = if damaged { told_of(&store)? } else { Repaired::default() };
    store.drop_unreadable_events()?;
    let (graph, loaded) = people::facts(&store)?;
    let identities = graph.identities().ids();
    if damaged && !store.events().written_only().is_empty() {
        store.count_again(|anchor, event| counted(&graph, graph.counting(), anchor, event))?;
    }
    let (events, sequence) = (store.events(), store.sequence());
    let published = Published { graph, events, sources: loaded.sources, sequence, totals: None, counts: None };
    let view = Resolver::new(published).view();
    let derived = derive(&view)?;
    // One that no readable event carries any more was seen at no time, until its events are replayed.
    let seen: Vec<(IdentityId, Seen)> = identities.map(|id| (id, derived.seen(id))).collect();
    let graph = follows(view.graph(), &seen, derived.links.clone(), &loaded.unlinks, &[])?;
    let (totals, counts) = (totals_of(&graph, view.stored_events(), |id| id)?, graph.count_all());
    drop(view);
    // What is sound stays as it is: a new change feed would cost its followers a fresh export.
    if damaged || !is_stored(&store, &seen, &derived) {
        store.rewrite_derived(&seen, derived.links.as_slice(), Some(&totals))?;
    } else {
        store.keep_totals(&totals, &counts)?;
    }
    Ok((store, lost.without(missing)))
}

/// What a repair will have to give up.
fn told_of(store: &Store) -> Result<Repaired, Error> {
    let lost = store.salvage_events(|_, _| Ok::<_, StoreError>(()))?;
    let found = store.salvage()?;
    Ok(told(&lost, |id| found.is_seen(id)))
}

/// Whether the store holds what follows from its events. One whose repair was cut short holds nothing of it.
fn is_stored(store: &Store, seen: &[(IdentityId, Seen)], derived: &Derived) -> bool {
    let Ok((_, stored)) = store.load::<()>() else { return false };
    let links_agree = stored.links.len() == derived.links.len()
        && stored.links.iter().all(|link| derived.links.get(link.lower, link.higher) == Some(link));
    links_agree && stored.seen.iter().eq(seen.iter().map(|row| row.1))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::engine::Engine;
    use crate::model::totals::{StoreCounts, Totals};
    use crate::store::Store;
    use crate::store::backend::MemoryBackend;

    #[test]
    fn totals_and_counts_that_are_wrong_are_counted_again() {
        let backend = Arc::new(MemoryBackend::default());
        let mut engine = Engine::options().over(backend.clone()).unwrap();
        engine.replay(["fixtures/journeys.ndjson"]).unwrap();
        let (totals, counts) = (engine.store.totals().unwrap().unwrap(), engine.store.counts().unwrap().unwrap());
        drop(engine);
        let wrong = (Totals { customers: 99, ..totals }, StoreCounts { most_sessions: 119, ..counts });
        for (totals_now, counts_now) in [(&wrong.0, &counts), (&totals, &wrong.1)] {
            Store::with_damaged_backend(backend.clone()).unwrap().keep_totals(totals_now, counts_now).unwrap();
            let generation = |engine: &Engine| engine.store.generation();
            let engine = Engine::options().existing_only().over(backend.clone()).unwrap();
            assert!(!engine.verify().unwrap().is_sound());
            let before = generation(&engine);
            drop(engine);
            let (engine, lost) = Engine::repair_backend(backend.clone()).unwrap();
            assert!(engine.verify().unwrap().is_sound() && lost == Default::default());
            assert_eq!((engine.store.totals().unwrap(), engine.store.counts().unwrap()), (Some(totals), Some(counts)));
            assert_eq!(generation(&engine), before + 1);
            drop(engine);
            let (engine, _) = Engine::repair_backend(backend.clone()).unwrap();
            assert_eq!(generation(&engine), before + 1, "what is sound is not written again");
        }
    }
}
