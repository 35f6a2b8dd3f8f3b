//! How is a log worked on by many threads, and still taken in its order?
//!
//! 1. One thread reads the sources, one after another, and cuts them into chunks.
//! 2. The threads of a pool work on chunks, each on its own.
//! 3. The calling thread [takes](Steps::take) what they made, in the order of the log.
//!
//! Reading and working go on while the caller is busy with something else, a commit for instance, until
//! `STEPS_UNDER_WAY` wait to be taken. So memory does not follow the log: a chunk is read into a buffer that is free, of
//! which there are `BUFFERS_PER_THREAD`, and which is free again once the [chunk](BufferedChunk) is dropped; and what is made
//! of a chunk can be [given back](Steps::give_back) to be made again of another. A panic in any of the threads ends the work with an error; the caller never waits for a thread that is gone.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use crate::ingest::chunk::Chunk;
use crate::ingest::error::IngestError;
use crate::ingest::reader::{SourceReader, SourceStart};
use crate::model::error::{Error, ErrorKind};
use crate::model::limits::MAX_THREADS;

/// Chunks a thread that are read and not worked on yet: one in work, one at hand.
pub(super) const BUFFERS_PER_THREAD: usize = 2;

/// Steps that are on their way at most, those that are done included: what can be done while the caller is busy.
/// A chunk decoded for a batch takes some 300 KB. With half as many less is left to be decoded while a commit is written, and a replay took
/// three hundredths longer; with half as many again it took no less time.
pub(super) const STEPS_UNDER_WAY: usize = 64;

/// Why the threads of a pipeline could not do their work.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The system starts no more of them.
    #[error(
        "the system starts fewer threads than the {threads} that were to work on a log; ask for fewer, or raise its limit: {why}"
    )]
    Threads {
        /// How many there were to be.
        threads: usize,
        /// What the system said.
        why: String,
    },
    /// One panicked.
    #[error("a thread broke off: this is a defect")]
    Thread,
}

impl From<PipelineError> for Error {
    fn from(error: PipelineError) -> Self {
        let kind = match &error {
            PipelineError::Threads { .. } => ErrorKind::Limit,
            PipelineError::Thread => ErrorKind::Defect,
        };
        Self::new(kind, error)
    }
}

/// The threads of a pipeline: for one log after another, where they are kept.
#[derive(Debug)]
pub struct PipelineThreads {
    /// Those that work on chunks.
    pub workers: rayon::ThreadPool,
    /// The one that reads: of its own, since it waits for the others.
    reader: rayon::ThreadPool,
}

impl PipelineThreads {
    /// A thread that reads, and so many that work on chunks, [`MAX_THREADS`] at most: all cores when `None`.
    ///
    /// # Errors
    /// When the system starts no more.
    pub fn start(workers: Option<usize>) -> Result<Self, PipelineError> {
        let workers = workers.unwrap_or_else(rayon::current_num_threads).clamp(1, MAX_THREADS);
        let start = |threads, name: &'static str| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(move |at| format!("{name}-{at}"));
            pool.build().map_err(|error| PipelineError::Threads { threads: workers, why: error.to_string() })
        };
        Ok(Self { workers: start(workers, "backstitch")?, reader: start(1, "backstitch-read")? })
    }
}

/// A chunk in one of the buffers, which is free for another once this is dropped. What is made of a chunk may keep it until it is
/// taken; while it does, fewer are read ahead.
pub struct BufferedChunk {
    chunk: Chunk,
    free: Sender<Vec<u8>>,
}

#[cfg(test)]
impl BufferedChunk {
    /// One whose buffer nobody waits for.
    pub fn alone(chunk: Chunk) -> Self {
        Self { chunk, free: mpsc::channel().0 }
    }
}

impl Deref for BufferedChunk {
    type Target = Chunk;

    fn deref(&self) -> &Chunk {
        &self.chunk
    }
}

