//! What the store holds, counted under the default reading, as of the last commit: one row, written again by each commit.
//!
//! A cache: where it is missing, all events are counted once.

use crate::model::digest::Digest;
use crate::model::totals::Totals;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::kind::KindSpec;
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::{self, TableRow};

/// The kind of block. A commit puts its row in the place of the one before, so that there is nothing to merge.
pub(crate) const SPEC: KindSpec = KindSpec { merge: None, ..KindSpec::table::<Totals>() };

impl TableRow for Totals {
    const KIND: BlockKind = BlockKind::new(19, "totals", Loss::Rebuilt);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = table::all_rows;
    type Key = ();

    fn key(&self) -> Self::Key {}

    fn merge(self, later: Self) -> Self {
        later
    }

    /// What is left is counted again.
    fn without(self, _: &Erased<'_>) -> Option<Self> {
        None
    }

    fn write(&self, _: Option<&Self>, out: &mut Vec<u8>) {
        self.numbers().into_iter().for_each(|number| column::put(out, number));
        out.extend_from_slice(&self.digest.to_bytes());
        out.extend_from_slice(&self.profiles.to_bytes());
    }

    fn read(_: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let mut numbers = [0; 8];
        for number in &mut numbers {
            *number = from.u64()?;
        }
        let mut digest = || Some(Digest::from_bytes(from.take(16)?.try_into().ok()?));
        Some(Self::of(numbers, [digest()?, digest()?]))
    }
}
