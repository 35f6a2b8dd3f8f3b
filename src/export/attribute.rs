//! A log with its people written in.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use crate::export::rows::{Format, csv_to};
use crate::ingest::chunk::Chunk;
use crate::ingest::decode::Decoder;
use crate::ingest::error::IngestError;
use crate::ingest::fields::Fields;
use crate::ingest::inputs::{Input, expand};
use crate::ingest::junk::JunkCounts;
use crate::ingest::reader::{self, SourceReader};
use crate::model::error::{Error, ErrorKind};
use crate::model::event::DecodedEvent;
use crate::model::identity::Identity;
use crate::model::namespace::{NamespaceId, Namespaces};
use crate::model::person::AttributionKind;
use crate::model::settings::Junk;
use crate::resolver::{Attributor, View};

/// Chunks on their way a thread: enough that no thread waits for the writer, few enough that memory does not follow the log.
const CHUNKS_PER_THREAD: usize = 2;

/// Why a log could not be written with its people.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A source could not be read.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The rows could not be written.
    #[error("cannot write the rows")]
    Write(#[from] io::Error),
    /// The logins of shared sessions could not be read.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<ExportError> for Error {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Ingest(error) => error.into(),
            ExportError::Store(error) => error,
            ExportError::Write(cause) => {
                Self::new(ErrorKind::of_io(&cause, ErrorKind::Output), ExportError::Write(cause))
            }
        }
    }
}

/// Which log to write with its people.
pub struct Attribute<'a> {
    /// Whom the events belong to, and under which reading.
    pub view: &'a View,
    /// What counts as junk: the store's own settings, if its people are to be found again.
    pub junk: &'a Junk,
    /// Where the lines say what: as they were replayed.
    pub fields: &'a Fields,
    /// The sources, as [`expand`] reads them.
    pub inputs: &'a [String],
    /// How the rows are written.
    pub format: Format,
    /// Ends the work at the next chunk once it is true.
    pub stop: &'a AtomicBool,
    /// Told after each chunk: bytes read of the sources, their bytes in all where known, events written.
    pub progress: &'a mut dyn FnMut(u64, Option<u64>, u64),
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// Events, repeats included.
    pub events: u64,
    /// Lines that are no events and were left out.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Whether it was stopped before the end.
    pub stopped: bool,
}

/// Writes every event of a log, repeats included and rejects left out, in the log's order.
///
/// As NDJSON it is the line of the event with `person` and `attribution` added at its end; as CSV a row of
/// `time`, `session`, `id`, `person`, `attribution`. Decoding runs on the cores of the current rayon pool; memory is
/// bounded by some chunks for each, and by what an [`Attributor`] holds.
///
/// # Errors
/// When a source or the store cannot be read or `out` cannot be written.
pub fn attribute(job: Attribute<'_>, out: &mut dyn Write) -> Result<Exported, ExportError> {
    let Attribute { view, junk, fields, inputs, format, stop, progress } = job;
    let inputs = expand(inputs)?;
    let bytes_total = inputs.iter().map(Input::file_bytes).sum();
    let work = Work { attributor: view.attributor()?, decoder: Decoder::new(junk, fields), format };
    let mut exported = Exported::default();
    if format == Format::Csv {
        out.write_all(b"time,session,id,person,attribution\n")?;
    }
    let mut bytes_before = 0;
    for input in &inputs {
        // Read from the start, whatever the store has seen of it.
        let Some(mut reader) = reader::open(input, None, true)? else { continue };
        work.source(&mut reader, stop, |share, bytes| {
            out.write_all(&share.rows)?;
            exported.absorb(share);
            progress(bytes_before + bytes, bytes_total, exported.events);
            Ok(())
        })?;
        bytes_before += reader.file_bytes_read();
        if stop.load(Ordering::Relaxed) {
            exported.stopped = true;
            break;
        }
    }
    Ok(exported)
}

impl Exported {
    fn absorb(&mut self, share: AttributedChunk) {
        self.events += share.events;
        for (reason, count) in share.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
    }
}

/// What every chunk is worked with.
struct Work {
    attributor: Attributor,
    decoder: Decoder,
    format: Format,
}

/// The rows of a chunk.
#[derive(Default)]
struct AttributedChunk {
    rows: Vec<u8>,
    events: u64,
    rejected: BTreeMap<&'static str, u64>,
}

