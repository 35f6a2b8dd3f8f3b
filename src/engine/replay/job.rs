//! What to replay, and how.

use std::ffi::OsStr;
use std::fmt;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::engine::replay::batches::BatchSizes;
use crate::engine::source;
use crate::ingest::fields::Fields;
use crate::ingest::inputs::{self, Input};
use crate::ingest::progress::Progress;
use crate::model::error::Result;

/// Which logs to replay, and how. What is not said has a default: `engine.replay(["logs/"])` is enough.
///
/// ```
/// # fn main() -> backstitch::Result<()> {
/// # use backstitch::{Engine, Replay};
/// # let mut engine = Engine::in_memory();
/// let mut rejects = Vec::new();
/// engine.replay(Replay::of(["fixtures/rejects.ndjson"]).threads(2).rejects(&mut rejects))?;
/// assert!(!rejects.is_empty());
/// # Ok(())
/// # }
/// ```
#[must_use = "it does nothing until an engine replays it"]
pub struct Replay<'a> {
    pub(super) logs: Vec<String>,
    pub(super) readers: Vec<NamedReader<'a>>,
    pub(super) fields: Fields,
    pub(super) force: bool,
    pub(super) profiles: bool,
    pub(super) threads: Option<usize>,
    pub(super) batches: BatchSizes,
    pub(super) rejects: Option<&'a mut (dyn Write + Send)>,
    pub(super) stop: Option<&'a AtomicBool>,
    pub(super) progress: Option<Box<dyn FnMut(Progress) + 'a>>,
    pub(super) totals: bool,
}

/// A stream, and the name that it is known by.
pub(super) struct NamedReader<'a> {
    pub name: String,
    pub stream: Stream<'a>,
}

/// What is read.
pub(super) enum Stream<'a> {
    Reader(Box<dyn Read + Send + 'a>),
    Stdin,
}

impl<'a> Replay<'a> {
    /// Events of a batch, where nothing else is said. A commit costs two fsyncs and leaves blocks that a later one must merge, so
    /// batches are large; a row takes up to 120 bytes, and an `id` that is a text, on its way (gathered, grouped, and those gathered
    /// meanwhile), so they are not larger: twice as many took 70 MB more and no less time.
    pub const BATCH_EVENTS: usize = 1 << 19;

    /// Events of a batch at most, where nothing else is said, of a log in no order: where each chunk spans the time of all, or most events are new
    /// and lie among those stored. Each batch of such a log reads all that is stored: twice as large, it takes 30 % less
    /// processor time; four times as large, 45 % less; and 100 to 200 MB more.
    pub const MOST_BATCH_EVENTS: usize = 1 << 21;

    /// Replays nothing yet: [readers](Self::reader) are to be added.
    pub fn new() -> Self {
        Self::of([""; 0])
    }

    /// Replays `logs`: files, folders, globs, `-` for standard input.
    pub fn of<S: AsRef<OsStr>>(logs: impl IntoIterator<Item = S>) -> Self {
        Self {
            logs: logs.into_iter().map(|log| log.as_ref().to_string_lossy().into_owned()).collect(),
            readers: Vec::new(),
            fields: Fields::default(),
            force: false,
            profiles: true,
            threads: None,
            batches: BatchSizes::growing(Self::BATCH_EVENTS, Self::MOST_BATCH_EVENTS),
            rejects: None,
            stop: None,
            progress: None,
            totals: true,
        }
    }

    /// Replays what `stream` gives, too, after the logs: whole lines, plain, gzip or zstd, to its end.
    ///
    /// `name` is that of the source, and keeps its position: [`Position::bytes`](crate::model::source::Position::bytes) is all
    /// that was consumed under the name, after decompression. A stream is taken to follow on that, and nothing of it is skipped. A
    /// caller that can seek asks for the [position](crate::engine::Engine::source) first, and goes there: then each line is
    /// read once. One that cannot gives all of it again: the events that are known are duplicates, and with
    /// [`force`](Self::force) the position counts from the start of this stream.
    ///
    /// Standard input without a name is the log `-`, which has no position.
    pub fn reader(mut self, name: impl Into<String>, stream: impl Read + Send + 'a) -> Self {
        self.readers.push(NamedReader { name: name.into(), stream: Stream::Reader(Box::new(stream)) });
        self
    }

