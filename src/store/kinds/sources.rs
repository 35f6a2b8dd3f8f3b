//! Sources and how far each was read, by id.

use crate::model::source::{Source, SourceId};
use crate::store::block::{BlockKind, Loss};
use crate::store::codec;
use crate::store::column::{self, ColumnReader};
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

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        column::put_step(out, self.0.0, before.map(|row| row.0.0));
        let mut bytes = Vec::new();
        // Names and numbers always encode; were it otherwise, the empty row would be found when it is read.
        let _ = codec::encode(&self.1, &mut bytes);
        column::put(out, bytes.len() as u64);
        out.extend_from_slice(&bytes);
    }

    fn read(before: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let id = from.step(before.map(|row| row.0.0))?;
        let length = from.u32()? as usize;
        Some((SourceId(id), codec::decode(from.take(length)?).ok()?))
    }
}
