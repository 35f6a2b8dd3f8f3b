//! What survives a crash? Blocks, a codec, a manifest, recovery, and the one file that names the database.
//!
//! **Assumptions about the disk**: what was synced stays; of what was written since the last sync a crash keeps any
//! part, in any order, and may tear a value; a block may rot at any time.
//!
//! **A commit**, from the caller to the disk ([`Store::commit`]):
//! 1. its rows become blocks of about [`BLOCK_BYTES`](block), each sealed with its key, its generation and a checksum; nothing
//!    that lies there already is touched. The blocks of one kind and one commit are a *run*;
//! 2. where a kind has become many runs, neighbours are merged into one, block by block;
//! 3. sync;
//! 4. the manifest, which names every run that counts, goes into the slot of the generation before last;
//! 5. sync: from here on the commit is what a crash leaves, and not before;
//! 6. runs that were retired by an *earlier* commit are deleted, unless somebody still reads them.
//!
//! **Opening** takes the later of the two manifests whose checksum holds, and deletes blocks of runs that no manifest
//! has named yet: a commit that was cut short. After a failed commit the store takes no other until it is opened again.
//!
//! **Memory**: twelve bytes a block of events, and what a load hands out. Everything else is read block by block.

pub mod backend;
pub mod block;
mod codec;
mod column;
mod compact;
mod directory;
pub mod error;
pub mod events;
pub mod fault;
pub mod feed;
mod history;
mod identities;
pub mod load;
mod manifest;
pub mod repair;
pub mod retract;
mod rows;
mod run;
pub mod scan;
pub mod sled;
mod table;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use crate::model::history::{Overwritten, StoredChange};
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen};
use crate::model::namespace::NamespaceId;
use crate::model::settings::Settings;
use crate::model::source::{Source, SourceId};
use crate::store::backend::Backend;
use crate::store::block::{BLOCK_BYTES, BlockKey, Kind};
use crate::store::codec::Bytes;
use crate::store::directory::EventRunWriter;
use crate::store::error::StoreError;
use crate::store::events::EventBlock;
use crate::store::identities::IdentityWriter;
use crate::store::manifest::Manifest;
use crate::store::run::{Run, RunWriter};
use crate::store::scan::Events;
use crate::store::sled::{Place, SledBackend};
use crate::store::table::{Row, TableWriter};

/// The run of the settings: the first of every store.
const SETTINGS_RUN: u32 = 0;

/// Kinds of which every commit may add a run.
const KINDS_MERGED: [Kind; 8] = [
    Kind::Identities,
    Kind::Seen,
    Kind::Links,
    Kind::Sources,
    Kind::Changes,
    Kind::History,
    Kind::Unlinks,
    Kind::Events,
];

/// What one commit adds.
#[derive(Debug, Default)]
pub struct Commit<'a> {
    /// Every namespace of the store, by id, in lower case; empty where nothing changed.
    pub namespaces: &'a [String],
    /// New identities; their ids follow on those that the store holds.
    pub identities: Vec<(NamespaceId, Value<'a>)>,
    /// When identities were seen, in all: a later commit overrides an earlier one. New identities must be among them.
    pub seen: &'a [(IdentityId, Seen)],
    /// Links, as they are in all: likewise.
    pub links: &'a [Link],
    /// Events, encoded by an [`EventWriter`](events::EventWriter), ascending by anchor.
    pub events: Vec<EventBlock>,
    /// Sources that are new (ids follow on) or were read further.
    pub sources: &'a [(SourceId, Source)],
    /// Records of the change feed, in order.
    pub changes: &'a [StoredChange],
    /// What it overwrites, decisions included.
    pub overwritten: Overwritten,
}

/// A store of facts.
#[derive(Debug)]
pub struct Store {
    backend: Arc<dyn Backend>,
    settings: Settings,
    manifest: Manifest,
    poison: Option<String>,
}

/// How an open treats what it cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Strict,
    Repair,
}

impl Store {
    /// Opens the store in the directory `path`, or makes it there with `settings`.
    ///
    /// # Errors
    /// When there is none and no settings are given; when it was made with others; when another process holds it;
    /// when it is damaged or a later version's; when the directory holds something else.
    pub fn open(path: &Path, settings: Option<&Settings>) -> Result<Self, StoreError> {
        Self::open_as(path, settings, Mode::Strict)
    }

