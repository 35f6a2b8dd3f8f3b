//! How do logs become facts? The loop, in one function, its stages in order.
//!
//! A [pipeline] reads the sources and decodes their chunks in other threads. The calling thread takes what they
//! decoded, in the order of the log, and absorbs it into a batch. A full batch is settled (in the pool), made durable by one
//! commit, and only then published to the resolvers. Meanwhile reading and decoding go on.

mod batches;
mod decoding;
pub mod job;
mod progress;
mod rejects;
pub mod summary;
pub mod threads;

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use crate::engine::batch::decoded::DecodedChunk;
use crate::engine::batch::{Batch, Room};
use crate::engine::commit::{Committed, Committer};
use crate::engine::quarantine::crowded;
use crate::engine::replay::batches::BatchSizes;
use crate::engine::replay::decoding::Decoding;
use crate::engine::replay::job::{NamedReader, Replay, Stream};
use crate::engine::replay::progress::Sources;
use crate::engine::replay::rejects::Rejects;
use crate::engine::replay::summary::{CROWDED_TOLD, Summary};
use crate::engine::replay::threads::KeptThreads;
use crate::engine::source;
use crate::ingest::decode::Decoder;
use crate::ingest::error::IngestError;
use crate::ingest::inputs::{self, Expanded, Input};
use crate::ingest::patient::{self, Stop};
use crate::ingest::pipeline::{self, BufferedChunk, Step, Steps};
use crate::ingest::progress::Progress;
use crate::ingest::reader::{self, Again, Resumed, SourceReader};
use crate::model::error::Error;
use crate::model::source::{FieldsHash, Position};
use crate::resolver::Resolver;
use crate::store::barred::Barred;

/// Why a source is not read.
enum Skipped {
    /// It holds nothing new; its length on the disk.
    NothingNew(u64),
    /// It was read with other fields; its name, and its length on the disk.
    OtherFields(String, u64),
    /// It cannot be opened.
    Failed(IngestError),
}

/// Replays a log into the store.
///
/// An error ends the loop; what is being decoded by then ends by itself, and is waited for.
pub(crate) fn run(
    mut committer: Committer<'_>,
    mut replay: Replay<'_>,
    kept: &mut KeptThreads,
) -> Result<Summary, Error> {
    let start = Instant::now();
    let Expanded { inputs, broken, unreadable } = inputs::expand(&replay.logs)?;
    let readers = std::mem::take(&mut replay.readers);
    source::check_names(readers.iter().map(|reader| &*reader.name))?;
    let file_bytes = inputs.iter().map(Input::file_bytes).chain(readers.iter().map(|_| None)).sum();
    let threads = kept.of(replay.threads)?;
    let pool = &threads.workers;
    let resolver = committer.resolver;
    let again = Again { fields: replay.fields.hash(), force: replay.force };
    let mut gathering = Gathering::new(&committer, replay.rejects.take(), replay.batches, again.fields);
    let decoder =
        Decoder::new(&committer.store.settings().junk, &replay.fields).with_profiles(replay.profiles).with_recall();
    let decoding = Decoding::new(decoder, gathering.rejects.are_wanted(), &gathering.batch);
    let decode = |chunk: BufferedChunk, spare: Option<DecodedChunk>| decoding.chunk(chunk, spare);
    let known = KnownPositions { positions: positions(resolver), barred: Arc::clone(committer.store.barred()) };
    let sources = sources(inputs, readers, known, again, replay.stop);
    let sources = sources.map(|source| source.map(|source| source.by(&replay.fields)));
    pipeline::run(threads, sources, replay.stop, decode, |steps| -> Result<(), Error> {
        // 1. Other threads read and decode, also while a batch is committed here.
        while let Some(step) = steps.take()? {
            // 2. Absorb what they decoded, in the order of the log.
            let is_chunk = gathering.take(step, steps, &decoding)?;
            if let Some(progress) = replay.progress.as_deref_mut().filter(|_| is_chunk) {
                let bytes = gathering.skipped_bytes + steps.file_bytes_read();
                progress(Progress { bytes, bytes_total: file_bytes, events: gathering.summary.events.read });
            }
            // 3. Commit a full batch.
            if gathering.batches.are_reached(&gathering.batch) {
                gathering.commit(&mut committer, pool)?;
            }
        }
        // 4. Commit what is left, positions that moved among it.
        gathering.commit(&mut committer, pool)?;
        gathering.summary.stopped = steps.stopped();
        Ok(())
    })?;
    let Gathering { mut summary, sources, .. } = gathering;
    summary.sources = sources.counts;
    (summary.other_fields, summary.edited) = (sources.other_fields, sources.edited);
    summary.tally.broken_links = broken;
    summary.failed = unreadable.into_iter().chain(sources.failed).map(Error::from).collect();
    pool.install(|| committer.conclude())?;
    if replay.totals {
        let limits = committer.store.limits()?.unwrap_or_default();
        summary.crowded = crowded(&resolver.view(), limits)?;
        summary.crowded.truncate(CROWDED_TOLD);
        summary.totals = pool.install(|| resolver.view().totals())?;
    }
    summary.seconds = start.elapsed().as_secs_f64();
    Ok(summary)
}

/// How far the store has read each source, by the name that it has.
fn positions(resolver: &Resolver) -> HashMap<String, Position> {
    let last = resolver.read();
    let known = last.sources().iter();
    known.filter_map(|source| Some((source.name.clone(), source.position.clone()?))).collect()
}

