//! Taking back: a link, the events of a source, an event. Afterwards the store answers as one that never saw it.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde::Serialize;
use smallvec::SmallVec;

use crate::engine::changes::{all_sessions, candidates, difference, stored_changes};
use crate::engine::check::derive::derive;
use crate::engine::commit::{Addition, Committer};
use crate::engine::count::counted;
use crate::engine::error::EngineError;
use crate::engine::people::follows;
use crate::engine::source;
use crate::graph::{Delta, Graph};
use crate::model::error::Error;
use crate::model::event::Event;
use crate::model::history::Sequence;
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::limits::MAX_VALUE_BYTES;
use crate::model::link::{Seen, Unlink};
use crate::model::namespace::NamespaceId;
use crate::model::source::{Source, SourceId};
use crate::resolver::View;
use crate::resolver::kept::totals_of;
use crate::resolver::wanted::WantedEvent;
use crate::store::erase::KeptEvent;
use crate::store::recount::CountedEvent;
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
    /// Events that went, or that count otherwise.
    pub events: u64,
    /// Changes that it added to the feed: sessions whose row changed.
    pub changes: u64,
    /// The number of the last change of the feed.
    pub sequence: Sequence,
    /// Whether anything differs from before.
    pub changed: bool,
}

impl Committer<'_> {
    /// Lets the link of two identities count as never seen, or count again.
    pub fn unlink(&mut self, pair: &[Identity; 2], stands: bool) -> Result<Undone, Error> {
        let changes = self.decide(std::slice::from_ref(pair), stands)?;
        self.keep_totals();
        let changed = changes.is_some();
        Ok(Undone { events: 0, changes: changes.unwrap_or(0), sequence: self.store.sequence(), changed })
    }

    /// Lets the links of these pairs count as never seen, in one commit, and says how many counted before.
    pub fn unlink_all(&mut self, pairs: &[[Identity; 2]]) -> Result<u64, Error> {
        let before = self.resolver.read().graph().unlinked_pairs().count();
        self.decide(pairs, true)?;
        Ok((self.resolver.read().graph().unlinked_pairs().count() - before) as u64)
    }

    /// Commits the decisions about pairs of which another one stands, and says how many changes that added to the feed; `None` where
    /// there is none.
    pub fn decide(&mut self, pairs: &[[Identity; 2]], stands: bool) -> Result<Option<u64>, Error> {
        let delta = decided(self.resolver.read().graph(), pairs, stands)?;
        if delta.unlinks.is_empty() {
            return Ok(None);
        }
        self.add(delta, Addition::default()).map(Some)
    }

    /// What [`unlink`](Self::unlink) would do.
    pub fn would_unlink(&self, pair: &[Identity; 2], stands: bool) -> Result<Undone, Error> {
        let view = self.resolver.view();
        let delta = decided(view.graph(), std::slice::from_ref(pair), stands)?;
        let changed = !delta.unlinks.is_empty();
        let (mut after, seen) = (view.graph().clone(), delta.seen.clone());
        let applied = after.apply(delta)?;
        let sessions = candidates(&after, &applied, &seen);
        let changes = stored_changes(&after, &sessions, view.stored_events(), &|_, event| Some(event))?;
        let events = changes.iter().filter_map(|change| change.moved).map(|moved| moved.events).sum();
        Ok(Undone { events, changes: changes.len() as u64, sequence: self.store.sequence(), changed })
    }

    /// Takes events back.
    pub fn retract(&mut self, what: Retract<'_>) -> Result<Undone, Error> {
        let view = self.resolver.view();
        let count = |anchor, event: &Event<'_>| counted(view.graph(), view.graph().counting(), anchor, event);
        let (source, rewritten) = match what {
            Retract::Source(name) => {
                let id = source_named(view.sources(), &self.store.barred().source_name(name))?;
                (Some(id), self.store.rewrite(|_, event| without(event.sources, id), count, false)?)
            }
            Retract::Event(id) => {
                let (wanted, graph) = (WantedEvent::new(id), view.graph());
                // It is named as it counts, or as it was written.
                let is_wanted = |anchor, event: &Event<'_>| {
                    wanted.is(graph, anchor, event)
                        || match count(anchor, event) {
                            CountedEvent::As(anchor, ids) => {
                                wanted.is(graph, anchor, &Event { companions: &ids, ..*event })
                            }
                            CountedEvent::AsWritten | CountedEvent::Nothing => false,
                        }
                };
                let fate = |anchor, event: &Event<'_>| if is_wanted(anchor, event) { Fate::Goes } else { Fate::Stays };
                (None, self.store.rewrite(fate, count, false)?)
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
        let graph = follows(before, &seen, derived.links, &[], &[])?;
        let kept: KeptEvent<'_> = &|_, event| Some(event);
        let changes = stored_changes(&graph, &all_sessions(before, &graph), &rewritten.after, kept)?;
        let (totals, counts) = (totals_of(&graph, &rewritten.after, |id| id)?, graph.count_all());
        let mut sources = view.sources().to_vec();
        for (id, source) in &forgotten {
            sources[id.0 as usize] = source.clone();
        }
        self.store.commit_rewritten(
            rewritten,
            Retraction {
                namespaces: graph.namespaces().spellings(),
                identities: Vec::new(),
                seen: &seen,
                links: graph.links().as_slice(),
                sources: &forgotten,
                changes: &changes,
                overwritten: difference(before, &graph),
                recounts: &[],
                totals,
                counts,
            },
        )?;
        self.drafts.forget();
        self.resolver.publish(self.published(graph, sources, (Some(totals), Some(counts))));
        self.feed.publish(self.store.feed());
        let changes = changes.len() as u64;
        Ok(Undone { events, changes, sequence: self.store.sequence(), changed: true })
    }
}

