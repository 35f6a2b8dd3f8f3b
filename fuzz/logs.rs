//! Whole logs, with values in any layout and fields in other places: whatever pieces they come in, the same is read of them.
#![no_main]

use std::io::Read;

use backstitch::ingest::decode::Decoder;
use backstitch::ingest::error::IngestError;
use backstitch::ingest::reader::SourceReader;
use backstitch::{Fields, Junk, Levels, Namespaces};
use libfuzzer_sys::fuzz_target;

/// Gives a few bytes at a time.
struct Pieces<'b> {
    bytes: &'b [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let size = self.size.min(into.len());
        self.bytes.take(size as u64).read(&mut into[..size]).inspect(|&read| self.bytes = &self.bytes[read..])
    }
}

/// What the lines of a log say, and where it ends; or why it cannot be read, since it begins as a packed one does.
fn read(bytes: &[u8], size: usize, fields: &Fields) -> Result<(Vec<String>, u64), IngestError> {
    let (decoder, mut namespaces) = (Decoder::new(&Junk::default(), fields), Namespaces::new(Levels::default()));
    let mut log = SourceReader::stream("log", Pieces { bytes, size })?.by(fields);
    let (mut said, mut end, mut buffer) = (Vec::new(), 0, Vec::new());
    while let Some(chunk) = log.next_chunk(&mut buffer)? {
        decoder.chunk(&chunk, &mut namespaces, &mut Default::default(), &mut |line| match line.outcome {
            Ok(event) => said.push(format!("{:?} {:?} {:?}", event.time, event.id, event.identities)),
            Err(reject) => said.push(format!("{:?}", reject.reason)),
        });
        end = chunk.end;
        buffer = chunk.bytes;
    }
    Ok((said, end))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, log)) = bytes.split_first() else { return };
    let others = Fields::builder().timestamp("a.t").id("i").identities("a.ids").namespace("sessionId", "s");
    let fields = match first % 3 {
        0 => Fields::default(),
        1 => Fields::builder().wrapper("items").build().expect("fields"),
        _ => others.wrapper("w.items").build().expect("fields"),
    };
    let whole = read(log, usize::MAX, &fields).map_err(|error| error.to_string());
    assert_eq!(read(log, 1 + usize::from(first / 3) % 7, &fields).map_err(|error| error.to_string()), whole);
});
