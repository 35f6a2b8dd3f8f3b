//! Lines of activities, mutated, read by the decoder and by the oracle, which is built on another JSON parser: the same lines are events, at
//! the same time, with the same id and identities, and the rest is rejected for the same reason.
//!
//! `BACKSTITCH_LINES` lines are tried, or 20,000. Left out are arrays, and how many identities and namespaces there may be: the oracle knows
//! neither.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::SystemTime;

use crate::harness::{Chance, asked};
use crate::said::{Said, decoded, judged};

/// Lines that are decoded together.
const TOGETHER: u64 = 32;

/// What mutations put in: what means something in JSON, numbers and escapes at their limits, white space that is none, broken UTF-8.
const PIECES: [&[u8]; 46] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\\",
    b"0",
    b"-",
    b".",
    b"e",
    b"E+",
    b"null",
    b"true",
    b"1",
    b"99",
    b" ",
    b"\t",
    b"\r",
    b"\x0c",
    b"\x0b",
    b"\0",
    b"\x1f",
    b"\x7f",
    b"\x80",
    b"\xc3",
    b"\xc3\xa9",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\\u0000",
    b"\\ud83d",
    b"\\ude00",
    b"\\ud83d\\ude00",
    b"\\u00e",
    b"\\u+123",
    b"\\x41",
    b"\\/",
    b"1e999",
    b"-0",
    b"1e-999",
    b"18446744073709551616",
    b"\xe2\x80\x83",
    b"\xc2\x85",
    b"\xef\xbb\xbf",
];

const NAMES: [&str; 14] = [
    "sessionId",
    "sessionid",
    "SESSIONID",
    r"sess\u0069onId",
    "ecommerceId",
    "eCommerceId",
    "ecommerceid",
    "email",
    "Email",
    r"\u0065mail",
    "deviceId",
    "a:b",
    "",
    "  ",
];

const VALUES: [&str; 30] = [
    "\"v1\"",
    "\"v1\"",
    "\"v1\"",
    "\"v2\"",
    "\" v1 \"",
    "\"V1\"",
    r#""\u0076\u0031""#,
    "18278",
    "\"18278\"",
    "-7.50",
    "1E+2",
    "1e999",
    "0",
    "-0",
    "00",
    "null",
    "\"null\"",
    "\"'Guest'\"",
    "true",
    "[]",
    "[1,{}]",
    "{\"a\":\"b\"}",
    "\"f49c75a2-6994-41e2-875d-97ec4d19254b\"",
    "\"F49C75A2-6994-41E2-875D-97EC4D19254B\"",
    "\"00000000-0000-0000-0000-000000000000\"",
    r#""\ud83d\ude00""#,
    r#""\ud83d""#,
    r#""a\"b\\c""#,
    "\"\u{2003}zo\u{eb}\u{a0}\"",
    "\"\\u0000\"",
];

const TIMES: [&str; 24] = [
    "\"2026-11-01T10:00:00.000Z\"",
    "\"2026-11-01T10:00:00.000Z\"",
    "1793527200000",
    "1793527200000",
    "1793527200",
    "1793527200000000",
    "1793527200000000123",
    "\"1793527200.5\"",
    "1793527200.5e3",
    "\"2026-11-01T10:00:00+02:00\"",
    "\"2026-11-01t10:00:00z\"",
    "\"2026-11-01 10:00:00Z\"",
    "\"2026-11-01T10:00:00,1234567891Z\"",
    "\"2026-11-01T24:00:00Z\"",
    "\"2026-11-01T10:00:60Z\"",
    "\"2026-11-01T10:00:00\"",
    "\"2026-02-29T10:00:00Z\"",
    "-1",
    "-1.5e-3",
    "1e30",
    "1e-30",
    "99999999999999999999999",
    "null",
    "\"2026-11-01T10:00:00.000-00:00\"",
];

const IDS: [&str; 10] = [
    "\"e-1\"",
    "42",
    "\"  e-2  \"",
    "\"\"",
    "\"  \"",
    "null",
    "true",
    "{}",
    "\"f49c75a2-6994-41e2-875d-97ec4d19254b\"",
    r#""\ud83d""#,
];

const REST: [&str; 8] = [
    r#""action":"view""#,
    r#""target":{"product":"123","price":-1.5e-3}"#,
    r#""metadata":null"#,
    r#""segments":["web",[],{}]"#,
    r#""timestampe":5"#,
    r#""identities":{"ecommerceId":"decoy"}"#,
    r#""title":"rain \ud83d""#,
    r#""User":{"identities":{"sessionId":"decoy"}}"#,
];

