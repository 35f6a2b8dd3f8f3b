//! How do logs become facts? The loop, in one function, its stages in order.
//!
//! The calling thread reads chunks and hands them to the threads of a pool, which decode them. It takes them
//! back in the order of the log and absorbs them into a batch. A full batch is settled (in the pool), made durable
//! by one commit, and only then published to the resolvers. While a batch is being committed, reading and decoding go on.

mod intake;
pub mod job;
mod rejects;
pub mod summary;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Instant;

use crate::engine::batch::decoded::DecodedChunk;
use crate::engine::batch::{Batch, Room};
use crate::engine::commit::{Committed, Committer};
use crate::engine::error::EngineError;
use crate::engine::replay::intake::{Intake, Taken};
use crate::engine::replay::job::Replay;
use crate::engine::replay::rejects::Rejects;
use crate::engine::replay::summary::{Progress, Summary};
use crate::ingest::chunk::Chunk;
use crate::ingest::decode::Decoder;
use crate::ingest::inputs;
use crate::model::error::Error;
use crate::model::namespace::Namespaces;
use crate::resolver::Resolver;

/// Chunks a thread that are read but not decoded yet: one in work, one at hand.
const CHUNKS_PER_THREAD: usize = 2;

/// Chunks that are on their way at most, decoded ones included: what can be decoded while a batch is being committed.
/// A decoded chunk takes some 600 KB.
const CHUNKS_UNDER_WAY: usize = 64;

/// What a thread reports to the one that replays.
enum Done<'e> {
    /// The chunk of this turn was decoded, and its room is free; nothing when the thread broke off.
    Decoded(u64, Option<Box<DecodedChunk>>, Vec<u8>),
    /// A commit ended.
    Committed(Committer<'e>, Result<Committed, Error>),
}

/// Replays a log into the store.
///
/// An error ends the loop; what is being decoded or committed by then ends by itself, and is waited for.
pub(crate) fn run(committer: Committer<'_>, mut replay: Replay<'_>) -> Result<Summary, Error> {
    let start = Instant::now();
    let pool = pool(replay.threads)?;
    let decoder = Decoder::new(&committer.store.settings().junk, &replay.fields);
    let resolver = committer.resolver;
    let mut pipeline = Pipeline::new(resolver, &mut replay, pool.current_num_threads())?;
    let wanted = pipeline.rejects.are_wanted();
    let (send, receive) = mpsc::channel();
    std::thread::scope(|commits| {
        pool.in_place_scope(|decodes| -> Result<(), Error> {
            // Here while no commit is under way.
            let mut committer = Some(committer);
            loop {
                // 1. Read chunks and hand them out.
                let stopped = replay.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
                while !stopped && pipeline.has_room() {
                    let Some((turn, chunk)) = pipeline.next_chunk() else { break };
                    let (send, decoder, mut share) = (send.clone(), &decoder, pipeline.empty_share());
                    decodes.spawn(move |_| {
                        let decoded = catch_unwind(AssertUnwindSafe(|| share.decode(decoder, &chunk, wanted)));
                        // The receiver outlives all threads: it cannot be gone.
                        let _ = send.send(Done::Decoded(turn, decoded.is_ok().then(|| Box::new(share)), chunk.bytes));
                    });
                }
                // 2. Absorb what was decoded, in order; commit when the batch is full or nothing is left.
                if let Some(mut idle) = committer.take() {
                    let full = pipeline.absorb(replay.batch_events.max(1), replay.progress.as_deref_mut())?;
                    let done = pipeline.is_done(stopped);
                    if (full || done) && !pipeline.batch.is_empty() {
                        let (batch, send, pool) = (pipeline.seal()?, send.clone(), &pool);
                        commits.spawn(move || {
                            let outcome = idle.commit(batch, pool);
                            let _ = send.send(Done::Committed(idle, outcome));
                        });
                    } else if done {
                        pipeline.summary.stopped = stopped && !pipeline.intake.is_done();
                        return Ok(());
                    } else {
                        committer = Some(idle);
                    }
                }
                // 3. Take back what a thread has done; where none does anything, there is room to read on.
                if pipeline.decoding == 0 && committer.is_some() {
                    continue;
                }
                match receive.recv().map_err(|_| EngineError::Thread)? {
                    Done::Decoded(turn, share, room) => pipeline.take_back(turn, share, room)?,
                    Done::Committed(back, outcome) => {
                        pipeline.committed(outcome?);
                        committer = Some(back);
                    }
                }
            }
        })
    })?;
    let mut summary = pipeline.summary;
    summary.sources = pipeline.intake.counts();
    summary.failed = pipeline.intake.into_failed().into_iter().map(Error::from).collect();
    summary.totals = pool.install(|| resolver.view().totals())?;
    summary.seconds = start.elapsed().as_secs_f64();
    Ok(summary)
}

/// The threads that decode and settle.
fn pool(threads: Option<usize>) -> Result<rayon::ThreadPool, Error> {
    let threads = threads.unwrap_or_else(rayon::current_num_threads).max(1);
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|at| format!("backstitch-{at}")).build();
    Ok(pool.map_err(|source| EngineError::Threads { threads, source })?)
}

