//! Decisions about what an identity counts as, by (identity, commit). All are kept: the last one up to a commit is what stood then.

use crate::model::counting::{CountsAs, Recount};
use crate::model::identity::IdentityId;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::{self, TableRow};

/// A decision, with the commit that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredRecount {
    /// The decision.
    pub recount: Recount,
    /// The commit.
    pub generation: u64,
}

const ITSELF: u64 = 0;
const OTHER: u64 = 1;
const NOTHING: u64 = 2;
const CROWDED: u64 = 3;
const KEPT: u64 = 4;

impl TableRow for StoredRecount {
    const KIND: BlockKind = BlockKind::new(17, "recounts", Loss::Salvaged);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = table::all_rows;
    type Key = (IdentityId, u64);

    fn key(&self) -> Self::Key {
        (self.recount.id, self.generation)
    }

    fn merge(self, later: Self) -> Self {
        later
    }

    fn without(self, erased: &Erased<'_>) -> Option<Self> {
        let counts_as = match self.recount.counts_as {
            CountsAs::Other(other) => CountsAs::Other(erased.id(other)?),
            same @ (CountsAs::Itself | CountsAs::Kept | CountsAs::Nothing | CountsAs::Crowded) => same,
        };
        Some(Self { recount: Recount { id: erased.id(self.recount.id)?, counts_as }, ..self })
    }

    fn write(&self, _: Option<&Self>, out: &mut Vec<u8>) {
        column::put(out, u64::from(self.recount.id.0));
        column::put(out, self.generation);
        match self.recount.counts_as {
            CountsAs::Itself => column::put(out, ITSELF),
            CountsAs::Other(other) => {
                column::put(out, OTHER);
                column::put(out, u64::from(other.0));
            }
            CountsAs::Nothing => column::put(out, NOTHING),
            CountsAs::Crowded => column::put(out, CROWDED),
            CountsAs::Kept => column::put(out, KEPT),
        }
    }

    fn read(_: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let (id, generation) = (IdentityId(from.u32()?), from.u64()?);
        let counts_as = match from.u64()? {
            ITSELF => CountsAs::Itself,
            OTHER => CountsAs::Other(IdentityId(from.u32()?)),
            NOTHING => CountsAs::Nothing,
            CROWDED => CountsAs::Crowded,
            KEPT => CountsAs::Kept,
            _ => return None,
        };
        Some(Self { recount: Recount { id, counts_as }, generation })
    }
}
