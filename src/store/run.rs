//! Runs: how a sequence of blocks is written and read.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::store::backend::{Backend, Entry};
use crate::store::block::{self, BlockKey, BlockKind, Loss, MAX_BLOCK_BYTES, Unsealed};
use crate::store::error::{Damage, StoreError};

/// Bytes that are handed to the backend at a time: some thousand blocks, so that what the backend does again for the last of
/// them hardly counts (with a quarter of it a store takes 3 % more); and little to hold in memory.
const PUT_BYTES: usize = 16 << 20;

/// What blocks of an index are called.
const INDEX_WORD: &str = "index";

/// The kind of the blocks of directories: which anchors lie where in the run of events of the same number.
pub(crate) const DIRECTORY: BlockKind = BlockKind::new(8, "directory", Loss::Rebuilt);

/// A run: blocks that one commit wrote together, in ascending order of what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunEntry {
    /// The number of the [`BlockKind`] of its blocks.
    pub kind: u8,
    /// Never given twice, not even after a crash.
    pub number: u32,
    /// The commit that wrote it.
    pub generation: u64,
    /// How many blocks, from index 0 on.
    pub blocks: u32,
    /// Blocks of its directory, which runs of events have, or of its index, which those of identities and links have.
    pub directory: u32,
    /// How many rows (events, links, …) the blocks hold.
    pub rows: u64,
    /// Bytes of the blocks.
    pub bytes: u64,
}

impl RunEntry {
    /// Where its blocks lie; `kind` is the run's.
    pub(crate) fn keys_of(&self, kind: BlockKind) -> impl Iterator<Item = BlockKey> + use<> {
        let run = self.number;
        (0..self.blocks).map(move |index| BlockKey { kind, run, index })
    }

    /// Where a block of its index lies: behind its own, so that it is written with them. A place of its own in the database would be one
    /// where a few blocks come at a time, and each time what lies around them is written again: four times as much as the index.
    pub(crate) fn index_key(&self, place: u32) -> BlockKey {
        let kind = BlockKind::new(self.kind, INDEX_WORD, Loss::Rebuilt);
        BlockKey { kind, run: self.number, index: self.blocks.saturating_add(place) }
    }

    /// Where the blocks of its index lie, of a run that has one instead of a directory.
    pub(crate) fn index_keys(self) -> impl Iterator<Item = BlockKey> + use<> {
        (0..self.directory).map(move |place| self.index_key(place))
    }

    /// Where the blocks of its directory lie.
    pub(crate) fn directory_keys(&self) -> impl Iterator<Item = BlockKey> + use<> {
        let run = self.number;
        (0..self.directory).map(move |index| BlockKey { kind: DIRECTORY, run, index })
    }
}

/// Which anchors a block of events holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DirectorySlot {
    pub first: u32,
    pub last: u32,
    pub events: u32,
}

/// A handle on a run. A run that a later commit retired is deleted when the manifest holds the last handle on it, and not
/// before: a reader that holds one reads the run to its end.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    shared: Arc<(RunEntry, Vec<DirectorySlot>)>,
}

impl Run {
    /// A run of events, with its directory.
    pub(crate) fn with_directory(entry: RunEntry, slots: Vec<DirectorySlot>) -> Self {
        Self { shared: Arc::new((entry, slots)) }
    }

    /// What the manifest says of it.
    pub(crate) fn entry(&self) -> RunEntry {
        self.shared.0
    }

    /// Which anchors each of its blocks holds; empty where it is no run of events.
    pub(crate) fn slots(&self) -> &[DirectorySlot] {
        &self.shared.1
    }

    /// The first block of events that holds `anchor` or one after it; the number of blocks where there is none.
    pub(crate) fn find(&self, anchor: u32) -> usize {
        let slots = self.slots();
        match (slots.first(), slots.last()) {
            // Of most of many runs their ends tell it.
            (Some(first), _) if anchor <= first.last => 0,
            (_, Some(last)) if anchor > last.last => slots.len(),
            _ => slots.partition_point(|slot| slot.last < anchor),
        }
    }

    /// Whether there is another handle on it.
    pub(crate) fn is_read(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }
}

impl From<RunEntry> for Run {
    fn from(entry: RunEntry) -> Self {
        Self::with_directory(entry, Vec::new())
    }
}

impl Deref for Run {
    type Target = RunEntry;

    fn deref(&self) -> &RunEntry {
        &self.shared.0
    }
}

