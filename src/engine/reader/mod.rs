//! Single answers from the disk, without loading a store.

mod part;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::engine::reader::part::Question;
use crate::engine::{Engine, people};
use crate::model::error::Result;
use crate::model::identity::Identity;
use crate::model::namespace::{Namespaces, SESSION};
use crate::model::policy::Reading;
use crate::model::settings::Settings;
use crate::resolver::{EventRow, Explanation, PairExplanation, Resolution, Resolver, View};
use crate::store::Store;
use crate::store::backend::Backend;
use crate::store::point::Unanswered;

/// Answers single questions from the disk: for a command, or a job that asks a few and ends. A service that asks many opens an
/// [`Engine`] and asks its [`Resolver`]. Cheap to clone, `Send + Sync`.
///
/// It answers by the indexes of the store: a question costs a handful of blocks for each identity of the person, whatever the size of the
/// store. Where that would be more than some two thousand, or a part of the store has no index (an earlier version wrote it, and no commit
/// has merged it since), or an index is damaged, everything is loaded once, as [`Engine::open`] does; the answers are the same, byte by byte.
///
/// It holds the store as an engine does: no other process has it open meanwhile. Nothing is written.
///
/// ```
/// # fn main() -> backstitch::Result<()> {
/// # use backstitch::{Engine, StoreReader};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("people.store");
/// # Engine::open(&path)?.replay(["fixtures/journeys.ndjson"])?;
/// let reader = StoreReader::open(&path)?;
/// let found = reader.resolve("sess-family-tablet")?.unwrap();
/// assert_eq!(found.customer.as_deref(), Some("clara"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StoreReader {
    shared: Arc<OpenStore>,
}

struct OpenStore {
    store: Store,
    namespaces: Namespaces,
    /// Everything, once a question has asked for it.
    whole: OnceLock<Resolver>,
}

impl StoreReader {
    /// Opens the store in the folder `path`, which must exist. Costs an opening of the database, and a read of the directories of events.
    ///
    /// # Errors
    /// As [`Engine::open`], or when there is no store.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::of(Store::open(path.as_ref(), None)?))
    }

    /// An engine that tells what the store at `path` holds as a whole: sources, totals, counts, what was decided, and no people beside. Where
    /// that does not tell everything, one that has loaded the store.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[doc(hidden)]
    pub fn teller(path: impl AsRef<Path>) -> Result<Engine> {
        let store = Store::open(path.as_ref(), None)?;
        match part::told_of_all(&store, &people::namespaces(&store, store.namespaces())) {
            Ok(resolver) => Ok(Engine::over_people(store, resolver)),
            Err(Unanswered) => Engine::of(store),
        }
    }

    /// A reader over any backend.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[doc(hidden)]
    pub fn over(backend: Arc<dyn Backend>) -> Result<Self> {
        Ok(Self::of(Store::with_backend(backend, None)?))
    }

    /// Whether a question made it load everything.
    #[doc(hidden)]
    pub fn has_loaded(&self) -> bool {
        self.shared.whole.get().is_some()
    }

    fn of(store: Store) -> Self {
        let namespaces = people::namespaces(&store, store.namespaces());
        Self { shared: Arc::new(OpenStore { store, namespaces, whole: OnceLock::new() }) }
    }

    /// What the store was made with.
    pub fn settings(&self) -> &Settings {
        self.shared.store.settings()
    }

    /// The namespaces of the store, with their levels and spellings.
    pub fn namespaces(&self) -> &Namespaces {
        &self.shared.namespaces
    }

    /// As [`Resolver::resolve`].
    ///
    /// # Errors
    /// When the store cannot be read or a block is damaged.
    pub fn resolve(&self, session: &str) -> Result<Option<Resolution>> {
        self.resolve_in(SESSION, session, Reading::default())
    }

    /// As [`View::resolve_in`], under a reading.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_in(&self, namespace: &str, value: &str, reading: Reading) -> Result<Option<Resolution>> {
        self.view_to_resolve(&identity(namespace, value), reading)?.resolve_in(namespace, value)
    }

    /// As [`View::events`], under a reading.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn events(&self, namespace: &str, value: &str, reading: Reading) -> Result<Option<Vec<EventRow>>> {
        self.view_to_list(&identity(namespace, value), reading)?.events(namespace, value)
    }

    /// As [`View::explain`].
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn explain(&self, namespace: &str, value: &str) -> Result<Option<Explanation>> {
        self.view_to_explain(&[identity(namespace, value)])?.explain(namespace, value)
    }

    /// As [`View::explain_pair`].
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn explain_pair(&self, a: &Identity, b: &Identity) -> Result<Option<PairExplanation>> {
        self.view_to_explain(&[a, b].map(Clone::clone))?.explain_pair(a, b)
    }
}

/// Views that know enough for one question, and are to be asked no other.
impl StoreReader {
    /// One that resolves an identity, and tells what it counts as, whether it is shared and, where it is unknown, which others have its value.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    #[doc(hidden)]
    pub fn view_to_resolve(&self, identity: &Identity, reading: Reading) -> Result<View> {
        let ask = |view: &View| view.resolve_in(&identity.namespace, &identity.value).map(|_| true);
        self.view_for(&Question { asked: std::slice::from_ref(identity), reading, ask: &ask })
    }

    /// One that lists the events of a person.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    #[doc(hidden)]
    pub fn view_to_list(&self, identity: &Identity, reading: Reading) -> Result<View> {
        let ask = |view: &View| view.each_event(&identity.namespace, &identity.value).map(|_| true);
        self.view_for(&Question { asked: std::slice::from_ref(identity), reading, ask: &ask })
    }

    /// One that explains each of some identities and, of two, the pair.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    #[doc(hidden)]
    pub fn view_to_explain(&self, asked: &[Identity]) -> Result<View> {
        let ask = |view: &View| {
            for identity in asked {
                view.explain(&identity.namespace, &identity.value)?;
            }
            let [a, b] = asked else { return Ok(true) };
            Ok(view.explain_pair(a, b)?.is_none_or(|pair| pair.is_told_by_two_groups()))
        };
        self.view_for(&Question { asked, reading: Reading::default(), ask: &ask })
    }

    fn view_for(&self, question: &Question<'_>) -> Result<View> {
        let OpenStore { store, namespaces, .. } = &*self.shared;
        if self.shared.whole.get().is_none()
            && let Ok(view) = part::view(store, namespaces, question)
        {
            return Ok(view);
        }
        Ok(self.whole()?.view().under(question.reading))
    }

    fn whole(&self) -> Result<&Resolver> {
        if let Some(known) = self.shared.whole.get() {
            return Ok(known);
        }
        let loaded = people::load(&self.shared.store)?;
        Ok(self.shared.whole.get_or_init(|| loaded))
    }
}

fn identity(namespace: &str, value: &str) -> Identity {
    Identity::new(namespace, value)
}
