//! How far the sources of a replay were absorbed, for their positions in the store.

use std::collections::HashMap;

use crate::engine::batch::Batch;
use crate::engine::replay::summary::SourceCounts;
use crate::ingest::error::IngestError;
use crate::ingest::reader::SourceStart;
use crate::model::source::{Position, Source, SourceId};

/// The sources of a replay: they are absorbed one after another.
pub struct Sources {
    /// The ids that the store has given, by name. A source that it does not know gets the next.
    known: HashMap<String, SourceId>,
    next_id: u32,
    current: Option<SourceProgress>,
    /// How many were read, in part or whole, and how many held nothing new.
    pub counts: SourceCounts,
    /// Why some could not be read (any further).
    pub failed: Vec<IngestError>,
}

/// A source that is being absorbed.
pub struct SourceProgress {
    /// The id that the store gives it.
    pub id: SourceId,
    start: SourceStart,
    /// How far it is absorbed; `None` for one that only streams.
    position: Option<Position>,
    /// Lines that were absorbed so far.
    pub lines: u64,
}

impl Sources {
    /// No sources yet, beside those that the store knows.
    pub fn new(known: &[Source]) -> Self {
        Self {
            known: (0..).zip(known).map(|(id, source)| (source.name.clone(), SourceId(id))).collect(),
            next_id: known.len() as u32,
            current: None,
            counts: SourceCounts::default(),
            failed: Vec::new(),
        }
    }

    /// The next source.
    pub fn start(&mut self, start: SourceStart) {
        self.counts.read += 1;
        let id = *self.known.entry(start.name.clone()).or_insert_with(|| {
            self.next_id += 1;
            SourceId(self.next_id - 1)
        });
        let position = start.position(start.bytes, start.lines, false);
        self.current = Some(SourceProgress { id, lines: start.lines, position, start });
    }

    /// The source that is being absorbed.
    pub fn current(&mut self) -> Option<&mut SourceProgress> {
        self.current.as_mut()
    }

    /// The end of the source, whose last chunk ended `at`.
    pub fn end(&mut self, at: u64, error: Option<IngestError>, batch: &mut Batch) {
        if let Some(mut source) = self.current.take() {
            if let Some(position) = &mut source.position {
                position.complete = position.bytes >= at && error.is_none();
            }
            source.note(batch);
        }
        self.failed.extend(error);
    }
}

impl SourceProgress {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.start.name
    }

    /// Notes that it was absorbed up to `bytes`, `lines` further than before.
    pub fn absorbed(&mut self, bytes: u64, lines: u64, batch: &mut Batch) {
        self.lines += lines;
        if let Some(position) = &mut self.position {
            position.bytes = bytes;
            position.lines = self.lines;
        }
        self.note(batch);
    }

    fn note(&self, batch: &mut Batch) {
        batch
            .read(self.id, Source { name: self.start.name.clone(), position: self.position.clone(), retracted: false });
    }
}
