//! How does a batch become durable and visible? Worked out on a draft of the graph, committed, published, in this order.

mod arriving;
pub mod draft;
mod settle;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;

use crate::engine::batch::{Batch, Room};
use crate::engine::changes::{candidates, overwritten, stored_changes};
use crate::engine::commit::arriving::ArrivingRows;
use crate::engine::commit::draft::{Draft, Drafts};
use crate::engine::commit::settle::{Settled, settle};
use crate::engine::error::EngineError;
use crate::engine::people;
use crate::graph::{Delta, Graph};
use crate::model::counting::Recount;
use crate::model::error::Error;
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen};
use crate::model::namespace::NamespaceId;
use crate::model::source::{Source, SourceId};
use crate::model::totals::{StoreCounts, Totals};
use crate::resolver::feed::handle::LastFeed;
use crate::resolver::kept::{Drafted, totals_with};
use crate::resolver::{Published, Resolver};
use crate::store::events::EventBlock;
use crate::store::{Commit, Store};

/// What may write: there is one of it, which goes to the thread that commits and comes back.
pub struct Committer<'e> {
    /// Where facts become durable.
    pub store: &'e mut Store,
    /// Who is told of them afterwards.
    pub resolver: &'e Resolver,
    /// Who is told what they changed.
    pub feed: &'e LastFeed,
    /// What they are worked out on.
    pub drafts: &'e mut Drafts,
}

/// What a commit added.
pub struct Committed {
    /// Events that no one delivered before.
    pub accepted: u64,
    /// Events delivered before.
    pub duplicate: u64,
    /// Of those that no one delivered before, how many had to be looked for all the same: they lie between stored ones of their anchor.
    pub between: u64,
    /// What is left of the batch.
    pub room: Room,
}

/// What a commit is to add beside what follows from it.
#[derive(Default)]
pub struct Addition<'b> {
    /// Rows of the batch that are to be written, as they count.
    pub arriving: ArrivingRows<'b>,
    /// The same, encoded.
    pub events: Vec<EventBlock>,
    /// What other events count as, encoded.
    pub counted: Vec<EventBlock>,
    /// These as they were written, encoded.
    pub written: Vec<EventBlock>,
    /// Decisions about what identities count as, as they stand in the delta.
    pub recounts: Vec<Recount>,
    /// Sources that are new or were read further.
    pub read: Vec<(SourceId, Source)>,
}

/// Totals and counts of a commit, where they are known.
type KeptCounts = (Option<Totals>, Option<StoreCounts>);