/// Run numbers are never given twice.
impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.entry() == other.entry()
    }
}

impl Eq for Run {}

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entry().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RunEntry::deserialize(deserializer).map(Self::from)
    }
}

/// A run that is to be written: where, under which number, by which commit.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    pub backend: Arc<dyn Backend>,
    pub number: u32,
    pub generation: u64,
}

/// Writes the blocks of one run, holding about [`PUT_BYTES`] of them.
pub(crate) struct RunWriter {
    backend: Arc<dyn Backend>,
    entry: RunEntry,
    kind: BlockKind,
    waiting: Vec<Entry>,
    waiting_bytes: usize,
}

impl RunWriter {
    pub(crate) fn new(kind: BlockKind, run: NewRun) -> Self {
        let NewRun { backend, number, generation } = run;
        let entry = RunEntry { kind: kind.number(), number, generation, blocks: 0, directory: 0, rows: 0, bytes: 0 };
        Self { backend, entry, kind, waiting: Vec::new(), waiting_bytes: 0 }
    }

    /// Adds a block that began as [`block::blank`] and holds `rows` rows.
    pub(crate) fn push(&mut self, block: Vec<u8>, rows: u64) -> Result<(), StoreError> {
        let key = BlockKey { kind: self.kind, run: self.entry.number, index: self.entry.blocks };
        self.entry.blocks += 1;
        self.entry.rows += rows;
        self.put(key, block)
    }

    /// Adds a block of the run's index, once all of its own were added.
    pub(crate) fn push_index(&mut self, block: Vec<u8>) -> Result<(), StoreError> {
        let key = self.entry.index_key(self.entry.directory);
        self.entry.directory += 1;
        self.put(key, block)
    }

    /// Adds a block of the run's directory.
    pub(crate) fn push_directory(&mut self, block: Vec<u8>) -> Result<(), StoreError> {
        let key = BlockKey { kind: DIRECTORY, run: self.entry.number, index: self.entry.directory };
        self.entry.directory += 1;
        self.put(key, block)
    }

    fn put(&mut self, key: BlockKey, mut block: Vec<u8>) -> Result<(), StoreError> {
        if block.len() > MAX_BLOCK_BYTES {
            let text = format!("a row of {} bytes is over the limit of {MAX_BLOCK_BYTES}", block.len());
            return Err(StoreError::Invalid(text));
        }
        block::seal(key, self.entry.generation, &mut block);
        // A quarter of what it may have held would wait with it.
        block.shrink_to_fit();
        self.entry.bytes += block.len() as u64;
        self.waiting_bytes += block.len();
        self.waiting.push((key.bytes(), block));
        if self.waiting_bytes >= PUT_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.waiting_bytes = 0;
        Ok(self.backend.put(std::mem::take(&mut self.waiting))?)
    }

    /// What to name in the manifest; `None` when there was no block.
    pub(crate) fn finish(mut self) -> Result<Option<RunEntry>, StoreError> {
        self.flush()?;
        Ok((self.entry.blocks > 0).then_some(self.entry))
    }
}

/// The error for a damaged block.
pub(crate) fn damaged(backend: &dyn Backend, block: BlockKey, what: impl Into<String>) -> StoreError {
    StoreError::Damaged(Box::new(Damage { store: backend.name(), block: Some(block), what: what.into() }))
}

/// Reads a block, checks its header and hands its body to `parse`.
pub(crate) fn read<T>(
    backend: &dyn Backend,
    key: BlockKey,
    generation: u64,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, StoreError> {
    let stored = stored(backend, key, generation)?;
    let body = stored.get(block::HEADER_BYTES..).unwrap_or_default();
    parse(body).map_err(|what| damaged(backend, key, what))
}

/// Reads a block as it lies there, and checks its header.
pub(crate) fn stored(backend: &dyn Backend, key: BlockKey, generation: u64) -> Result<Vec<u8>, StoreError> {
    let Some(stored) = backend.get(&key.bytes())? else {
        return Err(damaged(backend, key, "it is missing"));
    };
    match block::unseal(key, &stored) {
        Ok((found, _)) if found != generation => {
            let what = format!("it is of generation {found}, where {generation} belongs");
            Err(damaged(backend, key, what))
        }
        Ok(_) => Ok(stored),
        Err(Unsealed::Damaged(what)) => Err(damaged(backend, key, what)),
        Err(Unsealed::Version(found)) => {
            Err(StoreError::Version { store: backend.name(), what: format!("{key}, of format {found},") })
        }
    }
}
