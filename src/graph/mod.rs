//! Who is the same person? Identities, the links between them, and the forest that the links amount to.
//!
//! Links are taken in the order of their key (first co-occurrence, higher identity, lower identity). One joins the
//! groups of its two ends, unless both hold a customer: then it is refused. That is a minimum spanning forest under
//! the key, once every customer is tied to a virtual root below all links; from this follow the short cuts of
//! [`Graph::apply`], and that parts of a history can be reduced apart ([`links::Links`]).
//!
//! The links are the truth and the forest a cache over them. Floor 1: imports `model` alone; no I/O, no clock, no randomness but
//! the seed of its tables, on which no answer depends.

mod applied;
mod apply;
mod counts;
mod dirty;
pub mod explain;
mod facts;
mod forest;
pub mod interner;
pub mod links;
pub mod load;
pub mod met;
mod order;
mod query;
pub mod shared;
pub mod sharing;
mod touching;
mod unlink;

#[cfg(test)]
mod large_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use hashbrown::HashSet;

pub use crate::graph::applied::Applied;
use crate::graph::facts::Facts;
use crate::graph::forest::Forest;
use crate::graph::interner::Interner;
use crate::graph::links::Links;
use crate::graph::touching::Touching;
use crate::model::counting::{Counting, Recount};
use crate::model::error::{Error, ErrorKind};
use crate::model::identity::IdentityId;
use crate::model::link::{Seen, Unlink};
use crate::model::namespace::Namespaces;
use crate::model::seen::SeenColumn;

/// The identity graph of a store: its facts, and who is the same person by them.
///
/// Its state is a function of the set of facts it was given, whatever the order and the deltas they came in, but for the
/// numbers of identities and links, and the order in which members are listed.
/// Costs about 65 bytes an identity (and its text) and 70 a link.
///
/// An [`IdentityId`] is a place in its identity table; one that it never gave panics, as indexing does.
#[derive(Debug, Clone)]
pub struct Graph {
    facts: Facts,
    forest: Forest,
}

/// What a batch adds to a graph.
#[derive(Debug, Clone)]
pub struct Delta {
    /// All namespaces: those of the graph, and perhaps more.
    pub namespaces: Namespaces,
    /// Identities that the graph does not hold; their ids follow on its last. An event's namespace and value
    /// that it does hold are looked up beforehand.
    pub identities: Interner,
    /// When identities, new and known, were seen; merged in. Every new one is to be here.
    pub seen: Vec<(IdentityId, Seen)>,
    /// Links; merged in.
    pub links: Links,
    /// Pairs whose link no longer counts, or counts again, in the order in which that was decided.
    pub unlinks: Vec<Unlink>,
    /// Decisions about what identities count as. Its own links and times follow them already.
    pub recounts: Vec<Recount>,
}

impl Delta {
    /// Nothing new.
    pub fn new(namespaces: Namespaces) -> Self {
        Self {
            namespaces,
            identities: Interner::new(),
            seen: Vec::new(),
            links: Links::new(),
            unlinks: Vec::new(),
            recounts: Vec::new(),
        }
    }
}

/// Why a [`Delta`] does not fit a [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Its namespaces do not begin with those of the graph, rank them otherwise, or lack one that its identities have.
    #[error("the namespaces of this batch do not continue those of the identity graph; rebuild the store from its log")]
    Namespaces,
    /// It holds an identity as new that the graph has already.
    #[error("identity {} is in the identity graph already; rebuild the store from its log", .0.0)]
    Known(IdentityId),
    /// A link, sighting or unlink names an identity that neither holds.
    #[error("identity {} is named by a link or a sighting but is in no table; rebuild the store from its log", .0.0)]
    Unknown(IdentityId),
    /// There would be more identities than a store can hold.
    #[error("more than {} identities; split the log over several stores", crate::model::limits::MAX_IDENTITIES)]
    TooMany,
}

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Self {
        let kind = match error {
            GraphError::TooMany => ErrorKind::Limit,
            GraphError::Namespaces | GraphError::Known(_) | GraphError::Unknown(_) => ErrorKind::Unrepairable,
        };
        Self::new(kind, error)
    }
}

impl Graph {
    /// A graph without identities.
    pub fn new(namespaces: Namespaces) -> Self {
        let facts = Facts {
            namespaces,
            identities: Interner::new(),
            seen: SeenColumn::default(),
            links: Links::new(),
            touching: Touching::default(),
            unlinked: HashSet::new(),
            counting: Counting::default(),
        };
        Self { facts, forest: Forest::default() }
    }

    /// The namespaces it has met.
    pub fn namespaces(&self) -> &Namespaces {
        &self.facts.namespaces
    }

    /// The identity table.
    pub fn identities(&self) -> &Interner {
        &self.facts.identities
    }

    /// When an identity was first and last seen.
    pub fn seen(&self, id: IdentityId) -> Seen {
        self.facts.seen.get(id)
    }

    /// What identities count as about which that was decided.
    pub fn counting(&self) -> &Counting {
        &self.facts.counting
    }

    /// All links, accepted or not.
    pub fn links(&self) -> &Links {
        &self.facts.links
    }
}
