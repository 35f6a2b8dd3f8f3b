//! Values that are not one a line: an array over many lines, objects over several, arrays within a wrapper. They are cut out one by one,
//! so that each becomes a line of its chunk.
//!
//! This goes on in the thread that reads, some 200 MB a second, and keeps the value under way alone. So lines of one value
//! each have no part in it: [`is_framed`] tells by the first value of a source.
//!
//! - **Between values** are white space, commas, and the brackets of arrays. There alone a chunk ends, and a position needs to know no more
//!   than [`Within`] what it stands.
//! - **A value over several lines** loses the white space between its tokens: it is the event that its compact form is.
//! - **A broken value** becomes a line as far as it goes, which the decoder rejects for what is wrong with it. Reading goes on at the next
//!   line that begins with a bracket, no deeper indented than the broken one; for one that began within a line, at the next `},{` as
//!   well. One that is longer than any line that is read is given up likewise.

use std::cell::Cell;
use std::sync::Arc;

use crate::ingest::chunk::{CHUNK_BYTES, Cut, CutPlace};
use crate::ingest::json::nest::{Nest, NestStep};
use crate::ingest::json::scan::{MAX_DEPTH, unescape};
use crate::model::limits::MAX_LINE_BYTES;
use crate::model::source::Within;

/// Bytes of values in a chunk at which it is full: another one fits.
const FULL_BYTES: usize = CHUNK_BYTES - MAX_LINE_BYTES - 2;

/// Values in a chunk at which it is full, however short they are: a place takes 16 bytes.
const FULL_VALUES: usize = 1 << 16;

/// Bytes of a key that are looked at: no name of a path in use is a tenth as long.
const MAX_KEY_BYTES: usize = 4 << 10;

/// The text for an array that has no end, as the decoder knows it.
pub(super) const OPEN_ARRAY: &[u8] = b"[";

/// The text for a wrapper whose end is broken or missing.
const OPEN_WRAPPER: &[u8] = b"{";

/// Whether a source that starts so holds values that are not one a line: it begins with an array of objects, or with an object, that does
/// not end on its line. Where that cannot be told yet, its lines are lines.
pub(in crate::ingest) fn is_framed(start: &[u8]) -> bool {
    let rest = start.trim_ascii_start();
    let line = memchr::memchr(b'\n', rest).and_then(|end| rest.get(..end)).unwrap_or(rest);
    match rest {
        [b'[', inner @ ..] => {
            let objects = matches!(inner.trim_ascii_start().first(), None | Some(b'{' | b']'));
            let on_its_line = match end(line) {
                NestStep::Inside => false,
                NestStep::Closed => line.len() <= MAX_LINE_BYTES,
                // Broken as its first values may be, it goes on.
                NestStep::Broken => !line.trim_ascii_end().ends_with(b","),
            };
            objects && !on_its_line
        }
        [b'{', ..] if end(line) == NestStep::Inside => {
            let mut nest = Nest::new();
            let mut continues = false;
            for (at, &byte) in rest.iter().enumerate() {
                match nest.step(byte) {
                    NestStep::Inside => continues |= at > line.len() && byte == b':' && !nest.keeps_white(),
                    NestStep::Closed => return true,
                    // It is the line that is broken, and the next may be whole.
                    NestStep::Broken => return false,
                }
            }
            continues
        }
        _ => false,
    }
}

/// How a value ends on its line, if it does.
fn end(line: &[u8]) -> NestStep {
    let mut nest = Nest::new();
    line.iter().map(|&byte| nest.step(byte)).find(|step| *step != NestStep::Inside).unwrap_or(NestStep::Inside)
}

/// Where reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameState {
    /// Between values.
    Between,
    /// In an object or a list.
    Value,
    /// In something that is neither.
    Word,
    /// Behind the array of a wrapper.
    Tail,
    /// Behind a broken value.
    Lost,
}

/// Cuts values out of the bytes of a source, as they come.
#[derive(Debug)]
pub(in crate::ingest) struct Framer {
    /// The names that lead to the array in a wrapper.
    wrapper: Option<Arc<[String]>>,
    full_bytes: usize,
    state: FrameState,
    /// What the values stand in.
    within: Within,
    /// Offset of the next byte in the source.
    offset: u64,
    /// Line ends since the start of the chunk.
    lines: u64,
    /// Where the line begins.
    line_start: u64,
    /// Whether nothing but white space stands on it so far.
    blank: bool,
    value: OpenValue,
    /// The last two bytes that are no white space, behind a broken value.
    last: [u8; 2],
    places: Vec<CutPlace>,
}

