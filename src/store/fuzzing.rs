//! A way in for `fuzz/`, compiled with the feature `fuzzing` alone: what is in a block, without the checksum before it, which no
//! fuzzer guesses.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::backend::{Backend, MemoryBackend};
use crate::store::block::{self, BlockKey, HEADER_BYTES};
use crate::store::codec;
use crate::store::directory;
use crate::store::error::StoreError;
use crate::store::events::EVENT_KINDS;
use crate::store::index::{IndexSort, Starts};
use crate::store::kind::KindSpec;
use crate::store::kinds::KINDS;
use crate::store::last_commit::{self, CommitRecord, LAST_COMMIT};
use crate::store::manifest::{self, MANIFEST, Manifest};
use crate::store::run::{DIRECTORY, NewRun, Run, RunEntry};

/// The generation of every block that is made here.
const GENERATION: u64 = 1;

/// Keys and values of a store.
pub type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn put(entries: &mut Entries, key: BlockKey, generation: u64, body: &[u8]) {
    let mut block = block::blank();
    block.extend_from_slice(body);
    block::seal(key, generation, &mut block);
    entries.insert(key.bytes(), block);
}

/// Reads `body` as that of a block of the kind at this place in the list, counted around it. What can be read must merge with
/// itself, and what that gives must be readable.
///
/// # Errors
/// When what was read cannot be merged, or not be read after: a defect.
pub fn read_block(kind: u8, body: &[u8]) -> Result<(), StoreError> {
    let Some(spec) = KINDS.get(usize::from(kind) % KINDS.len()) else { return Ok(()) };
    let holds_events = EVENT_KINDS.contains(&spec.kind);
    let run = |number| RunEntry {
        kind: spec.kind.number(),
        number,
        generation: GENERATION,
        blocks: 1,
        directory: u32::from(holds_events),
        rows: 1,
        bytes: body.len() as u64,
    };
    let mut entries = Entries::new();
    let entry = run(1);
    put(&mut entries, BlockKey { kind: spec.kind, run: 1, index: 0 }, GENERATION, body);
    put(&mut entries, BlockKey { kind: spec.kind, run: 2, index: 0 }, GENERATION, body);
    put(&mut entries, BlockKey { kind: DIRECTORY, run: 1, index: 0 }, GENERATION, body);
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::holding(entries));
    let read = |entry| if holds_events { directory::recover(&*backend, entry) } else { Ok(Run::from(entry)) };
    if spec.kind == DIRECTORY {
        let _ = directory::read(&*backend, RunEntry { directory: 1, ..entry });
        return Ok(());
    }
    // As if it were the index of a run without rows.
    let index = RunEntry { blocks: 0, directory: 1, ..entry };
    let _ = Starts::read(&*backend, &index, 0);
    for sort in [IndexSort::Hashes, IndexSort::Ends] {
        let _ = sort.read_block(&*backend, &index, 0);
    }
    let run_of_it = read(entry)?;
    let (Some(merging), true) = (spec.merge, is_readable(spec, &*backend, &run_of_it)) else { return Ok(()) };
    let into = NewRun { backend: Arc::clone(&backend), number: 3, generation: GENERATION };
    match (merging.merge)(&backend, &[run_of_it, read(run(2))?], into)? {
        Some(merged) => (spec.check)(&*backend, &merged, &mut |_, read| read),
        None => Ok(()),
    }
}

/// Whether the only block of the run can be read. That of a directory, which is read along with it, does not matter here.
fn is_readable(spec: &KindSpec, backend: &dyn Backend, run: &Run) -> bool {
    let mut readable = true;
    let checked = (spec.check)(backend, run, &mut |key, read| {
        readable &= read.is_ok() || key.kind == DIRECTORY;
        Ok(())
    });
    checked.is_ok() && readable
}

/// A store whose manifest is `body`, vouched for by its records; of nothing else there is a block.
pub fn with_manifest(body: &[u8]) -> Entries {
    let mut entries = Entries::new();
    match codec::decode::<Manifest>(body) {
        Ok(manifest) => {
            put(&mut entries, manifest::slot(manifest.generation), manifest.generation, body);
            let backend = MemoryBackend::holding(entries);
            let record = CommitRecord::of(&manifest);
            let before = CommitRecord { generation: record.generation.wrapping_sub(1), ..record.clone() };
            for record in [before, record] {
                let _ = record.put(&backend);
            }
            backend.entries()
        }
        Err(_) => {
            put(&mut entries, BlockKey { kind: MANIFEST, run: 0, index: 0 }, 0, body);
            entries
        }
    }
}

/// Puts `body` into the place of one of a store's two records of its last commits, sealed for the generation that it tells of.
pub fn with_record(mut entries: Entries, body: &[u8]) -> Entries {
    let generation = codec::decode::<CommitRecord>(body).map_or(0, |record| record.generation);
    let key = BlockKey { kind: LAST_COMMIT, run: 0, index: (generation % 2) as u32 };
    put(&mut entries, key, generation, body);
    entries
}

/// What the records tell of a store whose manifest is the one in `entries`: no number may overflow.
pub fn read_records(entries: Entries) {
    let backend = MemoryBackend::holding(entries);
    let records = last_commit::read(&backend);
    let manifest = manifest::read(&backend).ok().and_then(|slots| slots.latest);
    if let (Ok(records), Some(manifest)) = (records, manifest) {
        let _ = records.vouch(|| backend.name(), &manifest);
        let _ = (records.precede(&manifest), records.missing(&manifest), records.beyond(&manifest));
    }
}

/// The kind and the bodies of a store's blocks, to begin from.
pub fn bodies(entries: &Entries) -> Vec<(u8, Vec<u8>)> {
    let place = |key: &[u8]| KINDS.iter().position(|spec| Some(&spec.kind.number()) == key.first());
    let body = |(key, block): (&Vec<u8>, &Vec<u8>)| Some((place(key)? as u8, block.get(HEADER_BYTES..)?.to_vec()));
    entries.iter().filter_map(body).collect()
}

/// Seals a block again whose body was changed.
pub fn seal_again(key: &[u8], block: &mut [u8]) {
    let number = |at: usize| key.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_be_bytes);
    let spec = KINDS.iter().find(|spec| Some(&spec.kind.number()) == key.first());
    let generation = block.get(8..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u64::from_le_bytes);
    if let Some(spec) = spec {
        block::seal(BlockKey { kind: spec.kind, run: number(1), index: number(5) }, generation, block);
    }
}
