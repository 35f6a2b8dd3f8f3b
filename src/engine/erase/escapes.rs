//! The escapes of JSON, resolved wherever they stand: in a whole text of JSON, or in a piece of one.

/// A text with its escapes resolved; `None` where it holds no escape. Any other backslash stays as it is, and half of a surrogate pair
/// becomes U+FFFD, as where events are read.
pub fn unescaped(text: &str) -> Option<String> {
    memchr::memchr(b'\\', text.as_bytes())?;
    let (mut out, mut rest, mut any) = (String::with_capacity(text.len()), text, false);
    while let Some((before, escape)) = rest.split_once('\\') {
        out.push_str(before);
        match resolved(escape) {
            Some((letter, used)) => {
                out.push(letter);
                rest = escape.get(used..).unwrap_or_default();
                any = true;
            }
            None => {
                out.push('\\');
                rest = escape;
            }
        }
    }
    out.push_str(rest);
    any.then_some(out)
}

/// What an escape stands for, given what follows on its backslash, and the bytes that it takes there.
fn resolved(escape: &str) -> Option<(char, usize)> {
    let letter = match escape.as_bytes().first()? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        &plain @ (b'"' | b'\\' | b'/') => char::from(plain),
        b'u' => return resolved_unit(escape),
        _ => return None,
    };
    Some((letter, 1))
}

/// The same of `uXXXX`, perhaps with the other half of a pair behind it.
fn resolved_unit(escape: &str) -> Option<(char, usize)> {
    let unit = unit(escape)?;
    let other = escape.get(5..).and_then(|rest| rest.strip_prefix('\\')).and_then(self::unit);
    let of = |units: &[u16]| char::decode_utf16(units.iter().copied()).next().and_then(Result::ok);
    match (of(&[unit]), other.and_then(|other| of(&[unit, other]))) {
        (Some(letter), _) => Some((letter, 5)),
        (None, Some(letter)) => Some((letter, 11)),
        (None, None) => Some((char::REPLACEMENT_CHARACTER, 5)),
    }
}

fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix('u')?.get(..4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_and_all_else_stays() {
        for (text, plain) in [
            (r#"\"a\\b\/c\b\f\n\r\t"#, "\"a\\b/c\u{8}\u{c}\n\r\t"),
            (r"\u00e9\u00E9", "éé"),
            (r"\ud83d\ude00", "😀"),
            (r"\ud83dx\ude00", "\u{fffd}x\u{fffd}"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ud83d", "\u{fffd}"),
            (r"C:\users\\é", "C:\\users\\é"),
            (r"\\u00e9", r"\u00e9"),
        ] {
            assert_eq!(unescaped(text).as_deref(), Some(plain), "{text}");
        }
        for text in ["", "plain", r"\", r"\x", r"\u12", r"\uéa12", r"C:\users"] {
            assert_eq!(unescaped(text), None, "{text}");
        }
    }
}
