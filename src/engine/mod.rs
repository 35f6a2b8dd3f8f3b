//! How does a batch become durable? Replay and verification.

mod batch;
mod commit;
mod derive;
mod error;
mod feed;
mod people;
mod rejects;
mod repair;
mod replay;
mod rows;
mod sets;
mod settle;
mod share;
mod summary;
mod verify;

use std::path::Path;
use std::sync::Arc;

use crate::model::settings::Settings;
use crate::resolver::Resolver;
use crate::store::Store;
use crate::store::backend::{Backend, MemoryBackend};
use crate::store::error::StoreError;

pub use error::Error;
pub use repair::Repaired;
pub use replay::{BATCH_EVENTS, Replay};
pub use summary::{EventCounts, Progress, SourceCounts, Summary};
pub use verify::Verification;

/// A store that is open for replay, and the people in it. There is one a store, in one process at a time; its [`Resolver`]s are many.
///
/// Dropping it closes the store as soon as its resolvers are gone too; nothing waits to be written then.
pub struct Engine {
    store: Store,
    resolver: Resolver,
}

impl Engine {
    /// Opens the store in the folder `path`, made when missing: with `settings`, or else with the default ones. One that exists keeps
    /// its own, and must have been made with the same if any are given.
    ///
    /// Costs a read of all identities and links, not of the events.
    ///
    /// # Errors
    /// When the folder cannot be made or read, is no store, is in use, is damaged, or was made with other settings.
    pub fn open(path: &Path, settings: Option<&Settings>) -> Result<Self, Error> {
        match (Store::open(path, settings), settings) {
            (Err(StoreError::Missing(_)), None) => Self::over(Store::open(path, Some(&Settings::default()))?),
            (opened, _) => Self::over(opened?),
        }
    }

    /// Opens the store in the folder `path`, which must exist.
    ///
    /// # Errors
    /// As [`Engine::open`], and when there is no store.
    pub fn open_existing(path: &Path) -> Result<Self, Error> {
        Self::over(Store::open(path, None)?)
    }

    /// A store in memory, gone with the engine.
    ///
    /// # Errors
    /// None today; the signature is that of every other way to a store.
    pub fn in_memory(settings: &Settings) -> Result<Self, Error> {
        Self::with_backend(Arc::new(MemoryBackend::default()), settings)
    }

    /// A store over any backend.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn with_backend(backend: Arc<dyn Backend>, settings: &Settings) -> Result<Self, Error> {
        Self::over(Store::with_backend(backend, Some(settings))?)
    }

    /// Opens a damaged store: what cannot be read any more is given up, what follows from the rest is worked out anew.
    ///
    /// Costs a read of everything, events included. One that is cut short is done again by the next.
    ///
    /// # Errors
    /// When there is no store, or it is damaged in what only a replay into a new store brings back (identities, settings).
    pub fn repair(path: &Path) -> Result<(Self, Repaired), Error> {
        Self::repaired(Store::open_damaged(path)?)
    }

    /// As [`Engine::repair`], over any backend.
    ///
    /// # Errors
    /// As [`Engine::repair`].
    pub fn repair_backend(backend: Arc<dyn Backend>) -> Result<(Self, Repaired), Error> {
        Self::repaired(Store::with_damaged_backend(backend)?)
    }

    fn repaired(store: Store) -> Result<(Self, Repaired), Error> {
        let (store, repaired) = repair::run(store)?;
        Ok((Self::over(store)?, repaired))
    }

    fn over(store: Store) -> Result<Self, Error> {
        let resolver = people::load(&store)?;
        Ok(Self { store, resolver })
    }

    /// Replays logs into the store. What it has read is durable when it returns, whether to the end or stopped;
    /// after an error, what the last commit held is. If it was a commit that failed, the engine answers on, but every further
    /// commit is refused until the store is opened again: only then is it known whether the failed one counts.
    ///
    /// # Errors
    /// When an input does not exist or the store cannot be written. A source that cannot be read to its end does not end
    /// the replay: [`Summary::failed`] names it.
    pub fn replay(&mut self, replay: Replay<'_>) -> Result<Summary, Error> {
        replay::run(&mut self.store, &self.resolver, replay)
    }

    /// A handle that answers questions, in any thread, while replays go on.
    pub fn resolver(&self) -> Resolver {
        self.resolver.clone()
    }

    /// The store underneath.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Works out everything derived a second time, in another way, and compares.
    ///
    /// Costs a read of everything, and the memory of a second graph.
    ///
    /// # Errors
    /// When the store cannot be read. Damaged blocks are no error here: they are reported.
    pub fn verify(&self) -> Result<Verification, Error> {
        verify::run(&self.store, &self.resolver.view())
    }
}
