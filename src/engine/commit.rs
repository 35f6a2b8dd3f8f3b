//! The commit of a batch: settled, durable, published, in this order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::engine::batch::{Batch, Room};
use crate::engine::error::{Cause, Error};
use crate::engine::settle::{Settled, settle};
use crate::graph::{Delta, Graph};
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen};
use crate::model::namespace::NamespaceId;
use crate::model::source::{Source, SourceId};
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
    /// Commits a batch: without an error it is durable and published. After one it is not published, and where it may be
    /// durable all the same the store takes no further commit until it is opened again.
    pub fn commit(&mut self, batch: Batch, pool: &rayon::ThreadPool) -> Result<Committed, Error> {
        // A panic would leave the replay waiting for the end of this commit for good.
        catch_unwind(AssertUnwindSafe(|| self.in_stages(batch, pool))).unwrap_or_else(|_| {
            self.store.poison("it broke off");
            Err(Cause::Thread.into())
        })
    }

    fn in_stages(&mut self, mut batch: Batch, pool: &rayon::ThreadPool) -> Result<Committed, Error> {
        let settled = pool.install(|| {
            let view = self.resolver.read();
            settle(&mut batch, view.graph(), view.stored_events())
        })?;
        self.make_durable(batch, settled)
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
            sources: &read_of(&batch),
        })?;
        drop(view);
        let (namespaces, identities) = (batch.namespaces.clone(), std::mem::take(&mut batch.identities));
        let delta = Delta { namespaces, identities, seen: settled.seen, links: settled.links, unlinks: Vec::new() };
        if let Err(error) = self.resolver.publish(delta, self.store.events(), sources) {
            // The store is a commit ahead of the graph: whatever was settled over that graph would be wrong in it.
            self.store.poison(&error.to_string());
            return Err(error.into());
        }
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

/// The sources of a batch, as a commit takes them.
fn read_of(batch: &Batch) -> Vec<(SourceId, Source)> {
    batch.sources.iter().map(|(&id, source)| (id, source.clone())).collect()
}

/// Puts the batch's positions among the known sources; says whether anything changed.
fn put_sources(sources: &mut Vec<Source>, batch: &Batch) -> bool {
    let mut changed = false;
    for (id, source) in &batch.sources {
        // Ids are given in the order in which sources are opened, and batches are committed in it: a new one is the next.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::share::Share;
    use crate::ingest::chunk::Chunk;
    use crate::ingest::decode::Decoder;
    use crate::model::namespace::Namespaces;
    use crate::model::settings::Settings;
    use crate::store::backend::MemoryBackend;
    use crate::store::error::StoreError;

    #[test]
    fn a_graph_that_falls_behind_its_store_takes_no_further_commit() {
        let settings = Settings::default();
        let bytes = br#"{"timestamp":1,"user":{"identities":{"sessionId":"s"}}}"#.to_vec();
        let chunk = Chunk { end: bytes.len() as u64, bytes, start: 0, unterminated: false, overlong: None };
        let empty = Graph::new(Namespaces::new(settings.levels.clone()));
        let batch = || {
            let mut share = Share::new(empty.namespaces().clone());
            share.decode(&Decoder::new(&settings.junk), &chunk, false);
            let mut batch = Batch::new(&empty, Room::new());
            batch.absorb(&empty, &share, SourceId(0)).unwrap();
            batch
        };
        // The graph knows the session that the store does not: what the store takes, the graph cannot.
        let mut ahead = empty.clone();
        let known = Delta { identities: batch().identities, ..Delta::new(empty.namespaces().clone()) };
        ahead.apply(known).unwrap();
        let mut store = Store::with_backend(Arc::new(MemoryBackend::default()), Some(&settings)).unwrap();
        let resolver = Resolver::new(ahead, store.events(), Vec::new());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let mut committer = Committer { store: &mut store, resolver: &resolver };
        let mut error = || committer.commit(batch(), &pool).err().expect("it cannot be published").0;
        assert!(matches!(error(), Cause::Graph(_)), "durable, but not published");
        assert!(matches!(error(), Cause::Store(StoreError::Poisoned { .. })), "and nothing on top of it");
        assert_eq!(resolver.view().stored_events().rows(), 0);
    }
}
