//! How much there is in the graph of a store, as of the last commit: one row, written again by each commit.
//!
//! A cache: where it is missing, everything is counted once.

use crate::model::totals::StoreCounts;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::kind::KindSpec;
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::{self, TableRow};

/// The kind of block. A commit puts its row in the place of the one before, so that there is nothing to merge.
pub(crate) const SPEC: KindSpec = KindSpec { merge: None, ..KindSpec::table::<StoreCounts>() };

impl TableRow for StoreCounts {
    const KIND: BlockKind = BlockKind::new(20, "counts", Loss::Rebuilt);
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
    }

    fn read(_: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let mut numbers = [0; 5];
        for number in &mut numbers {
            *number = from.u64()?;
        }
        Some(Self::of(numbers))
    }
}
