//! Why a line is no event.

use std::fmt;

use serde::{Serialize, Serializer};

/// Why a line was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// It is not one complete valid JSON object, or half of a surrogate pair stands in a text that is needed.
    Malformed,
    /// It has no `timestamp` (or `time`), or one that cannot be read.
    NoTimestamp,
    /// Its time is outside of the bounds: by default 1970-01-01 to 2100-01-01.
    OutOfRange,
    /// It has no identity, or none that can be used.
    NoIdentity,
    /// It holds two values of one namespace, and their spellings do not tell which to take.
    Conflict,
    /// It is longer than [`MAX_LINE_BYTES`](crate::model::limits::MAX_LINE_BYTES).
    TooLong,
}

impl Reason {
    /// All of them, in the order they are reported.
    pub const ALL: [Self; 6] =
        [Self::Malformed, Self::NoTimestamp, Self::OutOfRange, Self::NoIdentity, Self::Conflict, Self::TooLong];

    /// The word for it, as it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NoTimestamp => "no_timestamp",
            Self::OutOfRange => "time_out_of_range",
            Self::NoIdentity => "no_identity",
            Self::Conflict => "conflicting_identities",
            Self::TooLong => "too_long",
        }
    }
}

/// As its word.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

/// A rejected line: the reason, and what exactly was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// Why.
    pub reason: Reason,
    /// What exactly, for a reader.
    pub detail: String,
}

impl Reject {
    pub(super) fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { reason, detail: detail.to_string() }
    }
}

/// `malformed: a colon is missing after a key (byte 17)`.
impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.word(), self.detail)
    }
}

/// Characters of a value that a detail quotes.
const MAX_QUOTED: usize = 80;

/// A value in a detail: quoted, and cut where it is long.
pub(super) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MAX_QUOTED) {
            Some((end, _)) => write!(f, "{:?}…", self.0.get(..end).unwrap_or_default()),
            None => write!(f, "{:?}", self.0),
        }
    }
}
