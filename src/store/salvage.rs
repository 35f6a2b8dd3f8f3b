//! What can still be read of a store that a repair does not mend: its facts, as far as they are whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::counting::{Limits, Recount};
use crate::model::event::Event;
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Seen, Unlink};
use crate::model::namespace::NamespaceId;
use crate::model::settings::Settings;
use crate::model::source::{Source, SourceId};
use crate::model::time::Time;
use crate::store::barred::BarRow;
use crate::store::copied::CopiedBackend;
use crate::store::decoded::DecodedEvents;
use crate::store::directory;
use crate::store::error::{BackendError, StoreError};
use crate::store::events::{EVENTS, WRITTEN, kind_of};
use crate::store::kinds::identities;
use crate::store::kinds::limits::StoredLimits;
use crate::store::kinds::recounts::StoredRecount;
use crate::store::last_commit::{self, Missing};
use crate::store::open::{Mode, Store};
use crate::store::quiet;
use crate::store::run::Run;
use crate::store::sled::SledBackend;
use crate::store::swap;
use crate::store::table::{self, TableRow};

/// What can be read of a store beside its events.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// Names as they are spelled.
    pub namespaces: Vec<String>,
    /// Identities by id; `None` where one is lost.
    pub identities: Vec<Option<(NamespaceId, String)>>,
    /// When identities were seen, as far as that can be read.
    pub seen: BTreeMap<IdentityId, Seen>,
    /// Sources by id; `None` where one is lost.
    pub sources: Vec<Option<Source>>,
    /// Pairs whose link counts as never seen, as far as they can be read.
    pub unlinks: Vec<Unlink>,
    /// Identities whose events are not taken in, as far as they can be read.
    pub bars: Vec<BarRow>,
    /// How many of these cannot.
    pub lost_bars: u64,
    /// Decisions about what identities count as, as far as they can be read.
    pub recounts: Vec<Recount>,
    /// The limits beyond which identities are set aside, where they can be read.
    pub limits: Option<Limits>,
    /// Blocks of these that are lost.
    pub lost_blocks: u64,
    /// What it lacks, as far as that is known.
    pub missing: Missing,
    /// A commit and a change of the feed that were never given, nor any after them.
    pub beyond: (u64, u64),
}

/// Events that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LostEvents {
    /// How many.
    pub events: u64,
    /// Ranges of anchors, first and last, that they were grouped under; as far as that is known.
    pub anchors: Vec<(u32, u32)>,
}

impl Salvaged {
    /// Whether an identity is a session, and when it was seen first and last; `None` where that is lost.
    pub fn is_seen(&self, id: IdentityId) -> Option<(bool, Time, Time)> {
        let is_session = self.identities.get(id.index())?.as_ref()?.0 == NamespaceId::SESSION;
        let seen = self.seen.get(&id)?;
        Some((is_session, seen.first, seen.last))
    }
}

/// The store that is to take the place of another.
#[derive(Debug)]
pub struct Successor {
    path: PathBuf,
    /// What the file of the last commits held when it was begun.
    made_of: Option<Vec<u8>>,
}

impl Successor {
    /// That of the store at `path`, which the caller has open.
    ///
    /// # Errors
    /// When what an earlier repair left cannot be deleted.
    pub fn begin(path: &Path) -> Result<Self, StoreError> {
        SledBackend::clear_next(path)?;
        Ok(Self { path: path.to_owned(), made_of: SledBackend::last_commits(path) })
    }

    /// Makes it, with nothing in it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(&self, settings: &Settings) -> Result<Store, StoreError> {
        Store::open_as(&swap::next(&self.path), Some(settings), Mode::Successor)
    }

    /// Lets it take the place of the store that it was made of. This process has neither open any more.
    ///
    /// # Errors
    /// When another process has opened that store since, or has written to it, or files cannot be moved. Once it has begun, the next
    /// opening takes it to its end.
    pub fn put_in_place(self) -> Result<(), StoreError> {
        Ok(SledBackend::swap(&self.path, self.made_of.as_deref())?)
    }
}

impl Store {
    /// Whether a panic of the database may have left its files open, and locked, in this process.
    pub fn is_held_by_a_panic() -> bool {
        quiet::has_panicked()
    }

