//! The log of the collector: activities one a line, in files that a replay reads.
//!
//! - **Files.** `000000000001.ndjson`, `000000000002.ndjson`, …: in the order of their names, each up to about
//!   [`SEGMENT_BYTES`]. Only the last one grows. Closed ones may be [compressed](pack): `000000000001.ndjson.zst`.
//! - **Appending.** One thread writes. While it syncs, the next group gathers in its queue; there is no timer. An append is
//!   answered after the sync that holds it.
//! - **Recovery.** A process that dies may leave the start of a line, which was never acknowledged: it is cut off when the log is
//!   opened again. Whole lines that were not acknowledged stay; a client that sends them again sends the same events.
//! - **Erasing.** Lines of erased identities are [blanked](erase): every other line keeps its place. The file `.forget` says what is being erased.
//! - **One writer.** The file `.lock` is locked as long as the log is open. It is hidden, so that a replay of the folder skips it.

mod append;
pub mod erase;
mod files;
pub mod pack;
mod recover;
mod redact;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::model::error::{Error, ErrorKind, Result};
use crate::serve::log::append::{Appender, LogWork, Outcome};

/// Bytes after which a file of the log is closed: a file is what is copied, packed or read again as a whole.
pub const SEGMENT_BYTES: u64 = 256 << 20;

/// Appends that wait for the writer. What comes beyond is refused, so that memory and waiting have a bound.
const QUEUED_APPENDS: usize = 4_096;

/// The extension of the files.
const EXTENSION: &str = "ndjson";

/// The file that is locked by the process that writes.
const LOCK: &str = ".lock";

/// A place in the log: everything before it was written. Later places are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogPosition {
    /// The number of the file, from 1; 0 before the first.
    pub segment: u64,
    /// Bytes in the file.
    pub bytes: u64,
}

/// Why lines are not in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Too many others wait: try again in a moment.
    #[error("too many requests wait for the log")]
    Busy,
    /// They could not be written, and nothing of them is in the log.
    #[error("the log cannot be written: {0}")]
    Failed(Arc<str>),
    /// A sync failed, after which nobody knows what is on the disk: the log takes nothing until it is opened again.
    #[error("the log could not be synced, and must be opened again: {0}")]
    Poisoned(Arc<str>),
}

/// How far the log is durable, for those who wait for it.
#[derive(Debug, Default)]
pub struct Durable {
    state: Mutex<DurableState>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct DurableState {
    position: LogPosition,
    closed: bool,
}

impl Durable {
    /// How far the log is durable.
    pub fn position(&self) -> LogPosition {
        self.state.lock().position
    }

    /// Waits until the log is durable beyond `seen`, or closed, or `patience` is over; says how far it is, and whether it is closed.
    pub fn wait_beyond(&self, seen: LogPosition, patience: Duration) -> (LogPosition, bool) {
        let deadline = Instant::now() + patience;
        let mut state = self.state.lock();
        while state.position <= seen && !state.closed && !self.moved.wait_until(&mut state, deadline).timed_out() {}
        (state.position, state.closed)
    }

    fn advance(&self, position: LogPosition) {
        self.state.lock().position = position;
        self.moved.notify_all();
    }

    fn close(&self) {
        self.state.lock().closed = true;
        self.moved.notify_all();
    }
}

/// The log of a collector, open for appending. Dropping it closes it, after what was queued is written.
#[derive(Debug)]
pub struct ActivityLog {
    folder: PathBuf,
    /// The way to the writer, as long as the log is open.
    queue: Mutex<Option<SyncSender<LogWork>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    durable: Arc<Durable>,
    /// Held while closed files are written again.
    files: Mutex<()>,
    /// Held as long as the log is open.
    _lock: File,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error("another process writes the log {0}: stop it first, or name another folder")]
    InUse(String),
    #[error("cannot open the log {0}")]
    Io(String, #[source] io::Error),
    #[error("cannot erase from the log ({0}): the next start of the collector does it again")]
    Erase(String, #[source] io::Error),
    #[error("cannot erase from the log")]
    Append(#[source] AppendError),
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::InUse(_) => ErrorKind::InUse,
            LogError::Io(_, error) | LogError::Erase(_, error) => ErrorKind::of_io(error, ErrorKind::Io),
            LogError::Append(_) => ErrorKind::Io,
        };
        Self::new(kind, error)
    }
}

impl ActivityLog {
    /// Opens the log in `folder`, which is made where it is missing. The start of a line that a process left behind is cut off.
    ///
    /// # Errors
    /// When the folder cannot be made, read or written, or another process writes the log.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::with_segments(folder, SEGMENT_BYTES)
    }