    /// Opens a store that [`open`](Self::open) may call damaged, for [`load_facts`](Self::load_facts),
    /// [`drop_unreadable_events`](Self::drop_unreadable_events) and [`rewrite_derived`](Self::rewrite_derived).
    ///
    /// # Errors
    /// As [`open`](Self::open), but for damaged directories of events.
    pub fn open_damaged(path: &Path) -> Result<Self, StoreError> {
        Self::open_as(path, None, Mode::Repair)
    }

    fn open_as(path: &Path, settings: Option<&Settings>, mode: Mode) -> Result<Self, StoreError> {
        if let Some(settings) = settings {
            // Before a folder is made for it.
            settings.levels.check()?;
        }
        let place = SledBackend::place(path)?;
        let name = path.display().to_string();
        match (place, settings) {
            (Place::Foreign, _) => return Err(StoreError::Foreign(name)),
            (Place::Empty, None) => return Err(StoreError::Missing(name)),
            _ => {}
        }
        let backend = Arc::new(SledBackend::open(path)?);
        if place == Place::Store && manifest::read(&*backend)?.latest.is_none() {
            return Err(StoreError::NoManifest(name));
        }
        let store = Self::start(backend.clone(), settings, mode)?;
        if place != Place::Store {
            backend.mark()?;
        }
        Ok(store)
    }

