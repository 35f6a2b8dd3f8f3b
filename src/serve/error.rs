//! What can go wrong before and while the collector serves.

use std::io;

use crate::model::error::{Error, ErrorKind};

/// Why the collector cannot serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("cannot read {what} ({file})")]
    File { what: &'static str, file: String, source: io::Error },
    #[error("{file}, line {line}: {why}")]
    Line { file: String, line: usize, why: String },
    #[error("{file} holds no {what}: {remedy}")]
    Empty { file: String, what: &'static str, remedy: &'static str },
    #[error("cannot listen at {address}")]
    Listen { address: String, source: io::Error },
    #[error("cannot start the threads of the collector")]
    Threads(#[source] io::Error),
    #[error("cannot read the log {file}")]
    Log { file: String, source: io::Error },
    #[error("a thread of the collector broke off: this is a defect; what was acknowledged is in the log")]
    Thread,
}

impl From<ServeError> for Error {
    fn from(error: ServeError) -> Self {
        let kind = match &error {
            ServeError::File { source, .. } | ServeError::Log { source, .. } => {
                ErrorKind::of_io(source, ErrorKind::Input)
            }
            ServeError::Line { .. } | ServeError::Empty { .. } => ErrorKind::Argument,
            ServeError::Listen { source, .. } | ServeError::Threads(source) => ErrorKind::of_io(source, ErrorKind::Io),
            ServeError::Thread => ErrorKind::Defect,
        };
        Self::new(kind, error)
    }
}
