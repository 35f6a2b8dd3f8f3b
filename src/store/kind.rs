//! What a kind of block declares. The kinds themselves, and the one list of them, are in [`kinds`](crate::store::kinds).

use std::sync::Arc;

use crate::store::backend::Backend;
use crate::store::block::{BlockKey, BlockKind, Loss};
use crate::store::erased::Erased;
use crate::store::error::StoreError;
use crate::store::index::{self, LinkIndexBuilder};
use crate::store::manifest::StoreTotals;
use crate::store::run::{NewRun, Run};
use crate::store::table::{self, Table, TableRow, TableWriter};

/// Takes a block that was read, and what came of it.
pub(crate) type CheckedBlock<'a> = &'a mut dyn FnMut(BlockKey, Result<(), StoreError>) -> Result<(), StoreError>;

/// Everything that the store has to know of a kind beside how its rows are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KindSpec {
    /// Its number, its word, and what the loss of a block means.
    pub kind: BlockKind,
    /// Reads every block of a run, and hands on what that gave.
    pub check: fn(&dyn Backend, &Run, CheckedBlock<'_>) -> Result<(), StoreError>,
    /// How its runs become fewer; `None` where no commit adds any.
    pub merge: Option<Merging>,
    /// What becomes of its runs when the store is rewritten without what is erased.
    pub renewal: Renewal,
}

/// Makes one run of several, the oldest first, without what is erased. Holds a block of each.
pub(crate) type RenewRuns = fn(&Arc<dyn Backend>, &[Run], NewRun, &Erased<'_>) -> Result<Option<Run>, StoreError>;

/// What becomes of the runs of a kind when the store is rewritten.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Renewal {
    /// They are copied, block by block: they tell of nobody.
    Copied,
    /// Each row is written as it is without what is erased.
    Rows(RenewRuns),
    /// They follow from what is written, and are handed in; or the kind has none.
    HandedIn,
}

/// Makes one run of several, the oldest first. Holds a block of each.
pub(crate) type MergeRuns = fn(&Arc<dyn Backend>, &[Run], NewRun) -> Result<Option<Run>, StoreError>;

/// How runs of a kind are merged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merging {
    /// Whether its runs have an index: one that has none is written again.
    pub indexed: bool,
    /// How many rows of the runs count, at least; the others were superseded by rows of later runs.
    pub live: fn(&StoreTotals, &[Run]) -> u64,
    /// Makes one run of several.
    pub merge: MergeRuns,
}

impl KindSpec {
    /// A kind whose blocks hold rows of a table.
    pub(crate) const fn table<R: TableRow>() -> Self {
        Self {
            kind: R::KIND,
            check: check_table::<R>,
            merge: Some(Merging { indexed: R::ENDS.is_some(), live: R::LIVE, merge: merge_table::<R> }),
            renewal: match R::KIND.loss() {
                Loss::Rebuilt => Renewal::HandedIn,
                Loss::Replayed | Loss::FeedBegunAgain | Loss::Accepted | Loss::Salvaged | Loss::StoreReplayed => {
                    Renewal::Rows(renew_table::<R>)
                }
            },
        }
    }

    /// A kind whose blocks are no runs of the manifest, and are read along with what needs them.
    pub(crate) const fn without_runs(kind: BlockKind) -> Self {
        Self { kind, check: |_, _, _| Ok(()), merge: None, renewal: Renewal::HandedIn }
    }
}

fn check_table<R: TableRow>(backend: &dyn Backend, run: &Run, found: CheckedBlock<'_>) -> Result<(), StoreError> {
    let (mut index, mut is_whole) = (LinkIndexBuilder::default(), true);
    for key in run.keys_of(R::KIND) {
        let read = table::read_block::<R>(backend, run, key.index);
        match (&read, R::ENDS) {
            (Ok(rows), Some(ends)) => rows.iter().for_each(|row| index.push(ends(row))),
            (Ok(_), None) => {}
            (Err(_), _) => is_whole = false,
        }
        found(key, read.map(drop))?;
    }
    match is_whole && index::is_indexed(run) {
        true => index::check(backend, run, &index.blocks()?, found),
        false => Ok(()),
    }
}

fn merge_table<R: TableRow>(backend: &Arc<dyn Backend>, runs: &[Run], into: NewRun) -> Result<Option<Run>, StoreError> {
    let mut table = Table::<R>::new(&**backend, runs);
    let mut writer = TableWriter::new(into);
    while let Some(row) = table.next()? {
        writer.push(row)?;
    }
    writer.finish()
}

fn renew_table<R: TableRow>(
    backend: &Arc<dyn Backend>,
    runs: &[Run],
    into: NewRun,
    erased: &Erased<'_>,
) -> Result<Option<Run>, StoreError> {
    let mut table = Table::<R>::new(&**backend, runs);
    let mut writer = TableWriter::new(into);
    while let Some(row) = table.next()? {
        if let Some(row) = row.without(erased) {
            writer.push(row)?;
        }
    }
    writer.finish()
}
