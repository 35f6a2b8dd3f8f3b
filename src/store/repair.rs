//! Finding damage, and what can be done about it: events can be replayed, and the rest follows from them.

use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Unlink};
use crate::model::source::{Source, SourceId};
use crate::store::backend::Backend;
use crate::store::block::{self, BlockKey, Kind};
use crate::store::directory::{self, EventRunWriter};
use crate::store::error::{BackendError, Damage, StoreError};
use crate::store::history::{Numbered, Past};
use crate::store::manifest;
use crate::store::rows::Rows;
use crate::store::run::{DirectorySlot, Run, RunEntry};
use crate::store::{Store, identities, load, retire, run, sorted, table, take_number};

/// What [`Store::drop_unreadable_events`] had to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Blocks that could not be read.
    pub blocks: u64,
    /// Events that were in them.
    pub events: u64,
}

/// Whether an error says that stored bytes are wrong, rather than that they could not be reached.
pub(crate) fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged(_) | StoreError::Backend(BackendError::Corrupt(_)))
}

/// A run whose directory is lost, with one worked out from its blocks. An unreadable block holds nothing, but has
/// its place, so that whoever comes to it meets the error.
pub(crate) fn recover(backend: &dyn Backend, entry: RunEntry) -> Result<Run, StoreError> {
    let mut slots: Vec<DirectorySlot> = Vec::new();
    let mut rows = Rows::default();
    for index in 0..entry.blocks {
        slots.push(match read_events(backend, &entry, index, &mut rows) {
            Ok(()) => directory::slot_of(&rows),
            Err(error) if is_damage(&error) => {
                let anchor = slots.last().map_or(0, |before| before.last);
                DirectorySlot { first: anchor, last: anchor, events: 0 }
            }
            Err(error) => return Err(error),
        });
    }
    Ok(Run::with_directory(entry, slots))
}

fn read_events(backend: &dyn Backend, entry: &RunEntry, index: u32, rows: &mut Rows) -> Result<(), StoreError> {
    let key = BlockKey { kind: Kind::Events, run: entry.number, index };
    run::read(backend, key, entry.generation, |body| rows.parse(body))
}

impl Store {
    /// Reads every block and says which are damaged. An unreadable manifest beside a good one is among them:
    /// a crash in a commit leaves one, and the next commit writes over it.
    ///
    /// # Errors
    /// When the backend fails otherwise.
    pub fn check(&self) -> Result<Vec<Damage>, StoreError> {
        let backend = &*self.backend;
        let mut found = manifest::read(backend)?.unreadable;
        let mut rows = Rows::default();
        for entry in &self.manifest.runs {
            let Some(kind) = Kind::from_number(entry.kind) else { continue };
            for index in 0..entry.blocks {
                let read = match kind {
                    Kind::Settings => load::read_settings(backend, entry, index).map(drop),
                    Kind::Identities => identities::read_block(backend, entry, index, &mut |_, _| Ok(())).map(drop),
                    Kind::Seen => table::read_block::<(IdentityId, Seen)>(backend, entry, index).map(drop),
                    Kind::Links => table::read_block::<Link>(backend, entry, index).map(drop),
                    Kind::Sources => table::read_block::<(SourceId, Source)>(backend, entry, index).map(drop),
                    Kind::Changes => table::read_block::<Numbered>(backend, entry, index).map(drop),
                    Kind::History => table::read_block::<Past>(backend, entry, index).map(drop),
                    Kind::Unlinks => table::read_block::<Unlink>(backend, entry, index).map(drop),
                    Kind::Events => read_events(backend, entry, index, &mut rows),
                    Kind::Manifest | Kind::Directory => Ok(()),
                };
                collect(backend, BlockKey { kind, run: entry.number, index }, read, &mut found)?;
            }
            if kind == Kind::Events {
                let key = BlockKey { kind: Kind::Directory, run: entry.number, index: 0 };
                collect(backend, key, directory::read(backend, entry.entry()).map(drop), &mut found)?;
            }
        }
        Ok(found)
    }

