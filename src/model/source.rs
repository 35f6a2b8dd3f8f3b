//! Sources and how far each was read.

use serde::{Deserialize, Serialize};

use crate::model::time::Time;

/// A source of one store: a file, a stream or a program that events came from. Its place in the store's list of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub u32);

/// How far a source was read. Committed together with the facts read from it, and true for the fields that it was read with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Bytes consumed, after decompression: the start of the first line that was not read. Of a stream, all that was consumed under
    /// its name.
    pub bytes: u64,
    /// Lines consumed.
    pub lines: u64,
    /// Events among them, whether or not another source had delivered them before.
    pub events: u64,
    /// The fields that the lines were read with.
    pub fields: FieldsHash,
    /// Whether everything was consumed: what the file held when it was opened, or the stream to its end.
    pub complete: bool,
    /// By what to know the file again; `None` of a stream.
    pub file: Option<FileState>,
    /// What `bytes` stands in. Stored behind the rest, and only where it is not between lines.
    #[serde(skip)]
    pub within: Within,
}

/// What a place in a source stands in, where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Within {
    /// Between lines, each of which is a value.
    #[default]
    Lines,
    /// Between values that go over several lines.
    Values,
    /// In an array, between its values.
    Array,
    /// In the array of a wrapper, between its values.
    Wrapper,
}

impl Within {
    /// Whether it is between lines, as nearly everywhere.
    pub(crate) fn is_between_lines(&self) -> bool {
        *self == Self::Lines
    }
}

/// What a file was when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Its length on the disk.
    pub bytes: u64,
    /// When it was last modified, as the file system said.
    pub modified: Option<Time>,
    /// Hash of its first bytes (as they lie on the disk): another file under the same name differs here.
    pub head: Fingerprint,
    /// Hash of its last bytes, likewise.
    pub tail: Fingerprint,
}

/// Tells the [fields](crate::ingest::fields::Fields) of two readings apart. Compared, never taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldsHash(pub u64);

/// A hash over `bytes` bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many bytes were hashed.
    pub bytes: u64,
    /// Their XXH3 hash.
    pub hash: u64,
}

/// A source by name, with how far it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Source {
    /// The absolute path of a file, the name that the caller gave a stream or pushed under, or `-` for standard input.
    pub name: String,
    /// How far it was read; `None` for what has no position: a pipe, and standard input that was given no name.
    pub position: Option<Position>,
    /// The position that came with the last push; `None` for what was never pushed. Under one name a source may be read and
    /// pushed, each with a position of its own.
    pub pushed: Option<String>,
    /// Whether its events were taken back: it counts as never read, and keeps its place alone.
    pub retracted: bool,
}

/// The file that says that its folder is a store. It is told by its content, since a log may have any name; and it is here
/// because both must know it: the store, which writes it, and the walk through a folder of logs, which passes a store by.
pub const STORE_MARKER: &str = "backstitch";

/// What is written in the [`STORE_MARKER`].
pub const STORE_MARKER_TEXT: &[u8] = b"A backstitch store. The files beside this one belong together.\n";
