//! A strict JSON scanner: one pass, no tree, no allocation, no recursion.
//!
//! It walks UTF-8 text line by line and accepts exactly RFC 8259, nested at most [`MAX_DEPTH`] deep. A line end is not
//! white space here: it ends the line, so a broken line cannot swallow the next. What is not asked for is checked and
//! skipped; what is asked for is told by its place ([`Span`]). By that grammar an escape may be half of a surrogate pair,
//! as in a title that JavaScript cut inside an emoji; only [`unescape`], which must make a text of it, refuses it.

use std::fmt;

use crate::ingest::json::marks::{Marks, MarksView};

/// Objects and lists within each other, the activity itself among them. The JSON library has the same bound; deeper is no activity
/// but an attack or an accident, and one bit a level fits one word.
pub(super) const MAX_DEPTH: u32 = 127;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NoObject,
    NoElement,
    OpenArray,
    NoKey,
    NoColon,
    NoValue,
    NotInObject,
    NotInList,
    Control,
    Unended,
    Escape,
    Surrogate,
    Number,
    Deep,
    After,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoObject => "a line must be a JSON object",
            Self::NoElement => "what stands in an array must be a JSON object",
            Self::OpenArray => "an array has no closing bracket",
            Self::NoKey => "a key in quotes is missing",
            Self::NoColon => "a colon is missing after a key",
            Self::NoValue => "a value is missing or misspelled",
            Self::NotInObject => "a comma or a closing brace is missing",
            Self::NotInList => "a comma or a closing bracket is missing",
            Self::Control => "a control character stands in a text",
            Self::Unended => "a text has no closing quote",
            Self::Escape => "an escape is unknown",
            Self::Surrogate => "a time, an id or an identity holds half of a surrogate pair, which is no text",
            Self::Number => "a number is misspelled",
            Self::Deep => return write!(f, "it is nested more than {MAX_DEPTH} deep"),
            Self::After => "something follows the object",
        })
    }
}

/// Where something lies: a text between its quotes, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
    spelled: Spelled,
}

/// How a text is spelled. As wide as a place is, so that a span has no gaps: to copy one with gaps, seven bytes in two overlapping halves,
/// stalled the processor at each value of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum Spelled {
    AsItIs,
    WithEscapes,
}

impl Span {
    /// One that holds no escapes.
    #[inline(always)]
    pub fn plain(start: usize, end: usize) -> Self {
        Self { start, end, spelled: Spelled::AsItIs }
    }

    /// One that holds escapes.
    #[inline(always)]
    pub fn escaped(start: usize, end: usize) -> Self {
        Self { start, end, spelled: Spelled::WithEscapes }
    }

    /// Whether it holds escapes.
    #[inline(always)]
    pub fn is_escaped(self) -> bool {
        self.spelled == Spelled::WithEscapes
    }

    /// What lies here in `text`, which the span was found in.
    #[inline(always)]
    pub fn of(self, text: &str) -> &str {
        let found = text.get(self.start..self.end);
        debug_assert!(found.is_some(), "{self:?} is of another text");
        found.unwrap_or_default()
    }
}

/// A value that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// Not there, or null.
    Absent,
    Text(Span),
    Number(Span),
    Boolean,
    List,
    Object,
}

/// A text, of which marks were made.
#[derive(Clone, Copy)]
pub(super) struct MarkedText<'a> {
    bytes: &'a [u8],
    marks: MarksView<'a>,
}