/// The value under way.
#[derive(Debug)]
struct OpenValue {
    /// Where its bytes begin in the chunk.
    start: usize,
    place: CutPlace,
    /// What it stands in.
    within: Within,
    /// By how much it is indented, where it begins its line.
    column: Option<u64>,
    nest: Nest,
    /// Whether it goes over several lines.
    compact: bool,
    /// Whether it may be a wrapper, and how far its path was followed.
    path: Option<PathFollowed>,
}

/// How far the path of a wrapper was followed.
#[derive(Debug, Default)]
struct PathFollowed {
    /// Objects on the path that are open, but for the wrapper itself.
    names: usize,
    /// The key that is being read, or was read last.
    key: Vec<u8>,
    reading_key: bool,
    /// Whether the key is the next name.
    hit: bool,
}

impl Framer {
    /// At `offset` of a source, `within` what it was left in.
    pub fn new(wrapper: Option<Arc<[String]>>, offset: u64, within: Within) -> Self {
        let within = match within {
            Within::Lines => Within::Values,
            // Read with other fields then.
            Within::Wrapper if wrapper.is_none() => Within::Array,
            within => within,
        };
        let value = OpenValue {
            start: 0,
            place: CutPlace { at: offset, line: 0 },
            within,
            column: None,
            nest: Nest::new(),
            compact: false,
            path: None,
        };
        Self {
            wrapper,
            full_bytes: FULL_BYTES,
            state: FrameState::Between,
            within,
            offset,
            lines: 0,
            line_start: offset,
            blank: true,
            value,
            last: [0; 2],
            places: Vec::new(),
        }
    }

    /// Full at fewer bytes.
    #[cfg(test)]
    pub fn full_at(self, full_bytes: usize) -> Self {
        Self { full_bytes, ..self }
    }

    /// Whether the chunk is full: it ends here.
    pub fn is_full(&self, out: &[u8]) -> bool {
        self.state == FrameState::Between && (out.len() >= self.full_bytes || self.places.len() >= FULL_VALUES)
    }

