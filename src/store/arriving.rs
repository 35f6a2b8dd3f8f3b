//! Events on their way into the store, read as stored ones are before any run of the store holds them.

use std::ops::Range;
use std::sync::Arc;

use crate::store::backend::MemoryBackend;
use crate::store::block::BlockKind;
use crate::store::directory::EventRunWriter;
use crate::store::error::StoreError;
use crate::store::events::{COUNTED, EVENTS, EventBlock};
use crate::store::run::{NewRun, Run};
use crate::store::scan::Events;

/// Blocks that are read together: half a megabyte, which is copied for it.
const BLOCKS_A_PIECE: usize = 64;

/// Events that a commit adds, as they count, encoded.
#[derive(Debug, Clone, Copy)]
pub struct Arriving<'b> {
    /// Those that count as they were written.
    pub plain: &'b [EventBlock],
    /// What others count as.
    pub counted: &'b [EventBlock],
}

impl Arriving<'_> {
    /// Ranges of anchors, ascending, that together hold all of them.
    pub fn pieces(&self) -> Vec<Range<u32>> {
        let mut starts: Vec<u32> = self.plain.iter().step_by(BLOCKS_A_PIECE).map(|block| block.first.0).collect();
        match starts.first_mut() {
            Some(first) => *first = 0,
            None => starts.push(0),
        }
        starts.dedup();
        let ends = starts.iter().copied().skip(1).chain([u32::MAX]);
        starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
    }

    /// Those that have one of these anchors, and perhaps some more.
    ///
    /// # Errors
    /// None that a block which can be committed could meet.
    pub fn events_of(&self, anchors: &Range<u32>) -> Result<Events, StoreError> {
        let backend = Arc::new(MemoryBackend::default());
        let mut runs: Vec<Run> = Vec::new();
        for (kind, blocks) in [(EVENTS, self.plain), (COUNTED, self.counted)] {
            let from = blocks.partition_point(|block| block.last.0 < anchors.start);
            let to = blocks.partition_point(|block| block.first.0 < anchors.end);
            let run =
                NewRun { backend: Arc::<MemoryBackend>::clone(&backend), number: runs.len() as u32, generation: 0 };
            runs.extend(copy(kind, blocks.get(from..to).unwrap_or_default(), run)?);
        }
        Ok(Events::of(backend, runs))
    }
}

fn copy(kind: BlockKind, blocks: &[EventBlock], run: NewRun) -> Result<Option<Run>, StoreError> {
    let mut writer = EventRunWriter::new(kind, run);
    blocks.iter().try_for_each(|block| writer.push(block.clone()))?;
    writer.finish()
}
