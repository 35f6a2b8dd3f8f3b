//! A copy of a store, as of its last commit.

use std::fs;
use std::path::Path;

use crate::model::history::Epoch;
use crate::store::backend::Backend;
use crate::store::error::StoreError;
use crate::store::kinds;
use crate::store::last_commit::CommitRecord;
use crate::store::manifest::Manifest;
use crate::store::open::Store;
use crate::store::run;
use crate::store::sled::{Folder, SledBackend};

/// Blocks that are copied at a time: some megabytes.
const BLOCKS: usize = 512;

impl Store {
    /// Copies every block that counts into a store of its own at `path`, where there is nothing yet. The copy is in an epoch of its
    /// own: what becomes of the two from now on differs. It is a store once it is whole, and not before.
    ///
    /// # Errors
    /// When there is something at `path`, a block is damaged, or the copy cannot be written.
    pub fn backup(&self, path: &Path) -> Result<(), StoreError> {
        let name = path.display().to_string();
        match SledBackend::look(path)? {
            Folder::Empty => {}
            Folder::InStore => return Err(StoreError::InStore(name)),
            // Another database, perhaps: nothing of it may go.
            Folder::Unmarked | Folder::Store | Folder::Foreign => return Err(StoreError::Taken(name)),
        }
        let is_new = !path.exists();
        let copied = SledBackend::open(path).map_err(StoreError::from).and_then(|to| self.copy_to(to));
        if copied.is_err() && is_new {
            // Half a copy would stand in the way of the next.
            let _ = fs::remove_dir_all(path);
        }
        copied
    }

    fn copy_to(&self, to: SledBackend) -> Result<(), StoreError> {
        let held = self.ledger.manifest();
        for run in &held.runs {
            for keys in kinds::blocks(run).chunks(BLOCKS) {
                let blocks = keys.iter().map(|&key| {
                    let block = run::stored(self.backend(), key, run.generation)?;
                    Ok((key.bytes(), block))
                });
                to.put(blocks.collect::<Result<_, StoreError>>()?)?;
            }
        }
        to.sync()?;
        let copy = Manifest { epoch: Epoch::drawn(), retired: Vec::new(), ..held.clone() };
        let (key, block) = copy.sealed()?;
        to.put(vec![(key.bytes(), block)])?;
        to.sync()?;
        let record = CommitRecord::of(&copy);
        CommitRecord { generation: record.generation - 1, ..record.clone() }.put(&to)?;
        record.put(&to)?;
        to.sync()?;
        Ok(to.mark()?)
    }
}