    /// Opens the store that `backend` holds, or makes it there with `settings`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_backend(backend: Arc<dyn Backend>, settings: Option<&Settings>) -> Result<Self, StoreError> {
        Self::start(backend, settings, Mode::Strict)
    }

    /// Opens the store that `backend` holds as [`open_damaged`](Self::open_damaged) does.
    ///
    /// # Errors
    /// As [`open_damaged`](Self::open_damaged).
    pub fn with_damaged_backend(backend: Arc<dyn Backend>) -> Result<Self, StoreError> {
        Self::start(backend, None, Mode::Repair)
    }

    fn start(backend: Arc<dyn Backend>, settings: Option<&Settings>, mode: Mode) -> Result<Self, StoreError> {
        let slots = manifest::read(&*backend)?;
        let Some(mut manifest) = slots.latest else {
            return Self::create(backend, settings);
        };
        let stored = load::settings(&*backend, &manifest)?;
        if let Some(asked) = settings.filter(|&asked| *asked != stored) {
            let (stored, asked) = (Box::new(stored), Box::new(asked.clone()));
            return Err(StoreError::Settings { store: backend.name(), stored, asked });
        }
        for run in manifest.runs.iter_mut().filter(|run| run.kind == Kind::Events as u8) {
            *run = match (directory::read(&*backend, run.entry()), mode) {
                (Err(error), Mode::Repair) if repair::is_damage(&error) => repair::recover(&*backend, run.entry())?,
                (read, _) => read?,
            };
        }
        let mut store = Self { backend, settings: stored, manifest, poison: None };
        store.sweep()?;
        Ok(store)
    }

    /// Deletes blocks of commits that were cut short. Their numbers are not used again, so that nothing
    /// of them can pass for a block of a later run.
    fn sweep(&mut self) -> Result<(), StoreError> {
        for kind in Kind::ALL.into_iter().filter(|&kind| kind != Kind::Manifest) {
            let from = BlockKey { kind, run: self.manifest.next_run, index: 0 }.bytes();
            let left = self.backend.keys(&from, &[kind as u8 + 1])?;
            for key in &left {
                if let Some(run) = key.get(1..5).and_then(|bytes| bytes.try_into().ok()) {
                    let next = u32::from_be_bytes(run).saturating_add(1);
                    self.manifest.next_run = self.manifest.next_run.max(next);
                }
            }
            self.backend.delete(&left)?;
        }
        Ok(())
    }

    fn create(backend: Arc<dyn Backend>, settings: Option<&Settings>) -> Result<Self, StoreError> {
        // What a creation that was cut short may leave: settings, and a torn manifest.
        for key in backend.keys(&[0], &[u8::MAX])? {
            match (key.len(), key.first().and_then(|&number| Kind::from_number(number))) {
                (9, Some(Kind::Settings | Kind::Manifest)) => {}
                (9, Some(_)) => return Err(StoreError::NoManifest(backend.name())),
                _ => return Err(StoreError::Foreign(backend.name())),
            }
        }
        let Some(settings) = settings else {
            return Err(StoreError::Missing(backend.name()));
        };
        settings.levels.check()?;
        let mut next = Manifest { generation: 1, next_run: SETTINGS_RUN + 1, ..Manifest::default() };
        let mut bytes = Vec::new();
        codec::encode(settings, &mut bytes).map_err(StoreError::Invalid)?;
        let mut writer = RunWriter::new(&*backend, Kind::Settings, SETTINGS_RUN, next.generation);
        for chunk in bytes.chunks(BLOCK_BYTES) {
            let mut block = block::blank();
            codec::encode(&Bytes(chunk), &mut block).map_err(StoreError::Invalid)?;
            writer.push(block, 1)?;
        }
        next.runs.extend(writer.finish()?.map(Run::from));
        let mut store = Self { backend, settings: settings.clone(), manifest: Manifest::default(), poison: None };
        store.publish(next)?;
        Ok(store)
    }

    /// What the store was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The number of the last commit.
    pub fn generation(&self) -> u64 {
        self.manifest.generation
    }

    /// The backend, for its name and its bytes.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// The events as of the last commit.
    pub fn events(&self) -> Events {
        Events { backend: Arc::clone(&self.backend), runs: self.manifest.of(Kind::Events).cloned().collect() }
    }

    /// Makes `commit` durable, and says which generation it became. Does nothing where it is empty.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when it contradicts itself or the store: nothing happened. Any other error poisons
    /// the store: whether the commit counts is known when it is opened again, and it counts as a whole or not at all.
    pub fn commit(&mut self, commit: Commit<'_>) -> Result<u64, StoreError> {
        self.check_poison()?;
        let Commit { namespaces, identities, seen, links, events, sources, changes: _, overwritten } = &commit;
        let unchanged = namespaces.is_empty() || **namespaces == self.manifest.namespaces;
        if unchanged
            && identities.is_empty()
            && seen.is_empty()
            && links.is_empty()
            && events.is_empty()
            && sources.is_empty()
            && overwritten.unlinks.is_empty()
        {
            return Ok(self.manifest.generation);
        }
        let seen = sorted(seen)?;
        let links = sorted(links)?;
        let sources = sorted(sources)?;
        self.check_ids(&commit, &seen, &sources)?;
        let done = self.write(commit, seen, links, sources);
        self.poison_on_error(done)?;
        Ok(self.manifest.generation)
    }

    /// Takes no further commit until the store is opened again: what was told of the last one may be out of step with it.
    pub(crate) fn poison(&mut self, why: &str) {
        self.poison = Some(why.to_owned());
    }

    fn check_poison(&self) -> Result<(), StoreError> {
        match &self.poison {
            Some(why) => Err(StoreError::Poisoned { store: self.backend.name(), why: why.clone() }),
            None => Ok(()),
        }
    }

    fn poison_on_error<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &done {
            self.poison(&error.to_string());
        }
        done
    }

    fn check_ids(
        &self,
        commit: &Commit<'_>,
        seen: &[(IdentityId, Seen)],
        sources: &[(SourceId, Source)],
    ) -> Result<(), StoreError> {
        let invalid = |what: &str| Err(StoreError::Invalid(what.into()));
        let known = self.manifest.identities;
        let new = seen.iter().skip_while(|row| u64::from(row.0.0) < known).map(|row| u64::from(row.0.0));
        if !new.eq(known..known + commit.identities.len() as u64) {
            return invalid("the new identities are not those that were seen");
        }
        let known = self.manifest.sources;
        let new = sources.iter().map(|row| u64::from(row.0.0)).filter(|&id| id >= known);
        if new.enumerate().any(|(at, id)| id != known + at as u64) {
            return invalid("the ids of new sources leave a gap");
        }
        if commit.events.windows(2).any(|pair| pair[0].last > pair[1].first) {
            return invalid("the blocks of events are out of order");
        }
        if !commit.namespaces.is_empty() && !commit.namespaces.starts_with(&self.manifest.namespaces) {
            return invalid("namespaces were renamed");
        }
        Ok(())
    }

    /// The stages of a commit, in order.
    fn write(
        &mut self,
        commit: Commit<'_>,
        seen: Vec<(IdentityId, Seen)>,
        links: Vec<Link>,
        sources: Vec<(SourceId, Source)>,
    ) -> Result<(), StoreError> {
        let mut next = self.next_manifest();
        self.compact(&mut next)?;

        next.identities += commit.identities.len() as u64;
        next.sources = next.sources.max(sources.last().map_or(0, |row| u64::from(row.0.0) + 1));
        if !commit.namespaces.is_empty() {
            next.namespaces = commit.namespaces.to_vec();
        }
        let mut writer = IdentityWriter::new(&*self.backend, take_number(&mut next), next.generation);
        for (namespace, value) in commit.identities {
            writer.push(namespace, value)?;
        }
        next.runs.extend(writer.finish()?);
        self.write_table(&mut next, seen)?;
        self.write_table(&mut next, links)?;
        self.write_table(&mut next, sources)?;
        self.write_changes(&mut next, commit.changes)?;
        self.write_past(&mut next, &commit.overwritten)?;
        self.write_table(&mut next, sorted(&commit.overwritten.unlinks)?)?;
        let mut writer = EventRunWriter::new(&*self.backend, take_number(&mut next), next.generation);
        for block in commit.events {
            writer.push(block)?;
        }
        next.runs.extend(writer.finish()?);
        self.publish(next)?;
        self.delete_retired();
        Ok(())
    }

    fn next_manifest(&self) -> Manifest {
        Manifest { generation: self.manifest.generation + 1, ..self.manifest.clone() }
    }

    fn write_table<R: Row>(&self, next: &mut Manifest, rows: Vec<R>) -> Result<(), StoreError> {
        let mut writer = TableWriter::new(&*self.backend, take_number(next), next.generation);
        rows.into_iter().try_for_each(|row| writer.push(row))?;
        next.runs.extend(writer.finish()?);
        Ok(())
    }

    /// Merges what has become many. Works on what the last commit left, so that its blocks are written once.
    fn compact(&self, next: &mut Manifest) -> Result<(), StoreError> {
        for kind in KINDS_MERGED {
            let runs: Vec<Run> = next.of(kind).cloned().collect();
            let live = match kind {
                Kind::Seen => next.identities,
                Kind::Sources => next.sources,
                _ => compact::live_at_least(&runs),
            };
            let due = compact::due(kind, &runs, live);
            if due == 0 {
                continue;
            }
            let number = take_number(next);
            let old = &runs[runs.len() - due..];
            let merged = if kind == Kind::Events {
                let old = Events { backend: Arc::clone(&self.backend), runs: old.to_vec() };
                compact::merge_events(&old, number, next.generation)?
            } else {
                compact::merge(&*self.backend, kind, old, number, next.generation)?
            };
            retire(next, |run| old.contains(run));
            next.runs.extend(merged);
        }
        Ok(())
    }

    /// Makes `next` what the store holds.
    fn publish(&mut self, next: Manifest) -> Result<(), StoreError> {
        self.backend.sync()?;
        let (key, block) = next.sealed()?;
        self.backend.put(vec![(key.bytes(), block)])?;
        self.backend.sync()?;
        self.manifest = next;
        Ok(())
    }

    /// Deletes what an earlier commit retired and nobody reads. What the last one retired stays for another
    /// generation: it is what the manifest before names. A failure leaves the run listed, for the next time.
    fn delete_retired(&mut self) {
        let generation = self.manifest.generation;
        let retired = std::mem::take(&mut self.manifest.retired);
        for (since, run) in retired {
            if since == generation || run.is_read() || self.backend.delete(&run.keys()).is_err() {
                self.manifest.retired.push((since, run));
            }
        }
    }
}

/// The next number of a run.
fn take_number(next: &mut Manifest) -> u32 {
    next.next_run += 1;
    next.next_run - 1
}

/// Takes runs out of what counts.
fn retire(next: &mut Manifest, is_old: impl Fn(&Run) -> bool) {
    let (old, kept) = std::mem::take(&mut next.runs).into_iter().partition(|run| is_old(run));
    next.runs = kept;
    let old: Vec<Run> = old;
    let generation = next.generation;
    next.retired.extend(old.into_iter().map(|run| (generation, run)));
}

/// The rows in ascending order.
fn sorted<R: Row>(rows: &[R]) -> Result<Vec<R>, StoreError> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(Row::key);
    if rows.windows(2).any(|pair| pair[0].key() == pair[1].key()) {
        return Err(StoreError::Invalid("a row occurs twice".into()));
    }
    Ok(rows)
}