/// What is being read, decoded and gathered.
struct Pipeline<'e, 'r> {
    intake: Intake,
    threads: usize,
    rejects: Rejects<'r>,
    batch: Batch,
    /// What decoding starts from: a chunk that meets no new namespace needs no translation.
    namespaces: Namespaces,
    resolver: &'e Resolver,
    summary: Summary,
    /// Turns given out so far, one for each thing that the intake gave.
    handed_out: u64,
    /// Chunks that are being decoded.
    decoding: usize,
    /// What waits for its turn.
    waiting: BTreeMap<u64, Waiting>,
    /// Decoded chunks that were absorbed, to be used again.
    spare: Vec<DecodedChunk>,
}

/// Something that waits for its turn to be absorbed.
enum Waiting {
    /// A chunk of the source that stands at this place in the intake.
    Chunk(usize, Option<Box<DecodedChunk>>),
    /// That source was read to its end.
    End(usize),
}

impl<'e, 'r> Pipeline<'e, 'r> {
    fn new(resolver: &'e Resolver, replay: &mut Replay<'r>, threads: usize) -> Result<Self, Error> {
        let inputs = inputs::expand(&replay.logs)?;
        let last = resolver.read();
        Ok(Self {
            intake: Intake::new(inputs, last.sources(), replay.force),
            threads,
            rejects: Rejects::new(replay.rejects.take()),
            batch: Batch::new(last.graph(), Room::new()),
            namespaces: last.graph().namespaces().clone(),
            resolver,
            summary: Summary::default(),
            handed_out: 0,
            decoding: 0,
            waiting: BTreeMap::new(),
            spare: Vec::new(),
        })
    }

    fn has_room(&self) -> bool {
        self.decoding < self.threads * CHUNKS_PER_THREAD && self.waiting.len() < CHUNKS_UNDER_WAY
    }

    /// Whether everything that was handed out is absorbed, and nothing more will be.
    fn is_done(&self, stopped: bool) -> bool {
        (stopped || self.intake.is_done()) && self.waiting.is_empty()
    }

    /// The next chunk, with its turn; the ends of sources take turns too.
    fn next_chunk(&mut self) -> Option<(u64, Chunk)> {
        loop {
            let turn = self.handed_out;
            match self.intake.next()? {
                Taken::Chunk(source, chunk) => {
                    self.waiting.insert(turn, Waiting::Chunk(source, None));
                    self.handed_out += 1;
                    self.decoding += 1;
                    return Some((turn, chunk));
                }
                Taken::End(source) => {
                    self.waiting.insert(turn, Waiting::End(source));
                    self.handed_out += 1;
                }
            }
        }
    }

    fn empty_share(&mut self) -> DecodedChunk {
        match self.spare.pop() {
            Some(mut share) => {
                share.clear();
                share
            }
            None => DecodedChunk::new(self.namespaces.clone()),
        }
    }

    fn take_back(&mut self, turn: u64, share: Option<Box<DecodedChunk>>, room: Vec<u8>) -> Result<(), Error> {
        let share = share.ok_or(EngineError::Thread)?;
        self.intake.take_back(room);
        self.decoding -= 1;
        if let Some(Waiting::Chunk(_, place)) = self.waiting.get_mut(&turn) {
            *place = Some(share);
        }
        Ok(())
    }

    /// Absorbs in order what is decoded, until the batch is full; says whether it is.
    fn absorb(&mut self, full: usize, mut progress: Option<&mut (dyn FnMut(Progress) + '_)>) -> Result<bool, Error> {
        while self.batch.rows.all.len() < full {
            let Some(next) = self.waiting.first_entry() else { return Ok(false) };
            if let Waiting::Chunk(_, None) = next.get() {
                return Ok(false);
            }
            match next.remove() {
                Waiting::Chunk(_, None) => {}
                Waiting::End(source) => self.intake.ended(source, &mut self.batch),
                Waiting::Chunk(source, Some(share)) => {
                    self.absorb_share(source, &share)?;
                    self.spare.push(*share);
                    if let Some(progress) = progress.as_deref_mut() {
                        progress(Progress {
                            bytes: self.intake.file_bytes_read(),
                            bytes_total: self.intake.file_bytes(),
                            events: self.summary.events.read,
                        });
                    }
                }
            }
        }
        Ok(true)
    }

    fn absorb_share(&mut self, source: usize, share: &DecodedChunk) -> Result<(), Error> {
        let id = self.intake.source_id(source);
        self.batch.absorb(self.resolver.read().graph(), share, id)?;
        self.rejects.write(self.intake.name(source), self.intake.lines(source), &share.rejects)?;
        self.intake.read(source, share.consumed, share.lines, &mut self.batch);
        self.summary.absorb(share);
        Ok(())
    }

    /// The batch, ready to be committed; an empty one takes its place when that is done.
    fn seal(&mut self) -> Result<Batch, Error> {
        // Rejects are written before the position that passes over them is durable: none is lost.
        self.rejects.flush()?;
        let empty = Batch::new(self.resolver.read().graph(), Room::new());
        Ok(std::mem::replace(&mut self.batch, empty))
    }

    fn committed(&mut self, committed: Committed) {
        self.batch = Batch::new(self.resolver.read().graph(), committed.room);
        self.namespaces = self.batch.namespaces.clone();
        self.summary.events.accepted += committed.accepted;
        self.summary.events.duplicate += committed.duplicate;
    }
}