    /// Takes bytes until the chunk is [full](Self::is_full), adds the values in them to `out`, each as a line, and says how many were taken.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some(rest @ &[byte, ..]) = input.get(at..)
            && !self.is_full(out)
        {
            match self.state {
                FrameState::Between => at += self.between(byte, out),
                FrameState::Value => at += self.value(rest, out),
                FrameState::Word => at += self.word(byte, out),
                FrameState::Tail => at += self.tail(byte, out),
                FrameState::Lost => at += self.lost(byte),
            }
        }
        at
    }

    /// The end of the source: what is not whole is a reject.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Cut {
        let mut unfinished = true;
        match self.state {
            FrameState::Value | FrameState::Word => self.emit(out),
            FrameState::Tail => self.pseudo(OPEN_WRAPPER, out),
            FrameState::Between | FrameState::Lost if self.within == Within::Values => unfinished = false,
            FrameState::Between | FrameState::Lost => {
                self.begin(out);
                if self.blank && self.value.place.line > 0 {
                    self.value.place.line -= 1;
                }
                self.pseudo(OPEN_ARRAY, out);
                self.state = FrameState::Between;
            }
        }
        Cut { unfinished, ..self.cut() }
    }

    /// The end of what can be read of it: what is not whole is left out.
    pub fn abandon(&mut self, out: &mut Vec<u8>) -> Cut {
        if matches!(self.state, FrameState::Value | FrameState::Word) {
            out.truncate(self.value.start);
        }
        self.cut()
    }

    /// Ends the chunk.
    pub fn cut(&mut self) -> Cut {
        let (consumed, lines, within) = match self.state {
            FrameState::Between | FrameState::Lost => (self.offset, self.lines, self.within),
            FrameState::Value | FrameState::Word | FrameState::Tail => {
                (self.value.place.at, self.value.place.line, self.value.within)
            }
        };
        self.lines = 0;
        Cut { places: std::mem::take(&mut self.places), lines, consumed, within, unfinished: false }
    }

    /// Where reading stands in the source.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes a byte between values; says how many were taken.
    fn between(&mut self, byte: u8, out: &[u8]) -> usize {
        match (byte, self.within) {
            (b' ' | b'\t' | b'\r' | b'\n' | b',', _) => {}
            (b'[', Within::Values) => self.within = Within::Array,
            (b']', Within::Array) => self.within = Within::Values,
            (b']', Within::Wrapper) => {
                self.begin(out);
                let names = self.wrapper.as_ref().map_or(1, |names| names.len());
                self.value.nest = Nest::in_objects(names as u32);
                self.state = FrameState::Tail;
            }
            (b'{' | b'[', _) => {
                self.begin(out);
                self.state = FrameState::Value;
                return 0;
            }
            _ => {
                self.begin(out);
                self.state = FrameState::Word;
                return 0;
            }
        }
        self.pass(byte);
        1
    }

    /// Begins a value here.
    fn begin(&mut self, out: &[u8]) {
        let may_wrap = self.within == Within::Values && self.wrapper.is_some();
        self.value = OpenValue {
            start: out.len(),
            place: CutPlace { at: self.offset, line: self.lines },
            within: self.within,
            column: self.blank.then_some(self.offset - self.line_start),
            nest: Nest::new(),
            compact: false,
            path: may_wrap.then(PathFollowed::default),
        };
    }

    /// Takes bytes of an object or a list up to its end; says how many were taken.
    fn value(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some(rest @ &[byte, ..]) = input.get(at..) {
            if self.value.nest.in_text() {
                let run = plain(rest);
                if !run.is_empty() {
                    self.value.keep(run, out);
                    self.value.follow_text(run);
                    self.offset += run.len() as u64;
                    at += run.len();
                    continue;
                }
            }
            let step = self.value.nest.step(byte);
            if step == NestStep::Broken {
                // Else nothing would say that it is too deep.
                if self.value.nest.depth() == MAX_DEPTH && matches!(byte, b'{' | b'[') {
                    self.value.keep_one(byte, out);
                }
                self.give_up(out);
                return at;
            }
            self.value.keep_byte(byte, out);
            self.pass(byte);
            at += 1;
            if step == NestStep::Closed {
                self.emit(out);
                self.state = FrameState::Between;
                return at;
            }
            if self.value.follows(byte, self.wrapper.as_deref()) {
                out.truncate(self.value.start);
                (self.state, self.within) = (FrameState::Between, Within::Wrapper);
                return at;
            }
            let long = out.len() - self.value.start > MAX_LINE_BYTES;
            if byte == b'\n' && long && self.value.column.is_some() && self.value.path.is_none() {
                self.give_up(out);
                return at;
            }
        }
        at
    }

    /// Takes a byte of something that is no object and no list: up to the end of the line, or a bracket or comma.
    fn word(&mut self, byte: u8, out: &mut Vec<u8>) -> usize {
        let first = out.len() == self.value.start;
        if byte == b'\n' || !first && matches!(byte, b',' | b'[' | b']' | b'{' | b'}') {
            self.emit(out);
            self.state = FrameState::Between;
            return 0;
        }
        self.value.keep_one(byte, out);
        self.pass(byte);
        1
    }

    /// Takes a byte of what follows the array in a wrapper.
    fn tail(&mut self, byte: u8, out: &mut Vec<u8>) -> usize {
        match self.value.nest.step(byte) {
            NestStep::Inside => {}
            NestStep::Closed => (self.state, self.within) = (FrameState::Between, Within::Values),
            NestStep::Broken => {
                self.pseudo(OPEN_WRAPPER, out);
                self.within = Within::Values;
                (self.state, self.last) = (FrameState::Lost, [0; 2]);
                return 0;
            }
        }
        self.pass(byte);
        1
    }

    /// Takes a byte behind a broken value, where nothing is known of what it belongs to.
    fn lost(&mut self, byte: u8) -> usize {
        let column = self.offset - self.line_start;
        let begins_line = self.blank && self.value.column.is_none_or(|broken| column <= broken);
        let again = match byte {
            b'{' | b'[' | b']' if begins_line => true,
            b'{' => self.value.column.is_none() && self.last == *b"},",
            _ => false,
        };
        if again {
            self.state = FrameState::Between;
            return 0;
        }
        if !byte.is_ascii_whitespace() {
            self.last = [self.last[1], byte];
        }
        self.pass(byte);
        1
    }

    fn give_up(&mut self, out: &mut Vec<u8>) {
        self.emit(out);
        (self.state, self.last) = (FrameState::Lost, [0; 2]);
    }

    /// Ends the line that the value is.
    fn emit(&mut self, out: &mut Vec<u8>) {
        out.push(b'\n');
        self.places.push(self.value.place);
    }

    /// A line that stands for what is missing.
    fn pseudo(&mut self, text: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(text);
        self.emit(out);
    }

    /// Counts a byte.
    #[inline(always)]
    fn pass(&mut self, byte: u8) {
        self.offset += 1;
        if byte == b'\n' {
            self.lines += 1;
            self.line_start = self.offset;
            self.blank = true;
        } else {
            self.blank &= byte.is_ascii_whitespace();
        }
    }
}

