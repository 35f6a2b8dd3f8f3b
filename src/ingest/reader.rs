//! A source, cut into chunks of whole lines.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ingest::chunk::{CHUNK_BYTES, Chunk, FormatName};
use crate::ingest::error::IngestError;
use crate::ingest::inputs::Input;
use crate::ingest::position::{Known, Opened, compare};
use crate::model::limits::{MAX_LINE_BYTES, MAX_REJECT_BYTES};
use crate::model::source::Position;

// A line that fits no chunk is longer than any that is read.
const _: () = assert!(CHUNK_BYTES > MAX_LINE_BYTES);

/// Bytes of a compressed file that are read at once.
const BLOCK_BYTES: usize = 256 << 10;

/// The largest window of a zstd stream that is accepted, as a power of two: the largest there is (`zstd --ultra --long=31`).
const MAX_ZSTD_WINDOW_LOG: u32 = 31;

/// Bytes by which a compressed source is recognised.
const MAGIC_BYTES: u64 = 4;

/// The byte order mark, which some tools write at the start of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A source that is being read.
pub struct SourceReader {
    name: String,
    compression: Compression,
    /// What is read, after decompression.
    stream: Box<dyn Read + Send>,
    /// Bytes read from the file so far, where it is compressed.
    raw: Arc<AtomicU64>,
    /// Bytes read from `stream`.
    read: u64,
    /// Of a file; pipes and standard input have no place to go on from.
    opened: Option<Opened>,
    start: (u64, u64),
    /// Offset of the next chunk.
    offset: u64,
    /// The start of a line whose end has not been read yet.
    carry: Vec<u8>,
    /// What stopped the stream, to be told when all before was delivered.
    failure: Option<io::Error>,
    ended: bool,
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

/// Opens `input` where `known` says that it was left; `None` when everything in it was consumed.
///
/// A file that has grown goes on from there. One with other content under the name is read from its start, as is every file
/// when `force` is set. Standard input and pipes are always read, and ignore `known`.
///
/// # Errors
/// When the source cannot be opened, or breaks off before the place where it was left.
pub fn open(input: &Input, known: Option<&Position>, force: bool) -> Result<Option<SourceReader>, IngestError> {
    let name = input.name();
    let fail = |error| IngestError::io(&*name, error);
    let Input::File(path) = input else {
        return SourceReader::stream(name.clone(), Box::new(io::stdin())).map(Some).map_err(fail);
    };
    let mut file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if !metadata.is_file() {
        return SourceReader::stream(name.clone(), Box::new(file)).map(Some).map_err(fail);
    }
    let mut start = (0, 0);
    if let Some(position) = known.filter(|_| !force) {
        match compare(&mut file, &metadata, position).map_err(fail)? {
            Known::Done => return Ok(None),
            Known::Goes => start = (position.bytes, position.lines),
            Known::Other => {}
        }
    }
    let opened = Opened::look(&mut file, &metadata).map_err(fail)?;
    SourceReader::file(name, file, opened, start).map(Some)
}

impl SourceReader {
    fn new(name: String, compression: Compression, inner: impl Read + Send + 'static) -> io::Result<Self> {
        let raw = Arc::default();
        Ok(Self {
            name,
            compression,
            stream: decompressed(compression, inner, &raw)?,
            raw,
            read: 0,
            opened: None,
            start: (0, 0),
            offset: 0,
            carry: Vec::new(),
            failure: None,
            ended: false,
        })
    }

    fn stream(name: String, mut inner: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut first = Vec::new();
        (&mut inner).take(MAGIC_BYTES).read_to_end(&mut first)?;
        Self::new(name, Compression::of(&first), io::Cursor::new(first).chain(inner))
    }

