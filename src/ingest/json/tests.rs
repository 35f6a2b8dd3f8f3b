//! The decoder against the JSON library: the same lines accepted, the same fields found.
//!
//! The oracle is `serde_json::Value`. It cannot see how a number was spelled, so numbers as identities are tested by themselves.
//! And it refuses half of a surrogate pair wherever it stands, so it is shown [`HALF`] in its place.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_128;

use crate::ingest::chunk::Chunk;
use crate::ingest::decode::Decoder;
use crate::ingest::fields::Fields;
use crate::ingest::format::Decoded;
use crate::ingest::json::moments_tests::expected_time;
use crate::ingest::json::scan::MAX_DEPTH;
use crate::ingest::junk::JunkCounts;
use crate::ingest::looks::LooksLike;
use crate::ingest::reject::Reason;
use crate::model::event::EventId;
use crate::model::limits::{MAX_IDENTITIES_PER_EVENT, MAX_KEYS_MET, MAX_LINE_BYTES, MAX_REJECT_BYTES};
use crate::model::namespace::{Levels, Namespaces};
use crate::model::settings::Junk;
use crate::model::time::Time;

/// What became of a line: its time, id and identities as text, or the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Event { time: Time, id: String, identities: Vec<(String, String)> },
    Reject(Reason),
}

fn id_text(id: EventId<'_>) -> String {
    match id {
        EventId::Line(hash) => format!("line {hash:032x}"),
        EventId::Uuid(uuid) => uuid::Uuid::from_bytes(uuid).to_string(),
        EventId::Text(text) => text.to_string(),
    }
}

pub(super) fn whole(bytes: &[u8]) -> Chunk {
    Chunk::whole(bytes)
}

fn decode(chunk: &Chunk, junk: &mut JunkCounts) -> (Vec<(u64, Vec<u8>, Outcome)>, Decoded) {
    decode_as(&Fields::default(), chunk, junk)
}

fn decode_as(fields: &Fields, chunk: &Chunk, junk: &mut JunkCounts) -> (Vec<(u64, Vec<u8>, Outcome)>, Decoded) {
    let mut namespaces = Namespaces::new(Levels::default());
    let mut lines = Vec::new();
    let mut found = Vec::new();
    let decoded = Decoder::new(&Junk::default(), fields).chunk(chunk, &mut namespaces, junk, &mut |line| {
        let outcome = line.outcome.map(|activity| {
            let identities: Vec<_> = activity.identities.iter().map(|(id, value)| (*id, value.to_string())).collect();
            (activity.time, id_text(activity.id), identities)
        });
        found.push((line.number, line.text.to_vec(), outcome));
    });
    for (number, text, outcome) in found {
        let outcome = match outcome {
            Ok((time, id, identities)) => {
                let named = identities.into_iter().map(|(id, value)| (namespaces.display(id).to_string(), value));
                Outcome::Event { time, id, identities: named.collect() }
            }
            Err(reject) => Outcome::Reject(reject.reason),
        };
        lines.push((number, text, outcome));
    }
    (lines, decoded)
}

fn one(line: &str) -> Outcome {
    one_as(&Fields::default(), line)
}

/// What becomes of a line of this fields.
pub(super) fn one_as(fields: &Fields, line: &str) -> Outcome {
    let (mut lines, _) = decode_as(fields, &whole(line.as_bytes()), &mut JunkCounts::new());
    assert_eq!(lines.len(), 1, "{line}");
    lines.remove(0).2
}