/// How far sources were read, by what they are called.
struct KnownPositions {
    positions: HashMap<String, Position>,
    barred: Arc<Barred>,
}

impl KnownPositions {
    fn position(&self, name: &str) -> Option<&Position> {
        self.positions.get(&self.barred.source_name(name))
    }
}

/// A source that is not open yet.
enum Unopened<'a> {
    Input(Input),
    Reader(NamedReader<'a>),
}

/// The sources, each opened when its turn comes: where its position says, if there is one.
fn sources<'a>(
    inputs: Vec<Input>,
    readers: Vec<NamedReader<'a>>,
    known: KnownPositions,
    again: Again,
    stop: Stop<'a>,
) -> impl ExactSizeIterator<Item = Result<SourceReader<'a>, Skipped>> + Send {
    let inputs = inputs.into_iter().map(Unopened::Input);
    let all: Vec<Unopened<'a>> = inputs.chain(readers.into_iter().map(Unopened::Reader)).collect();
    all.into_iter().map(move |source| match source {
        Unopened::Input(input) => open(&input, &known, again, stop),
        Unopened::Reader(NamedReader { name, stream }) => {
            let known = known.position(&name).filter(|known| again.goes_on(known));
            let stream = match stream {
                Stream::Reader(reader) => reader,
                Stream::Stdin => {
                    patient::stdin(stop).map_err(|error| Skipped::Failed(IngestError::io(&*name, error)))?
                }
            };
            SourceReader::named(name, known, stream).map_err(Skipped::Failed)
        }
    })
}

fn open<'s>(input: &Input, known: &KnownPositions, again: Again, stop: Stop<'s>) -> Result<SourceReader<'s>, Skipped> {
    let name = input.name();
    let Some(position) = known.position(&name) else { return reader::open(input, stop).map_err(Skipped::Failed) };
    let bytes = || input.file_bytes().unwrap_or(0);
    match reader::resume(input, position, again, stop).map_err(Skipped::Failed)? {
        Resumed::Reader(reader) => Ok(*reader),
        Resumed::NothingNew => Err(Skipped::NothingNew(bytes())),
        Resumed::OtherFields => Err(Skipped::OtherFields(name, bytes())),
    }
}

/// What is being gathered for the next commit, and told at the end.
struct Gathering<'e, 'r> {
    resolver: &'e Resolver,
    barred: Arc<Barred>,
    rejects: Rejects<'r>,
    batches: BatchSizes,
    batch: Batch,
    sources: Sources,
    summary: Summary,
    /// Bytes on the disk of the sources that were skipped.
    skipped_bytes: u64,
}

impl<'e, 'r> Gathering<'e, 'r> {
    fn new(
        committer: &Committer<'e>,
        rejects: Option<&'r mut (dyn Write + Send)>,
        batches: BatchSizes,
        fields: FieldsHash,
    ) -> Self {
        let resolver = committer.resolver;
        let last = resolver.read();
        Self {
            resolver,
            barred: Arc::clone(committer.store.barred()),
            rejects: Rejects::new(rejects),
            batches,
            batch: Batch::new(last.graph(), Room::new()),
            sources: Sources::new(last.sources(), fields),
            summary: Summary::default(),
            skipped_bytes: 0,
        }
    }

    /// Takes a step of the log; says whether it was a chunk.
    fn take(
        &mut self,
        step: Step<DecodedChunk, Skipped>,
        steps: &Steps<'_, DecodedChunk, Skipped>,
        decoding: &Decoding,
    ) -> Result<bool, Error> {
        match step {
            Step::Skipped(Skipped::NothingNew(bytes)) => {
                self.sources.counts.skipped += 1;
                self.skipped_bytes += bytes;
            }
            Step::Skipped(Skipped::OtherFields(name, bytes)) => {
                self.sources.other_fields.push(name);
                self.skipped_bytes += bytes;
            }
            Step::Skipped(Skipped::Failed(error)) => self.sources.failed.push(error),
            Step::Start(start) => self.sources.start(start, &self.barred),
            Step::End { at, error } => self.sources.end(at, error, &mut self.batch),
            Step::Chunk(mut chunk) => {
                decoding.fit(&mut chunk, &self.batch);
                self.absorb(&chunk)?;
                decoding.absorbed(&self.batch);
                steps.give_back(chunk);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn absorb(&mut self, chunk: &DecodedChunk) -> Result<(), Error> {
        // A chunk comes after the start of its source.
        let Some(source) = self.sources.current() else { return Ok(()) };
        let refused = self.batch.absorb(self.resolver.read().graph(), chunk, source.id, &self.barred)?;
        self.rejects.write(source.name(), source.lines, &chunk.rejects)?;
        self.summary.absorb(chunk, refused, source.name(), source.lines);
        source.absorbed(chunk, &mut self.batch);
        self.batches.gathered(chunk.tally.span);
        Ok(())
    }

    fn commit(&mut self, committer: &mut Committer<'_>, pool: &rayon::ThreadPool) -> Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        // Rejects are written before the position that lies behind them is durable: none is lost.
        self.rejects.flush()?;
        let empty = Batch::new(self.resolver.read().graph(), Room::new());
        let batch = std::mem::replace(&mut self.batch, empty);
        let committed = committer.commit(batch, Some(pool))?;
        self.batches.committed(&committed);
        let Committed { accepted, duplicate, room, .. } = committed;
        self.batch = Batch::new(self.resolver.read().graph(), room);
        self.summary.events.accepted += accepted;
        self.summary.events.duplicate += duplicate;
        Ok(())
    }
}
