//! Sources and how far each was read, by id.

use crate::model::source::{Source, SourceId, Within};
use crate::store::block::{BlockKind, Loss};
use crate::store::codec;
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::TableRow;

impl TableRow for (SourceId, Source) {
    const KIND: BlockKind = BlockKind::new(6, "sources", Loss::Salvaged);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = |totals, _| totals.sources;
    type Key = SourceId;

    fn key(&self) -> SourceId {
        self.0
    }

    fn merge(self, later: Self) -> Self {
        later
    }

    fn without(mut self, erased: &Erased<'_>) -> Option<Self> {
        if let Some(hash) = (erased.hidden)(&self.1.name) {
            self.1.name = hash.source_name();
        }
        self.1.pushed = self.1.pushed.filter(|pushed| (erased.hidden)(pushed).is_none());
        Some(self)
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        column::put_step(out, self.0.0, before.map(|row| row.0.0));
        let mut bytes = Vec::new();
        // Names and numbers always encode; were it otherwise, the empty row would be found when it is read.
        let within = self.1.position.as_ref().map_or(Within::Lines, |position| position.within);
        let _ = match within {
            Within::Lines => codec::encode(&self.1, &mut bytes),
            Within::Values | Within::Array | Within::Wrapper => codec::encode(&(&self.1, within), &mut bytes),
        };
        column::put(out, bytes.len() as u64);
        out.extend_from_slice(&bytes);
    }

    fn read(before: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let id = from.step(before.map(|row| row.0.0))?;
        let length = from.u32()? as usize;
        Some((SourceId(id), source(from.take(length)?)?))
    }
}

/// The record of a source, and what its position stands in where that follows.
fn source(bytes: &[u8]) -> Option<Source> {
    if let Ok(source) = codec::decode(bytes) {
        return Some(source);
    }
    let (mut source, within): (Source, Within) = codec::decode(bytes).ok()?;
    source.position.as_mut()?.within = within;
    Some(source)
}
