//! Events, by anchor, and the directory of their blocks. Their bytes are the matter of [`events`](crate::store::events) and
//! [`decoded`](crate::store::decoded).

use std::sync::Arc;

use crate::store::backend::Backend;
use crate::store::block::{BlockKey, BlockKind};
use crate::store::decoded::DecodedEvents;
use crate::store::directory::{self, GroupWriter};
use crate::store::error::StoreError;
use crate::store::events::{COUNTED, EVENTS, WRITTEN, kind_of};
use crate::store::kind::{CheckedBlock, KindSpec, Merging, Renewal};
use crate::store::run::{DIRECTORY, NewRun, Run};
use crate::store::scan::Events;
use crate::store::table;

/// The kind of block. Of an event that lies in several runs one is left, with the sources of all.
pub(crate) const SPEC: KindSpec = spec(EVENTS);
pub(crate) const COUNTED_SPEC: KindSpec = spec(COUNTED);
pub(crate) const WRITTEN_SPEC: KindSpec = spec(WRITTEN);

const fn spec(kind: BlockKind) -> KindSpec {
    let merge = Some(Merging { indexed: false, live: table::all_rows, merge: unite });
    KindSpec { kind, check: check_run, merge, renewal: Renewal::HandedIn }
}

fn check_run(backend: &dyn Backend, run: &Run, found: CheckedBlock<'_>) -> Result<(), StoreError> {
    let mut events = DecodedEvents::default();
    for key in run.keys_of(kind_of(run)) {
        found(key, events.read(backend, run, key))?;
    }
    let key = BlockKey { kind: DIRECTORY, run: run.number, index: 0 };
    found(key, directory::read(backend, run.entry()).map(drop))
}

fn unite(backend: &Arc<dyn Backend>, runs: &[Run], into: NewRun) -> Result<Option<Run>, StoreError> {
    let Some(first) = runs.first() else { return Ok(None) };
    let events = Events::of(Arc::clone(backend), runs.to_vec());
    let mut writer = GroupWriter::new(kind_of(first), into);
    let mut scan = events.deliveries(0..u32::MAX);
    while let Some(group) = scan.next()? {
        writer.push(group.anchor(), group.events())?;
    }
    writer.finish()
}
