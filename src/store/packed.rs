//! The body of a block of rows: how many, and a column of them.

use serde::{Deserialize, Serialize};

use crate::store::block;
use crate::store::codec::{self, Bytes};
use crate::store::column::ColumnReader;
use crate::store::error::StoreError;

/// The body of a block.
#[derive(Serialize, Deserialize)]
struct TableBody<'a> {
    rows: u32,
    #[serde(borrow)]
    bytes: Bytes<'a>,
}

/// A block with `rows` rows of `bytes`.
pub(crate) fn pack(rows: u32, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut block = block::blank();
    codec::encode(&TableBody { rows, bytes: Bytes(bytes) }, &mut block).map_err(StoreError::Invalid)?;
    Ok(block)
}

/// The rows of a block's body, each read by `read`.
pub(crate) fn unpack<T>(
    body: &[u8],
    mut read: impl FnMut(Option<&T>, &mut ColumnReader<'_>) -> Option<T>,
) -> Result<Vec<T>, String> {
    let body: TableBody<'_> = codec::decode(body)?;
    let mut from = ColumnReader::new(body.bytes.0);
    // A row has a byte at least, so a damaged count asks for no more than the block can hold.
    let mut rows = Vec::with_capacity((body.rows as usize).min(body.bytes.0.len()));
    for _ in 0..body.rows {
        let row = read(rows.last(), &mut from).ok_or("a row cannot be read")?;
        rows.push(row);
    }
    if from.is_done() { Ok(rows) } else { Err("something follows the last row".into()) }
}
