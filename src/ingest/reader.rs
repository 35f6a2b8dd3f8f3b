//! A source, cut into chunks of whole lines, or of values where these are not one a line.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ingest::chunk::{CHUNK_BYTES, Chunk, Cut, FormatName};
use crate::ingest::error::IngestError;
use crate::ingest::fields::Fields;
use crate::ingest::inputs::Input;
use crate::ingest::json::frame::{self, Framer};
use crate::ingest::patient::{self, Stop, was_stopped};
use crate::ingest::position::{Known, compare, look};
use crate::model::limits::{MAX_LINE_BYTES, MAX_REJECT_BYTES};
use crate::model::source::{FieldsHash, FileState, Position, Within};

// A line that fits no chunk is longer than any that is read.
const _: () = assert!(CHUNK_BYTES > MAX_LINE_BYTES);

/// Bytes of a compressed file that are read at once.
const BLOCK_BYTES: usize = 256 << 10;

/// The largest window of a zstd stream that is accepted, as a power of two: 128 MiB, as `zstd` itself does unless told otherwise. It
/// is memory that any stream can ask for, however short.
#[cfg(feature = "zstd")]
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// What zstd says of a stream that asks for more.
const WINDOW_TOO_LARGE: &str = "Frame requires too much memory for decoding";

/// Bytes by which a compressed source is recognised.
const MAGIC_BYTES: u64 = 4;

/// The byte order mark, which some tools write at the start of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A source that is being read.
pub struct SourceReader<'r> {
    start: SourceStart,
    compression: Compression,
    /// What is read, after decompression.
    stream: Box<dyn Read + Send + 'r>,
    /// Bytes read from the file so far, where it is compressed.
    raw: Arc<AtomicU64>,
    /// Bytes read from `stream`.
    read: u64,
    /// Offset of the next chunk.
    offset: u64,
    /// The start of a line whose end has not been read yet.
    carry: Vec<u8>,
    /// The names that lead to the array in a wrapper.
    wrapper: Option<Arc<[String]>>,
    cutting: Cutting,
    /// Bytes that values are to be cut out of, and how many of them were taken.
    input: Vec<u8>,
    taken: usize,
    /// What stopped the stream, to be told when all before was delivered.
    failure: Option<io::Error>,
    ended: bool,
    /// Whether it ended because reading was stopped.
    stopped: bool,
}

/// How a source is cut.
enum Cutting {
    /// Its first bytes will tell.
    Unknown,
    /// After the last line of a chunk.
    Lines,
    /// Value by value.
    Values(Box<Framer>),
}

/// A source as it was opened: which, and from where on it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStart {
    /// Its name.
    pub name: String,
    /// Bytes (after decompression) that were consumed before.
    pub bytes: u64,
    /// Lines that were consumed before.
    pub lines: u64,
    /// Events among them.
    pub events: u64,
    /// What those bytes end in.
    pub within: Within,
    /// Whether it is another file than the one under this name that delivered events before.
    pub edited: bool,
    /// What is remembered of it.
    memory: Memory,
}

/// What is remembered of a source beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// Nothing: it is read each time.
    Nothing,
    /// How far it was read.
    Stream,
    /// That, and by what to know the file again.
    File(FileState),
}

impl SourceStart {
    fn new(name: impl Into<String>, memory: Memory) -> Self {
        Self { name: name.into(), bytes: 0, lines: 0, events: 0, within: Within::Lines, edited: false, memory }
    }

    /// Goes on where `known` was left.
    fn after(self, known: &Position) -> Self {
        Self { bytes: known.bytes, lines: known.lines, events: known.events, within: known.within, ..self }
    }

    /// Where it is before anything is read, with `fields`; advanced, it is what [`resume`] is given another day. `None` for
    /// what has no position.
    pub fn position(&self, fields: FieldsHash) -> Option<Position> {
        let file = match self.memory {
            Memory::Nothing => return None,
            Memory::Stream => None,
            Memory::File(state) => Some(state),
        };
        let Self { bytes, lines, events, within, .. } = *self;
        Some(Position { bytes, lines, events, fields, complete: false, file, within })
    }
}

