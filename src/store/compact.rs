//! Merging runs, so that there are never many and what is superseded does not pile up.

use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Unlink};
use crate::model::source::{Source, SourceId};
use crate::store::backend::Backend;
use crate::store::block::Kind;
use crate::store::directory::GroupWriter;
use crate::store::error::StoreError;
use crate::store::history::{Numbered, Past};
use crate::store::identities::{self, IdentityWriter};
use crate::store::run::Run;
use crate::store::scan::Events;
use crate::store::table::{Row, Table, TableWriter};

/// So many of the newest runs are merged at a time, at least. More would make reading slower, fewer would write
/// every row more often.
const RUNS_TO_MERGE: usize = 8;

/// A merge makes so many times its largest run, at least: so a row is written anew once for each time the store
/// grows by that factor, and a few small runs never make a large one be written again.
const GROWTH: u64 = 4;

/// A table is written anew when its runs hold so many times the rows that count: superseded ones outnumber live ones.
const ROWS_PER_LIVE_ROW: u64 = 2;

/// How many of the newest runs to merge. Neighbours only, for a later run overrides an earlier one.
pub(crate) fn due(kind: Kind, runs: &[Run], live: u64) -> usize {
    let is_table = matches!(kind, Kind::Seen | Kind::Links | Kind::Sources | Kind::Unlinks);
    let rows: u64 = runs.iter().map(|run| run.rows).sum();
    if is_table && runs.len() > 1 && rows > live.saturating_mul(ROWS_PER_LIVE_ROW) {
        return runs.len();
    }
    let (mut total, mut largest) = (0, 0);
    for (at, run) in runs.iter().rev().enumerate() {
        total += run.bytes;
        largest = largest.max(run.bytes);
        if at + 1 >= RUNS_TO_MERGE && total >= largest * GROWTH {
            return at + 1;
        }
    }
    0
}

/// How many rows of a table count, at least: no run holds a key twice.
pub(crate) fn live_at_least(runs: &[Run]) -> u64 {
    runs.iter().map(|run| run.rows).max().unwrap_or(0)
}

/// Merges runs of any kind but events, the oldest first; holds a block of each.
pub(crate) fn merge(
    backend: &dyn Backend,
    kind: Kind,
    runs: &[Run],
    number: u32,
    generation: u64,
) -> Result<Option<Run>, StoreError> {
    match kind {
        Kind::Seen => merge_table::<(IdentityId, Seen)>(backend, runs, number, generation),
        Kind::Links => merge_table::<Link>(backend, runs, number, generation),
        Kind::Sources => merge_table::<(SourceId, Source)>(backend, runs, number, generation),
        Kind::Changes => merge_table::<Numbered>(backend, runs, number, generation),
        Kind::History => merge_table::<Past>(backend, runs, number, generation),
        Kind::Unlinks => merge_table::<Unlink>(backend, runs, number, generation),
        _ => {
            let mut writer = IdentityWriter::new(backend, number, generation);
            for run in runs {
                identities::read_run(backend, run, &mut |namespace, value| writer.push(namespace, value))?;
            }
            writer.finish()
        }
    }
}

fn merge_table<R: Row>(
    backend: &dyn Backend,
    runs: &[Run],
    number: u32,
    generation: u64,
) -> Result<Option<Run>, StoreError> {
    let mut table = Table::<R>::new(backend, runs.iter().map(Run::entry));
    let mut writer = TableWriter::new(backend, number, generation);
    while let Some(row) = table.next()? {
        writer.push(row)?;
    }
    writer.finish()
}

/// Merges runs of events; holds a block of each.
pub(crate) fn merge_events(events: &Events, number: u32, generation: u64) -> Result<Option<Run>, StoreError> {
    let mut writer = GroupWriter::new(&*events.backend, number, generation);
    let mut scan = events.scan(0..u32::MAX);
    while let Some(group) = scan.next()? {
        writer.push(group.anchor(), group.events())?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::block::BLOCK_BYTES;
    use crate::store::run::RunEntry;

    fn runs(blocks: &[u64]) -> Vec<Run> {
        let run = |&blocks: &u64| {
            Run::from(RunEntry {
                kind: Kind::Events as u8,
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
        let due = |blocks: &[u64]| due(Kind::Events, &runs(blocks), 0);
        assert_eq!(due(&[1; 7]), 0);
        assert_eq!(due(&[1; 8]), 8);
        assert_eq!(due(&[64, 1, 1, 1, 1, 1, 1, 1, 1]), 8);
        assert_eq!(due(&[8, 8, 8, 8, 8, 8, 1, 8]), 8, "smaller ones in between go along");
        assert_eq!(due(&[100, 8, 8, 8, 8, 8, 8, 1]), 0, "a large one is not written again for a few small ones");
    }

    #[test]
    fn runs_stay_few_and_rows_are_seldom_written_again() {
        for sizes in [[1, 1, 1, 1], [1, 50, 1, 7], [200, 1, 1, 1], [9, 8, 7, 6]] {
            let (mut all, mut written, mut total) = (Vec::new(), 0, 0);
            for commit in 0..20_000 {
                let count = due(Kind::Events, &runs(&all), 0);
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
    fn a_table_is_written_anew_when_most_of_it_is_superseded() {
        let due = |rows: &[u64]| due(Kind::Seen, &runs(rows), 10);
        assert_eq!(due(&[10, 5, 5]), 0);
        assert_eq!(due(&[10, 5, 6]), 3);
        assert_eq!(due(&[30]), 0, "one run cannot get better");
    }
}
