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
        decoded.again = (!full && decoded.namespaces.len() > known).then_some(chunk);
        decoded
    }

    /// Sees to it that `batch`, which holds what comes before `decoded` in the log, has room for its namespaces.
    pub fn fit(&self, decoded: &mut DecodedChunk, batch: &Batch) {
        if let Some(chunk) = decoded.again.take()
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
