//! The reader against the bytes that were written: nothing lost, nothing twice, whatever the compression and the chunks.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::ingest::chunk::{CHUNK_BYTES, Chunk};
use crate::ingest::error::IngestError;
use crate::ingest::inputs::Input;
use crate::ingest::position::FINGERPRINT_BYTES;
use crate::ingest::reader::{Again, Resumed, SourceReader, open, resume};
use crate::model::limits::MAX_REJECT_BYTES;
use crate::model::source::{FieldsHash, Position};

/// A file in a folder that goes with the test.
fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn reader(path: &Path, known: Option<&Position>) -> Option<SourceReader<'static>> {
    let input = Input::File(path.to_path_buf());
    match known {
        None => Some(open(&input, None).unwrap()),
        Some(known) => match resume(&input, known, Again { fields: FieldsHash(1), force: false }, None).unwrap() {
            Resumed::Reader(reader) => Some(*reader),
            Resumed::NothingNew => None,
            Resumed::OtherFields => panic!("they are the same"),
        },
    }
}

/// The position of a file that was read so far.
fn left(path: &Path, bytes: u64, lines: u64, complete: bool) -> Position {
    let position = reader(path, None).unwrap().start().position(FieldsHash(1)).unwrap();
    Position { bytes, lines, events: lines, complete, ..position }
}

fn read(reader: &mut SourceReader<'_>) -> (Vec<Chunk>, Option<IngestError>) {
    let mut chunks = Vec::new();
    loop {
        match reader.next_chunk(&mut Vec::new()) {
            Ok(Some(chunk)) => chunks.push(chunk),
            Ok(None) => return (chunks, None),
            Err(error) => return (chunks, Some(error)),
        }
    }
}

fn content(chunks: &[Chunk]) -> Vec<u8> {
    chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect()
}

/// Lines of all lengths, more than two chunks of them.
fn log() -> Vec<u8> {
    let mut log = Vec::new();
    for i in 0..60_000usize {
        writeln!(log, "{i} {}", "x".repeat(i * 7919 % 300)).unwrap();
    }
    assert!(log.len() > 2 * CHUNK_BYTES);
    log
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).unwrap()
}

/// A frame that holds nothing.
const SKIPPABLE: [u8; 11] = [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];

#[test]
fn whole_lines_whatever_the_compression() {
    let log = log();
    let (first, second) = log.split_at(log.len() / 3);
    let forms = [
        log.clone(),
        gzip(&log),
        [gzip(first), gzip(second)].concat(),
        zstd(&log),
        [SKIPPABLE.to_vec(), zstd(first), zstd(second)].concat(),
    ];
    for form in forms {
        let (_folder, path) = file(&form);
        let mut reader = reader(&path, None).unwrap();
        let (chunks, error) = read(&mut reader);
        assert!(error.is_none());
        assert!(content(&chunks) == log);
        assert!(chunks.len() > 2);
        let mut at = 0;
        for chunk in chunks {
            assert!(chunk.bytes.ends_with(b"\n") && chunk.bytes.len() <= CHUNK_BYTES);
            assert_eq!((chunk.start, chunk.end), (at, at + chunk.bytes.len() as u64));
            at = chunk.end;
        }
        assert_eq!(reader.file_bytes_read(), form.len() as u64);
    }
}

/// A frame with a window of `1 << log` bytes and an eighth of that more where `more` says so, and one block.
fn frame(log: u8, more: bool, content: &[u8]) -> Vec<u8> {
    let window = (log - 10) << 3 | u8::from(more);
    let block = (content.len() << 3 | 1).to_le_bytes();
    [&[0x28, 0xB5, 0x2F, 0xFD, 0, window], &block[..3], content].concat()
}

#[test]
fn a_stream_is_given_no_more_memory_than_zstd_gives_it() {
    for (log, more, accepted) in [(20, false, true), (27, false, true), (27, true, false), (31, false, false)] {
        let (_folder, path) = file(&[frame(17, false, b"a\n"), frame(log, more, b"b\n")].concat());
        let (chunks, error) = read(&mut reader(&path, None).unwrap());
        assert_eq!(content(&chunks), if accepted { &b"a\nb\n"[..] } else { b"a\n" }, "{log} {more}");
        assert_eq!(error.is_none(), accepted, "{log} {more}");
        if let Some(error) = error {
            let told = error.to_string();
            assert!(
                told.contains("a window of more than 128 MiB") && told.contains("what follows byte 2 of"),
                "{told}"
            );
        }
    }
}

#[test]
fn small_files() {
    for (content, bytes, unterminated) in
        [("a", "a", true), ("a\r\nb\n", "a\r\nb\n", false), ("\u{feff}a\n", "a\n", false), ("\u{feff}a", "a", true)]
    {
        let (_folder, path) = file(content.as_bytes());
        let (chunks, _) = read(&mut reader(&path, None).unwrap());
        let start = (content.len() - bytes.len()) as u64;
        let end = content.len() as u64;
        assert_eq!(chunks, [Chunk { start, end, unterminated, ..Chunk::whole(bytes) }]);
    }
    for content in ["", "\u{feff}"] {
        let (_folder, path) = file(content.as_bytes());
        assert_eq!(read(&mut reader(&path, None).unwrap()).0, []);
    }
}

