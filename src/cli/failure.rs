//! Why a command failed, and how that is told: one line that names what, where and the remedy.

use std::borrow::Cow;
use std::error::Error as _;
use std::io;
use std::path::Path;

use backstitch::{Error, ErrorKind};

use crate::cli::text::{lines, visible};

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
            Self::Arguments(error) => print(error),
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

    /// A failure to bring a table up to date.
    pub fn of_table(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Trimmed | ErrorKind::Ahead | ErrorKind::OtherEpoch => {
                Self::Failed(format!("{error:?}; {EXPORT_ANEW}"))
            }
            _ => error.into(),
        }
    }

    /// A failure to make the file at `path`, which is for `what`.
    pub fn of_new_file(what: &str, path: &Path, error: &io::Error) -> Self {
        let why = match has_no_folder(path) {
            true => "its folder does not exist: make it first".to_owned(),
            false => format!("{error}: name another file"),
        };
        Self::Failed(format!("cannot make the file for {what} ({}): {why}", path.display()))
    }
}

/// What helps where a table does not fit the feed.
const EXPORT_ANEW: &str = "delete it, and the same command makes it again, or name another file";

/// Whether the folder of a file does not exist.
pub fn has_no_folder(path: &Path) -> bool {
    path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.exists())
}

/// Prints what is said of the arguments, in colours unless it quotes something that could steer a terminal.
fn print(error: &clap::Error) {
    use io::Write;
    let plain = error.render().to_string();
    let _ = match lines(&plain) {
        Cow::Borrowed(_) => error.print(),
        Cow::Owned(text) if error.use_stderr() => io::stderr().write_all(text.as_bytes()),
        Cow::Owned(text) => io::stdout().write_all(text.as_bytes()),
    };
}

/// A line to standard error. It is the last place to tell anything, so a failure to write there is ignored.
pub fn tell(text: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "backstitch: {}", visible(text));
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let broken_pipe = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
        if error.source().and_then(|cause| cause.downcast_ref()).is_some_and(broken_pipe) {
            return Self::NobodyReads;
        }
        Self::Failed(in_words(&error))
    }
}

/// An error with its causes, and what to do about it on the command line.
pub fn in_words(error: &Error) -> String {
    match remedy(error.kind()) {
        Some(remedy) => format!("{error:?}; {remedy}"),
        None => format!("{error:?}"),
    }
}

/// What to do on the command line about an error of this kind, where the error itself does not say it.
fn remedy(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NotFound => "make one by replaying a log into it",
        ErrorKind::NotAStore => "choose another directory",
        ErrorKind::InUse => {
            "wait until it ends, read a copy with `--read-only`, or name another directory with `--store`"
        }
        ErrorKind::Damaged => "run `backstitch verify --repair`",
        ErrorKind::Older => "run `backstitch verify --repair --accept-older`, then replay the logs",
        ErrorKind::Unrepairable => "delete the directory first, or name another with `--store`",
        ErrorKind::SettingsDiffer => "name the same, or none at all, or replay into a new directory",
        ErrorKind::Trimmed | ErrorKind::OtherEpoch => "go on from the position that `backstitch stats --json` shows",
        ErrorKind::Forgotten => "`backstitch commits` lists those that are kept",
        ErrorKind::Table => EXPORT_ANEW,
        ErrorKind::Facts => "export them again with `backstitch export-facts`",
        ErrorKind::NoInput => "check the path, and put a glob in quotes",
        ErrorKind::Input => "check that it exists and may be read",
        ErrorKind::DamagedInput => "deliver the file again and replay it: what is known is not counted twice",
        ErrorKind::NoSpace => "free some space, or write to another disk, then run the same command again",
        ErrorKind::Permission => "see who may read and write there",
        ErrorKind::Output => "name another file, then run the same command again",
        _ => return None,
    })
}
