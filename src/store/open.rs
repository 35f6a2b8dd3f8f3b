//! Opening a store, and making one.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::model::settings::Settings;
use crate::store::backend::Backend;
use crate::store::barred::{BarRow, Barred};
use crate::store::copied::CopiedBackend;
use crate::store::decoded::KnownIds;
use crate::store::directory;
use crate::store::error::{BackendError, StoreError};
use crate::store::events::{COUNTED, EVENT_KINDS, EVENTS, WRITTEN};
use crate::store::kinds::{self, settings as stored_settings};
use crate::store::last_commit::{self, CommitRecord, Vouched};
use crate::store::manifest::{self, Manifest};
use crate::store::run::Run;
use crate::store::scan::Events;
use crate::store::sled::{Folder, SledBackend};
use crate::store::table::{Table, TableRow};
use crate::store::transaction::Ledger;

/// The run of the settings: the first of every store.
const SETTINGS_RUN: u32 = 0;

/// How often a copy is made that is torn: a commit writes for a moment, and then decodes for longer.
const COPIES: u32 = 8;

/// How long the next one waits.
const BETWEEN_COPIES: Duration = Duration::from_millis(100);

/// A store of facts.
#[derive(Debug)]
pub struct Store {
    settings: Settings,
    pub(super) ledger: Ledger,
    pub(super) barred: Arc<Barred>,
}

/// How an open treats what it cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Strict,
    /// What cannot be read of the rest is no reason to refuse it.
    Repair,
    /// Nor is that it may be older than its last commit.
    Accept,
    /// It is a copy of a store that may be written to meanwhile.
    Copy,
    /// It is made inside the store whose place it is to take.
    Successor,
    /// Nothing is a reason that leaves anything to be read.
    Salvage {
        accept: bool,
    },
}

impl Mode {
    /// Whether the store may be older than its last commit.
    fn accepts(self) -> bool {
        match self {
            Self::Strict | Self::Repair | Self::Copy | Self::Successor => false,
            Self::Accept => true,
            Self::Salvage { accept } => accept,
        }
    }
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

    pub(super) fn open_as(path: &Path, settings: Option<&Settings>, mode: Mode) -> Result<Self, StoreError> {
        Self::open_known(path, settings, mode).map_err(|error| match (error, SledBackend::writer(path)) {
            (StoreError::Version { store, what }, Some(writer)) => {
                StoreError::Version { store, what: format!("{} (written by {writer})", what.trim_end_matches(',')) }
            }
            (error, _) => error,
        })
    }

    fn open_known(path: &Path, settings: Option<&Settings>, mode: Mode) -> Result<Self, StoreError> {
        if let Some(settings) = settings {
            // Before a folder is made for it.
            settings.levels.check()?;
        }
        let folder = SledBackend::look(path)?;
        let name = path.display().to_string();
        match (folder, settings) {
            (Folder::Foreign, _) => return Err(StoreError::Foreign(name)),
            (Folder::Empty | Folder::InStore, None) => return Err(StoreError::Missing(name)),
            (Folder::InStore, Some(_)) if mode != Mode::Successor => return Err(StoreError::InStore(name)),
            (Folder::Empty | Folder::InStore | Folder::Unmarked | Folder::Store, _) => {}
        }
        let backend = Arc::new(match mode {
            Mode::Salvage { .. } => SledBackend::open_broken(path)?,
            Mode::Strict | Mode::Repair | Mode::Accept | Mode::Copy | Mode::Successor => SledBackend::open(path)?,
        });
        if folder == Folder::Store && manifest::read(&*backend)?.latest.is_none() {
            return Err(StoreError::NoManifest(name));
        }
        let store = Self::start(backend.clone(), settings, mode)?;
        if folder != Folder::Store {
            backend.mark()?;
        }
        Ok(store)
    }

