//! Why a command failed, and how that is told: one line that names what, where and the remedy.

use std::io;
use std::path::Path;

use backstitch::engine;
use backstitch::export::ExportError;
use backstitch::ingest::error::IngestError;
use backstitch::store::error::{BackendError, StoreError};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The arguments could not be read, or help was asked for.
    Arguments(clap::Error),
    /// The arguments make no sense together.
    Usage(String),
    /// Something went wrong.
    Failed(String),
    /// Nobody reads the results any more (`| head`): no failure, but nothing is left to do.
    NobodyReads,
}

impl Failure {
    /// Tells the reason.
    pub fn tell(&self) {
        match self {
            // Help goes to standard output; whether anybody reads it is not our business.
            Self::Arguments(error) => drop(error.print()),
            Self::Usage(text) | Self::Failed(text) => tell(text),
            Self::NobodyReads => {}
        }
    }

    /// A failure to write results to `name`.
    pub fn of_output(name: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(format!(
                "cannot write the results ({name}): {error}: free some space or name another file"
            )),
        }
    }

    /// A failure to make the file at `path`, which is for `what`.
    pub fn of_new_file(what: &str, path: &Path, error: &io::Error) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let why = match folder.is_some_and(|folder| !folder.exists()) {
            true => "its folder does not exist: make it first".to_owned(),
            false => format!("{error}: name another file"),
        };
        Self::Failed(format!("cannot make the file for {what} ({}): {why}", path.display()))
    }
}

/// A line to standard error. It is the last place to tell anything, so a failure to write there is passed over.
pub fn tell(text: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "backstitch: {text}");
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match &error {
            ExportError::Write(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(error.to_string()),
        }
    }
}