impl Committer<'_> {
    /// Commits a batch: without an error it is durable and published. After one it is not published, and where it may be
    /// durable all the same the store takes no further commit until it is opened again. Without a pool, that of the process works
    /// on it.
    pub fn commit(&mut self, batch: Batch, pool: Option<&rayon::ThreadPool>) -> Result<Committed, Error> {
        let stages = || match pool {
            Some(pool) => pool.install(|| self.in_stages(batch)),
            None => self.in_stages(batch),
        };
        // A panic would leave the replay waiting for the end of this commit for good.
        catch_unwind(AssertUnwindSafe(stages)).unwrap_or_else(|_| {
            self.store.poison("it broke off");
            self.restore(None);
            Err(EngineError::Thread.into())
        })
    }

    fn in_stages(&mut self, mut batch: Batch) -> Result<Committed, Error> {
        let (settled, moved) = {
            let view = self.resolver.read();
            batch.count(view.graph());
            let settled = settle(&mut batch, view.graph(), view.stored_events())?;
            let positions_moved =
                batch.sources.iter().any(|(id, source)| view.sources().get(id.0 as usize) != Some(source));
            // A rejected line leaves its names, too: whether one is beyond the limit follows from the lines before it alone.
            (settled, positions_moved || batch.namespaces.len() > view.graph().namespaces().len())
        };
        let Settled { accepted, duplicate, between, blocks, counted, written, links, mut seen } = settled;
        if ![&blocks, &counted, &written].iter().all(|blocks| blocks.is_empty()) || moved {
            merge_seen(&mut seen);
            let (namespaces, identities) = (batch.namespaces.clone(), std::mem::take(&mut batch.identities));
            let delta = Delta { identities, seen, links, ..Delta::new(namespaces) };
            let read = batch.sources.iter().map(|(&id, source)| (id, source.clone())).collect();
            let arriving = ArrivingRows::new(&batch.rows, &batch.grouped);
            self.add(delta, Addition { arriving, events: blocks, counted, written, read, ..Addition::default() })?;
        }
        Ok(Committed { accepted, duplicate, between, room: batch.into_room() })
    }

    /// Makes a delta, and what it adds to the store beside the graph, durable; then publishes it. Its `seen` is sorted by identity.
    /// Returns how many changes it adds to the feed.
    pub fn add(&mut self, delta: Delta, addition: Addition<'_>) -> Result<u64, Error> {
        let (mut sources, known) = {
            let last = self.resolver.read();
            (last.sources().to_vec(), (last.known_totals(), last.known_counts()))
        };
        put_sources(&mut sources, &addition.read);
        let mut draft = self.drafts.begin(self.resolver)?;
        let kept = Drafts::keep(&draft, &delta);
        match self.make_durable(&mut draft.graph, delta, addition, known) {
            Ok((changes, counted)) => {
                let published = self.published(draft.graph, sources, counted);
                self.drafts.publish(self.resolver, published, kept);
                self.feed.publish(self.store.feed());
                Ok(changes)
            }
            Err(error) => {
                self.restore(Some(draft));
                Err(error)
            }
        }
    }

    /// Returns how many changes that adds to the feed, and totals and counts with it, where `known` are those without it.
    fn make_durable(
        &mut self,
        graph: &mut Graph,
        delta: Delta,
        addition: Addition<'_>,
        known: KeptCounts,
    ) -> Result<(u64, KeptCounts), Error> {
        let (touched, unlinks) = (delta.seen.clone(), delta.unlinks.clone());
        let met: Vec<(IdentityId, IdentityId)> =
            delta.links.as_slice().iter().map(|link| (link.lower, link.higher)).collect();
        let applied = graph.apply(delta)?;
        let candidates = candidates(graph, &applied, &touched);
        let stored = self.store.events();
        let changes = stored_changes(graph, &candidates, &stored, &|_, event| Some(event))?;
        let events = &addition.arriving;
        let drafted = Drafted { graph, applied: &applied, seen: &touched, events, stored: &stored };
        let totals = known.0.map_or(Ok(None), |known| totals_with(known, &drafted))?;
        // Those of an earlier version are not known: they are counted here, and need no commit of their own.
        let counts = known.1.map_or_else(|| graph.count_all(), |known| graph.count_since(known, &applied));
        // A run that is read is not deleted.
        drop(stored);
        let identities: Vec<(NamespaceId, Value<'_>)> = (applied.identities as u32..graph.identities().len() as u32)
            .map(IdentityId)
            .map(|id| (graph.identities().namespace(id), graph.identities().value(id)))
            .collect();
        let seen: Vec<(IdentityId, Seen)> = touched.par_iter().map(|&(id, _)| (id, graph.seen(id))).collect();
        let links: Vec<Link> =
            met.par_iter().filter_map(|&(lower, higher)| graph.links().get(lower, higher)).copied().collect();
        self.store.commit(Commit {
            namespaces: graph.namespaces().spellings(),
            identities,
            seen: &seen,
            links: &links,
            events: addition.events,
            counted: addition.counted,
            written: addition.written,
            recounts: &addition.recounts,
            sources: &addition.read,
            changes: &changes,
            overwritten: overwritten(applied, unlinks),
            totals,
            counts: Some(counts),
        })?;
        Ok((changes.len() as u64, (totals, Some(counts))))
    }

    /// Counts everything where the last commit did not keep the totals up: one that changed too much for that, or one of an earlier
    /// version. They are a cache, and the change before is durable: where they cannot be counted or kept, that is as if they were not.
    pub fn keep_totals(&mut self) {
        let view = self.resolver.view();
        if let Ok(totals) = view.totals() {
            let _ = self.store.keep_totals(&totals, &view.counts());
        }
    }

    /// Puts back what a commit that failed has changed before anybody can read it. Where that was the only graph it is read
    /// again from the store, as of the last commit; where not even that can be done, it stays as it is: what it knows is true,
    /// if not durable.
    fn restore(&mut self, draft: Option<Draft>) {
        if draft.as_ref().is_some_and(|draft| !draft.is_taken()) {
            return;
        }
        let sources = self.resolver.read().sources().to_vec();
        let graph = people::graph(self.store).or_else(|error| {
            // Nothing may be built on a graph that is ahead of its store, or gone.
            self.store.poison(&error.to_string());
            draft.map(|draft| draft.graph).ok_or(())
        });
        if let Ok(graph) = graph {
            let kept = (self.store.totals().unwrap_or_default(), self.store.counts().unwrap_or_default());
            self.resolver.publish(self.published(graph, sources, kept));
        }
    }

    /// What is published of the last commit.
    pub fn published(&self, graph: Graph, sources: Vec<Source>, (totals, counts): KeptCounts) -> Published {
        Published { graph, events: self.store.events(), sources, sequence: self.store.sequence(), totals, counts }
    }
}

