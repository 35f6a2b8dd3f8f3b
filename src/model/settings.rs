//! What a store is made with and keeps for life.

use serde::{Deserialize, Serialize};

use crate::model::namespace::Levels;

/// What a store is made with. It decides what the facts are, so a store remembers it and refuses to be opened under another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The levels of the namespaces.
    pub levels: Levels,
    /// Which values are no identities.
    pub junk: Junk,
}

/// Which identity values are junk, whatever their case, in quotes or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Junk {
    /// Whether the built-in list applies (`null`, `undefined`, `anonymous`, …, all zeros and dashes).
    pub builtin: bool,
    /// Values beyond it, compared without regard to case.
    pub extra: Vec<String>,
}

impl Default for Junk {
    fn default() -> Self {
        Self { builtin: true, extra: Vec::new() }
    }
}
