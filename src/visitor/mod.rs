//! Who acts, as a shop's page knows it? What the web SDK does for a page, for a program that makes events itself.
//!
//! Floor 1: knows `model` alone. A [`Visitor`] has a session ID, which outlives restarts in a [`VisitorStore`], and beside it what a page
//! adds again each time: identities, segments, traits. It makes activities as the wire format has them.
//!
//! The meanings are those of the web SDK (`@attraqt/activity` 1.7), call by call, and so are the names in the store. Three
//! things are otherwise: an activity has an `id` and a `timestamp`, so that it can be delivered more than once; a trait may be any
//! JSON value, also one that is added alone; and while the visitor has opted out, a new session ID is not stored.

mod action;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::time::Time;

pub use action::{VisitorAction, VisitorUser};
pub use store::{VisitorFile, VisitorMemory, VisitorStore};

/// The name of the session ID in the store.
const SESSION_KEY: &str = "attraqtsessionid";

/// The name of the opt-out in the store, where it is `true`.
const OPT_OUT_KEY: &str = "attraqtoptout";

/// The namespace of the session ID, as it is sent.
const SESSION_NAMESPACE: &str = "sessionid";

/// Characters of a UUID.
const UUID_TEXT: usize = 36;

/// Why a visitor cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
enum VisitorError {
    #[error("the visitor's store cannot be read or written")]
    Store(#[from] io::Error),
    #[error("an empty set of identities: to forget them, clear the visitor")]
    NoIdentities,
    #[error("the metadata `{0}` is null or an object: give a text, a number, true, false or a list")]
    Metadata(String),
    #[error("the timestamp `{0}` is not valid RFC 3339, such as 2026-11-01T10:00:00.000Z")]
    Timestamp(String),
    #[error("the activity cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl From<VisitorError> for Error {
    fn from(error: VisitorError) -> Self {
        let kind = match &error {
            VisitorError::Store(error) => ErrorKind::of_io(error, ErrorKind::Io),
            VisitorError::NoIdentities | VisitorError::Metadata(_) | VisitorError::Timestamp(_) => ErrorKind::Argument,
            VisitorError::Json(_) => ErrorKind::Defect,
        };
        Self::new(kind, error)
    }
}

/// A visitor of a shop, who makes activities.
///
/// ```
/// use backstitch::{Engine, Visitor, VisitorAction, VisitorMemory};
///
/// let mut visitor = Visitor::open(VisitorMemory::default())?; // or VisitorFile::new("visitor.json")
/// let mut log = String::new();
/// let mut act = |visitor: &mut Visitor, action: &VisitorAction| -> backstitch::Result<()> {
///     let line = visitor.activity(action)?;
///     log.extend(line.map(|line| line + "\n")); // or post it
///     Ok(())
/// };
/// act(&mut visitor, &VisitorAction::new("view").target("product", "123"))?;
/// visitor.add_identity("ecommerceId", "anna")?;
/// act(&mut visitor, &VisitorAction::new("purchase").target("product", "123").metadata("orderId", "o-1"))?;
///
/// let mut engine = Engine::in_memory();
/// engine.ingest("shop", log.as_bytes())?;
/// let found = engine.resolver().resolve(visitor.session()).expect("it acted");
/// assert_eq!(found.customer.as_deref(), Some("anna"));
/// # Ok::<(), backstitch::Error>(())
/// ```
pub struct Visitor {
    store: Box<dyn VisitorStore + Send>,
    ids: Box<dyn FnMut() -> u128 + Send>,
    clock: Box<dyn FnMut() -> Time + Send>,
    session: String,
    has_opted_out: bool,
    /// What was added or set since it was opened.
    user: VisitorUser,
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session, has_opted_out, user, .. } = self;
        let mut all = f.debug_struct("Visitor");
        all.field("session", session).field("has_opted_out", has_opted_out).field("user", user).finish_non_exhaustive()
    }
}

