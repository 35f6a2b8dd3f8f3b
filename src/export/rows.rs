//! Rows, a line each.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

use serde::{Deserialize, Serialize};

#[cfg(feature = "csv")]
use crate::export::columns::Cells;
use crate::resolver::{DiffRow, EventRow, ProfileRow, SessionRow};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowFormat {
    /// A JSON object a line.
    #[default]
    Ndjson,
    /// Comma-separated values (with the feature `csv`) under a line of names, quoted where a spreadsheet needs it (RFC 4180, lines end in `\n`).
    #[cfg(feature = "csv")]
    Csv,
    /// The same for a spreadsheet, which would take a cell that begins with `=`, `+`, `-`, `@`, a tab or a line end for a formula: before
    /// these, and before apostrophes before these, stands an apostrophe.
    #[cfg(feature = "csv")]
    CsvSafe,
}

impl RowFormat {
    /// The word for it: `ndjson`, `csv` or `csv-safe`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            #[cfg(feature = "csv")]
            Self::Csv => "csv",
            #[cfg(feature = "csv")]
            Self::CsvSafe => "csv-safe",
        }
    }

    /// That of a table of sessions, by its first bytes.
    pub(super) fn of(mut table: &File) -> io::Result<Self> {
        let mut first = Vec::new();
        table.rewind()?;
        table.take(1).read_to_end(&mut first)?;
        #[cfg(feature = "csv")]
        if SessionRow::NAMES[0].as_bytes().starts_with(&first) && !first.is_empty() {
            return Ok(Self::Csv);
        }
        Ok(Self::Ndjson)
    }

    /// What stands before the rows of sessions: a line of names, or nothing.
    pub(super) fn session_names(self) -> String {
        match self {
            Self::Ndjson => String::new(),
            #[cfg(feature = "csv")]
            Self::Csv | Self::CsvSafe => SessionRow::NAMES.join(",") + "\n",
        }
    }

    /// A session as it is written among others, with its line end.
    pub(super) fn session_row(self, row: &SessionRow) -> Vec<u8> {
        let mut out = Vec::new();
        let written = match self {
            Self::Ndjson => ndjson([row], &mut out),
            #[cfg(feature = "csv")]
            Self::Csv => Cells::Exact.rows(SessionRow::NAMES, [row], &mut out),
            #[cfg(feature = "csv")]
            Self::CsvSafe => Cells::Safe.rows(SessionRow::NAMES, [row], &mut out),
        };
        // Writing to memory does not fail.
        debug_assert!(written.is_ok());
        out
    }

    /// Whether a line end may stand inside a row: between quotes.
    pub(super) fn quotes_line_ends(self) -> bool {
        match self {
            Self::Ndjson => false,
            #[cfg(feature = "csv")]
            Self::Csv | Self::CsvSafe => true,
        }
    }

    /// Writes sessions by the [names](SessionRow::NAMES) of their fields; `since` and `customer` are null, or empty, where one is anonymous.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_sessions<'a>(
        self,
        rows: impl IntoIterator<Item = &'a SessionRow>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Ndjson => ndjson(rows, out),
            #[cfg(feature = "csv")]
            Self::Csv => Cells::Exact.table(SessionRow::NAMES, rows, out),
            #[cfg(feature = "csv")]
            Self::CsvSafe => Cells::Safe.table(SessionRow::NAMES, rows, out),
        }
    }

    /// Writes events: `time`, `person`, `attribution`, `id` (null or empty where the line had none), `identities`, `sources`, `event`.
    /// In CSV the identities, and the sources, have semicolons between them.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_events(
        self,
        rows: impl IntoIterator<Item = impl Borrow<EventRow>>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Ndjson => rows.into_iter().try_for_each(|row| ndjson([row.borrow()], out)),
            #[cfg(feature = "csv")]
            Self::Csv => Cells::Exact.events(rows, out),
            #[cfg(feature = "csv")]
            Self::CsvSafe => Cells::Safe.events(rows, out),
        }
    }

    /// Writes the segments and traits of people by the [names](ProfileRow::NAMES) of their fields. In CSV segments and traits are JSON; segments that
    /// nobody told are null, or empty.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_profiles(self, rows: impl IntoIterator<Item = ProfileRow>, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Ndjson => ndjson(rows, out),
            #[cfg(feature = "csv")]
            Self::Csv => Cells::Exact.profiles(rows, out),
            #[cfg(feature = "csv")]
            Self::CsvSafe => Cells::Safe.profiles(rows, out),
        }
    }

    /// Writes what two readings tell differently: `session`, `from`, `to` (null or empty where the session is not known yet), `events`, `moved`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_diff<'a>(self, rows: impl IntoIterator<Item = &'a DiffRow>, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Ndjson => ndjson(rows, out),
            #[cfg(feature = "csv")]
            Self::Csv => Cells::Exact.table(["session", "from", "to", "events", "moved"], rows, out),
            #[cfg(feature = "csv")]
            Self::CsvSafe => Cells::Safe.table(["session", "from", "to", "events", "moved"], rows, out),
        }
    }
}

