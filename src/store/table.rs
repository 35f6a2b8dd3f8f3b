//! Tables: rows in ascending order of a key, of which a later run overrides an earlier one.
//!
//! `seen`, links and sources are tables. A row is written as its difference from the row before it in the block.

use std::iter::Peekable;
use std::vec;

use serde::{Deserialize, Serialize};

use crate::model::digest::EventHash;
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Witness};
use crate::model::source::{Source, SourceId};
use crate::model::time::Time;
use crate::store::backend::Backend;
use crate::store::block::{self, BLOCK_BYTES, BlockKey, HEADER_BYTES, Kind};
use crate::store::codec::{self, Bytes};
use crate::store::column::{self, Reader};
use crate::store::error::StoreError;
use crate::store::run::{self, Run, RunEntry, RunWriter};

/// Bytes of a block beside its rows: the header, their count and their length.
const OVERHEAD: usize = HEADER_BYTES + 8;

/// A row of a table.
pub(crate) trait Row: Sized + Clone {
    /// The kind of its blocks.
    const KIND: Kind;
    /// What rows are ordered by; a table holds each key once.
    type Key: Ord + Copy;
    fn key(&self) -> Self::Key;
    /// Appends the row, given the one before it in the block.
    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>);
    /// Reads what [`write`](Self::write) wrote; `None` where that cannot be it.
    fn read(before: Option<&Self>, from: &mut Reader<'_>) -> Option<Self>;
}

/// The body of a block.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    rows: u32,
    #[serde(borrow)]
    bytes: Bytes<'a>,
}

/// A block with `rows` rows of `bytes`.
pub(crate) fn pack(rows: u32, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut block = block::blank();
    codec::encode(&Body { rows, bytes: Bytes(bytes) }, &mut block).map_err(StoreError::Invalid)?;
    Ok(block)
}

/// The rows of a block's body, each read by `read`.
pub(crate) fn unpack<T>(
    body: &[u8],
    mut read: impl FnMut(Option<&T>, &mut Reader<'_>) -> Option<T>,
) -> Result<Vec<T>, String> {
    let body: Body<'_> = codec::decode(body)?;
    let mut from = Reader::new(body.bytes.0);
    let mut rows = Vec::new();
    for _ in 0..body.rows {
        let row = read(rows.last(), &mut from).ok_or("a row cannot be read")?;
        rows.push(row);
    }
    if from.is_done() { Ok(rows) } else { Err("something follows the last row".into()) }
}

/// Writes rows, ascending, into the blocks of a run.
pub(crate) struct TableWriter<'a, R> {
    run: RunWriter<'a>,
    bytes: Vec<u8>,
    rows: u32,
    before: Option<R>,
}

impl<'a, R: Row> TableWriter<'a, R> {
    pub(crate) fn new(backend: &'a dyn Backend, number: u32, generation: u64) -> Self {
        let run = RunWriter::new(backend, R::KIND, number, generation);
        Self { run, bytes: Vec::new(), rows: 0, before: None }
    }

    pub(crate) fn push(&mut self, row: R) -> Result<(), StoreError> {
        let start = self.bytes.len();
        row.write(self.before.as_ref(), &mut self.bytes);
        if self.rows > 0 && self.bytes.len() + OVERHEAD > BLOCK_BYTES {
            self.bytes.truncate(start);
            self.cut()?;
            row.write(None, &mut self.bytes);
        }
        self.rows += 1;
        self.before = Some(row);
        Ok(())
    }

    fn cut(&mut self) -> Result<(), StoreError> {
        if self.rows > 0 {
            self.run.push(pack(self.rows, &self.bytes)?, u64::from(self.rows))?;
        }
        self.bytes.clear();
        self.rows = 0;
        self.before = None;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Option<Run>, StoreError> {
        self.cut()?;
        Ok(self.run.finish()?.map(Run::from))
    }
}

/// Reads one run of a table, block by block.
struct TableReader<'a, R> {
    backend: &'a dyn Backend,
    run: RunEntry,
    next: u32,
    rows: Peekable<vec::IntoIter<R>>,
}

impl<'a, R: Row> TableReader<'a, R> {
    fn peek(&mut self) -> Result<Option<R::Key>, StoreError> {
        while self.rows.peek().is_none() {
            if self.next == self.run.blocks {
                return Ok(None);
            }
            self.rows = read_block::<R>(self.backend, &self.run, self.next)?.into_iter().peekable();
            self.next += 1;
        }
        Ok(self.rows.peek().map(Row::key))
    }
}

/// The rows of one block, which ascend.
pub(crate) fn read_block<R: Row>(backend: &dyn Backend, entry: &RunEntry, index: u32) -> Result<Vec<R>, StoreError> {
    let key = BlockKey { kind: R::KIND, run: entry.number, index };
    run::read(backend, key, entry.generation, |body| {
        let rows = unpack(body, R::read)?;
        if rows.windows(2).all(|pair| pair[0].key() < pair[1].key()) {
            Ok(rows)
        } else {
            Err("its rows are out of order".into())
        }
    })
}

