//! Rows as comma-separated values.

use std::borrow::{Borrow, Cow};
use std::io::{self, Write};

use csv::Writer;
use csv_core::ReadRecordResult;
use serde::Serialize;
use serde_json::Value;

use crate::model::event::DecodedEvent;
use crate::model::identity::Identity;
use crate::model::namespace::NamespaceId;
use crate::model::person::{AttributionKind, PersonKind};
use crate::resolver::{EventRow, ProfileRow, SessionRow};

/// How the text of a cell is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    /// As it is.
    Exact,
    /// With an apostrophe before what a spreadsheet would take for a formula, and before apostrophes before that: so it can be undone.
    Safe,
}

/// What a spreadsheet takes for the beginning of a formula, or skips to find one.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(FORMULA)
}

impl Cells {
    fn written(self, cell: &str) -> Cow<'_, str> {
        match self {
            Self::Safe if is_formula(cell) => format!("'{cell}").into(),
            Self::Safe | Self::Exact => cell.into(),
        }
    }

    fn read(self, written: &str) -> &str {
        match self {
            Self::Safe if is_formula(written) => written.strip_prefix('\'').unwrap_or(written),
            Self::Safe | Self::Exact => written,
        }
    }

    /// Writes rows whose fields are `names`, under a line of these: also where there are none.
    pub fn table<T: Serialize, const N: usize>(
        self,
        names: [&str; N],
        rows: impl IntoIterator<Item = T>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        writer(&mut *out).write_record(names).map_err(cause)?;
        self.rows(names, rows, out)
    }

    /// The same, without the line of names.
    pub fn rows<T: Serialize, const N: usize>(
        self,
        names: [&str; N],
        rows: impl IntoIterator<Item = T>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut csv = writer(out);
        for row in rows {
            match self {
                Self::Exact => csv.serialize(row).map_err(cause)?,
                Self::Safe => {
                    let row = serde_json::to_value(row)?;
                    let cells = names.map(|name| self.written(&cell(&row[name])).into_owned());
                    csv.write_record(cells).map_err(cause)?;
                }
            }
        }
        csv.flush()
    }

    /// Writes events.
    pub fn events(self, rows: impl IntoIterator<Item = impl Borrow<EventRow>>, out: &mut dyn Write) -> io::Result<()> {
        let names = ["time", "person", "attribution", "id", "identities", "sources", "event"];
        self.table(names, rows.into_iter().map(|row| EventColumns::of(row.borrow())), out)
    }

    /// Writes the segments and traits of people.
    pub fn profiles(self, rows: impl IntoIterator<Item = ProfileRow>, out: &mut dyn Write) -> io::Result<()> {
        self.table(ProfileRow::NAMES, rows.into_iter().map(|row| ProfileColumns::of(&row)), out)
    }

    /// Appends the columns of an event of a log, by the names of [`ATTRIBUTED`].
    pub fn push_attributed(
        self,
        csv: &mut Writer<Vec<u8>>,
        event: &DecodedEvent<'_>,
        person: &Identity,
        kind: AttributionKind,
    ) {
        let session = event.identities.iter().find(|(namespace, _)| *namespace == NamespaceId::SESSION);
        let session = session.map(|(_, value)| value.to_string()).unwrap_or_default();
        let id = event.id.written().unwrap_or_default();
        let columns = [event.time.to_string(), session, id, person.to_string(), kind.word().to_owned()];
        // Writing to memory does not fail.
        let _ = csv.write_record(columns.iter().map(|cell| self.written(cell).into_owned()));
    }
}

/// Reads rows of sessions, each alone.
pub(super) struct RowParser {
    core: csv_core::Reader,
    /// What the cells of the row at hand hold, one after the other.
    text: Vec<u8>,
}

/// Columns that a row of sessions has.
const COLUMNS: usize = SessionRow::NAMES.len();

impl RowParser {
    pub fn new() -> Self {
        Self { core: csv_core::Reader::new(), text: Vec::new() }
    }

    /// The session ID of a row, given with its line end; or what is wrong with the row.
    pub fn session_of(&mut self, cells: Cells, row: &[u8]) -> Result<String, String> {
        self.core.reset();
        // Without their quotes, the cells are never longer than the row.
        self.text.resize(row.len(), 0);
        let mut ends = [0; COLUMNS + 1];
        let (read, _, _, columns) = self.core.read_record(row, &mut self.text, &mut ends);
        match read {
            ReadRecordResult::Record if columns == COLUMNS => {}
            ReadRecordResult::Record => return Err(format!("it has {columns} columns instead of {COLUMNS}")),
            ReadRecordResult::OutputEndsFull => return Err(format!("it has more than {COLUMNS} columns")),
            ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull | ReadRecordResult::End => {
                return Err("its quotes do not match".to_owned());
            }
        }
        let cell = |column: usize| {
            let begin = if column == 0 { 0 } else { ends[column - 1] };
            std::str::from_utf8(&self.text[begin..ends[column]]).map_err(|error| error.to_string())
        };
        match cell(3)?.parse::<u64>() {
            Ok(_) => Ok(cells.read(cell(0)?).to_owned()),
            Err(_) => Err("events is not a number".to_owned()),
        }
    }
}