    /// Reads every page of the database, whatever lies there.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read_all_pages(&self) -> Result<(), StoreError> {
        // Keys lie with their values.
        self.backend().keys(&[], &[u8::MAX; 16]).map(drop).map_err(StoreError::from)
    }

    /// Opens a store of which [`salvage`](Self::salvage) is to read what can be read; `accept` says that it may be older than its
    /// last commit. Nothing may be committed to it.
    ///
    /// # Errors
    /// When nothing of it can be read: no database, no manifest or no settings.
    pub fn open_broken(path: &Path, accept: bool) -> Result<Self, StoreError> {
        let mode = Mode::Salvage { accept };
        match Self::open_as(path, None, mode) {
            // By this process, which has opened it before: a panic of the database may have left it open.
            Err(StoreError::Backend(BackendError::Locked(_))) if quiet::has_panicked() => {
                Self::start(Arc::new(CopiedBackend::of(path)?), None, mode)
            }
            opened => opened,
        }
    }

    /// Reads what can be read of all but the events.
    ///
    /// # Errors
    /// When the backend fails otherwise than by damage.
    pub fn salvage(&self) -> Result<Salvaged, StoreError> {
        let held = self.ledger.manifest();
        let mut found = Salvaged { namespaces: held.totals.namespaces.clone(), ..Salvaged::default() };
        for run in held.of(identities::SPEC.kind) {
            self.salvage_identities(run, &mut found)?;
        }
        found.identities.resize(held.totals.identities as usize, None);
        let sources = self.salvage_table::<(SourceId, Source)>(&mut found.lost_blocks)?;
        found.sources.resize(held.totals.sources as usize, None);
        for (id, source) in sources {
            if let Some(place) = found.sources.get_mut(id.0 as usize) {
                *place = Some(source);
            }
        }
        let unlinks = self.salvage_table::<Unlink>(&mut found.lost_blocks)?;
        found.unlinks = unlinks.into_iter().filter(|unlink| unlink.stands).collect();
        let mut lost = 0;
        found.bars = self.salvage_table::<BarRow>(&mut lost)?;
        if lost > 0 {
            let written: u64 = held.of(BarRow::KIND).map(|run| run.rows).sum();
            found.lost_bars = written.saturating_sub(found.bars.len() as u64);
            found.lost_blocks += lost;
        }
        let recounts = self.salvage_table::<StoredRecount>(&mut found.lost_blocks)?;
        // Of each identity the last one stands.
        let last: BTreeMap<IdentityId, Recount> =
            recounts.into_iter().map(|stored| (stored.recount.id, stored.recount)).collect();
        found.recounts = last.into_values().collect();
        let limits = self.salvage_table::<StoredLimits>(&mut found.lost_blocks)?;
        found.limits = limits.last().and_then(|stored| stored.limits);
        // What follows from events is no loss.
        found.seen = self.salvage_table::<(IdentityId, Seen)>(&mut 0)?.into_iter().collect();
        let records = last_commit::read(self.backend())?;
        (found.missing, found.beyond) = (records.missing(held), records.beyond(held));
        Ok(found)
    }

    /// Ids are the places of identities in their runs: those behind a lost block are counted from the end of the run.
    fn salvage_identities(&self, run: &Run, found: &mut Salvaged) -> Result<(), StoreError> {
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        let mut lost = false;
        for index in 0..run.blocks {
            let mut block = Vec::new();
            let read = identities::read_block(self.backend(), run, index, &mut |namespace, value: Value<'_>| {
                block.push(Some((namespace, value.to_string())));
                Ok(())
            });
            match read {
                Ok(_) if lost => behind.append(&mut block),
                Ok(_) => before.append(&mut block),
                Err(error) if error.is_damage() => {
                    // Between two lost blocks nothing tells the place.
                    (lost, behind) = (true, Vec::new());
                    found.lost_blocks += 1;
                }
                Err(error) => return Err(error),
            }
        }
        let room = (run.rows as usize).saturating_sub(before.len() + behind.len());
        found.identities.append(&mut before);
        found.identities.extend(std::iter::repeat_n(None, room));
        found.identities.append(&mut behind);
        Ok(())
    }

    /// The rows of a table that can be read, of each key the latest.
    fn salvage_table<R: TableRow>(&self, lost: &mut u64) -> Result<Vec<R>, StoreError> {
        let mut rows = BTreeMap::<R::Key, R>::new();
        for run in self.ledger.manifest().of(R::KIND) {
            for key in run.keys_of(R::KIND) {
                let block = match table::read_block::<R>(self.backend(), run, key.index) {
                    Err(error) if error.is_damage() => {
                        *lost += 1;
                        continue;
                    }
                    read => read?,
                };
                for row in block {
                    let merged = match rows.remove(&row.key()) {
                        Some(earlier) => earlier.merge(row),
                        None => row,
                    };
                    rows.insert(merged.key(), merged);
                }
            }
        }
        Ok(rows.into_values().collect())
    }

    /// Hands on every event that can be read, as it was written, with its anchor: once for each commit that delivered it, with that commit's sources.
    /// Says which cannot.
    ///
    /// # Errors
    /// When the backend fails otherwise than by damage, or `each` fails.
    pub fn salvage_events<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(IdentityId, &Event<'_>) -> Result<(), E>,
    ) -> Result<LostEvents, E> {
        let mut lost = LostEvents::default();
        let mut events = DecodedEvents::default();
        let held = self.ledger.manifest();
        for run in held.of(EVENTS).chain(held.of(WRITTEN)) {
            let slots = directory::read(self.backend(), run.entry()).ok();
            let mut read = 0;
            for key in run.keys_of(kind_of(run)) {
                match events.read(self.backend(), run, key) {
                    Ok(()) => {
                        read += events.len() as u64;
                        for (anchor, event) in events.each() {
                            each(anchor, &event)?;
                        }
                    }
                    Err(error) if error.is_damage() => {
                        let slot = slots.as_ref().and_then(|run| run.slots().get(key.index as usize));
                        lost.anchors.extend(slot.map(|slot| (slot.first, slot.last)));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            lost.events += run.rows.saturating_sub(read);
        }
        Ok(lost)
    }
}
