//! The log into the store, as it grows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::engine::{Engine, Replay};
use crate::model::error::Result;
use crate::serve::activities::Screen;
use crate::serve::error::ServeError;
use crate::serve::limits::{GATHER_TIME, STAMPS_BYTES};
use crate::serve::log::{Durable, LogPosition, pack, segment, segments};

/// How long the thread waits for the log before it looks again whether it is closed.
const PATIENCE: Duration = Duration::from_secs(1);

/// The thread that follows the log, and how far it is.
#[derive(Debug)]
pub struct Follower {
    thread: JoinHandle<Result<()>>,
    /// How far the log is visible in the store.
    pub visible: watch::Receiver<LogPosition>,
    /// For those who wait.
    pub hurry: Arc<Hurry>,
}

/// Whether somebody waits for the store, so that nothing is to be gathered.
#[derive(Debug, Default)]
pub struct Hurry {
    wanted: Mutex<bool>,
    told: Condvar,
}

impl Hurry {
    /// Asks for a commit at once.
    pub fn ask(&self) {
        *self.wanted.lock() = true;
        self.told.notify_all();
    }

    /// Waits until somebody asks, or `patience` is over.
    fn wait(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut wanted = self.wanted.lock();
        while !*wanted && !self.told.wait_until(&mut wanted, deadline).timed_out() {}
        *wanted = false;
    }
}

impl Follower {
    /// Begins to follow the log in `folder`, until it is closed and all of it is in the store.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(engine: Arc<Mutex<Engine>>, folder: PathBuf, durable: Arc<Durable>) -> Result<Self> {
        let (tell, visible) = watch::channel(LogPosition::default());
        let hurry = Arc::new(Hurry::default());
        let asked = Arc::clone(&hurry);
        let work = move || follow(&engine, &folder, &durable, &asked, &tell);
        let thread = thread::Builder::new().name("follow".to_owned()).spawn(work).map_err(ServeError::Threads)?;
        Ok(Self { thread, visible, hurry })
    }

    /// Whether it has ended: of itself it does after an error only.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end, which comes when the log is closed.
    ///
    /// # Errors
    /// What ended it: the store or the log could not be read or written.
    pub fn join(self) -> Result<()> {
        self.thread.join().map_err(|_| ServeError::Thread)?
    }
}

fn follow(
    engine: &Mutex<Engine>,
    folder: &Path,
    durable: &Durable,
    hurry: &Hurry,
    tell: &watch::Sender<LogPosition>,
) -> Result<()> {
    let mut seen = LogPosition::default();
    loop {
        let (position, closed) = durable.wait_beyond(seen, PATIENCE);
        if position > seen {
            if !closed && seen != LogPosition::default() {
                hurry.wait(GATHER_TIME);
            }
            let position = durable.position();
            catch_up(engine, folder, seen, position)?;
            seen = position;
            tell.send_replace(seen);
            if !closed {
                // Now rather than at the start of the next commit, whose events would wait for it.
                engine.lock().tidy(false)?;
            }
        } else if closed {
            return Ok(());
        }
    }
}

/// Brings into the store what stands in the log between two places. What the store has of that it skips: it knows how far each file was
/// read, as it does of every source.
fn catch_up(engine: &Mutex<Engine>, folder: &Path, from: LogPosition, to: LogPosition) -> Result<()> {
    for (number, path) in segments(folder).map_err(|error| of_log(folder, error))? {
        if number < from.segment || number > to.segment {
            continue;
        }
        let fail = |error| of_log(&path, error);
        let name = segment(folder, number).display().to_string();
        let end = if number == to.segment { to.bytes } else { pack::bytes(&path).map_err(fail)? };
        let mut engine = engine.lock();
        let read = engine.source(&name).and_then(|source| source.position).map_or(0, |position| position.bytes);
        if read >= end {
            continue;
        }
        let file = lines_from(&path, read).map_err(fail)?;
        // Not to the end of the file: what is not durable yet may be gone after a loss of power, and the store would have it.
        let summary = engine.replay(Replay::new().reader(name, file.take(end - read)).without_totals())?;
        if let Some(error) = summary.failed.into_iter().next() {
            return Err(error);
        }
    }
    Ok(())
}

/// A file of the log from a place on.
fn lines_from(path: &Path, start: u64) -> io::Result<Box<dyn BufRead + Send>> {
    if pack::is_packed(path) {
        let mut lines = pack::open(path)?;
        io::copy(&mut lines.by_ref().take(start), &mut io::sink())?;
        return Ok(lines);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Tells `screen` of the last events of the log.
///
/// # Errors
/// When the log cannot be read.
pub fn remember(folder: &Path, screen: &Screen) -> Result<()> {
    let mut room = STAMPS_BYTES;
    let mut recent = Vec::new();
    for (_, path) in segments(folder).map_err(|error| of_log(folder, error))?.into_iter().rev() {
        let bytes = pack::bytes(&path).map_err(|error| of_log(&path, error))?;
        recent.push((path, bytes.saturating_sub(room)));
        room = room.saturating_sub(bytes);
        if room == 0 {
            break;
        }
    }
    for (path, start) in recent.into_iter().rev() {
        let fail = |error| of_log(&path, error);
        let mut file = lines_from(&path, start).map_err(fail)?;
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line).map_err(fail)? > 0 {
            // The first may be the rest of a line, which says nothing.
            screen.remember(&line);
            line.clear();
        }
    }
    Ok(())
}

fn of_log(file: &Path, source: std::io::Error) -> ServeError {
    ServeError::Log { file: file.display().to_string(), source }
}
