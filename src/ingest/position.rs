//! How a file is known again.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::xxh3_64;

use crate::model::source::{FileState, Fingerprint, Position};
use crate::model::time::Time;

/// Bytes at the start and at the end of a file that tell it from others. Many activities each, at the cost of two small reads.
pub const FINGERPRINT_BYTES: u64 = 64 << 10;

/// What a position says of the file that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Everything in it was consumed.
    Done,
    /// It goes on from the position.
    Goes,
    /// It is another file, or was cut.
    Other,
}

/// What `file` is now.
pub(super) fn look(file: &mut File, metadata: &Metadata) -> io::Result<FileState> {
    let bytes = metadata.len();
    let part = bytes.min(FINGERPRINT_BYTES);
    let (head, tail) = (fingerprint(file, 0, part)?, fingerprint(file, bytes - part, part)?);
    Ok(FileState { bytes, modified: modified(metadata), head, tail })
}

/// Whether `file` is still what it was at `position`. Reads nothing where size and time have not changed.
pub(super) fn compare(file: &mut File, metadata: &Metadata, position: &Position) -> io::Result<Known> {
    let Some(before) = &position.file else { return Ok(Known::Other) };
    let same_size = metadata.len() == before.bytes;
    let untouched = same_size && before.modified.is_some() && modified(metadata) == before.modified;
    if !(untouched || metadata.len() >= before.bytes && same_content(file, before)?) {
        return Ok(Known::Other);
    }
    Ok(if same_size && position.complete { Known::Done } else { Known::Goes })
}

fn same_content(file: &mut File, before: &FileState) -> io::Result<bool> {
    let FileState { bytes, head, tail, modified: _ } = *before;
    let Some(tail_start) = bytes.checked_sub(tail.bytes) else { return Ok(false) };
    Ok(fingerprint(file, 0, head.bytes)? == head && fingerprint(file, tail_start, tail.bytes)? == tail)
}

fn modified(metadata: &Metadata) -> Option<Time> {
    let time = jiff::Timestamp::try_from(metadata.modified().ok()?).ok()?;
    Some(Time::from_micros(time.as_microsecond()))
}

/// Of `bytes` bytes from `start`, or of as many as there are.
fn fingerprint(file: &mut File, start: u64, bytes: u64) -> io::Result<Fingerprint> {
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(bytes).read_to_end(&mut content)?;
    Ok(Fingerprint { bytes: content.len() as u64, hash: xxh3_64(&content) })
}
