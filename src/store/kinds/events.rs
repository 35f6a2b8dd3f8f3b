//! Events, by anchor, and the directory of their blocks. Their bytes are the matter of [`events`](crate::store::events) and
//! [`decoded`](crate::store::decoded).

use std::sync::Arc;

use crate::store::backend::Backend;
use crate::store::block::BlockKey;
use crate::store::decoded::DecodedEvents;
use crate::store::directory::{self, DIRECTORY, GroupWriter};
use crate::store::error::StoreError;
use crate::store::events::EVENTS;
use crate::store::kind::{CheckedBlock, KindSpec, Merging};
use crate::store::run::{NewRun, Run};
use crate::store::scan::Events;
use crate::store::table;

/// The kind of block. Of an event that lies in several runs one is left, with the sources of all.
pub(crate) const SPEC: KindSpec =
    KindSpec { kind: EVENTS, check: check_run, merge: Some(Merging { live: table::all_rows, merge: unite }) };

fn check_run(backend: &dyn Backend, run: &Run, found: CheckedBlock<'_>) -> Result<(), StoreError> {
    let mut events = DecodedEvents::default();
    for key in run.keys_of(EVENTS) {
        found(key, events.read(backend, run, key))?;
    }
    let key = BlockKey { kind: DIRECTORY, run: run.number, index: 0 };
    found(key, directory::read(backend, run.entry()).map(drop))
}

fn unite(backend: &Arc<dyn Backend>, runs: &[Run], into: NewRun) -> Result<Option<Run>, StoreError> {
    let events = Events { backend: Arc::clone(backend), runs: runs.to_vec() };
    let mut writer = GroupWriter::new(into);
    let mut scan = events.scan(0..u32::MAX);
    while let Some(group) = scan.next()? {
        writer.push(group.anchor(), group.events())?;
    }
    writer.finish()
}
