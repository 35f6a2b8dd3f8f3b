//! The limits beyond which identities are set aside, by the commit that set them. The last row stands.

use crate::model::counting::Limits;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::{self, TableRow};

/// Limits, or none, with the commit that set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredLimits {
    /// The commit.
    pub generation: u64,
    /// The limits; none where nothing is set aside by itself.
    pub limits: Option<Limits>,
}

impl TableRow for StoredLimits {
    const KIND: BlockKind = BlockKind::new(18, "limits", Loss::Salvaged);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = table::all_rows;
    type Key = u64;

    fn key(&self) -> Self::Key {
        self.generation
    }

    fn merge(self, later: Self) -> Self {
        later
    }

    /// They tell of nobody.
    fn without(self, _: &Erased<'_>) -> Option<Self> {
        Some(self)
    }

    fn write(&self, _: Option<&Self>, out: &mut Vec<u8>) {
        column::put(out, self.generation);
        column::put(out, u64::from(self.limits.is_some()));
        let Limits { customers, sessions } = self.limits.unwrap_or_default();
        column::put(out, customers);
        column::put(out, sessions);
    }

    fn read(_: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let (generation, is_on) = (from.u64()?, from.flag()?);
        let limits = Limits { customers: from.u64()?, sessions: from.u64()? };
        Some(Self { generation, limits: is_on.then_some(limits) })
    }
}
