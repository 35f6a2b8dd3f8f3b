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

/// What identities are gathered in while they are read: a part of them, in the order of their ids.
pub trait IdentityPart: Default + Send {
    /// Takes the next one.
    fn push(&mut self, namespace: NamespaceId, value: Value<'_>);
}

/// None of them is wanted.
impl IdentityPart for () {
    fn push(&mut self, _: NamespaceId, _: Value<'_>) {}
}

impl Store {
    /// Reads everything but the events; the identities in parts, one after the other in the order of their ids.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn load<P: IdentityPart>(&self) -> Result<(Vec<P>, Loaded), StoreError> {
        let (backend, held) = (self.backend(), self.ledger.manifest());
        let reduced = || rayon::join(|| seen(backend, held), || table::rows::<Link>(backend, held.of(Link::KIND)));
        let (facts, (seen, links)) = rayon::join(|| self.load_facts(), reduced);
        let (parts, facts) = facts?;
        Ok((parts, Loaded { seen: seen?, links: links?, ..facts }))
    }

    /// The same without what follows from the events (`seen` and links stay empty): where to begin a repair.
    ///
    /// # Errors
    /// When a block of the rest is damaged or cannot be read.
    pub fn load_facts<P: IdentityPart>(&self) -> Result<(Vec<P>, Loaded), StoreError> {
        let (backend, held) = (self.backend(), self.ledger.manifest());
        let parts = identities(backend, held)?;
        let count = held.totals.sources;
        let sources = numbered::<(SourceId, Source), _>(backend, held, count, |row| (u64::from(row.0.0), row.1))?;
        let unlinks = table::<Unlink>(backend, held).collect()?.into_iter().filter(|unlink| unlink.stands).collect();
        let recounts = self.recounts_by(u64::MAX)?;
        let namespaces = held.totals.namespaces.clone();
        Ok((parts, Loaded { namespaces, sources, unlinks, recounts, ..Loaded::default() }))
    }
}

/// The identities, in parts.
fn identities<P: IdentityPart>(backend: &dyn Backend, held: &Manifest) -> Result<Vec<P>, StoreError> {
    let known = held.totals.namespaces.len();
    let kind = identities::SPEC.kind;
    let blocks = |run: &Run| (0..run.blocks).map(|index| (run.clone(), index)).collect::<Vec<_>>();
    let blocks: Vec<(Run, u32)> = held.of(kind).flat_map(blocks).collect();
    let read = |blocks: &[(Run, u32)]| {
        let (mut part, mut count, mut unknown) = (P::default(), 0, false);
        for (run, index) in blocks {
            count += identities::read_block(backend, run, *index, &mut |namespace, value| {
                unknown |= usize::from(namespace.0) >= known;
                part.push(namespace, value);
                Ok(())
            })?;
        }
        Ok((part, count, unknown))
    };
    let parts: Vec<(P, u64, bool)> = blocks.par_chunks(BLOCKS_A_TASK).map(read).collect::<Result<_, StoreError>>()?;
    let count: u64 = parts.iter().map(|part| part.1).sum();
    if count != held.totals.identities || parts.iter().any(|part| part.2) {
        let run = held.of(kind).last().map_or(0, |run| run.number);
        return Err(run::damaged(backend, BlockKey { kind, run, index: 0 }, "it does not fit the manifest"));
    }
    Ok(parts.into_iter().map(|part| part.0).collect())
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
