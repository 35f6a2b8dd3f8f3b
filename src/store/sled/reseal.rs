//! How does a repair open a database in which a record is damaged? It gives each record whose checksum does not hold a new one, for the bytes that
//! it has now.
//!
//! The database takes such a record for the end of its segment and leaves out all behind it. Where the only copy of a page was there,
//! the database does not open any more, and one flipped bit would cost every block. Each block has a checksum of its own, with its key in
//! it: once the database opens, the store finds the block that is damaged.
//!
//! How it lays out its log, which is that of the version named in `Cargo.toml`:
//! - A segment of `SEGMENT_BYTES` begins with its checksum, the position of its first byte in the log, and one that is not needed here, each masked.
//! - Records follow: checksum, kind, length, number of the segment, page, then so many bytes. Numbers are [varints](number).
//! - A file of a page that is too large for that begins with its checksum.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::store::sled::{BLOBS, DATABASE, SEGMENT_BYTES, is_free};

const SEGMENT_HEADER_BYTES: usize = 20;

/// A record does not begin nearer to the end of a segment.
const NO_RECORD_BYTES: usize = 32;

/// How many places of a segment are tried that look like the beginning of a whole record: each costs a checksum of a segment at most.
const MAX_SEEMING: usize = 1_000;

/// The kind of what is skipped, such as a write that was given up.
const CANCELED: u8 = 1;
/// The kind of what fills the rest of a segment.
const CAP: u8 = 2;
/// The largest kind that there is.
const LAST_KIND: u8 = 11;

/// A record of a segment.
struct LogRecord {
    kind: u8,
    at: usize,
    body: usize,
    end: usize,
}

impl LogRecord {
    /// The one that seems to begin at `at` in the segment of this number.
    fn read(segment: &[u8], at: usize, number: u64) -> Option<Self> {
        let kind = *segment.get(at + 4).filter(|kind| (CANCELED..=LAST_KIND).contains(kind))?;
        let (length, after) = read_number(segment, at + 5)?;
        let (segment_number, after) = read_number(segment, after)?;
        let (_page, body) = read_number(segment, after).filter(|_| segment_number == number)?;
        let end = body.checked_add(usize::try_from(length).ok()?).filter(|end| *end <= segment.len())?;
        Some(Self { kind, at, body, end })
    }

    /// The checksum it should have.
    fn checksum(&self, segment: &[u8]) -> Option<[u8; 4]> {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(segment.get(self.body..self.end)?);
        checksum.update(segment.get(self.at + 4..self.body)?);
        Some((!checksum.finalize()).to_le_bytes())
    }

    fn is_whole(&self, segment: &[u8]) -> bool {
        segment.get(self.at..self.at + 4) == self.checksum(segment).as_ref().map(<[u8; 4]>::as_slice)
    }

    fn seal(&self, segment: &mut [u8]) -> Option<()> {
        let checksum = self.checksum(segment)?;
        segment.get_mut(self.at..self.at + 4)?.copy_from_slice(&checksum);
        Some(())
    }
}

/// A number, and where the next begins: a byte up to 240, two up to 2287, three up to 67823, or how many more there are, the least first.
fn read_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let byte = |at: usize| bytes.get(at).map(|byte| u64::from(*byte));
    Some(match byte(at)? {
        small @ ..=240 => (small, at + 1),
        first @ 241..=248 => (240 + 256 * (first - 241) + byte(at + 1)?, at + 2),
        249 => (2288 + 256 * byte(at + 1)? + byte(at + 2)?, at + 3),
        first => {
            let end = at + 1 + (first - 247) as usize;
            (bytes.get(at + 1..end)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)), end)
        }
    })
}

/// The bytes of a number below 2^24.
fn number(number: usize) -> Vec<u8> {
    match number {
        ..=240 => vec![number as u8],
        241..=2_287 => vec![((number - 240) / 256 + 241) as u8, ((number - 240) % 256) as u8],
        2_288..=67_823 => vec![249, ((number - 2_288) / 256) as u8, ((number - 2_288) % 256) as u8],
        _ => vec![250, number as u8, (number >> 8) as u8, (number >> 16) as u8],
    }
}