/// How a source is compressed, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(first: &[u8]) -> Self {
        match first {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // A frame, or a skippable one before it.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// Opens `input`, to be read from its start. `stop` ends a read that waits.
///
/// # Errors
/// When it cannot be opened.
pub fn open<'s>(input: &Input, stop: Stop<'s>) -> Result<SourceReader<'s>, IngestError> {
    match OpenedInput::by(input, stop)? {
        OpenedInput::Stream(reader) => Ok(reader),
        OpenedInput::File(mut file, metadata) => {
            let start = file_start(&input.name(), &mut file, &metadata)?;
            SourceReader::file(start, file)
        }
    }
}

/// How a source is to be read again.
#[derive(Debug, Clone, Copy)]
pub struct Again {
    /// By these fields.
    pub fields: FieldsHash,
    /// From its start, whatever was read of it.
    pub force: bool,
}

impl Again {
    /// Whether what was read to `known` stands, where it is known to be the same source.
    pub fn goes_on(self, known: &Position) -> bool {
        !self.force && (known.fields == self.fields || known.events > 0)
    }
}

/// A source that was read before.
pub enum Resumed<'s> {
    /// There is something to read.
    Reader(Box<SourceReader<'s>>),
    /// Everything in it was consumed.
    NothingNew,
    /// It was read with other fields, and delivered events: with these it would deliver them a second time, as others.
    OtherFields,
}

/// Opens `input` where `known` says that it was left. `stop` ends a read that waits.
///
/// A file that has grown goes on from there. One with other content under the name, or of which no line was an event by
/// other fields, is read from its start, and what has no position (a pipe, standard input) always is.
///
/// # Errors
/// When it cannot be opened, or breaks off before the place where it was left.
pub fn resume<'s>(input: &Input, known: &Position, again: Again, stop: Stop<'s>) -> Result<Resumed<'s>, IngestError> {
    let (mut file, metadata) = match OpenedInput::by(input, stop)? {
        OpenedInput::Stream(reader) => return Ok(Resumed::Reader(Box::new(reader))),
        OpenedInput::File(file, metadata) => (file, metadata),
    };
    let name = input.name();
    let state = compare(&mut file, &metadata, known).map_err(|error| IngestError::io(&*name, error))?;
    let mut start = file_start(&name, &mut file, &metadata)?;
    match state {
        Known::Other => start.edited = known.file.is_some() && known.events > 0,
        _ if !again.goes_on(known) => {}
        _ if known.fields != again.fields => return Ok(Resumed::OtherFields),
        Known::Done => return Ok(Resumed::NothingNew),
        Known::Goes => start = start.after(known),
    }
    SourceReader::file(start, file).map(|reader| Resumed::Reader(Box::new(reader)))
}

/// The start of a file, as it is now.
fn file_start(name: &str, file: &mut File, metadata: &Metadata) -> Result<SourceStart, IngestError> {
    let state = look(file, metadata).map_err(|error| IngestError::io(name, error))?;
    Ok(SourceStart::new(name, Memory::File(state)))
}

/// What an input is.
enum OpenedInput<'s> {
    Stream(SourceReader<'s>),
    File(File, Metadata),
}

impl<'s> OpenedInput<'s> {
    fn by(input: &Input, stop: Stop<'s>) -> Result<Self, IngestError> {
        let name = input.name();
        let fail = |error| IngestError::io(&*name, error);
        let stream = match input {
            Input::Stdin => patient::stdin(stop),
            Input::File(path) if fs::metadata(path).map_err(fail)?.is_file() => {
                let file = File::open(path).map_err(fail)?;
                let metadata = file.metadata().map_err(fail)?;
                return Ok(Self::File(file, metadata));
            }
            Input::File(path) => patient::open(path, stop),
        };
        SourceReader::stream(&*name, stream.map_err(fail)?).map(Self::Stream)
    }
}

impl<'r> SourceReader<'r> {
    /// A source that only streams, plain or compressed: it is read once, and has no position.
    ///
    /// # Errors
    /// When not even its first bytes can be read.
    pub fn stream(name: impl Into<String>, stream: impl Read + Send + 'r) -> Result<Self, IngestError> {
        Self::streaming(SourceStart::new(name, Memory::Nothing), stream)
    }

