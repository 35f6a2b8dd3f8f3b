//! What survives a crash? Blocks, a codec, a manifest, recovery, and the one file that names the database.
//!
//! **Assumptions about the disk**: what was synced stays; of what was written since the last sync a crash keeps any
//! part, in any order, and may tear a value; a block may rot at any time.
//!
//! **A commit**, from the caller to the disk ([`Store::commit`]):
//! 1. it begins a *transaction* (`store/transaction.rs`), which holds the manifest that will be;
//! 2. where a kind has become many runs, neighbours are merged into one, block by block (`store/compact.rs`);
//! 3. its rows become blocks of about [`BLOCK_BYTES`](block), each sealed with its key, its generation and a checksum; nothing
//!    that lies there already is touched. The blocks of one kind and one commit are a *run* (`store/run.rs`);
//! 4. sync;
//! 5. the manifest, which names every run that counts, goes into the slot of the generation before last;
//! 6. sync: from here on the commit is what a crash leaves, and not before;
//! 7. a record of the commit goes into a small file outside of the database (`store/last_commit.rs`); sync;
//! 8. runs that were retired by an *earlier* commit are deleted, unless a reader still holds them.
//!
//! Trimming, retracting and repairing are transactions too: steps 4 to 8 are in one place.
//!
//! **Opening** takes the later of the two manifests whose checksum holds, and deletes blocks of runs that no manifest
//! has named yet: a commit that was cut short. It is refused where the record outside of the database tells of a later commit. After a failed commit the store takes no other until it is opened again.
//!
//! **A kind of block** is declared in one file, and listed in `store/kinds/mod.rs`: merging, checking, repairing and
//! sweeping go by that list.
//!
//! **Memory**: twelve bytes a block of events, and what a load hands out. Everything else is read block by block.
//!
//! What is read here may be damaged: nothing is indexed by it, which a lint holds.
#![deny(clippy::indexing_slicing)]

mod accept;
pub mod backend;
mod backup;
pub mod barred;
mod barring;
pub mod block;
mod codec;
mod column;
mod commit;
mod compact;
mod copied;
mod decoded;
mod directory;
pub mod erase;
pub mod erased;
pub mod error;
pub mod events;
pub mod excerpt;
pub mod fault;
pub mod feed;
pub mod find;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod glance;
mod index;
mod kind;
mod kinds;
mod known_at;
pub mod last_commit;
mod limits;
pub mod load;
mod manifest;
mod open;
mod packed;
pub mod point;
mod profiles;
mod quiet;
pub mod recount;
pub mod repair;
pub mod retract;
mod run;
pub mod salvage;
pub mod scan;
pub mod sled;
mod slots;
mod swap;
mod table;
mod totals;
mod transaction;
mod waiting;

#[cfg(test)]
mod tests;

pub use commit::Commit;
pub use last_commit::Missing;
pub use open::Store;

/// Every kind of block, by number.
pub fn block_kinds() -> impl Iterator<Item = block::BlockKind> {
    kinds::KINDS.iter().map(|spec| spec.kind)
}
