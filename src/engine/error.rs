//! What can go wrong.

use std::io;

use crate::graph::GraphError;
use crate::ingest::error::IngestError;
use crate::store::error::{BackendError, StoreError};

/// Why the engine could not do what it was asked. Its text names the file or store, and the remedy.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] pub(crate) Cause);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(
        "cannot write the rejected lines: {0}: free some space or name another file, then run the same command again"
    )]
    Rejects(#[source] io::Error),
    #[error("cannot start {threads} threads: {source}: ask for fewer")]
    Threads { threads: usize, source: rayon::ThreadPoolBuildError },
    #[error("the store holds the most identities it can ({limit}): split the log over several stores")]
    TooManyIdentities { limit: usize },
    #[error("the log names more than {limit} namespaces: do values stand in it where names belong?")]
    TooManyNamespaces { limit: usize },
    #[error("no namespace of this store is unique, so it knows no customers, and every link joins")]
    NoUnique,
    #[error("that can be no {namespace}: it is blank, or longer than {} bytes", crate::model::limits::MAX_VALUE_BYTES)]
    Value { namespace: String },
    #[error("{name} is no source of this store, {}", if .known.is_empty() { "which has none".to_owned() } else { format!("whose sources are: {known}") })]
    UnknownSource { name: String, known: String },
    #[error("a thread broke off: this is a defect; the store holds the last whole commit and is sound")]
    Thread,
}

impl Error {
    /// Whether there is no store yet.
    pub fn is_missing(&self) -> bool {
        matches!(self.0, Cause::Store(StoreError::Missing(_)))
    }

    /// Whether another process has the store open.
    pub fn is_in_use(&self) -> bool {
        matches!(self.0, Cause::Store(StoreError::Backend(BackendError::Locked(_))))
    }

    /// Whether the store is damaged, so that a repair may help.
    pub fn is_damage(&self) -> bool {
        matches!(self.0, Cause::Store(StoreError::Damaged(_)))
    }
}

impl From<IngestError> for Error {
    fn from(error: IngestError) -> Self {
        Self(error.into())
    }
}

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Self {
        Self(error.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}