    /// A stream by the name that the caller gave it, which keeps its position: it follows on what was consumed under the name,
    /// as far as `known` says.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub fn named(
        name: impl Into<String>,
        known: Option<&Position>,
        stream: impl Read + Send + 'r,
    ) -> Result<Self, IngestError> {
        let start = SourceStart::new(name, Memory::Stream);
        let start = match known {
            Some(known) => start.after(known),
            None => start,
        };
        Self::streaming(start, stream)
    }

    fn streaming(start: SourceStart, mut stream: impl Read + Send + 'r) -> Result<Self, IngestError> {
        let fail = |error| IngestError::io(&*start.name, error);
        let mut first = Vec::new();
        let stopped = match (&mut stream).take(MAGIC_BYTES).read_to_end(&mut first) {
            Ok(_) => None,
            Err(error) if was_stopped(&error) => Some(error),
            Err(error) => return Err(fail(error)),
        };
        let compression = Compression::of(&first);
        let this = Self::new(start, compression, io::Cursor::new(first).chain(stream))?;
        Ok(Self { failure: stopped, ..this })
    }

    /// Reads what the file held when it was looked at: its position speaks of that much.
    fn file(start: SourceStart, mut file: File) -> Result<Self, IngestError> {
        let fail = |error| IngestError::io(&*start.name, error);
        let Memory::File(state) = start.memory else { return Self::streaming(start, file) };
        let bytes = start.bytes;
        let mut first = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        (&mut file).take(MAGIC_BYTES).read_to_end(&mut first).map_err(fail)?;
        let compression = Compression::of(&first);
        let from = if compression == Compression::Plain { bytes } else { 0 };
        file.seek(SeekFrom::Start(from)).map_err(fail)?;
        let skipped = bytes - from;
        let mut this = Self::new(start, compression, file.take(state.bytes.saturating_sub(from)))?;
        this.read = from;
        match io::copy(&mut (&mut this.stream).take(skipped), &mut io::sink()) {
            Ok(bytes) if bytes == skipped => Ok(this),
            Ok(_) => Err(this.error(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(this.error(error)),
        }
    }

    fn new(start: SourceStart, compression: Compression, inner: impl Read + Send + 'r) -> Result<Self, IngestError> {
        let raw = Arc::default();
        let stream = decompressed(&start.name, compression, inner, &raw)?;
        let offset = start.bytes;
        Ok(Self {
            start,
            compression,
            stream,
            raw,
            read: 0,
            offset,
            carry: Vec::new(),
            wrapper: None,
            cutting: Cutting::Unknown,
            input: Vec::new(),
            taken: 0,
            failure: None,
            ended: false,
            stopped: false,
        })
    }

    /// With values where `fields` say that they are.
    pub fn by(self, fields: &Fields) -> Self {
        Self { wrapper: fields.wrapper.as_ref().map(|wrapper| Arc::clone(&wrapper.names)), ..self }
    }

    /// The next lines or values, in the room of `buffer`, which is left as it is where there are none: `None` at the end.
    /// Blocks until a chunk is full or the source ends.
    ///
    /// # Errors
    /// When the source cannot be read any further. All whole lines before were delivered.
    pub fn next_chunk(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Chunk>, IngestError> {
        if self.ended {
            return Ok(None);
        }
        buffer.clear();
        buffer.reserve_exact(CHUNK_BYTES);
        if let Cutting::Values(_) = self.cutting {
            return self.next_values(buffer);
        }
        buffer.append(&mut self.carry);
        self.fill(buffer);
        if self.offset == 0 && buffer.starts_with(BYTE_ORDER_MARK) {
            buffer.drain(..BYTE_ORDER_MARK.len());
            self.offset = BYTE_ORDER_MARK.len() as u64;
        }
        if matches!(self.cutting, Cutting::Unknown) && !buffer.is_empty() {
            if self.is_framed(buffer) {
                self.input.append(buffer);
                let framer = Framer::new(self.wrapper.clone(), self.offset, self.start.within);
                self.cutting = Cutting::Values(Box::new(framer));
                return self.next_values(buffer);
            }
            self.cutting = Cutting::Lines;
        }
        let more = buffer.len() >= CHUNK_BYTES - BYTE_ORDER_MARK.len() && self.failure.is_none();
        match memchr::memrchr(b'\n', buffer) {
            Some(last) if more || self.failure.is_some() => {
                self.carry.extend_from_slice(buffer.get(last + 1..).unwrap_or_default());
                buffer.truncate(last + 1);
                Ok(Some(self.chunk(buffer, false)))
            }
            None if more => Ok(Some(self.skip_line(buffer))),
            _ => self.last(buffer),
        }
    }

    /// Whether a source that goes on so is cut value by value: one that goes on in another place than its start, as it was left.
    fn is_framed(&self, bytes: &[u8]) -> bool {
        self.wrapper.is_some() || self.start.within != Within::Lines || self.start.bytes == 0 && frame::is_framed(bytes)
    }

    /// The next values.
    fn next_values(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Chunk>, IngestError> {
        let Cutting::Values(mut framer) = std::mem::replace(&mut self.cutting, Cutting::Unknown) else {
            return self.last(buffer);
        };
        while !framer.is_full(buffer) {
            if self.taken == self.input.len() {
                let mut input = std::mem::take(&mut self.input);
                input.clear();
                input.shrink_to(BLOCK_BYTES);
                input.reserve_exact(BLOCK_BYTES);
                self.fill(&mut input);
                (self.input, self.taken) = (input, 0);
                if self.input.is_empty() {
                    break;
                }
            }
            self.taken += framer.feed(self.input.get(self.taken..).unwrap_or_default(), buffer);
        }
        let chunk = if framer.is_full(buffer) {
            Ok(Some(self.values(buffer, framer.cut(), None)))
        } else if self.failure.is_none() {
            self.ended = true;
            let cut = framer.finish(buffer);
            let end = framer.offset();
            Ok((end > self.offset).then(|| self.values(buffer, cut, Some(end))))
        } else {
            let cut = framer.abandon(buffer);
            if cut.consumed > self.offset { Ok(Some(self.values(buffer, cut, None))) } else { self.last(buffer) }
        };
        self.cutting = Cutting::Values(framer);
        chunk
    }

    /// A chunk of values, to the `end` of the source or as far as they go.
    fn values(&mut self, buffer: &mut Vec<u8>, cut: Cut, end: Option<u64>) -> Chunk {
        let start = self.offset;
        self.offset = end.unwrap_or(cut.consumed);
        Chunk { start, end: self.offset, cut: Some(Box::new(cut)), ..Chunk::whole(std::mem::take(buffer)) }
    }

    /// The rest of the source, which holds no further chunk.
    fn last(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Chunk>, IngestError> {
        self.ended = true;
        match self.failure.take() {
            // What is left is the start of a line that nobody will see the end of.
            Some(error) if was_stopped(&error) => {
                self.stopped = true;
                Ok(None)
            }
            Some(error) => Err(self.error(error)),
            None if buffer.is_empty() => Ok(None),
            None => {
                let unterminated = !buffer.ends_with(b"\n");
                Ok(Some(self.chunk(buffer, unterminated)))
            }
        }
    }

    fn chunk(&mut self, buffer: &mut Vec<u8>, unterminated: bool) -> Chunk {
        let bytes = std::mem::take(buffer);
        let start = self.offset;
        self.offset += bytes.len() as u64;
        Chunk { bytes, start, end: self.offset, unterminated, overlong: None, format: FormatName::Json, cut: None }
    }

    /// Skips the rest of a line that fills a chunk.
    fn skip_line(&mut self, buffer: &mut Vec<u8>) -> Chunk {
        let mut bytes = std::mem::take(buffer);
        let mut length = bytes.len() as u64;
        let mut unterminated = true;
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        while unterminated {
            block.clear();
            self.fill(&mut block);
            if block.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', &block);
            length += end.unwrap_or(block.len()) as u64;
            if let Some(end) = end {
                self.carry.extend_from_slice(block.get(end + 1..).unwrap_or_default());
                unterminated = false;
            }
        }
        bytes.truncate(MAX_REJECT_BYTES);
        bytes.shrink_to_fit();
        let start = self.offset;
        self.offset = start + length + u64::from(!unterminated);
        let (end, overlong) = (self.offset, Some(length));
        Chunk { bytes, start, end, unterminated, overlong, format: FormatName::Json, cut: None }
    }

    /// Reads until the capacity of `bytes` is used, or the source ends or fails.
    fn fill(&mut self, bytes: &mut Vec<u8>) {
        if self.failure.is_some() {
            return;
        }
        let before = bytes.len();
        let room = bytes.capacity() - before;
        self.failure = (&mut self.stream).take(room as u64).read_to_end(bytes).err();
        self.read += (bytes.len() - before) as u64;
    }

    fn error(&self, error: io::Error) -> IngestError {
        let (name, bytes) = (self.start.name.clone(), self.offset);
        match self.compression {
            Compression::Plain => IngestError::io(name, error),
            Compression::Gzip => IngestError::Damaged { name, format: "gzip", bytes, error },
            Compression::Zstd if error.to_string() == WINDOW_TOO_LARGE => IngestError::Window { name, bytes },
            Compression::Zstd => IngestError::Damaged { name, format: "zstd", bytes, error },
        }
    }

    /// Whether it ended because reading was stopped; whole lines before that were delivered.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// What it is, and where reading began.
    pub fn start(&self) -> SourceStart {
        self.start.clone()
    }

    /// Bytes read so far, as they lie on the disk, those skipped to reach the start included.
    pub fn file_bytes_read(&self) -> u64 {
        match self.compression {
            Compression::Plain => self.read,
            Compression::Gzip | Compression::Zstd => self.raw.load(Ordering::Relaxed),
        }
    }
}

/// What `inner` holds once it is unpacked; the bytes that are read of it are counted in `raw`.
fn decompressed<'r>(
    name: &str,
    compression: Compression,
    inner: impl Read + Send + 'r,
    raw: &Arc<AtomicU64>,
) -> Result<Box<dyn Read + Send + 'r>, IngestError> {
    let counted = Counted { inner, bytes: Arc::clone(raw) };
    match compression {
        // Not counted: a file knows how to read into room that holds nothing yet, which what counts would have to clear first.
        Compression::Plain => Ok(Box::new(counted.inner)),
        #[cfg(feature = "gzip")]
        Compression::Gzip => {
            let buffered = io::BufReader::with_capacity(BLOCK_BYTES, counted);
            Ok(Box::new(flate2::bufread::MultiGzDecoder::new(buffered)))
        }
        #[cfg(feature = "zstd")]
        Compression::Zstd => {
            let fail = |error| IngestError::io(name, error);
            let buffered = io::BufReader::with_capacity(BLOCK_BYTES, counted);
            let mut decoder = zstd::Decoder::with_buffer(buffered).map_err(fail)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(fail)?;
            Ok(Box::new(decoder))
        }
        #[cfg(not(feature = "gzip"))]
        Compression::Gzip => Err(IngestError::Compression { name: name.to_owned(), feature: "gzip" }),
        #[cfg(not(feature = "zstd"))]
        Compression::Zstd => Err(IngestError::Compression { name: name.to_owned(), feature: "zstd" }),
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(room)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The build without the features runs this too.
    #[test]
    fn a_compressed_source_is_read_or_the_feature_that_reads_it_is_named() {
        let gzip = (&[0x1F, 0x8B, 8, 0][..], "gzip", cfg!(feature = "gzip"));
        let zstd = (&[0x28, 0xB5, 0x2F, 0xFD][..], "zstd", cfg!(feature = "zstd"));
        for (bytes, feature, built_in) in [gzip, zstd] {
            let opened = SourceReader::stream("a.log", bytes);
            let expected = format!(
                "a.log is compressed with {feature}, which this build does not read: \
                 build it with the feature `{feature}`, or decompress the file"
            );
            assert_eq!(opened.err().map(|error| error.to_string()), (!built_in).then_some(expected));
        }
    }
}
