//! The lines of events, found again in the logs that delivered them.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Serialize, Serializer};

use crate::ingest::decode::Decoder;
use crate::ingest::error::IngestError;
use crate::ingest::fields::Fields;
use crate::ingest::inputs::{Input, STDIN, expand};
use crate::ingest::junk::JunkCounts;
use crate::ingest::reader::{self, SourceReader};
use crate::model::digest::{EventHash, IdentityHash};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::DecodedEvent;
use crate::model::namespace::Namespaces;
use crate::model::settings::Settings;
use crate::model::source::Source;
use crate::model::time::Time;
use crate::resolver::{EventRow, View};

/// Why a log did not give the line of an event.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// It cannot be read.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// What came from it came once.
    #[error("{name} is not a file, so what came from it cannot be read a second time")]
    Stream {
        /// The source.
        name: String,
    },
    /// A program decoded its events.
    #[error("the events of {name} were pushed by a program, and have no line: ask that program")]
    Pushed {
        /// The source.
        name: String,
    },
    /// It was read with other fields.
    #[error(
        "no line of {name} is the event {event} by these fields, and it was replayed with others: name the configuration that it was replayed with"
    )]
    OtherFields {
        /// The source.
        name: String,
        /// The event.
        event: EventHash,
    },
    /// It holds something else than before.
    #[error("no line of {name} is the event {event} any more: the file was changed since it was replayed")]
    Changed {
        /// The source.
        name: String,
        /// The event.
        event: EventHash,
    },
    /// None of those that were named holds it.
    #[error("no line of the logs that were named is the event {event} by these fields")]
    NoLine {
        /// The event.
        event: EventHash,
    },
}

impl From<LocateError> for Error {
    fn from(error: LocateError) -> Self {
        let kind = match error {
            LocateError::Ingest(error) => return error.into(),
            LocateError::Stream { .. } | LocateError::Changed { .. } | LocateError::NoLine { .. } => ErrorKind::Input,
            LocateError::Pushed { .. } | LocateError::OtherFields { .. } => ErrorKind::Argument,
        };
        Self::new(kind, error)
    }
}

/// Which events to find the lines of, and where.
///
/// A store keeps no lines. So the sources that delivered an event are read again, from their start to the first line that is it.
///
/// ```
/// # fn main() -> backstitch::Result<()> {
/// # use backstitch::{Engine, Locate};
/// # let mut engine = Engine::in_memory();
/// engine.replay(["fixtures/journeys.ndjson"])?;
/// let located = Locate::event("order-1001").find(&engine.resolver().view(), engine.settings())?;
/// let line = located.events[0].line.as_ref().expect("the file is there");
/// assert!(line.source.ends_with("journeys.ndjson") && line.text.contains("order-1001"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it finds"]
pub struct Locate<'a> {
    event: String,
    logs: Vec<String>,
    fields: Fields,
    stop: Option<&'a AtomicBool>,
}

/// What was found of the events that were asked for.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Located {
    /// The events, in time order: the earliest [`MAX_EVENTS_LOCATED`](crate::model::limits::MAX_EVENTS_LOCATED). Empty where the store
    /// knows none.
    pub events: Vec<LocatedEvent>,
    /// How many more events have the `id`.
    pub more: u64,
    /// Why sources did not give the line of an event that has none here.
    pub failed: Vec<Error>,
    /// Whether it was stopped before all was read.
    pub stopped: bool,
}

/// An event, with the line that is it. As JSON it has the names of both, those of the line null where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocatedEvent {
    /// The event.
    pub event: EventRow,
    /// The first line that is it, where one was found.
    pub line: Option<LogLine>,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// The log, as [`View::sources`] names it.
    pub source: String,
    /// Its number, from 1.
    pub line: u64,
    /// Where it begins, in bytes from 0, after decompression.
    pub byte: u64,
    /// The line, without the white space around it.
    pub text: String,
}

