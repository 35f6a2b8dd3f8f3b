//! How far the sources of a replay were absorbed, for their positions in the store.

use std::collections::HashMap;

use crate::engine::batch::Batch;
use crate::engine::batch::decoded::DecodedChunk;
use crate::engine::replay::summary::SourceCounts;
use crate::ingest::error::IngestError;
use crate::ingest::reader::SourceStart;
use crate::model::source::{FieldsHash, Position, Source, SourceId};
use crate::store::barred::Barred;

/// The sources of a replay: they are absorbed one after another.
pub struct Sources {
    /// The ids that the store has given, by the names that it has. A source that it does not know gets the next.
    known: HashMap<String, SourceId>,
    next_id: u32,
    /// How far some were pushed, which reading them does not change.
    pushed: HashMap<SourceId, String>,
    /// The fields that the lines are read with.
    fields: FieldsHash,
    current: Option<SourceProgress>,
    /// How many were read, in part or whole, and how many held nothing new.
    pub counts: SourceCounts,
    /// Why some could not be read (any further).
    pub failed: Vec<IngestError>,
    /// Those that were not read, because they were read with other fields before.
    pub other_fields: Vec<String>,
    /// Those that hold something else than when they delivered events before.
    pub edited: Vec<String>,
}

/// A source that is being absorbed.
pub struct SourceProgress {
    /// The id that the store gives it.
    pub id: SourceId,
    start: SourceStart,
    /// The name that it is stored under.
    stored: String,
    /// How far it was pushed.
    pushed: Option<String>,
    /// How far it is absorbed; `None` for one that only streams.
    position: Option<Position>,
    /// Lines that were absorbed so far.
    pub lines: u64,
}

impl Sources {
    /// No sources yet, beside those that the store knows.
    pub fn new(known: &[Source], fields: FieldsHash) -> Self {
        let pushed = (0..).zip(known).filter_map(|(id, source)| Some((SourceId(id), source.pushed.clone()?)));
        Self {
            known: (0..).zip(known).map(|(id, source)| (source.name.clone(), SourceId(id))).collect(),
            next_id: known.len() as u32,
            pushed: pushed.collect(),
            fields,
            current: None,
            counts: SourceCounts::default(),
            failed: Vec::new(),
            other_fields: Vec::new(),
            edited: Vec::new(),
        }
    }

    /// The next source.
    pub fn start(&mut self, start: SourceStart, barred: &Barred) {
        self.counts.read += 1;
        let stored = barred.source_name(&start.name);
        let id = *self.known.entry(stored.clone()).or_insert_with(|| {
            self.next_id += 1;
            SourceId(self.next_id - 1)
        });
        let position = start.position(self.fields);
        if start.edited {
            self.edited.push(start.name.clone());
        }
        let pushed = self.pushed.get(&id).cloned();
        self.current = Some(SourceProgress { id, lines: start.lines, position, pushed, stored, start });
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

    /// Notes that its next chunk was absorbed.
    pub fn absorbed(&mut self, chunk: &DecodedChunk, batch: &mut Batch) {
        self.lines += chunk.lines;
        if let Some(position) = &mut self.position {
            position.bytes = chunk.consumed;
            position.lines = self.lines;
            position.within = chunk.within;
            position.events += chunk.rows.all.len() as u64;
        }
        self.note(batch);
    }

    fn note(&self, batch: &mut Batch) {
        let (name, position, pushed) = (self.stored.clone(), self.position.clone(), self.pushed.clone());
        batch.read(self.id, Source { name, position, pushed, retracted: false });
    }
}
