//! A log with its people written in.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::AtomicBool;

use serde::Serialize;

#[cfg(feature = "csv")]
use crate::export::columns::{ATTRIBUTED, Cells, writer};
use crate::export::rows::RowFormat;
use crate::ingest::chunk::Chunk;
use crate::ingest::decode::Decoder;
use crate::ingest::error::IngestError;
use crate::ingest::fields::Fields;
use crate::ingest::format::Decoded;
use crate::ingest::inputs::{Expanded, Input, expand};
use crate::ingest::junk::JunkCounts;
use crate::ingest::patient::Stop;
use crate::ingest::pipeline::{self, BufferedChunk, PipelineError, PipelineThreads, Step};
use crate::ingest::progress::Progress;
use crate::ingest::reader::{self, SourceReader};
use crate::ingest::tally::Tally;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::namespace::Namespaces;
use crate::model::settings::Settings;
use crate::resolver::{Attributor, View};

/// Why a log could not be written with its people.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A source could not be read.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The rows could not be written.
    #[error("cannot write the rows")]
    Write(#[from] io::Error),
    /// The threads could not do their work.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The logins of shared sessions could not be read.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<ExportError> for Error {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Ingest(error) => error.into(),
            ExportError::Pipeline(error) => error.into(),
            ExportError::Store(error) => error,
            ExportError::Write(cause) => {
                Self::new(ErrorKind::of_io(&cause, ErrorKind::Output), ExportError::Write(cause))
            }
        }
    }
}

/// Which logs to write again, with the person of every event, and how.
///
/// ```
/// # fn main() -> backstitch::Result<()> {
/// # use backstitch::{Attribute, Engine};
/// # let mut engine = Engine::in_memory();
/// engine.replay(["fixtures/journeys.ndjson"])?;
/// let mut lines = Vec::new();
/// let view = engine.resolver().view();
/// let exported = Attribute::of(["fixtures/journeys.ndjson"]).write(&view, engine.settings(), &mut lines)?;
/// assert!(exported.events > 0);
/// # Ok(())
/// # }
/// ```
#[must_use = "it does nothing until it writes"]
pub struct Attribute<'a> {
    logs: Vec<String>,
    fields: Fields,
    format: RowFormat,
    stop: Option<&'a AtomicBool>,
    progress: Option<Box<dyn FnMut(Progress) + 'a>>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Exported {
    /// Events, repeats included.
    pub events: u64,
    /// Those among them that lie after the moment as of which the view is; 0 where it is of all events.
    pub later: u64,
    /// Lines that are no events and were left out.
    pub rejected: BTreeMap<&'static str, u64>,
    /// What else was noted of the log.
    pub tally: Tally,
    /// Whether it was stopped before the end.
    pub stopped: bool,
}

impl<'a> Attribute<'a> {
    /// Writes `logs` again: files, folders, globs, `-` for standard input.
    pub fn of<S: AsRef<OsStr>>(logs: impl IntoIterator<Item = S>) -> Self {
        let logs = logs.into_iter().map(|log| log.as_ref().to_string_lossy().into_owned()).collect();
        Self { logs, fields: Fields::default(), format: RowFormat::default(), stop: None, progress: None }
    }

    /// Where the lines of the logs say what: as they were replayed. By default they are activities.
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// How the rows are written. By default each is the line of its event.
    pub fn format(mut self, format: RowFormat) -> Self {
        self.format = format;
        self
    }

    /// Another thread sets `stop` to end the work at the next chunk.
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// `progress` is called after each chunk, in the calling thread; it tells the events that were written.
    pub fn progress(mut self, progress: impl FnMut(Progress) + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Writes every event of the logs, repeats included and rejects left out, in their order. `view` says whom the events belong
    /// to, under its reading; `settings` are those of its store. As of a moment, events after it are written too
    /// ([`later`](Exported::later)): by what the events up to the moment tell of their session.
    ///
    /// As NDJSON it is the line of the event with `person` and `attribution` added at its end; as CSV a row of
    /// `time`, `session`, `id`, `person`, `attribution`. Chunks are worked on by all cores; memory is bounded by those under way, and
    /// where the policy follows each login, by the logins of the sessions that met several customers.
    ///
    /// # Errors
    /// When a source or the store cannot be read or `out` cannot be written.
    pub fn write(self, view: &View, settings: &Settings, out: &mut dyn Write) -> Result<Exported> {
        Ok(self.write_rows(view, settings, out)?)
    }

    fn write_rows(mut self, view: &View, settings: &Settings, out: &mut dyn Write) -> Result<Exported, ExportError> {
        let format = self.format;
        let Expanded { inputs, broken, .. } = expand(&self.logs)?.all_readable()?;
        let bytes_total = inputs.iter().map(Input::file_bytes).sum();
        let fields = self.fields.clone();
        let work = Work { attributor: view.attributor()?, decoder: Decoder::new(&settings.junk, &self.fields), format };
        let mut exported = Exported::default();
        exported.tally.broken_links = broken;
        match format {
            RowFormat::Ndjson => {}
            #[cfg(feature = "csv")]
            RowFormat::Csv | RowFormat::CsvSafe => out.write_all(ATTRIBUTED)?,
        }
        let threads = PipelineThreads::start(None)?;
        let rows_of =
            |chunk: BufferedChunk, spare: Option<AttributedChunk>| work.chunk(&chunk, spare.unwrap_or_default());
        pipeline::run(&threads, sources(inputs, fields, self.stop), self.stop, rows_of, |steps| {
            let (mut source, mut lines) = (String::new(), 0);
            while let Some(step) = steps.take()? {
                match step {
                    Step::Start(start) => (source, lines) = (start.name, start.lines),
                    Step::End { error: None, .. } => {}
                    // What was read before is good, and is written by now.
                    Step::Skipped(error) | Step::End { error: Some(error), .. } => return Err(error.into()),
                    Step::Chunk(rows) => {
                        out.write_all(&rows.bytes)?;
                        exported.absorb(&rows, &source, lines);
                        lines += rows.lines;
                        steps.give_back(rows);
                        if let Some(progress) = &mut self.progress {
                            progress(Progress { bytes: steps.file_bytes_read(), bytes_total, events: exported.events });
                        }
                    }
                }
            }
            exported.stopped = steps.stopped();
            Ok(exported)
        })
    }
}

impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attribute").field("logs", &self.logs).field("format", &self.format).finish_non_exhaustive()
    }
}

