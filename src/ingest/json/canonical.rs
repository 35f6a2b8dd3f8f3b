//! One spelling for each JSON value: no white space, the names of objects ascending by their bytes and each once (the last counts),
//! texts with the escapes that they need and no others, numbers by their value.
//!
//! What is read here was checked by the [scanner](super::scan), or written by a JSON library: what breaks the grammar all the same
//! ends the value where it does.

use std::collections::BTreeMap;

use crate::ingest::json::scan::{MAX_DEPTH, unescape};

/// Digits of an exponent that is worked with: no number in use has a tenth as many. One with more stays as it is spelled.
const MAX_EXPONENT_DIGITS: usize = 15;

/// Places before the decimal point, and zeros behind it, that are written out; a number beyond has an exponent, as in JavaScript.
const MAX_PLACES: i64 = 21;
const MAX_ZEROS: i64 = 6;

/// The canonical spelling of `raw`; `None` where it is nested too deep.
pub(in crate::ingest) fn value(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    Reader { text: raw, at: 0 }.value(0, &mut out)?;
    Some(out)
}

/// Calls `each` with the elements of the list that `raw` is, as they are spelled. Linear; false where it is not a list.
pub(in crate::ingest) fn elements<'a>(raw: &'a str, mut each: impl FnMut(&'a str)) -> bool {
    let mut reader = Reader { text: raw, at: 0 };
    reader.takes(b'[') && {
        while let Some(element) = reader.raw_element(b']') {
            each(element);
        }
        true
    }
}

/// Calls `each` with the names of the object that `raw` is, resolved, and with its values as they are spelled. Linear; false
/// where it is not an object.
pub(in crate::ingest) fn members<'a>(raw: &'a str, mut each: impl FnMut(String, &'a str)) -> bool {
    let mut reader = Reader { text: raw, at: 0 };
    reader.takes(b'{') && {
        while let Some(name) = reader.raw_element(b'}') {
            reader.takes(b':');
            each(resolved(name), reader.raw_value());
        }
        true
    }
}

/// A text in quotes.
pub(in crate::ingest) fn quoted(text: &str) -> String {
    // Texts always serialise.
    serde_json::to_string(text).unwrap_or_default()
}

