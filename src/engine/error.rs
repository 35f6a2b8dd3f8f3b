//! What can go wrong in the engine itself.

use std::io;

use crate::model::error::{Error, ErrorKind};
use crate::model::limits::{MAX_POSITION_BYTES, MAX_SOURCE_NAME_BYTES, MAX_VALUE_BYTES};

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("cannot write the rejected lines")]
    Rejects(#[source] io::Error),
    #[error("the store holds the most identities it can ({limit}): split the log over several stores")]
    TooManyIdentities { limit: usize },
    #[error("no namespace of this store is unique, so it knows no customers, and every link joins")]
    NoUnique,
    #[error("that cannot be a value of {namespace}: it is blank, or longer than {MAX_VALUE_BYTES} bytes")]
    Value { namespace: String },
    #[error(
        "{name:?} cannot be a namespace: it is blank, too long or has a colon in it, or the store has no room for it"
    )]
    Namespace { name: String },
    #[error("both are of the namespace {name}, and no event links two of one namespace: name two of different ones")]
    SameNamespace { name: String },
    #[error("{old} and {new} are of two namespaces: an identity counts as another of its own")]
    TwoNamespaces { old: String, new: String },
    #[error("that would be a circle: {chain}; take one of these renames back first")]
    Circle { chain: String },
    #[error("{identity} counts as another already: take that back first")]
    IsRenamed { identity: String },
    #[error(
        "{new} is one of the values that are ignored as junk, and nobody is called so: set the old one aside if it is to count as nothing"
    )]
    RenamedToJunk { new: String },
    #[error("{identity} is set aside: release it first")]
    IsSetAside { identity: String },
    #[error("{name} is no source of this store, {}", if .known.is_empty() { "which has none".to_owned() } else { format!("whose sources are: {known}") })]
    UnknownSource { name: String, known: String },
    #[error("that cannot be the name of a source: it is blank, or longer than {MAX_SOURCE_NAME_BYTES} bytes")]
    SourceName,
    #[error("the source {name} is named twice: give each stream a name of its own")]
    SourceTwice { name: String },
    #[error(
        "the position has {bytes} bytes, and at most {MAX_POSITION_BYTES} are kept: keep a reference to it instead"
    )]
    Position { bytes: usize },
    #[error("more than {limit} identities are to be erased at once, and nothing was: erase them in parts")]
    TooManyForgotten { limit: usize },
    #[error("a thread broke off: this is a defect; the store holds the last whole commit and is sound")]
    Thread,
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        let kind = match &error {
            EngineError::Rejects(error) => ErrorKind::of_io(error, ErrorKind::Output),
            EngineError::TooManyIdentities { .. } | EngineError::TooManyForgotten { .. } => ErrorKind::Limit,
            EngineError::NoUnique
            | EngineError::Value { .. }
            | EngineError::Namespace { .. }
            | EngineError::SameNamespace { .. }
            | EngineError::TwoNamespaces { .. }
            | EngineError::Circle { .. }
            | EngineError::IsRenamed { .. }
            | EngineError::RenamedToJunk { .. }
            | EngineError::IsSetAside { .. }
            | EngineError::SourceName
            | EngineError::SourceTwice { .. }
            | EngineError::Position { .. } => ErrorKind::Argument,
            EngineError::UnknownSource { .. } => ErrorKind::UnknownSource,
            EngineError::Thread => ErrorKind::Defect,
        };
        Self::new(kind, error)
    }
}
