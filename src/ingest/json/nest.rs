//! Where an object or a list ends: its brackets, texts and commas, followed byte by byte over any number of lines.
//!
//! It holds to the grammar as far as damage shows: what a value may not follow, it does not. Words and numbers are looked at by the
//! [scanner](super::scan) later.

use crate::ingest::json::scan::MAX_DEPTH;

/// What a byte did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NestStep {
    /// It is a part of the value, which goes on.
    Inside,
    /// It closed the value.
    Closed,
    /// It cannot be part of it.
    Broken,
}

/// What may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// What the next byte stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Between words, texts and signs.
    Open,
    /// A number, or `true`, `false`, `null`.
    Word,
    Text,
    /// After the backslash of a text.
    Escape,
}

/// A value that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nest {
    /// A bit for each level within, the innermost lowest: set for an object.
    open: u128,
    depth: u32,
    expected: Expected,
    inside: Inside,
}

impl Nest {
    /// Before a value.
    pub fn new() -> Self {
        Self { open: 0, depth: 0, expected: Expected::Value, inside: Inside::Open }
    }

    /// Behind a member of the innermost of so many objects.
    pub fn in_objects(depth: u32) -> Self {
        Self { open: u128::MAX, depth, expected: Expected::CommaOrEnd, inside: Inside::Open }
    }

    /// Objects and lists within each other that are open.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether the next byte stands in a text, and not behind a backslash.
    pub fn in_text(&self) -> bool {
        self.inside == Inside::Text
    }

    /// Whether white space belongs to a text.
    pub fn keeps_white(&self) -> bool {
        matches!(self.inside, Inside::Text | Inside::Escape)
    }

    /// Whether the text that is open, or was the last, is a key.
    pub fn is_key(&self) -> bool {
        self.expected == Expected::Colon
    }

    /// Takes the next byte.
    pub fn step(&mut self, byte: u8) -> NestStep {
        match (self.inside, byte) {
            (Inside::Text | Inside::Escape, 0..b' ') => return NestStep::Broken,
            (Inside::Escape, _) => self.inside = Inside::Text,
            (Inside::Text, b'"') => self.inside = Inside::Open,
            (Inside::Text, b'\\') => self.inside = Inside::Escape,
            (Inside::Text, _) => {}
            (Inside::Word, _) if is_word(byte) => {}
            (Inside::Word | Inside::Open, _) => {
                self.inside = Inside::Open;
                return self.sign(byte);
            }
        }
        NestStep::Inside
    }

    fn sign(&mut self, byte: u8) -> NestStep {
        use Expected::{Colon, CommaOrEnd, Key, KeyOrEnd, Value, ValueOrEnd};
        let object = self.open & 1 == 1;
        match (byte, self.expected) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {}
            (b'"', Key | KeyOrEnd) => (self.inside, self.expected) = (Inside::Text, Colon),
            (b'"', Value | ValueOrEnd) => (self.inside, self.expected) = (Inside::Text, CommaOrEnd),
            (b'{' | b'[', Value | ValueOrEnd) if self.depth < MAX_DEPTH => {
                self.depth += 1;
                self.open = self.open << 1 | u128::from(byte == b'{');
                self.expected = if byte == b'{' { KeyOrEnd } else { ValueOrEnd };
            }
            (b'}', KeyOrEnd | CommaOrEnd) if object && self.depth > 0 => return self.close(),
            (b']', ValueOrEnd | CommaOrEnd) if !object && self.depth > 0 => return self.close(),
            (b':', Colon) => self.expected = Value,
            (b',', CommaOrEnd) if self.depth > 0 => self.expected = if object { Key } else { Value },
            (_, Value | ValueOrEnd) if is_word(byte) => (self.inside, self.expected) = (Inside::Word, CommaOrEnd),
            _ => return NestStep::Broken,
        }
        NestStep::Inside
    }

    fn close(&mut self) -> NestStep {
        self.depth -= 1;
        self.open >>= 1;
        self.expected = Expected::CommaOrEnd;
        if self.depth == 0 { NestStep::Closed } else { NestStep::Inside }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far a text is a value, and how that ended.
    fn end(text: &str) -> (usize, NestStep) {
        let mut nest = Nest::new();
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            match nest.step(byte) {
                NestStep::Inside => {}
                step => return (at, step),
            }
        }
        (text.len(), NestStep::Inside)
    }

    #[test]
    fn a_value_ends_where_its_brackets_close() {
        for whole in [
            "{}",
            "[]",
            "{\"a\":[1,-2.5e+3,true,null],\n\"b\" : {\"}]\":\"\\\"}\\\\\"}}",
            "[ \"[\", [[]], {} ]",
            &format!("{}{}", "[".repeat(127), "]".repeat(127)),
        ] {
            assert_eq!(end(&format!("{whole}}}]x")), (whole.len() - 1, NestStep::Closed), "{whole}");
            for cut in 1..whole.len() {
                assert_eq!(end(&whole[..cut]), (cut, NestStep::Inside), "{whole} {cut}");
            }
        }
    }

    #[test]
    fn what_can_be_no_part_of_it_breaks_it() {
        for (broken, at) in [
            ("{\"a\":1,\n{", 8),
            ("{\"a\":1\n{", 7),
            ("{\"a\" 1", 5),
            ("{\"a\"}", 4),
            ("{\"a\":}", 5),
            ("{\"a\":1,}", 7),
            ("{1", 1),
            ("[1 2", 3),
            ("[1}", 2),
            ("[,", 1),
            ("[1,]", 3),
            ("[\"a\nb\"", 3),
            ("[\"\\\n\"", 3),
            ("{\"a\":<", 5),
            ("{\"a\":'b'", 5),
            (&"[".repeat(128), 127),
        ] {
            assert_eq!(end(broken), (at, NestStep::Broken), "{broken}");
        }
    }
}