impl<'a> MarkedText<'a> {
    /// The bytes from `at` on, to the end.
    #[inline(always)]
    pub fn from(self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// The rest of a JSON text whose opening quote ends at `at`, where it is short and holds no escapes.
    #[inline(always)]
    pub fn plain(self, at: usize) -> Option<Span> {
        let end = self.marks.near(at)?;
        (self.bytes.get(end) == Some(&b'"')).then_some(Span::plain(at, end))
    }

    /// The number that begins at `at`, where it has few digits, perhaps with a few more behind a point, and something behind it.
    #[inline(always)]
    pub fn short_number(self, at: usize) -> Option<Span> {
        let (count, next) = self.digits(at)?;
        match (self.bytes.get(at), next) {
            (Some(b'0'), _) if count > 1 => None,
            (_, b'e' | b'E') => None,
            (_, b'.') => match self.digits(at + count + 1)? {
                (_, b'e' | b'E') => None,
                (more, _) => Some(Span::plain(at, at + count + 1 + more)),
            },
            _ => Some(Span::plain(at, at + count)),
        }
    }

    /// How many digits there are from `at` on, where these are one to seven, and what follows on them.
    #[inline(always)]
    fn digits(self, at: usize) -> Option<(usize, u8)> {
        let bytes: &[u8; 8] = self.from(at).first_chunk()?;
        // Eight bytes at once: of a digit the upper half is 3, and still is when six is added.
        let word = u64::from_le_bytes(*bytes);
        let upper = (word & HALVES) ^ DIGITS | (word.wrapping_add(SIXES) & HALVES) ^ DIGITS;
        let count = (upper.trailing_zeros() / 8) as usize;
        bytes.get(count).filter(|_| count > 0).map(|&next| (count, next))
    }

    /// The word that begins at `at`, with something behind it.
    #[inline(always)]
    pub fn word(self, at: usize) -> Option<Span> {
        let length = match self.from(at).first_chunk()? {
            [b't', b'r', b'u', b'e', _] | [b'n', b'u', b'l', b'l', _] => 4,
            b"false" => 5,
            _ => return None,
        };
        Some(Span::plain(at, at + length))
    }
}

/// The upper halves of eight bytes, those of eight digits, and a six for each.
const HALVES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
const DIGITS: u64 = 0x3030_3030_3030_3030;
const SIXES: u64 = 0x0606_0606_0606_0606;

/// A place in a text.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    marks: &'a Marks,
    /// The next byte to be read; where a fault was found, its place.
    pub at: usize,
}

impl<'a> Scanner<'a> {
    /// At the start of `text`, of which `marks` were made.
    pub fn new(text: &'a str, marks: &'a Marks) -> Self {
        Self { bytes: text.as_bytes(), marks, at: 0 }
    }

