//! The thread that writes the log: a group, a sync, the answers.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::serve::log::recover::new_segment;
use crate::serve::log::{AppendError, Durable, LogPosition};

/// Bytes of a group, about: what one sync makes durable. More would let the first wait for the writing of the last.
const GROUP_BYTES: usize = 8 << 20;

/// Whom the outcome is told.
pub type Outcome = Box<dyn FnOnce(Result<LogPosition, AppendError>) + Send>;

/// Lines that wait for the writer.
pub struct Append {
    /// Whole lines.
    pub lines: Vec<u8>,
    /// Whom the outcome is told.
    pub answer: Outcome,
}

/// The writer of a log.
pub struct Appender {
    folder: PathBuf,
    file: File,
    position: LogPosition,
    segment_bytes: u64,
    durable: Arc<Durable>,
    /// Why a sync failed.
    poisoned: Option<Arc<str>>,
}

impl Appender {
    /// A writer that goes on at `position`, the end of `file`.
    pub fn new(folder: PathBuf, file: File, position: LogPosition, segment_bytes: u64, durable: Arc<Durable>) -> Self {
        Self { folder, file, position, segment_bytes, durable, poisoned: None }
    }

    /// Writes what comes, until nobody can send any more.
    pub fn run(mut self, appends: &Receiver<Append>) {
        let (mut lines, mut answers) = (Vec::new(), Vec::new());
        while let Ok(first) = appends.recv() {
            let mut next = Some(first);
            // What gathered during the sync before is the group.
            while let Some(Append { lines: more, answer }) = next {
                // The place of each is its own: one who waits for it to be visible does not wait for the others of the group.
                lines.extend_from_slice(&more);
                answers.push((lines.len() as u64, answer));
                next = if lines.len() < GROUP_BYTES { appends.try_recv().ok() } else { None };
            }
            let start = self.append(&lines);
            for (bytes, answer) in answers.drain(..) {
                let place = |start: LogPosition| LogPosition { bytes: start.bytes + bytes, ..start };
                answer(start.clone().map(place));
            }
            lines.clear();
            lines.shrink_to(GROUP_BYTES);
        }
    }

    /// Makes a group durable; says where it begins.
    fn append(&mut self, lines: &[u8]) -> Result<LogPosition, AppendError> {
        if let Some(why) = &self.poisoned {
            return Err(AppendError::Poisoned(Arc::clone(why)));
        }
        let failed = |error: io::Error| AppendError::Failed(error.to_string().into());
        if self.position.bytes >= self.segment_bytes {
            (self.file, self.position) = new_segment(&self.folder, self.position.segment + 1).map_err(failed)?;
        }
        let start = self.position;
        if let Err(error) = self.file.write_all(lines) {
            // A full disk may have taken a part: without it the log goes on as soon as there is room.
            if let Err(worse) = self.file.set_len(start.bytes) {
                self.poisoned = Some(worse.to_string().into());
            }
            return Err(failed(error));
        }
        if let Err(error) = self.file.sync_data() {
            let why: Arc<str> = error.to_string().into();
            self.poisoned = Some(Arc::clone(&why));
            return Err(AppendError::Poisoned(why));
        }
        self.position.bytes += lines.len() as u64;
        self.durable.advance(self.position);
        Ok(start)
    }
}
