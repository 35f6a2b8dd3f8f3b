//! Reading back what a store holds beside its events, on all cores of the current rayon pool.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::model::counting::{CountsAs, Recount};
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen, Unlink};
use crate::model::namespace::NamespaceId;
use crate::model::seen::SeenColumn;
use crate::model::source::{Source, SourceId};
use crate::store::backend::Backend;
use crate::store::block::BlockKey;
use crate::store::error::StoreError;
use crate::store::kinds::identities;
use crate::store::kinds::recounts::StoredRecount;
use crate::store::manifest::Manifest;
use crate::store::open::Store;
use crate::store::run::{self, Run};
use crate::store::table::{self, Table, TableRow};

/// Blocks of identities that one task reads: some hundred thousand bytes.
const BLOCKS_A_TASK: usize = 32;

/// Tasks that are read at once, while those before them are put where they stay: some megabytes, which are used again for the next.
const TASKS_AT_ONCE: usize = 8;

/// Identities that room is made for before they are read, at most: a damaged count must not ask for memory.
const IDENTITIES_FORESEEN: usize = 1 << 24;

/// What a store holds beside its identities and its events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The lower-case names by id; empty before the first commit.
    pub namespaces: Vec<String>,
    /// When each identity was seen, by id.
    pub seen: SeenColumn,
    /// Links, ascending by (lower, higher).
    pub links: Vec<Link>,
    /// Sources by id.
    pub sources: Vec<Source>,
    /// Pairs whose link counts as never seen.
    pub unlinks: Vec<Unlink>,
    /// What identities count as about which that was decided.
    pub recounts: Vec<Recount>,
}

/// What identities are gathered in while they are read: all of them, or a part, in the order of their ids.
pub trait IdentityPart: Default + Send {
    /// Makes room for `more` of them.
    fn reserve(&mut self, more: usize);
    /// Takes the next one.
    fn push(&mut self, namespace: NamespaceId, value: Value<'_>);
    /// Takes those of the next part, and leaves it empty.
    fn append(&mut self, next: &mut Self);
}

/// None of them is wanted.
impl IdentityPart for () {
    fn reserve(&mut self, _: usize) {}
    fn push(&mut self, _: NamespaceId, _: Value<'_>) {}
    fn append(&mut self, (): &mut Self) {}
}

impl Store {
    /// Reads everything but the events.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn load<P: IdentityPart>(&self) -> Result<(P, Loaded), StoreError> {
        let (backend, held) = (self.backend(), self.ledger.manifest());
        let reduced = || rayon::join(|| seen(backend, held), || table::rows::<Link>(backend, held.of(Link::KIND)));
        let (facts, (seen, links)) = rayon::join(|| self.load_facts(), reduced);
        let (identities, facts) = facts?;
        Ok((identities, Loaded { seen: seen?, links: links?, ..facts }))
    }

