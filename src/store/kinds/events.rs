//! Events, by anchor, and the directory of their blocks. Their bytes are the matter of [`events`](crate::store::events) and
//! [`decoded`](crate::store::decoded).

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::store::backend::Backend;
use crate::store::block::{BlockKey, BlockKind};
use crate::store::decoded::DecodedEvents;
use crate::store::directory::{self, EventRunWriter};
use crate::store::error::StoreError;
use crate::store::events::{COUNTED, EVENTS, EventBlock, EventWriter, WRITTEN, kind_of};
use crate::store::kind::{CheckedBlock, KindSpec, Merging, Renewal};
use crate::store::run::{DIRECTORY, NewRun, Run};
use crate::store::scan::Events;
use crate::store::table;

/// Events that one thread unites at a time: two megabytes of blocks, and a hundred times as many as those in blocks that two pieces read.
const EVENTS_A_PIECE: u64 = 1 << 16;

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
    let mut writer = EventRunWriter::new(kind_of(first), into);
    let pieces = events.pieces((events.rows() / EVENTS_A_PIECE) as usize + 1);
    let mut waiting = Vec::new();
    // While some pieces are united, those before them are written.
    for pieces in pieces.chunks(rayon::current_num_threads()).chain([&[][..]]) {
        let unite = || pieces.par_iter().map(|piece| united(&events, piece.clone())).collect::<Result<Vec<_>, _>>();
        let write = || waiting.drain(..).flatten().try_for_each(|block| writer.push(block));
        let (pieces, written) = rayon::join(unite, write);
        written?;
        waiting = pieces?;
    }
    writer.finish()
}

/// The events of some anchors, encoded.
fn united(events: &Events, anchors: Range<u32>) -> Result<Vec<EventBlock>, StoreError> {
    let mut writer = EventWriter::new();
    let mut scan = events.deliveries(anchors);
    while let Some(group) = scan.next()? {
        writer.push(group.anchor(), group.events())?;
    }
    writer.finish()
}
