//! JSON: objects, one a line or in arrays, on one line or over several.
//!
//! Decoding reads only what identity needs and has its own scanner ([`scan`]), because that is where a replay spends its time:
//! `benches/decode.rs` holds it against `serde_json` with a visitor that ignores all else.

pub(super) mod canonical;
mod constants;
mod decode;
pub(super) mod frame;
mod literals;
mod marks;
mod members;
mod nest;
mod recall;
mod scan;
mod shapes;

#[cfg(test)]
mod constants_tests;
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

use std::sync::Arc;

use parking_lot::Mutex;

use crate::ingest::chunk::Chunk;
use crate::ingest::format::{Decoded, Format, Line, Task};
use crate::ingest::json::shapes::Shapes;
use crate::model::identity::Identity;
use crate::model::person::AttributionKind;

/// The format JSON. Chunks that it decodes must have their fields in the same places.
#[derive(Debug, Clone, Default)]
pub(super) struct Json {
    /// The shapes of the lines of chunks that were decoded, one for each thread that has decoded at the same time.
    shapes: Arc<Mutex<Vec<Shapes>>>,
}

impl Format for Json {
    fn decode(&self, task: Task<'_>, chunk: &Chunk, each: impl FnMut(Line<'_, '_>)) -> Decoded {
        let mut shapes = self.shapes.lock().pop().unwrap_or_default();
        let decoded = decode::chunk(task, &mut shapes, chunk, each);
        self.shapes.lock().extend(shapes.kept());
        decoded
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
        Identity::new("sessionId", value)
    }

    #[test]
    fn a_line_keeps_its_bytes_and_gains_its_person() {
        let mut rows = Vec::new();
        let json = Json::default();
        json.write_attributed(&mut rows, br#"{"a": 1.0,"b":{}}"#, &identity("7"), AttributionKind::Retroactive);
        json.write_attributed(&mut rows, b"{\"a\":1 }", &identity("q\"\n"), AttributionKind::Anonymous);
        let expected = concat!(
            r#"{"a": 1.0,"b":{},"person":"sessionId:7","attribution":"retroactive"}"#,
            "\n",
            r#"{"a":1,"person":"sessionId:q\"\n","attribution":"anonymous"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(rows).unwrap(), expected);
    }
}
