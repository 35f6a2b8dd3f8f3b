//! Reading back what a store holds beside its events.

use crate::model::counting::{CountsAs, Recount};
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen, Unlink};
use crate::model::namespace::NamespaceId;
use crate::model::source::{Source, SourceId};
use crate::store::backend::Backend;
use crate::store::block::BlockKey;
use crate::store::error::StoreError;
use crate::store::kinds::identities;
use crate::store::kinds::recounts::StoredRecount;
use crate::store::manifest::Manifest;
use crate::store::open::Store;
use crate::store::run;
use crate::store::table::{Table, TableRow};

/// What a store holds beside its identities and its events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The lower-case names by id; empty before the first commit.
    pub namespaces: Vec<String>,
    /// When each identity was seen, by id.
    pub seen: Vec<Seen>,
    /// Links, ascending by (lower, higher).
    pub links: Vec<Link>,
    /// Sources by id.
    pub sources: Vec<Source>,
    /// Pairs whose link counts as never seen.
    pub unlinks: Vec<Unlink>,
    /// What identities count as about which that was decided.
    pub recounts: Vec<Recount>,
}

impl Store {
    /// Reads everything but the events; `each` gets the identities, in the order of their ids.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn load(&self, each: impl FnMut(NamespaceId, Value<'_>)) -> Result<Loaded, StoreError> {
        let mut loaded = self.load_facts(each)?;
        let (backend, held) = (self.backend(), self.ledger.manifest());
        let count = held.totals.identities;
        loaded.seen = numbered::<(IdentityId, Seen), _>(backend, held, count, |row| (u64::from(row.0.0), row.1))?;
        loaded.links = table::<Link>(backend, held).collect()?;
        Ok(loaded)
    }

    /// The same without what follows from the events (`seen` and links stay empty): where to begin a repair.
    ///
    /// # Errors
    /// When a block of the rest is damaged or cannot be read.
    pub fn load_facts(&self, mut each: impl FnMut(NamespaceId, Value<'_>)) -> Result<Loaded, StoreError> {
        let (backend, held) = (self.backend(), self.ledger.manifest());
        let known = held.totals.namespaces.len();
        let mut last = BlockKey { kind: identities::SPEC.kind, run: 0, index: 0 };
        let mut count = 0;
        let mut unknown = false;
        for run in held.of(identities::SPEC.kind) {
            last.run = run.number;
            count += identities::read_run(backend, run, &mut |namespace, value| {
                unknown |= usize::from(namespace.0) >= known;
                each(namespace, value);
                Ok(())
            })?;
        }
        if count != held.totals.identities || unknown {
            return Err(run::damaged(backend, last, "it does not fit the manifest"));
        }
        let count = held.totals.sources;
        let sources = numbered::<(SourceId, Source), _>(backend, held, count, |row| (u64::from(row.0.0), row.1))?;
        let unlinks = table::<Unlink>(backend, held).collect()?.into_iter().filter(|unlink| unlink.stands).collect();
        let recounts = self.recounts_by(u64::MAX)?;
        let namespaces = held.totals.namespaces.clone();
        Ok(Loaded { namespaces, sources, unlinks, recounts, ..Loaded::default() })
    }
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