impl OpenValue {
    /// Keeps bytes, of one that is too long as many as say so.
    fn keep(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let room = (self.start + MAX_LINE_BYTES + 1).saturating_sub(out.len());
        out.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Keeps a byte, likewise.
    #[inline(always)]
    fn keep_one(&self, byte: u8, out: &mut Vec<u8>) {
        if out.len() - self.start <= MAX_LINE_BYTES {
            out.push(byte);
        }
    }

    /// Keeps a byte; from the second line on, no white space between tokens.
    fn keep_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte.is_ascii_whitespace() && !self.nest.keeps_white() {
            if byte == b'\n' && !self.compact {
                self.compact = true;
                compact(out, self.start);
            }
            if self.compact {
                return;
            }
        }
        self.keep_one(byte, out);
    }

    /// Notes bytes of a text.
    fn follow_text(&mut self, text: &[u8]) {
        if let Some(path) = self.path.as_mut().filter(|path| path.reading_key) {
            let room = MAX_KEY_BYTES.saturating_sub(path.key.len());
            path.key.extend_from_slice(text.get(..room).unwrap_or(text));
        }
    }

    /// Follows the path of a wrapper; says whether the byte opened its array.
    fn follows(&mut self, byte: u8, names: Option<&[String]>) -> bool {
        let Some((path, names)) = self.path.as_mut().zip(names) else { return false };
        let depth = self.nest.depth() as usize;
        if path.reading_key {
            if byte == b'"' && !self.nest.keeps_white() {
                path.reading_key = false;
                path.hit = names.get(path.names).is_some_and(|name| is(&path.key, name));
            } else if path.key.len() < MAX_KEY_BYTES {
                path.key.push(byte);
            }
            return false;
        }
        if path.hit && !matches!(byte, b':' | b' ' | b'\t' | b'\r' | b'\n') {
            path.hit = false;
            let last = path.names + 1 == names.len();
            if byte == b'[' && last {
                return true;
            }
            path.names += usize::from(byte == b'{' && !last);
        } else if byte == b'"' && self.nest.in_text() && self.nest.is_key() && depth == path.names + 1 {
            path.reading_key = true;
            path.key.clear();
        } else if depth < path.names + 1 {
            path.names = depth.saturating_sub(1);
        }
        false
    }
}

/// Whether a key, as it is written, is this name.
fn is(key: &[u8], name: &str) -> bool {
    let mut plain = String::new();
    key == name.as_bytes()
        || key.contains(&b'\\')
            && std::str::from_utf8(key).is_ok_and(|key| unescape(key, &mut plain).is_ok() && plain == name)
}

/// What follows in a text before a quote, a backslash or a control character.
fn plain(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ');
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Takes the white space between tokens out of what was kept from `start` on.
fn compact(out: &mut Vec<u8>, start: usize) {
    let (mut text, mut escape, mut end) = (false, false, start);
    let kept = Cell::from_mut(out.get_mut(start..).unwrap_or_default()).as_slice_of_cells();
    let mut to = kept.iter();
    for byte in kept.iter().map(Cell::get) {
        if text || !byte.is_ascii_whitespace() {
            to.next().into_iter().for_each(|to| to.set(byte));
            end += 1;
        }
        text ^= byte == b'"' && !escape;
        escape = text && byte == b'\\' && !escape;
    }
    out.truncate(end);
}
