//! The manifest: what the store holds, as of one commit.
//!
//! It is written last, by one small write, into one of two slots in turn (generation modulo two), so the one of
//! the commit before stays whole until this one is durable. Its size is bounded: runs are merged as they come to
//! be many, and what grows (sources, directories) lies in runs of its own.

use serde::{Deserialize, Serialize};

use crate::model::history::Epoch;
use crate::model::time::Time;
use crate::store::backend::Backend;
use crate::store::block::{self, BlockKey, BlockKind, Loss, Unsealed};
use crate::store::codec;
use crate::store::error::{Damage, StoreError};
use crate::store::run::Run;

/// The kind of the block that a manifest lies in.
pub(crate) const MANIFEST: BlockKind = BlockKind::new(1, "manifest", Loss::StoreReplayed);

/// The largest number of a commit or of a change. No store gives as many in its life; beyond it, adding up could overflow.
pub(crate) const MAX_NUMBER: u64 = 1 << 62;

/// How much the store holds, as of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct StoreTotals {
    /// Identities in all.
    pub identities: u64,
    /// Sources in all.
    pub sources: u64,
    /// The number of the last record of the change feed.
    pub sequence: u64,
    /// The number of the last one that was trimmed.
    pub trimmed: u64,
    /// Lower-case names by id.
    pub namespaces: Vec<String>,
}

/// What the store holds, as of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The commit.
    pub generation: u64,
    /// When it was made, by the clock of the machine; never before the one before it.
    pub at: Time,
    /// The epoch of the store.
    pub epoch: Epoch,
    /// The number of the next run.
    pub next_run: u32,
    /// How much of everything.
    pub totals: StoreTotals,
    /// The runs, of each kind the oldest first.
    pub runs: Vec<Run>,
    /// Runs that no longer count but may still lie in the backend, with the commit that retired them.
    pub retired: Vec<(u64, Run)>,
}

/// Where the manifest of `generation` lies.
pub(crate) fn slot(generation: u64) -> BlockKey {
    BlockKey { kind: MANIFEST, run: 0, index: (generation % 2) as u32 }
}

impl Manifest {
    /// That of a store without a commit.
    pub(crate) fn empty(epoch: Epoch) -> Self {
        let (totals, runs, retired) = Default::default();
        Self { generation: 0, at: Time::from_micros(0), epoch, next_run: 0, totals, runs, retired }
    }

    /// The manifest as the block that is stored.
    pub(crate) fn sealed(&self) -> Result<(BlockKey, Vec<u8>), StoreError> {
        let mut block = block::blank();
        codec::encode(self, &mut block).map_err(StoreError::Invalid)?;
        let key = slot(self.generation);
        block::seal(key, self.generation, &mut block);
        Ok((key, block))
    }

    /// The runs of a kind, the oldest first.
    pub(crate) fn of(&self, kind: BlockKind) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.kind == kind.number())
    }
}

/// What the two slots say.
#[derive(Debug)]
pub(crate) struct Slots {
    /// The manifest of the last commit; `None` when neither slot can be read.
    pub latest: Option<Manifest>,
    /// Slots that hold something unreadable: torn by a crash in a commit, or damaged since.
    pub unreadable: Vec<Damage>,
}

/// Reads both slots and takes the later one.
pub(crate) fn read(backend: &dyn Backend) -> Result<Slots, StoreError> {
    let mut slots = Slots { latest: None, unreadable: Vec::new() };
    for key in [slot(0), slot(1)] {
        let Some(stored) = backend.get(&key.bytes())? else { continue };
        match parse(key, &stored) {
            Ok(manifest) => {
                if slots.latest.as_ref().is_none_or(|known| known.generation < manifest.generation) {
                    slots.latest = Some(manifest);
                }
            }
            Err(Unsealed::Version(found)) => {
                let what = format!("format {found}");
                return Err(StoreError::Version { store: backend.name(), what });
            }
            Err(Unsealed::Damaged(what)) => {
                slots.unreadable.push(Damage { store: backend.name(), block: Some(key), what });
            }
        }
    }
    Ok(slots)
}

fn parse(key: BlockKey, stored: &[u8]) -> Result<Manifest, Unsealed> {
    let (generation, body) = block::unseal(key, stored)?;
    let manifest: Manifest = codec::decode(body).map_err(Unsealed::Damaged)?;
    if manifest.generation != generation || slot(generation) != key {
        return Err(Unsealed::Damaged("its generation is wrong".into()));
    }
    if [generation, manifest.totals.sequence, manifest.totals.trimmed].iter().any(|&number| number > MAX_NUMBER) {
        return Err(Unsealed::Damaged("its numbers cannot be right".into()));
    }
    Ok(manifest)
}
