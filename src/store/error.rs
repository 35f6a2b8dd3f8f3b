//! What can go wrong, and what to do about it.

use std::{fmt, io};

use crate::model::error::{Error, ErrorKind};
use crate::model::history::{Epoch, FeedPosition, Sequence};
use crate::model::namespace::LevelsError;
use crate::model::settings::Settings;
use crate::model::time::Time;
use crate::model::when::{CommitStamp, When};
use crate::store::block::{BlockKey, Loss};

/// Why a [`Backend`](crate::store::backend::Backend) failed.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Another process holds it.
    #[error("{0}")]
    Locked(String),
    /// Its own files cannot be read as what they should be.
    #[error("store {store}: the database is damaged ({how}); a repair keeps what can be read of it")]
    Corrupt {
        /// The store's directory.
        store: String,
        /// What is wrong with them.
        how: String,
    },
    /// It is not there any more.
    #[error("{0}")]
    Gone(String),
    /// An input or output error.
    #[error("store {store}: {what}")]
    Io {
        /// The store's directory.
        store: String,
        /// What could not be done.
        what: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The system starts too few threads.
    #[error(
        "store {store} takes {threads} threads to be opened, and the system starts fewer; \
         raise its limit of processes (`ulimit -u`, or that of the container)"
    )]
    Threads {
        /// The store's directory.
        store: String,
        /// How many there were to be.
        threads: usize,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It is a copy that is only read.
    #[error("store {0} was opened to be read only: open it in the usual way to change it")]
    ReadOnly(String),
    /// Another is used in its place.
    #[error("store {0} was rewritten to erase identities since this view of it was taken: take another")]
    Replaced(String),
    /// Any other failure.
    #[error("{0}")]
    Failed(String),
}

impl BackendError {
    /// The same about a store of another name: that of which it is a copy.
    pub(crate) fn of(self, name: &str) -> Self {
        let store = name.to_owned();
        match self {
            Self::Corrupt { how, .. } => Self::Corrupt { store, how },
            Self::Io { what, error, .. } => Self::Io { store, what, error },
            Self::Threads { threads, error, .. } => Self::Threads { store, threads, error },
            Self::Locked(_) | Self::Gone(_) | Self::ReadOnly(_) | Self::Replaced(_) | Self::Failed(_) => self,
        }
    }
}

/// A block that cannot be read as what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The store's directory.
    pub store: String,
    /// Which block; `None` of a page of the database that is not known to hold any.
    pub block: Option<BlockKey>,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store {}: {} is damaged ({}); {}", self.store, self.place(), self.what, self.loss().remedy())
    }
}

impl Damage {
    fn place(&self) -> String {
        self.block.map_or_else(|| "a page of the database".to_owned(), |block| block.to_string())
    }

    fn loss(&self) -> Loss {
        self.block.map_or(Loss::Salvaged, |block| block.kind.loss())
    }
}

impl std::error::Error for Damage {}

/// Why nothing vouches for the commit that a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Older {
    /// The store's directory.
    pub store: String,
    /// The commit that it holds.
    pub holds: u64,
    /// What is known of its last commit.
    pub last: Doubt,
}

/// What is known instead of that the commit which a store holds is its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The last was another one.
    Was {
        /// Its number.
        generation: u64,
        /// When it was made.
        at: Time,
    },
    /// Nothing, and why.
    Unknown(&'static str),
}

impl fmt::Display for Older {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, holds, last } = self;
        match last {
            Doubt::Was { generation, at } => write!(
                f,
                "store {store} is older than its last commit: that was commit {generation}, of {at}, and the store holds \
                 commit {holds}; once a repair has accepted it as it is, replaying the same logs brings back what is missing"
            ),
            Doubt::Unknown(why) => write!(
                f,
                "store {store} holds commit {holds}, and nothing tells whether that was its last ({why}); once a repair has \
                 accepted it as it is, replaying the same logs brings back what may be missing"
            ),
        }
    }
}

