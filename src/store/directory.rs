//! Directories: which anchors each block of a run of events holds. Twelve bytes a block in memory, about six stored.

use crate::model::event::Event;
use crate::model::identity::IdentityId;
use crate::store::backend::Backend;
use crate::store::block::{BlockKey, BlockKind};
use crate::store::column::{self, ColumnReader};
use crate::store::decoded::DecodedEvents;
use crate::store::error::StoreError;
use crate::store::events::{EventBlock, EventWriter, kind_of};
use crate::store::packed::{pack, unpack};
use crate::store::run::{self, DIRECTORY, DirectorySlot, NewRun, Run, RunEntry, RunWriter};

/// Entries of one block of a directory: about [`BLOCK_BYTES`](crate::store::block::BLOCK_BYTES) at six bytes each.
const ENTRIES: usize = 1_000;

fn write_slot(slot: DirectorySlot, before: Option<DirectorySlot>, out: &mut Vec<u8>) {
    column::put(out, u64::from(slot.first.wrapping_sub(before.map_or(0, |before| before.last))));
    column::put(out, u64::from(slot.last.wrapping_sub(slot.first)));
    column::put(out, u64::from(slot.events));
}

fn read_slot(before: Option<&DirectorySlot>, from: &mut ColumnReader<'_>) -> Option<DirectorySlot> {
    let first = before.map_or(0, |before| before.last).checked_add(from.u32()?)?;
    let last = first.checked_add(from.u32()?)?;
    Some(DirectorySlot { first, last, events: from.u32()? })
}

/// A run of events with its directory, which is read.
pub(crate) fn read(backend: &dyn Backend, entry: RunEntry) -> Result<Run, StoreError> {
    let mut slots: Vec<DirectorySlot> = Vec::with_capacity(entry.blocks.min(1 << 20) as usize);
    let mut key = BlockKey { kind: DIRECTORY, run: entry.number, index: 0 };
    for index in 0..entry.directory {
        key.index = index;
        slots.extend(run::read(backend, key, entry.generation, |body| unpack(body, read_slot))?);
    }
    let rows: u64 = slots.iter().map(|slot| u64::from(slot.events)).sum();
    let ascends = slots.is_sorted_by(|one, next| one.last <= next.first);
    if slots.len() != entry.blocks as usize || rows != entry.rows || !ascends {
        return Err(run::damaged(backend, key, "it does not fit the manifest"));
    }
    Ok(Run::with_directory(entry, slots))
}

/// A run whose directory is lost, with one worked out from its blocks. An unreadable block holds nothing, but has its place, so
/// that a reader that comes to it meets the error.
pub(crate) fn recover(backend: &dyn Backend, entry: RunEntry) -> Result<Run, StoreError> {
    let mut slots: Vec<DirectorySlot> = Vec::new();
    let mut events = DecodedEvents::default();
    for key in entry.keys_of(kind_of(&entry)) {
        slots.push(match events.read(backend, &entry, key) {
            Ok(()) => events.slot(),
            Err(error) if error.is_damage() => {
                let anchor = slots.last().map_or(0, |before| before.last);
                DirectorySlot { first: anchor, last: anchor, events: 0 }
            }
            Err(error) => return Err(error),
        });
    }
    Ok(Run::with_directory(entry, slots))
}

/// Writes a run of events, and its directory.
pub(crate) struct EventRunWriter {
    run: RunWriter,
    directory: Vec<DirectorySlot>,
}

impl EventRunWriter {
    /// Of one of the kinds that hold events.
    pub(crate) fn new(kind: BlockKind, run: NewRun) -> Self {
        Self { run: RunWriter::new(kind, run), directory: Vec::new() }
    }

    pub(crate) fn push(&mut self, block: EventBlock) -> Result<(), StoreError> {
        self.push_raw(DirectorySlot { first: block.first.0, last: block.last.0, events: block.events }, block.block)
    }

    /// Adds a block with room for its header.
    pub(crate) fn push_raw(&mut self, slot: DirectorySlot, block: Vec<u8>) -> Result<(), StoreError> {
        self.directory.push(slot);
        self.run.push(block, u64::from(slot.events))
    }

    pub(crate) fn finish(mut self) -> Result<Option<Run>, StoreError> {
        for slots in self.directory.chunks(ENTRIES) {
            let (mut bytes, mut before) = (Vec::new(), None);
            for &slot in slots {
                write_slot(slot, before, &mut bytes);
                before = Some(slot);
            }
            self.run.push_directory(pack(slots.len() as u32, &bytes)?)?;
        }
        let directory = self.directory;
        Ok(self.run.finish()?.map(|entry| Run::with_directory(entry, directory)))
    }
}

/// Writes groups, ascending, into a run, holding no more than a few blocks.
pub(crate) struct GroupWriter {
    run: EventRunWriter,
    writer: EventWriter,
}

impl GroupWriter {
    /// Of one of the kinds that hold events.
    pub(crate) fn new(kind: BlockKind, run: NewRun) -> Self {
        Self { run: EventRunWriter::new(kind, run), writer: EventWriter::new() }
    }

    pub(crate) fn push<'e>(
        &mut self,
        anchor: IdentityId,
        events: impl IntoIterator<Item = Event<'e>>,
    ) -> Result<(), StoreError> {
        self.writer.push(anchor, events)?;
        self.writer.take_full().into_iter().try_for_each(|block| self.run.push(block))
    }

    pub(crate) fn finish(mut self) -> Result<Option<Run>, StoreError> {
        self.writer.finish()?.into_iter().try_for_each(|block| self.run.push(block))?;
        self.run.finish()
    }
}