/// A field as the text of a cell.
fn cell(field: &Value) -> Cow<'_, str> {
    match field {
        Value::Null => "".into(),
        Value::String(text) => text.into(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => field.to_string().into(),
    }
}

/// An event as columns, which cannot hold lists.
#[derive(Serialize)]
struct EventColumns {
    time: String,
    person: String,
    attribution: AttributionKind,
    id: Option<String>,
    identities: String,
    sources: String,
    event: String,
}

impl EventColumns {
    fn of(row: &EventRow) -> Self {
        let EventRow { time, person, attribution, id, identities, sources, event } = row;
        Self {
            time: time.to_string(),
            person: person.to_string(),
            attribution: *attribution,
            id: id.clone(),
            identities: identities.iter().map(ToString::to_string).collect::<Vec<_>>().join(";"),
            sources: sources.join(";"),
            event: event.to_string(),
        }
    }
}

/// The segments and traits of a person as columns.
#[derive(Serialize)]
struct ProfileColumns {
    person: String,
    kind: PersonKind,
    segments: Option<String>,
    traits: String,
}

impl ProfileColumns {
    fn of(row: &ProfileRow) -> Self {
        let ProfileRow { person, kind, segments, .. } = row;
        Self { person: person.to_string(), kind: *kind, segments: segments.clone(), traits: row.traits_as_json() }
    }
}

/// The line of names over the events of a log.
pub(super) const ATTRIBUTED: &[u8] = b"time,session,id,person,attribution\n";

/// The error of the writer underneath: a reader who has left is told from a disk that is full.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A writer that leaves the names to the caller.
pub(super) fn writer<W: Write>(out: W) -> Writer<W> {
    csv::WriterBuilder::new().has_headers(false).from_writer(out)
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::model::digest::EventHash;
    use crate::model::event::EventId;
    use crate::model::identity;
    use crate::model::time::Time;

    fn named(value: &str) -> Identity {
        Identity::new("sessionId", value)
    }

    /// A reader who has left.
    struct Left;

    impl Write for Left {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_has_left_is_known_as_one() {
        for cells in [Cells::Exact, Cells::Safe] {
            let rows = (0..10_000).map(|row| [row; 3]);
            let error = cells.rows(["0", "1", "2"], rows, &mut Left).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn an_event_as_columns() {
        let identities = smallvec![(NamespaceId(1), identity::Value::new("18278"))];
        let mut event = DecodedEvent {
            time: Time::from_micros(0),
            id: EventId::Text("o,1"),
            identities,
            profile: Default::default(),
            recalled: None,
        };
        let mut rows = writer(Vec::new());
        Cells::Exact.push_attributed(&mut rows, &event, &named("7"), AttributionKind::Direct);
        event.identities.insert(0, (NamespaceId::SESSION, identity::Value::new("a\"b")));
        event.id = EventId::Line(1);
        Cells::Exact.push_attributed(&mut rows, &event, &named("7"), AttributionKind::Direct);
        let expected = "1970-01-01T00:00:00.000Z,,\"o,1\",sessionId:7,direct\n\
                        1970-01-01T00:00:00.000Z,\"a\"\"b\",,sessionId:7,direct\n";
        assert_eq!(String::from_utf8(rows.into_inner().unwrap()).unwrap(), expected);
    }

    #[test]
    fn events_as_csv() {
        let row = EventRow {
            time: Time::from_micros(0),
            person: named("18278"),
            attribution: AttributionKind::Direct,
            id: Some("e,1".into()),
            identities: vec![named("18278"), named("a,\"b")],
            sources: vec!["/logs/a".into(), "/logs/b".into()],
            event: EventHash(7),
        };
        let mut out = Vec::new();
        Cells::Exact.events([&row], &mut out).unwrap();
        let expected = r#"time,person,attribution,id,identities,sources,event
1970-01-01T00:00:00.000Z,sessionId:18278,direct,"e,1","sessionId:18278;sessionId:a,""b",/logs/a;/logs/b,00000000000000000000000000000007
"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_formula_is_spared_and_can_be_undone() {
        for (cell, safe) in [
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("'=x", "''=x"),
            ("''-", "'''-"),
            ("'x", "'x"),
            ("a=b", "a=b"),
            ("'", "'"),
            ("", ""),
        ] {
            assert_eq!((Cells::Safe.written(cell), Cells::Exact.written(cell)), (safe.into(), cell.into()));
            assert_eq!((Cells::Safe.read(safe), Cells::Exact.read(cell)), (cell, cell));
        }
    }
}