/// Also of a thread that panics: a reader that waits for a buffer would wait for good.
impl Drop for BufferedChunk {
    fn drop(&mut self) {
        // Without a reader, nothing is read any more.
        let _ = self.free.send(std::mem::take(&mut self.chunk.bytes));
    }
}

/// What happens next in a log: each source starts, gives its chunks, and ends, or is skipped instead.
pub enum Step<T, S> {
    /// A source that is not read, and what it was that spoke against it.
    Skipped(S),
    /// The next source.
    Start(SourceStart),
    /// What was made of its next chunk.
    Chunk(T),
    /// Its end.
    End {
        /// Where its last chunk ended.
        at: u64,
        /// Why it could not be read any further.
        error: Option<IngestError>,
    },
}

/// The steps of a log, for the thread that takes them.
pub struct Steps<'p, T, S> {
    waiting: Receiver<Waiting<T, S>>,
    spare: Sender<T>,
    file_bytes_read: &'p AtomicU64,
    stopped: bool,
}

/// A step that waits to be taken.
enum Waiting<T, S> {
    Step(Step<T, S>),
    /// A chunk that is being worked on.
    Chunk(Receiver<T>),
    /// The end of the log or, where it was stopped, of what was read of it.
    Done {
        stopped: bool,
    },
}

impl<T, S> Steps<'_, T, S> {
    /// The next step, waited for; `None` after the last.
    ///
    /// # Errors
    /// When a thread broke off.
    pub fn take(&mut self) -> Result<Option<Step<T, S>>, PipelineError> {
        match self.waiting.recv().map_err(|_| PipelineError::Thread)? {
            Waiting::Step(step) => Ok(Some(step)),
            Waiting::Chunk(made) => Ok(Some(Step::Chunk(made.recv().map_err(|_| PipelineError::Thread)?))),
            Waiting::Done { stopped } => {
                self.stopped = stopped;
                Ok(None)
            }
        }
    }

    /// Hands over what was made of a chunk and is done with: fresh memory for each would cost a tenth of a replay.
    pub fn give_back(&self, made: T) {
        // Without a reader, nothing is made any more.
        let _ = self.spare.send(made);
    }

    /// Bytes of the sources that were read so far, as they lie on the disk.
    pub fn file_bytes_read(&self) -> u64 {
        self.file_bytes_read.load(Ordering::Relaxed)
    }

    /// After the last step: whether the work was stopped before the end of the log.
    pub fn stopped(&self) -> bool {
        self.stopped
    }
}

/// Works on the chunks of `sources` in `threads`, and calls `take` with their steps, in the calling thread. A source is opened when
/// its turn comes. Once `stop` is true no further chunk is read.
///
/// `work` makes something of a chunk; its room is what was [given back](Steps::give_back), where anything was, with all it holds.
pub fn run<'r, T: Send, S: Send, R>(
    threads: &PipelineThreads,
    sources: impl ExactSizeIterator<Item = Result<SourceReader<'r>, S>> + Send,
    stop: Option<&AtomicBool>,
    work: impl Fn(BufferedChunk, Option<T>) -> T + Sync,
    take: impl FnOnce(&mut Steps<'_, T, S>) -> R,
) -> R {
    let bytes = AtomicU64::new(0);
    let (steps, waiting) = mpsc::sync_channel(STEPS_UNDER_WAY);
    let (spare, spares) = mpsc::channel();
    let (give_buffer, buffers) = mpsc::channel();
    for _ in 0..threads.workers.current_num_threads() * BUFFERS_PER_THREAD {
        // Its receiver is still here.
        let _ = give_buffer.send(Vec::new());
    }
    let reading = ReadAhead { steps, spares, buffers, give_buffer, file_bytes_read: &bytes, stop };
    let mut taken = Steps { waiting, spare, file_bytes_read: &bytes, stopped: false };
    let work = &work;
    threads.workers.in_place_scope(|workers| {
        let hand_out = |chunk, spare| {
            let (made, receive) = mpsc::sync_channel(1);
            workers.spawn(move |_| {
                // After a panic nothing is sent, and the receiver learns it.
                if let Ok(done) = catch_unwind(AssertUnwindSafe(|| work(chunk, spare))) {
                    let _ = made.send(done);
                }
            });
            receive
        };
        threads.reader.in_place_scope(|reader| {
            reader.spawn(move |_| {
                // Of a panic the caller knows: the last step never came.
                let _ = catch_unwind(AssertUnwindSafe(|| reading.run(sources, hand_out)));
            });
            let result = take(&mut taken);
            // Before the threads are waited for: a reader that nobody takes anything from ends.
            drop(taken);
            result
        })
    })
}