/// Sorts by identity and makes one of several for the same.
fn merge_seen(seen: &mut Vec<(IdentityId, Seen)>) {
    seen.par_sort_unstable_by_key(|&(id, seen)| (id, seen.first));
    seen.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1.merge(next.1);
        }
        same
    });
}

/// Puts positions among the known sources.
fn put_sources(sources: &mut Vec<Source>, read: &[(SourceId, Source)]) {
    for (id, source) in read {
        // Ids are given in the order in which sources are opened, and batches are committed in it: a new one is the next.
        match sources.get_mut(id.0 as usize) {
            Some(known) => known.clone_from(source),
            None => sources.push(source.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::batch::decoded::DecodedChunk;
    use crate::ingest::chunk::Chunk;
    use crate::ingest::decode::Decoder;
    use crate::ingest::fields::Fields;
    use crate::model::error::ErrorKind;
    use crate::model::namespace::Namespaces;
    use crate::model::settings::Settings;
    use crate::store::backend::MemoryBackend;
    use crate::store::barred::Barred;

    #[test]
    fn what_the_graph_cannot_take_is_not_made_durable() {
        let settings = Settings::default();
        let bytes = br#"{"timestamp":1,"user":{"identities":{"sessionId":"s"}}}"#;
        let chunk = Chunk::whole(bytes);
        let empty = Graph::new(Namespaces::new(settings.levels.clone()));
        let batch = || {
            let mut share = DecodedChunk::new(empty.namespaces().clone());
            share.decode(&Decoder::new(&settings.junk, &Fields::default()), &chunk, false);
            let mut batch = Batch::new(&empty, Room::new());
            batch.absorb(&empty, &share, SourceId(0), &Barred::default()).unwrap();
            batch
        };
        // The graph knows the session that the store does not: what the store takes, the graph cannot.
        let mut ahead = empty.clone();
        let known = Delta { identities: batch().identities, ..Delta::new(empty.namespaces().clone()) };
        ahead.apply(known).unwrap();
        let mut store = Store::with_backend(Arc::new(MemoryBackend::default()), Some(&settings)).unwrap();
        let (events, sequence) = (store.events(), store.sequence());
        let resolver = Resolver::new(Published {
            graph: ahead,
            events,
            sources: Vec::new(),
            sequence,
            totals: None,
            counts: None,
        });
        let feed = LastFeed::new(store.feed());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        for is_read in [true, false] {
            let _reader = is_read.then(|| resolver.clone());
            let mut drafts = Drafts::default();
            let mut committer = Committer { store: &mut store, resolver: &resolver, feed: &feed, drafts: &mut drafts };
            let error = committer.commit(batch(), Some(&pool)).err().expect("the graph holds it already");
            assert_eq!(error.kind(), ErrorKind::Unrepairable, "{error}");
            assert_eq!((store.generation(), store.events().rows()), (1, 0), "nothing is durable");
        }
    }
}
