//! The rows of a table, read one after another as `sessions` wrote them.

use std::borrow::Cow;
use std::io::{BufRead, Read};

use serde::Deserialize;

#[cfg(feature = "csv")]
use crate::export::columns::{Cells, RowParser};
use crate::export::rows::RowFormat;
use crate::export::table::error::TableError;

/// Bytes of a row, about eight times what the longest identities take in JSON.
const MAX_ROW_BYTES: u64 = 1 << 17;

/// A row of a table.
pub(super) struct OldRow<'t> {
    /// Its session.
    pub session: &'t str,
    /// Itself as it is written, with its line end.
    pub written: &'t [u8],
}

/// Reads the rows of a table.
pub(super) struct OldRows<R> {
    from: R,
    /// What it is called.
    table: String,
    format: RowFormat,
    /// Lines that were read.
    lines: u64,
    /// The line where the row at hand begins, from 1.
    line: u64,
    written: Vec<u8>,
    session: Option<String>,
    #[cfg(feature = "csv")]
    parser: RowParser,
}

/// The columns of a row, each of its kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is read must be there")]
struct Columns<'t> {
    #[serde(borrow)]
    session: Cow<'t, str>,
    #[serde(borrow)]
    person: Cow<'t, str>,
    #[serde(borrow)]
    since: Option<Cow<'t, str>>,
    events: u64,
    #[serde(borrow)]
    customer: Option<Cow<'t, str>>,
    #[serde(borrow)]
    kind: Cow<'t, str>,
    #[serde(borrow)]
    first: Cow<'t, str>,
    #[serde(borrow)]
    last: Cow<'t, str>,
}

impl<R: BufRead> OldRows<R> {
    /// Those of a table, behind its line of names where it has one.
    ///
    /// # Errors
    /// When it has others.
    pub fn new(from: R, table: String, format: RowFormat) -> Result<Self, TableError> {
        let mut this = Self {
            from,
            table,
            format,
            lines: 0,
            line: 1,
            written: Vec::new(),
            session: None,
            #[cfg(feature = "csv")]
            parser: RowParser::new(),
        };
        let names = format.session_names();
        if !names.is_empty() {
            this.read_record()?;
            if this.written != names.as_bytes() {
                return Err(this.fault(format!("the columns are not {}", names.trim_end())));
            }
        }
        Ok(this)
    }

    /// The next row.
    ///
    /// # Errors
    /// When the row is invalid or out of order.
    pub fn next(&mut self) -> Result<Option<OldRow<'_>>, TableError> {
        if !self.read_record()? {
            return Ok(None);
        }
        let session = self.session().map_err(|why| self.fault(format!("not a row of sessions: {why}")))?;
        if let Some(before) = self.session.as_ref().filter(|before| **before >= session) {
            return Err(self.fault(format!("not sorted by session: {session:?} comes after {before:?}")));
        }
        Ok(Some(OldRow { session: self.session.insert(session), written: &self.written }))
    }

    /// Reads to the end of a line or, where a line end stands in quotes, of a record; false at the end of the table.
    fn read_record(&mut self) -> Result<bool, TableError> {
        self.written.clear();
        self.line = self.lines + 1;
        let mut in_quotes = false;
        loop {
            let before = self.written.len();
            let room = MAX_ROW_BYTES - before as u64;
            let read = (&mut self.from).take(room).read_until(b'\n', &mut self.written);
            match read.map_err(|error| TableError::Io { what: "read", file: self.table.clone(), error })? {
                0 if self.written.is_empty() => return Ok(false),
                _ if self.written.ends_with(b"\n") => self.lines += 1,
                _ if self.written.len() as u64 == MAX_ROW_BYTES => return Err(self.fault("the row has no end".into())),
                _ => return Err(self.fault("the table breaks off in this row".into())),
            }
            in_quotes ^= memchr::memchr_iter(b'"', &self.written[before..]).count() % 2 == 1;
            if !in_quotes || !self.format.quotes_line_ends() {
                return Ok(true);
            }
        }
    }

    fn session(&mut self) -> Result<String, String> {
        match self.format {
            RowFormat::Ndjson => {
                let columns: Columns<'_> = serde_json::from_slice(&self.written).map_err(|error| error.to_string())?;
                Ok(columns.session.into_owned())
            }
            #[cfg(feature = "csv")]
            RowFormat::Csv => self.parser.session_of(Cells::Exact, &self.written),
            #[cfg(feature = "csv")]
            RowFormat::CsvSafe => self.parser.session_of(Cells::Safe, &self.written),
        }
    }

    fn fault(&self, why: String) -> TableError {
        TableError::Row { table: self.table.clone(), line: self.line, why }
    }
}
