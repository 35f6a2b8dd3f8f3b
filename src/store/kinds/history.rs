//! What commits did and overwrote, by generation: taken back from the newest on, it gives the store as it was.

use crate::model::history::{Overwritten, Sequence};
use crate::model::identity::IdentityId;
use crate::model::link::Unlink;
use crate::model::time::Time;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::manifest::{Manifest, StoreTotals};
use crate::store::run::Run;
use crate::store::table::{self, TableRow};

/// A row of what a commit did and overwrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Past {
    /// The commit.
    pub generation: u64,
    /// What it did or overwrote.
    pub what: Overwrite,
}

/// What a commit did or overwrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// The commit itself: the number of the last record by then, how many identities the store held, and when it was made.
    Commit { sequence: Sequence, identities: u32, at: Time },
    /// When an identity was first seen by what was known before.
    Seen(IdentityId, Option<Time>),
    /// The first co-occurrence of a pair by what was known before.
    Link(IdentityId, IdentityId, Option<Time>),
    /// A decision.
    Unlink(Unlink),
}

impl Overwrite {
    fn sort(&self) -> u64 {
        match self {
            Self::Commit { .. } => 0,
            Self::Seen(..) => 1,
            Self::Link(..) => 2,
            Self::Unlink(_) => 3,
        }
    }

    fn ids(&self) -> (u32, u32) {
        match self {
            Self::Commit { .. } => (0, 0),
            Self::Seen(id, _) => (id.0, 0),
            Self::Link(lower, higher, _) => (lower.0, higher.0),
            Self::Unlink(unlink) => (unlink.lower.0, unlink.higher.0),
        }
    }
}

/// A time that may be missing: a number before it says which.
fn put_maybe(out: &mut Vec<u8>, time: Option<Time>) {
    column::put(out, u64::from(time.is_some()));
    if let Some(time) = time {
        column::put_time_since(out, time, None);
    }
}

fn maybe(from: &mut ColumnReader<'_>) -> Option<Option<Time>> {
    Some(if from.flag()? { Some(from.time_since(None)?) } else { None })
}

impl TableRow for Past {
    const KIND: BlockKind = BlockKind::new(10, "history", Loss::FeedBegunAgain);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = table::all_rows;
    type Key = (u64, u64, u32, u32);

    fn key(&self) -> Self::Key {
        let (a, b) = self.what.ids();
        (self.generation, self.what.sort(), a, b)
    }

    fn merge(self, later: Self) -> Self {
        later
    }

    fn without(self, erased: &Erased<'_>) -> Option<Self> {
        let named = |id: IdentityId| if erased.unnames(id) { None } else { erased.id(id) };
        let what = match self.what {
            Overwrite::Commit { sequence, identities, at } => {
                Overwrite::Commit { sequence, identities: erased.count(identities), at }
            }
            Overwrite::Seen(id, time) => Overwrite::Seen(named(id)?, time),
            Overwrite::Link(lower, higher, time) => Overwrite::Link(named(lower)?, named(higher)?, time),
            Overwrite::Unlink(Unlink { lower, higher, stands }) => {
                Overwrite::Unlink(Unlink { lower: named(lower)?, higher: named(higher)?, stands })
            }
        };
        Some(Self { what, ..self })
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        column::put(out, self.generation - before.map_or(0, |row| row.generation));
        column::put(out, self.what.sort());
        let last = before.map_or((0, 0), |row| row.what.ids());
        let (a, b) = self.what.ids();
        match self.what {
            Overwrite::Commit { sequence, identities, at } => {
                column::put(out, sequence.0);
                column::put(out, u64::from(identities));
                column::put_time_since(out, at, None);
            }
            Overwrite::Seen(_, time) => {
                column::put_jump(out, IdentityId(a), IdentityId(last.0));
                put_maybe(out, time);
            }
            Overwrite::Link(_, _, time) => {
                column::put_jump(out, IdentityId(a), IdentityId(last.0));
                column::put_jump(out, IdentityId(b), IdentityId(last.1));
                put_maybe(out, time);
            }
            Overwrite::Unlink(unlink) => {
                column::put(out, u64::from(a));
                column::put(out, u64::from(b));
                column::put(out, u64::from(unlink.stands));
            }
        }
    }

    fn read(before: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let generation = before.map_or(0, |row| row.generation).checked_add(from.u64()?)?;
        let last = before.map_or((0, 0), |row| row.what.ids());
        let what = match from.u64()? {
            0 => {
                let (sequence, identities) = (Sequence(from.u64()?), from.u32()?);
                Overwrite::Commit { sequence, identities, at: from.time_since(None)? }
            }
            1 => Overwrite::Seen(from.jump(IdentityId(last.0))?, maybe(from)?),
            2 => Overwrite::Link(from.jump(IdentityId(last.0))?, from.jump(IdentityId(last.1))?, maybe(from)?),
            3 => {
                let (lower, higher) = (IdentityId(from.u32()?), IdentityId(from.u32()?));
                Overwrite::Unlink(Unlink { lower, higher, stands: from.flag()? })
            }
            _ => return None,
        };
        Some(Self { generation, what })
    }
}

/// The rows of what the commit did that leaves `held`, in order.
pub(crate) fn rows_of(overwritten: &Overwritten, held: &Manifest) -> Vec<Past> {
    let Manifest { generation, at, ref totals, .. } = *held;
    let (sequence, identities) = (Sequence(totals.sequence), totals.identities as u32);
    let entries = std::iter::once(Overwrite::Commit { sequence, identities, at })
        .chain(overwritten.seen.iter().map(|&(id, time)| Overwrite::Seen(id, time)))
        .chain(overwritten.links.iter().map(|&(lower, higher, time)| Overwrite::Link(lower, higher, time)))
        .chain(overwritten.unlinks.iter().map(|&unlink| Overwrite::Unlink(unlink)));
    let mut rows: Vec<Past> = entries.map(|what| Past { generation, what }).collect();
    rows.sort_unstable_by_key(TableRow::key);
    rows
}
