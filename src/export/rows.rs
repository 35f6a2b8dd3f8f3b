//! Rows, a line each.

use std::io::{self, Write};

use serde::Serialize;

use crate::resolver::{DiffRow, SessionRow};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowFormat {
    /// A JSON object a line.
    #[default]
    Ndjson,
    /// Comma-separated values under a line of names, quoted where a spreadsheet needs it (RFC 4180, lines end in `\n`).
    Csv,
}

/// Writes rows as JSON, an object a line.
///
/// # Errors
/// When `out` cannot be written.
pub fn ndjson<T: Serialize>(rows: impl IntoIterator<Item = T>, out: &mut dyn Write) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, &row)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Writes sessions: `session`, `person`, `since` (null or empty where it is anonymous), `events`.
///
/// # Errors
/// When `out` cannot be written.
pub fn sessions<'a>(
    rows: impl IntoIterator<Item = &'a SessionRow>,
    format: RowFormat,
    out: &mut dyn Write,
) -> io::Result<()> {
    table(["session", "person", "since", "events"], rows, format, out)
}

/// Writes what two readings tell differently: `session`, `from`, `to` (null or empty where the session is not known yet), `events`, `moved`.
///
/// # Errors
/// When `out` cannot be written.
pub fn diff<'a>(rows: impl IntoIterator<Item = &'a DiffRow>, format: RowFormat, out: &mut dyn Write) -> io::Result<()> {
    table(["session", "from", "to", "events", "moved"], rows, format, out)
}

/// Writes rows whose fields are `names`.
fn table<T: Serialize, const N: usize>(
    names: [&str; N],
    rows: impl IntoIterator<Item = T>,
    format: RowFormat,
    out: &mut dyn Write,
) -> io::Result<()> {
    if format == RowFormat::Ndjson {
        return ndjson(rows, out);
    }
    let mut csv = csv_to(out);
    // By hand, so that a table without rows has its names too.
    csv.write_record(names)?;
    for row in rows {
        csv.serialize(row)?;
    }
    csv.flush()
}

/// A CSV writer that leaves the names to the caller.
pub(super) fn csv_to<W: Write>(out: W) -> csv::Writer<W> {
    csv::WriterBuilder::new().has_headers(false).from_writer(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::Identity;
    use crate::model::time::Time;

    fn rows() -> [SessionRow; 2] {
        let identity = |namespace: &str, value: &str| Identity { namespace: namespace.into(), value: value.into() };
        [
            SessionRow {
                session: "150".into(),
                person: identity("ecommerceId", "18278"),
                since: Time::parse("2016-05-06T04:45:00.868Z"),
                events: 3,
            },
            SessionRow { session: "a,\"b".into(), person: identity("sessionId", "a,\"b"), since: None, events: 1 },
        ]
    }

    fn written(rows: &[SessionRow], format: RowFormat) -> String {
        let mut out = Vec::new();
        sessions(rows, format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sessions_as_json_lines() {
        let expected = r#"{"session":"150","person":"ecommerceId:18278","since":"2016-05-06T04:45:00.868Z","events":3}
{"session":"a,\"b","person":"sessionId:a,\"b","since":null,"events":1}
"#;
        assert_eq!(written(&rows(), RowFormat::Ndjson), expected);
    }

    #[test]
    fn sessions_as_csv_with_names_even_when_there_are_none() {
        let expected = r#"session,person,since,events
150,ecommerceId:18278,2016-05-06T04:45:00.868Z,3
"a,""b","sessionId:a,""b",,1
"#;
        assert_eq!(written(&rows(), RowFormat::Csv), expected);
        assert_eq!(written(&[], RowFormat::Csv), "session,person,since,events\n");
    }

    #[test]
    fn differences_as_csv() {
        let person = Some(Identity { namespace: "ecommerceId".into(), value: "1".into() });
        let row = DiffRow { session: "s".into(), from: None, to: person, events: 3, moved: 0 };
        let mut out = Vec::new();
        diff(&[row], RowFormat::Csv, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "session,from,to,events,moved\ns,,ecommerceId:1,3,0\n");
    }
}
