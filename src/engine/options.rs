//! How is a store opened, or made?

use std::path::Path;
use std::sync::Arc;

use crate::engine::Engine;
use crate::model::counting::Limits;
use crate::model::error::Result;
use crate::model::namespace::Levels;
use crate::model::settings::{Junk, Settings};
use crate::store::Store;
use crate::store::backend::{Backend, MemoryBackend};
use crate::store::error::StoreError;

/// How a store is opened, or made where there is none: [`Engine::options`].
///
/// A store keeps the settings that it was made with. What is set here decides how a new one is made, and must agree with one
/// that exists; what is not set is the store's own affair, and as by default in a new one.
///
/// ```
/// # fn main() -> backstitch::Result<()> {
/// # use backstitch::Engine;
/// let engine = Engine::options().unique("customerNumber").between(["email"]).in_memory()?;
/// assert_eq!(engine.settings().levels.unique.as_deref(), Some("customerNumber"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Options {
    unique: Option<Option<String>>,
    between: Option<Vec<String>>,
    junk: Option<Vec<String>>,
    builtin_junk: Option<bool>,
    existing_only: bool,
    read_only: bool,
    quarantine: Option<Option<Limits>>,
}

impl Options {
    /// The unique namespace, of which a person has at most one identity: the customer's. By default it is `ecommerceId`.
    pub fn unique(mut self, namespace: impl Into<String>) -> Self {
        self.unique = Some(Some(namespace.into().trim().to_owned()));
        self
    }

    /// No namespace is unique: every link joins, and there are no customers.
    pub fn no_unique(mut self) -> Self {
        self.unique = Some(None);
        self
    }

    /// The namespaces between `sessionId` and the unique one, the lowest first. Others that the logs name come above them, by name.
    pub fn between<S: AsRef<str>>(mut self, namespaces: impl IntoIterator<Item = S>) -> Self {
        let names = namespaces.into_iter().map(|name| name.as_ref().trim().to_ascii_lowercase());
        self.between = Some(names.collect());
        self
    }

    /// Values that are no identities, beyond the built-in list. Their case does not count.
    pub fn junk<S: AsRef<str>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        let mut values: Vec<String> = values.into_iter().map(|value| value.as_ref().trim().to_lowercase()).collect();
        values.sort();
        values.dedup();
        self.junk = Some(values);
        self
    }

    /// Whether the built-in list of junk applies (`null`, `undefined`, `guest`, zeros and their like). By default it does.
    pub fn builtin_junk(mut self, applies: bool) -> Self {
        self.builtin_junk = Some(applies);
        self
    }

    /// A store that is missing is an error ([`NotFound`](crate::model::error::ErrorKind::NotFound)), and is not made.
    pub fn existing_only(mut self) -> Self {
        self.existing_only = true;
        self
    }

    /// Opens a private copy of the store, as of its last commit, which takes no commits
    /// ([`ReadOnly`](crate::model::error::ErrorKind::ReadOnly)): the store may be in use, and its folder need not be writable. One that is missing
    /// is an error.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Lets the store set identities aside by itself that are over these limits, from now on, or none any more where that is `None`:
    /// [`Engine::quarantine`], at the opening. What is not set stays as it was.
    pub fn quarantine(mut self, limits: impl Into<Option<Limits>>) -> Self {
        self.quarantine = Some(limits.into());
        self
    }

    /// Opens the store in the folder `path`, which is made where it is missing.
    ///
    /// Costs a read of all identities and links, not of the events; [`read_only`](Self::read_only) also a copy of all files.
    ///
    /// # Errors
    /// When the folder cannot be made or read, is no store, is in use, is damaged, or was made with other settings.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Engine> {
        let path = path.as_ref();
        match self.read_only {
            true => self.existing_only().opened(|_| Store::open_copy(path)),
            false => self.opened(|settings| Store::open(path, settings)),
        }
    }

    /// A store in memory, gone with the engine.
    ///
    /// # Errors
    /// When no store can have these levels: a name is blank, too long or used twice.
    pub fn in_memory(self) -> Result<Engine> {
        self.over(Arc::new(MemoryBackend::default()))
    }

    /// Opens the store over any backend.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[doc(hidden)]
    pub fn over(self, backend: Arc<dyn Backend>) -> Result<Engine> {
        self.opened(|settings| Store::with_backend(Arc::clone(&backend), settings))
    }

    fn opened(self, open: impl Fn(Option<&Settings>) -> Result<Store, StoreError>) -> Result<Engine> {
        let store = match open(None) {
            Err(StoreError::Missing(_)) if !self.existing_only => open(Some(&self.applied_to(&Settings::default())))?,
            opened => opened?,
        };
        let asked = self.applied_to(store.settings());
        if asked != *store.settings() {
            let (stored, asked) = (Box::new(store.settings().clone()), Box::new(asked));
            return Err(StoreError::Settings { store: store.backend().name(), stored, asked }.into());
        }
        let mut engine = Engine::of(store)?;
        if let Some(limits) = self.quarantine {
            engine.quarantine(limits)?;
        }
        Ok(engine)
    }

    /// `settings`, but for what is set.
    fn applied_to(&self, settings: &Settings) -> Settings {
        fn or<T: Clone>(set: &Option<T>, own: &T) -> T {
            set.as_ref().unwrap_or(own).clone()
        }
        let Settings { levels, junk } = settings;
        Settings {
            levels: Levels { unique: or(&self.unique, &levels.unique), between: or(&self.between, &levels.between) },
            junk: Junk { builtin: or(&self.builtin_junk, &junk.builtin), extra: or(&self.junk, &junk.extra) },
        }
    }
}

