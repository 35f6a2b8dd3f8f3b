//! The file beside a table that says at which change of the feed the table is.
//!
//! `people.csv.sequence` is a line of JSON that describes `people.csv`: its length and hash, and the change that it holds as the
//! last. While the table is being exchanged there are two lines, of what it was and of what it is to be; so whenever the run is
//! killed, one of them is that of the table. What neither describes was written by something else.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::export::new_file::NewFile;
use crate::export::rows::RowFormat;
use crate::export::table::error::TableError;
use crate::model::history::{Epoch, FeedPosition, Sequence};

/// What is added to the name of a table.
const SUFFIX: &str = ".sequence";

/// Bytes of that file that are read: two lines have 300.
const MAX_MARK_BYTES: u64 = 1 << 16;

/// What a table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The last change of the feed that is in it.
    pub sequence: Sequence,
    /// The epoch of that feed; none where its caller knew only the number.
    #[serde(default)]
    pub epoch: Option<Epoch>,
    /// How its rows are written.
    pub format: RowFormat,
    #[serde(flatten)]
    pub content: Content,
}

/// The bytes of a table, told from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    bytes: u64,
    /// XXH3-128, in hexadecimal.
    hash: String,
}

impl Mark {
    pub fn new(at: FeedPosition, format: RowFormat, content: Content) -> Self {
        Self { sequence: at.sequence, epoch: at.epoch, format, content }
    }

    /// How far the table has followed the feed.
    pub fn position(&self) -> FeedPosition {
        FeedPosition { epoch: self.epoch, sequence: self.sequence }
    }
}

impl Content {
    /// That of a file, which is read to its end.
    pub fn of(file: &File) -> io::Result<Self> {
        let mut sum = Summed::new(io::sink());
        io::copy(&mut BufReader::new(file), &mut sum)?;
        Ok(sum.content())
    }
}

/// Passes bytes on, and sums them up.
pub(super) struct Summed<W> {
    to: W,
    bytes: u64,
    hash: Xxh3,
}

impl<W: Write> Summed<W> {
    pub fn new(to: W) -> Self {
        Self { to, bytes: 0, hash: Xxh3::new() }
    }

    pub fn content(&self) -> Content {
        Content { bytes: self.bytes, hash: format!("{:032x}", self.hash.digest128()) }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A table that is being written.
pub(super) struct TableDraft<'p> {
    place: &'p TablePlace,
    to: Summed<NewFile>,
}

impl<'p> TableDraft<'p> {
    /// One that is to be at `place`.
    pub fn begin(place: &'p TablePlace) -> Result<Self, TableError> {
        let file = NewFile::at(&place.table).map_err(|error| place.not_written(error))?;
        Ok(Self { place, to: Summed::new(file) })
    }

    /// Lets `work` write.
    pub fn with(&mut self, work: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), TableError> {
        work(&mut self.to).map_err(|error| self.place.not_written(error))
    }

    /// Puts it in the place of the `old` one.
    pub fn exchange(self, old: Option<&Mark>, at: FeedPosition, format: RowFormat) -> Result<(), TableError> {
        let new = Mark::new(at, format, self.to.content());
        let either: Vec<&Mark> = old.into_iter().chain([&new]).collect();
        self.place.mark(&either)?;
        self.to.to.finish().map_err(|error| self.place.not_written(error))?;
        if old.is_some() { self.place.mark(&[&new]) } else { Ok(()) }
    }
}

/// Where a table lies, and the file beside it.
pub(super) struct TablePlace {
    pub table: PathBuf,
    pub beside: PathBuf,
}

impl TablePlace {
    /// Of a table at `path`; behind a link, where that leads.
    pub fn of(path: &Path) -> Self {
        let table = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut beside = table.clone().into_os_string();
        beside.push(SUFFIX);
        Self { table, beside: beside.into() }
    }

    /// The table, for a reader.
    pub fn name(&self) -> String {
        self.table.display().to_string()
    }

    /// The file beside it, for a reader.
    pub fn beside_name(&self) -> String {
        self.beside.display().to_string()
    }

    /// What was said last of the table.
    pub fn marks(&self) -> Result<Vec<Mark>, TableError> {
        let error = |error| TableError::Io { what: "read", file: self.beside_name(), error };
        let file = match File::open(&self.beside) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(error)?,
        };
        let mut text = String::new();
        file.take(MAX_MARK_BYTES).read_to_string(&mut text).map_err(error)?;
        let marks: Result<Vec<Mark>, serde_json::Error> = text.lines().map(serde_json::from_str).collect();
        match marks {
            Ok(marks) if !marks.is_empty() => Ok(marks),
            Ok(_) => Err(TableError::Mark { beside: self.beside_name(), why: "it is empty".to_owned() }),
            Err(error) => Err(TableError::Mark { beside: self.beside_name(), why: error.to_string() }),
        }
    }

    /// Says what the table holds or, where there are several, will hold one of.
    pub fn mark(&self, marks: &[&Mark]) -> Result<(), TableError> {
        let write = || {
            let mut file = NewFile::at(&self.beside)?;
            for mark in marks {
                serde_json::to_writer(&mut file, mark)?;
                file.write_all(b"\n")?;
            }
            file.finish()
        };
        write().map_err(|error| TableError::Io { what: "write", file: self.beside_name(), error })
    }

    /// The table could not be read.
    pub fn not_read(&self, error: io::Error) -> TableError {
        TableError::Io { what: "read", file: self.name(), error }
    }

    /// The table could not be written.
    pub fn not_written(&self, error: io::Error) -> TableError {
        TableError::Io { what: "write", file: self.name(), error }
    }

    /// The table, where there is one.
    pub fn open(&self) -> Result<Option<File>, TableError> {
        match File::open(&self.table) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.not_read(error)),
        }
    }
}
