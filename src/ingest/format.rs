//! What a format is: one thing in one place.
//!
//! A format says how the bytes of a source become events, and how an event is written again with its person. `json/` is the first.
//! Another one is a folder beside it that implements `Format`, a name in [`FormatName`](super::chunk::FormatName), and the arms in
//! [`decode`](super::decode) that the compiler asks for then: the pipeline, the engine and the export know none by name.

use crate::ingest::chunk::Chunk;
use crate::ingest::fields::Fields;
use crate::ingest::junk::{JunkCounts, JunkList};
use crate::ingest::reject::Reject;
use crate::ingest::tally::Tally;
use crate::model::event::DecodedEvent;
use crate::model::identity::Identity;
use crate::model::namespace::Namespaces;
use crate::model::person::AttributionKind;
use crate::model::source::Within;

/// What every format must do. Chosen once a chunk, never once an event.
pub(super) trait Format {
    /// Decodes every value of `chunk`: `each` is called once for each, in order, blank ones left out. New namespaces are
    /// interned, junk values counted.
    fn decode(&self, task: Task<'_>, chunk: &Chunk, each: impl FnMut(Line<'_, '_>)) -> Decoded;

    /// Appends the value of an event, `text`, to `rows` as one line, with its person and attribution added.
    fn write_attributed(&self, rows: &mut Vec<u8>, text: &[u8], person: &Identity, kind: AttributionKind);
}

/// What a chunk is decoded with.
pub(super) struct Task<'c> {
    /// Where the values say what.
    pub fields: &'c Fields,
    /// Where identities stand, for a reader.
    pub identity_paths: Vec<&'c str>,
    /// Whether segments and traits are asked for.
    pub profiles: bool,
    /// Whether an event may be told by an earlier one that carries the same.
    pub recall: bool,
    /// Which values are no identities.
    pub junk_list: &'c JunkList,
    /// The namespaces that are known; new ones are added.
    pub namespaces: &'c mut Namespaces,
    /// Where junk is counted.
    pub junk: &'c mut JunkCounts,
    /// What else is noted of the chunk.
    pub tally: Tally,
}

/// A line that is not blank, and what became of it.
#[derive(Debug)]
pub struct Line<'a, 'e> {
    /// Which line, from 0 at the start of the chunk; blank ones count. Values of one line have one number.
    pub number: u64,
    /// Where `text` begins in the source, in bytes from the start of the chunk.
    pub at: usize,
    /// The value, without the white space around it and, where it goes over several lines, between its tokens; of one that was too long, its first
    /// [`MAX_REJECT_BYTES`](crate::model::limits::MAX_REJECT_BYTES).
    pub text: &'a [u8],
    /// The activity, or why there is none. Where it lies: to copy one took a hundredth of a replay.
    pub outcome: Result<&'a DecodedEvent<'e>, Reject>,
}

/// How far a chunk was consumed, and what was noted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Line ends consumed. An unterminated last line is no line yet: its end may follow when the source grows.
    pub lines: u64,
    /// The offset in the source where reading goes on: the end of the chunk or, where an unterminated last line was malformed,
    /// its start. Such a line may be half written: it is reported, and read again when the source has grown.
    pub consumed: u64,
    /// What that offset stands in.
    pub within: Within,
    /// What else was noted of the chunk.
    pub tally: Tally,
}
