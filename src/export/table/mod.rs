//! A table of sessions in a file, kept up to date by the change feed.

mod error;
mod mark;
mod rows;

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::export::rows::RowFormat;
use crate::export::table::error::TableError;
use crate::export::table::mark::{Content, Mark, TableDraft, TablePlace};
use crate::export::table::rows::{OldRow, OldRows};
use crate::model::error::Result;
use crate::model::history::{FeedPosition, Sequence};
use crate::model::namespace::SESSION;
use crate::resolver::feed::handle::RowsSince;
use crate::resolver::{Feed, RowChange, View};

/// A table of sessions in a file, as [`RowFormat::write_sessions`] writes [`View::sessions`](crate::resolver::View::sessions), that
/// is kept up to date by the change feed.
///
/// Beside it lies a file of the same name with `.sequence` at its end, which says which change the table holds as the last.
/// Both are exchanged in one step each, in an order in which they fit each other whenever the process is killed.
///
/// ```
/// # fn main() -> backstitch::Result<()> {
/// # use backstitch::{Engine, SessionTable};
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("people.ndjson");
/// let mut engine = Engine::in_memory();
/// engine.replay(["fixtures/journeys.ndjson"])?;
/// let table = SessionTable::at(path); // made by the first call
/// assert_eq!(table.apply(&engine.feed())?.added, 13);
/// engine.unlink("sess-family-tablet", "clara")?;
/// assert_eq!(table.apply(&engine.feed())?.changed, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until the feed is applied"]
pub struct SessionTable {
    path: PathBuf,
    format: Option<RowFormat>,
    since: Option<FeedPosition>,
}

/// What became of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct TableUpdate {
    /// Whether there was none, and all rows were written.
    pub made: bool,
    /// Rows that are not as they were.
    pub changed: u64,
    /// Rows that came.
    pub added: u64,
    /// Rows that went.
    pub removed: u64,
    /// The last change that it held before; none where there was none.
    pub since: Option<Sequence>,
    /// The last change that it holds.
    pub sequence: Sequence,
}

impl SessionTable {
    /// The table at `path`, which need not exist yet.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), format: None, since: None }
    }

    /// How its rows are written. One that is made is NDJSON unless this says otherwise; of one that is there it is known.
    pub fn format(mut self, format: RowFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// The last change that it holds, where it was written by something else and has no number beside it yet: that of
    /// [`View::sequence`](crate::resolver::View::sequence), or a position of the feed.
    pub fn since(mut self, since: impl Into<FeedPosition>) -> Self {
        self.since = Some(since.into());
        self
    }

    /// The file beside it that says which change it holds as the last.
    pub fn beside(&self) -> PathBuf {
        TablePlace::of(&self.path).beside
    }

    /// Brings the table to the state of the last commit; one that is not there is made. The feed, and so the table, speaks of the
    /// default reading.
    ///
    /// Costs a read of the changes and of the table and, where a row changed, a write of the table; the memory of the changed
    /// rows, or of all where it is made.
    ///
    /// # Errors
    /// When the changes that it lacks were trimmed ([`Trimmed`](crate::model::error::ErrorKind::Trimmed)), or it holds changes that the
    /// store never had ([`Ahead`](crate::model::error::ErrorKind::Ahead)), or is not as it was left
    /// ([`Table`](crate::model::error::ErrorKind::Table)); or a file cannot be read or written. The table is as it was then.
    pub fn apply(&self, feed: &Feed) -> Result<TableUpdate> {
        let place = TablePlace::of(&self.path);
        match place.open()? {
            Some(file) => Ok(self.update(&place, file, feed)?),
            None => Ok(self.make(&place, feed)?),
        }
    }

    fn make(&self, place: &TablePlace, feed: &Feed) -> Result<TableUpdate, TableError> {
        if let Some(since) = self.since {
            return Err(TableError::Missing { table: place.name(), since: since.sequence });
        }
        let format = self.format.unwrap_or_default();
        let view = feed.view();
        let (rows, sequence) = (view.sessions()?, view.sequence());
        let mut draft = TableDraft::begin(place)?;
        draft.with(|to| format.write_sessions(&rows, to))?;
        draft.exchange(None, feed.position_at(sequence), format)?;
        Ok(TableUpdate { made: true, added: rows.len() as u64, sequence, ..TableUpdate::default() })
    }

    fn update(&self, place: &TablePlace, mut file: File, feed: &Feed) -> Result<TableUpdate, TableError> {
        let (old, cut_short) = self.as_left(place, &file)?;
        let (format, since) = (old.format, old.sequence);
        if let Some(asked) = self.format.filter(|asked| *asked != format) {
            return Err(TableError::Format { table: place.name(), is: format.word(), asked: asked.word() });
        }
        let (trimmed, last) = (feed.trimmed(), feed.sequence());
        if old.epoch.is_some_and(|epoch| Some(epoch) != feed.position().epoch) {
            return Err(TableError::OtherEpoch { table: place.name(), since: old.position(), now: feed.position() });
        }
        if since < trimmed {
            return Err(TableError::Trimmed { table: place.name(), since, trimmed });
        }
        if since > last {
            return Err(TableError::Ahead { table: place.name(), since, last });
        }
        let RowsSince { at, rows: changes, erased } = feed.rows_since(old.position())?;
        let sequence = at.sequence;
        // One that was never looked at may be no table at all.
        if changes.is_empty() && erased.is_none() && self.since.is_none() {
            if cut_short {
                place.mark(&[&old])?;
            }
            return Ok(TableUpdate { since: Some(since), sequence, ..TableUpdate::default() });
        }
        file.rewind().map_err(|error| place.not_read(error))?;
        let mut rows = OldRows::new(BufReader::new(file), place.name(), format)?;
        let mut draft = TableDraft::begin(place)?;
        let applied = merge(&mut rows, changes, erased.as_ref(), format, &mut draft)?;
        draft.exchange(Some(&old), at, format)?;
        Ok(TableUpdate { since: Some(since), sequence, ..applied })
    }

    /// What the table was left as, or is said to be; and whether the run that left it was cut short.
    fn as_left(&self, place: &TablePlace, file: &File) -> Result<(Mark, bool), TableError> {
        let (table, beside) = (place.name(), place.beside_name());
        let marks = place.marks()?;
        let content = || Content::of(file).map_err(|error| place.not_read(error));
        match (self.since, marks.first().map(|mark| mark.format)) {
            (Some(at), None) => {
                let content = content()?;
                let format = match self.format {
                    Some(format) => format,
                    None => RowFormat::of(file).map_err(|error| place.not_read(error))?,
                };
                Ok((Mark::new(at, format, content), false))
            }
            (Some(_), Some(_)) => Err(TableError::Marked { table, beside }),
            (None, None) => Err(TableError::Unmarked { table, beside }),
            (None, Some(format)) => {
                let (content, cut_short) = (content()?, marks.len() > 1);
                match marks.into_iter().find(|mark| mark.content == content) {
                    Some(mark) => Ok((mark, cut_short)),
                    None => Err(touched(place, file, format)),
                }
            }
        }
    }
}