impl Visitor {
    /// The visitor whom `store` keeps, or a new one with a random session ID, which is kept there. Nothing else outlives a restart but
    /// an opt-out.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn open(store: impl VisitorStore + Send + 'static) -> Result<Self> {
        Self::with(store, || uuid::Uuid::new_v4().as_u128(), || Time::from(SystemTime::now()))
    }

    /// The same with UUIDs made of what `ids` gives (all bits but the six that say it is of version 4), and the time that `clock` tells: in tests.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with(
        store: impl VisitorStore + Send + 'static,
        ids: impl FnMut() -> u128 + Send + 'static,
        clock: impl FnMut() -> Time + Send + 'static,
    ) -> Result<Self> {
        let told = |name| store.get(name).map_err(VisitorError::Store);
        let (session, has_opted_out) = (told(SESSION_KEY)?, told(OPT_OUT_KEY)?.as_deref() == Some("true"));
        let mut this = Self {
            store: Box::new(store),
            ids: Box::new(ids),
            clock: Box::new(clock),
            session: String::new(),
            has_opted_out,
            user: VisitorUser::default(),
        };
        match session {
            Some(session) => this.session = session,
            None => this.begin_session()?,
        }
        Ok(this)
    }

    /// The session ID: that of the store, whatever identities were set.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Adds an identity, its namespace in lower case; one of the same namespace is replaced. A `sessionId` becomes the session ID,
    /// and is kept.
    ///
    /// # Errors
    /// When a session ID cannot be kept.
    pub fn add_identity(&mut self, namespace: impl AsRef<str>, value: impl Into<String>) -> Result<()> {
        let (namespace, value) = (namespace.as_ref().to_lowercase(), value.into());
        if namespace == SESSION_NAMESPACE {
            self.keep_session(value)?;
            self.user.identities.remove(SESSION_NAMESPACE);
        } else {
            self.user.identities.insert(namespace, value);
        }
        Ok(())
    }

    /// Puts these identities in the place of all that were added or set, their namespaces as they are spelled. The session ID goes
    /// along as `sessionid`, unless that is among them; a `sessionId` in another spelling is sent beside it (and is the one that
    /// counts), and none of them is kept.
    ///
    /// # Errors
    /// When there are none.
    pub fn set_identities<N: Into<String>, V: Into<String>>(
        &mut self,
        identities: impl IntoIterator<Item = (N, V)>,
    ) -> Result<()> {
        let identities = identities.into_iter().map(|(namespace, value)| (namespace.into(), value.into()));
        self.replace_identities(identities.collect())
    }

    fn replace_identities(&mut self, identities: BTreeMap<String, String>) -> Result<()> {
        if identities.is_empty() {
            return Err(VisitorError::NoIdentities.into());
        }
        self.user.identities = identities;
        Ok(())
    }

    /// Adds a segment, also one that is there.
    pub fn add_segment(&mut self, segment: impl Into<String>) {
        self.user.segments.push(segment.into());
    }

    /// Puts these segments in the place of all.
    pub fn set_segments<S: Into<String>>(&mut self, segments: impl IntoIterator<Item = S>) {
        self.user.segments = segments.into_iter().map(Into::into).collect();
    }

    /// Adds a trait, or replaces the one of this name.
    pub fn add_trait(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.user.traits.insert(name.into(), value.into());
    }

    /// Puts these traits in the place of all.
    pub fn set_traits(&mut self, traits: Map<String, Value>) {
        self.user.traits = traits;
    }

    /// Puts a complete user in the place of all identities, segments and traits; its identities as
    /// [`set_identities`](Self::set_identities) does.
    ///
    /// # Errors
    /// When it has no identities: nothing is replaced then.
    pub fn set_user(&mut self, user: VisitorUser) -> Result<()> {
        let VisitorUser { identities, segments, traits } = user;
        self.replace_identities(identities)?;
        self.user.segments = segments;
        self.user.traits = traits;
        Ok(())
    }

    /// Forgets everything, as a log-out does, and begins a new session. An opt-out stays.
    ///
    /// # Errors
    /// When the store cannot be written: nothing is forgotten then.
    pub fn clear(&mut self) -> Result<()> {
        if self.has_opted_out {
            self.store.remove(SESSION_KEY).map_err(VisitorError::Store)?;
        }
        self.begin_session()?;
        self.user = VisitorUser::default();
        Ok(())
    }

    /// From now on makes no activity and stores no new session ID, also after a restart. The one that is stored stays until the
    /// visitor is cleared.
    ///
    /// # Errors
    /// When the store cannot be written: the visitor has not opted out then.
    pub fn opt_out(&mut self) -> Result<()> {
        self.store.set(OPT_OUT_KEY, "true").map_err(VisitorError::Store)?;
        self.has_opted_out = true;
        Ok(())
    }

    /// Takes an opt-out back. What was done meanwhile is not made up for.
    ///
    /// # Errors
    /// When the store cannot be written: the visitor has not opted in then.
    pub fn opt_in(&mut self) -> Result<()> {
        self.store.set(SESSION_KEY, &self.session).map_err(VisitorError::Store)?;
        self.store.remove(OPT_OUT_KEY).map_err(VisitorError::Store)?;
        self.has_opted_out = false;
        Ok(())
    }

    /// Whether the visitor has opted out.
    pub fn has_opted_out(&self) -> bool {
        self.has_opted_out
    }

    /// The activity to send, one line of JSON without its end: with a new `id`, the time as `timestamp`, and the visitor as `user`, where the
    /// action has none of its own. `None` while the visitor has opted out.
    ///
    /// # Errors
    /// When a value of the metadata is null or an object, or a timestamp is not valid; also while the visitor has opted out.
    pub fn activity(&mut self, action: &VisitorAction) -> Result<Option<String>> {
        if let Some((name, _)) = action.metadata.iter().find(|(_, value)| value.is_null() || value.is_object()) {
            return Err(VisitorError::Metadata(name.clone()).into());
        }
        if let Some(text) = action.timestamp.as_ref().filter(|text| Time::parse(text).is_none()) {
            return Err(VisitorError::Timestamp(text.clone()).into());
        }
        if self.has_opted_out {
            return Ok(None);
        }
        let id = match &action.id {
            Some(id) => id.clone(),
            None => text_of(&uuid_text((self.ids)())),
        };
        let timestamp = action.timestamp.clone().unwrap_or_else(|| (self.clock)().to_string());
        Ok(Some(self.line(&id, &timestamp, action).map_err(VisitorError::Json)?))
    }

    fn line(&self, id: &str, timestamp: &str, action: &VisitorAction) -> serde_json::Result<String> {
        let mut out = b"{\"id\":".to_vec();
        serde_json::to_writer(&mut out, id)?;
        write_member(&mut out, "timestamp", timestamp)?;
        write_member(&mut out, "action", &action.action)?;
        write_member(&mut out, "target", &action.target)?;
        match &action.user {
            Some(user) => write_member(&mut out, "user", user)?,
            None => {
                out.extend_from_slice(b",\"user\":");
                self.write_user(&mut out)?;
            }
        }
        if let Some(opposite) = action.opposite {
            write_member(&mut out, "opposite", &opposite)?;
        }
        if let Some(source_id) = &action.source_id {
            write_member(&mut out, "sourceId", source_id)?;
        }
        if !action.metadata.is_empty() {
            write_member(&mut out, "metadata", &action.metadata)?;
        }
        if !action.segments.is_empty() {
            write_member(&mut out, "segments", &action.segments)?;
        }
        out.push(b'}');
        Ok(text_of(&out))
    }

    /// Appends the `user` of its activities.
    fn write_user(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let VisitorUser { identities, segments, traits } = &self.user;
        let own = (!identities.contains_key(SESSION_NAMESPACE)).then_some((SESSION_NAMESPACE, &*self.session));
        out.extend_from_slice(b"{\"identities\":");
        let sent = identities.iter().map(|(name, value)| (&**name, &**value)).chain(own);
        serde_json::Serializer::new(&mut *out).collect_map(sent)?;
        write_member(out, "segments", segments)?;
        write_member(out, "traits", traits)?;
        out.push(b'}');
        Ok(())
    }

    fn begin_session(&mut self) -> Result<()> {
        let session = text_of(&uuid_text((self.ids)()));
        self.keep_session(session)
    }

    fn keep_session(&mut self, session: String) -> Result<()> {
        if !self.has_opted_out {
            self.store.set(SESSION_KEY, &session).map_err(VisitorError::Store)?;
        }
        self.session = session;
        Ok(())
    }
}

fn write_member<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) -> serde_json::Result<()> {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    serde_json::to_writer(out, value)
}

fn text_of(utf8: &[u8]) -> String {
    String::from_utf8_lossy(utf8).into_owned()
}

/// A UUID of version 4 in canonical form, made of `bits`.
pub(crate) fn uuid_text(bits: u128) -> [u8; UUID_TEXT] {
    let mut room = [0; UUID_TEXT];
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().hyphenated().encode_lower(&mut room);
    room
}

#[cfg(test)]
mod tests;