impl Serialize for LocatedEvent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct LocatedInWriting<'a> {
            #[serde(flatten)]
            event: &'a EventRow,
            source: Option<&'a str>,
            line: Option<u64>,
            byte: Option<u64>,
            text: Option<&'a str>,
        }
        let line = self.line.as_ref();
        LocatedInWriting {
            event: &self.event,
            source: line.map(|line| &*line.source),
            line: line.map(|line| line.line),
            byte: line.map(|line| line.byte),
            text: line.map(|line| &*line.text),
        }
        .serialize(to)
    }
}

impl<'a> Locate<'a> {
    /// The events with this `id`, or the one with this hash: 32 hex digits, as explanations and rows of events have it.
    pub fn event(id: impl Into<String>) -> Self {
        Self { event: id.into(), logs: Vec::new(), fields: Fields::default(), stop: None }
    }

    /// Looks in these logs instead of the sources that delivered the event: files, folders, globs, `-` for standard input. For files that
    /// were moved, and for streams, which are given again.
    pub fn logs<S: AsRef<OsStr>>(mut self, logs: impl IntoIterator<Item = S>) -> Self {
        self.logs = logs.into_iter().map(|log| log.as_ref().to_string_lossy().into_owned()).collect();
        self
    }

    /// Where the lines say what: as they were replayed. By default they are activities. Bounds of time do not count.
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// Another thread sets `stop` to end the work at the next chunk.
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Finds them. `settings` are those of the store of `view`.
    ///
    /// Costs a scan of all events of the store, and a read of each source up to the line, of the whole source where there is none.
    ///
    /// # Errors
    /// When the store cannot be read, or a log that was named does not exist. A source that does not give the line is no error:
    /// [`Located::failed`] says why.
    pub fn find(self, view: &View, settings: &Settings) -> Result<Located> {
        let (events, more) = view.events_named(&self.event)?;
        // The store holds what was replayed by whatever bounds.
        let fields = self.fields.clone().not_before(Time::from_micros(i64::MIN)).not_after(Time::from_micros(i64::MAX));
        let mut search = Search {
            view,
            named: view.namespaces().clone(),
            decoder: Decoder::new(&settings.junk, &fields),
            lines: events.iter().map(|_| None).collect(),
            events,
            stop: self.stop,
            stopped: false,
        };
        let failed = match &self.logs[..] {
            [] => self.in_sources(view, &mut search),
            logs => self.in_logs(expand(logs)?.all_readable()?.inputs, &mut search),
        };
        let Search { events, lines, stopped, .. } = search;
        // What one source did not give and another did is not missed.
        let missed = |wanted: &[usize]| wanted.iter().any(|&at| lines[at].is_none());
        let failed = failed.into_iter().filter(|(wanted, _)| missed(wanted)).map(|(_, error)| error.into()).collect();
        let events = events.into_iter().zip(lines).map(|(event, line)| LocatedEvent { event, line }).collect();
        Ok(Located { events, more, failed, stopped })
    }

    /// Looks in the sources that delivered the events, each read once; tells what went wrong, for which of the events.
    fn in_sources(&self, view: &View, search: &mut Search<'_>) -> Vec<(Vec<usize>, LocateError)> {
        let mut failed = Vec::new();
        for source in view.sources() {
            let wanted = search.missing(|event| event.sources.contains(&source.name));
            if wanted.is_empty() || search.stopped {
                continue;
            }
            let outcome = file_of(source)
                .and_then(|file| Ok(search.read(reader::open(&file, self.stop)?.by(&self.fields), &wanted)?));
            let name = || source.name.clone();
            let why = match (outcome, search.first_missing(&wanted)) {
                (Err(error), _) => error,
                (Ok(()), None) => continue,
                (Ok(()), Some(event)) => {
                    let other = source.position.as_ref().is_some_and(|known| known.fields != self.fields.hash());
                    match other {
                        true => LocateError::OtherFields { name: name(), event },
                        false => LocateError::Changed { name: name(), event },
                    }
                }
            };
            failed.push((wanted, why));
        }
        failed
    }

    /// Looks in logs that were named.
    fn in_logs(&self, inputs: Vec<Input>, search: &mut Search<'_>) -> Vec<(Vec<usize>, LocateError)> {
        let mut failed = Vec::new();
        let all = search.missing(|_| true);
        for input in inputs {
            let wanted = search.missing(|_| true);
            if wanted.is_empty() || search.stopped {
                break;
            }
            let read = reader::open(&input, self.stop).and_then(|source| search.read(source.by(&self.fields), &wanted));
            failed.extend(read.err().map(|error| (wanted, error.into())));
        }
        if let Some(event) = search.first_missing(&all) {
            failed.push((all, LocateError::NoLine { event }));
        }
        failed
    }
}