impl std::error::Error for Older {}

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The backend could not.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A block is damaged.
    #[error(transparent)]
    Damaged(Box<Damage>),
    /// The backend holds blocks, but no manifest that can be read.
    #[error("store {0} is damaged: it has no readable manifest; replay the logs into a new store")]
    NoManifest(String),
    /// Not even a repair can read anything of it.
    #[error("store {store}: nothing of it can be kept ({why}); replay the logs into a new store")]
    Unreadable {
        /// The store's directory.
        store: String,
        /// What stands in the way.
        why: String,
    },
    /// Nothing vouches that what it holds is its last commit.
    #[error(transparent)]
    Older(Box<Older>),
    /// There is no store, and no settings to make one with.
    #[error("{0} holds no store")]
    Missing(String),
    /// A copy was to be made where something is.
    #[error("there is something at {0} already: a copy of a store is made in a folder that is not there yet, or empty")]
    Taken(String),
    /// A store, or a copy of one, was to be made in the folder of another.
    #[error("{0} is inside a store, and would go with it")]
    InStore(String),
    /// A path names nothing.
    #[error("the path of the store is empty: name a folder")]
    NoPath,
    /// The directory or database holds something else.
    #[error("{0} holds something that is no backstitch store")]
    Foreign(String),
    /// The store was made with other settings.
    #[error(
        "store {store} was made with other settings: {}",
        differences(.stored, .asked)
    )]
    Settings {
        /// The store's directory.
        store: String,
        /// The settings that it was made with.
        stored: Box<Settings>,
        /// The settings that it was opened with.
        asked: Box<Settings>,
    },
    /// No store can have such levels.
    #[error("no store can have such levels")]
    Levels(#[from] LevelsError),
    /// Another version wrote it.
    #[error(
        "store {store}: {what} is unknown to this version; use one that knows it, or replay the logs into a new store"
    )]
    Version {
        /// The store's directory.
        store: String,
        /// What is unknown.
        what: String,
    },
    /// An earlier commit failed half-way.
    #[error("store {store}: an earlier commit failed ({why}), so nothing more is written; open the store again")]
    Poisoned {
        /// The store's directory.
        store: String,
        /// The earlier failure.
        why: String,
    },
    /// Records of the change feed were trimmed.
    #[error(
        "store {store}: the changes after {asked} are not all kept, those up to {trimmed} were trimmed: a reader of the feed \
         must begin again from a full export"
    )]
    Trimmed {
        /// The store's directory.
        store: String,
        /// The number that was asked for.
        asked: Sequence,
        /// The last one that was trimmed.
        trimmed: Sequence,
    },
    /// A position of the change feed in another epoch.
    #[error(
        "store {store}: the position {asked} is of another epoch of the change feed, which is in {epoch} now: the store was made \
         anew, or is an older copy that was accepted in its place, so a reader of the feed must begin again from a full export"
    )]
    OtherEpoch {
        /// The store's directory.
        store: String,
        /// The position that was asked for.
        asked: FeedPosition,
        /// The epoch of the store.
        epoch: Epoch,
    },
    /// A number that no record of the change feed has yet.
    #[error(
        "store {store}: there is no change {asked} yet, the last one is {last}; is it another store than the one whose feed \
         was read?"
    )]
    Ahead {
        /// The store's directory.
        store: String,
        /// The number that was asked for.
        asked: Sequence,
        /// The last one.
        last: Sequence,
    },
    /// What was known after a commit is not kept any more.
    #[error("store {store}: what was known {} is not kept any more: the history begins with {kept}", at(.asked))]
    Forgotten {
        /// The store's directory.
        store: String,
        /// What was asked for.
        asked: When,
        /// The first commit of which it is kept.
        kept: CommitStamp,
    },
    /// A number that no commit has.
    #[error("store {store}: there is no commit {asked}, they are numbered from 1 to {last}")]
    NoCommit {
        /// The store's directory.
        store: String,
        /// The number that was asked for.
        asked: u64,
        /// The number of the last one.
        last: u64,
    },
    /// The event that a link was first seen in is not among the events.
    #[error(
        "store {store}: no stored event is evidence for the link {link}; a repair rebuilds the links from the events"
    )]
    NoEvidence {
        /// The store's directory.
        store: String,
        /// The two ends of the link.
        link: String,
    },
    /// The commit contradicts itself or the store; nothing was written.
    #[error("commit refused, nothing was written: {0}")]
    Invalid(String),
}

