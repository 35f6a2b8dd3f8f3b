//! Rows as comma-separated values.

use std::io::{self, Write};

use csv::{StringRecord, Writer};
use serde::Serialize;

use crate::model::event::DecodedEvent;
use crate::model::identity::Identity;
use crate::model::namespace::NamespaceId;
use crate::model::person::AttributionKind;
use crate::resolver::{EventRow, SessionRow};

/// Writes rows whose fields are `names`.
pub(super) fn table<T: Serialize, const N: usize>(
    names: [&str; N],
    rows: impl IntoIterator<Item = T>,
    out: &mut dyn Write,
) -> io::Result<()> {
    // By hand, so that a table without rows has its names too.
    writer(&mut *out).write_record(names)?;
    self::rows(rows, out)
}

/// Writes rows, without names.
pub(super) fn rows<T: Serialize>(rows: impl IntoIterator<Item = T>, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = writer(out);
    for row in rows {
        csv.serialize(row)?;
    }
    csv.flush()
}

/// The session of a row of sessions, or why it is none.
pub(super) fn session_of(row: &[u8]) -> Result<String, String> {
    let mut record = StringRecord::new();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).buffer_capacity(row.len()).from_reader(row);
    reader.read_record(&mut record).map_err(|error| error.to_string())?;
    let (columns, expected) = (record.len(), SessionRow::NAMES.len());
    if columns != expected {
        return Err(format!("it has {columns} columns instead of {expected}"));
    }
    match (record.get(0), record.get(3).map(str::parse::<u64>)) {
        (Some(session), Some(Ok(_))) => Ok(session.to_owned()),
        _ => Err("events is not a number".to_owned()),
    }
}

/// Writes events.
pub(super) fn events<'a>(rows: impl IntoIterator<Item = &'a EventRow>, out: &mut dyn Write) -> io::Result<()> {
    let names = ["time", "person", "attribution", "id", "identities", "sources", "event"];
    table(names, rows.into_iter().map(EventColumns::of), out)
}

/// An event as columns, which cannot hold lists.
#[derive(Serialize)]
struct EventColumns<'a> {
    time: String,
    person: String,
    attribution: AttributionKind,
    id: Option<&'a str>,
    identities: String,
    sources: String,
    event: String,
}

impl<'a> EventColumns<'a> {
    fn of(row: &'a EventRow) -> Self {
        let EventRow { time, person, attribution, id, identities, sources, event } = row;
        Self {
            time: time.to_string(),
            person: person.to_string(),
            attribution: *attribution,
            id: id.as_deref(),
            identities: identities.iter().map(ToString::to_string).collect::<Vec<_>>().join(";"),
            sources: sources.join(";"),
            event: event.to_string(),
        }
    }
}

/// The line of names over the rows of [`push_attributed`].
pub(super) const ATTRIBUTED: &[u8] = b"time,session,id,person,attribution\n";

/// Appends the columns of an event of a log.
pub(super) fn push_attributed(
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
    let _ = csv.write_record(&columns);
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
    use crate::model::identity::Value;
    use crate::model::time::Time;

    fn identity(value: &str) -> Identity {
        Identity { namespace: "sessionId".into(), value: value.into() }
    }

    #[test]
    fn an_event_as_columns() {
        let identities = smallvec![(NamespaceId(1), Value::new("18278"))];
        let mut event = DecodedEvent { time: Time::from_micros(0), id: EventId::Text("o,1"), identities };
        let mut rows = writer(Vec::new());
        push_attributed(&mut rows, &event, &identity("7"), AttributionKind::Direct);
        event.identities.insert(0, (NamespaceId::SESSION, Value::new("a\"b")));
        event.id = EventId::Line(1);
        push_attributed(&mut rows, &event, &identity("7"), AttributionKind::Direct);
        let expected = "1970-01-01T00:00:00.000Z,,\"o,1\",sessionId:7,direct\n\
                        1970-01-01T00:00:00.000Z,\"a\"\"b\",,sessionId:7,direct\n";
        assert_eq!(String::from_utf8(rows.into_inner().unwrap()).unwrap(), expected);
    }

    #[test]
    fn events_as_csv() {
        let row = EventRow {
            time: Time::from_micros(0),
            person: identity("18278"),
            attribution: AttributionKind::Direct,
            id: Some("e,1".into()),
            identities: vec![identity("18278"), identity("a,\"b")],
            sources: vec!["/logs/a".into(), "/logs/b".into()],
            event: EventHash(7),
        };
        let mut out = Vec::new();
        events([&row], &mut out).unwrap();
        let expected = r#"time,person,attribution,id,identities,sources,event
1970-01-01T00:00:00.000Z,sessionId:18278,direct,"e,1","sessionId:18278;sessionId:a,""b",/logs/a;/logs/b,00000000000000000000000000000007
"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
