//! Which commit was the last? Told outside of the database, which cannot be asked.
//!
//! sled ends its log at the first record that it cannot read, and takes what came before for all there is: one flipped bit, or a
//! file cut short, and a store is silently an older one. So each commit also writes a *record* of itself to a small file
//! beside the database, in one of two slots in turn, after its manifest is durable. The record is thus never ahead of the
//! manifest, and a crash leaves it behind by one commit at most. An opening compares them, and refuses a store whose manifest
//! is not vouched for.
//!
//! The record names the store's *epoch*, as the manifest does, so that the files of two stores do not pass for one.

use serde::{Deserialize, Serialize};

use crate::model::history::Epoch;
use crate::model::time::Time;
use crate::store::backend::Backend;
use crate::store::block::{self, BlockKey, BlockKind, Loss, Unsealed};
use crate::store::codec;
use crate::store::error::{Damage, Doubt, Older, StoreError};
use crate::store::manifest::{MAX_NUMBER, Manifest};

/// The kind of the block that a record lies in.
pub(crate) const LAST_COMMIT: BlockKind = BlockKind::new(0, "last-commit", Loss::Accepted);

/// By how much numbers that no record is left of are skipped: more than any store gives in its life, and still only the
/// square root of what there is.
const LEAP: u64 = 1 << 32;

/// What a commit was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommitRecord {
    /// Its number.
    pub generation: u64,
    /// The epoch of the store.
    pub epoch: Epoch,
    /// The number of the last record of the change feed by then.
    pub sequence: u64,
    /// When it was made, by the clock of the machine.
    pub at: Time,
}

/// Where the record of `generation` lies.
fn slot(generation: u64) -> BlockKey {
    BlockKey { kind: LAST_COMMIT, run: 0, index: (generation % 2) as u32 }
}

impl CommitRecord {
    /// That of the commit which wrote `manifest`.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let Manifest { generation, epoch, at, ref totals, .. } = *manifest;
        Self { generation, epoch, sequence: totals.sequence, at }
    }

    /// Puts it into its slot. It is durable once the backend is synced.
    pub(crate) fn put(&self, backend: &dyn Backend) -> Result<(), StoreError> {
        let mut block = block::blank();
        codec::encode(self, &mut block).map_err(StoreError::Invalid)?;
        let key = slot(self.generation);
        block::seal(key, self.generation, &mut block);
        Ok(backend.put(vec![(key.bytes(), block)])?)
    }
}

/// What the two slots say.
#[derive(Debug)]
pub(crate) struct Records {
    /// What can be read, the latest last.
    pub told: Vec<CommitRecord>,
    /// Slots that hold something unreadable.
    pub unreadable: Vec<Damage>,
}

/// Reads both slots.
pub(crate) fn read(backend: &dyn Backend) -> Result<Records, StoreError> {
    let mut records = Records { told: Vec::new(), unreadable: Vec::new() };
    for key in [slot(0), slot(1)] {
        let Some(stored) = backend.get(&key.bytes())? else { continue };
        match parse(key, &stored) {
            Ok(record) => records.told.push(record),
            Err(Unsealed::Version(found)) => {
                return Err(StoreError::Version { store: backend.name(), what: format!("format {found}") });
            }
            Err(Unsealed::Damaged(what)) => {
                records.unreadable.push(Damage { store: backend.name(), block: Some(key), what });
            }
        }
    }
    records.told.sort_unstable_by_key(|record| record.generation);
    Ok(records)
}

fn parse(key: BlockKey, stored: &[u8]) -> Result<CommitRecord, Unsealed> {
    let (generation, body) = block::unseal(key, stored)?;
    let record: CommitRecord = codec::decode(body).map_err(Unsealed::Damaged)?;
    if record.generation != generation || slot(generation) != key {
        return Err(Unsealed::Damaged("its generation is wrong".into()));
    }
    if generation.max(record.sequence) > MAX_NUMBER {
        return Err(Unsealed::Damaged("its numbers cannot be right".into()));
    }
    Ok(record)
}

/// What a store lacks that is older than its last commit, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missing {
    /// How many commits.
    pub commits: u64,
    /// How many records of the change feed.
    pub changes: u64,
}

/// What a record says of the manifest that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vouched {
    /// It is that of the last commit.
    Last,
    /// It is that of a commit which was cut short before its record was durable.
    CutShort,
}

impl Records {
    /// Whether the last commit is the one that wrote `manifest`.
    pub(crate) fn vouch(&self, store: impl FnOnce() -> String, manifest: &Manifest) -> Result<Vouched, StoreError> {
        let holds = manifest.generation;
        let own: Vec<&CommitRecord> = self.told.iter().filter(|record| record.epoch == manifest.epoch).collect();
        let doubt = match *own {
            [.., last] if last.generation > holds => Doubt::Was { generation: last.generation, at: last.at },
            [.., last] if last.generation + 1 == holds => return Ok(Vouched::CutShort),
            [before, last] if last.generation == holds && before.generation + 1 == holds => return Ok(Vouched::Last),
            [.., last] if last.generation == holds => {
                Doubt::Unknown("one of two records in the file last-commit is damaged")
            }
            [.., _] => Doubt::Unknown("the file last-commit is older than the store"),
            [] if !self.told.is_empty() => Doubt::Unknown("the file last-commit is that of another store"),
            [] if !self.unreadable.is_empty() => Doubt::Unknown("the file last-commit is damaged"),
            [] => Doubt::Unknown("the file last-commit is missing"),
        };
        Err(StoreError::Older(Box::new(Older { store: store(), holds, last: doubt })))
    }

    /// Whether a copy of a store, whose records were copied before `manifest` was, may be of one moment.
    pub(crate) fn precede(&self, manifest: &Manifest) -> bool {
        let own = self.told.iter().filter(|record| record.epoch == manifest.epoch);
        own.map(|record| record.generation).max().is_some_and(|last| last <= manifest.generation)
    }

    /// What a store lacks whose manifest is `held`.
    pub(crate) fn missing(&self, held: &Manifest) -> Missing {
        let own = || self.told.iter().filter(|record| record.epoch == held.epoch);
        let last = own().map(|record| record.generation).max().unwrap_or(0);
        let changes = own().map(|record| record.sequence).max().unwrap_or(0);
        Missing { commits: last.saturating_sub(held.generation), changes: changes.saturating_sub(held.totals.sequence) }
    }

    /// A commit and a record of the feed that were never given, nor any after them, by all that is known; given what the store
    /// holds.
    pub(crate) fn beyond(&self, manifest: &Manifest) -> (u64, u64) {
        let known = self.told.iter().map(|record| (record.generation, record.sequence));
        let held = (manifest.generation, manifest.totals.sequence);
        let last = known.fold(held, |last, record| (last.0.max(record.0), last.1.max(record.1)));
        let leap = if self.told.len() < 2 { LEAP } else { 0 };
        (last.0 + 1 + leap, last.1 + 1 + leap)
    }
}