    /// The same, with files of about `segment_bytes`.
    pub fn with_segments(folder: &Path, segment_bytes: u64) -> Result<Self> {
        let name = || folder.display().to_string();
        let fail = |error| LogError::Io(name(), error);
        fs::create_dir_all(folder).map_err(fail)?;
        // A full path: the names of the files are those of sources, whatever the working folder is later.
        let folder = folder.canonicalize().map_err(fail)?;
        let lock = File::options().create(true).append(true).open(folder.join(LOCK)).map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LogError::InUse(name()).into()),
            Err(TryLockError::Error(error)) => return Err(LogError::Io(name(), error).into()),
        }
        let (file, position) = recover::last_segment(&folder).map_err(fail)?;
        let durable = Arc::new(Durable::default());
        durable.advance(position);
        let (queue, work) = sync_channel(QUEUED_APPENDS);
        let appender = Appender::new(folder.clone(), file, position, segment_bytes, Arc::clone(&durable));
        let spawn = thread::Builder::new().name("log".to_owned()).spawn(move || appender.run(&work));
        let writer = Mutex::new(Some(spawn.map_err(fail)?));
        Ok(Self { folder, queue: Mutex::new(Some(queue)), writer, durable, files: Mutex::default(), _lock: lock })
    }

    /// Appends `lines`, each with its line end. `answer` is called from the thread of the log, once they are durable or failed: with
    /// the place behind them.
    ///
    /// # Errors
    /// [`Busy`](AppendError::Busy), at once; `answer` is not called then.
    pub fn append(
        &self,
        lines: Vec<u8>,
        answer: impl FnOnce(Result<LogPosition, AppendError>) + Send + 'static,
    ) -> Result<(), AppendError> {
        self.queue()?.try_send(LogWork::Append(lines, Box::new(answer))).map_err(|error| match error {
            TrySendError::Full(_) => AppendError::Busy,
            TrySendError::Disconnected(_) => AppendError::Failed("its thread has ended".into()),
        })
    }

    /// Appends `lines` as [`append`](Self::append) does, but waits: for room in the queue, and until they are durable.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append_and_wait(&self, lines: Vec<u8>) -> Result<LogPosition, AppendError> {
        self.wait_for(|answer| LogWork::Append(lines, answer))
    }

    /// Lets another file grow than before; says where that begins. All files before it stay as they are, unless
    /// lines are [erased](erase) from them.
    ///
    /// # Errors
    /// When there cannot be another file.
    pub fn close_segment(&self) -> Result<LogPosition, AppendError> {
        self.wait_for(LogWork::CloseSegment)
    }

    fn wait_for(&self, work: impl FnOnce(Outcome) -> LogWork) -> Result<LogPosition, AppendError> {
        let ended = || AppendError::Failed("its thread has ended".into());
        let (tell, told) = sync_channel(1);
        let answer = Box::new(move |outcome| drop(tell.send(outcome)));
        self.queue()?.send(work(answer)).map_err(|_| ended())?;
        told.recv().map_err(|_| ended())?
    }

    fn queue(&self) -> Result<SyncSender<LogWork>, AppendError> {
        self.queue.lock().clone().ok_or_else(|| AppendError::Failed("it is closed".into()))
    }

    /// Closes it, once what was queued is written. Nothing can be appended any more.
    pub fn close(&self) {
        *self.queue.lock() = None;
        if let Some(writer) = self.writer.lock().take() {
            // One that broke off answers nobody any more, and has nothing left to write.
            let _ = writer.join();
        }
        self.durable.close();
    }

    /// How far it is durable.
    pub fn durable(&self) -> Arc<Durable> {
        Arc::clone(&self.durable)
    }

    /// The folder, by its full path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for ActivityLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// The files of the log in `folder` with their numbers, in order: of a plain one that is compressed as well the compressed one.
///
/// # Errors
/// When the folder cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let plain = if pack::is_packed(&path) { path.with_extension("") } else { path.clone() };
        let number = plain.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| plain.extension().is_some_and(|extension| extension == EXTENSION)) {
            let known: &mut PathBuf = found.entry(number).or_default();
            if !pack::is_packed(known) {
                *known = path;
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// The file of that number, while it is not compressed. The store knows it by this name.
pub fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.{EXTENSION}"))
}

#[cfg(test)]
mod tests;
