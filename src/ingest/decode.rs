//! Chunks to events, whatever their format.

use crate::ingest::chunk::{Chunk, FormatName};
use crate::ingest::fields::Fields;
use crate::ingest::format::{Decoded, Format, Line, Task};
use crate::ingest::json::Json;
use crate::ingest::junk::{JunkCounts, JunkList};
use crate::ingest::tally::Tally;
use crate::model::identity::Identity;
use crate::model::namespace::Namespaces;
use crate::model::person::AttributionKind;
use crate::model::settings::Junk;

/// Turns chunks into events. Cheap to make, shared by threads.
#[derive(Debug, Clone)]
pub struct Decoder {
    junk: JunkList,
    fields: Fields,
    profiles: bool,
    recall: bool,
    json: Json,
}

impl Decoder {
    /// A decoder of lines with these fields that ignores the values that `junk` names.
    pub fn new(junk: &Junk, fields: &Fields) -> Self {
        let (junk, fields) = (JunkList::new(junk), fields.clone());
        Self { junk, fields, profiles: false, recall: false, json: Json::default() }
    }

    /// One that gives the segments and traits of events, too, where that is `asked`.
    pub fn with_profiles(self, asked: bool) -> Self {
        Self { profiles: asked, json: Json::default(), ..self }
    }

    /// One that may tell what an event carries by an [earlier one](crate::model::event::DecodedEvent::recalled) of its chunk.
    pub fn with_recall(self) -> Self {
        Self { recall: true, ..self }
    }

    /// Decodes every line of `chunk`: `each` is called once for each line that is not blank, in order. New namespaces are
    /// interned, junk values counted. Costs about a nanosecond a byte, and allocates for rejects only.
    pub fn chunk(
        &self,
        chunk: &Chunk,
        namespaces: &mut Namespaces,
        junk: &mut JunkCounts,
        each: &mut dyn FnMut(Line<'_, '_>),
    ) -> Decoded {
        self.chunk_inline(chunk, namespaces, junk, each)
    }

    /// The same where a call a line counts: the whole decoder is compiled once more for each caller.
    pub fn chunk_inline(
        &self,
        chunk: &Chunk,
        namespaces: &mut Namespaces,
        junk: &mut JunkCounts,
        each: impl FnMut(Line<'_, '_>),
    ) -> Decoded {
        let task = self.task(namespaces, junk, self.fields.identity_paths());
        match chunk.format {
            FormatName::Json => self.json.decode(task, chunk, each),
        }
    }

    pub(super) fn task<'c>(
        &'c self,
        namespaces: &'c mut Namespaces,
        junk: &'c mut JunkCounts,
        identity_paths: Vec<&'c str>,
    ) -> Task<'c> {
        let Self { junk: junk_list, fields, profiles, recall, .. } = self;
        let (profiles, recall) = (*profiles, *recall);
        Task { fields, identity_paths, profiles, recall, junk_list, namespaces, junk, tally: Tally::default() }
    }

    /// Appends the line of an event of `chunk`, its `text`, to `rows`, with its person and attribution added.
    pub fn write_attributed(
        &self,
        chunk: &Chunk,
        text: &[u8],
        person: &Identity,
        kind: AttributionKind,
        rows: &mut Vec<u8>,
    ) {
        match chunk.format {
            FormatName::Json => self.json.write_attributed(rows, text, person, kind),
        }
    }
}
