//! Merging runs, so that there are never many and what is superseded does not pile up.

use crate::store::error::StoreError;
use crate::store::index;
use crate::store::kinds::KINDS;
use crate::store::open::Store;
use crate::store::run::Run;
use crate::store::transaction::Transaction;

/// So many of the newest runs are merged at a time, at least. More would make reading slower, fewer would write
/// every row more often.
const RUNS_TO_MERGE: usize = 8;

/// So many where it is done early, and nobody waits for it: as few as a merge may have of one size.
const RUNS_TO_MERGE_EARLY: usize = 4;

/// A merge makes so many times its largest run, at least: so a row is written again once for each time the store
/// grows by that factor, and a few small runs never make a large one be written again.
const GROWTH: u64 = 4;

/// A table is written again when its runs hold so many times the rows that count: superseded ones outnumber live ones.
const ROWS_PER_LIVE_ROW: u64 = 2;

impl Store {
    /// Merges what the next commit would begin with merging: then that is through sooner. `early` merges what would be due a few commits
    /// later, too.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn tidy(&mut self, early: bool) -> Result<(), StoreError> {
        let least = if early { RUNS_TO_MERGE_EARLY } else { RUNS_TO_MERGE };
        self.ledger.transact(|transaction| merge(transaction, least))
    }
}

/// Merges what has become many. Works on what the last commit left, so that its blocks are written once.
pub(crate) fn compact(transaction: &mut Transaction) -> Result<(), StoreError> {
    merge(transaction, RUNS_TO_MERGE)
}

/// Merges the newest runs of a kind where these are so many at `least`.
fn merge(transaction: &mut Transaction, least: usize) -> Result<(), StoreError> {
    for spec in KINDS {
        let Some(merging) = spec.merge else { continue };
        let runs: Vec<Run> = transaction.next().of(spec.kind).cloned().collect();
        let due = due(&runs, (merging.live)(&transaction.next().totals, &runs), least);
        let due = if merging.indexed { due.max(unindexed(&runs)) } else { due };
        if due > 0 {
            let (_, old) = runs.split_at(runs.len() - due);
            let into = transaction.new_run();
            let merged = (merging.merge)(transaction.backend(), old, into)?;
            transaction.replace(old, merged);
        }
    }
    Ok(())
}

/// How many of the newest runs to merge so that each has an index: those from the first one on that an earlier version wrote.
fn unindexed(runs: &[Run]) -> usize {
    let first = runs.iter().position(|run| !index::is_indexed(run));
    first.map_or(0, |first| runs.len() - first)
}

/// How many of the newest runs to merge, `least` of them at least, of which `live` rows count. Neighbours only, for a later run overrides an earlier one.
fn due(runs: &[Run], live: u64, least: usize) -> usize {
    let rows: u64 = runs.iter().map(|run| run.rows).sum();
    if runs.len() > 1 && rows > live.saturating_mul(ROWS_PER_LIVE_ROW) {
        return runs.len();
    }
    let (mut total, mut largest) = (0, 0);
    for (at, run) in runs.iter().rev().enumerate() {
        total += run.bytes;
        largest = largest.max(run.bytes);
        if at + 1 >= least && total >= largest * GROWTH {
            return at + 1;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::block::BLOCK_BYTES;
    use crate::store::run::RunEntry;

    fn runs(blocks: &[u64]) -> Vec<Run> {
        let run = |&blocks: &u64| {
            Run::from(RunEntry {
                kind: 7,
                number: 0,
                generation: 0,
                blocks: blocks as u32,
                directory: 0,
                rows: blocks,
                bytes: blocks * BLOCK_BYTES as u64,
            })
        };
        blocks.iter().map(run).collect()
    }

    #[test]
    fn eight_neighbours_of_about_one_size_are_merged() {
        let due = |blocks: &[u64]| due(&runs(blocks), u64::MAX, RUNS_TO_MERGE);
        assert_eq!(due(&[1; 7]), 0);
        assert_eq!(due(&[1; 8]), 8);
        assert_eq!(due(&[64, 1, 1, 1, 1, 1, 1, 1, 1]), 8);
        assert_eq!(due(&[8, 8, 8, 8, 8, 8, 1, 8]), 8, "smaller ones in between go along");
        assert_eq!(due(&[100, 8, 8, 8, 8, 8, 8, 1]), 0, "a large one is not written again for a few small ones");
        let early = |blocks: &[u64]| super::due(&runs(blocks), u64::MAX, RUNS_TO_MERGE_EARLY);
        assert_eq!([early(&[8; 3]), early(&[8; 4]), early(&[64, 64, 8, 8, 8, 8, 8, 8])], [0, 4, 4]);
    }

    #[test]
    fn runs_stay_few_and_rows_are_seldom_written_again() {
        for sizes in [[1, 1, 1, 1], [1, 50, 1, 7], [200, 1, 1, 1], [9, 8, 7, 6]] {
            let (mut all, mut written, mut total) = (Vec::new(), 0, 0);
            for commit in 0..20_000 {
                let count = due(&runs(&all), u64::MAX, RUNS_TO_MERGE);
                let merged: u64 = all.split_off(all.len() - count).iter().sum();
                all.extend((count > 0).then_some(merged));
                let size = sizes[commit % 4];
                all.push(size);
                total += size;
                written += size + merged;
                assert!(all.len() < 50, "{sizes:?} {all:?}");
            }
            assert!(written < total * 9, "{sizes:?} {written} {total}");
        }
    }

    #[test]
    fn a_table_is_written_again_when_most_of_it_is_superseded() {
        let due = |rows: &[u64]| due(&runs(rows), 10, RUNS_TO_MERGE);
        assert_eq!(due(&[10, 5, 5]), 0);
        assert_eq!(due(&[10, 5, 6]), 3);
        assert_eq!(due(&[30]), 0, "one run cannot get better");
    }
}
