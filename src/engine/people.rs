//! From a store to the people in it.

use crate::graph::interner::{IdentityColumn, Interner};
use crate::graph::links::Links;
use crate::graph::load::AllFacts;
use crate::graph::{Delta, Graph};
use crate::model::counting::Recount;
use crate::model::error::Error;
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Seen, Unlink};
use crate::model::namespace::{NamespaceId, Namespaces};
use crate::model::when::CommitStamp;
use crate::resolver::{Published, Resolver};
use crate::store::Store;
use crate::store::load::{IdentityPart, Loaded};

/// Loads everything but the events. Costs a read of all identities and links, and a sort of the links.
pub fn load(store: &Store) -> Result<Resolver, Error> {
    Ok(Resolver::new(published(store)?))
}

/// What the last commit published. Costs as [`load`].
pub fn published(store: &Store) -> Result<Published, Error> {
    let (identities, mut loaded) = store.load()?;
    let sources = std::mem::take(&mut loaded.sources);
    let graph = build(store, identities, loaded)?;
    let (sequence, totals, counts) = (store.sequence(), store.totals()?, store.counts()?);
    Ok(Published { graph, events: store.events(), sources, sequence, totals, counts })
}

/// The graph over the identities of another that follows from other facts, with the decisions that stand there, and some more.
pub fn follows(
    before: &Graph,
    seen: &[(IdentityId, Seen)],
    links: Links,
    more: &[Unlink],
    recounts: &[Recount],
) -> Result<Graph, Error> {
    let unlinked = before.unlinked_pairs().map(|(lower, higher)| Unlink { lower, higher, stands: true });
    let unlinks = unlinked.chain(more.iter().copied()).collect();
    let namespaces = before.namespaces().clone();
    let mut graph = Graph::new(namespaces.clone());
    let (identities, seen) = (before.identities().clone(), seen.to_vec());
    let recounts = before.counting().all().chain(recounts.iter().copied()).collect();
    graph.apply(Delta { namespaces, identities, seen, links, unlinks, recounts })?;
    Ok(graph)
}

/// The graph alone, as of the last commit.
pub fn graph(store: &Store) -> Result<Graph, Error> {
    let (identities, loaded) = store.load()?;
    build(store, identities, loaded)
}

/// The graph as the store published it after a commit that it told.
pub fn graph_known_at(store: &Store, commit: CommitStamp) -> Result<Graph, Error> {
    let (identities, mut loaded) = store.load()?;
    store.go_back(commit, &mut loaded)?;
    build(store, identities, loaded)
}

impl IdentityPart for IdentityColumn {
    fn reserve(&mut self, more: usize) {
        Self::reserve(self, more);
    }

    fn push(&mut self, namespace: NamespaceId, value: Value<'_>) {
        Self::push(self, namespace, value);
    }

    fn append(&mut self, next: &mut Self) {
        Self::append(self, next);
    }
}

fn build(store: &Store, identities: IdentityColumn, loaded: Loaded) -> Result<Graph, Error> {
    let namespaces = namespaces(store, &loaded.namespaces);
    let Loaded { seen, links, unlinks, recounts, .. } = loaded;
    Ok(Graph::of(AllFacts { namespaces, identities, seen, links, unlinks, recounts })?)
}

/// Loads the identities alone, as people without links: what a repair begins with.
pub fn facts(store: &Store) -> Result<(Graph, Loaded), Error> {
    let (identities, loaded) = store.load_facts()?;
    let identities = Interner::of(identities);
    let namespaces = namespaces(store, &loaded.namespaces);
    let mut graph = Graph::new(namespaces.clone());
    graph.apply(Delta { identities, recounts: loaded.recounts.clone(), ..Delta::new(namespaces) })?;
    Ok((graph, loaded))
}

/// The namespaces of a store, of which `spellings` are the names by id.
pub fn namespaces(store: &Store, spellings: &[String]) -> Namespaces {
    let mut namespaces = Namespaces::new(store.settings().levels.clone());
    namespaces.take_over(spellings);
    namespaces
}
