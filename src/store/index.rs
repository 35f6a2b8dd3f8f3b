//! Indexes: where in a run lies what is asked for by something else than the order of its rows.
//!
//! An identity is found by a hash of its value, a link by its higher end. The index of a run lies in blocks behind its own: it is
//! written with the run, and merged, rewritten and deleted as the run is, so the two cannot come apart. It follows from the rows, and nothing but
//! [`point`](crate::store::point) reads it: a run of an earlier version has none, until it is merged or written again
//! ([`compact`](crate::store::compact)).

use std::hash::{BuildHasher, RandomState};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::model::identity::Value;
use crate::model::namespace::NamespaceId;
use crate::store::backend::Backend;
use crate::store::block::{self, BLOCK_BYTES, BlockKey, HEADER_BYTES};
use crate::store::codec::{self, Bytes};
use crate::store::column::{self, ColumnReader};
use crate::store::error::StoreError;
use crate::store::packed::{pack, unpack};
use crate::store::run::{self, RunEntry, RunWriter};

/// Blocks of identities whose first places one block of an index holds, at four bytes each.
pub(crate) const STARTS: u32 = 1_500;

/// Bits of a hash beyond those that count the identities of a run: of so many look-ups of an unknown value one reads a block in vain.
const SPARE_BITS: u32 = 6;

/// An odd number without a pattern: the golden ratio.
const NAMESPACE_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bytes of a block beside its rows.
const OVERHEAD: usize = HEADER_BYTES + 8;

/// A row of an index: what is looked for, and where it is.
pub(crate) type IndexRow = (u32, u32);

/// What an index is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexSort {
    /// The hash of an identity, and the block of the run that holds it.
    Hashes,
    /// The higher end of a link, and the lower.
    Ends,
}

impl IndexSort {
    fn write(self, row: IndexRow, before: Option<IndexRow>, out: &mut Vec<u8>) {
        column::put_step(out, row.0, before.map(|row| row.0));
        match self {
            Self::Hashes => column::put(out, u64::from(row.1)),
            // The two were mostly first seen about the same time.
            Self::Ends => column::put(out, column::zigzag(i64::from(row.1) - i64::from(row.0))),
        }
    }

    fn read(self, before: Option<&IndexRow>, from: &mut ColumnReader<'_>) -> Option<IndexRow> {
        let key = from.step(before.map(|row| row.0))?;
        let place = match self {
            Self::Hashes => from.u32()?,
            Self::Ends => i64::from(key).checked_add(column::unzigzag(from.u64()?))?.try_into().ok()?,
        };
        Some((key, place))
    }

    /// The blocks of these rows.
    fn blocks(self, mut rows: Vec<IndexRow>) -> Result<Vec<Vec<u8>>, StoreError> {
        rows.par_sort_unstable();
        rows.dedup();
        let (mut blocks, mut bytes, mut count, mut before) = (Vec::new(), Vec::new(), 0, None);
        for row in rows {
            let start = bytes.len();
            self.write(row, before, &mut bytes);
            if count > 0 && bytes.len() + OVERHEAD > BLOCK_BYTES {
                bytes.truncate(start);
                blocks.push(pack(count, &bytes)?);
                (count, before) = (0, None);
                bytes.clear();
                self.write(row, before, &mut bytes);
            }
            count += 1;
            before = Some(row);
        }
        if count > 0 {
            blocks.push(pack(count, &bytes)?);
        }
        Ok(blocks)
    }

    /// The rows of a block of the directory, which ascend.
    pub(crate) fn read_block(
        self,
        backend: &dyn Backend,
        entry: &RunEntry,
        index: u32,
    ) -> Result<Vec<IndexRow>, StoreError> {
        run::read(backend, entry.index_key(index), entry.generation, |body| {
            let rows = unpack(body, |before, from| self.read(before, from))?;
            if rows.is_sorted() && !rows.is_empty() { Ok(rows) } else { Err("its rows are out of order".into()) }
        })
    }
}

/// A part of the first places of the blocks of a run of identities.
#[derive(Debug, Serialize, Deserialize)]
struct StartsBody<'a> {
    /// What the values are hashed with.
    seed: u64,
    /// Four bytes for each block, little endian.
    #[serde(borrow)]
    starts: Bytes<'a>,
}

/// The same, read.
#[derive(Debug)]
pub(crate) struct Starts {
    /// What the values are hashed with.
    pub seed: u64,
    /// Of each block, the place of its first identity in the run.
    pub first: Vec<u32>,
}

impl Starts {
    /// Those of the blocks from `part` times [`STARTS`] on.
    pub(crate) fn read(backend: &dyn Backend, entry: &RunEntry, part: u32) -> Result<Self, StoreError> {
        run::read(backend, entry.index_key(part), entry.generation, |body| {
            let body: StartsBody<'_> = codec::decode(body)?;
            let (first, rest) = body.starts.0.as_chunks::<4>();
            let first: Vec<u32> = first.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
            let is_whole = rest.is_empty() && !first.is_empty() && first.is_sorted();
            if is_whole { Ok(Self { seed: body.seed, first }) } else { Err("its places are out of order".into()) }
        })
    }
}

