//! Taking back: a link, the events of a source, an event. Afterwards the store answers as one that never saw it.

use std::collections::HashSet;

use serde::Serialize;
use smallvec::SmallVec;

use crate::engine::changes::{all_sessions, difference, stored_changes};
use crate::engine::check::derive::{Derived, derive};
use crate::engine::commit::{Addition, Committer};
use crate::engine::error::EngineError;
use crate::engine::source;
use crate::graph::{Delta, Graph};
use crate::model::error::Error;
use crate::model::event::Event;
use crate::model::history::Sequence;
use crate::model::identity::{IdentityId, Value};
use crate::model::limits::MAX_VALUE_BYTES;
use crate::model::link::{Seen, Unlink};
use crate::model::namespace::NamespaceId;
use crate::model::source::{Source, SourceId};
use crate::resolver::View;
use crate::resolver::wanted::WantedEvent;
use crate::store::retract::{Fate, Retraction, Rewritten};

/// Sources that an error names at most.
const SOURCES_NAMED: usize = 5;

/// What is to be as if it had never been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retract<'a> {
    /// The events that this source alone delivered, and how far it was read: its name as [`View::sources`] has it.
    Source(&'a str),
    /// The events with this `id`, or the one with this hash (32 hex digits).
    Event(&'a str),
}

/// What an undo did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Undone {
    /// Events that went.
    pub events: u64,
    /// Changes that it added to the feed: sessions whose row changed.
    pub changes: u64,
    /// The number of the last change of the feed.
    pub sequence: Sequence,
    /// Whether anything differs from before.
    pub changed: bool,
}

impl Committer<'_> {
    /// Lets the link of a session and a customer count as never seen, or count again.
    pub fn unlink(&mut self, session: &str, customer: &str, stands: bool) -> Result<Undone, Error> {
        let mut delta = {
            let graph = self.resolver.read();
            let graph = graph.graph();
            let unique = graph.namespaces().unique().ok_or(EngineError::NoUnique)?;
            let mut delta = Delta::new(graph.namespaces().clone());
            let lower = named(graph, &mut delta, NamespaceId::SESSION, session)?;
            let higher = named(graph, &mut delta, unique, customer)?;
            if graph.unlinked_pairs().any(|pair| pair == (lower, higher)) == stands {
                return Ok(Undone { sequence: self.store.sequence(), ..Undone::default() });
            }
            delta.unlinks.push(Unlink { lower, higher, stands });
            delta
        };
        delta.seen.sort_unstable_by_key(|row| row.0);
        let changes = self.add(delta, Addition::default())?;
        Ok(Undone { events: 0, changes, sequence: self.store.sequence(), changed: true })
    }

    /// Lets the links of these sessions and customers count as never seen, in one commit, and says how many counted before.
    pub fn unlink_all(&mut self, pairs: &[(String, String)]) -> Result<u64, Error> {
        let mut delta = {
            let view = self.resolver.read();
            let graph = view.graph();
            let mut delta = Delta::new(graph.namespaces().clone());
            let known: HashSet<(IdentityId, IdentityId)> = graph.unlinked_pairs().collect();
            let unique = graph.namespaces().unique().filter(|_| !pairs.is_empty());
            let mut new = HashSet::new();
            for (session, customer) in pairs {
                let lower = named(graph, &mut delta, NamespaceId::SESSION, session)?;
                let higher = named(graph, &mut delta, unique.ok_or(EngineError::NoUnique)?, customer)?;
                if !known.contains(&(lower, higher)) && new.insert((lower, higher)) {
                    delta.unlinks.push(Unlink { lower, higher, stands: true });
                }
            }
            delta
        };
        let unlinked = delta.unlinks.len() as u64;
        if unlinked > 0 {
            delta.seen.sort_unstable_by_key(|row| row.0);
            delta.seen.dedup_by_key(|row| row.0);
            self.add(delta, Addition::default())?;
        }
        Ok(unlinked)
    }

    /// Takes events back.
    pub fn retract(&mut self, what: Retract<'_>) -> Result<Undone, Error> {
        let view = self.resolver.view();
        let (source, rewritten) = match what {
            Retract::Source(name) => {
                let id = source_named(view.sources(), name)?;
                (Some(id), self.store.rewrite(|_, event| without(event.sources, id))?)
            }
            Retract::Event(id) => {
                let (wanted, graph) = (WantedEvent::new(id), view.graph());
                let fate = |anchor, event: &Event<'_>| match wanted.is(graph, anchor, event) {
                    true => Fate::Goes,
                    false => Fate::Stays,
                };
                (None, self.store.rewrite(fate)?)
            }
        };
        let forgotten: Vec<(SourceId, Source)> = source
            .map(|id| {
                (id, Source { position: None, pushed: None, retracted: true, ..view.sources()[id.0 as usize].clone() })
            })
            .into_iter()
            .collect();
        match rewritten {
            Some(rewritten) => self.replace(&view, rewritten, forgotten),
            None => {
                let changed = forgotten.iter().any(|(id, source)| view.sources()[id.0 as usize] != *source);
                if changed {
                    let delta = Delta::new(view.graph().namespaces().clone());
                    drop(view);
                    self.add(delta, Addition { read: forgotten, ..Addition::default() })?;
                }
                Ok(Undone { sequence: self.store.sequence(), changed, ..Undone::default() })
            }
        }
    }

    /// Puts rewritten events, and all that follows from them, in the place of what is stored.
    fn replace(
        &mut self,
        view: &View,
        rewritten: Rewritten,
        forgotten: Vec<(SourceId, Source)>,
    ) -> Result<Undone, Error> {
        let before = view.graph();
        let derived = derive(&view.over(rewritten.after.clone()))?;
        let seen: Vec<(IdentityId, Seen)> = before.identities().ids().map(|id| (id, derived.seen(id))).collect();
        let events = total(before) - derived.events;
        let graph = follows(before, &seen, derived)?;
        let changes = stored_changes(&graph, &all_sessions(before), &rewritten.after)?;
        let mut sources = view.sources().to_vec();
        for (id, source) in &forgotten {
            sources[id.0 as usize] = source.clone();
        }
        self.store.commit_rewritten(
            rewritten,
            &Retraction {
                seen: &seen,
                links: graph.links().as_slice(),
                sources: &forgotten,
                changes: &changes,
                overwritten: difference(before, &graph),
            },
        )?;
        self.drafts.forget();
        self.resolver.publish(self.published(graph, sources));
        self.feed.publish(self.store.feed());
        let changes = changes.len() as u64;
        Ok(Undone { events, changes, sequence: self.store.sequence(), changed: true })
    }
}