    /// Replays standard input, too, after the logs, as the source `name`: as [`reader`](Self::reader) does, but
    /// [`stop`](Self::stop) ends a read that waits.
    pub fn stdin(mut self, name: impl Into<String>) -> Self {
        self.readers.push(NamedReader { name: name.into(), stream: Stream::Stdin });
        self
    }

    /// Where the lines of the logs say what. By default they are activities.
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// Whether to read again what was read before, also with other fields. Events that are stored already stay as they are.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Whether the segments and traits of events are kept, as they are by default. Without them nothing of them is read or stored. An event
    /// that is stored without keeps none until it is delivered again with them ([`force`](Self::force)).
    pub fn profiles(mut self, kept: bool) -> Self {
        self.profiles = kept;
        self
    }

    /// Threads to decode and settle with, [`MAX_THREADS`](crate::limits::MAX_THREADS) at most. By default all cores. The engine keeps them for its next replay with as many.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Events of a batch, that is between two commits; by default [`BATCH_EVENTS`](Self::BATCH_EVENTS), and up to
    /// [`MOST_BATCH_EVENTS`](Self::MOST_BATCH_EVENTS) of a log in no order. A batch is full with the chunk that reaches the number, so that it holds at
    /// least a chunk.
    pub fn batch_events(mut self, events: usize) -> Self {
        self.batches = BatchSizes::all_of(events);
        self
    }

    /// Where lines go that are no events, as NDJSON: `source`, `line_number` (from 1), `reason`, `detail`, `line`.
    pub fn rejects(mut self, to: &'a mut (impl Write + Send)) -> Self {
        self.rejects = Some(to);
        self
    }

    /// Another thread sets `stop` to end the replay; what was read by then is committed. A read that waits (of standard input, a pipe, a
    /// device) ends within a moment on Unix; one of a [reader](Self::reader) is waited for.
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Leaves [`Summary::totals`](super::summary::Summary::totals) at zero: to count what the store holds costs a read of all its
    /// events, which is much for a replay of a few.
    pub fn without_totals(mut self) -> Self {
        self.totals = false;
        self
    }

    /// `progress` is called after each chunk, in the calling thread.
    pub fn progress(mut self, progress: impl FnMut(Progress) + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

impl Replay<'_> {
    /// The files that the logs name, each once, as they will be read; standard input is none.
    ///
    /// # Errors
    /// When a log names nothing ([`NoInput`](crate::model::error::ErrorKind::NoInput)), a folder cannot be read, or a reader has a name
    /// that no source can have.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        source::check_names(self.readers.iter().map(|reader| &*reader.name))?;
        let path = |input| match input {
            Input::Stdin => None,
            Input::File(path) => Some(path),
        };
        Ok(inputs::expand(&self.logs)?.inputs.into_iter().filter_map(path).collect())
    }
}

impl fmt::Debug for Replay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("logs", &self.logs).field("force", &self.force).finish_non_exhaustive()
    }
}

impl Default for Replay<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: AsRef<OsStr>, const N: usize> From<[S; N]> for Replay<'_> {
    fn from(logs: [S; N]) -> Self {
        Self::of(logs)
    }
}

impl<S: AsRef<OsStr>> From<&[S]> for Replay<'_> {
    fn from(logs: &[S]) -> Self {
        Self::of(logs)
    }
}

impl<S: AsRef<OsStr>> From<Vec<S>> for Replay<'_> {
    fn from(logs: Vec<S>) -> Self {
        Self::of(logs)
    }
}