/// Seals records whose checksums do not hold again. What is not even a record is made one that is skipped, where a whole one comes behind it. Says whether
/// there was any. A database that another process has open is left alone.
pub(super) fn reseal(folder: &Path) -> io::Result<bool> {
    let mut file = File::options().read(true).write(true).open(folder.join(DATABASE))?;
    if !is_free(&file) {
        return Ok(false);
    }
    let mut any = reseal_log(&mut file)?;
    for entry in fs::read_dir(folder.join(BLOBS))? {
        let path = entry?.path();
        // Those of the database have numbers.
        if path.is_file() && path.file_name().is_some_and(|name| name.to_string_lossy().parse::<u64>().is_ok()) {
            any |= reseal_page(&path)?;
        }
    }
    Ok(any)
}

fn reseal_log(file: &mut File) -> io::Result<bool> {
    let mut any = false;
    let mut segment = Vec::with_capacity(SEGMENT_BYTES);
    for start in (0..file.metadata()?.len()).step_by(SEGMENT_BYTES) {
        segment.clear();
        file.seek(SeekFrom::Start(start))?;
        file.take(SEGMENT_BYTES as u64).read_to_end(&mut segment)?;
        if number_of(&segment).is_some_and(|number| reseal_segment(&mut segment, number)) {
            file.seek(SeekFrom::Start(start))?;
            file.write_all(&segment)?;
            any = true;
        }
    }
    file.sync_all()?;
    Ok(any)
}

/// The same of a page that has a file of its own.
fn reseal_page(path: &Path) -> io::Result<bool> {
    let page = fs::read(path)?;
    let Some((checksum, content)) = page.split_first_chunk::<4>() else { return Ok(false) };
    let right = crc32fast::hash(content).to_le_bytes();
    if *checksum == right {
        return Ok(false);
    }
    let mut file = File::options().write(true).open(path)?;
    file.write_all(&right)?;
    file.sync_all()?;
    Ok(true)
}

/// The number of a segment whose header holds.
fn number_of(segment: &[u8]) -> Option<u64> {
    let (checksum, header) = segment.get(..SEGMENT_HEADER_BYTES)?.split_first_chunk::<4>()?;
    let (position, _) = header.split_first_chunk::<8>()?;
    let holds = !u32::from_le_bytes(*checksum) == crc32fast::hash(header);
    let position = (u64::from_le_bytes(*position) ^ i64::MAX as u64) / SEGMENT_BYTES as u64;
    holds.then_some(position)
}

fn reseal_segment(segment: &mut [u8], number: u64) -> bool {
    let mut any = false;
    let mut seeming_left = MAX_SEEMING;
    let mut at = SEGMENT_HEADER_BYTES;
    while at + NO_RECORD_BYTES <= segment.len() {
        let record = match LogRecord::read(segment, at, number) {
            Some(record) => record,
            None => match cancel(segment, at, number, &mut seeming_left) {
                Some(canceled) => canceled,
                None => break,
            },
        };
        if record.kind == CAP {
            break;
        }
        if !record.is_whole(segment) {
            any |= record.seal(segment).is_some();
        }
        at = record.end;
    }
    any
}