/// The graph over the same identities that follows from the events that are left.
fn follows(before: &Graph, seen: &[(IdentityId, Seen)], derived: Derived) -> Result<Graph, Error> {
    let unlinked = before.unlinked_pairs().map(|(lower, higher)| Unlink { lower, higher, stands: true });
    let namespaces = before.namespaces().clone();
    let mut graph = Graph::new(namespaces.clone());
    graph.apply(Delta {
        namespaces,
        identities: before.identities().clone(),
        seen: seen.to_vec(),
        links: derived.links,
        unlinks: unlinked.collect(),
    })?;
    Ok(graph)
}

/// How many events are stored.
fn total(graph: &Graph) -> u64 {
    graph.identities().ids().map(|id| graph.seen(id).events).sum()
}

/// The id of an identity that may be new: no event need carry it.
fn named(graph: &Graph, delta: &mut Delta, namespace: NamespaceId, value: &str) -> Result<IdentityId, Error> {
    let value = value.trim();
    if value.is_empty() || value.len() > MAX_VALUE_BYTES {
        return Err(EngineError::Value { namespace: graph.namespaces().display(namespace).to_owned() }.into());
    }
    let value = Value::new(value);
    Ok(graph.identities().get(namespace, value).unwrap_or_else(|| {
        let new = delta.identities.intern(namespace, value);
        let id = IdentityId(graph.identities().len() as u32 + new.0);
        delta.seen.push((id, Seen::NEVER));
        id
    }))
}

fn source_named(sources: &[Source], name: &str) -> Result<SourceId, Error> {
    let known = || sources.iter().filter(|source| !source.retracted);
    match source::find(sources, name) {
        Some((id, source)) if !source.retracted => Ok(id),
        _ => {
            let mut named: Vec<String> = known().take(SOURCES_NAMED).map(|source| source.name.clone()).collect();
            if let Some(more) = known().count().checked_sub(SOURCES_NAMED).filter(|&more| more > 0) {
                named.push(format!("and {more} more"));
            }
            Err(EngineError::UnknownSource { name: name.to_owned(), known: named.join(", ") }.into())
        }
    }
}

/// What becomes of an event when a source of it goes.
fn without(sources: &[SourceId], gone: SourceId) -> Fate {
    if !sources.contains(&gone) {
        return Fate::Stays;
    }
    let left: SmallVec<[SourceId; 4]> = sources.iter().copied().filter(|&source| source != gone).collect();
    if left.is_empty() { Fate::Goes } else { Fate::DeliveredBy(left) }
}
