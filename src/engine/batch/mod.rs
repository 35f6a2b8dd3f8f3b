//! What happened between two commits? A batch: its events, over the identities of the store and the new ones.

pub mod decoded;
mod intake;
pub mod profiles;
pub mod rows;
pub mod sets;

use std::collections::BTreeMap;

use crate::engine::batch::decoded::DecodedChunk;
use crate::engine::batch::intake::Intake;
use crate::engine::batch::rows::{BatchRow, BatchRows, Translated};
use crate::engine::batch::sets::SetId;
use crate::engine::error::EngineError;
use crate::graph::Graph;
use crate::graph::interner::{Hashed, Interner};
use crate::model::barred::Refused;
use crate::model::digest::IdentityHash;
use crate::model::event::{EventId, anchored};
use crate::model::identity::{IdentityId, Value};
use crate::model::limits::{MAX_BATCH_TEXT_BYTES, MAX_IDENTITIES};
use crate::model::namespace::{NamespaceId, Namespaces};
use crate::model::source::{Source, SourceId};
use crate::model::texts::TextId;
use crate::store::barred::Barred;
use smallvec::SmallVec;

/// The events between two commits.
pub struct Batch {
    /// The namespaces of the graph, and the ones met since.
    pub namespaces: Namespaces,
    /// The new identities; their ids follow on those of the graph.
    pub identities: Interner,
    /// The events.
    pub rows: BatchRows,
    /// How many more there were, each the same as an earlier one of its chunk.
    pub repeats: u64,
    /// Room to group them in.
    pub grouped: Vec<BatchRow>,
    /// The sources that were read, and how far.
    pub sources: BTreeMap<SourceId, Source>,
    /// How many identities the graph holds.
    base: usize,
}

/// Identities of a chunk that are looked up together: what is read for them lies in the caches until they are compared.
const IDENTITIES_AT_ONCE: usize = 256;

/// In the place of an identity that no event carries which is taken in.
const NOT_CARRIED: IdentityId = IdentityId(u32::MAX);

/// The room of a batch, to be used by the next: fresh memory for each would cost as much as sorting it.
pub struct Room {
    rows: BatchRows,
    grouped: Vec<BatchRow>,
}

impl Room {
    /// None yet.
    pub fn new() -> Self {
        Self { rows: BatchRows::new(), grouped: Vec::new() }
    }
}

impl Batch {
    /// No events yet, on top of what `graph` holds, in the room of a batch that is done with.
    pub fn new(graph: &Graph, room: Room) -> Self {
        let Room { mut rows, grouped } = room;
        rows.clear();
        Self {
            namespaces: graph.namespaces().clone(),
            identities: Interner::new(),
            rows,
            repeats: 0,
            grouped,
            sources: BTreeMap::new(),
            base: graph.identities().len(),
        }
    }

