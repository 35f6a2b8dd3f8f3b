//! What the store was made with: one record in pieces, in run 0, written when the store is made and never again.

use crate::model::settings::Settings;
use crate::store::backend::Backend;
use crate::store::block::{self, BLOCK_BYTES, BlockKey, BlockKind, Loss};
use crate::store::codec::{self, Bytes};
use crate::store::error::StoreError;
use crate::store::kind::{CheckedBlock, KindSpec, Renewal};
use crate::store::manifest::Manifest;
use crate::store::run::{self, NewRun, Run, RunEntry, RunWriter};

const KIND: BlockKind = BlockKind::new(2, "settings", Loss::StoreReplayed);

/// The kind of block.
pub(crate) const SPEC: KindSpec = KindSpec { kind: KIND, check: check_run, merge: None, renewal: Renewal::Copied };

/// Writes the settings of a store.
pub(crate) fn write(settings: &Settings, run: NewRun) -> Result<Option<Run>, StoreError> {
    let mut bytes = Vec::new();
    codec::encode(settings, &mut bytes).map_err(StoreError::Invalid)?;
    let mut writer = RunWriter::new(KIND, run);
    for chunk in bytes.chunks(BLOCK_BYTES) {
        let mut block = block::blank();
        codec::encode(&Bytes(chunk), &mut block).map_err(StoreError::Invalid)?;
        writer.push(block, 1)?;
    }
    Ok(writer.finish()?.map(Run::from))
}

/// Reads the settings of a store.
pub(crate) fn read(backend: &dyn Backend, manifest: &Manifest) -> Result<Settings, StoreError> {
    let mut bytes = Vec::new();
    let mut last = BlockKey { kind: KIND, run: 0, index: 0 };
    for run in manifest.of(KIND) {
        for key in run.keys_of(KIND) {
            bytes.extend(read_piece(backend, run, key)?);
            last = key;
        }
    }
    codec::decode(&bytes).map_err(|what| run::damaged(backend, last, what))
}

fn read_piece(backend: &dyn Backend, run: &RunEntry, key: BlockKey) -> Result<Vec<u8>, StoreError> {
    run::read(backend, key, run.generation, |body| Ok(codec::decode::<Bytes<'_>>(body)?.0.to_vec()))
}

fn check_run(backend: &dyn Backend, run: &Run, found: CheckedBlock<'_>) -> Result<(), StoreError> {
    run.keys_of(KIND).try_for_each(|key| found(key, read_piece(backend, run, key).map(drop)))
}
