//! Identities, in the order of their ids: an id is not stored, it is the place of its row.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::identity::{IdentityId, Value};
use crate::model::namespace::NamespaceId;
use crate::store::backend::Backend;
use crate::store::block::{self, BLOCK_BYTES, BlockKey, BlockKind, HEADER_BYTES, Loss};
use crate::store::codec::{self, Bytes};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::error::StoreError;
use crate::store::index::{self, IdentityIndexBuilder, Starts};
use crate::store::kind::{CheckedBlock, KindSpec, Merging, Renewal};
use crate::store::run::{self, NewRun, Run, RunEntry, RunWriter};
use crate::store::table;

const KIND: BlockKind = BlockKind::new(3, "identities", Loss::Salvaged);

/// The kind of block. Runs are merged by appending them: no identity occurs twice.
pub(crate) const SPEC: KindSpec = KindSpec {
    kind: KIND,
    check: check_run,
    merge: Some(Merging { indexed: true, live: table::all_rows, merge: append }),
    renewal: Renewal::Rows(renew),
};

/// In the column of lengths: a UUID, without a length. A text has its length plus one.
const UUID: u64 = 0;

/// Bytes beside the columns: the header, the count and four lengths.
const OVERHEAD: usize = HEADER_BYTES + 20;

#[derive(Serialize, Deserialize)]
struct IdentityBody<'a> {
    rows: u32,
    /// Pairs of a namespace and how many of it follow.
    #[serde(borrow)]
    namespaces: Bytes<'a>,
    lengths: Bytes<'a>,
    uuids: Bytes<'a>,
    texts: Bytes<'a>,
}

/// Writes identities into the blocks of a run.
pub(crate) struct IdentityWriter {
    run: RunWriter,
    rows: u32,
    /// The namespace at hand, and how many identities in a row are of it.
    namespace: (NamespaceId, u64),
    namespaces: Vec<u8>,
    lengths: Vec<u8>,
    uuids: Vec<u8>,
    texts: Vec<u8>,
    index: IdentityIndexBuilder,
}

impl IdentityWriter {
    pub(crate) fn new(run: NewRun) -> Self {
        Self {
            run: RunWriter::new(KIND, run),
            rows: 0,
            namespace: (NamespaceId::SESSION, 0),
            namespaces: Vec::new(),
            lengths: Vec::new(),
            uuids: Vec::new(),
            texts: Vec::new(),
            index: IdentityIndexBuilder::new(),
        }
    }

    pub(crate) fn push(&mut self, namespace: NamespaceId, value: Value<'_>) -> Result<(), StoreError> {
        let room = match value {
            Value::Uuid(_) => 16,
            Value::Text(text) => text.len(),
        };
        let taken = self.namespaces.len() + self.lengths.len() + self.uuids.len() + self.texts.len();
        if self.rows > 0 && taken + room + OVERHEAD > BLOCK_BYTES {
            self.cut()?;
        }
        if self.namespace.0 != namespace {
            self.end_namespace();
            self.namespace.0 = namespace;
        }
        self.namespace.1 += 1;
        self.rows += 1;
        self.index.push(namespace, value);
        match value {
            Value::Uuid(bytes) => {
                column::put(&mut self.lengths, UUID);
                self.uuids.extend_from_slice(&bytes);
            }
            Value::Text(text) => {
                column::put(&mut self.lengths, text.len() as u64 + 1);
                self.texts.extend_from_slice(text.as_bytes());
            }
        }
        Ok(())
    }

    fn end_namespace(&mut self) {
        if self.namespace.1 > 0 {
            column::put(&mut self.namespaces, u64::from(self.namespace.0.0));
            column::put(&mut self.namespaces, self.namespace.1);
        }
        self.namespace.1 = 0;
    }

