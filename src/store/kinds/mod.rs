//! The kinds of blocks. What a kind is, is declared in one file: what a row is and its key, how two rows of one key merge, how a
//! block is checked, what its loss means and what brings it back. To add one, add its file, and its line in [`KINDS`].

pub(crate) mod barred;
mod changes;
mod counts;
mod events;
pub(crate) mod history;
pub(crate) mod identities;
pub(crate) mod limits;
mod links;
pub(crate) mod recounts;
mod seen;
pub(crate) mod settings;
mod sources;
mod totals;
mod unlinks;

use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Unlink};
use crate::model::source::{Source, SourceId};
use crate::store::block::{self, BlockKey, BlockKind};
use crate::store::kind::KindSpec;
use crate::store::last_commit::LAST_COMMIT;
use crate::store::manifest::MANIFEST;
use crate::store::run::{DIRECTORY, RunEntry};

pub(crate) use changes::{Numbered, renumbered};

/// Every kind, by number. Merging, checking, repairing, sweeping and deleting go by this list.
pub(crate) const KINDS: &[KindSpec] = &[
    KindSpec::without_runs(LAST_COMMIT),
    KindSpec::without_runs(MANIFEST),
    settings::SPEC,
    identities::SPEC,
    KindSpec::table::<(IdentityId, Seen)>(),
    KindSpec::table::<Link>(),
    KindSpec::table::<(SourceId, Source)>(),
    events::SPEC,
    KindSpec::without_runs(DIRECTORY),
    KindSpec::table::<Numbered>(),
    KindSpec::table::<history::Past>(),
    KindSpec::table::<Unlink>(),
    events::COUNTED_SPEC,
    events::WRITTEN_SPEC,
    KindSpec::table::<barred::BarRow>(),
    KindSpec::table::<recounts::StoredRecount>(),
    KindSpec::table::<limits::StoredLimits>(),
    totals::SPEC,
    counts::SPEC,
];

#[expect(clippy::indexing_slicing, reason = "while compiling")]
const _: () = {
    let mut at = 1;
    while at < KINDS.len() {
        assert!(KINDS[at - 1].kind.number() < KINDS[at].kind.number(), "the numbers of the kinds ascend");
        at += 1;
    }
};

/// The kind of that number; `None` where a later version made it up.
#[expect(clippy::indexing_slicing, reason = "below the length of the list")]
const fn numbered(number: u8) -> Option<&'static KindSpec> {
    let mut at = 0;
    while at < KINDS.len() {
        if KINDS[at].kind.number() == number {
            return Some(&KINDS[at]);
        }
        at += 1;
    }
    None
}

/// Whether a kind is in the list: the compiler asks this of every kind whose rows are written.
pub(crate) const fn is_listed(kind: BlockKind) -> bool {
    numbered(kind.number()).is_some()
}

/// What a run is of; `None` where a later version made the kind up.
pub(crate) fn spec_of(run: &RunEntry) -> Option<&'static KindSpec> {
    numbered(run.kind)
}

/// The number of the run that a key of the backend belongs to; `None` where it is the key of no block of a store.
pub(crate) fn run_of(key: &[u8]) -> Option<u32> {
    let (kind, run) = block::kind_and_run(key)?;
    numbered(kind).map(|_| run)
}

/// Every block of a run.
pub(crate) fn blocks(run: &RunEntry) -> Vec<BlockKey> {
    let spec = spec_of(run);
    let blocks = spec.into_iter().flat_map(|spec| run.keys_of(spec.kind));
    match spec.and_then(|spec| spec.merge).is_some_and(|merging| merging.indexed) {
        true => blocks.chain(run.index_keys()).collect(),
        false => blocks.chain(run.directory_keys()).collect(),
    }
}

/// Every key that a run takes in the backend.
pub(crate) fn keys(run: &RunEntry) -> Vec<Vec<u8>> {
    blocks(run).into_iter().map(BlockKey::bytes).collect()
}