/// The decisions about pairs of which another one stands.
fn decided(graph: &Graph, pairs: &[[Identity; 2]], stands: bool) -> Result<Delta, Error> {
    let mut delta = Delta::new(graph.namespaces().clone());
    let known: HashSet<(IdentityId, IdentityId)> = graph.unlinked_pairs().collect();
    let mut decided = HashSet::new();
    for pair in pairs {
        let (lower, higher) = ends(graph, &mut delta, pair)?;
        if known.contains(&(lower, higher)) != stands && decided.insert((lower, higher)) {
            delta.unlinks.push(Unlink { lower, higher, stands });
        }
    }
    delta.seen.sort_unstable_by_key(|row| row.0);
    delta.seen.dedup_by_key(|row| row.0);
    Ok(delta)
}

/// How many events are stored.
fn total(graph: &Graph) -> u64 {
    graph.identities().ids().map(|id| graph.seen(id).events).sum()
}

/// The ends of the link that two identities have, or would have.
fn ends(graph: &Graph, delta: &mut Delta, pair: &[Identity; 2]) -> Result<(IdentityId, IdentityId), Error> {
    let [a, b] = [named(graph, delta, &pair[0])?, named(graph, delta, &pair[1])?];
    match delta.namespaces.cmp(a.0, b.0) {
        Ordering::Less => Ok((a.1, b.1)),
        Ordering::Greater => Ok((b.1, a.1)),
        Ordering::Equal => Err(EngineError::SameNamespace { name: delta.namespaces.display(a.0).to_owned() }.into()),
    }
}

/// An identity that may be new: no event need carry it.
pub(super) fn named(graph: &Graph, delta: &mut Delta, identity: &Identity) -> Result<(NamespaceId, IdentityId), Error> {
    let name = identity.namespace.trim();
    let namespace = delta.namespaces.intern_configured(name);
    let namespace = namespace.ok_or_else(|| EngineError::Namespace { name: name.to_owned() })?;
    let value = identity.value.trim();
    if value.is_empty() || value.len() > MAX_VALUE_BYTES {
        return Err(EngineError::Value { namespace: delta.namespaces.display(namespace).to_owned() }.into());
    }
    let value = Value::new(value);
    let id = graph.identities().get(namespace, value).unwrap_or_else(|| {
        let new = delta.identities.intern(namespace, value);
        let id = IdentityId(graph.identities().len() as u32 + new.0);
        delta.seen.push((id, Seen::NEVER));
        id
    });
    Ok((namespace, id))
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
