//! How does an engine come to be? Over a store that is sound, or over one that is mended first.

use std::path::Path;
use std::sync::Arc;

use crate::engine::check::{self, loss::Repaired};
use crate::engine::commit::draft::Drafts;
use crate::engine::options::Options;
use crate::engine::replay::threads::KeptThreads;
use crate::engine::{Engine, people};
use crate::ingest::inputs::is_store;
use crate::model::error::Result;
use crate::resolver::Resolver;
use crate::resolver::feed::handle::LastFeed;
use crate::store::backend::Backend;
use crate::store::{Missing, Store};

impl Engine {
    /// Opens the store in the folder `path`, which is made where it is missing, with the default settings. One that exists keeps
    /// its own.
    ///
    /// Costs a read of all identities and links, not of the events.
    ///
    /// # Errors
    /// When the folder cannot be made or read, is not a store, is in use, or is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::default().open(path)
    }

    /// Whether the folder `path` is a store, sound or not.
    pub fn is_store(path: impl AsRef<Path>) -> bool {
        is_store(path.as_ref())
    }

    /// How to open or make a store in another way than [`open`](Self::open) does.
    pub fn options() -> Options {
        Options::default()
    }

    /// A store in memory with the default settings, gone with the engine.
    #[expect(clippy::expect_used, reason = "the backend in memory cannot fail, and the default settings are tested")]
    pub fn in_memory() -> Self {
        Options::default().in_memory().expect("memory does not fail, and the default settings are sound")
    }

    /// Opens a damaged store: what cannot be read any more is given up, what follows from the rest is rebuilt.
    ///
    /// Costs a read of everything, events included. One that is cut short is done again by the next.
    ///
    /// # Errors
    /// When there is no store, or it is damaged in what only a replay into a new store brings back (identities, settings).
    pub fn repair(path: impl AsRef<Path>) -> Result<(Self, Repaired)> {
        Self::repaired(check::repair_at(path.as_ref(), false)?)
    }

    /// As [`repair`](Self::repair), of a store that is older than its last commit, or may be
    /// ([`Older`](crate::model::error::ErrorKind::Older)): an older copy that was put back, or a database that lost the end of its log. It is
    /// taken as it is.
    ///
    /// Its positions went back with it, so replaying the same logs brings back what is missing. The change feed begins a new
    /// epoch: its readers need a full export.
    ///
    /// # Errors
    /// As [`repair`](Self::repair).
    pub fn accept_older(path: impl AsRef<Path>) -> Result<(Self, Repaired)> {
        Self::repaired(check::repair_at(path.as_ref(), true)?)
    }

    /// As [`Engine::accept_older`], over any backend.
    ///
    /// # Errors
    /// As [`Engine::repair`].
    #[doc(hidden)]
    pub fn accept_older_backend(backend: Arc<dyn Backend>) -> Result<(Self, Repaired)> {
        let (store, missing) = Store::accept_backend(backend)?;
        Self::repaired(check::repair::run(store, missing)?)
    }

    /// As [`Engine::repair`], over any backend.
    ///
    /// # Errors
    /// As [`Engine::repair`].
    #[doc(hidden)]
    pub fn repair_backend(backend: Arc<dyn Backend>) -> Result<(Self, Repaired)> {
        Self::repaired(check::repair::run(Store::with_damaged_backend(backend)?, Missing::default())?)
    }

    fn repaired((store, repaired): (Store, Repaired)) -> Result<(Self, Repaired)> {
        Ok((Self::of(store)?, repaired))
    }

    pub(super) fn of(store: Store) -> Result<Self> {
        let resolver = people::load(&store)?;
        Ok(Self::over_people(store, resolver))
    }

    pub(super) fn over_people(store: Store, resolver: Resolver) -> Self {
        let feed = Arc::new(LastFeed::new(store.feed()));
        Self { store, resolver, feed, drafts: Drafts::default(), threads: KeptThreads::default() }
    }
}
