//! Identities whose events are not taken in, as facts.

use serde::{Deserialize, Serialize};

use crate::engine::facts::Fact;
use crate::model::barred::{BarHash, IdentityBar};
use crate::model::time::Time;
use crate::store::barred::{BarKey, BarRow, OptOut, Tombstone};

/// An identity that was erased.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TombstoneFact {
    act: u64,
    hash: BarHash,
    /// The last moment of which events are not taken in, where there is one: microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    at: Time,
}

/// An identity that opted out, and the act that it did so in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptOutFact {
    act: u64,
    hash: BarHash,
    at: Time,
}

/// What is exported of a row that stands.
pub fn fact(row: BarRow) -> Option<Fact<'static>> {
    Some(match row {
        BarRow::Key(_, key) => Fact::Key(BarHash(key.0)),
        BarRow::Tombstone(hash, Tombstone { act, until, at, .. }) => Fact::Tombstone(TombstoneFact {
            act,
            hash,
            until: Some(until).filter(|&until| until != IdentityBar::FOR_GOOD),
            at,
        }),
        BarRow::OptOut(act, hash, OptOut { at, .. }) => Fact::OptOut(OptOutFact { act, hash, at }),
        BarRow::Text(hash) => Fact::Hidden(hash),
        // The decision that it is is exported by itself.
        BarRow::Cut(..) => return None,
    })
}

/// The row of a key.
pub fn key(key: BarHash) -> BarRow {
    BarRow::Key(0, BarKey(key.0))
}

impl From<TombstoneFact> for BarRow {
    fn from(TombstoneFact { act, hash, until, at }: TombstoneFact) -> Self {
        Self::Tombstone(hash, Tombstone { act, until: until.unwrap_or(IdentityBar::FOR_GOOD), at, stands: true })
    }
}

impl From<OptOutFact> for BarRow {
    fn from(OptOutFact { act, hash, at }: OptOutFact) -> Self {
        Self::OptOut(act, hash, OptOut { at, stands: true })
    }
}
