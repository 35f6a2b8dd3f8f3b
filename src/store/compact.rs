//! Merging runs, so that there are never many and what is superseded does not pile up.
//!
//! Runs of events may be more. A log in order begins new sessions in each batch, so that its runs lie side by side, but for the few sessions
//! that go on: merged, each event would lie where it did, with others beside it that it has nothing to do with. A reader of one session
//! asks the directories which runs have it, and one of all goes from run to run. So as long as runs lie apart, they are merged only when they
//! are very many.

use crate::store::error::StoreError;
use crate::store::index;
use crate::store::kinds::KINDS;
use crate::store::open::Store;
use crate::store::run::{DirectorySlot, Run};
use crate::store::transaction::Transaction;

/// So many of the newest runs are merged at a time, at least. More would make reading slower, fewer would write
/// every row more often.
const RUNS_TO_MERGE: usize = 8;

/// So many where it is done early, and nobody waits for it: as few as a merge may have of one size.
const RUNS_TO_MERGE_EARLY: usize = 4;

/// A merge makes so many times its largest run, at least: so a row is written again once for each time the store
/// grows by that factor, and a few small runs never make a large one be written again.
const GROWTH: u64 = 4;

/// Runs that lie apart are merged once there are so many: a reader has a place in each of them, and the manifest a row.
const APART_TO_MERGE: usize = 256;

/// Runs that all have fewer blocks are merged in any case: the blocks of small commits are nearly empty.
const BLOCKS_OF_LARGE: u32 = 64;

/// A block lies among others where the other runs have at least so many events between its first and its last anchor, for each of its own.
const AMONG: f64 = 0.125;

/// Runs lie apart while less than one in so many of their events is in a block that lies among others.
const APART_SHARE: u64 = 4;

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
    let (mut total, mut largest, mut apart) = (0, 0, false);
    for (at, run) in runs.iter().enumerate().rev() {
        total += run.bytes;
        largest = largest.max(run.bytes);
        let newest = runs.get(at..).unwrap_or_default();
        if newest.len() < least || total < largest * GROWTH || apart && newest.len() < APART_TO_MERGE {
            continue;
        }
        // The newest tell it: to ask this of more of them at each commit would cost ever more.
        apart = newest.len() < APART_TO_MERGE && lie_apart(newest);
        if !apart {
            return newest.len();
        }
    }
    0
}

/// Whether runs of events hardly have events between each other's, by their directories.
fn lie_apart(runs: &[Run]) -> bool {
    if runs.iter().all(|run| run.blocks < BLOCKS_OF_LARGE) || runs.iter().any(|run| run.slots().is_empty()) {
        return false;
    }
    let (mut all, mut among) = (0, 0);
    for (at, run) in runs.iter().enumerate() {
        for slot in run.slots() {
            let others = runs.iter().enumerate().filter(|&(other, _)| other != at).map(|(_, other)| other.slots());
            let between: f64 = others.map(|slots| events_between(slots, slot.first, slot.last)).sum();
            all += u64::from(slot.events);
            among += if between >= AMONG * f64::from(slot.events) { u64::from(slot.events) } else { 0 };
        }
    }
    among * APART_SHARE < all
}

