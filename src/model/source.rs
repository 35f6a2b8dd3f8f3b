//! Sources and how far each was read.

use serde::{Deserialize, Serialize};

use crate::model::time::Time;

/// A source of one store: a file (or standard input) that events came from. Its place in the store's list of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub u32);

/// How far a source was read, and by what to know it again. Committed together with the facts read from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Bytes consumed, after decompression: the start of the first line that was not read.
    pub bytes: u64,
    /// Lines consumed.
    pub lines: u64,
    /// Whether everything the file held at `file_bytes` was consumed.
    pub complete: bool,
    /// Length of the file as it lay on the disk, when it was opened.
    pub file_bytes: u64,
    /// When the file was last modified, as the file system said when it was opened.
    pub modified: Option<Time>,
    /// Hash of the file's first bytes (as they lie on the disk): another file under the same name differs here.
    pub head: Fingerprint,
    /// Hash of the last bytes before `file_bytes`, likewise.
    pub tail: Fingerprint,
}

/// A hash over `bytes` bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many bytes were hashed.
    pub bytes: u64,
    /// Their XXH3 hash.
    pub hash: u64,
}

/// A source by name, with its position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The absolute path of the file, or `-` for standard input.
    pub name: String,
    /// How far it was read; `None` for standard input, which has no position.
    pub position: Option<Position>,
    /// Whether its events were taken back: it counts as never read, and keeps its place alone.
    pub retracted: bool,
}

/// The file that says that its folder is a store. It is told by its content, since a log may have any name; and it is here
/// because both must know it: the store, which writes it, and the walk through a folder of logs, which passes a store by.
pub const STORE_MARKER: &str = "backstitch";

/// What is written in the [`STORE_MARKER`].
pub const STORE_MARKER_TEXT: &[u8] = b"A backstitch store. The files beside this one belong together.\n";
