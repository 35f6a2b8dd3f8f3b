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

/// What waits for the writer.
pub enum LogWork {
    /// Whole lines, and whom the outcome is told: the place behind them.
    Append(Vec<u8>, Outcome),
    /// The file that grows is to be closed, so that only another one grows: the place where that begins.
    CloseSegment(Outcome),
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
    pub fn run(mut self, work: &Receiver<LogWork>) {
        let (mut lines, mut answers) = (Vec::new(), Vec::new());
        while let Ok(first) = work.recv() {
            let (mut next, mut closing) = (Some(first), None);
            // What gathered during the sync before is the group.
            while let Some(one) = next {
                next = match one {
                    LogWork::Append(more, answer) => {
                        // The place of each is its own: one who waits for it to be visible does not wait for the others of the group.
                        lines.extend_from_slice(&more);
                        answers.push((lines.len() as u64, answer));
                        if lines.len() < GROUP_BYTES { work.try_recv().ok() } else { None }
                    }
                    LogWork::CloseSegment(answer) => {
                        closing = Some(answer);
                        None
                    }
                };
            }
            if !answers.is_empty() {
                let start = self.append(&lines);
                for (bytes, answer) in answers.drain(..) {
                    let place = |start: LogPosition| LogPosition { bytes: start.bytes + bytes, ..start };
                    answer(start.clone().map(place));
                }
            }
            if let Some(answer) = closing {
                answer(self.close_segment());
            }
            lines.clear();
            lines.shrink_to(GROUP_BYTES);
        }
    }

    /// Begins another file, unless the last one is empty still; says where.
    fn close_segment(&mut self) -> Result<LogPosition, AppendError> {
        if self.position.bytes > 0 {
            self.next_segment()?;
            self.durable.advance(self.position);
        }
        Ok(self.position)
    }

    fn next_segment(&mut self) -> Result<(), AppendError> {
        let next = new_segment(&self.folder, self.position.segment + 1);
        (self.file, self.position) = next.map_err(|error| AppendError::Failed(error.to_string().into()))?;
        Ok(())
    }

    /// Makes a group durable; says where it begins.
    fn append(&mut self, lines: &[u8]) -> Result<LogPosition, AppendError> {
        if let Some(why) = &self.poisoned {
            return Err(AppendError::Poisoned(Arc::clone(why)));
        }
        let failed = |error: io::Error| AppendError::Failed(error.to_string().into());
        if self.position.bytes >= self.segment_bytes {
            self.next_segment()?;
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