/// What is wrong with a table that something else has written to: its first faulty line, where it has one.
fn touched(place: &TablePlace, mut file: &File, format: RowFormat) -> TableError {
    let check = |file: &File| {
        let mut rows = OldRows::new(BufReader::new(file), place.name(), format)?;
        while rows.next()?.is_some() {}
        Ok(())
    };
    let checked = file.rewind().map_err(|error| place.not_read(error)).and_then(|()| check(file));
    checked.err().unwrap_or_else(|| TableError::Touched { table: place.name() })
}

/// Writes the rows of a table, those that changed as they are now. Both are sorted by session.
fn merge(
    rows: &mut OldRows<BufReader<File>>,
    changes: Vec<RowChange>,
    erased: Option<&View>,
    format: RowFormat,
    draft: &mut TableDraft<'_>,
) -> Result<TableUpdate, TableError> {
    let mut applied = TableUpdate::default();
    let mut changes = changes.into_iter().peekable();
    draft.with(|to| to.write_all(format.session_names().as_bytes()))?;
    while let Some(OldRow { session, written }) = rows.next()? {
        while let Some(change) = changes.next_if(|change| change.session() < session) {
            applied.added += add(change, format, draft)?;
        }
        match changes.next_if(|change| change.session() == session) {
            // Which sessions were erased is told nowhere: those that are not known any more.
            None if erased.is_some_and(|view| view.find(SESSION, session).is_none()) => applied.removed += 1,
            None => draft.with(|to| to.write_all(written))?,
            Some(RowChange::Gone(_)) => applied.removed += 1,
            Some(RowChange::Now(row)) => {
                let row = format.session_row(&row);
                // It may have changed back.
                applied.changed += u64::from(row != written);
                draft.with(|to| to.write_all(&row))?;
            }
        }
    }
    for change in changes {
        applied.added += add(change, format, draft)?;
    }
    Ok(applied)
}

/// Writes a row that the table did not have, and counts it; it may be gone again.
fn add(change: RowChange, format: RowFormat, draft: &mut TableDraft<'_>) -> Result<u64, TableError> {
    let RowChange::Now(row) = change else { return Ok(0) };
    draft.with(|to| to.write_all(&format.session_row(&row)))?;
    Ok(1)
}
