//! `seen`: when each identity was seen, by its id.

use crate::model::identity::IdentityId;
use crate::model::link::Seen;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::TableRow;

impl TableRow for (IdentityId, Seen) {
    const KIND: BlockKind = BlockKind::new(4, "seen", Loss::Rebuilt);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = |totals, _| totals.identities;
    type Key = IdentityId;

    fn key(&self) -> IdentityId {
        self.0
    }

    fn merge(self, later: Self) -> Self {
        later
    }

    fn without(self, erased: &Erased<'_>) -> Option<Self> {
        Some((erased.id(self.0)?, self.1))
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        let (id, seen) = self;
        column::put_step(out, id.0, before.map(|row| row.0.0));
        column::put_time_since(out, seen.first, before.map(|row| row.1.first));
        column::put_time_since(out, seen.last, Some(seen.first));
        column::put(out, seen.events);
    }

    fn read(before: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let id = from.step(before.map(|row| row.0.0))?;
        let first = from.time_since(before.map(|row| row.1.first))?;
        Some((IdentityId(id), Seen { first, last: from.time_since(Some(first))?, events: from.u64()? }))
    }
}
