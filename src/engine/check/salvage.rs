//! What can be done about a store that a repair does not mend: its facts, as far as they can be read, in a new database.
//!
//! The new store is made in a folder inside of the old one, and takes its place in one step: killed at any moment, the old one is there
//! as it was, or the new one is. Every source counts as never read, so replaying the logs brings back what was lost.

use std::borrow::Cow;
use std::path::Path;

use crate::engine::Engine;
use crate::engine::check::loss::{Repaired, told};
use crate::engine::facts::import::Import;
use crate::engine::facts::{EventFact, SourceFact};
use crate::model::counting::CountsAs;
use crate::model::error::Error;
use crate::model::event::{Event, in_level_order};
use crate::model::identity::{Identity, IdentityId};
use crate::model::namespace::NamespaceId;
use crate::model::source::Within;
use crate::store::Store;
use crate::store::barred::Barred;
use crate::store::error::StoreError;
use crate::store::salvage::{LostEvents, Salvaged, Successor};

/// The name of a source whose own is lost.
const LOST_SOURCE: &str = "(a source whose name was lost)";

/// Makes a new store of what can be read of the one at `path`, in its place; `accept` says that it may be older than its last commit.
pub(crate) fn run(path: &Path, accept: bool) -> Result<(Store, Repaired), Error> {
    let old = Store::open_broken(path, accept).map_err(StoreError::beyond_repair)?;
    let found = old.salvage()?;
    let successor = Successor::begin(path)?;
    let mut engine = Engine::of(successor.make(old.settings())?)?;
    let lost = refill(&mut engine, &old, &found)?;
    if !found.bars.is_empty() {
        engine.store.bar(|_| found.bars.clone())?;
    }
    engine.store.continue_beyond(found.beyond)?;
    let lost_identities = found.identities.iter().filter(|identity| identity.is_none()).count() as u64;
    let repaired = Repaired { lost_identities, lost_bars: found.lost_bars, rewritten: true, ..lost.told(&found) }
        .without(found.missing);
    // Both are let go of before the one takes the place of the other.
    drop((engine, old));
    successor.put_in_place()?;
    Ok((Store::open(path, None)?, repaired))
}

/// Takes in what was found.
fn refill(engine: &mut Engine, old: &Store, found: &Salvaged) -> Result<Losses, Error> {
    let mut import = Import::new(&engine.resolver, &found.namespaces);
    for source in &found.sources {
        let name = match source {
            Some(source) if source.retracted => None,
            Some(source) => Some(&*source.name),
            None => Some(LOST_SOURCE),
        };
        // One that was retracted has no events; its place is kept.
        let name = name.map_or_else(|| Cow::from(format!("(retracted source {})", import.sources())), Cow::from);
        import
            .source(SourceFact { name, position: None, pushed: None, within: Within::Lines }, &Barred::default())
            .map_err(defect)?;
    }
    let named = |id: IdentityId| found.identities.get(id.index()).and_then(Option::as_ref);
    let identity = |id| {
        let (namespace, value) = named(id)?;
        let namespace = found.namespaces.get(usize::from(namespace.0))?.clone();
        Some(Identity { namespace, value: value.clone() })
    };
    for recount in &found.recounts {
        match (identity(recount.id), recount.counts_as) {
            (Some(old), CountsAs::Other(new)) => {
                identity(new).into_iter().for_each(|new| import.rename(old.clone(), new))
            }
            (Some(aside), CountsAs::Nothing) => import.set_aside(aside),
            (Some(kept), CountsAs::Kept) => import.keep(kept),
            // Of those that are over the limits it is worked out again who they are.
            (None, _) | (_, CountsAs::Itself | CountsAs::Crowded) => {}
        }
    }
    import.limit(found.limits);
    for unlink in &found.unlinks {
        if let (Some(lower), Some(higher)) = (identity(unlink.lower), identity(unlink.higher)) {
            import.unlink_pair([lower, higher]);
        }
    }
    let mut losses = Losses::default();
    let mut full = false;
    losses.blocks = old.salvage_events(|anchor, event| -> Result<(), Error> {
        if full {
            engine.committer().commit_part(&mut import)?;
        }
        let fact = fact(anchor, event, named, &found.namespaces);
        match fact {
            // What is stored was taken in.
            Some(fact) => import.event(engine.resolver.read().graph(), &Barred::default(), &fact).map_err(defect)?,
            // Without an identity it is not that event any more.
            None => losses.nameless += 1,
        }
        full = import.is_full();
        Ok(())
    })?;
    engine.committer().complete(import)?;
    engine.committer().conclude()?;
    Ok(losses)
}

/// An event in writing; `None` where an identity of it is lost.
fn fact<'f>(
    anchor: IdentityId,
    event: &Event<'_>,
    named: impl Fn(IdentityId) -> Option<&'f (NamespaceId, String)>,
    namespaces: &'f [String],
) -> Option<EventFact<'f>> {
    let is_session = named(anchor)?.0 == NamespaceId::SESSION;
    let identities = in_level_order(anchor, is_session, event.companions).map(|id| {
        let (namespace, value) = named(id)?;
        Some((Cow::from(&**namespaces.get(usize::from(namespace.0))?), Cow::from(&**value)))
    });
    Some(EventFact::new(event, identities.collect::<Option<_>>()?, event.sources.iter().map(|id| id.0)))
}

/// What was read was valid once, so that it is taken in again.
fn defect(why: String) -> Error {
    StoreError::Invalid(why).into()
}

/// What could not be taken along.
#[derive(Default)]
struct Losses {
    blocks: LostEvents,
    /// Events that carried a lost identity.
    nameless: u64,
}

impl Losses {
    fn told(&self, found: &Salvaged) -> Repaired {
        let mut repaired = told(&self.blocks, |id| found.is_seen(id));
        repaired.lost_events += self.nameless;
        repaired
    }
}