/// How many events a run has from one anchor to another, if those of a block are spread evenly over its anchors.
fn events_between(slots: &[DirectorySlot], first: u32, last: u32) -> f64 {
    // Nearly always, where runs lie apart.
    if slots.first().is_none_or(|slot| slot.first > last) || slots.last().is_none_or(|slot| slot.last < first) {
        return 0.0;
    }
    let begin = slots.partition_point(|slot| slot.last < first);
    let anchors = |from: u32, to: u32| f64::from(to.saturating_sub(from)) + 1.0;
    let share =
        |slot: &DirectorySlot| anchors(slot.first.max(first), slot.last.min(last)) / anchors(slot.first, slot.last);
    let reached = slots.iter().skip(begin).take_while(|slot| slot.first <= last);
    reached.map(|slot| f64::from(slot.events) * share(slot)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::block::BLOCK_BYTES;
    use crate::store::run::RunEntry;

    fn entry(blocks: u64) -> RunEntry {
        let bytes = blocks * BLOCK_BYTES as u64;
        RunEntry { kind: 7, number: 0, generation: 0, blocks: blocks as u32, directory: 0, rows: blocks, bytes }
    }

    fn runs(blocks: &[u64]) -> Vec<Run> {
        blocks.iter().map(|&blocks| Run::from(entry(blocks))).collect()
    }

    /// A run of blocks of a thousand events, each of so many anchors from `first` on.
    fn of_events(blocks: u32, first: u32, anchors: u32) -> Run {
        let slot = |block: u32| {
            let first = first + block * anchors;
            DirectorySlot { first, last: first + anchors - 1, events: 1_000 }
        };
        Run::with_directory(entry(blocks.into()), (0..blocks).map(slot).collect())
    }

    /// How many are merged of so many runs of a hundred blocks, each of which begins so many anchors behind the one before.
    fn merged(runs: u32, apart: u32) -> usize {
        let runs: Vec<Run> = (0..runs).map(|run| of_events(100, run * apart, 100)).collect();
        due(&runs, u64::MAX, RUNS_TO_MERGE)
    }

    #[test]
    fn runs_of_events_that_lie_apart_are_merged_when_they_are_very_many() {
        assert_eq!([7, 8, 100, 255, 256, 300].map(|runs| merged(runs, 10_000)), [0, 0, 0, 0, 256, 256]);
        // A tenth of each is among the next; a third; all of it among all others.
        assert_eq!([9_500, 6_666, 0].map(|apart| merged(30, apart)), [0, 8, 8]);
        let small: Vec<Run> = (0..8).map(|run| of_events(1, run * 100, 100)).collect();
        assert_eq!(due(&small, u64::MAX, RUNS_TO_MERGE), 8, "a block that is not full each");
        let large = (0..20).map(|run| of_events(100, run * 10_000, 100));
        let some_small = (0..7).map(|run| of_events(1, 200_000 + run * 100, 100));
        let mut both: Vec<Run> = large.chain(some_small).collect();
        assert_eq!(due(&both, u64::MAX, RUNS_TO_MERGE), 0);
        both.push(of_events(1, 300_000, 100));
        assert_eq!(due(&both, u64::MAX, RUNS_TO_MERGE), 8, "the small ones alone");
    }

    #[test]
    fn a_few_events_all_over_do_not_tie_runs_together() {
        let with_late = |blocks: u32| {
            let late = |run: u32| {
                // A few blocks of events of older anchors come first.
                let (first, all) = (of_events(blocks, 0, run * 10_000 / blocks), of_events(100, run * 10_000, 100));
                Run::with_directory(entry(100), [first.slots(), all.slots()].concat())
            };
            let runs: Vec<Run> = (1..=20).map(late).collect();
            due(&runs, u64::MAX, RUNS_TO_MERGE)
        };
        assert_eq!([1, 10, 50].map(with_late), [0, 0, 8]);
    }

    #[test]
    fn events_are_counted_by_the_share_of_a_block() {
        let run = of_events(3, 100, 10);
        let between = |first, last| events_between(run.slots(), first, last);
        assert_eq!([between(0, 99), between(130, 200), between(100, 129)], [0.0, 0.0, 3_000.0]);
        assert_eq!([between(105, 114), between(0, 100), between(129, 129)], [1_000.0, 100.0, 100.0]);
        let lone = [DirectorySlot { first: 7, last: 7, events: 5 }];
        assert_eq!(
            [events_between(&lone, 7, 7), events_between(&lone, 8, 7), events_between(&[], 0, 9)],
            [5.0, 0.0, 0.0]
        );
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
