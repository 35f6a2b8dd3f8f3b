//! How a file is known again.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::xxh3_64;

use crate::model::source::{Fingerprint, Position};
use crate::model::time::Time;

/// Bytes at the start and at the end of a file that tell it from others. Many activities each, at the cost of two small reads.
pub const FINGERPRINT_BYTES: u64 = 64 << 10;

/// What a file was when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    pub bytes: u64,
    modified: Option<Time>,
    head: Fingerprint,
    tail: Fingerprint,
}

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

impl FileState {
    pub fn look(file: &mut File, metadata: &Metadata) -> io::Result<Self> {
        let bytes = metadata.len();
        let part = bytes.min(FINGERPRINT_BYTES);
        let (head, tail) = (fingerprint(file, 0, part)?, fingerprint(file, bytes - part, part)?);
        Ok(Self { bytes, modified: modified(metadata), head, tail })
    }

    /// The position with `bytes` and `lines` consumed.
    pub fn position(&self, bytes: u64, lines: u64, complete: bool) -> Position {
        let Self { bytes: file_bytes, modified, head, tail } = *self;
        Position { bytes, lines, complete, file_bytes, modified, head, tail }
    }
}

/// Whether `file` is still what `position` was taken of. Reads nothing where size and time have not changed.
pub(super) fn compare(file: &mut File, metadata: &Metadata, position: &Position) -> io::Result<Known> {
    let same_size = metadata.len() == position.file_bytes;
    let untouched = same_size && position.modified.is_some() && modified(metadata) == position.modified;
    if !(untouched || metadata.len() >= position.file_bytes && same_content(file, position)?) {
        return Ok(Known::Other);
    }
    Ok(if same_size && position.complete { Known::Done } else { Known::Goes })
}

fn same_content(file: &mut File, position: &Position) -> io::Result<bool> {
    let Position { file_bytes, head, tail, .. } = *position;
    let Some(tail_start) = file_bytes.checked_sub(tail.bytes) else { return Ok(false) };
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
