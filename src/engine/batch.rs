//! A batch: the events between two commits, over the store's identities and the new ones.

use crate::engine::error::Cause;
use crate::engine::rows::Rows;
use crate::engine::sets::SetId;
use crate::engine::share::Share;
use crate::graph::Graph;
use crate::graph::interner::Interner;
use crate::model::digest::IdentityHash;
use crate::model::identity::{IdentityId, Value};
use crate::model::limits::MAX_IDENTITIES;
use crate::model::namespace::{NamespaceId, Namespaces};
use crate::model::source::{Source, SourceId};
use smallvec::SmallVec;

/// The events between two commits.
pub struct Batch {
    /// The namespaces of the graph, and the ones met since.
    pub namespaces: Namespaces,
    /// The new identities; their ids follow on those of the graph.
    pub identities: Interner,
    /// The events.
    pub rows: Rows,
    /// The sources that were read, and how far.
    pub sources: Vec<(SourceId, Source)>,
    /// How many identities the graph holds.
    base: usize,
}

impl Batch {
    /// No events yet, on top of what `graph` holds.
    pub fn new(graph: &Graph) -> Self {
        Self {
            namespaces: graph.namespaces().clone(),
            identities: Interner::new(),
            rows: Rows::new(),
            sources: Vec::new(),
            base: graph.identities().len(),
        }
    }

    /// Takes over the events of a share. Costs a hash look-up for each identity of the share and a copy of its rows.
    pub fn absorb(&mut self, graph: &Graph, share: &Share, source: SourceId) -> Result<(), Cause> {
        let namespaces: Vec<Option<NamespaceId>> =
            share.namespaces.names().iter().map(|name| self.namespaces.intern(name)).collect();
        let mut identities = Vec::with_capacity(share.identities.len());
        for id in share.identities.ids() {
            let local = share.identities.namespace(id);
            // A share makes no namespace that a store cannot hold, but together they may make too many:
            // the limit is far beyond any schema, and what exceeds it goes by its number in the share.
            let namespace = namespaces[usize::from(local.0)].unwrap_or(local);
            identities.push(self.intern(graph, namespace, share.identities.value(id))?);
        }
        let mut room = SmallVec::<[IdentityId; 8]>::new();
        let sets: Vec<SetId> = (0..share.rows.sets.len() as u32)
            .map(|set| {
                room.clear();
                room.extend(share.rows.sets.get(SetId(set)).iter().map(|id| identities[id.index()]));
                self.rows.sets.intern(&room)
            })
            .collect();
        self.rows.absorb(&share.rows, &identities, &sets, source);
        Ok(())
    }

    /// Notes how far a source was read.
    pub fn read(&mut self, id: SourceId, source: Source) {
        match self.sources.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = source,
            None => self.sources.push((id, source)),
        }
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.rows.all.is_empty() && self.sources.is_empty()
    }

    /// Whether the graph holds the identity (so that stored events may carry it).
    pub fn is_old(&self, id: IdentityId) -> bool {
        id.index() < self.base
    }

    /// The namespace of an old or new identity.
    pub fn namespace(&self, graph: &Graph, id: IdentityId) -> NamespaceId {
        match self.new_id(id) {
            Some(new) => self.identities.namespace(new),
            None => graph.identities().namespace(id),
        }
    }

    /// The hash of an old or new identity.
    pub fn hash(&self, graph: &Graph, id: IdentityId) -> IdentityHash {
        let (namespace, value) = match self.new_id(id) {
            Some(new) => (self.identities.namespace(new), self.identities.value(new)),
            None => (graph.identities().namespace(id), graph.identities().value(id)),
        };
        IdentityHash::new(&self.namespaces.names()[usize::from(namespace.0)], value)
    }

    fn new_id(&self, id: IdentityId) -> Option<IdentityId> {
        id.0.checked_sub(self.base as u32).map(IdentityId)
    }

    fn intern(&mut self, graph: &Graph, namespace: NamespaceId, value: Value<'_>) -> Result<IdentityId, Cause> {
        if let Some(old) = graph.identities().get(namespace, value) {
            return Ok(old);
        }
        if self.base + self.identities.len() >= MAX_IDENTITIES {
            return Err(Cause::TooManyIdentities { limit: MAX_IDENTITIES });
        }
        Ok(IdentityId(self.base as u32 + self.identities.intern(namespace, value).0))
    }
}