#[test]
fn a_line_that_fits_no_chunk_is_passed_over() {
    let long = vec![b'x'; 3 * CHUNK_BYTES];
    for tail in ["\nb\n", ""] {
        let text = [b"a\n", &long[..], tail.as_bytes()].concat();
        let (_folder, path) = file(&text);
        let (chunks, _) = read(&mut reader(&path, None).unwrap());
        assert_eq!(chunks[0].bytes, b"a\n");
        let end = 2 + long.len() as u64 + u64::from(!tail.is_empty());
        let overlong = Some(long.len() as u64);
        let bytes = long[..MAX_REJECT_BYTES].to_vec();
        assert!(chunks[1] == Chunk { start: 2, end, unterminated: tail.is_empty(), overlong, ..Chunk::whole(bytes) });
        let rest: Vec<_> = chunks[2..].iter().map(|chunk| (&chunk.bytes[..], chunk.start)).collect();
        assert_eq!(rest, if tail.is_empty() { vec![] } else { vec![(&b"b\n"[..], end)] });
    }
}

#[test]
fn a_damaged_file_gives_its_good_part_then_an_error_that_names_it() {
    let log = log();
    for (form, format) in [(gzip(&log), "gzip"), (zstd(&log), "zstd")] {
        let mut corrupt = form.clone();
        let middle = corrupt.len() / 2;
        corrupt[middle..middle + 64].fill(0xFF);
        for damaged in [form[..form.len() / 2].to_vec(), corrupt] {
            let (_folder, path) = file(&damaged);
            let mut reader = reader(&path, None).unwrap();
            let (chunks, error) = read(&mut reader);
            let (good, error) = (content(&chunks), error.unwrap().to_string());
            // The checksum stands at the end: bytes decoded before the fault is seen may be wrong.
            let sound = if damaged.len() < form.len() { good.len() } else { good.len() / 3 };
            assert!(good.len() > 100_000 && log.starts_with(&good[..sound]) && good.ends_with(b"\n"));
            assert!(error.contains(path.to_str().unwrap()) && error.contains(format), "{error}");
            assert!(reader.next_chunk(&mut Vec::new()).unwrap().is_none());
        }
    }
}

#[test]
fn a_file_that_has_grown_goes_on_where_it_was_left() {
    let log = log();
    let half = log[..log.len() / 2].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for compress in [<[u8]>::to_vec, gzip, zstd] {
        let (_folder, path) = file(&compress(&log[..half]));
        let position = left(&path, half as u64, 7, true);
        assert!(reader(&path, Some(&position)).is_none(), "nothing new");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&compress(&log[half..])).unwrap();
        let mut grown = reader(&path, Some(&position)).unwrap();
        assert_eq!((grown.start().bytes, grown.start().lines), (half as u64, 7));
        let (chunks, _) = read(&mut grown);
        assert!(content(&chunks) == log[half..]);
        assert_eq!((chunks[0].start, chunks.last().unwrap().end), (half as u64, log.len() as u64));
        assert_eq!(reader(&path, None).unwrap().start().bytes, 0);
    }
}

#[test]
fn a_file_is_known_again_by_its_content() {
    let (_folder, path) = file(&log());
    let (done, stopped) = (left(&path, 10, 1, true), left(&path, 10, 1, false));
    let start = |position: &Position| {
        reader(&path, Some(position)).map(|reader| (reader.start().bytes, reader.start().lines, reader.start().edited))
    };
    assert_eq!(start(&stopped), Some((10, 1, false)), "unchanged, but not consumed");
    let touch = |after: u64| {
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(after)).unwrap();
    };
    touch(10);
    assert_eq!(start(&done), None, "another time, the same content");
    for at in [0, log().len() - 1] {
        let mut other = log();
        other[at] = b'?';
        fs::write(&path, other).unwrap();
        touch(20);
        assert_eq!(start(&done), Some((0, 0, true)), "other content of the same size");
    }
    fs::write(&path, &log()[..FINGERPRINT_BYTES as usize]).unwrap();
    assert_eq!(start(&done), Some((0, 0, true)), "cut");
    let mut longer = log();
    longer[log().len() - 1] = b'?';
    longer.extend(b"more\n");
    fs::write(&path, longer).unwrap();
    assert_eq!(start(&done), Some((0, 0, true)), "longer, but not grown");
}

#[test]
fn a_position_holds_for_the_fields_it_was_read_by() {
    let (_folder, path) = file(&log());
    let known = left(&path, 10, 1, true);
    let told = |known: &Position, fields, force| match resume(
        &Input::File(path.clone()),
        known,
        Again { fields: FieldsHash(fields), force },
        None,
    )
    .unwrap()
    {
        Resumed::Reader(reader) => format!("from {}", reader.start().bytes),
        Resumed::NothingNew => "nothing new".to_owned(),
        Resumed::OtherFields => "other fields".to_owned(),
    };
    assert_eq!(told(&known, 1, false), "nothing new");
    assert_eq!(told(&known, 2, false), "other fields");
    assert_eq!(told(&known, 1, true), "from 0");
    assert_eq!(told(&known, 2, true), "from 0");
    let fruitless = Position { events: 0, ..known.clone() };
    assert_eq!(told(&fruitless, 1, false), "nothing new");
    assert_eq!(told(&fruitless, 2, false), "from 0");
    let unfinished = Position { complete: false, ..known };
    assert_eq!(told(&unfinished, 1, false), "from 10");
    assert_eq!(told(&unfinished, 2, false), "other fields");
    fs::write(&path, "something else").unwrap();
    assert_eq!(told(&unfinished, 2, false), "from 0", "it is not the file that was read");
}
