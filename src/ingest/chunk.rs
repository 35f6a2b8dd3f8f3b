//! A piece of a source.

use crate::model::source::Within;

/// Bytes of a chunk, about. Large against the cost of handing it to another thread, small against the memory: twice as large a replay takes
/// 18 MB more, and no less time.
pub const CHUNK_BYTES: usize = 2 << 20;

/// The formats by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatName {
    /// JSON: objects one a line, or cut out.
    Json,
}

/// Whole lines of a source, or the start of one that is too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The lines, each with its line end.
    pub bytes: Vec<u8>,
    /// Where they begin in the source, in bytes after decompression.
    pub start: u64,
    /// Where the next chunk begins.
    pub end: u64,
    /// Whether the last line lacks its line end. Only at the end of the source.
    pub unterminated: bool,
    /// The length of the one line that this is the start of: it was too long for a chunk, and its rest was skipped.
    pub overlong: Option<u64>,
    /// How its values are written.
    pub format: FormatName,
    /// Where its lines lie in the source, where they are values that were cut out.
    pub cut: Option<Box<Cut>>,
}

/// Values that do not stand one a line in their source, cut out of it: each is a line of the chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Of each, in order.
    pub places: Vec<CutPlace>,
    /// Line ends of the source that were consumed.
    pub lines: u64,
    /// The offset in the source where reading goes on.
    pub consumed: u64,
    /// What that offset stands in.
    pub within: Within,
    /// Whether the last one is not whole, and may be half written.
    pub unfinished: bool,
}

/// Where a value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutPlace {
    /// Its offset in the source.
    pub at: u64,
    /// Line ends of the source between the start of the chunk and it.
    pub line: u64,
}

impl Chunk {
    /// A whole source of JSON lines, in one chunk.
    pub fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let (end, unterminated) = (bytes.len() as u64, !bytes.is_empty() && !bytes.ends_with(b"\n"));
        Self { bytes, start: 0, end, unterminated, overlong: None, format: FormatName::Json, cut: None }
    }
}
