//! Renaming an identity, and setting one aside: what events count as, worked out again from what was written.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::engine::changes::{all_sessions, difference, stored_changes};
use crate::engine::check::derive::derive;
use crate::engine::commit::{Addition, Committer};
use crate::engine::count::{Decision, counted};
use crate::engine::error::EngineError;
use crate::engine::people::follows;
use crate::engine::undo::{Undone, named};
use crate::graph::{Delta, Graph};
use crate::ingest::junk::is_junk;
use crate::model::counting::{Circle, Counting, CountsAs, Recount};
use crate::model::error::Error;
use crate::model::event::Event;
use crate::model::identity::{Identity, IdentityId};
use crate::model::link::Seen;
use crate::resolver::View;
use crate::resolver::kept::totals_of;
use crate::store::error::StoreError;
use crate::store::retract::{Fate, Retraction};

impl Committer<'_> {
    /// Commits decisions, all of them or none, or says what that would do (`dry`).
    pub fn recount(&mut self, decisions: &[Decision<'_>], dry: bool) -> Result<Undone, Error> {
        let delta = self.decided(decisions)?;
        self.recount_by(delta, dry)
    }

    /// The same of decisions as they stand in a delta, which names what is new.
    pub fn recount_by(&mut self, mut delta: Delta, dry: bool) -> Result<Undone, Error> {
        let nothing = Undone { sequence: self.store.sequence(), ..Undone::default() };
        if delta.recounts.is_empty() {
            return Ok(nothing);
        }
        let view = self.resolver.view();
        let mut before = view.graph().clone();
        let recounts = std::mem::take(&mut delta.recounts);
        let mut counting = before.counting().clone();
        recounts.iter().for_each(|&recount| counting.decide(recount));
        // Identities that no event carries yet: they change nothing, and are there when the rest is worked out.
        let names = delta.clone();
        before.apply(delta)?;
        let count = |anchor, event: &Event<'_>| counted(&before, &counting, anchor, event);
        let Some(rewritten) = self.store.rewrite(|_, _| Fate::Stays, count, true)? else {
            if dry {
                return Ok(Undone { changed: true, ..nothing });
            }
            drop(view);
            let changes =
                self.add(Delta { recounts: recounts.clone(), ..names }, Addition { recounts, ..Addition::default() })?;
            return Ok(Undone { events: 0, changes, sequence: self.store.sequence(), changed: true });
        };
        let events = differing(&view, &before, &counting)?;
        let derived = derive(&view.over_graph(before.clone(), rewritten.after.clone()))?;
        let seen: Vec<(IdentityId, Seen)> = before.identities().ids().map(|id| (id, derived.seen(id))).collect();
        let after = follows(&before, &seen, derived.links, &[], &recounts)?;
        let changes =
            stored_changes(&after, &all_sessions(&before, &after), &rewritten.after, &|_, event| Some(event))?;
        let told = Undone { events, changes: changes.len() as u64, changed: true, ..nothing };
        if dry {
            return Ok(told);
        }
        let (totals, counts) = (totals_of(&after, &rewritten.after, |id| id)?, after.count_all());
        let (sources, known) = (view.sources().to_vec(), view.graph().identities().len());
        drop(view);
        let new = (known as u32..after.identities().len() as u32).map(IdentityId);
        let new = new.map(|id| (after.identities().namespace(id), after.identities().value(id))).collect();
        self.store.commit_rewritten(
            rewritten,
            Retraction {
                namespaces: after.namespaces().spellings(),
                identities: new,
                seen: &seen,
                links: after.links().as_slice(),
                sources: &[],
                changes: &changes,
                overwritten: difference(&before, &after),
                recounts: &recounts,
                totals,
                counts,
            },
        )?;
        self.drafts.forget();
        self.resolver.publish(self.published(after, sources, (Some(totals), Some(counts))));
        self.feed.publish(self.store.feed());
        Ok(Undone { sequence: self.store.sequence(), ..told })
    }

    /// What is to be named, and the decisions of which another one stands.
    fn decided(&self, decisions: &[Decision<'_>]) -> Result<Delta, Error> {
        let view = self.resolver.read();
        let graph = view.graph();
        let mut delta = Delta::new(graph.namespaces().clone());
        let mut counting = graph.counting().clone();
        for decision in decisions {
            let (id, counts_as) = resolved(graph, &mut delta, &counting, decision)?;
            if let Decision::Rename(_, new) = decision
                && is_junk(&self.store.settings().junk, &new.value)
            {
                return Err(EngineError::RenamedToJunk { new: new.to_string() }.into());
            }
            if counting.decided(id) == counts_as {
                continue;
            }
            let recount = Recount { id, counts_as };
            counting.decide(recount);
            delta.recounts.push(recount);
            if let Some(Circle(chain)) = counting.circle(id) {
                let name = |&id: &IdentityId| match id.index().checked_sub(graph.identities().len()) {
                    None => graph.identities().value(id).to_string(),
                    Some(new) => delta.identities.value(IdentityId(new as u32)).to_string(),
                };
                let chain = chain.iter().map(name).collect::<Vec<_>>().join(" to ");
                return Err(EngineError::Circle { chain }.into());
            }
        }
        delta.seen.sort_unstable_by_key(|row| row.0);
        delta.seen.dedup_by_key(|row| row.0);
        delta.recounts.sort_unstable_by_key(|recount| recount.id);
        Ok(delta)
    }
}

/// Which identity a decision is about, and what it is to count as.
fn resolved(
    graph: &Graph,
    delta: &mut Delta,
    counting: &Counting,
    decision: &Decision<'_>,
) -> Result<(IdentityId, CountsAs), Error> {
    let text = |identity: &Identity| identity.to_string();
    let is_renamed = |identity| Err(EngineError::IsRenamed { identity: text(identity) }.into());
    match *decision {
        Decision::Rename(old, new) => {
            let [(namespace, id), (other, to)] = [named(graph, delta, old)?, named(graph, delta, new)?];
            if namespace != other {
                return Err(EngineError::TwoNamespaces { old: text(old), new: text(new) }.into());
            }
            match counting.decided(id) {
                _ if id == to => Err(EngineError::Circle { chain: format!("{} to {}", old.value, new.value) }.into()),
                CountsAs::Nothing => Err(EngineError::IsSetAside { identity: text(old) }.into()),
                CountsAs::Other(known) if known != to => is_renamed(old),
                CountsAs::Other(_) | CountsAs::Itself | CountsAs::Crowded | CountsAs::Kept => {
                    Ok((id, CountsAs::Other(to)))
                }
            }
        }
        Decision::RenameBack(identity) => {
            let (_, id) = named(graph, delta, identity)?;
            match counting.decided(id) {
                CountsAs::Other(_) => Ok((id, CountsAs::Itself)),
                CountsAs::Nothing => Err(EngineError::IsSetAside { identity: text(identity) }.into()),
                standing @ (CountsAs::Itself | CountsAs::Crowded | CountsAs::Kept) => Ok((id, standing)),
            }
        }
        Decision::SetAside(identity) => {
            let (_, id) = named(graph, delta, identity)?;
            match counting.decided(id) {
                CountsAs::Other(_) => is_renamed(identity),
                CountsAs::Itself | CountsAs::Nothing | CountsAs::Crowded | CountsAs::Kept => {
                    Ok((id, CountsAs::Nothing))
                }
            }
        }
        Decision::Release(identity) => {
            let (_, id) = named(graph, delta, identity)?;
            match counting.decided(id) {
                CountsAs::Other(_) => is_renamed(identity),
                CountsAs::Nothing => Ok((id, CountsAs::Itself)),
                // It is over the limits still: it is kept all the same.
                CountsAs::Crowded => Ok((id, CountsAs::Kept)),
                standing @ (CountsAs::Itself | CountsAs::Kept) => Ok((id, standing)),
            }
        }
        Decision::Keep(identity) => Ok((named(graph, delta, identity)?.1, CountsAs::Kept)),
    }
}

/// How many stored events count otherwise by `counting` than before.
fn differing(view: &View, graph: &Graph, counting: &Counting) -> Result<u64, StoreError> {
    let events = view.stored_events().as_written();
    let total = AtomicU64::new(0);
    let pieces = events.pieces(rayon::current_num_threads().max(1));
    pieces.into_par_iter().try_for_each(|piece| {
        let mut scan = events.scan(piece);
        while let Some(group) = scan.next()? {
            let anchor = group.anchor();
            let differs = |event: &Event<'_>| {
                counted(graph, graph.counting(), anchor, event) != counted(graph, counting, anchor, event)
            };
            total.fetch_add(group.events().filter(differs).count() as u64, Ordering::Relaxed);
        }
        Ok::<(), StoreError>(())
    })?;
    Ok(total.into_inner())
}