/// The sources, each opened when its turn comes. They are read from the start, whatever the store has seen of them.
fn sources<'s>(
    inputs: Vec<Input>,
    fields: Fields,
    stop: Stop<'s>,
) -> impl ExactSizeIterator<Item = Result<SourceReader<'s>, IngestError>> + Send {
    inputs.into_iter().map(move |input| Ok(reader::open(&input, stop)?.by(&fields)))
}

impl Exported {
    /// Whether lines were read, and none is an event; one that may be half written is left out of account.
    pub fn all_rejected(&self) -> bool {
        self.events == 0 && self.rejected.values().sum::<u64>() > self.tally.unfinished
    }

    fn absorb(&mut self, chunk: &AttributedChunk, source: &str, lines: u64) {
        self.events += chunk.events;
        self.later += chunk.later;
        self.tally.merge(&chunk.tally, source, lines);
        for (reason, count) in &chunk.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
    }
}

/// What every chunk is worked with.
struct Work {
    attributor: Attributor,
    decoder: Decoder,
    format: RowFormat,
}

/// The rows of a chunk.
#[derive(Default)]
struct AttributedChunk {
    bytes: Vec<u8>,
    events: u64,
    later: u64,
    rejected: BTreeMap<&'static str, u64>,
    tally: Tally,
    lines: u64,
}

impl Work {
    /// Writes the rows of a chunk, in the room of those of another. A namespace that the store never met is named only once the
    /// chunk was read; then the chunk is read again, with its name at hand.
    fn chunk(&self, chunk: &Chunk, mut rows: AttributedChunk) -> AttributedChunk {
        let mut namespaces = self.attributor.view().graph().namespaces().clone();
        loop {
            let named = namespaces.clone();
            rows = self.rows(chunk, &named, &mut namespaces, rows.bytes);
            if namespaces.len() == named.len() {
                return rows;
            }
        }
    }

    /// Writes the rows whose namespaces are `named` (by the same ids as in `namespaces`).
    fn rows(&self, chunk: &Chunk, named: &Namespaces, namespaces: &mut Namespaces, room: Vec<u8>) -> AttributedChunk {
        let mut rows = Rows::new(self.format, room);
        let until = self.attributor.view().reading().until();
        let (mut events, mut later) = (0, 0);
        let mut rejected = BTreeMap::new();
        let decoded = self.decoder.chunk(chunk, namespaces, &mut JunkCounts::new(), &mut |line| match line.outcome {
            Ok(event) if event.identities.iter().all(|(namespace, _)| usize::from(namespace.0) < named.len()) => {
                let (person, kind) = self.attributor.attribute(named, event);
                match &mut rows {
                    Rows::Ndjson(lines) => self.decoder.write_attributed(chunk, line.text, &person, kind, lines),
                    #[cfg(feature = "csv")]
                    Rows::Csv(csv, cells) => cells.push_attributed(csv, event, &person, kind),
                }
                events += 1;
                later += u64::from(event.time > until);
            }
            Ok(_) => {}
            Err(reject) => *rejected.entry(reject.reason.word()).or_default() += 1,
        });
        let Decoded { tally, lines, .. } = decoded;
        AttributedChunk { bytes: rows.into_bytes(), events, later, rejected, tally, lines }
    }
}

/// Rows as they are being written.
enum Rows {
    Ndjson(Vec<u8>),
    // One writer for all rows: each has room of its own to fill.
    #[cfg(feature = "csv")]
    Csv(Box<csv::Writer<Vec<u8>>>, Cells),
}

impl Rows {
    /// None yet, in the room of others.
    fn new(format: RowFormat, mut room: Vec<u8>) -> Self {
        room.clear();
        match format {
            RowFormat::Ndjson => Self::Ndjson(room),
            #[cfg(feature = "csv")]
            RowFormat::Csv => Self::Csv(Box::new(writer(room)), Cells::Exact),
            #[cfg(feature = "csv")]
            RowFormat::CsvSafe => Self::Csv(Box::new(writer(room)), Cells::Safe),
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Ndjson(lines) => lines,
            // Writing to memory does not fail.
            #[cfg(feature = "csv")]
            Self::Csv(csv, _) => csv.into_inner().unwrap_or_default(),
        }
    }
}
