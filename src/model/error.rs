//! What can go wrong, as a caller of the library sees it: one opaque error, its kind, and its causes.
//!
//! Each module keeps an enum of its own, with the text of every case in one place, and says here which kind a case is.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use serde::{Serialize, Serializer};

/// The result of whatever can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the library could not do what it was asked.
///
/// `Display` is one sentence that names the file or the store. What caused it (an error of the operating system, say) is in
/// [`source`](StdError::source), not in the sentence. `Debug` is the sentence with its causes, so that a `main` which returns
/// a [`Result`] prints something fit to be read:
///
/// ```
/// let error = backstitch::Engine::options().existing_only().open("nowhere").err().expect("there is no store");
/// assert_eq!(error.kind(), backstitch::ErrorKind::NotFound);
/// assert_eq!(format!("{error:?}"), "nowhere holds no store");
/// ```
pub struct Error(Box<ErrorRepr>);

struct ErrorRepr {
    kind: ErrorKind,
    cause: Box<dyn StdError + Send + Sync>,
}

/// What kind of thing went wrong, for a program that wants to act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no store, and none was to be made.
    NotFound,
    /// The folder holds something that is no store: choose another.
    NotAStore,
    /// Another process has the store open: try again later.
    InUse,
    /// The store is damaged in what follows from the rest, or comes back with a replay: [`Engine::repair`](crate::engine::Engine::repair) mends it.
    Damaged,
    /// The store is damaged in what nothing else tells: replay the logs into a new one.
    Unrepairable,
    /// The store is older than its last commit, or nothing tells that it is not:
    /// [`Engine::accept_older`](crate::engine::Engine::accept_older) takes it as it is.
    Older,
    /// The store was made with other settings: ask for the same, or for none.
    SettingsDiffer,
    /// Another version of the library wrote the store.
    Version,
    /// The store was opened to be read only.
    ReadOnly,
    /// An earlier commit failed, and it is not known whether it counts: open the store again.
    Poisoned,
    /// The changes after the number asked for are not all kept: begin again from a full export.
    Trimmed,
    /// The number asked for was never given, to a change or to a commit: the feed is another one.
    Ahead,
    /// What was known then is not kept any more: ask for a later commit.
    Forgotten,
    /// The position asked for is of another epoch of the feed: begin again from a full export.
    OtherEpoch,
    /// The feed cannot be applied to a table: export the table again.
    Table,
    /// Exported facts are cut short, damaged or no facts: export them again.
    Facts,
    /// A log names no file, no folder with logs and no pattern with a match.
    NoInput,
    /// A log cannot be read.
    Input,
    /// A compressed log breaks off or is damaged; what came before the damage was read.
    DamagedInput,
    /// What was asked for makes no sense, or not in this store.
    Argument,
    /// The store has no source of that name.
    UnknownSource,
    /// A limit was reached: of the store (see [`limits`](crate::model::limits)), or of the machine.
    Limit,
    /// The disk is full.
    NoSpace,
    /// The operating system does not permit it.
    Permission,
    /// Rows or rejected lines cannot be written.
    Output,
    /// Another error of input or output.
    Io,
    /// The library contradicts itself: please report it.
    Defect,
}

impl ErrorKind {
    /// The kind of an error of the operating system, where it says more than `otherwise`.
    pub(crate) fn of_io(error: &io::Error, otherwise: Self) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Permission,
            _ => otherwise,
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, cause: impl StdError + Send + Sync + 'static) -> Self {
        Self(Box::new(ErrorRepr { kind, cause: Box::new(cause) }))
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// As a text: the sentence, with its causes.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{self:?}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read a.log")]
    struct Unreadable(#[source] io::Error);

    #[test]
    fn the_sentence_is_shown_and_the_causes_are_behind_it() {
        let cause = io::Error::new(io::ErrorKind::PermissionDenied, "not yours");
        let error = Error::new(ErrorKind::of_io(&cause, ErrorKind::Input), Unreadable(cause));
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert_eq!(error.to_string(), "cannot read a.log");
        assert_eq!(format!("{error:?}"), "cannot read a.log: not yours");
        assert_eq!(format!("{error:#?}"), "cannot read a.log: not yours");
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn errors_go_between_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Error>();
    }
}
