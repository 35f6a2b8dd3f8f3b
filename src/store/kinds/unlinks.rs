//! Decisions: pairs whose link counts as never seen, by (lower, higher).

use crate::model::identity::IdentityId;
use crate::model::link::Unlink;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::{self, TableRow};

impl TableRow for Unlink {
    const KIND: BlockKind = BlockKind::new(11, "unlinks", Loss::Salvaged);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = table::rows_of_largest_run;
    type Key = (IdentityId, IdentityId);

    fn key(&self) -> Self::Key {
        (self.lower, self.higher)
    }

    fn merge(self, later: Self) -> Self {
        later
    }

    fn without(self, erased: &Erased<'_>) -> Option<Self> {
        Some(Self { lower: erased.id(self.lower)?, higher: erased.id(self.higher)?, ..self })
    }

    fn write(&self, _: Option<&Self>, out: &mut Vec<u8>) {
        column::put(out, u64::from(self.lower.0));
        column::put(out, u64::from(self.higher.0));
        column::put(out, u64::from(self.stands));
    }

    fn read(_: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let (lower, higher) = (IdentityId(from.u32()?), IdentityId(from.u32()?));
        Some(Self { lower, higher, stands: from.flag()? })
    }
}