    /// Opens a private copy of the store at `path`, as of its last commit, to be read only: beside a process that writes to it, and from a folder
    /// that cannot be written. A copy that is torn by what is written meanwhile is made again, a few times.
    ///
    /// Costs a copy of its files into the folder for temporary files, and a read of every block.
    ///
    /// # Errors
    /// As [`open`](Self::open), but that the store may be in use; where it is written to so often that every copy is torn, it is in use.
    pub fn open_copy(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        match SledBackend::look(path)? {
            Folder::Store => {}
            Folder::Empty | Folder::InStore => return Err(StoreError::Missing(name)),
            Folder::Unmarked | Folder::Foreign => return Err(StoreError::Foreign(name)),
        }
        let opened = || {
            let backend = Arc::new(CopiedBackend::of(path)?);
            if manifest::read(&*backend)?.latest.is_none() {
                return Err(StoreError::NoManifest(name.clone()));
            }
            let store = Self::start(backend, None, Mode::Copy)?;
            // An answer that comes upon a torn block later would call the store damaged.
            match store.check()?.into_iter().next() {
                Some(torn) => Err(StoreError::Damaged(Box::new(torn))),
                None => Ok(store),
            }
        };
        let is_torn = |error: &StoreError| match error {
            StoreError::Older(_) | StoreError::NoManifest(_) => true,
            other => other.is_damage(),
        };
        let written = CopiedBackend::last_written(path);
        for _ in 1..COPIES {
            match opened() {
                Err(error) if is_torn(&error) => thread::sleep(BETWEEN_COPIES),
                opened => return opened,
            }
        }
        match opened() {
            // Others have written to it all the while: nothing says that it is damaged.
            Err(error) if is_torn(&error) && CopiedBackend::last_written(path) != written => {
                Err(BackendError::Locked(format!("store {name} is in use by another process, which writes to it"))
                    .into())
            }
            opened => opened,
        }
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

    pub(super) fn start(
        backend: Arc<dyn Backend>,
        settings: Option<&Settings>,
        mode: Mode,
    ) -> Result<Self, StoreError> {
        let Some(mut manifest) = manifest::read(&*backend)?.latest else {
            return Self::create(backend, settings);
        };
        if let Some(run) = manifest.runs.iter().find(|run| kinds::spec_of(run).is_none()) {
            let what = format!("a run of kind {}", run.kind);
            return Err(StoreError::Version { store: backend.name(), what });
        }
        let records = last_commit::read(&*backend)?;
        match records.vouch(|| backend.name(), &manifest) {
            Ok(Vouched::Last) => {}
            Err(StoreError::Older(_)) if mode.accepts() || mode == Mode::Copy && records.precede(&manifest) => {}
            Ok(Vouched::CutShort) if matches!(mode, Mode::Copy | Mode::Salvage { .. }) => {}
            Ok(Vouched::CutShort) => {
                // A kill may have left its manifest in the cache of the operating system.
                backend.sync()?;
                CommitRecord::of(&manifest).put(&*backend)?;
                backend.sync()?;
            }
            Err(error) => return Err(error),
        }
        let stored = stored_settings::read(&*backend, &manifest)?;
        if let Some(asked) = settings.filter(|&asked| *asked != stored) {
            let (stored, asked) = (Box::new(stored), Box::new(asked.clone()));
            return Err(StoreError::Settings { store: backend.name(), stored, asked });
        }
        if let Mode::Salvage { .. } = mode {
            let (ledger, barred) = (Ledger::unswept(backend, manifest), Arc::default());
            return Ok(Self { settings: stored, ledger, barred });
        }
        read_directories(&*backend, &mut manifest, mode)?;
        let barred = Arc::new(Barred::of(Table::<BarRow>::new(&*backend, manifest.of(BarRow::KIND)).collect()?));
        let ledger = match mode {
            Mode::Copy => Ledger::unswept(backend, manifest),
            Mode::Strict | Mode::Repair | Mode::Accept | Mode::Successor | Mode::Salvage { .. } => {
                Ledger::open(backend, manifest)?
            }
        };
        Ok(Self { settings: stored, ledger, barred })
    }

    fn create(backend: Arc<dyn Backend>, settings: Option<&Settings>) -> Result<Self, StoreError> {
        // A creation that was cut short may leave settings, and a torn manifest, which are in the first run too.
        for key in backend.keys(&[0], &[u8::MAX])? {
            match kinds::run_of(&key) {
                Some(SETTINGS_RUN) => {}
                Some(_) => return Err(StoreError::NoManifest(backend.name())),
                None => return Err(StoreError::Foreign(backend.name())),
            }
        }
        let Some(settings) = settings else {
            return Err(StoreError::Missing(backend.name()));
        };
        settings.levels.check()?;
        let mut ledger = Ledger::empty(backend)?;
        ledger.transact(|transaction| {
            let run = transaction.new_run();
            debug_assert_eq!(run.number, SETTINGS_RUN);
            let run = stored_settings::write(settings, run)?;
            transaction.add(run);
            Ok(())
        })?;
        Ok(Self { settings: settings.clone(), ledger, barred: Arc::default() })
    }

    /// What the store was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The names of the namespaces by id, as they were first spelled.
    pub fn namespaces(&self) -> &[String] {
        &self.ledger.manifest().totals.namespaces
    }

    /// The number of the last commit.
    pub fn generation(&self) -> u64 {
        self.ledger.manifest().generation
    }

    /// The backend, for its name and its bytes.
    pub fn backend(&self) -> &dyn Backend {
        &**self.ledger.backend()
    }

    /// The events as of the last commit.
    pub fn events(&self) -> Events {
        self.events_in(self.ledger.manifest())
    }

    /// The events as a manifest tells them.
    pub(super) fn events_in(&self, held: &Manifest) -> Events {
        let runs = |kind| held.of(kind).cloned().collect::<Vec<Run>>();
        let counted = [runs(EVENTS), runs(COUNTED)].concat();
        let known = KnownIds::of(&held.totals);
        Events { written: runs(WRITTEN), known, ..Events::of(Arc::clone(self.ledger.backend()), counted) }
    }

    /// Takes no further commit until the store is opened again: what was told of the last one may be out of step with it.
    pub(crate) fn poison(&mut self, why: &str) {
        self.ledger.poison(why);
    }
}

/// Puts the directories of the runs of events beside what the manifest says of them.
fn read_directories(backend: &dyn Backend, manifest: &mut Manifest, mode: Mode) -> Result<(), StoreError> {
    let has_one = |run: &Run| EVENT_KINDS.iter().any(|kind| kind.number() == run.kind);
    for run in manifest.runs.iter_mut().filter(|run| has_one(run)) {
        *run = match (directory::read(backend, run.entry()), mode) {
            (Err(error), Mode::Repair | Mode::Accept) if error.is_damage() => directory::recover(backend, run.entry())?,
            (read, _) => read?,
        };
    }
    Ok(())
}