/// Makes what lies between `at` and the next whole record one that is skipped; it is not sealed yet.
fn cancel(segment: &mut [u8], at: usize, segment_number: u64, seeming_left: &mut usize) -> Option<LogRecord> {
    let seeming = (at + 1..segment.len()).filter_map(|at| LogRecord::read(segment, at, segment_number));
    let mut tried = seeming.take(*seeming_left).inspect(|_| *seeming_left -= 1);
    let next = tried.find(|record| record.is_whole(segment))?.at;
    let segment_number = number(usize::try_from(segment_number).ok().filter(|number| *number < 1 << 24)?);
    // All that is not the length itself: checksum, kind, number of the segment, page.
    let rest = 4 + 1 + segment_number.len() + 1;
    let of_length =
        |bytes: usize| Some(number((next - at).checked_sub(rest + bytes)?)).filter(|length| length.len() == bytes);
    let length = (1..=4).find_map(of_length)?;
    let body = at + rest + length.len();
    let header = [&[CANCELED][..], &length, &segment_number, &[0]].concat();
    segment.get_mut(at + 4..body)?.copy_from_slice(&header);
    Some(LogRecord { kind: CANCELED, at, body, end: next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::backend::Backend;
    use crate::store::sled::SledBackend;
    use crate::store::sled::leaves::LEAF_KEYS;

    const BLOCKS: u16 = 300;

    fn key(at: u16) -> Vec<u8> {
        [&[5, 0, 0][..], &at.to_be_bytes()].concat()
    }

    /// Longer than a hundredth of a segment, and of its own.
    fn value(at: u16) -> Vec<u8> {
        at.to_be_bytes().repeat(4_000)
    }

    /// A database whose file is changed by `damage` in front of each copy of some values, then sealed again: the blocks that are not as they were.
    fn lost(damage: impl Fn(&mut [u8], usize)) -> Vec<u16> {
        let folder = tempfile::tempdir().unwrap();
        let backend = SledBackend::open(folder.path()).unwrap();
        backend.put((0..BLOCKS).map(|at| (key(at), value(at))).collect()).unwrap();
        backend.sync().unwrap();
        drop(backend);
        assert!(!reseal(folder.path()).unwrap(), "all of it is whole");
        let database = folder.path().join(DATABASE);
        let mut bytes = fs::read(&database).unwrap();
        for at in [40, 150, 151, 200] {
            let value = value(at);
            let places: Vec<usize> = memchr::memmem::find_iter(&bytes, &value).collect();
            assert!(!places.is_empty());
            places.into_iter().for_each(|place| damage(&mut bytes, place));
        }
        fs::write(&database, bytes).unwrap();
        assert!(reseal(folder.path()).unwrap());
        assert!(!reseal(folder.path()).unwrap(), "once is enough");
        let backend = SledBackend::open(folder.path()).unwrap();
        (0..BLOCKS).filter(|at| backend.get(&key(*at)).ok().flatten() != Some(value(*at))).collect()
    }

    #[test]
    fn a_damaged_value_costs_no_other() {
        assert_eq!(lost(|bytes, place| bytes[place + 5_000] ^= 4), [40, 150, 151, 200]);
    }

    #[test]
    fn without_its_header_a_record_is_skipped_and_those_behind_it_stay() {
        let lost = lost(|bytes, place| bytes[place - 16..place].fill(0));
        // The database reads no page that lacks a record.
        assert!((4..=4 * LEAF_KEYS).contains(&lost.len()), "{lost:?}");
    }

    #[test]
    fn a_page_in_a_file_of_its_own_is_sealed_and_what_is_not_the_databases_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let large = |byte: u8| vec![byte; SEGMENT_BYTES / 2];
        let backend = SledBackend::open(folder.path()).unwrap();
        backend.put((0..4).map(|at| (key(at), large(at as u8 + 1))).collect()).unwrap();
        backend.sync().unwrap();
        drop(backend);
        fs::write(folder.path().join(BLOBS).join("notes"), "mine").unwrap();
        let mut pages: Vec<_> =
            fs::read_dir(folder.path().join(BLOBS)).unwrap().map(|page| page.unwrap().path()).collect();
        pages.retain(|page| !page.ends_with("notes"));
        assert!(!pages.is_empty());
        for page in pages {
            let mut bytes = fs::read(&page).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 64;
            fs::write(&page, bytes).unwrap();
        }
        assert!(reseal(folder.path()).unwrap());
        assert!(!reseal(folder.path()).unwrap());
        assert_eq!(fs::read(folder.path().join(BLOBS).join("notes")).unwrap(), b"mine");
        let backend = SledBackend::open(folder.path()).unwrap();
        for at in 0..4 {
            let value = backend.get(&key(at)).unwrap().unwrap();
            assert!(value.iter().filter(|byte| **byte != at as u8 + 1).count() <= 1, "{at}");
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for at in (0..70_000).chain([1 << 17, (1 << 24) - 1]) {
            let bytes = number(at);
            assert_eq!(read_number(&bytes, 0), Some((at as u64, bytes.len())));
            assert_eq!(read_number(&bytes[..bytes.len() - 1], 0), None);
        }
        assert_eq!(read_number(&[255, 1, 0, 0, 0, 0, 0, 0, 2], 0), Some((2 << 56 | 1, 9)));
    }
}
