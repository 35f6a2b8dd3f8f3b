//! Reading back what a store holds beside its events.

use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen, Unlink};
use crate::model::namespace::NamespaceId;
use crate::model::settings::Settings;
use crate::model::source::{Source, SourceId};
use crate::store::Store;
use crate::store::backend::Backend;
use crate::store::block::{BlockKey, Kind};
use crate::store::codec::{self, Bytes};
use crate::store::error::StoreError;
use crate::store::identities;
use crate::store::manifest::Manifest;
use crate::store::run::{self, Run, RunEntry};
use crate::store::table::{Row, Table};

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
}

pub(crate) fn settings(backend: &dyn Backend, manifest: &Manifest) -> Result<Settings, StoreError> {
    let mut bytes = Vec::new();
    let mut key = BlockKey { kind: Kind::Settings, run: 0, index: 0 };
    for entry in manifest.of(Kind::Settings) {
        for index in 0..entry.blocks {
            key = BlockKey { kind: Kind::Settings, run: entry.number, index };
            bytes.extend(read_settings(backend, entry, index)?);
        }
    }
    codec::decode(&bytes).map_err(|what| run::damaged(backend, key, what))
}

/// A piece of the settings.
pub(crate) fn read_settings(backend: &dyn Backend, entry: &RunEntry, index: u32) -> Result<Vec<u8>, StoreError> {
    let key = BlockKey { kind: Kind::Settings, run: entry.number, index };
    run::read(backend, key, entry.generation, |body| Ok(codec::decode::<Bytes<'_>>(body)?.0.to_vec()))
}

impl Store {
    /// Reads everything but the events; `each` gets the identities, in the order of their ids.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn load(&self, each: impl FnMut(NamespaceId, Value<'_>)) -> Result<Loaded, StoreError> {
        let mut loaded = self.load_facts(each)?;
        let count = self.manifest.identities;
        loaded.seen = self.rows::<(IdentityId, Seen), _>(count, |row| (u64::from(row.0.0), row.1))?;
        loaded.links = self.table::<Link>().collect()?;
        Ok(loaded)
    }

    /// The same without what follows from the events (`seen` and links stay empty): where to begin a repair.
    ///
    /// # Errors
    /// When a block of the rest is damaged or cannot be read.
    pub fn load_facts(&self, mut each: impl FnMut(NamespaceId, Value<'_>)) -> Result<Loaded, StoreError> {
        let known = self.manifest.namespaces.len();
        let mut last = BlockKey { kind: Kind::Identities, run: 0, index: 0 };
        let mut count = 0;
        let mut unknown = false;
        for entry in self.manifest.of(Kind::Identities) {
            last.run = entry.number;
            count += identities::read_run(&*self.backend, entry, &mut |namespace, value| {
                unknown |= usize::from(namespace.0) >= known;
                each(namespace, value);
                Ok(())
            })?;
        }
        if count != self.manifest.identities || unknown {
            return Err(run::damaged(&*self.backend, last, "it does not fit the manifest"));
        }
        let sources = self.rows::<(SourceId, Source), _>(self.manifest.sources, |row| (u64::from(row.0.0), row.1))?;
        let unlinks = self.table::<Unlink>().collect()?.into_iter().filter(|unlink| unlink.stands).collect();
        Ok(Loaded { namespaces: self.manifest.namespaces.clone(), sources, unlinks, ..Loaded::default() })
    }

    pub(super) fn table<R: Row>(&self) -> Table<'_, R> {
        Table::new(&*self.backend, self.manifest.of(R::KIND).map(Run::entry))
    }

    /// The rows of a table whose keys are the numbers below `count`.
    pub(super) fn rows<R: Row, T>(&self, count: u64, split: impl Fn(R) -> (u64, T)) -> Result<Vec<T>, StoreError> {
        let mut table = self.table::<R>();
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
        let run = self.manifest.of(R::KIND).last().map_or(0, |entry| entry.number);
        Err(run::damaged(&*self.backend, BlockKey { kind: R::KIND, run, index: 0 }, "it does not fit the manifest"))
    }
}