    /// Leaves out every block of events that cannot be read, durably, and says what was lost with them.
    ///
    /// Where events were lost, the same commit forgets how far every source was read, so that a replay of the logs brings
    /// them back, and everything that follows from events: until [`rewrite_derived`](Self::rewrite_derived) is done too, the
    /// store is damaged, and says so. A repair that is cut short is thus done again, and never taken for a whole one.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn drop_unreadable_events(&mut self) -> Result<Lost, StoreError> {
        self.check_poison()?;
        let done = self.rewrite_events();
        self.poison_on_error(done)
    }

    fn rewrite_events(&mut self) -> Result<Lost, StoreError> {
        let mut next = self.next_manifest();
        let mut events = Vec::new();
        let mut lost = Lost::default();
        let mut old = Vec::new();
        for run in self.manifest.of(Kind::Events) {
            if is_whole(&*self.backend, run)? {
                events.push(run.clone());
                continue;
            }
            old.push(run.clone());
            let mut writer = EventRunWriter::new(&*self.backend, take_number(&mut next), next.generation);
            let mut rows = Rows::default();
            for index in 0..run.blocks {
                let key = BlockKey { kind: Kind::Events, run: run.number, index };
                match read_events(&*self.backend, run, index, &mut rows) {
                    Ok(()) => {
                        let stored = self.backend.get(&key.bytes())?.unwrap_or_else(block::blank);
                        writer.push_raw(directory::slot_of(&rows), stored)?;
                    }
                    Err(error) if is_damage(&error) => lost.blocks += 1,
                    Err(error) => return Err(error),
                }
            }
            let kept = writer.finish()?;
            lost.events += run.rows - kept.as_ref().map_or(0, |kept| kept.rows).min(run.rows);
            events.extend(kept);
        }
        if old.is_empty() {
            return Ok(lost);
        }
        retire(&mut next, |run| old.contains(run));
        next.runs.retain(|run| run.kind != Kind::Events as u8);
        next.runs.extend(events);
        if lost.events > 0 {
            let sources = self.rows::<(SourceId, Source), _>(next.sources, |row| (u64::from(row.0.0), row.1))?;
            let forgotten = (0..).map(SourceId).zip(sources);
            let forgotten = forgotten.map(|(id, source)| (id, Source { position: None, ..source })).collect();
            retire(&mut next, |run| is_derived(run) || run.kind == Kind::Sources as u8);
            self.write_table(&mut next, forgotten)?;
        }
        self.publish(next)?;
        self.delete_retired();
        Ok(lost)
    }

    /// Replaces everything that follows from the events, durably: `seen` of every identity, and all links. The change feed begins
    /// anew: what was lost was never told in it.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn rewrite_derived(&mut self, seen: &[(IdentityId, Seen)], links: &[Link]) -> Result<u64, StoreError> {
        self.check_poison()?;
        let (seen, links) = (sorted(seen)?, sorted(links)?);
        if !seen.iter().map(|row| u64::from(row.0.0)).eq(0..self.manifest.identities) {
            return Err(StoreError::Invalid("not every identity was seen".into()));
        }
        let mut next = self.next_manifest();
        retire(&mut next, is_derived);
        let done = self
            .write_table(&mut next, seen)
            .and_then(|()| self.write_table(&mut next, links))
            .and_then(|()| self.restart_feed(&mut next))
            .and_then(|()| self.publish(next));
        self.poison_on_error(done)?;
        self.delete_retired();
        Ok(self.manifest.generation)
    }
}

/// Whether a run follows from the events.
pub(super) fn is_derived(run: &Run) -> bool {
    run.kind == Kind::Seen as u8 || run.kind == Kind::Links as u8
}

fn is_whole(backend: &dyn Backend, run: &Run) -> Result<bool, StoreError> {
    let mut rows = Rows::default();
    let read = directory::read(backend, run.entry())
        .and_then(|run| (0..run.blocks).try_for_each(|at| read_events(backend, &run, at, &mut rows)));
    match read {
        Ok(()) => Ok(true),
        Err(error) if is_damage(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn collect(
    backend: &dyn Backend,
    block: BlockKey,
    read: Result<(), StoreError>,
    found: &mut Vec<Damage>,
) -> Result<(), StoreError> {
    match read {
        Ok(()) => {}
        Err(StoreError::Damaged(damage)) => found.push(*damage),
        Err(StoreError::Backend(BackendError::Corrupt(what))) => {
            found.push(Damage { store: backend.name(), block, what });
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
