//! A graph from all facts of a store at once.

use crate::graph::facts::Facts;
use crate::graph::forest::Forest;
use crate::graph::interner::{IdentityColumn, Interner};
use crate::graph::links::Links;
use crate::graph::touching::Touching;
use crate::graph::{Graph, GraphError};
use crate::model::counting::{Counting, CountsAs, Recount};
use crate::model::identity::IdentityId;
use crate::model::limits::MAX_IDENTITIES;
use crate::model::link::{Link, Unlink};
use crate::model::namespace::Namespaces;
use crate::model::seen::SeenColumn;

/// Room for what is known and a sixteenth more, so that a night's events need no larger table.
fn with_more(known: usize) -> usize {
    known + known / 16
}

/// All facts of a graph.
#[derive(Debug)]
pub struct AllFacts {
    /// All namespaces.
    pub namespaces: Namespaces,
    /// All identities, none of which occurs twice.
    pub identities: IdentityColumn,
    /// When each of them was seen, by id; those that are missing at the end were not.
    pub seen: SeenColumn,
    /// All links, no two of one pair.
    pub links: Vec<Link>,
    /// The decisions about links that stand.
    pub unlinks: Vec<Unlink>,
    /// The decisions about what identities count as that stand.
    pub recounts: Vec<Recount>,
}

impl AllFacts {
    fn check(&self, identities: &Interner) -> Result<(), GraphError> {
        let len = identities.len();
        if identities.ids().any(|id| usize::from(identities.namespace(id).0) >= self.namespaces.len()) {
            return Err(GraphError::Namespaces);
        }
        if len > MAX_IDENTITIES {
            return Err(GraphError::TooMany);
        }
        let unlinks = self.unlinks.iter().flat_map(|unlink| [unlink.lower, unlink.higher]);
        let recounts = self.recounts.iter().flat_map(|recount| match recount.counts_as {
            CountsAs::Other(other) => [recount.id, other],
            CountsAs::Itself | CountsAs::Nothing | CountsAs::Crowded | CountsAs::Kept => [recount.id; 2],
        });
        let ends = self.links.iter().flat_map(|link| [link.lower, link.higher, link.witness.anchor]);
        let seen = self.seen.len().checked_sub(1).map(|last| IdentityId(last as u32));
        match ends.chain(unlinks).chain(recounts).chain(seen).find(|id| id.index() >= len) {
            Some(id) => Err(GraphError::Unknown(id)),
            None => Ok(()),
        }
    }
}

impl Graph {
    /// The graph that follows from facts: as if they were [applied](Self::apply) to an empty one, but without keeping account of what is
    /// new. Goes over the links twice, and sorts those that are not between an identity and the customer it was met with first.
    ///
    /// # Errors
    /// When they do not fit each other: see [`GraphError`].
    pub fn of(mut all: AllFacts) -> Result<Self, GraphError> {
        let identities = Interner::unindexed(std::mem::take(&mut all.identities));
        all.check(&identities)?;
        let AllFacts { namespaces, mut seen, links, unlinks, recounts, .. } = all;
        seen.grow(identities.len());
        let mut counting = Counting::default();
        recounts.into_iter().for_each(|recount| counting.decide(recount));
        let unlinked = unlinks.iter().map(|unlink| (unlink.lower, unlink.higher)).collect();
        let (links, touching) = (Links::unindexed(links), Touching::default());
        let facts = Facts { namespaces, identities, seen, links, touching, unlinked, counting };
        // The forest asks none of the tables.
        let by_identity = || facts.identities.table_of(with_more(facts.identities.len()));
        let touching = || Touching::of(facts.identities.len(), &facts.links);
        let by_pair = || facts.links.table_of(with_more(facts.links.len()));
        // The longest first: whichever core is free takes the next one.
        let (forest, (by_identity, (touching, by_pair))) =
            rayon::join(|| Forest::of(&facts), || rayon::join(by_identity, || rayon::join(touching, by_pair)));
        let (identities, links) = (facts.identities.indexed(by_identity), facts.links.indexed(by_pair));
        Ok(Self { facts: Facts { identities, links, touching, ..facts }, forest })
    }

    /// Joins all links from the beginning, as an opening does. Nothing changes by it but the order of members: it is there to be measured.
    pub fn rebuild_forest(&mut self) {
        // The old one goes first: there is room for one.
        self.forest = Forest::default();
        self.forest = Forest::of(&self.facts);
    }
}
