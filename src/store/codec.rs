//! bincode, with its options in one place: varints, little endian, nothing after the end.

use bincode::Options;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};

/// A column of bytes. Serde would otherwise go through a slice number by number.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a [u8]>::deserialize(deserializer).map(Self)
    }
}

/// Appends `value` to `out`.
pub(crate) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    bincode::DefaultOptions::new().serialize_into(out, value).map_err(|error| error.to_string())
}

/// Reads what [`encode`] wrote. The limit keeps damaged lengths from asking for memory.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    let limit = bytes.len() as u64;
    bincode::DefaultOptions::new().with_limit(limit).deserialize(bytes).map_err(|error| error.to_string())
}