/// All of the settings, as those of another store.
impl From<Settings> for Options {
    fn from(settings: Settings) -> Self {
        let Settings { levels, junk } = settings;
        Self {
            unique: Some(levels.unique),
            between: Some(levels.between),
            junk: Some(junk.extra),
            builtin_junk: Some(junk.builtin),
            existing_only: false,
            read_only: false,
            quarantine: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::ErrorKind;

    #[test]
    fn a_store_keeps_what_it_was_made_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let kind = |opened: Result<Engine>| opened.err().map(|error| error.kind());
        assert_eq!(kind(Engine::options().existing_only().open(&path)), Some(ErrorKind::NotFound));
        assert!(!path.exists());
        let twice = Engine::options().between(["email", "Email"]).open(&path);
        assert_eq!((kind(twice), path.exists()), (Some(ErrorKind::Argument), false));
        assert_eq!(kind(Engine::open("")), Some(ErrorKind::Argument));
        assert!(!Path::new("db").exists() && !Path::new("conf").exists(), "nothing is made in the folder at hand");

        let made =
            Engine::options().unique(" customerNumber ").between(["Email"]).junk(["N/K", "x", "n/k"]).open(&path);
        assert_eq!(made.unwrap().settings().junk.extra, ["n/k", "x"]);
        assert_eq!(Engine::open(&path).unwrap().settings().levels.between, ["email"]);
        assert_eq!(kind(Engine::options().unique("customernumber").open(&path)), None, "case does not count");
        for other in
            [Engine::options().no_unique(), Engine::options().junk([""; 0]), Engine::options().builtin_junk(false)]
        {
            assert_eq!(kind(other.open(&path)), Some(ErrorKind::SettingsDiffer));
        }
        let limits = Limits { customers: 3, ..Limits::default() };
        assert_eq!(Engine::options().quarantine(limits).open(&path).unwrap().limits().unwrap(), Some(limits));
        assert_eq!(
            Engine::options().read_only().quarantine(limits).open(&path).unwrap().limits().unwrap(),
            Some(limits)
        );
        let other = Engine::options().read_only().quarantine(None).open(&path);
        assert_eq!(kind(other), Some(ErrorKind::ReadOnly));
        assert_eq!(Engine::open(&path).unwrap().limits().unwrap(), Some(limits), "what is not set stays");
        assert_eq!(Engine::options().quarantine(None).open(&path).unwrap().limits().unwrap(), None);
        assert_eq!(kind(Engine::open(&path)), None, "a refusal leaves the store as it was, and free");
    }
}