    /// What lies at `span`, as it stands.
    #[inline(always)]
    pub fn raw(&self, span: Span) -> &'a [u8] {
        self.bytes.get(span.start..span.end).unwrap_or_default()
    }

    /// Skips white space and tells the byte that follows: a line end also at the end of the text.
    #[inline(always)]
    pub fn white(&mut self) -> u8 {
        let byte = self.byte();
        if byte > b' ' { byte } else { self.white_rest() }
    }

    #[inline(never)]
    fn white_rest(&mut self) -> u8 {
        while matches!(self.byte(), b' ' | b'\t' | b'\r') {
            self.at += 1;
        }
        self.byte()
    }

    #[inline(always)]
    fn byte(&self) -> u8 {
        self.byte_after(0)
    }

    /// The byte that lies so many behind the next: a line end also at the end of the text.
    #[inline(always)]
    pub fn byte_after(&self, bytes: usize) -> u8 {
        self.bytes.get(self.at + bytes).copied().unwrap_or(b'\n')
    }

    /// The bytes from the next on, to the end of the text.
    #[inline(always)]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What it reads.
    #[inline(always)]
    pub fn text(&self) -> MarkedText<'a> {
        MarkedText { bytes: self.bytes, marks: self.marks.view() }
    }

    /// Reads an object; `member` is called at the value of each key and must read it.
    #[inline(always)]
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, Span) -> Result<(), Fault>) -> Result<(), Fault> {
        if self.white() != b'{' {
            return Err(Fault::NoObject);
        }
        self.at += 1;
        if self.white() == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.key()?;
            member(self, key)?;
            match self.white() {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Fault::NotInObject),
            }
        }
    }

    /// Reads a value that stands within `depth` objects and lists, and tells what it is.
    #[inline(always)]
    pub fn token(&mut self, depth: u32) -> Result<Token, Fault> {
        match self.white() {
            b'"' => {
                self.at += 1;
                self.string().map(Token::Text)
            }
            b'-' | b'0'..=b'9' => {
                let start = self.at;
                self.number()?;
                Ok(Token::Number(Span::plain(start, self.at)))
            }
            b'n' => self.literal(b"null").map(|()| Token::Absent),
            b'[' => self.skip(depth).map(|()| Token::List),
            b'{' => self.skip(depth).map(|()| Token::Object),
            _ => self.skip(depth).map(|()| Token::Boolean),
        }
    }

    /// Checks and skips a value that stands within `depth` objects and lists.
    #[inline]
    pub fn skip(&mut self, depth: u32) -> Result<(), Fault> {
        match self.white() {
            b'{' | b'[' => self.skip_nested(depth),
            byte => self.skip_flat(byte),
        }
    }

    /// Checks and skips a value that begins with `byte`, and is neither object nor list.
    #[inline(always)]
    pub fn skip_flat(&mut self, byte: u8) -> Result<(), Fault> {
        match byte {
            b'"' => {
                self.at += 1;
                self.string().map(|_| ())
            }
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => Err(Fault::NoValue),
        }
    }

    /// Skips an object or list. `open` holds a bit for each level within, the innermost lowest: set for an object.
    fn skip_nested(&mut self, outer: u32) -> Result<(), Fault> {
        let mut open = 0u128;
        let mut depth = outer;
        loop {
            let byte = self.white();
            if let b'{' | b'[' = byte {
                if depth == MAX_DEPTH {
                    return Err(Fault::Deep);
                }
                self.at += 1;
                depth += 1;
                open = open << 1 | u128::from(byte == b'{');
                let next = self.white();
                if next != byte + 2 {
                    if byte == b'{' {
                        self.key()?;
                    }
                    continue;
                }
                // Closed at once: its closing byte (two above the opening one in ASCII) is met again below.
            } else {
                self.skip_flat(byte)?;
            }
            loop {
                let object = open & 1 == 1;
                match self.white() {
                    b',' => {
                        self.at += 1;
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ if object => return Err(Fault::NotInObject),
                    _ => return Err(Fault::NotInList),
                }
                self.at += 1;
                depth -= 1;
                open >>= 1;
                if depth == outer {
                    return Ok(());
                }
            }
        }
    }

    #[inline(always)]
    fn key(&mut self) -> Result<Span, Fault> {
        if self.white() != b'"' {
            return Err(Fault::NoKey);
        }
        self.at += 1;
        let key = self.string()?;
        if self.white() != b':' {
            return Err(Fault::NoColon);
        }
        self.at += 1;
        Ok(key)
    }

    /// The rest of a text whose opening quote was read.
    #[inline(always)]
    pub fn string(&mut self) -> Result<Span, Fault> {
        let start = self.at;
        self.at = self.marks.next(start);
        if self.byte() == b'"' {
            let end = self.at;
            self.at += 1;
            return Ok(Span::plain(start, end));
        }
        self.string_rest(start)
    }

    #[inline(never)]
    fn string_rest(&mut self, start: usize) -> Result<Span, Fault> {
        loop {
            match self.byte() {
                b'"' => break,
                b'\\' => self.escape()?,
                b'\n' => return Err(Fault::Unended),
                _ => return Err(Fault::Control),
            }
            self.at = self.marks.next(self.at);
        }
        let end = self.at;
        self.at += 1;
        Ok(Span::escaped(start, end))
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.byte() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.at += 1;
                return Ok(());
            }
            b'u' => {}
            _ => return Err(Fault::Escape),
        }
        hex4(self.bytes, self.at + 1).ok_or(Fault::Escape)?;
        self.at += 5;
        Ok(())
    }

    /// Checks and skips a number.
    #[inline(always)]
    pub fn number(&mut self) -> Result<(), Fault> {
        if self.byte() == b'-' {
            self.at += 1;
        }
        match self.byte() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if let b'e' | b'E' = self.byte() {
            self.at += 1;
            if let b'+' | b'-' = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline(always)]
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(Fault::Number) } else { Ok(()) }
    }

    #[inline(always)]
    fn literal(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(Fault::NoValue);
        }
        self.at += word.len();
        Ok(())
    }
}

