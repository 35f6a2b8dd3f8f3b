//! Tables: rows in ascending order of a key, in runs of which a later one overrides an earlier one.
//!
//! A row is written as its difference from the row before it in the block. A row's [`TableRow`]
//! declares everything about its kind of block, and [`kinds`](crate::store::kinds) lists the kinds.

use std::iter::Peekable;
use std::vec;

use rayon::prelude::*;

use crate::store::backend::Backend;
use crate::store::block::{BLOCK_BYTES, BlockKey, BlockKind, HEADER_BYTES};
use crate::store::column::ColumnReader;
use crate::store::erased::Erased;
use crate::store::error::StoreError;
use crate::store::index::{self, IndexRow, LinkIndexBuilder};
use crate::store::manifest::StoreTotals;
use crate::store::packed::{pack, unpack};
use crate::store::run::{self, NewRun, Run, RunEntry, RunWriter};

/// Bytes of a block beside its rows: the header, their count and their length.
const OVERHEAD: usize = HEADER_BYTES + 8;

/// Blocks of a run that are read at a time: some megabytes when they are decoded.
const BLOCKS_AT_ONCE: u32 = 64;

/// Rows that room is made for before they are read, at most: a damaged count must not ask for memory.
const ROWS_FORESEEN: usize = 1 << 24;

/// The higher and the lower end of a link.
pub(crate) type EndsOf<R> = fn(&R) -> IndexRow;

/// A row of a table, and everything that the store has to know of its kind of block.
pub(crate) trait TableRow: Sized + Clone {
    /// The number of the kind, its word, and what the loss of a block means.
    const KIND: BlockKind;
    /// How many rows of the runs count, at least: where they are few, the runs are merged.
    const LIVE: fn(&StoreTotals, &[Run]) -> u64;
    /// What rows are ordered by; a run holds each key once.
    type Key: Ord + Copy;
    fn key(&self) -> Self::Key;
    /// What a row and one of a later run with the same key are together, when they are read and when runs are merged.
    fn merge(self, later: Self) -> Self;
    /// Its higher and its lower end, of a kind whose runs have an index by the higher one.
    const ENDS: Option<EndsOf<Self>> = None;
    /// The row in a store that is rewritten, without what is erased; `None` where it goes. It keeps its place among the others.
    fn without(self, erased: &Erased<'_>) -> Option<Self>;
    /// Appends the row, given the one before it in the block.
    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>);
    /// Reads what [`write`](Self::write) wrote; `None` where that cannot be it.
    fn read(before: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self>;
}

/// All rows of the runs: of a kind whose keys are never written again.
pub(crate) fn all_rows(_: &StoreTotals, runs: &[Run]) -> u64 {
    runs.iter().map(|run| run.rows).sum()
}

/// The rows of the largest run: of a kind whose keys nothing counts.
pub(crate) fn rows_of_largest_run(_: &StoreTotals, runs: &[Run]) -> u64 {
    runs.iter().map(|run| run.rows).max().unwrap_or(0)
}

/// Writes rows, ascending, into the blocks of a run.
pub(crate) struct TableWriter<R> {
    run: RunWriter,
    bytes: Vec<u8>,
    rows: u32,
    before: Option<R>,
    index: LinkIndexBuilder,
}

impl<R: TableRow> TableWriter<R> {
    pub(crate) fn new(run: NewRun) -> Self {
        let run = RunWriter::new(R::KIND, run);
        Self { run, bytes: Vec::new(), rows: 0, before: None, index: LinkIndexBuilder::default() }
    }

    pub(crate) fn push(&mut self, row: R) -> Result<(), StoreError> {
        let start = self.bytes.len();
        row.write(self.before.as_ref(), &mut self.bytes);
        if self.rows > 0 && self.bytes.len() + OVERHEAD > BLOCK_BYTES {
            self.bytes.truncate(start);
            self.cut()?;
            row.write(None, &mut self.bytes);
        }
        self.rows += 1;
        if let Some(ends) = R::ENDS {
            self.index.push(ends(&row));
        }
        self.before = Some(row);
        Ok(())
    }