/// The rows of several runs in ascending order; of equal keys the one of the latest run.
pub(crate) struct Table<'a, R> {
    /// The oldest first.
    runs: Vec<TableReader<'a, R>>,
}

impl<'a, R: Row> Table<'a, R> {
    pub(crate) fn new(backend: &'a dyn Backend, runs: impl IntoIterator<Item = RunEntry>) -> Self {
        let reader = |run| TableReader { backend, run, next: 0, rows: Vec::new().into_iter().peekable() };
        Self { runs: runs.into_iter().map(reader).collect() }
    }

    pub(crate) fn next(&mut self) -> Result<Option<R>, StoreError> {
        let mut least = None;
        for run in &mut self.runs {
            if let Some(key) = run.peek()? {
                least = Some(least.map_or(key, |known: R::Key| known.min(key)));
            }
        }
        let mut latest = None;
        for run in &mut self.runs {
            if let Some(row) = run.rows.next_if(|row| Some(row.key()) == least) {
                latest = Some(row);
            }
        }
        Ok(latest)
    }

    pub(crate) fn collect(mut self) -> Result<Vec<R>, StoreError> {
        let mut rows = Vec::new();
        while let Some(row) = self.next()? {
            rows.push(row);
        }
        Ok(rows)
    }
}

/// The difference of two times, which wraps: what matters is that it adds up again.
fn since(time: Time, before: Option<Time>) -> i64 {
    time.as_micros().wrapping_sub(before.map_or(0, Time::as_micros))
}

fn after(before: Option<Time>, micros: i64) -> Time {
    Time::from_micros(before.map_or(0, Time::as_micros).wrapping_add(micros))
}

/// The difference of two ids of rows that ascend.
fn step(id: u32, before: Option<u32>) -> u64 {
    u64::from(id.wrapping_sub(before.unwrap_or(0)))
}

fn stepped(before: Option<u32>, from: &mut Reader<'_>) -> Option<u32> {
    before.unwrap_or(0).checked_add(from.u32()?)
}

impl Row for (IdentityId, Seen) {
    const KIND: Kind = Kind::Seen;
    type Key = IdentityId;

    fn key(&self) -> IdentityId {
        self.0
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        column::put(out, step(self.0.0, before.map(|row| row.0.0)));
        column::put_time(out, since(self.1.first, before.map(|row| row.1.first)));
        column::put_time(out, since(self.1.last, Some(self.1.first)));
        column::put(out, self.1.events);
    }

    fn read(before: Option<&Self>, from: &mut Reader<'_>) -> Option<Self> {
        let id = stepped(before.map(|row| row.0.0), from)?;
        let first = after(before.map(|row| row.1.first), from.time()?);
        Some((IdentityId(id), Seen { first, last: after(Some(first), from.time()?), events: from.u64()? }))
    }
}

impl Row for Link {
    const KIND: Kind = Kind::Links;
    type Key = (IdentityId, IdentityId);

    fn key(&self) -> Self::Key {
        (self.lower, self.higher)
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        column::put(out, step(self.lower.0, before.map(|row| row.lower.0)));
        column::put(out, u64::from(self.higher.0));
        column::put_time(out, since(self.first, before.map(|row| row.first)));
        column::put_time(out, since(self.last, Some(self.first)));
        column::put(out, self.count);
        // The anchor is mostly the lower end.
        column::put(out, column::zigzag(i64::from(self.witness.anchor.0) - i64::from(self.lower.0)));
        out.extend_from_slice(&self.witness.event.0.to_le_bytes());
    }

    fn read(before: Option<&Self>, from: &mut Reader<'_>) -> Option<Self> {
        let lower = IdentityId(stepped(before.map(|row| row.lower.0), from)?);
        let higher = IdentityId(from.u32()?);
        let first = after(before.map(|row| row.first), from.time()?);
        let last = after(Some(first), from.time()?);
        let count = from.u64()?;
        let anchor = i64::from(lower.0).checked_add(column::unzigzag(from.u64()?))?;
        let event = EventHash(u128::from_le_bytes(from.take(16)?.try_into().ok()?));
        let witness = Witness { event, anchor: IdentityId(anchor.try_into().ok()?) };
        Some(Self { lower, higher, first, witness, last, count })
    }
}

impl Row for (SourceId, Source) {
    const KIND: Kind = Kind::Sources;
    type Key = SourceId;

    fn key(&self) -> SourceId {
        self.0
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        column::put(out, step(self.0.0, before.map(|row| row.0.0)));
        let mut bytes = Vec::new();
        // Names and numbers always encode; were it otherwise, the empty row would be found out when it is read.
        let _ = codec::encode(&self.1, &mut bytes);
        column::put(out, bytes.len() as u64);
        out.extend_from_slice(&bytes);
    }

    fn read(before: Option<&Self>, from: &mut Reader<'_>) -> Option<Self> {
        let id = stepped(before.map(|row| row.0.0), from)?;
        let length = from.u32()? as usize;
        Some((SourceId(id), codec::decode(from.take(length)?).ok()?))
    }
}