/// The file that a source is.
fn file_of(source: &Source) -> Result<Input, LocateError> {
    let name = || source.name.clone();
    let path = PathBuf::from(&source.name);
    match &source.position {
        None if source.pushed.is_some() => Err(LocateError::Pushed { name: name() }),
        None if source.name == STDIN => Err(LocateError::Stream { name: "standard input".to_owned() }),
        Some(position) if position.file.is_some() => match fs::metadata(&path) {
            // Opening what is not a file any more may wait forever.
            Ok(kind) if !kind.is_file() => Err(LocateError::Stream { name: name() }),
            Ok(_) => Ok(Input::File(path)),
            Err(error) => Err(IngestError::io(name(), error).into()),
        },
        None | Some(_) => Err(LocateError::Stream { name: name() }),
    }
}

/// The events that are looked for, and the lines that were found.
struct Search<'a> {
    view: &'a View,
    decoder: Decoder,
    /// The namespaces of the store.
    named: Namespaces,
    events: Vec<EventRow>,
    /// Of each event.
    lines: Vec<Option<LogLine>>,
    stop: Option<&'a AtomicBool>,
    stopped: bool,
}

impl Search<'_> {
    /// The events without a line that are like this.
    fn missing(&self, like: impl Fn(&EventRow) -> bool) -> Vec<usize> {
        let events = self.events.iter().zip(&self.lines).enumerate();
        events.filter(|(_, (event, line))| line.is_none() && like(event)).map(|(at, _)| at).collect()
    }

    /// The first of the wanted ones that was not found, where nothing kept it from being looked for.
    fn first_missing(&self, wanted: &[usize]) -> Option<EventHash> {
        let missing = wanted.iter().find(|&&at| self.lines[at].is_none() && !self.stopped);
        missing.map(|&at| self.events[at].event)
    }

    /// Reads a source until every wanted event has its line.
    fn read(&mut self, mut source: SourceReader<'_>, wanted: &[usize]) -> Result<(), IngestError> {
        let name = source.start().name;
        let mut namespaces = self.named.clone();
        let (mut buffer, mut before) = (Vec::new(), 0);
        while wanted.iter().any(|&at| self.lines[at].is_none()) {
            if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                self.stopped = true;
                break;
            }
            let Some(chunk) = source.next_chunk(&mut buffer)? else {
                self.stopped |= source.stopped();
                break;
            };
            let Self { view, decoder, named, events, lines, .. } = self;
            let decoded = decoder.chunk(&chunk, &mut namespaces, &mut JunkCounts::new(), &mut |line| {
                let Ok(event) = &line.outcome else { return };
                let is_it = |&&at: &&usize| events[at].time == event.time && lines[at].is_none();
                let hash = || match view.as_counted(named, event) {
                    Some(counted) => hash(named, &counted),
                    None => hash(named, event),
                };
                let Some(&at) = wanted.iter().filter(is_it).find(|&&at| hash() == Some(events[at].event)) else {
                    return;
                };
                lines[at] = Some(LogLine {
                    source: name.clone(),
                    line: before + line.number + 1,
                    byte: chunk.start + line.at as u64,
                    text: String::from_utf8_lossy(line.text).into_owned(),
                });
            });
            before += decoded.lines;
            buffer = chunk.bytes;
        }
        Ok(())
    }
}

/// The hash of an event of a line; none where it names a namespace that no stored event has.
fn hash(named: &Namespaces, event: &DecodedEvent<'_>) -> Option<EventHash> {
    let hashes = event.identities.iter().map(|&(namespace, value)| {
        let name = named.names().get(usize::from(namespace.0))?;
        Some(IdentityHash::new(name, value))
    });
    let hashes: Vec<IdentityHash> = hashes.collect::<Option<_>>()?;
    Some(EventHash::new(event.time, event.id, hashes))
}