impl Work {
    /// Works the chunks of a source on all threads, and passes their shares on in the order of the log, each with the bytes
    /// of the file that were read by then.
    fn source(
        &self,
        reader: &mut SourceReader,
        stop: &AtomicBool,
        mut each: impl FnMut(AttributedChunk, u64) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        let room = rayon::current_num_threads() * CHUNKS_PER_THREAD;
        let mut under_way: VecDeque<mpsc::Receiver<AttributedChunk>> = VecDeque::new();
        let mut read = Ok(true);
        rayon::in_place_scope(|scope| -> Result<(), ExportError> {
            loop {
                while matches!(read, Ok(true)) && under_way.len() < room {
                    read = match reader.next_chunk() {
                        Ok(Some(chunk)) if !stop.load(Ordering::Relaxed) => {
                            let (send, receive) = mpsc::sync_channel(1);
                            // Nobody waits for a share any more once writing has failed.
                            scope.spawn(move |_| drop(send.send(self.share(&chunk))));
                            under_way.push_back(receive);
                            Ok(true)
                        }
                        Ok(_) => Ok(false),
                        // What was read before is good, and goes out before the error does.
                        Err(error) => Err(error),
                    };
                }
                let Some(next) = under_way.pop_front() else { return Ok(()) };
                // Without a share its thread has panicked, and the scope will.
                let Ok(share) = next.recv() else { return Ok(()) };
                each(share, reader.file_bytes_read())?;
            }
        })?;
        read?;
        Ok(())
    }

    /// Writes the rows of a chunk. A namespace that the store never met is named only once the chunk was read;
    /// then the chunk is read again, with its name at hand.
    fn share(&self, chunk: &Chunk) -> AttributedChunk {
        let mut namespaces = self.attributor.view().graph().namespaces().clone();
        loop {
            let named = namespaces.clone();
            let share = self.share_with(chunk, &named, &mut namespaces);
            if namespaces.len() == named.len() {
                return share;
            }
        }
    }

    /// Writes the rows whose namespaces are `named` (by the same ids as in `namespaces`).
    fn share_with(&self, chunk: &Chunk, named: &Namespaces, namespaces: &mut Namespaces) -> AttributedChunk {
        let mut share = AttributedChunk::default();
        // One for all rows: each has room of its own to fill.
        let mut csv = csv_to(Vec::new());
        let mut junk = JunkCounts::new();
        self.decoder.chunk(chunk, namespaces, &mut junk, |line| match line.outcome {
            Ok(activity) if activity.identities.iter().all(|(namespace, _)| usize::from(namespace.0) < named.len()) => {
                let (person, kind) = self.attributor.attribute(named, &activity);
                match self.format {
                    Format::Ndjson => self.decoder.write_attributed(chunk, line.text, &person, kind, &mut share.rows),
                    Format::Csv => push_csv(&mut csv, &activity, &person, kind),
                }
                share.events += 1;
            }
            Ok(_) => {}
            Err(reject) => *share.rejected.entry(reject.reason.word()).or_default() += 1,
        });
        if self.format == Format::Csv {
            // Writing to memory does not fail.
            share.rows = csv.into_inner().unwrap_or_default();
        }
        share
    }
}

/// Appends the columns of an event.
fn push_csv(csv: &mut csv::Writer<Vec<u8>>, activity: &DecodedEvent<'_>, person: &Identity, kind: AttributionKind) {
    let session = activity.identities.iter().find(|(namespace, _)| *namespace == NamespaceId::SESSION);
    let session = session.map(|(_, value)| value.to_string()).unwrap_or_default();
    let id = activity.id.written().unwrap_or_default();
    let columns = [activity.time.to_string(), session, id, person.to_string(), kind.word().to_owned()];
    // Writing to memory does not fail.
    let _ = csv.write_record(&columns);
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::model::event::EventId;
    use crate::model::identity::Value;
    use crate::model::time::Time;

    fn identity(value: &str) -> Identity {
        Identity { namespace: "sessionId".into(), value: value.into() }
    }

    #[test]
    fn an_event_as_columns() {
        let identities = smallvec![(NamespaceId(1), Value::new("18278"))];
        let mut activity = DecodedEvent { time: Time::from_micros(0), id: EventId::Text("o,1"), identities };
        let mut rows = csv_to(Vec::new());
        push_csv(&mut rows, &activity, &identity("7"), AttributionKind::Direct);
        activity.identities.insert(0, (NamespaceId::SESSION, Value::new("a\"b")));
        activity.id = EventId::Line(1);
        push_csv(&mut rows, &activity, &identity("7"), AttributionKind::Direct);
        let expected = "1970-01-01T00:00:00.000Z,,\"o,1\",sessionId:7,direct\n\
                        1970-01-01T00:00:00.000Z,\"a\"\"b\",,sessionId:7,direct\n";
        assert_eq!(String::from_utf8(rows.into_inner().unwrap()).unwrap(), expected);
    }
}
