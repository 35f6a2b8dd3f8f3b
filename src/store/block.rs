//! Blocks: the unit that is written, checked and thrown away.
//!
//! A stored block is a header of `HEADER_BYTES` and a body. The header: the magic (4 bytes), the format
//! version (1), the kind (1), two zeros, the generation of the commit that wrote it (8, little endian) and a
//! checksum (8, little endian): XXH3-64 of the body, seeded with XXH3-64 of the block's key and of the
//! header before the checksum. So a block that lies under another block's key, or is left from another
//! generation, is found out as a flipped bit is.

use std::fmt;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// What the store is written as. A store with a higher number is refused.
pub(crate) const FORMAT: u8 = 5;

/// The lowest that is read: its blocks are a part of what those of [`FORMAT`] can be.
const OLDEST_FORMAT: u8 = 4;

/// Bytes of a block to aim at. A leaf of sled holds up to 17 values, and one of more than a quarter of a segment
/// (128 KiB) becomes a file of its own, which sled neither syncs nor counts against its cache: reading 400 MB in
/// blocks of 32 KiB left 413 MB in memory, in blocks of 7 KiB 116 MB, at the same speed.
pub(crate) const BLOCK_BYTES: usize = 7 << 10;

/// Bytes of a block that is refused: 128 KiB and up become a file each, whatever else is in the leaf.
pub(crate) const MAX_BLOCK_BYTES: usize = 120 << 10;

/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 24;

/// Bytes of a key.
const KEY_BYTES: usize = 9;

const MAGIC: [u8; 4] = *b"bkst";
const CHECKSUM_AT: usize = 16;

/// A kind of block: its number in keys and headers, its word in messages, and what the loss of a block means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockKind {
    number: u8,
    word: &'static str,
    loss: Loss,
}

impl BlockKind {
    pub(crate) const fn new(number: u8, word: &'static str, loss: Loss) -> Self {
        Self { number, word, loss }
    }

    /// The first byte of its keys.
    pub const fn number(self) -> u8 {
        self.number
    }

    /// How messages and `docs/format.md` call it.
    pub const fn word(self) -> &'static str {
        self.word
    }

    /// What it means that a block of it is lost.
    pub const fn loss(self) -> Loss {
        self.loss
    }
}

/// What it means that a block is lost, and what brings it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Loss {
    /// It follows from the events: a repair rebuilds it.
    Rebuilt,
    /// It holds events: a repair drops it and forgets how far sources were read, so that a replay of the logs brings them back.
    Replayed,
    /// It is of the change feed: a repair begins the feed again, and its readers need a full export.
    FeedBegunAgain,
    /// Nothing else tells whether the store is as its last commit left it: a repair may be told to accept it.
    Accepted,
    /// Nothing else holds it: a repair puts all else that can be read into a new database, and a replay of the logs brings it back.
    Salvaged,
    /// Without it nothing else can be read: the store must be made again from the logs.
    StoreReplayed,
}

impl Loss {
    /// What to do about it.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Rebuilt => "a repair rebuilds it from the events",
            Self::Replayed => "a repair drops it, then replay the logs",
            Self::FeedBegunAgain => "a repair begins the change feed again",
            Self::Accepted => "a repair that accepts the store as it is rewrites it",
            Self::Salvaged => "a repair puts what can be read into a new database, then replay the logs",
            Self::StoreReplayed => "replay the logs into a new store",
        }
    }

    /// Whether a repair mends it.
    pub(crate) const fn is_repairable(self) -> bool {
        match self {
            Self::Rebuilt | Self::Replayed | Self::FeedBegunAgain | Self::Salvaged => true,
            Self::Accepted | Self::StoreReplayed => false,
        }
    }
}

/// Where a block lies: its kind, the run it belongs to, its place in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockKey {
    /// What it holds.
    pub kind: BlockKind,
    /// The number of its run.
    pub run: u32,
    /// Its place in the run.
    pub index: u32,
}

impl BlockKey {
    /// The key in the backend; ascending with (kind, run, index).
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(KEY_BYTES);
        bytes.push(self.kind.number);
        bytes.extend_from_slice(&self.run.to_be_bytes());
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes
    }
}