    /// Reads what the file held when it was opened: its position speaks of that much.
    fn file(name: String, mut file: File, opened: Opened, (bytes, lines): (u64, u64)) -> Result<Self, IngestError> {
        let fail = |error| IngestError::io(&*name, error);
        let mut first = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        (&mut file).take(MAGIC_BYTES).read_to_end(&mut first).map_err(fail)?;
        let compression = Compression::of(&first);
        let from = if compression == Compression::Plain { bytes } else { 0 };
        file.seek(SeekFrom::Start(from)).map_err(fail)?;
        let inner = file.take(opened.bytes.saturating_sub(from));
        let mut this = Self::new(name.clone(), compression, inner).map_err(fail)?;
        (this.opened, this.read, this.start, this.offset) = (Some(opened), from, (bytes, lines), bytes);
        match io::copy(&mut (&mut this.stream).take(bytes - from), &mut io::sink()) {
            Ok(skipped) if skipped == bytes - from => Ok(this),
            Ok(_) => Err(this.error(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(this.error(error)),
        }
    }

    /// The next lines; `None` at the end. Blocks until a chunk is full or the source ends.
    ///
    /// # Errors
    /// When the source cannot be read any further. All whole lines before were delivered.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, IngestError> {
        self.next_chunk_in(Vec::new())
    }

    /// As [`SourceReader::next_chunk`], in the room of a chunk that is done with: fresh memory costs as much as reading does.
    ///
    /// # Errors
    /// As [`SourceReader::next_chunk`].
    pub fn next_chunk_in(&mut self, room: Vec<u8>) -> Result<Option<Chunk>, IngestError> {
        if self.ended {
            return Ok(None);
        }
        let mut bytes = room;
        bytes.clear();
        bytes.reserve_exact(CHUNK_BYTES);
        bytes.append(&mut self.carry);
        self.fill(&mut bytes);
        if self.offset == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
            self.offset = BYTE_ORDER_MARK.len() as u64;
        }
        let more = bytes.len() >= CHUNK_BYTES - BYTE_ORDER_MARK.len() && self.failure.is_none();
        match memchr::memrchr(b'\n', &bytes) {
            Some(last) if more || self.failure.is_some() => {
                self.carry.extend_from_slice(&bytes[last + 1..]);
                bytes.truncate(last + 1);
                Ok(Some(self.chunk(bytes, false)))
            }
            None if more => Ok(Some(self.pass_over(bytes))),
            _ => self.last(bytes),
        }
    }

    /// The rest of the source, which holds no further chunk.
    fn last(&mut self, bytes: Vec<u8>) -> Result<Option<Chunk>, IngestError> {
        self.ended = true;
        match self.failure.take() {
            // What is left is the start of a line that nobody will see the end of.
            Some(error) => Err(self.error(error)),
            None if bytes.is_empty() => Ok(None),
            None => {
                let unterminated = !bytes.ends_with(b"\n");
                Ok(Some(self.chunk(bytes, unterminated)))
            }
        }
    }

    fn chunk(&mut self, bytes: Vec<u8>, unterminated: bool) -> Chunk {
        let start = self.offset;
        self.offset += bytes.len() as u64;
        Chunk { bytes, start, end: self.offset, unterminated, overlong: None, format: FormatName::Json }
    }

    /// Passes over the rest of a line that fills a chunk.
    fn pass_over(&mut self, mut bytes: Vec<u8>) -> Chunk {
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
                self.carry.extend_from_slice(&block[end + 1..]);
                unterminated = false;
            }
        }
        bytes.truncate(MAX_REJECT_BYTES);
        bytes.shrink_to_fit();
        let start = self.offset;
        self.offset = start + length + u64::from(!unterminated);
        Chunk { bytes, start, end: self.offset, unterminated, overlong: Some(length), format: FormatName::Json }
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
        let (name, bytes) = (self.name.clone(), self.offset);
        match self.compression {
            Compression::Plain => IngestError::io(name, error),
            Compression::Gzip => IngestError::Damaged { name, format: "gzip", bytes, error },
            Compression::Zstd => IngestError::Damaged { name, format: "zstd", bytes, error },
        }
    }

    /// Where reading began: bytes (after decompression) and lines consumed before.
    pub fn start(&self) -> (u64, u64) {
        self.start
    }

    /// The position of this file with `bytes` and `lines` consumed, to be handed to [`open`] another day; `complete` when
    /// that is all it holds. `None` for standard input and pipes, which have no position.
    pub fn position(&self, bytes: u64, lines: u64, complete: bool) -> Option<Position> {
        Some(self.opened?.position(bytes, lines, complete))
    }

    /// Bytes read so far, as they lie on the disk, those passed over to reach the start among them.
    pub fn file_bytes_read(&self) -> u64 {
        match self.compression {
            Compression::Plain => self.read,
            Compression::Gzip | Compression::Zstd => self.raw.load(Ordering::Relaxed),
        }
    }

    /// Bytes of the file as it lay on the disk when it was opened.
    pub fn file_bytes(&self) -> Option<u64> {
        self.opened.map(|opened| opened.bytes)
    }
}

fn decompressed(
    compression: Compression,
    inner: impl Read + Send + 'static,
    raw: &Arc<AtomicU64>,
) -> io::Result<Box<dyn Read + Send>> {
    let counted = |inner| BufReader::with_capacity(BLOCK_BYTES, Counted { inner, bytes: Arc::clone(raw) });
    Ok(match compression {
        Compression::Plain => Box::new(inner),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(counted(inner))),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(counted(inner))?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
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