    /// The same without what follows from the events (`seen` and links stay empty): where to begin a repair.
    ///
    /// # Errors
    /// When a block of the rest is damaged or cannot be read.
    pub fn load_facts<P: IdentityPart>(&self) -> Result<(P, Loaded), StoreError> {
        let (backend, held) = (self.backend(), self.ledger.manifest());
        let identities = identities(backend, held)?;
        let count = held.totals.sources;
        let sources = numbered::<(SourceId, Source), _>(backend, held, count, |row| (u64::from(row.0.0), row.1))?;
        let unlinks = table::<Unlink>(backend, held).collect()?.into_iter().filter(|unlink| unlink.stands).collect();
        let recounts = self.recounts_by(u64::MAX)?;
        let namespaces = held.totals.namespaces.clone();
        Ok((identities, Loaded { namespaces, sources, unlinks, recounts, ..Loaded::default() }))
    }
}

/// The identities. Those of some tasks are gathered by themselves, in room that is used again: to gather all of them so, and put them together
/// afterwards, touched twice as much memory for the first time, which is what takes longest in an opening.
fn identities<P: IdentityPart>(backend: &dyn Backend, held: &Manifest) -> Result<P, StoreError> {
    let known = held.totals.namespaces.len();
    let kind = identities::SPEC.kind;
    let damaged = |run: u32| run::damaged(backend, BlockKey { kind, run, index: 0 }, "it does not fit the manifest");
    let blocks = |run: &Run| (0..run.blocks).map(|index| (run.clone(), index)).collect::<Vec<_>>();
    let blocks: Vec<(Run, u32)> = held.of(kind).flat_map(blocks).collect();
    let last = held.of(kind).last().map_or(0, |run| run.number);
    let read = |blocks: &[(Run, u32)], part: &mut P| {
        let (mut count, mut unknown) = (0, false);
        for (run, index) in blocks {
            count += identities::read_block(backend, run, *index, &mut |namespace, value| {
                unknown |= usize::from(namespace.0) >= known;
                part.push(namespace, value);
                Ok(())
            })?;
        }
        if unknown { Err(damaged(last)) } else { Ok(count) }
    };
    let (mut all, mut count) = (P::default(), 0);
    all.reserve((held.totals.identities as usize).min(IDENTITIES_FORESEEN));
    let mut parts: [Vec<P>; 2] = std::array::from_fn(|_| (0..TASKS_AT_ONCE).map(|_| P::default()).collect());
    let [next, before] = &mut parts;
    for blocks in blocks.chunks(BLOCKS_A_TASK * TASKS_AT_ONCE).chain([&[][..]]) {
        let tasks = blocks.par_chunks(BLOCKS_A_TASK).zip(&mut *next);
        let (counts, ()) = rayon::join(
            || tasks.map(|(blocks, part)| read(blocks, part)).sum::<Result<u64, StoreError>>(),
            || before.iter_mut().for_each(|part| all.append(part)),
        );
        count += counts?;
        std::mem::swap(next, before);
    }
    if count == held.totals.identities { Ok(all) } else { Err(damaged(last)) }
}

/// When each identity was seen, by id.
fn seen(backend: &dyn Backend, held: &Manifest) -> Result<SeenColumn, StoreError> {
    type Row = (IdentityId, Seen);
    let kind = <Row as TableRow>::KIND;
    let damaged = |run: u32| run::damaged(backend, BlockKey { kind, run, index: 0 }, "it does not fit the manifest");
    // The rows of one run after the other: a later one counts.
    let mut all = SeenColumn::with_capacity((held.totals.identities as usize).min(IDENTITIES_FORESEEN));
    let mut last = 0;
    for run in held.of(kind) {
        last = run.number;
        table::each_row_of_run::<Row>(backend, run, &mut |(id, seen)| {
            match id.index().cmp(&all.len()) {
                Ordering::Less => all.set(id, seen),
                // Each run has all that were new in its commit.
                Ordering::Equal => all.push(seen),
                Ordering::Greater => return Err(damaged(run.number)),
            }
            Ok(())
        })?;
    }
    if all.len() as u64 == held.totals.identities { Ok(all) } else { Err(damaged(last)) }
}

impl Store {
    /// The decisions about what identities count as that stood after a commit.
    pub(super) fn recounts_by(&self, generation: u64) -> Result<Vec<Recount>, StoreError> {
        let mut rows = table::<StoredRecount>(self.backend(), self.ledger.manifest());
        let mut last: Vec<Recount> = Vec::new();
        while let Some(row) = rows.next()? {
            if row.generation > generation {
                continue;
            }
            match last.last_mut().filter(|known| known.id == row.recount.id) {
                Some(known) => *known = row.recount,
                None => last.push(row.recount),
            }
        }
        last.retain(|recount| recount.counts_as != CountsAs::Itself);
        Ok(last)
    }
}

/// The rows of a table.
pub(super) fn table<'a, R: TableRow>(backend: &'a dyn Backend, held: &'a Manifest) -> Table<'a, R> {
    Table::new(backend, held.of(R::KIND))
}

/// The rows of a table whose keys are the numbers below `count`.
pub(super) fn numbered<R: TableRow, T>(
    backend: &dyn Backend,
    held: &Manifest,
    count: u64,
    split: impl Fn(R) -> (u64, T),
) -> Result<Vec<T>, StoreError> {
    let mut table = table::<R>(backend, held);
    let mut rows = Vec::new();
    while let Some(row) = table.next()? {
        let (id, row) = split(row);
        if id != rows.len() as u64 {
            break;
        }
        rows.push(row);
    }
    if rows.len() as u64 == count {
        return Ok(rows);
    }
    let run = held.of(R::KIND).last().map_or(0, |run| run.number);
    Err(run::damaged(backend, BlockKey { kind: R::KIND, run, index: 0 }, "it does not fit the manifest"))
}