    fn cut(&mut self) -> Result<(), StoreError> {
        self.end_namespace();
        if self.rows > 0 {
            let body = IdentityBody {
                rows: self.rows,
                namespaces: Bytes(&self.namespaces),
                lengths: Bytes(&self.lengths),
                uuids: Bytes(&self.uuids),
                texts: Bytes(&self.texts),
            };
            let mut block = block::blank();
            codec::encode(&body, &mut block).map_err(StoreError::Invalid)?;
            self.run.push(block, u64::from(self.rows))?;
            self.index.end_block();
        }
        self.rows = 0;
        for column in [&mut self.namespaces, &mut self.lengths, &mut self.uuids, &mut self.texts] {
            column.clear();
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Option<Run>, StoreError> {
        self.cut()?;
        index::write(&mut self.run, self.index.blocks()?)?;
        Ok(self.run.finish()?.map(Run::from))
    }
}

/// Calls back with every identity of the run, in the order of their ids; says how many there were.
pub(crate) fn read_run(
    backend: &dyn Backend,
    entry: &RunEntry,
    each: &mut dyn FnMut(NamespaceId, Value<'_>) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let mut count = 0;
    for index in 0..entry.blocks {
        count += read_block(backend, entry, index, each)?;
    }
    Ok(count)
}

fn check_run(backend: &dyn Backend, run: &Run, found: CheckedBlock<'_>) -> Result<(), StoreError> {
    // Where the seed cannot be read, neither can the index.
    let seed = Starts::read(backend, run, 0).map_or(0, |starts| starts.seed);
    let (mut index, mut is_whole) = (IdentityIndexBuilder::with_seed(seed), true);
    for key in run.keys_of(KIND) {
        let read = read_block(backend, run, key.index, &mut |namespace, value| {
            index.push(namespace, value);
            Ok(())
        });
        index.end_block();
        is_whole &= read.is_ok();
        found(key, read.map(drop))?;
    }
    match is_whole && index::is_indexed(run) {
        true => index::check(backend, run, &index.blocks()?, found),
        false => Ok(()),
    }
}

fn append(backend: &Arc<dyn Backend>, runs: &[Run], into: NewRun) -> Result<Option<Run>, StoreError> {
    let mut writer = IdentityWriter::new(into);
    for run in runs {
        read_run(&**backend, run, &mut |namespace, value| writer.push(namespace, value))?;
    }
    writer.finish()
}

fn renew(
    backend: &Arc<dyn Backend>,
    runs: &[Run],
    into: NewRun,
    erased: &Erased<'_>,
) -> Result<Option<Run>, StoreError> {
    let mut writer = IdentityWriter::new(into);
    let mut id = IdentityId(0);
    for run in runs {
        read_run(&**backend, run, &mut |namespace, value| {
            let stays = erased.id(id).is_some();
            id.0 += 1;
            if stays { writer.push(namespace, value) } else { Ok(()) }
        })?;
    }
    writer.finish()
}

/// The same for one block.
pub(crate) fn read_block(
    backend: &dyn Backend,
    entry: &RunEntry,
    index: u32,
    each: &mut dyn FnMut(NamespaceId, Value<'_>) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let key = BlockKey { kind: KIND, run: entry.number, index };
    // A failure of `each` is not one of the block.
    let mut failed = None;
    let rows = run::read(backend, key, entry.generation, |body| {
        let body: IdentityBody<'_> = codec::decode(body)?;
        parse(&body, |namespace, value| {
            if failed.is_none() {
                failed = each(namespace, value).err();
            }
        })
        .ok_or("an identity cannot be read")?;
        Ok(u64::from(body.rows))
    })?;
    failed.map_or(Ok(rows), Err)
}

fn parse(body: &IdentityBody<'_>, mut each: impl FnMut(NamespaceId, Value<'_>)) -> Option<()> {
    let mut namespaces = ColumnReader::new(body.namespaces.0);
    let mut lengths = ColumnReader::new(body.lengths.0);
    let mut uuids = ColumnReader::new(body.uuids.0);
    let mut texts = ColumnReader::new(body.texts.0);
    let mut namespace = (NamespaceId::SESSION, 0);
    for _ in 0..body.rows {
        if namespace.1 == 0 {
            namespace = (NamespaceId(namespaces.u64()?.try_into().ok()?), namespaces.u64()?);
        }
        namespace.1 = namespace.1.checked_sub(1)?;
        let value = match lengths.u64()? {
            UUID => Value::Uuid(uuids.take(16)?.try_into().ok()?),
            length => {
                let length = usize::try_from(length - 1).ok()?;
                Value::Text(simdutf8::basic::from_utf8(texts.take(length)?).ok()?)
            }
        };
        each(namespace.0, value);
    }
    Some(())
}