/// Appends the text that `raw` stands for to `out`. Its escapes were checked by the scanner.
///
/// # Errors
/// The place in `raw` of an escape that is half of a surrogate pair: then it stands for no text.
pub(super) fn unescape(raw: &str, out: &mut String) -> Result<(), usize> {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        let bytes = rest.as_bytes();
        let mut used = at + 2;
        let plain = match bytes.get(at + 1) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = hex4(bytes, at + 2).unwrap_or(0);
                used = at + 6;
                let pair = unit & 0xFC00 == 0xD800 && bytes.get(used..used + 2) == Some(b"\\u");
                let low = if pair { hex4(bytes, used + 2) } else { None };
                used += if low.is_some() { 6 } else { 0 };
                let units = [Some(unit), low].into_iter().flatten();
                let sign = char::decode_utf16(units).next().and_then(Result::ok);
                sign.ok_or(raw.len() - rest.len() + at)?
            }
            Some(&itself) => char::from(itself),
            None => break,
        };
        out.push(plain);
        rest = rest.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(())
}

fn hex4(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |all, &digit| Some(all << 4 | char::from(digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_what_they_name() {
        let mut out = String::from(">");
        unescape(r#"\u0073\uD83D\uDE00\"\\\/\b\f\n\r\té\u00E9"#, &mut out).unwrap();
        assert_eq!(out, ">s😀\"\\/\u{8}\u{c}\n\r\téé");
    }

    #[test]
    fn a_short_value_is_what_the_scanner_reads() {
        let ends = [",", "}", "]", " ", "\n", ".5", "e3", "E3", "a", "-", "/", ":", "\u{30}", "\u{7f}", "é"];
        let whole = ["", "0", "7", "00", "01", "10", "42", "999", "1234567", "12345678", "123456789", "-1", "9:", "1/"];
        let others = ["0.5", "00.5", "1.", "1.x", ".5", "12.75", "1.12345678", "0.0", "1.5.2", "true", "null", "false"];
        let broken = ["True", "tru", "nul1", "fals", "fa\u{6c}se", "truefalse"];
        let values = whole.into_iter().chain(others).chain(broken);
        for (value, end) in values.flat_map(|value| ends.map(|end| (value, end))) {
            let text = format!("{value}{end}        ");
            let mut marks = Marks::default();
            marks.make(text.as_bytes());
            let mut scanner = Scanner::new(&text, &marks);
            let short = scanner.text().short_number(0).or_else(|| scanner.text().word(0));
            let first = scanner.byte_after(0);
            let read = scanner.skip_flat(first).ok().filter(|()| first != b'"').map(|()| Span::plain(0, scanner.at));
            assert!(short.is_none() || short == read, "{text}");
            let is_plain = ["42", "999", "1234567", "12.75", "0.5", "true", "null", "false"].contains(&value);
            let goes_on = matches!(end, ".5" | "e3" | "E3" | "0");
            assert!(!is_plain || goes_on || short.is_some(), "{text}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        let (pair, high, low) = (r"\uD83D\uDE00", r"\uD83D", r"\uDE00");
        for (before, rest) in [("", ""), ("é ", " x"), (pair, pair), (r"\n", r"\u0041"), (r"\\u", r"\\uDE00")] {
            for half in [high, low] {
                let raw = format!("{before}{half}{rest}");
                // A half before a whole one, or before the other half of nobody, is the first that is none.
                assert_eq!(unescape(&raw, &mut String::new()), Err(before.len()), "{raw}");
            }
        }
        let mut out = String::new();
        assert_eq!(unescape(&format!("{high}{pair}"), &mut out), Err(0));
        assert_eq!(unescape(&format!("{pair}{low}"), &mut out), Err(pair.len()));
    }
}