/// Writes rows as JSON, an object a line.
fn ndjson<T: Serialize>(rows: impl IntoIterator<Item = T>, out: &mut dyn Write) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, &row)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::Identity;
    use crate::model::person::PersonKind;
    use crate::model::time::Time;

    fn rows() -> [SessionRow; 2] {
        let identity = |namespace: &str, value: &str| Identity::new(namespace, value);
        let [first, last] = [0, 1].map(Time::from_micros);
        [
            SessionRow {
                session: "150".into(),
                person: identity("ecommerceId", "18278"),
                since: Time::parse("2016-05-06T04:45:00.868Z"),
                events: 3,
                kind: PersonKind::Customer,
                first,
                last,
            },
            SessionRow {
                session: "a,\"b".into(),
                person: identity("sessionId", "a,\"b"),
                since: None,
                events: 1,
                kind: PersonKind::Anonymous,
                first,
                last: first,
            },
        ]
    }

    fn written(rows: &[SessionRow], format: RowFormat) -> String {
        let mut out = Vec::new();
        format.write_sessions(rows, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sessions_as_json_lines() {
        let expected = concat!(
            r#"{"session":"150","person":"ecommerceId:18278","since":"2016-05-06T04:45:00.868Z","events":3,"customer":"18278","#,
            r#""kind":"customer","first":"1970-01-01T00:00:00.000Z","last":"1970-01-01T00:00:00.000001Z"}"#,
            "\n",
            r#"{"session":"a,\"b","person":"sessionId:a,\"b","since":null,"events":1,"customer":null,"#,
            r#""kind":"anonymous","first":"1970-01-01T00:00:00.000Z","last":"1970-01-01T00:00:00.000Z"}"#,
            "\n"
        );
        assert_eq!(written(&rows(), RowFormat::Ndjson), expected);
    }

    #[cfg(feature = "csv")]
    #[test]
    fn sessions_as_csv_with_names_even_when_there_are_none() {
        let names = "session,person,since,events,customer,kind,first,last\n";
        let expected = r#"150,ecommerceId:18278,2016-05-06T04:45:00.868Z,3,18278,customer,1970-01-01T00:00:00.000Z,1970-01-01T00:00:00.000001Z
"a,""b","sessionId:a,""b",,1,,anonymous,1970-01-01T00:00:00.000Z,1970-01-01T00:00:00.000Z
"#;
        assert_eq!(written(&rows(), RowFormat::Csv), format!("{names}{expected}"));
        assert_eq!(written(&[], RowFormat::Csv), names);
    }

    #[cfg(feature = "csv")]
    #[test]
    fn differences_as_csv() {
        let person = Some(Identity::new("ecommerceId", "1"));
        let row = DiffRow { session: "s".into(), from: None, to: person, events: 3, moved: 0 };
        let mut out = Vec::new();
        RowFormat::Csv.write_diff(&[row], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "session,from,to,events,moved\ns,,ecommerceId:1,3,0\n");
    }
}