    fn cut(&mut self) -> Result<(), StoreError> {
        if self.rows > 0 {
            self.run.push(pack(self.rows, &self.bytes)?, u64::from(self.rows))?;
        }
        self.bytes.clear();
        self.rows = 0;
        self.before = None;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Option<Run>, StoreError> {
        self.cut()?;
        index::write(&mut self.run, self.index.blocks()?)?;
        Ok(self.run.finish()?.map(Run::from))
    }
}

/// Reads one run of a table, block by block.
struct TableReader<'a, R> {
    backend: &'a dyn Backend,
    run: &'a RunEntry,
    next: u32,
    rows: Peekable<vec::IntoIter<R>>,
}

impl<'a, R: TableRow> TableReader<'a, R> {
    fn peek(&mut self) -> Result<Option<R::Key>, StoreError> {
        while self.rows.peek().is_none() {
            if self.next == self.run.blocks {
                return Ok(None);
            }
            self.rows = read_block::<R>(self.backend, self.run, self.next)?.into_iter().peekable();
            self.next += 1;
        }
        Ok(self.rows.peek().map(TableRow::key))
    }
}

/// The rows of one block, which ascend.
pub(crate) fn read_block<R: TableRow>(
    backend: &dyn Backend,
    entry: &RunEntry,
    index: u32,
) -> Result<Vec<R>, StoreError> {
    let key = BlockKey { kind: R::KIND, run: entry.number, index };
    run::read(backend, key, entry.generation, |body| {
        let rows = unpack(body, R::read)?;
        if rows.is_sorted_by(|one, next| one.key() < next.key()) {
            Ok(rows)
        } else {
            Err("its rows are out of order".into())
        }
    })
}

/// Calls back with the rows of a run, in order; some hundred blocks at a time are read on all cores of the current rayon pool, while the rows
/// of those before them are handed on.
pub(crate) fn each_row_of_run<R: TableRow + Send>(
    backend: &dyn Backend,
    run: &RunEntry,
    each: &mut (dyn FnMut(R) -> Result<(), StoreError> + Send),
) -> Result<(), StoreError> {
    let mut before: Vec<Vec<R>> = Vec::new();
    for from in (0..run.blocks).step_by(BLOCKS_AT_ONCE as usize).chain([run.blocks]) {
        let blocks = from..run.blocks.min(from.saturating_add(BLOCKS_AT_ONCE));
        let read = blocks.into_par_iter().map(|index| read_block::<R>(backend, run, index));
        let (read, handed) = rayon::join(
            || read.collect::<Result<_, StoreError>>(),
            || before.drain(..).flatten().try_for_each(&mut *each),
        );
        handed?;
        before = read?;
    }
    Ok(())
}

/// The rows of several runs, the oldest first, in ascending order, those of one key merged: as [`Table`] gives them, but all at once, read
/// on all cores of the current rayon pool.
pub(crate) fn rows<'a, R: TableRow + Send>(
    backend: &dyn Backend,
    runs: impl IntoIterator<Item = &'a Run>,
) -> Result<Vec<R>, StoreError> {
    let runs: Vec<&Run> = runs.into_iter().collect();
    let read = |run: &&Run| {
        let mut rows: Vec<R> = Vec::with_capacity((run.rows as usize).min(ROWS_FORESEEN));
        each_row_of_run(backend, run, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    };
    let runs: Vec<Vec<R>> = runs.par_iter().map(read).collect::<Result<_, StoreError>>()?;
    // The newest first, which are the smallest: so a row is seldom moved, wherever the others lie.
    Ok(runs.into_iter().rev().reduce(|later, earlier| united(earlier, later)).unwrap_or_default())
}

/// The rows of two runs. Keys mostly ascend from commit to commit: what lies in front of the later ones stays where it is.
fn united<R: TableRow>(mut earlier: Vec<R>, later: Vec<R>) -> Vec<R> {
    let Some(first) = later.first().map(TableRow::key) else { return earlier };
    let among = earlier.split_off(earlier.partition_point(|row| row.key() < first));
    earlier.reserve_exact(among.len() + later.len());
    let mut among = among.into_iter().peekable();
    for later in later {
        while let Some(row) = among.next_if(|row| row.key() < later.key()) {
            earlier.push(row);
        }
        earlier.push(match among.next_if(|row| row.key() == later.key()) {
            Some(row) => row.merge(later),
            None => later,
        });
    }
    earlier.extend(among);
    earlier
}

/// The rows of several runs in ascending order, those of one key merged.
pub(crate) struct Table<'a, R> {
    /// The oldest first.
    runs: Vec<TableReader<'a, R>>,
}

impl<'a, R: TableRow> Table<'a, R> {
    pub(crate) fn new(backend: &'a dyn Backend, runs: impl IntoIterator<Item = &'a Run>) -> Self {
        let reader = |run: &'a Run| TableReader { backend, run, next: 0, rows: Vec::new().into_iter().peekable() };
        Self { runs: runs.into_iter().map(reader).collect() }
    }

    pub(crate) fn next(&mut self) -> Result<Option<R>, StoreError> {
        let mut least = None;
        for run in &mut self.runs {
            if let Some(key) = run.peek()? {
                least = Some(least.map_or(key, |known: R::Key| known.min(key)));
            }
        }
        let mut merged: Option<R> = None;
        for run in &mut self.runs {
            if let Some(row) = run.rows.next_if(|row| Some(row.key()) == least) {
                merged = Some(match merged {
                    Some(earlier) => earlier.merge(row),
                    None => row,
                });
            }
        }
        Ok(merged)
    }

    pub(crate) fn collect(mut self) -> Result<Vec<R>, StoreError> {
        let mut rows = Vec::new();
        while let Some(row) = self.next()? {
            rows.push(row);
        }
        Ok(rows)
    }
}

/// The rows in ascending order.
///
/// # Errors
/// When a key occurs twice.
pub(crate) fn sorted<R: TableRow>(rows: &[R]) -> Result<Vec<R>, StoreError> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(TableRow::key);
    if !rows.is_sorted_by(|one, next| one.key() < next.key()) {
        return Err(StoreError::Invalid("a row occurs twice".into()));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::identity::IdentityId;
    use crate::model::link::Seen;
    use crate::model::time::Time;

    /// Rows by their keys, each of which tells which run it is of.
    fn rows(run: u64, ids: &[u32]) -> Vec<(IdentityId, Seen)> {
        let seen = Seen { first: Time::from_micros(0), last: Time::from_micros(0), events: run };
        ids.iter().map(|&id| (IdentityId(id), seen)).collect()
    }

    #[test]
    fn runs_are_united_wherever_they_overlap() {
        let lists: [&[u32]; 9] =
            [&[], &[5], &[0, 9], &[1, 2, 3], &[3, 4, 5], &[6, 7], &[0, 1, 8, 9], &[2, 5, 7], &[9, 10, 12]];
        for earlier in lists {
            for later in lists {
                let both = [rows(1, earlier), rows(2, later)];
                // Of one key the later row counts.
                let expected: BTreeMap<IdentityId, Seen> = both.iter().flatten().copied().collect();
                let [earlier, later] = both;
                let shown = format!("{earlier:?} {later:?}");
                assert_eq!(united(earlier, later), expected.into_iter().collect::<Vec<_>>(), "{shown}");
            }
        }
    }
}