/// The thread that reads.
struct ReadAhead<'p, T, S> {
    steps: SyncSender<Waiting<T, S>>,
    spares: Receiver<T>,
    /// A buffer is the permission to read a chunk.
    buffers: Receiver<Vec<u8>>,
    give_buffer: Sender<Vec<u8>>,
    file_bytes_read: &'p AtomicU64,
    stop: Option<&'p AtomicBool>,
}

/// Nobody takes any more.
struct Gone;

impl<T, S> ReadAhead<'_, T, S> {
    /// Reads `sources`, and says so when that is done.
    fn run<'r>(
        self,
        sources: impl ExactSizeIterator<Item = Result<SourceReader<'r>, S>>,
        hand_out: impl Fn(BufferedChunk, Option<T>) -> Receiver<T>,
    ) {
        // Where nobody takes, nobody needs to know.
        let _ = self.sources(sources, hand_out).and_then(|stopped| self.tell(Waiting::Done { stopped }));
    }

    /// Reads all sources, in their order; says whether it was stopped before the last one's end.
    fn sources<'r>(
        &self,
        mut sources: impl ExactSizeIterator<Item = Result<SourceReader<'r>, S>>,
        hand_out: impl Fn(BufferedChunk, Option<T>) -> Receiver<T>,
    ) -> Result<bool, Gone> {
        let mut bytes_before = 0;
        while sources.len() > 0 {
            if self.stops() {
                return Ok(true);
            }
            match sources.next() {
                None => break,
                Some(Err(skipped)) => self.tell(Waiting::Step(Step::Skipped(skipped)))?,
                Some(Ok(mut source)) => {
                    if !self.source(&mut source, bytes_before, &hand_out)? {
                        return Ok(true);
                    }
                    bytes_before += source.file_bytes_read();
                }
            }
        }
        Ok(false)
    }

    /// Reads one source; says whether to its end, or as far as it can be.
    fn source(
        &self,
        source: &mut SourceReader<'_>,
        bytes_before: u64,
        hand_out: impl Fn(BufferedChunk, Option<T>) -> Receiver<T>,
    ) -> Result<bool, Gone> {
        let start = source.start();
        let mut at = start.bytes;
        self.tell(Waiting::Step(Step::Start(start)))?;
        let mut buffer = self.buffers.recv().map_err(|_| Gone)?;
        let (through, error) = loop {
            if self.stops() {
                break (false, None);
            }
            match source.next_chunk(&mut buffer) {
                Ok(Some(chunk)) => {
                    at = chunk.end;
                    self.file_bytes_read.store(bytes_before + source.file_bytes_read(), Ordering::Relaxed);
                    let chunk = BufferedChunk { chunk, free: self.give_buffer.clone() };
                    self.tell(Waiting::Chunk(hand_out(chunk, self.spares.try_recv().ok())))?;
                    buffer = self.buffers.recv().map_err(|_| Gone)?;
                }
                Ok(None) => break (!source.stopped(), None),
                Err(error) => break (true, Some(error)),
            }
        };
        let _ = self.give_buffer.send(buffer);
        if through {
            self.tell(Waiting::Step(Step::End { at, error }))?;
        }
        Ok(through)
    }

    fn stops(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Waits while too much is under way.
    fn tell(&self, step: Waiting<T, S>) -> Result<(), Gone> {
        self.steps.send(step).map_err(|_| Gone)
    }
}