    /// Takes over the events of a chunk, but for those of `barred` identities, and says how many these are: nothing of them is kept. Costs a
    /// hash look-up for each identity of the chunk and a copy of its rows.
    pub fn absorb(
        &mut self,
        graph: &Graph,
        chunk: &DecodedChunk,
        source: SourceId,
        barred: &Barred,
    ) -> Result<Refused, EngineError> {
        let intake = Intake::of(chunk, barred);
        let namespaces = self.namespaces.take_over(chunk.namespaces.spellings());
        let hashed = |&id: &IdentityId| {
            let namespace = namespaces[usize::from(chunk.identities.namespace(id).0)];
            Hashed::new(namespace, chunk.identities.value(id))
        };
        let ids: Vec<IdentityId> = chunk.identities.ids().collect();
        let mut identities = Vec::with_capacity(ids.len());
        let (mut wanted, mut known) = (Vec::new(), Vec::new());
        for ids in ids.chunks(IDENTITIES_AT_ONCE) {
            wanted.clear();
            wanted.extend(ids.iter().map(hashed));
            known.clear();
            graph.identities().get_each(&wanted, &mut known);
            self.identities.fetch(&wanted);
            for ((&id, wanted), &old) in ids.iter().zip(&wanted).zip(&known) {
                identities.push(match old {
                    _ if intake.as_ref().is_some_and(|intake| !intake.carries(id)) => NOT_CARRIED,
                    Some(old) => old,
                    None => self.add(wanted)?,
                });
            }
        }
        let mut room = SmallVec::<[IdentityId; 8]>::new();
        let sets: Vec<SetId> = (0..chunk.rows.sets.len() as u32)
            .map(SetId)
            .map(|set| {
                if intake.as_ref().is_some_and(|intake| !intake.has(set)) {
                    return SetId::EMPTY;
                }
                room.clear();
                room.extend(chunk.rows.sets.get(set).iter().map(|id| identities[id.index()]));
                self.rows.sets.intern(&room)
            })
            .collect();
        let texts: Vec<TextId> = (0..chunk.rows.profiles.len() as u32)
            .map(|text| chunk.rows.profiles.get(TextId(text)))
            // One that told the value of an erased identity does not come again.
            .map(|text| self.rows.profiles.intern(if barred.hidden(text).is_some() { "" } else { text }))
            .collect();
        let taken = |row: &BatchRow| intake.as_ref().is_none_or(|intake| intake.takes(row));
        self.repeats += chunk.rows.all.iter().filter(|row| !row.arrives && taken(row)).count() as u64;
        let kept = |row: &BatchRow| row.arrives && taken(row);
        let hides = barred.hides_texts();
        let replaced = |id: EventId<'_>| match id {
            _ if !hides => None,
            id => match barred.event_id(id) {
                EventId::Line(hash) => Some(hash),
                EventId::Uuid(_) | EventId::Text(_) => None,
            },
        };
        let translated = Translated { identities: &identities, sets: &sets, texts: &texts };
        self.rows.absorb(&chunk.rows, &translated, source, kept, replaced);
        Ok(intake.map_or_else(Refused::default, |intake| intake.refused))
    }

    /// Puts rows aside that count otherwise than they were written, and in their place what they count as. Costs nothing where nothing was
    /// decided.
    pub fn count(&mut self, graph: &Graph) {
        let counting = graph.counting();
        if counting.is_empty() {
            return;
        }
        for row in std::mem::take(&mut self.rows.all) {
            let companions = self.rows.sets.get(row.companions);
            if !counting.touches(row.anchor, companions) {
                self.rows.all.push(row);
                continue;
            }
            let is_session = |id| self.namespace(graph, id) == NamespaceId::SESSION;
            let ids = counting.counted(row.anchor, is_session(row.anchor), companions);
            let counted = anchored(&ids, is_session);
            self.rows.written.push(row.written(counted.is_some()));
            if let Some((anchor, companions)) = counted {
                let companions = self.rows.sets.intern(companions);
                self.rows.all.push(row.counted(anchor, companions));
            }
        }
    }

    /// Notes how far a source was read.
    pub fn read(&mut self, id: SourceId, source: Source) {
        self.sources.insert(id, source);
    }

    /// What is left of a batch that is done with.
    pub fn into_room(self) -> Room {
        Room { rows: self.rows, grouped: self.grouped }
    }

    /// Whether it is time to commit: it holds so many events, of which so many repeats count as one; or as many bytes of texts as a batch may.
    pub fn is_full(&self, events: usize, repeats_an_event: u64) -> bool {
        self.rows.all.len() as u64 + self.repeats / repeats_an_event.max(1) >= events as u64
            || self.rows.text_bytes() >= MAX_BATCH_TEXT_BYTES
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.rows.all.is_empty() && self.sources.is_empty()
    }

    /// Whether the graph holds the identity (so that stored events may carry it).
    pub fn is_old(&self, id: IdentityId) -> bool {
        id.index() < self.base
    }

    /// The namespace of an old or new identity.
    pub fn namespace(&self, graph: &Graph, id: IdentityId) -> NamespaceId {
        match self.new_id(id) {
            Some(new) => self.identities.namespace(new),
            None => graph.identities().namespace(id),
        }
    }

    /// The hash of an old or new identity.
    pub fn hash(&self, graph: &Graph, id: IdentityId) -> IdentityHash {
        let (namespace, value) = match self.new_id(id) {
            Some(new) => (self.identities.namespace(new), self.identities.value(new)),
            None => (graph.identities().namespace(id), graph.identities().value(id)),
        };
        IdentityHash::new(&self.namespaces.names()[usize::from(namespace.0)], value)
    }

    fn new_id(&self, id: IdentityId) -> Option<IdentityId> {
        id.0.checked_sub(self.base as u32).map(IdentityId)
    }

    /// The id of an identity that may be new.
    pub fn intern(
        &mut self,
        graph: &Graph,
        namespace: NamespaceId,
        value: Value<'_>,
    ) -> Result<IdentityId, EngineError> {
        match graph.identities().get(namespace, value) {
            Some(old) => Ok(old),
            None => self.add(&Hashed::new(namespace, value)),
        }
    }

    /// The id of an identity that the graph does not hold.
    fn add(&mut self, new: &Hashed<'_>) -> Result<IdentityId, EngineError> {
        if self.base + self.identities.len() >= MAX_IDENTITIES {
            return Err(EngineError::TooManyIdentities { limit: MAX_IDENTITIES });
        }
        Ok(IdentityId(self.base as u32 + self.identities.intern_hashed(new).0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::chunk::Chunk;
    use crate::ingest::decode::Decoder;
    use crate::ingest::fields::Fields;
    use crate::model::settings::Settings;

    /// A batch of these lines.
    fn kept(lines: &[&str]) -> Batch {
        let settings = Settings::default();
        let graph = Graph::new(Namespaces::new(settings.levels.clone()));
        let decoder = Decoder::new(&settings.junk, &Fields::default()).with_profiles(true).with_recall();
        let mut chunk = DecodedChunk::new(graph.namespaces().clone());
        chunk.decode(&decoder, &Chunk::whole(lines.join("\n").as_bytes()), false);
        let mut batch = Batch::new(&graph, Room::new());
        batch.absorb(&graph, &chunk, SourceId(0), &Barred::default()).unwrap();
        batch
    }

    /// How many rows a batch has of these lines, how many repeats, and after how many events it is full.
    fn absorbed(lines: &[&str]) -> (usize, u64, usize) {
        let batch = kept(lines);
        let full = (0..).take_while(|&events| batch.is_full(events, 4)).last().unwrap_or_default();
        (batch.rows.all.len(), batch.repeats, full)
    }

    #[test]
    fn an_event_that_follows_on_itself_within_a_chunk_takes_no_room() {
        let event = |time: u32, more: &str| {
            format!(r#"{{"timestamp":{time},"user":{{"identities":{{"sessionId":"s"}},"traits":{{"t":1}}}}{more}}}"#)
        };
        let other = r#"{"timestamp":1,"user":{"identities":{"sessionId":"other"}}}"#;
        let (first, next) = (event(1, ""), event(2, ""));
        let (id, uuid) = (event(1, r#","id":"a""#), event(1, r#","id":"00000000-0000-4000-8000-000000000000""#));
        assert_eq!(absorbed(&[&first, &first, other, &first]), (2, 2, 2));
        assert_eq!(absorbed(&[&first, &next, &next]), (2, 1, 2));
        // Those between which the same session did something else are found when the batch is settled.
        assert_eq!(absorbed(&[&first, &next, &first]), (3, 0, 3));
        assert_eq!(absorbed(&[&first, &id, &id, &uuid, &uuid, &event(1, r#","id":"b""#)]), (4, 2, 4));
        assert_eq!(absorbed(&[&first, &event(1, r#","x":1"#)]), (2, 0, 2), "another line is another event");
        assert_eq!(absorbed(&[&first, &first.replace("1}", "2}")]), (2, 0, 2), "so are other traits");
        // How far the log was read is to be made durable at some time.
        assert_eq!(absorbed(&[&*first; 13]), (1, 12, 4));
    }
    #[test]
    fn texts_of_event_ids_fill_a_batch_unless_they_repeat() {
        let event =
            |id: &str| format!(r#"{{"timestamp":1,"id":"{id:0>1000}","user":{{"identities":{{"sessionId":"s"}}}}}}"#);
        assert_eq!(kept(&[&*event("x"); 500]).rows.text_bytes(), 1_000);
        let events: Vec<String> =
            (0..=MAX_BATCH_TEXT_BYTES / 1_000).map(|number| event(&format!("x{number}"))).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        assert!(!kept(&events[1..]).is_full(usize::MAX, 4));
        assert!(kept(&events).is_full(usize::MAX, 4));
    }
}