impl StoreError {
    /// Whether stored bytes are wrong, rather than that they could not be reached.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Backend(BackendError::Corrupt { .. }))
    }

    /// The same of a store of which not even a repair can read anything.
    pub(crate) fn beyond_repair(self) -> Self {
        match self {
            Self::Backend(BackendError::Corrupt { store, how: why }) => Self::Unreadable { store, why },
            Self::NoManifest(store) => Self::Unreadable { store, why: "it has no readable manifest".to_owned() },
            Self::Damaged(damage) => {
                Self::Unreadable { why: format!("{}: {}", damage.place(), damage.what), store: damage.store }
            }
            other => other,
        }
    }
}

/// A commit in a sentence.
fn at(when: &When) -> String {
    match when {
        When::Change(sequence) => format!("after change {sequence}"),
        When::Commit(number) => format!("after commit {number}"),
        When::Moment(moment) => format!("at {moment}"),
    }
}

fn differences(stored: &Settings, asked: &Settings) -> String {
    stored.differences(asked).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Backend(BackendError::Locked(_)) => ErrorKind::InUse,
            StoreError::Backend(BackendError::Corrupt { .. }) => ErrorKind::Damaged,
            StoreError::Backend(BackendError::Gone(_)) | StoreError::NoManifest(_) | StoreError::Unreadable { .. } => {
                ErrorKind::Unrepairable
            }
            StoreError::Backend(BackendError::Io { error, .. }) => ErrorKind::of_io(error, ErrorKind::Io),
            StoreError::Backend(BackendError::Threads { .. }) => ErrorKind::Limit,
            StoreError::Backend(BackendError::Failed(_)) => ErrorKind::Io,
            StoreError::Backend(BackendError::ReadOnly(_)) => ErrorKind::ReadOnly,
            StoreError::Damaged(damage) if damage.loss().is_repairable() => ErrorKind::Damaged,
            StoreError::Damaged(_) => ErrorKind::Unrepairable,
            StoreError::NoEvidence { .. } => ErrorKind::Damaged,
            StoreError::Older(_) => ErrorKind::Older,
            StoreError::Missing(_) => ErrorKind::NotFound,
            StoreError::Foreign(_) | StoreError::Taken(_) | StoreError::InStore(_) => ErrorKind::NotAStore,
            StoreError::Settings { .. } => ErrorKind::SettingsDiffer,
            StoreError::Levels(_) | StoreError::NoPath => ErrorKind::Argument,
            StoreError::Version { .. } => ErrorKind::Version,
            StoreError::Poisoned { .. } => ErrorKind::Poisoned,
            StoreError::Trimmed { .. } => ErrorKind::Trimmed,
            StoreError::OtherEpoch { .. } => ErrorKind::OtherEpoch,
            StoreError::Ahead { .. } | StoreError::NoCommit { .. } => ErrorKind::Ahead,
            StoreError::Forgotten { .. } | StoreError::Backend(BackendError::Replaced(_)) => ErrorKind::Forgotten,
            StoreError::Invalid(_) => ErrorKind::Defect,
        };
        Self::new(kind, error)
    }
}

impl From<BackendError> for Error {
    fn from(error: BackendError) -> Self {
        StoreError::from(error).into()
    }
}