/// How many blocks of the directory of a run of identities hold the first places; the others hold hashes.
pub(crate) fn starts_blocks(entry: &RunEntry) -> u32 {
    entry.blocks.div_ceil(STARTS)
}

/// Whether a run has an index.
pub(crate) fn is_indexed(entry: &RunEntry) -> bool {
    entry.directory > 0
}

/// The hash of an identity, of which an index keeps as many bits as tell the identities of its run apart.
pub(crate) fn hash(seed: u64, namespace: NamespaceId, value: Value<'_>) -> u32 {
    let bytes = match &value {
        Value::Uuid(bytes) => bytes.as_slice(),
        Value::Text(text) => text.as_bytes(),
    };
    let seed = seed.wrapping_add(u64::from(namespace.0).wrapping_mul(NAMESPACE_STEP));
    (xxh3_64_with_seed(bytes, seed) >> 32) as u32
}

/// How many bits of a hash are kept in a run of so many identities.
pub(crate) fn hash_bits(identities: u64) -> u32 {
    (u64::BITS - identities.leading_zeros() + SPARE_BITS).min(u32::BITS)
}

/// The first bits of a hash.
pub(crate) fn kept_bits(hash: u32, bits: u32) -> u32 {
    hash.checked_shr(u32::BITS - bits).unwrap_or(0)
}

/// Gathers the index of a run of identities: eight bytes each.
pub(crate) struct IdentityIndexBuilder {
    /// Drawn at random for each run, so that nobody can choose values that collide.
    seed: u64,
    hashes: Vec<IndexRow>,
    starts: Vec<u32>,
}

impl IdentityIndexBuilder {
    pub(crate) fn new() -> Self {
        Self::with_seed(RandomState::new().hash_one(0_u8))
    }

    /// One that hashes as the index of another run does.
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self { seed, hashes: Vec::new(), starts: vec![0] }
    }

    /// Adds the next identity of the block at hand.
    pub(crate) fn push(&mut self, namespace: NamespaceId, value: Value<'_>) {
        let block = self.starts.len() as u32 - 1;
        self.hashes.push((hash(self.seed, namespace, value), block));
    }

    /// The next identity is in another block.
    pub(crate) fn end_block(&mut self) {
        self.starts.push(self.hashes.len() as u32);
    }

    /// The blocks of the index, once the last block has ended.
    pub(crate) fn blocks(mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.starts.pop();
        let mut blocks = Vec::new();
        for starts in self.starts.chunks(STARTS as usize) {
            let bytes: Vec<u8> = starts.iter().flat_map(|start| start.to_le_bytes()).collect();
            let mut block = block::blank();
            let body = StartsBody { seed: self.seed, starts: Bytes(&bytes) };
            codec::encode(&body, &mut block).map_err(StoreError::Invalid)?;
            blocks.push(block);
        }
        let bits = hash_bits(self.hashes.len() as u64);
        self.hashes.iter_mut().for_each(|row| row.0 = kept_bits(row.0, bits));
        blocks.append(&mut IndexSort::Hashes.blocks(self.hashes)?);
        Ok(blocks)
    }
}

/// Gathers the index of a run of links: eight bytes each.
#[derive(Default)]
pub(crate) struct LinkIndexBuilder {
    ends: Vec<IndexRow>,
}

impl LinkIndexBuilder {
    /// Adds a link, by its higher and its lower end.
    pub(crate) fn push(&mut self, ends: IndexRow) {
        self.ends.push(ends);
    }

    /// The blocks of the index; empty where there are no links.
    pub(crate) fn blocks(self) -> Result<Vec<Vec<u8>>, StoreError> {
        IndexSort::Ends.blocks(self.ends)
    }
}

/// Writes the blocks of an index behind those of its run.
pub(crate) fn write(run: &mut RunWriter, blocks: Vec<Vec<u8>>) -> Result<(), StoreError> {
    blocks.into_iter().try_for_each(|block| run.push_index(block))
}

/// Whether the index of a run is the one that follows from its rows. Hands on what that gave.
pub(crate) fn check(
    backend: &dyn Backend,
    entry: &RunEntry,
    expected: &[Vec<u8>],
    found: &mut dyn FnMut(BlockKey, Result<(), StoreError>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let fits = expected.len() == entry.directory as usize;
    entry.index_keys().zip(0_usize..).try_for_each(|(key, place)| {
        let expected = expected.get(place).and_then(|block| block.get(HEADER_BYTES..));
        let read = run::read(backend, key, entry.generation, |body| match fits && expected == Some(body) {
            true => Ok(()),
            false => Err("it is not what the rows of its run say".into()),
        });
        found(key, read)
    })
}