/// The text that a spelling in quotes stands for. Half of a surrogate pair, which stands for none, becomes U+FFFD.
fn resolved(raw: &str) -> String {
    let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
    let (mut out, mut rest) = (String::with_capacity(inner.len()), inner);
    while let Err(half) = unescape(rest, &mut out) {
        out.push(char::REPLACEMENT_CHARACTER);
        rest = rest.get(half + r"\uD800".len()..).unwrap_or_default();
    }
    out
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn white(&mut self) -> Option<u8> {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.byte()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let found = self.white() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// The next element of a list, or name of an object; `None` behind the last, whose bracket is taken.
    fn raw_element(&mut self, end: u8) -> Option<&'a str> {
        self.takes(b',');
        if self.takes(end) || self.byte().is_none() {
            return None;
        }
        let element = self.raw_value();
        (!element.is_empty()).then_some(element)
    }

    /// A value as it is spelled, skipped.
    fn raw_value(&mut self) -> &'a str {
        self.white();
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.byte() {
            match byte {
                b'"' => self.pass_text(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b'}' | b']' | b',' | b':' if depth == 0 => break,
                b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => break,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                break;
            }
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn pass_text(&mut self) {
        self.at += 1;
        while let Some(byte) = self.byte() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }

    /// Appends the canonical spelling of the value here, which stands within `depth` objects and lists.
    fn value(&mut self, depth: u32, out: &mut String) -> Option<()> {
        match self.white()? {
            b'"' => {
                let raw = self.raw_value();
                match raw.contains('\\') {
                    false => out.push_str(raw),
                    true => out.push_str(&quoted(&resolved(raw))),
                }
            }
            b'[' if depth < MAX_DEPTH => {
                self.at += 1;
                out.push('[');
                self.list(depth, out)?;
                out.push(']');
            }
            b'{' if depth < MAX_DEPTH => {
                self.at += 1;
                let mut members = BTreeMap::new();
                while let Some(name) = self.raw_element(b'}') {
                    self.takes(b':');
                    let mut value = String::new();
                    self.value(depth + 1, &mut value)?;
                    members.insert(resolved(name), value);
                }
                write_object(&members, out);
            }
            b'[' | b'{' => return None,
            b'-' | b'0'..=b'9' => number(self.raw_value(), out),
            _ => out.push_str(self.raw_value()),
        }
        Some(())
    }

    fn list(&mut self, depth: u32, out: &mut String) -> Option<()> {
        let mut first = true;
        loop {
            self.takes(b',');
            if self.takes(b']') || self.byte().is_none() {
                return Some(());
            }
            let before = self.at;
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            self.value(depth + 1, out)?;
            if self.at == before {
                return None;
            }
        }
    }
}

/// Appends an object of canonical values.
pub(in crate::ingest) fn write_object(members: &BTreeMap<String, String>, out: &mut String) {
    out.push('{');
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&quoted(name));
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
}

/// Appends the one spelling of the numbers of one value: digits without zeros around them, and their place.
fn number(raw: &str, out: &mut String) {
    let (negative, rest) = raw.strip_prefix('-').map_or((false, raw), |rest| (true, rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let leading = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0');
    if digits.is_empty() {
        out.push('0');
        return;
    }
    let (below, size) = exponent.strip_prefix('-').map_or((false, exponent), |size| (true, size));
    let size = size.strip_prefix('+').unwrap_or(size).trim_start_matches('0');
    if size.len() > MAX_EXPONENT_DIGITS {
        out.push_str(raw);
        return;
    }
    let size: i64 = size.parse().unwrap_or(0);
    // The value is 0.DIGITS times ten to the power of `point`.
    let point = whole.len() as i64 - leading as i64 + if below { -size } else { size };
    if negative {
        out.push('-');
    }
    write_digits(digits, point, out);
}

fn write_digits(digits: &str, point: i64, out: &mut String) {
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split = usize::try_from(point).ok().and_then(|at| digits.split_at_checked(at));
    match split {
        Some((whole, fraction)) if 0 < point && point <= MAX_PLACES => {
            out.push_str(whole);
            if !fraction.is_empty() {
                out.push('.');
                out.push_str(fraction);
            }
        }
        None if 0 < point && point <= MAX_PLACES => {
            out.push_str(digits);
            out.push_str(&zeros(point - digits.len() as i64));
        }
        _ if -MAX_ZEROS < point && point <= 0 => {
            out.push_str("0.");
            out.push_str(&zeros(-point));
            out.push_str(digits);
        }
        _ => {
            let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
            out.push_str(first);
            if !rest.is_empty() {
                out.push('.');
                out.push_str(rest);
            }
            out.push('e');
            out.push_str(&(point - 1).to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_spelling() {
        for (spellings, expected) in [
            (&["1", "1.0", "10e-1", "0.1E+1", "1.000e0", "0.01e2"][..], "1"),
            (&["0", "-0", "0.0", "-0e9999999999999999999", "0e5"], "0"),
            (&["-12.5", "-125e-1", "-0.125e2", "-12.50"], "-12.5"),
            (&["1e20", "100000000000000000000", "10e19"], "100000000000000000000"),
            (&["1e21", "1E+21", "1000000000000000000000"], "1e21"),
            (&["1.5e300", "15e299", "0.15e301"], "1.5e300"),
            (&["0.000001", "1e-6", "0.1e-5"], "0.000001"),
            (&["1e-7", "0.0000001", "10E-8"], "1e-7"),
            (&["12345678901234567890.125"], "12345678901234567890.125"),
            (&["1e9999999999999999"], "1e9999999999999999"),
            (&[r#""a""#, r#""\u0061""#, " \"a\" "], r#""a""#),
            (&[r#""\/é\n\u0001\"""#, r#""/\u00e9\u000A\u0001\u0022""#], "\"/é\\n\\u0001\\\"\""),
            (&[r#""\ud83d\ude00""#, "\"😀\""], "\"😀\""),
            (&[r#""x\ud83dy\udE00""#], "\"x\u{fffd}y\u{fffd}\""),
            (&["[ ]", "[\t]"], "[]"),
            (&["{ }"], "{}"),
            (&["[1 , [true,null],\"]\" ]", "[1.0,[true,null],\"]\"]"], "[1,[true,null],\"]\"]"),
            (
                &[
                    r#"{"b":1,"a":{"d":[],"c":"}"}}"#,
                    r#"{ "a" : 7, "a":{"c":"\u007d","d":[ ]} , "\u0062":10e-1}"#,
                    r#"{"a":{"d":[],"c":"}"},"b":1}"#,
                ],
                r#"{"a":{"c":"}","d":[]},"b":1}"#,
            ),
        ] {
            for spelling in spellings {
                let found = value(spelling).unwrap();
                assert_eq!(found, expected, "{spelling}");
                assert_eq!(value(&found).as_deref(), Some(&*found), "spelled so, it stays so");
            }
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(value(&nested(127)), Some(nested(127)));
        assert_eq!(value(&nested(128)), None);
        assert_eq!(value(&nested(1_000_000)), None);
    }

    #[test]
    fn broken_text_ends() {
        let whole = r#"{"a":[1,"x\n",{"b":null}],"c":-1.5e3}"#;
        for end in 0..=whole.len() {
            for text in [&whole[..end], &whole[end..]] {
                value(text);
                elements(text, |_| {});
                members(text, |_, _| {});
            }
        }
    }
}
