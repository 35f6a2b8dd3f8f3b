//! How are chunks decoded by many threads, when there are more namespaces than a store has room for?
//!
//! Which names have a place follows from the lines that come first in the log, and a thread does not know those of the chunks that
//! others are still decoding. So it decodes with the namespaces that were absorbed last, and keeps the chunk where it met new
//! ones. If there turns out to be no room for all of them when the chunk is absorbed, in its turn, it is decoded once more, with those
//! that are there. That happens until the store is full, and never again: from then on no thread meets a new one.

use parking_lot::RwLock;

use crate::engine::batch::Batch;
use crate::engine::batch::decoded::DecodedChunk;
use crate::ingest::decode::Decoder;
use crate::ingest::pipeline::BufferedChunk;
use crate::model::namespace::Namespaces;

/// Rejected lines that are kept of a chunk, 170 bytes each at least, beyond which it keeps its buffer until it is taken, so that fewer chunks are read
/// ahead: a chunk of garbage has a million, and many chunks may be under way.
const MANY_REJECTS: usize = 1 << 12;

/// What the chunks of a replay are decoded with, in every thread.
pub struct Decoding {
    decoder: Decoder,
    /// Whether rejected lines are kept.
    rejects_wanted: bool,
    /// The namespaces that were absorbed last.
    known: RwLock<Namespaces>,
}

impl Decoding {
    /// Decodes with `decoder`, on top of the namespaces of `batch`.
    pub fn new(decoder: Decoder, rejects_wanted: bool, batch: &Batch) -> Self {
        Self { decoder, rejects_wanted, known: RwLock::new(batch.namespaces.clone()) }
    }

    /// Decodes a chunk, in the room of one that was absorbed.
    pub fn chunk(&self, chunk: BufferedChunk, spare: Option<DecodedChunk>) -> DecodedChunk {
        let mut decoded = spare.unwrap_or_else(|| DecodedChunk::new(self.known.read().clone()));
        if decoded.namespaces.len() < self.known.read().len() {
            decoded.namespaces = self.known.read().clone();
        }
        let (full, known) = (decoded.namespaces.is_full(), decoded.namespaces.len());
        decoded.decode(&self.decoder, &chunk, self.rejects_wanted);
        let has_new = !full && decoded.namespaces.len() > known;
        decoded.kept = (has_new || decoded.rejects.len() > MANY_REJECTS).then_some(chunk);
        decoded
    }

    /// Sees to it that `batch`, which holds what comes before `decoded` in the log, has room for its namespaces.
    pub fn fit(&self, decoded: &mut DecodedChunk, batch: &Batch) {
        if let Some(chunk) = decoded.kept.take()
            && !batch.namespaces.have_room_for(&decoded.namespaces)
        {
            decoded.namespaces = batch.namespaces.clone();
            decoded.decode(&self.decoder, &chunk, self.rejects_wanted);
        }
    }

    /// Tells the threads of what `batch` has absorbed.
    pub fn absorbed(&self, batch: &Batch) {
        if batch.namespaces.len() > self.known.read().len() {
            *self.known.write() = batch.namespaces.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::batch::Room;
    use crate::graph::Graph;
    use crate::ingest::chunk::Chunk;
    use crate::ingest::fields::Fields;
    use crate::model::settings::Settings;

    #[test]
    fn a_chunk_of_garbage_keeps_its_buffer_until_it_is_taken_and_then_no_room_for_as_much() {
        let settings = Settings::default();
        let graph = Graph::new(Namespaces::new(settings.levels.clone()));
        let batch = Batch::new(&graph, Room::new());
        let garbage = |lines: usize| BufferedChunk::alone(Chunk::whole("x\n".repeat(lines).as_bytes()));
        let decoding = |wanted| Decoding::new(Decoder::new(&settings.junk, &Fields::default()), wanted, &batch);
        let keeps = |lines, wanted| decoding(wanted).chunk(garbage(lines), None).kept.is_some();
        let many = MANY_REJECTS + 1;
        assert_eq!([keeps(many, true), keeps(MANY_REJECTS, true), keeps(many, false)], [true, false, false]);
        let mut decoded = decoding(true).chunk(garbage(many), None);
        decoding(true).fit(&mut decoded, &batch);
        assert!(decoded.kept.is_none() && decoded.rejects.len() == many);
        let decoded = decoding(true).chunk(garbage(1), Some(decoded));
        assert!(decoded.rejects.len() == 1 && decoded.rejects.capacity() < many);
    }
}
