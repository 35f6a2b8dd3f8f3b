//! How things are written: fields of rows as the text that is shown, `ecommerceId:18278` or `2026-11-02T09:00:00.000Z`; and text of a
//! log so that it is only looked at.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::{Serialize, Serializer};

/// As text.
pub fn text<T: Display, S: Serializer>(what: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(what)
}

/// Whether a count is left out of JSON.
pub fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What is serialised as text.
pub struct Text<'a, T>(pub &'a T);

impl<T: Display> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self.0)
    }
}

/// As text, or null.
pub fn text_or_null<T: Display, S: Serializer>(what: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match what {
        Some(what) => to.collect_str(what),
        None => to.serialize_none(),
    }
}

/// As a list of texts.
pub fn texts<T: Display, S: Serializer>(all: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().map(ToString::to_string))
}

/// Signs that are not seen, or change how others are: what Unicode calls default ignorable (but for the variation selectors, which
/// choose between two forms of a sign), what ends a line or a paragraph, what turns the direction of writing around, and what is
/// no character.
const UNSEEN: [RangeInclusive<char>; 17] = [
    '\u{ad}'..='\u{ad}',       // soft hyphen
    '\u{34f}'..='\u{34f}',     // grapheme joiner
    '\u{61c}'..='\u{61c}',     // Arabic letter mark
    '\u{115f}'..='\u{1160}',   // Hangul fillers
    '\u{17b4}'..='\u{17b5}',   // Khmer vowels without a form
    '\u{180e}'..='\u{180e}',   // Mongolian vowel separator
    '\u{200b}'..='\u{200f}',   // zero width, and marks of direction
    '\u{2028}'..='\u{202e}',   // ends of lines and paragraphs, embeddings and overrides
    '\u{2060}'..='\u{206f}',   // joiners, invisible operators, isolates
    '\u{3164}'..='\u{3164}',   // Hangul filler
    '\u{feff}'..='\u{feff}',   // byte order mark
    '\u{ffa0}'..='\u{ffa0}',   // Hangul filler of half width
    '\u{fff0}'..='\u{fffb}',   // annotations
    '\u{fffe}'..='\u{ffff}',   // no characters: XML has no place for them
    '\u{1bca0}'..='\u{1bca3}', // controls of shorthand
    '\u{1d173}'..='\u{1d17a}', // controls of music
    '\u{e0000}'..='\u{e00ff}', // tags
];

/// Whether a sign could steer a terminal, break a file, hide, or change what others look like.
pub fn is_unseen(sign: char) -> bool {
    sign.is_control() || (!sign.is_ascii() && UNSEEN.iter().any(|range| range.contains(&sign)))
}

/// Text of a log, fit to be shown to people: what could steer a terminal, start a line, hide or turn the writing around is written
/// out, as `\u{1b}`. Borrowed where there is nothing of that kind.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return text.into();
    }
    let mut written = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        match is_unseen(sign) {
            true => written.extend(sign.escape_default()),
            false => written.push(sign),
        }
    }
    written.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_stays_and_the_rest_is_written_out() {
        for text in ["", "Zoë 1", "日本語", "e\u{301}", "❤\u{fe0f}", "a\u{a0}b", "\\\"'"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(visible("a\u{1b}[2Jb\n\t"), "a\\u{1b}[2Jb\\n\\t");
        assert_eq!(visible("\u{9b}\u{202e}\u{2028}ü"), "\\u{9b}\\u{202e}\\u{2028}ü");
    }
}
