//! The intake: all inputs of a replay, one chunk after another.

use std::collections::{HashMap, VecDeque};

use crate::engine::batch::Batch;
use crate::engine::replay::summary::SourceCounts;
use crate::ingest::chunk::Chunk;
use crate::ingest::error::IngestError;
use crate::ingest::inputs::Input;
use crate::ingest::reader::{self, SourceReader};
use crate::model::source::{Position, Source, SourceId};

/// All inputs of a replay. A source that cannot be read (any further) is noted, and the next one follows.
pub struct Intake {
    inputs: VecDeque<Input>,
    force: bool,
    /// The positions that the store knows, by name. A source that it does not know gets the next id.
    known: HashMap<String, (SourceId, Option<Position>)>,
    next_id: u32,
    reading: Option<SourceReader>,
    /// The room of chunks that are done with.
    room: Vec<Vec<u8>>,
    sources: Vec<SourceProgress>,
    failed: Vec<IngestError>,
    skipped: u64,
    bytes_of_done: u64,
    bytes_total: Option<u64>,
}

/// What the intake gives.
pub enum Taken {
    /// A chunk of a source (its place in the intake).
    Chunk(usize, Chunk),
    /// That source was read to its end, or as far as it can be.
    End(usize),
}

/// A source of this replay, and how far its chunks were absorbed.
struct SourceProgress {
    id: SourceId,
    name: String,
    /// The position of the last commit or chunk; `None` for standard input.
    position: Option<Position>,
    lines: u64,
    end: u64,
    failed: bool,
}

impl Intake {
    /// An intake over `inputs`, given the sources that the store knows.
    pub fn new(inputs: Vec<Input>, known: &[Source], force: bool) -> Self {
        let bytes_total = inputs.iter().map(Input::file_bytes).sum();
        Self {
            inputs: inputs.into(),
            force,
            known: (0..)
                .zip(known)
                .map(|(id, source)| (source.name.clone(), (SourceId(id), source.position.clone())))
                .collect(),
            next_id: known.len() as u32,
            reading: None,
            room: Vec::new(),
            sources: Vec::new(),
            failed: Vec::new(),
            skipped: 0,
            bytes_of_done: 0,
            bytes_total,
        }
    }

    /// The next chunk, or the end of a source; `None` when there is nothing left.
    pub fn next(&mut self) -> Option<Taken> {
        loop {
            let Some(reader) = &mut self.reading else {
                self.open_next()?;
                continue;
            };
            let source = self.sources.len() - 1;
            match reader.next_chunk_in(self.room.pop().unwrap_or_default()) {
                Ok(Some(chunk)) => {
                    self.sources[source].end = chunk.end;
                    return Some(Taken::Chunk(source, chunk));
                }
                Ok(None) => {
                    self.close();
                    return Some(Taken::End(source));
                }
                Err(error) => {
                    self.failed.push(error);
                    self.sources[source].failed = true;
                    self.close();
                    return Some(Taken::End(source));
                }
            }
        }
    }

    /// Takes back the room of a chunk that was decoded.
    pub fn take_back(&mut self, room: Vec<u8>) {
        self.room.push(room);
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.reading.is_none() && self.inputs.is_empty()
    }

    /// The id that the store gives a source.
    pub fn source_id(&self, source: usize) -> SourceId {
        self.sources[source].id
    }

    /// The name of a source.
    pub fn name(&self, source: usize) -> &str {
        &self.sources[source].name
    }

    /// Lines of a source that were absorbed so far.
    pub fn lines(&self, source: usize) -> u64 {
        self.sources[source].lines
    }

    /// Notes that a source was absorbed up to `bytes`, `lines` further than before.
    pub fn read(&mut self, source: usize, bytes: u64, lines: u64, batch: &mut Batch) {
        let reading = &mut self.sources[source];
        reading.lines += lines;
        if let Some(position) = &mut reading.position {
            position.bytes = bytes;
            position.lines = reading.lines;
        }
        batch.read(
            reading.id,
            Source { name: reading.name.clone(), position: reading.position.clone(), retracted: false },
        );
    }

    /// Notes that a source was absorbed to its end.
    pub fn ended(&mut self, source: usize, batch: &mut Batch) {
        let reading = &mut self.sources[source];
        if let Some(position) = &mut reading.position {
            position.complete = position.bytes >= reading.end && !reading.failed;
        }
        batch.read(
            reading.id,
            Source { name: reading.name.clone(), position: reading.position.clone(), retracted: false },
        );
    }

    /// Bytes of the files, as they lie on the disk, that were read or passed over.
    pub fn file_bytes_read(&self) -> u64 {
        self.bytes_of_done + self.reading.as_ref().map_or(0, SourceReader::file_bytes_read)
    }

    /// Bytes of all files as they lie on the disk; `None` where standard input is among the inputs.
    pub fn file_bytes(&self) -> Option<u64> {
        self.bytes_total
    }

    /// How many sources were read (in part or whole), and how many held nothing new.
    pub fn counts(&self) -> SourceCounts {
        SourceCounts { read: self.sources.len() as u64, skipped: self.skipped }
    }

    /// Why sources could not be read (any further).
    pub fn into_failed(self) -> Vec<IngestError> {
        self.failed
    }

    /// Opens the next input that holds something new; `None` when there is none.
    fn open_next(&mut self) -> Option<()> {
        while let Some(input) = self.inputs.pop_front() {
            let name = input.name();
            let known = self.known.get(&name);
            let position = known.and_then(|(_, position)| position.as_ref());
            match reader::open(&input, position, self.force) {
                Ok(Some(reader)) => {
                    let id = match known {
                        Some(&(id, _)) => id,
                        None => self.new_id(&name),
                    };
                    let (bytes, lines) = reader.start();
                    let position = reader.position(bytes, lines, false);
                    self.sources.push(SourceProgress { id, name, position, lines, end: bytes, failed: false });
                    self.reading = Some(reader);
                    return Some(());
                }
                Ok(None) => {
                    self.skipped += 1;
                    self.bytes_of_done += input.file_bytes().unwrap_or(0);
                }
                Err(error) => self.failed.push(error),
            }
        }
        None
    }

    fn new_id(&mut self, name: &str) -> SourceId {
        let id = SourceId(self.next_id);
        self.next_id += 1;
        self.known.insert(name.to_owned(), (id, None));
        id
    }

    fn close(&mut self) {
        if let Some(reader) = self.reading.take() {
            self.bytes_of_done += reader.file_bytes_read();
        }
    }
}
