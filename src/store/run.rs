//! Runs: how a sequence of blocks is written and read.

use crate::store::backend::{Backend, Entry};
use crate::store::block::{self, BlockKey, Kind, MAX_BLOCK_BYTES, Unsealed};
use crate::store::error::{Damage, StoreError};
use crate::store::manifest::RunEntry;

/// Bytes that are handed to the backend at a time: some hundred blocks, so that what the backend does again for the last of
/// them hardly counts; and little to hold in memory.
const PUT_BYTES: usize = 4 << 20;

/// Writes the blocks of one run, holding about [`PUT_BYTES`] of them.
pub(crate) struct RunWriter<'a> {
    backend: &'a dyn Backend,
    entry: RunEntry,
    kind: Kind,
    waiting: Vec<Entry>,
    waiting_bytes: usize,
}

impl<'a> RunWriter<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, kind: Kind, number: u32, generation: u64) -> Self {
        let entry = RunEntry { kind: kind as u8, number, generation, blocks: 0, directory: 0, rows: 0, bytes: 0 };
        Self { backend, entry, kind, waiting: Vec::new(), waiting_bytes: 0 }
    }

    /// Adds a block that began as [`block::blank`] and holds `rows` rows.
    pub(crate) fn push(&mut self, block: Vec<u8>, rows: u64) -> Result<(), StoreError> {
        let key = BlockKey { kind: self.kind, run: self.entry.number, index: self.entry.blocks };
        self.entry.blocks += 1;
        self.entry.rows += rows;
        self.put(key, block)
    }

    /// Adds a block of the run's directory.
    pub(crate) fn push_directory(&mut self, block: Vec<u8>) -> Result<(), StoreError> {
        let key = BlockKey { kind: Kind::Directory, run: self.entry.number, index: self.entry.directory };
        self.entry.directory += 1;
        self.put(key, block)
    }

    fn put(&mut self, key: BlockKey, mut block: Vec<u8>) -> Result<(), StoreError> {
        if block.len() > MAX_BLOCK_BYTES {
            let text = format!("a row of {} bytes is over the limit of {MAX_BLOCK_BYTES}", block.len());
            return Err(StoreError::Invalid(text));
        }
        block::seal(key, self.entry.generation, &mut block);
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
    StoreError::Damaged(Box::new(Damage { store: backend.name(), block, what: what.into() }))
}

/// Reads a block, checks its header and hands its body to `parse`.
pub(crate) fn read<T>(
    backend: &dyn Backend,
    key: BlockKey,
    generation: u64,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, StoreError> {
    let Some(stored) = backend.get(&key.bytes())? else {
        return Err(damaged(backend, key, "it is missing"));
    };
    match block::unseal(key, &stored) {
        Ok((found, _)) if found != generation => {
            let what = format!("it is of generation {found}, where {generation} belongs");
            Err(damaged(backend, key, what))
        }
        Ok((_, body)) => parse(body).map_err(|what| damaged(backend, key, what)),
        Err(Unsealed::Damaged(what)) => Err(damaged(backend, key, what)),
        Err(Unsealed::Version(found)) => {
            Err(StoreError::Version { store: backend.name(), what: format!("{key}, of format {found},") })
        }
    }
}