fn one_of<'a>(chance: &mut Chance, all: &[&'a str]) -> &'a str {
    all[chance.below(all.len())]
}

/// A valid activity, most often one that is an event.
fn activity(chance: &mut Chance) -> String {
    let identities: Vec<String> =
        (0..=chance.below(4)).map(|_| format!("\"{}\":{}", one_of(chance, &NAMES), one_of(chance, &VALUES))).collect();
    let mut user = vec![format!("\"identities\":{{{}}}", identities.join(","))];
    if chance.below(4) == 0 {
        user.insert(chance.below(2), r#""traits":{"age":45,"identities":{"email":"decoy"}}"#.to_owned());
    }
    let mut members = vec![format!("\"user\":{{{}}}", user.join(","))];
    let time = if chance.below(5) == 0 { "time" } else { "timestamp" };
    members.push(format!("\"{time}\":{}", one_of(chance, &TIMES)));
    if chance.below(3) == 0 {
        members.push(format!("\"id\":{}", one_of(chance, &IDS)));
    }
    for _ in 0..chance.below(3) {
        members.insert(chance.below(members.len() + 1), one_of(chance, &REST).to_owned());
    }
    if chance.below(8) == 0 {
        let again = chance.below(members.len());
        members.push(members[again].replace("v1", "v3"));
    }
    if chance.below(3) == 0 {
        let turn = chance.below(members.len());
        members.rotate_left(turn);
    }
    let gap = if chance.below(6) == 0 { " " } else { "" };
    format!("{{{gap}{}{gap}}}", members.join(&format!("{gap},{gap}")))
}

/// Changes a line a little. It stays one line.
fn mutate(line: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(line.len());
    let piece = PIECES[chance.below(PIECES.len())];
    match chance.below(9) {
        0 | 1 if !line.is_empty() => line[at] ^= 1 << chance.below(8),
        2 | 3 => drop(line.splice(at..at, piece.iter().copied())),
        4 => drop(line.splice(at..(at + piece.len()).min(line.len()), piece.iter().copied())),
        5 => drop(line.drain(at..(at + 1 + chance.below(6)).min(line.len()))),
        6 => line.truncate(at),
        7 => {
            // A part of it once more, somewhere.
            let part = line[at..].iter().take(1 + chance.below(40)).copied().collect::<Vec<u8>>();
            let to = chance.below(line.len());
            drop(line.splice(to..to, part));
        }
        _ => {
            // A value in many brackets, about as many as there may be.
            let levels = [2, 60, 122, 123, 124, 125, 126, 127, 128, 400][chance.below(10)];
            let nest = format!("{}{},", "[".repeat(levels), "]".repeat(levels));
            let brace = line.iter().skip(at).position(|byte| *byte == b'{').map_or(at, |brace| at + brace + 1);
            drop(line.splice(brace.min(line.len())..brace.min(line.len()), format!("\"x\":{nest}").into_bytes()));
        }
    }
    line.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
}

#[test]
fn mutated_lines_are_read_as_by_another_parser() {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let seed = asked("BACKSTITCH_SEED").unwrap_or_else(now);
    let count = asked("BACKSTITCH_LINES").unwrap_or(20_000);
    let mut outcomes = BTreeMap::<&str, u64>::new();
    let mut tried = 0;
    while tried < count {
        let mut chance = Chance(seed ^ tried);
        let lines: Vec<Vec<u8>> = (0..TOGETHER)
            .map(|_| {
                let mut line = activity(&mut chance).into_bytes();
                let changes = [0, 0, 1, 1, 1, 1, 2, 3][chance.below(8)];
                (0..changes).for_each(|_| mutate(&mut line, &mut chance));
                line
            })
            .filter(|line| !line.trim_ascii_start().starts_with(b"["))
            .collect();
        for (line, said) in lines.iter().zip(decoded(&lines)) {
            let expected = judged(line);
            assert_eq!(said, expected, "seed {seed}, at {tried}: {:?}", String::from_utf8_lossy(line));
            let word = match said {
                Said::Blank => "blank",
                Said::Event(..) => "event",
                Said::Rejected(reason) => reason,
            };
            *outcomes.entry(word).or_default() += 1;
        }
        tried += lines.len() as u64;
    }
    for word in ["event", "malformed", "no_timestamp", "no_identity", "conflicting_identities"] {
        assert!(outcomes.contains_key(word), "hardly anything was tried: {outcomes:?}");
    }
    writeln!(std::io::stderr(), "mutated: {tried} lines read alike: {outcomes:?}").expect("a standard error");
}