/// The numbers of the kind and the run that a key of the backend names; `None` where it is no key of a block.
pub(crate) fn kind_and_run(key: &[u8]) -> Option<(u8, u32)> {
    let [kind, a, b, c, d, _, _, _, _] = *<&[u8; KEY_BYTES]>::try_from(key).ok()?;
    Some((kind, u32::from_be_bytes([a, b, c, d])))
}

impl fmt::Display for BlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} block {} of run {}", self.kind.word, self.index, self.run)
    }
}

/// Why a block cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unsealed {
    /// Damaged, and how.
    Damaged(String),
    /// Whole, but in the format of another version.
    Version(u8),
}

/// An empty block with room for the header, to append a body to.
pub(crate) fn blank() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4);
    bytes.resize(HEADER_BYTES, 0);
    bytes
}

/// Writes the header of a block that began as [`blank`].
pub(crate) fn seal(key: BlockKey, generation: u64, block: &mut [u8]) {
    let Some((header, body)) = block.split_first_chunk_mut::<HEADER_BYTES>() else { return };
    let (start, sum) = header.split_at_mut(CHECKSUM_AT);
    start.copy_from_slice(&[&MAGIC[..], &[FORMAT, key.kind.number, 0, 0], &generation.to_le_bytes()].concat());
    sum.copy_from_slice(&checksum(key, start, body).to_le_bytes());
}

/// The generation and the body of a stored block.
pub(crate) fn unseal(key: BlockKey, block: &[u8]) -> Result<(u64, &[u8]), Unsealed> {
    let damaged = |what: &str| Unsealed::Damaged(what.into());
    let (header, body) = block.split_first_chunk::<HEADER_BYTES>().ok_or_else(|| damaged("it is cut short"))?;
    let &[a, b, c, d, format, kind, zero, another, ref numbers @ ..] = header;
    if [a, b, c, d] != MAGIC {
        return Err(damaged("it does not begin as a block does"));
    }
    let number = |bytes: Option<&[u8; 8]>| bytes.copied().map_or(0, u64::from_le_bytes);
    let [generation, sum] = [numbers.first_chunk(), numbers.last_chunk()].map(number);
    if sum != checksum(key, header.split_at(CHECKSUM_AT).0, body) {
        return Err(damaged("its checksum is wrong"));
    }
    if !(OLDEST_FORMAT..=FORMAT).contains(&format) {
        return Err(Unsealed::Version(format));
    }
    if [kind, zero, another] != [key.kind.number, 0, 0] {
        return Err(damaged("its header is wrong"));
    }
    Ok((generation, body))
}

pub(crate) fn checksum(key: BlockKey, header: &[u8], body: &[u8]) -> u64 {
    let mut seed = key.bytes();
    seed.extend_from_slice(header);
    xxh3_64_with_seed(body, xxh3_64(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: BlockKey = BlockKey { kind: BlockKind::new(7, "events", Loss::Replayed), run: 7, index: 3 };

    fn sealed() -> Vec<u8> {
        let mut block = blank();
        block.extend_from_slice(b"body");
        seal(KEY, 5, &mut block);
        block
    }

    #[test]
    fn a_block_opens_under_its_own_key_only() {
        let block = sealed();
        assert_eq!(unseal(KEY, &block), Ok((5, &b"body"[..])));
        for other in [
            BlockKey { index: 4, ..KEY },
            BlockKey { run: 8, ..KEY },
            BlockKey { kind: BlockKind { number: 5, ..KEY.kind }, ..KEY },
        ] {
            assert!(unseal(other, &block).is_err(), "{other}");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let block = sealed();
        for at in 0..block.len() {
            for bit in 0..8 {
                let mut other = block.clone();
                other[at] ^= 1 << bit;
                assert!(unseal(KEY, &other).is_err(), "byte {at} bit {bit}");
            }
            assert!(unseal(KEY, &block[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_format_is_told_from_damage() {
        for format in OLDEST_FORMAT - 1..=FORMAT + 1 {
            let mut block = sealed();
            block[4] = format;
            let sum = checksum(KEY, &block[..CHECKSUM_AT], &block[HEADER_BYTES..]);
            block[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
            let expected = match format {
                OLDEST_FORMAT..=FORMAT => Ok((5, &b"body"[..])),
                _ => Err(Unsealed::Version(format)),
            };
            assert_eq!(unseal(KEY, &block), expected, "{format}");
        }
    }
}
