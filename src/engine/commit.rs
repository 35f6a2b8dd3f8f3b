//! The commit of a batch: settled, durable, published, in this order.

use crate::engine::batch::{Batch, Room};
use crate::engine::error::Error;
use crate::engine::settle::{Settled, settle};
use crate::graph::{Delta, Graph};
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen};
use crate::model::namespace::NamespaceId;
use crate::model::source::Source;
use crate::resolver::Resolver;
use crate::store::{Commit, Store};

/// What may write: there is one of it, which goes to the thread that commits and comes back.
pub struct Committer<'e> {
    /// Where facts become durable.
    pub store: &'e mut Store,
    /// Who is told of them afterwards.
    pub resolver: &'e Resolver,
}

/// What a commit added.
pub struct Committed {
    /// Events that no one delivered before.
    pub accepted: u64,
    /// Events delivered before.
    pub duplicate: u64,
    /// What is left of the batch.
    pub room: Room,
}

impl Committer<'_> {
    /// Commits a batch. When it returns without an error the batch is durable and published; after an error neither.
    pub fn commit(mut self, mut batch: Batch, pool: &rayon::ThreadPool) -> (Self, Result<Committed, Error>) {
        let settled = pool.install(|| {
            let view = self.resolver.read();
            settle(&mut batch, view.graph(), view.stored_events())
        });
        let outcome = settled.map_err(Error::from).and_then(|settled| self.make_durable(batch, settled));
        (self, outcome)
    }

    fn make_durable(&mut self, mut batch: Batch, mut settled: Settled) -> Result<Committed, Error> {
        let (accepted, duplicate) = (settled.accepted, settled.duplicate);
        let view = self.resolver.read();
        merge_seen(&mut settled.seen);
        let mut sources = view.sources().to_vec();
        let positions_moved = put_sources(&mut sources, &batch);
        if settled.blocks.is_empty() && !positions_moved {
            return Ok(Committed { accepted, duplicate, room: batch.into_room() });
        }
        let identities: Vec<(NamespaceId, Value<'_>)> =
            batch.identities.ids().map(|id| (batch.identities.namespace(id), batch.identities.value(id))).collect();
        self.store.commit(Commit {
            namespaces: batch.namespaces.names(),
            identities,
            seen: &seen_in_all(view.graph(), &batch, &settled.seen),
            links: &links_in_all(view.graph(), settled.links.as_slice()),
            events: settled.blocks,
            sources: &batch.sources,
        })?;
        drop(view);
        let (namespaces, identities) = (batch.namespaces.clone(), std::mem::take(&mut batch.identities));
        let delta = Delta { namespaces, identities, seen: settled.seen, links: settled.links };
        self.resolver.publish(delta, self.store.events(), sources)?;
        Ok(Committed { accepted, duplicate, room: batch.into_room() })
    }
}

/// Sorts by identity and makes one of several for the same.
fn merge_seen(seen: &mut Vec<(IdentityId, Seen)>) {
    seen.sort_unstable_by_key(|&(id, seen)| (id, seen.first));
    seen.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1.merge(next.1);
        }
        same
    });
}

/// Puts the batch's positions among the known sources; says whether anything changed.
fn put_sources(sources: &mut Vec<Source>, batch: &Batch) -> bool {
    let mut changed = false;
    for (id, source) in &batch.sources {
        // Ids are given in the order in which sources are opened, and batches keep it: a new one is the next.
        match sources.get_mut(id.0 as usize) {
            Some(known) if known == source => continue,
            Some(known) => known.clone_from(source),
            None => sources.push(source.clone()),
        }
        changed = true;
    }
    changed
}

/// When the identities of a batch were seen in all, the stored events included.
fn seen_in_all(graph: &Graph, batch: &Batch, added: &[(IdentityId, Seen)]) -> Vec<(IdentityId, Seen)> {
    let in_all = |&(id, mut seen): &(IdentityId, Seen)| {
        if batch.is_old(id) {
            seen.merge(graph.seen(id));
        }
        (id, seen)
    };
    added.iter().map(in_all).collect()
}

/// The links of a batch in all, the stored events included.
fn links_in_all(graph: &Graph, added: &[Link]) -> Vec<Link> {
    let in_all = |&(mut link): &Link| {
        if let Some(known) = graph.links().get(link.lower, link.higher) {
            link.merge(known);
        }
        link
    };
    added.iter().map(in_all).collect()
}
