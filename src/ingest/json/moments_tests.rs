//! When an activity happened, told by a JSON library: what the tests of decoding expect.

use serde_json::Value as Json;

use crate::ingest::moment;
use crate::model::time::Time;

/// When it happened, by the library.
pub(super) fn expected_time(json: &Json) -> Option<Time> {
    let field = |name: &str| json.get(name).filter(|value| !value.is_null());
    match field("timestamp").or(field("time"))? {
        Json::String(text) => Time::parse(text).or_else(|| moment::number(text, None)),
        value => {
            let number = value.as_i64()?;
            let micros = match number.unsigned_abs() {
                ..100_000_000_000 => number.checked_mul(1_000_000)?,
                100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000)?,
                100_000_000_000_000..100_000_000_000_000_000 => number,
                _ => number.div_euclid(1_000),
            };
            Time::in_calendar(micros)
        }
    }
}
