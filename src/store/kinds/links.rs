//! Links, by (lower, higher).

use crate::model::digest::EventHash;
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Witness};
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::{self, EndsOf, TableRow};

impl TableRow for Link {
    const KIND: BlockKind = BlockKind::new(5, "links", Loss::Rebuilt);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = table::rows_of_largest_run;
    const ENDS: Option<EndsOf<Self>> = Some(|link| (link.higher.0, link.lower.0));
    type Key = (IdentityId, IdentityId);

    fn key(&self) -> Self::Key {
        (self.lower, self.higher)
    }

    fn merge(self, later: Self) -> Self {
        later
    }

    fn without(self, erased: &Erased<'_>) -> Option<Self> {
        let (lower, higher) = (erased.id(self.lower)?, erased.id(self.higher)?);
        let anchor = erased.id(self.witness.anchor)?;
        Some(Self { lower, higher, witness: Witness { anchor, ..self.witness }, ..self })
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        column::put_step(out, self.lower.0, before.map(|row| row.lower.0));
        column::put(out, u64::from(self.higher.0));
        column::put_time_since(out, self.first, before.map(|row| row.first));
        column::put_time_since(out, self.last, Some(self.first));
        column::put(out, self.count);
        // The anchor is mostly the lower end.
        column::put_jump(out, self.witness.anchor, self.lower);
        out.extend_from_slice(&self.witness.event.0.to_le_bytes());
    }

    fn read(before: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let lower = IdentityId(from.step(before.map(|row| row.lower.0))?);
        let higher = IdentityId(from.u32()?);
        let first = from.time_since(before.map(|row| row.first))?;
        let last = from.time_since(Some(first))?;
        let count = from.u64()?;
        let anchor = from.jump(lower)?;
        let event = EventHash(u128::from_le_bytes(from.take(16)?.try_into().ok()?));
        Some(Self { lower, higher, first, witness: Witness { event, anchor }, last, count })
    }
}
