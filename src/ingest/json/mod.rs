//! JSON: objects, one a line or in arrays, on one line or over several.
//!
//! Decoding reads only what identity needs and has its own scanner ([`scan`]), because that is where a replay spends its time:
//! `benches/decode.rs` holds it against `serde_json` with a visitor that ignores all else.

pub(super) mod canonical;
mod decode;
pub(super) mod frame;
mod marks;
mod members;
mod nest;
mod recall;
mod scan;
mod shapes;

#[cfg(test)]
mod fields_tests;
#[cfg(test)]
mod frame_tests;
#[cfg(test)]
mod moments_tests;
#[cfg(test)]
mod shapes_tests;
#[cfg(test)]
mod tests;

use crate::ingest::chunk::Chunk;
use crate::ingest::format::{Decoded, Format, Line, Task};
use crate::model::identity::Identity;
use crate::model::person::AttributionKind;

/// The format JSON.
pub(super) struct Json;

impl Format for Json {
    fn decode(&self, task: Task<'_>, chunk: &Chunk, each: impl FnMut(Line<'_>)) -> Decoded {
        decode::chunk(task, chunk, each)
    }

    /// The bytes of the object stay as they are: the person stands before the brace that closes it.
    fn write_attributed(&self, rows: &mut Vec<u8>, text: &[u8], person: &Identity, kind: AttributionKind) {
        let body = text.strip_suffix(b"}").unwrap_or(text).trim_ascii_end();
        rows.extend_from_slice(body);
        rows.extend_from_slice(br#","person":"#);
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut *rows, &format_args!("{person}"));
        rows.extend_from_slice(br#","attribution":""#);
        rows.extend_from_slice(kind.word().as_bytes());
        rows.extend_from_slice(b"\"}\n");
    }
}

#[cfg(test)]
mod writing {
    use super::*;

    fn identity(value: &str) -> Identity {
        Identity { namespace: "sessionId".into(), value: value.into() }
    }

    #[test]
    fn a_line_keeps_its_bytes_and_gains_its_person() {
        let mut rows = Vec::new();
        Json.write_attributed(&mut rows, br#"{"a": 1.0,"b":{}}"#, &identity("7"), AttributionKind::Retroactive);
        Json.write_attributed(&mut rows, b"{\"a\":1 }", &identity("q\"\n"), AttributionKind::Anonymous);
        let expected = concat!(
            r#"{"a": 1.0,"b":{},"person":"sessionId:7","attribution":"retroactive"}"#,
            "\n",
            r#"{"a":1,"person":"sessionId:q\"\n","attribution":"anonymous"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(rows).unwrap(), expected);
    }
}
