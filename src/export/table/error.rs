//! Why a table could not be brought up to date. It is left unchanged then.

use std::io;

use crate::model::error::{Error, ErrorKind};
use crate::model::history::{FeedPosition, Sequence};

/// Why a table could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file that says which change it is at is missing.
    #[error("there is no {beside}, which would say at which change of the feed {table} is")]
    Unmarked {
        /// The table.
        table: String,
        /// The file that is missing.
        beside: String,
    },
    /// The caller said which change it is at, but there is no table.
    #[error("{table} is not there, and cannot be at change {since} of the feed")]
    Missing {
        /// The table.
        table: String,
        /// Where it was said to be.
        since: Sequence,
    },
    /// The caller said which change it is at, but the file beside the table says so already.
    #[error("{beside} says at which change of the feed {table} is: it must not be told another one")]
    Marked {
        /// The table.
        table: String,
        /// The file beside it.
        beside: String,
    },
    /// The file that says which change it is at cannot be parsed.
    #[error("{beside} does not say at which change of the feed the table is: {why}")]
    Mark {
        /// The file beside the table.
        beside: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something else wrote to it.
    #[error("{table} is not as it was left: something else has written to it")]
    Touched {
        /// The table.
        table: String,
    },
    /// A row is invalid, or out of order.
    #[error("{table}:{line}: {why}")]
    Row {
        /// The table.
        table: String,
        /// The line where the row begins, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It is written in another format.
    #[error("{table} is written as {is}, not as {asked}")]
    Format {
        /// The table.
        table: String,
        /// How it is written.
        is: &'static str,
        /// How it was to be written.
        asked: &'static str,
    },
    /// The changes that it lacks are not all kept.
    #[error("{table} is at change {since} of the feed, which holds only what comes after change {trimmed}")]
    Trimmed {
        /// The table.
        table: String,
        /// Where it is.
        since: Sequence,
        /// The last change that is gone.
        trimmed: Sequence,
    },
    /// It follows the feed of another epoch.
    #[error(
        "{table} is at change {since} of the feed, which is at {now} in another epoch: the store was made again, or is an older copy"
    )]
    OtherEpoch {
        /// The table.
        table: String,
        /// Where it is.
        since: FeedPosition,
        /// The last change of the feed.
        now: FeedPosition,
    },
    /// It holds changes that the store never saw.
    #[error("{table} is at change {since} of the feed, which ends at {last}: it was made from another store")]
    Ahead {
        /// The table.
        table: String,
        /// Where it is.
        since: Sequence,
        /// The last change of the feed.
        last: Sequence,
    },
    /// The operating system refused.
    #[error("cannot {what} {file}")]
    Io {
        /// What was tried: `read` or `write`.
        what: &'static str,
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<TableError> for Error {
    fn from(error: TableError) -> Self {
        let kind = match &error {
            TableError::Store(_) => ErrorKind::Io,
            TableError::Io { error, .. } => ErrorKind::of_io(error, ErrorKind::Output),
            TableError::Trimmed { .. } => ErrorKind::Trimmed,
            TableError::Ahead { .. } => ErrorKind::Ahead,
            TableError::OtherEpoch { .. } => ErrorKind::OtherEpoch,
            TableError::Missing { .. } | TableError::Marked { .. } | TableError::Format { .. } => ErrorKind::Argument,
            TableError::Unmarked { .. }
            | TableError::Mark { .. }
            | TableError::Touched { .. }
            | TableError::Row { .. } => ErrorKind::Table,
        };
        match error {
            TableError::Store(error) => error,
            error => Self::new(kind, error),
        }
    }
}