fn event(identities: &str) -> Outcome {
    one(&format!(r#"{{"timestamp":0,"id":1,"user":{{"identities":{identities}}}}}"#))
}

pub(super) fn named(pairs: &[(&str, &str)]) -> Outcome {
    let identities = pairs.iter().map(|&(name, value)| (name.to_string(), value.to_string())).collect();
    Outcome::Event { time: Time::from_micros(0), id: "1".into(), identities }
}

#[test]
fn identities_in_level_order_with_their_text() {
    assert_eq!(
        event(r#"{"eCommerceId":18278,"EMAIL":" A@b.c ","sessionId":"f49c75a2-6994-41e2-875d-97ec4d19254b"}"#),
        named(&[("sessionId", "f49c75a2-6994-41e2-875d-97ec4d19254b"), ("email", "A@b.c"), ("ecommerceId", "18278")])
    );
    for number in ["1e3", "18446744073709551617", "-7.50", "1E+2", "12345678901234567890.5"] {
        assert_eq!(event(&format!(r#"{{"a":{number}}}"#)), named(&[("a", number)]));
    }
    assert_eq!(event(r#"{"\u0073essionId":"\u0061\n😀\ud83d\ude00"}"#), named(&[("sessionId", "a\n😀😀")]));
    assert_eq!(event(r#"{"a":null,"b":true,"c":["x"],"d":{"x":"y"},"e":"x"}"#), named(&[("e", "x")]));
}

#[test]
fn half_a_surrogate_pair_matters_where_its_text_is_needed() {
    let titled =
        |half: &str| one(&format!(r#"{{"title":"{half}","timestamp":0,"id":1,"user":{{"identities":{{"a":"b"}}}}}}"#));
    assert_eq!(titled(r"rain \ud83d"), named(&[("a", "b")]));
    assert_eq!(titled(r"\ud83"), Outcome::Reject(Reason::Malformed), "no escape at all");
    let line = r#"{"timestamp":0,"user":{"identities":{"a":"b\n","x":"y\t\udead"}}}"#;
    let (mut namespaces, mut told) = (Namespaces::new(Levels::default()), String::new());
    Decoder::new(&Junk::default(), &Fields::default()).chunk(
        &whole(line.as_bytes()),
        &mut namespaces,
        &mut JunkCounts::new(),
        &mut |line| {
            told = line.outcome.unwrap_err().to_string();
        },
    );
    let place = line.find(r"\udead").unwrap() + 1;
    let expected = format!(
        "malformed: a time, an id or an identity holds half of a surrogate pair, which is no text (at byte {place})"
    );
    assert_eq!(told, expected);
}

#[test]
fn one_namespace_twice() {
    assert_eq!(event(r#"{"sessionId":"a","SESSIONID":" a "}"#), named(&[("sessionId", "a")]));
    assert_eq!(
        event(r#"{"x":7,"x":"7","sessionId":"null","sessionid":"b"}"#),
        named(&[("sessionId", "b"), ("x", "7")])
    );
    for conflict in [r#"{"x":"a","x":"b"}"#, r#"{"ecommerceId":"a","eCommerceId":"A"}"#] {
        assert_eq!(event(conflict), Outcome::Reject(Reason::Conflict), "{conflict}");
    }
}

#[test]
fn no_usable_identity() {
    let many: Vec<_> = (0..=MAX_IDENTITIES_PER_EVENT).map(|i| format!(r#""n{i}":"x""#)).collect();
    for none in
        ["{}", r#""x""#, "null", "[]", r#"{"a":"NULL","b":0,"c":"","d:e":"x"}"#, &format!("{{{}}}", many.join(","))]
    {
        assert_eq!(event(none), Outcome::Reject(Reason::NoIdentity), "{none}");
    }
    let mut junk = JunkCounts::new();
    let long = "x".repeat(2_000);
    let line =
        format!(r#"{{"timestamp":0,"user":{{"identities":{{"a":"'NULL'","b":0,"c":" ","d:e":"x","f":"{long}"}}}}}}"#);
    decode(&whole(line.as_bytes()), &mut junk);
    let counts: Vec<_> = junk.iter().collect();
    assert_eq!(counts, [("(blank)", 1), ("(impossible namespace)", 1), ("(value too long)", 1), ("0", 1), ("null", 1)]);
}

#[test]
fn the_last_of_equal_keys_counts() {
    let tail = r#""user":{"identities":{"a":"b"}}}"#;
    let time = |head: &str| match one(&format!("{{{head},{tail}")) {
        Outcome::Event { time, .. } => Ok(time.as_micros()),
        Outcome::Reject(reason) => Err(reason),
    };
    assert_eq!(time(r#""timestamp":1,"timestamp":2"#), Ok(2_000_000));
    assert_eq!(time(r#""time":3,"timestamp":2,"timestamp":null"#), Ok(3_000_000));
    assert_eq!(time(r#""time":"1970-01-01T00:00:00.0000019Z""#), Ok(1));
    assert_eq!(time(r#""t\u0069me":"1970-01-01T00:00:00.00\u0030Z""#), Ok(0));
    for same in ["1.762e9", "1762000000", "1762000000000.0", r#""1762000000""#, r#""2025-11-01T12:26:40Z""#] {
        assert_eq!(time(&format!("\"timestamp\":{same}")), Ok(1_762_000_000_000_000), "{same}");
    }
    for none in [
        r#""x":1"#,
        r#""timestamp":"soon","time":1"#,
        r#""timestamp":"01""#,
        r#""timestamp":1e30"#,
        r#""timestamp":true"#,
        r#""timestamp":999999999999999999999999"#,
        r#""time":null"#,
        r#""time":[1]"#,
    ] {
        assert_eq!(time(none), Err(Reason::NoTimestamp), "{none}");
    }
    let users = r#"{"timestamp":0,"id":1,"user":{"identities":{"x":"y"},"identities":{"z":"1"}},"user":{"identities":{"a":"b"}}}"#;
    assert_eq!(one(users), named(&[("a", "b")]));
}

#[test]
fn of_two_spellings_the_one_that_is_not_all_lower_case_wins() {
    let told = |identities: &str| {
        let line = format!(r#"{{"timestamp":0,"id":1,"user":{{"identities":{identities}}}}}"#);
        let (mut lines, decoded) = decode(&whole(line.as_bytes()), &mut JunkCounts::new());
        (lines.remove(0).2, decoded.tally.spellings)
    };
    let mine = |count| (named(&[("sessionId", "mine"), ("ecommerceId", "anna")]), count);
    for (identities, expected) in [
        (r#"{"ecommerceId":"anna","sessionId":"mine","sessionid":"generated-1"}"#, mine(1)),
        (r#"{"sessionid":"generated-1","sessionId":"mine","ecommerceId":"anna"}"#, mine(1)),
        (r#"{"sessionid":"mine","sessionId":"mine","ecommerceId":"anna"}"#, mine(0)),
        (r#"{"sessionid":"a","sessionId":"mine","sessionid":"b","SESSIONID":"mine","ecommerceId":"anna"}"#, mine(1)),
        (r#"{"sessionid":"mine","sessionId":"null","ecommerceId":"anna"}"#, mine(0)),
        (r#"{"sessionid":"mine","sessionId":"mine","sessionid":"b","ecommerceId":"anna"}"#, mine(1)),
        (r#"{"\u0073essionId":"mine","sess\u0069onid":"b","ecommerceId":"anna"}"#, mine(1)),
    ] {
        assert_eq!(told(identities), expected, "{identities}");
    }
    for conflict in [
        r#"{"sessionid":"a","sessionid":"b"}"#,
        r#"{"sessionId":"a","SESSIONID":"b"}"#,
        r#"{"sessionId":"a","sessionId":"b","sessionid":"a"}"#,
        r#"{"ecommerceId":"a","ecommerceid":"b"}"#,
        r#"{"ecommerceId":"a","eCommerceId":"b"}"#,
        r#"{"sessionId":"mine","sessionid":"b","ecommerceid":"a","ecommerceId":"b"}"#,
    ] {
        assert_eq!(told(conflict), (Outcome::Reject(Reason::Conflict), 0), "{conflict}");
    }
}

#[test]
fn what_is_no_text_is_counted_by_its_kind() {
    let mut junk = JunkCounts::new();
    let line = |identities: &str| format!(r#"{{"timestamp":0,"id":1,"user":{{"identities":{identities}}}}}"#);
    let text = [
        line(r#"{"a":["x"],"b":[],"c":{"x":"y"},"d":true,"e":false,"f":null,"g":"x"}"#),
        line(r#"{"a":[1]},"identities":{"a":{}}"#),
    ];
    let (lines, _) = decode(&whole(text.join("\n").as_bytes()), &mut junk);
    assert_eq!(lines[0].2, named(&[("g", "x")]));
    assert_eq!(lines[1].2, Outcome::Reject(Reason::NoIdentity));
    let counts: Vec<_> = junk.iter().collect();
    assert_eq!(counts, [("(boolean)", 2), ("(list)", 2), ("(object)", 2)]);
}

#[test]
fn the_tally_says_what_the_lines_span_and_what_they_are() {
    let tally = |text: &[u8]| decode(&whole(text), &mut JunkCounts::new()).1.tally;
    let at = |time: u64| format!("{{\"time\":{time},\"user\":{{\"identities\":{{\"a\":\"b\"}}}}}}\n");
    let spans = tally(format!("{}{}{{\n{}", at(7), at(3), at(5)).as_bytes());
    assert_eq!(spans.span, Some((Time::from_micros(3_000_000), Time::from_micros(7_000_000))));
    let keys = tally(b"{\"ts\":1,\"user\\u0049d\":{\"x\":2}}\n{\"time\":1,\"ts\":2,\"\\ud83d\":1}\nx\n");
    assert_eq!(keys.keys, ["ts", "userId", "time"]);
    let many = (0..100).map(|key| format!("\"k{key}\":1")).collect::<Vec<_>>().join(",");
    assert_eq!(tally(format!("{{{many}}}").as_bytes()).keys.len(), MAX_KEYS_MET);
    assert_eq!(tally(at(1).as_bytes()).keys.len(), 0);
    for (text, expected) in [
        (&b"time,session\n1,2\n"[..], Some(LooksLike::Csv)),
        (b"\xFF\xFE{\0\n\0", Some(LooksLike::Utf16)),
        (b"PK\x03\x04\n{\n", Some(LooksLike::Zip)),
        (b"{\"time\":1}\na,b\n", None),
    ] {
        assert_eq!(tally(text).looks_like, expected, "{text:?}");
    }
    let elsewhere = Chunk { start: 10, end: 20, ..whole(b"PK\x03\x04") };
    assert_eq!(decode(&elsewhere, &mut JunkCounts::new()).1.tally.looks_like, None);
}

#[test]
fn the_id_or_the_hash_of_the_line() {
    let id = |id: &str| match one(&format!(
        " \t{{\"id\":{id},\"timestamp\":0,\"user\":{{\"identities\":{{\"a\":\"b\"}}}}}}\r\n"
    )) {
        Outcome::Event { id, .. } => id,
        Outcome::Reject(reason) => panic!("{reason:?}"),
    };
    assert_eq!(id(r#"" x ""#), "x");
    assert_eq!(id("1e3"), "1e3");
    assert_eq!(id(r#""f49c75a2-6994-41e2-875d-97ec4d19254b""#), "f49c75a2-6994-41e2-875d-97ec4d19254b");
    for none in ["null", r#""  ""#, "true", "{}", &format!("{:?}", "x".repeat(2_000))] {
        let line = format!("{{\"id\":{none},\"timestamp\":0,\"user\":{{\"identities\":{{\"a\":\"b\"}}}}}}");
        assert_eq!(id(none), format!("line {:032x}", xxh3_128(line.as_bytes())));
    }
}

#[test]
fn lines_are_numbered_and_each_ends_somewhere() {
    let good = r#"{"timestamp":0,"id":1,"user":{"identities":{"a":"b"}}}"#;
    let text = format!("\n{good}\r\n  \n{{\n{good} x\n\"\n[]\n{good}");
    let mut bytes = text.into_bytes();
    bytes.splice(0..0, *b"\xFF\n");
    let (lines, decoded) = decode(&whole(&bytes), &mut JunkCounts::new());
    let (event, bad) = (named(&[("a", "b")]), Outcome::Reject(Reason::Malformed));
    let found: Vec<_> = lines.iter().map(|(number, _, outcome)| (*number, outcome.clone())).collect();
    assert_eq!(found, [(0, bad.clone()), (2, event.clone()), (4, bad.clone()), (5, bad.clone()), (6, bad), (8, event)]);
    assert_eq!(lines[1].1, good.as_bytes());
    assert_eq!((decoded.lines, decoded.consumed), (8, bytes.len() as u64));
}

#[test]
fn a_half_written_last_line_is_read_again() {
    let good = r#"{"timestamp":0,"id":1,"user":{"identities":{"a":"b"}}}"#;
    for half in [&good[..20], "\u{e9}", "{"] {
        let mut bytes = format!("{good}\n{half}").into_bytes();
        if half == "\u{e9}" {
            bytes.pop();
        }
        let chunk = Chunk { start: 100, end: 100 + bytes.len() as u64, ..whole(&bytes) };
        let (lines, decoded) = decode(&chunk, &mut JunkCounts::new());
        assert_eq!(lines[1].2, Outcome::Reject(Reason::Malformed));
        assert_eq!((decoded.lines, decoded.consumed), (1, 100 + good.len() as u64 + 1));
    }
}

#[test]
fn a_line_over_the_limit() {
    let line = |pad: usize| {
        let head = r#"{"timestamp":0,"id":1,"user":{"identities":{"a":"b"}},"pad":""#;
        format!("{head}{}\"}}", "x".repeat(pad - head.len() - 2))
    };
    assert_eq!(one(&line(MAX_LINE_BYTES)), named(&[("a", "b")]));
    let (lines, _) = decode(&whole(format!("{}\n{{", line(MAX_LINE_BYTES + 1)).as_bytes()), &mut JunkCounts::new());
    assert_eq!((lines[0].1.len(), &lines[0].2), (MAX_REJECT_BYTES, &Outcome::Reject(Reason::TooLong)));
    assert_eq!(lines.len(), 2);
}

#[test]
fn nesting_is_bounded_as_in_the_library() {
    let nested = |levels: usize| format!(r#"{{"x":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let within = MAX_DEPTH as usize - 1;
    for (levels, accepted) in [(within, true), (within + 1, false), (100_000, false)] {
        assert_eq!(serde_json::from_str::<Json>(&nested(levels)).is_ok(), accepted, "{levels}");
        assert_eq!(one(&nested(levels)) != Outcome::Reject(Reason::Malformed), accepted, "{levels}");
    }
    // Deep lists inside the fields that are looked for.
    for head in [r#"{"id":"#, r#"{"user":"#, r#"{"user":{"identities":"#, r#"{"user":{"identities":{"a":"#] {
        let depth = head.matches('{').count();
        for (levels, accepted) in [(127 - depth, true), (128 - depth, false)] {
            let line = format!("{head}{}{}{}", "[".repeat(levels), "]".repeat(levels), "}".repeat(depth));
            assert_eq!(serde_json::from_str::<Json>(&line).is_ok(), accepted, "{line}");
            assert_eq!(one(&line) != Outcome::Reject(Reason::Malformed), accepted, "{line}");
        }
    }
}

/// Stands for half of a surrogate pair, which the library takes for no JSON; a character that nobody writes.
const HALF: char = '\u{E000}';

/// `line` with [`HALF`] for each escape that is half of a surrogate pair.
fn without_halves(line: &str) -> String {
    let unit = |at: usize| {
        let digits = line.get(at..at + 6)?.strip_prefix(r"\u")?;
        u16::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
    };
    let mut out = String::new();
    let mut at = 0;
    while let Some(sign) = line[at..].chars().next() {
        let step = match (sign, unit(at), unit(at + 6)) {
            ('\\', Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            ('\\', Some(0xD800..=0xDFFF), _) => {
                out.push(HALF);
                at += 6;
                continue;
            }
            ('\\', ..) => 1 + line[at + 1..].chars().next().map_or(0, char::len_utf8),
            _ => sign.len_utf8(),
        };
        out.push_str(&line[at..at + step]);
        at += step;
    }
    out
}

/// Whether half of a surrogate pair stands where a text is needed.
fn half_is_needed(json: &Json) -> bool {
    let half = |value: &Json| value.as_str().is_some_and(|text| text.contains(HALF));
    let field = |name: &str| json.get(name).filter(|value| !value.is_null());
    let identities = json.pointer("/user/identities").and_then(Json::as_object);
    let mut named = identities.into_iter().flatten().filter(|(_, value)| value.is_string() || value.is_number());
    [field("timestamp").or(field("time")), field("id")].into_iter().flatten().any(half)
        || named.any(|(name, value)| name.contains(HALF) || half(value))
}

/// Whether `line` is an object, or a list of them, by the library, with all the text that is needed. It also refuses numbers that fit no float,
/// which are valid all the same: then its laxer way is asked, which does not look at escapes; `None` where these would matter.
fn library_accepts(line: &[u8]) -> Option<bool> {
    let Ok(line) = std::str::from_utf8(line).map(without_halves) else { return Some(false) };
    match serde_json::from_str::<Json>(&line) {
        Ok(Json::Array(all)) => Some(all.iter().all(|json| json.is_object() && !half_is_needed(json))),
        Ok(json) => Some(json.is_object() && !half_is_needed(&json)),
        Err(error) if error.to_string().contains("out of range") => {
            let one = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(&line).is_ok();
            let many = || serde_json::from_str::<Vec<BTreeMap<String, IgnoredAny>>>(&line).is_ok();
            (!line.contains(['\\', HALF])).then(|| one || many())
        }
        Err(_) => Some(false),
    }
}

/// What the activity in `json` says, by the library.
fn expected(json: &Json, line: &str) -> Outcome {
    let number = |value: &Json| match value {
        Json::String(text) => Some(text.trim().to_string()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    if half_is_needed(json) {
        return Outcome::Reject(Reason::Malformed);
    }
    let Some(time) = expected_time(json) else { return Outcome::Reject(Reason::NoTimestamp) };
    if !(0..=4_102_444_800_000_000).contains(&time.as_micros()) {
        return Outcome::Reject(Reason::OutOfRange);
    }
    let mut identities: Vec<(String, String)> = Vec::new();
    let mut said: BTreeMap<String, Vec<(bool, String)>> = BTreeMap::new();
    let none = serde_json::Map::new();
    let all = json.pointer("/user/identities").and_then(Json::as_object).unwrap_or(&none);
    for (spelling, value) in all {
        let Some(value) = number(value) else { continue };
        if value.is_empty() || ["null", "0"].contains(&value.as_str()) || spelling.is_empty() || spelling.contains(':')
        {
            continue;
        }
        let name = match spelling.to_ascii_lowercase().as_str() {
            "sessionid" => "sessionId".to_string(),
            "ecommerceid" => "ecommerceId".to_string(),
            other => other.to_string(),
        };
        said.entry(name).or_default().push((spelling.to_ascii_lowercase() == *spelling, value));
    }
    for (name, values) in said {
        let differ = |values: &[&String]| values.iter().any(|value| *value != values[0]);
        let of = |lower: bool| values.iter().filter(move |one| one.0 == lower).map(|one| &one.1).collect::<Vec<_>>();
        let all: Vec<_> = values.iter().map(|one| &one.1).collect();
        let chosen = if name == "ecommerceId" {
            all
        } else if of(false).is_empty() {
            of(true)
        } else {
            of(false)
        };
        if differ(&chosen) {
            return Outcome::Reject(Reason::Conflict);
        }
        identities.push((name, chosen[0].clone()));
    }
    if identities.is_empty() {
        return Outcome::Reject(Reason::NoIdentity);
    }
    let level = |name: &str| match name {
        "sessionId" => 0,
        "ecommerceId" => 2,
        _ => 1,
    };
    identities.sort_by(|a, b| (level(&a.0), &a.0).cmp(&(level(&b.0), &b.0)));
    let id = json.get("id").and_then(number).filter(|id| !id.is_empty());
    let id = id.unwrap_or_else(|| format!("line {:032x}", xxh3_128(line.trim_ascii().as_bytes())));
    Outcome::Event { time, id, identities }
}

/// JSON text in many spellings.
pub(super) fn json_text() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-z0-9 é😀]{0,20}",
        Just(r"\u0041\ud83d\ude00".to_string()),
        proptest::sample::select(vec![r"rain \ud83d", r"\uDE00\n", r"\ud83d\ud83d\ude00"]).prop_map(str::to_string),
        Just(r#"\"\\\/\b\f\n\r\t"#.to_string())
    ]
    .prop_map(|text| format!("\"{text}\""));
    let leaf = prop_oneof![
        text,
        prop_oneof!["-?(0|[1-9][0-9]{0,5})", "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?"],
        prop_oneof![Just("true"), Just("false"), Just("null"), Just("{}"), Just("[ ]")].prop_map(str::to_string),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", ")));
        let object = proptest::collection::vec(("[a-z]{0,3}", inner), 0..4).prop_map(|members| {
            let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![list, object]
    })
}

/// An activity, most often a good one, its members in any order, with others between.
pub(super) fn activity() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        4 => Just(r#""v1""#.to_string()), 1 => Just(r#""v2""#.to_string()), 2 => Just(r#"" v1 ""#.to_string()), 2 => Just("18278".to_string()),
        1 => Just(r#""null""#.to_string()), 1 => Just("0".to_string()), 1 => Just(r#""\u0076\u0031""#.to_string()), 1 => json_leafless(),
        1 => Just(r#""v\uDBFF""#.to_string()),
    ];
    let name = proptest::sample::select(vec![
        "sessionId",
        "sessionid",
        "SESSIONID",
        "ecommerceId",
        "ecommerceid",
        r"\u0065mail",
        "email",
        "",
        "a:b",
        "device",
        r"dev\udc00",
    ]);
    let identities = proptest::collection::vec((name, value), 0..4).prop_map(|members| {
        // The library keeps the last of equal spellings, so each is written once.
        let mut known = Vec::new();
        let mut texts = Vec::new();
        for (name, value) in members {
            let plain = name.replace(r"\u0065", "e");
            if !known.contains(&plain) {
                texts.push(format!("\"{name}\":{value}"));
                known.push(plain);
            }
        }
        format!("{{{}}}", texts.join(","))
    });
    let user = prop_oneof![9 => identities.prop_map(|all| format!(r#"{{"traits":{{"age":45}}, "identities":{all}}}"#)), 1 => json_text()];
    let time = prop_oneof![
        4 => Just(r#""2026-11-01T10:00:00.000Z""#.to_string()), 2 => Just("1793527200000".to_string()),
        1 => Just(r#""2026-11-01T10:00:00+02:00""#.to_string()), 1 => Just(r#""1793527200.5""#.to_string()), 1 => any::<i64>().prop_map(|number| number.to_string()), 1 => Just("null".to_string()), 1 => json_text(),
    ];
    let member = prop_oneof![
        time.clone().prop_map(|value| format!("\"time\":{value}")),
        json_text().prop_map(|value| format!("\"id\":{value}")),
        ("[a-z]{1,4}", json_text()).prop_map(|(key, value)| format!("\"{key}\":{value}")),
        user.clone().prop_map(|value| format!("\"\\u0075ser\":{value}")),
    ];
    let fixed =
        (time.prop_map(|value| format!("\"timestamp\":{value}")), user.prop_map(|value| format!("\"user\" : {value}")));
    (fixed, proptest::collection::vec(member, 0..4)).prop_flat_map(|((time, user), mut members)| {
        members.extend([time, user]);
        Just(members).prop_shuffle().prop_map(|members| format!("{{{}}}", members.join(",")))
    })
}

fn json_leafless() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["true", "null", "[1]", r#"{"a":"b"}"#]).prop_map(str::to_string)
}

/// An edit of a line: where, how, and the byte that is put in.
pub(super) type Edit = (proptest::sample::Index, u8, u8);

/// The line after some edits: bytes put in, changed, taken out.
pub(super) fn edited(mut line: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for &(at, how, byte) in edits {
        let at = at.index(line.len().max(1)).min(line.len());
        match how {
            0 => line.insert(at, byte),
            1 if at < line.len() => line[at] = byte,
            _ if at < line.len() => drop(line.remove(at)),
            _ => {}
        }
    }
    line
}

/// Bytes that a mutation puts in: those that mean something in JSON, and some that may not be there.
pub(super) const MEANINGFUL: &[u8] = b"{}[]:,\"\\ut/0123456789.eE+-nrfals \t\r\x00\x1F\x7F\x80\xC3\xA9\xFF";

/// Whether a number in the text is spelled as the library would write it, so that the oracle knows its text.
fn numbers_are_plain(json: &Json) -> bool {
    match json {
        Json::Number(number) => number.is_i64(),
        Json::Array(items) => items.iter().all(numbers_are_plain),
        Json::Object(members) => members.values().all(numbers_are_plain),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn activities_are_read_as_by_the_library(line in activity()) {
        let json: Json = serde_json::from_str(&without_halves(&line)).unwrap();
        if numbers_are_plain(&json) && !line.contains("-0") {
            prop_assert_eq!(one(&line), expected(&json, &line), "{}", line);
        }
    }

    #[test]
    fn lines_are_accepted_as_by_the_library(
        line in prop_oneof![activity(), json_text()],
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0..3u8, proptest::sample::select(MEANINGFUL)), 0..3),
    ) {
        let line = edited(line.into_bytes(), &edits);
        let (lines, _) = decode(&whole(&line), &mut JunkCounts::new());
        let malformed = lines.iter().any(|line| line.2 == Outcome::Reject(Reason::Malformed));
        // An empty list is nothing, as a blank line is.
        let malformed = malformed || lines.is_empty() && !line.contains(&b'[');
        if let Some(accepted) = library_accepts(&line) {
            prop_assert_eq!(!malformed, accepted, "{}", String::from_utf8_lossy(&line));
        }
    }
}
