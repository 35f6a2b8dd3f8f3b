//! An identity: a namespace and a value.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An identity of one store: its place in the identity table. Dense, in the order of first meeting,
/// hence never part of an answer: only what it stands for is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdentityId(pub u32);

impl IdentityId {
    /// Its place in the identity table.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A value, borrowed. A canonical UUID (36 characters, hyphens, lower case) is held in its 16 bytes;
/// [`Value::new`] is the one place that decides which, so equal texts are equal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value<'a> {
    /// The 16 bytes of a canonical UUID.
    Uuid([u8; 16]),
    /// Any other text.
    Text(&'a str),
}

/// Characters of a canonical UUID.
const UUID_TEXT: usize = 36;

impl<'a> Value<'a> {
    /// The value that `text` is, taken as it stands: trim it first.
    pub fn new(text: &'a str) -> Self {
        match canonical_uuid(text) {
            Some(bytes) => Self::Uuid(bytes),
            None => Self::Text(text),
        }
    }
}

/// The bytes of a UUID in canonical form, and of no other spelling: what goes in must come out.
pub fn canonical_uuid(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; UUID_TEXT] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    let mut wrong = 0;
    for (byte, at) in bytes.iter_mut().zip(UUID_DIGITS) {
        let (high, low) = (DIGIT[usize::from(text[at])], DIGIT[usize::from(text[at + 1])]);
        wrong |= high | low;
        *byte = high << 4 | low;
    }
    let hyphens = text[8] == b'-' && text[13] == b'-' && text[18] == b'-' && text[23] == b'-';
    (hyphens && wrong & NO_DIGIT == 0).then_some(bytes)
}

/// Where the two digits of each byte stand in a canonical UUID.
const UUID_DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// What stands in [`DIGIT`] for a byte that is no lower-case hexadecimal digit.
const NO_DIGIT: u8 = 0x80;

/// The value of each lower-case hexadecimal digit.
///
/// By a table of ours because every line has a UUID or two, and the library's parser, which takes four forms in either case,
/// took 7% of the time of decoding.
const DIGIT: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
};

/// The text as it was seen.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(bytes) => Uuid::from_bytes(*bytes).hyphenated().fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// By the bytes of the text.
impl Ord for Value<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut left = [0; UUID_TEXT];
        let mut right = [0; UUID_TEXT];
        match (self, other) {
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b), // lower-case hex keeps the order of its bytes
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.text_into(&mut left).cmp(other.text_into(&mut right)),
        }
    }
}

impl PartialOrd for Value<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> Value<'a> {
    /// The text, as [`Display`](fmt::Display) writes it, without the detour by a formatter.
    pub fn to_text(&self) -> String {
        self.text_into(&mut [0; UUID_TEXT]).to_owned()
    }

    /// The text, without an allocation.
    pub fn text(self) -> ValueText<'a> {
        let mut uuid = [0; UUID_TEXT];
        match self {
            Self::Uuid(bytes) => {
                Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut uuid);
                ValueText { text: None, uuid }
            }
            Self::Text(text) => ValueText { text: Some(text), uuid },
        }
    }

    /// The text, written into `room` where it is a UUID.
    pub fn text_into<'r>(&self, room: &'r mut [u8; UUID_TEXT]) -> &'r str
    where
        'a: 'r,
    {
        match self {
            Self::Uuid(bytes) => Uuid::from_bytes(*bytes).hyphenated().encode_lower(room),
            Self::Text(text) => text,
        }
    }
}

/// The text of a value: a `str`, for which nothing was allocated.
#[derive(Debug, Clone, Copy)]
pub struct ValueText<'a> {
    text: Option<&'a str>,
    /// The text of a UUID, where it is one.
    uuid: [u8; UUID_TEXT],
}

impl std::ops::Deref for ValueText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        // Digits and hyphens are UTF-8.
        self.text.unwrap_or_else(|| std::str::from_utf8(&self.uuid).unwrap_or_default())
    }
}

impl fmt::Display for ValueText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// An identity in full, as a user names it: `ecommerceId:18278`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The namespace, as [`Namespaces::display`](crate::model::namespace::Namespaces::display) writes it.
    pub namespace: String,
    /// The value, as it was seen.
    pub value: String,
}

impl Identity {
    /// The identity `value` of `namespace`.
    pub fn new(namespace: impl Into<String>, value: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), value: value.into() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOWER: &str = "f49c75a2-6994-41e2-875d-97ec4d19254b";

    #[test]
    fn only_the_canonical_form_is_a_uuid() {
        assert!(matches!(Value::new(LOWER), Value::Uuid(_)), "canonical");
        let others =
            [LOWER.to_uppercase(), LOWER.replace('-', ""), format!("{{{LOWER}}}"), format!("urn:uuid:{LOWER}")];
        for other in &others {
            assert!(matches!(Value::new(other), Value::Text(_)), "{other}");
            assert_eq!(Value::new(other).to_string(), *other);
        }
        assert_eq!(Value::new(LOWER).to_string(), LOWER);
        for at in 0..UUID_TEXT {
            let mut broken = LOWER.to_owned();
            broken.replace_range(at..=at, "g");
            assert!(matches!(Value::new(&broken), Value::Text(_)), "{broken}");
        }
    }

    #[test]
    fn order_is_that_of_the_text() {
        let texts = [
            LOWER,
            "0",
            "f49c75a2-6994-41e2-875d-97ec4d19254c",
            "F49C75A2-6994-41E2-875D-97EC4D19254B",
            "g",
            "f49c75a2",
        ];
        for a in texts {
            for b in texts {
                assert_eq!(Value::new(a).cmp(&Value::new(b)), a.cmp(b), "{a} {b}");
            }
        }
    }
}
