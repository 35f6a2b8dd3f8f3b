//! Logs as nobody should write them, judged line by line and all together by the oracle.

use std::fmt::Write;
use std::fs;

use backstitch::rows::JunkCounts;
use backstitch::{Activity, Engine, Fields, Replay, Time};

use crate::harness::{
    Manner, assert_agrees, attribute, counts, expected_attribute, in_memory, reasons, replay, text, totals,
};
use crate::oracle::{Rules, judge};

const UUID: &str = "0ca79556-2f3b-4a63-9d3f-0a5b9be3c0de";

/// An event at a moment with identities, both as they stand in JSON.
pub fn at(moment: &str, identities: &str) -> String {
    format!(r#"{{"timestamp":{moment},"user":{{"identities":{{{identities}}}}}}}"#)
}

/// Values, as they stand in JSON.
fn values() -> Vec<String> {
    let long = |length: usize| format!("\"{}\"", "v".repeat(length));
    let mut values: Vec<String> = [
        r#""a:b""#,
        r#"":""#,
        r#""say \"hi\"""#,
        r#""two\nlines""#,
        r#""\n x \t""#,
        r#""\u0000""#,
        r#""a\u0000b""#,
        r#""\\""#,
        r#""\/""#,
        r#""\ud83d\ude00""#,
        "\"😀\"",
        "\"\u{a0}x\u{a0}\"",
        "\"\u{3000}x\"",
        "\"\u{feff}x\"",
        "\"e\u{301}\"",
        "\"é\"",
        "\"İ\"",
        "\"ﬁ\"",
        "\"tab\tin it\"",
        "\"nul\0in it\"",
        "1",
        "1.0",
        "1.50",
        "1e3",
        "-0",
        "-0.0",
        "00",
        "01",
        "1.",
        ".5",
        "+1",
        "0x1",
        "NaN",
        "18446744073709551616",
        "123456789012345678901234567890.123456789",
        "true",
        "null",
        "[]",
        "{}",
        "[1]",
        "\"true\"",
        "\"00-00\"",
        "\"'x'\"",
        "\"\\\"\\\"\"",
        "\"'null\\\"\"",
        "\" ' guest ' \"",
        "\"\u{37e}\"",
        "\"sessionId:s\"",
        "\"...\"",
    ]
    .map(str::to_owned)
    .into();
    values.extend([
        long(1023),
        long(1024),
        long(1025),
        long(100_000),
        format!("\"{}\"", "é".repeat(512)),
        format!("\"{}\"", "é".repeat(513)),
    ]);
    values.extend([
        format!("\"{UUID}\""),
        format!("\"{}\"", UUID.to_uppercase()),
        format!("\"{}\"", UUID.replace('-', "")),
        format!("\"{{{UUID}}}\""),
        format!("\" {UUID} \""),
        format!("\"urn:uuid:{UUID}\""),
    ]);
    values
}

pub fn moments() -> Vec<&'static str> {
    vec![
        "0",
        "-1",
        "-62135596800000",
        "253402300799999",
        "253402300800000",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "1e3",
        "1.0",
        "1762000000.25",
        "-1762000000250.0009",
        "1762000000250001",
        "1762000000250001999",
        "99999999999",
        "99999999999.999",
        "100000000000",
        "99999999999999",
        "-100000000000000",
        "99999999999999999",
        "100000000000000000",
        "18446744073709551616",
        "99999999999999999999",
        "1762000000250001999123",
        "253402300799999999999",
        "1e11",
        "1.762e12",
        "1e-400",
        "-1e-400",
        "0e999",
        "-0",
        "0.1e-1",
        "1e400",
        "\"1000\"",
        "\"1762000000\"",
        "\"-1762000000.5\"",
        "\"1.762E9\"",
        "\"01\"",
        "\"1.\"",
        "\" 1\"",
        "\"+1\"",
        "\"20261102\"",
        "[1762000000]",
        "{}",
        "\"\"",
        "\"2026-11-02\"",
        "\"2026-11-02T08:00Z\"",
        "\"2026-11-02T08:00:00\"",
        "\"2026-11-02t08:00:00z\"",
        "\"2026-11-02 08:00:00Z\"",
        "\"2026-11-02T08:00:60Z\"",
        "\"2016-12-31T23:59:60Z\"",
        "\"2026-11-02T24:00:00Z\"",
        "\"2026-02-29T00:00:00Z\"",
        "\"2024-02-29T00:00:00Z\"",
        "\"0000-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:59.999999Z\"",
        "\"9999-12-31T23:59:59-23:59\"",
        "\"2026-11-02T08:00:00.1Z\"",
        "\"2026-11-02T08:00:00.1234567Z\"",
        "\"2026-11-02T08:00:00.1234567890123Z\"",
        "\"1969-12-31T23:59:59.9999999Z\"",
        "\"2026-11-02T08:00:00,5Z\"",
        "\"2026-11-02T08:00:00.1234567890Z\"",
        "\"1969-12-31T23:59:59.999999999999+00:00\"",
        "\"9999-12-31T23:59:59Z\"",
        "\"-009999-01-01T00:00:00Z\"",
        "\"2026-11-02T08:00:00+25:00\"",
        "\"2026-11-02T08:00:00+25:59:59\"",
        "\"2026-11-02T08:00:00-24:00\"",
        "\"2026-11-02T08:00:00+23:59\"",
        "\"2026-11-02T08:00:00+01:00:30\"",
        "\"1970-01-01T00:00:00Z\"",
        "\"2099-12-31T23:59:59.999999-00:01\"",
        "\"2100-01-01T00:00:00Z\"",
        "\"2100-01-01T00:00:00.000001Z\"",
        "\"2026-11-02T08:00:00-00:00\"",
        "\"2026-11-02T08:00:00+0100\"",
        "\"2026-11-02T08:00:00+01\"",
        "\"2026-11-02T08:00:00Z[UTC]\"",
        "\" 2026-11-02T08:00:00Z\"",
        "\"2026-11-02T08:00:00\\u005a\"",
        "\"+002026-11-02T08:00:00Z\"",
        "\"-000001-01-01T00:00:00Z\"",
        "null",
        "true",
    ]
}

fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for value in values() {
        lines.push(at("1000", &format!(r#""sessionId":{value}"#)));
        lines.push(at("1000", &format!(r#""sessionId":"s","ecommerceId":{value}"#)));
        lines.push(at("1000", &format!(r#""email":{value},"eCommerceId":"c""#)));
        // An id is trimmed, and one over the limit is none: the oracle knows neither.
        let id = value.trim_matches('"');
        let trimmed = id.trim() == id && !id.starts_with(r"\n") && !id.starts_with('\u{feff}') && id.len() <= 1024;
        if trimmed {
            lines.push(format!(r#"{{"id":{value},"time":1000,"user":{{"identities":{{"sessionId":"s"}}}}}}"#));
        }
    }
    for moment in moments() {
        lines.push(at(moment, r#""sessionId":"t""#));
        lines.push(format!(r#"{{"time":{moment},"user":{{"identities":{{"sessionId":"t"}}}}}}"#));
    }
    for name in [
        "",
        " ",
        "a:b",
        " email ",
        "EMAIL",
        "Émail",
        "émail",
        "\u{212a}elvin",
        "kelvin",
        "İd",
        "sess\u{131}onid",
        "ſessionid",
        r"a\nb",
        r"\u0000",
        "😀",
    ] {
        lines.push(at("1000", &format!(r#""{name}":"n","sessionId":"u""#)));
    }
    for length in [63, 64, 65, 300] {
        lines.push(at("1000", &format!(r#""{}":"n","sessionId":"u""#, "n".repeat(length))));
    }
    for count in [2, 63, 64] {
        let mut identities = String::from(r#""sessionId":"many""#);
        for number in 1..count {
            let _ = write!(identities, r#","n{number:03}":"{count}""#);
        }
        lines.push(at("1000", &identities));
    }
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [1, 60, 120] {
        lines.push(format!(r#"{{"x":{},"time":1,"user":{{"identities":{{"sessionId":"deep"}}}}}}"#, deep(depth)));
    }
    let whole = r#""user":{"identities":{"sessionId":"k"}}"#;
    for line in [
        format!(r#"{{"timestamp":1,"timestamp":2,{whole}}}"#),
        format!(r#"{{"timestamp":1,"time":2,{whole}}}"#),
        format!(r#"{{"time":1,{whole},{whole}}}"#),
        format!(r#"{{"time":1,{whole},"user":null}}"#),
        format!(r#"{{"time":1,"user":[],{whole}}}"#),
        r#"{"time":1,"user":{"identities":{"sessionId":"k"},"identities":{"sessionId":"l"}}}"#.to_owned(),
        r#"{"time":1,"user":{"identities":{"sessionId":"k","sessionId":"k"}}}"#.to_owned(),
        r#"{"time":1,"user":{"identities":{"sessionId":"k","SESSIONID":"l"}}}"#.to_owned(),
        r#"{"time":1,"user":{"identities":{"sessionId":"k","sessionid":"l"}}}"#.to_owned(),
        r#"{"time":1,"user":{"identities":{"sessionid":"l","ecommerceId":"c","sessionId":"k"}}}"#.to_owned(),
        r#"{"time":1,"user":{"identities":{"email":"l","Email":"null","EMAIL":"k","eMail":"k"}}}"#.to_owned(),
        r#"{"time":1,"user":{"identities":{"email":"l","email":"m","Email":"k"}}}"#.to_owned(),
        r#"{"time":1,"user":{"identities":{"email":"l","email":"m","Email":["k"]}}}"#.to_owned(),
        r#"{"time":1,"user":{"identities":{"ecommerceId":"k","ecommerceid":"l"}}}"#.to_owned(),
        format!(r#"{{"id":"x","id":"y","time":1,{whole}}}"#),
        format!(r#"{{"time":1,{whole}}} "#),
        format!(r#"{{"time":1,{whole}}},"#),
        format!(r#"{{"time":1,{whole}}}{{}}"#),
        format!(r#"[{{"time":1,{whole}}}]"#),
        format!(r#"{{"time":1,{whole},}}"#),
        format!("{{'time':1,{whole}}}"),
        format!("{{\"time\":1,{whole}}} // done"),
        format!("\u{b}{{\"time\":1,{whole}}}"),
        format!("{{\u{a0}\"time\":1,{whole}}}"),
        "null".into(),
        "{}".into(),
        "[]".into(),
        "\"\"".into(),
        "\u{c}".into(),
        " \t ".into(),
        "\0".into(),
    ] {
        lines.push(line);
    }
    lines
}

/// Lines with half of a surrogate pair, which is good JSON: an event where it is skipped, malformed where it is needed.
fn halves() -> Vec<String> {
    let whole = r#""time":1,"user":{"identities":{"sessionId":"h"}}"#;
    let mut lines = Vec::new();
    for half in [
        r"\ud83d",
        r"\ude00",
        r"rain \ud83d",
        r"\ud83d\ud83d\ude00",
        r"\ud83d\u0041",
        r"\ud83dA",
        r"\uDBFF\n",
        r"\\\udfff",
    ] {
        for passed_over in ["title", "timestamp\":null,\"x", "id\":null,\"x"] {
            lines.push(format!(r#"{{"{passed_over}":"{half}",{whole}}}"#));
        }
        lines.extend([
            format!(r#"{{"{half}":1,{whole},"target":{{"{half}":["{half}",{{"{half}":"{half}"}}]}}}}"#),
            format!(
                r#"{{"timestamp":1,"time":"{half}","user":{{"{half}":"{half}","identities":{{"sessionId":"h"}}}}}}"#
            ),
            format!(r#"{{"id":"{half}","id":7,{whole}}}"#),
            format!(r#"{{"id":"{half}",{whole}}}"#),
            at(&format!("\"{half}\""), r#""sessionId":"h""#),
            format!(r#"{{"time":"{half}","user":{{"identities":{{"sessionId":"h"}}}}}}"#),
            format!(r#"{{"timestamp":null,"time":"{half}","user":{{"identities":{{"sessionId":"h"}}}}}}"#),
            at("1", &format!(r#""sessionId":"h","email":"{half}""#)),
            at("1", &format!(r#""sessionId":"h","{half}":"x""#)),
            at("1", &format!(r#""sessionId":"h","{half}":-1.5"#)),
            at("1", &format!(r#""sessionId":"h","{half}":null,"{half}":["{half}"],"{half}":true"#)),
            at("1", &format!(r#""sessionId":"h","email":"x{half}"}},"identities":{{"sessionId":"i""#)),
        ]);
    }
    lines
}

#[test]
fn each_nasty_line_is_judged_as_the_oracle_judges_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut faults = Vec::new();
    for (number, line) in lines().into_iter().chain(halves()).enumerate() {
        let file = folder.path().join(number.to_string());
        fs::write(&file, format!("{line}\n")).expect("written");
        let mut engine = in_memory(&Rules::default());
        let summary = replay(&mut engine, &[file], Manner { threads: 1, ..Manner::default() });
        let verdict = judge(&Rules::default(), &[(String::new(), vec![line.clone()])]);
        let expected = [verdict.counts.read, verdict.counts.accepted, 0, verdict.counts.rejected];
        let told = (counts(&summary), reasons(&summary), totals(&engine).1);
        if told != (expected, verdict.counts.reasons.clone(), verdict.digest.clone()) {
            faults.push(format!(
                "{}\n  told {told:?}\n  true {expected:?} {:?}",
                line.chars().take(160).collect::<String>(),
                verdict.counts.reasons
            ));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn all_of_them_together_in_any_files() {
    let lines = lines();
    let verdict = judge(&Rules::default(), &[(String::new(), lines.clone())]);
    for (files, batch_events) in [(1, 1_000_000), (7, 1), (40, 30)] {
        let folder = tempfile::tempdir().expect("a folder");
        // Dealt out, and each in another order than the last: namespaces are discovered differently in each.
        let paths: Vec<_> = (0..files)
            .map(|file| {
                let mut part: Vec<&String> = lines.iter().skip(file).step_by(files).collect();
                if file % 2 == 1 {
                    part.reverse();
                }
                let path = folder.path().join(format!("{file:02}"));
                fs::write(&path, text(&part)).expect("written");
                path
            })
            .collect();
        let mut engine = in_memory(&Rules::default());
        replay(&mut engine, &paths, Manner { batch_events, ..Manner::default() });
        assert_agrees(&engine, &verdict);
        if files == 1 {
            let parsed = lines.iter().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
            assert!(parsed > 100);
            assert_eq!(attribute(&engine, &paths[0]).len(), expected_attribute(&verdict, 0, &lines).len());
        }
    }
}

/// Windows line ends, a byte order mark, blank lines and a last line without its end change nothing.
#[test]
fn line_ends_and_marks_are_no_part_of_a_line() {
    let lines: Vec<String> = (0..50)
        .map(|at_| at(&(at_ % 3).to_string(), &format!(r#""sessionId":"s{}","email":"e{}""#, at_ % 7, at_ % 4)))
        .collect();
    let verdict = judge(&Rules::default(), &[(String::new(), lines.clone())]);
    let plain = text(&lines);
    for (dressed, what) in [
        (plain.replace('\n', "\r\n"), "line ends"),
        (format!("\u{feff}{plain}"), "mark"),
        (format!("\u{feff}{}", plain.replace('\n', "\r\n\r\n  \t\r\n")), "all"),
        (plain.trim_end().to_owned(), "no last line end"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log");
        fs::write(&file, dressed).expect("written");
        let mut engine = in_memory(&Rules::default());
        let summary = replay(&mut engine, std::slice::from_ref(&file), Manner::default());
        assert_eq!(counts(&summary)[..2], [50, verdict.counts.accepted], "{what}");
        assert_eq!(totals(&engine).1, verdict.digest, "{what}");
        assert_eq!(attribute(&engine, &file), expected_attribute(&verdict, 0, &lines), "{what}");
    }
}

/// How many namespaces events can name beside the session's and the customer's.
const MOST: usize = backstitch::model::limits::MAX_NAMESPACES - 2;

/// The identities of events: five with sixty invented namespaces each, of which the first `known` count, and two that link `s0` to a
/// customer by a namespace that the store was made with, whose name is met last.
fn forged(known: usize) -> Vec<Vec<(String, String)>> {
    let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let forged = |event: usize| {
        let names = (event * 60..(event + 1) * 60).filter(|&name| name < known);
        let names = names.map(|name| (format!("N{name}"), format!("x{}", name % 7)));
        [owned("sessionId", &format!("s{event}"))].into_iter().chain(names).collect()
    };
    let links =
        [vec![owned("sessionId", "s0"), owned("email", "e")], vec![owned("email", "e"), owned("ecommerceId", "c")]];
    (0..5).map(forged).chain(links).collect()
}

/// Such events as lines of a log.
fn forged_lines(known: usize) -> Vec<String> {
    let line = |(number, identities): (usize, Vec<(String, String)>)| {
        let identities: Vec<String> = identities.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        let identities = identities.join(",");
        format!(r#"{{"id":"e{number}","timestamp":{number},"user":{{"identities":{{{identities}}}}}}}"#)
    };
    forged(known).into_iter().enumerate().map(line).collect()
}

/// The count of values whose namespace is beyond the limit.
fn beyond(junk: &JunkCounts) -> u64 {
    junk.iter().find(|(value, _)| *value == "(namespace beyond the limit)").map_or(0, |(_, count)| count)
}

/// More namespaces than a store can have stop no replay: the first ones count, in the order of the log, and those that the store was
/// made with. How the log is cut into files, chunks, commits and pushes does not matter, nor do threads.
#[test]
fn forged_namespaces_stop_no_replay() {
    let rules = Rules { between: vec!["email".into()], ..Rules::default() };
    let verdict = judge(&rules, &[(String::new(), forged_lines(MOST))]);
    let lines = forged_lines(usize::MAX);
    for (files, threads, batch_events) in [(1, 1, 100), (1, 2, 1), (7, 1, 100), (7, 2, 100), (7, 2, 1), (3, 2, 2)] {
        let what = format!("{files} files, {threads} threads, batches of {batch_events}");
        let folder = tempfile::tempdir().expect("a folder");
        for (file, part) in lines.chunks(lines.len().div_ceil(files)).enumerate() {
            fs::write(folder.path().join(file.to_string()), text(part)).expect("written");
        }
        let mut engine = in_memory(&rules);
        let manner = Manner { threads, batch_events, ..Manner::default() };
        let summary = replay(&mut engine, &[folder.path().to_owned()], manner);
        assert_eq!((counts(&summary), beyond(&summary.junk)), ([7, 7, 0, 0], 300 - MOST as u64), "{what}");
        assert_agrees(&engine, &verdict);
        let again = replay(&mut engine, &[folder.path().to_owned()], Manner { force: true, ..manner });
        assert_eq!((counts(&again), beyond(&again.junk)), ([7, 0, 7, 0], 300 - MOST as u64), "{what}");
    }
    for at_once in [7, 2] {
        let mut engine = in_memory(&rules);
        let activities = forged(usize::MAX).into_iter().enumerate().map(|(number, identities)| {
            let activity = Activity::at(Time::from_micros(number as i64 * 1_000_000)).id(format!("e{number}"));
            identities.into_iter().fold(activity, |all, (name, value)| all.identity(name, value))
        });
        let activities: Vec<Activity> = activities.collect();
        let pushed = activities.chunks(at_once).map(|part| engine.push("shop", part.to_vec(), "").expect("pushed"));
        assert_eq!(pushed.map(|pushed| beyond(&pushed.junk)).sum::<u64>(), 300 - MOST as u64);
        assert_agrees(&engine, &verdict);
    }
}

/// A store that forged names have filled opens again, takes the namespace that the fields of a log give, and no other; an event that
/// has no other identity is a reject.
#[test]
fn a_store_full_of_forged_namespaces_reads_what_is_configured() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, log) = (folder.path().join("store"), folder.path().join("log"));
    let mut engine = Engine::open(&store).expect("a new store");
    let forged = forged_lines(usize::MAX)[..5].join("\n");
    assert_eq!(beyond(&engine.ingest("forged", forged.as_bytes()).expect("read").junk), 300 - MOST as u64);
    // Rejected lines fill a store as well, and before the next commit.
    let mut other = Engine::in_memory();
    let rejected: Vec<String> = (0..5).map(|line| at("1", &names(line * 65..(line + 1) * 65, "x"))).collect();
    let summary =
        other.ingest("rejected", (text(&rejected) + &at("1", r#""n7":"y","late":"z""#)).as_bytes()).expect("read");
    assert_eq!((counts(&summary), beyond(&summary.junk)), ([6, 2, 0, 4], 325 - MOST as u64 + 1));
    drop(engine);
    let mut engine = Engine::open(&store).expect("a sound store");
    let fields = Fields::builder().namespace("Phone", "phone").namespace("sessionId", "device").build().expect("sound");
    fs::write(&log, r#"{"time":1,"phone":"1","device":"s0","n0":"x0"}"#).expect("written");
    let summary = engine.replay(Replay::of([&log]).fields(fields)).expect("read");
    assert_eq!((counts(&summary), beyond(&summary.junk)), ([1, 1, 0, 0], 0));
    let view = engine.resolver().view();
    assert!(view.resolve_in("phone", "1").expect("sound").is_some_and(|found| found.group.len() > 2));
    let summary = engine.ingest("late", at("1", r#""email":"e""#).as_bytes()).expect("read");
    assert_eq!((counts(&summary), beyond(&summary.junk)), ([1, 0, 0, 1], 1));
    assert_eq!(reasons(&summary).into_keys().next(), Some("no_identity"));
    assert!(engine.verify().expect("readable").is_sound());
}

/// Members of `identities` with such numbers.
fn names(numbers: std::ops::Range<usize>, value: &str) -> String {
    numbers.map(|number| format!(r#""n{number}":"{value}""#)).collect::<Vec<_>>().join(",")
}

/// What the oracle cannot judge, by hand: line, and how it ends.
#[test]
fn nasty_lines_by_hand() {
    let many: Vec<String> = (0..65).map(|number| format!(r#""n{number}":"x""#)).collect();
    let with_id = |id: &str| format!(r#"{{"id":{id},"time":1,"user":{{"identities":{{"sessionId":"s"}}}}}}"#);
    let told = |lines: &[String]| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log");
        fs::write(&file, text(lines)).expect("written");
        let mut engine = in_memory(&Rules::default());
        let summary = replay(&mut engine, &[file], Manner::default());
        (counts(&summary), reasons(&summary).into_keys().next())
    };
    let accepted = |count, duplicate| ([count + duplicate, count, duplicate, 0], None);
    let rejected = |reason| ([1, 0, 0, 1], Some(reason));
    assert_eq!(told(&[at("1", &many.join(","))]), rejected("no_identity"), "more than anyone has");
    assert_eq!(told(&[at("1", r#""sessionId":"\ud83d""#)]), rejected("malformed"), "half a character");
    assert_eq!(
        told(&[at("1", r#""sessionId":1E400"#), at("1", r#""sessionId":"1E400""#)]),
        accepted(2, 0),
        "two lines"
    );
    assert_eq!(told(&[with_id("\"x\""), with_id("\" x\\n\"")]), accepted(1, 1), "an id is trimmed");
    assert_eq!(told(&[with_id("7"), with_id("\"7\"")]), accepted(1, 1), "a number is its text");
    assert_eq!(
        told(&[with_id(&format!("\"{UUID}\"")), with_id(&format!("\"{}\"", UUID.to_uppercase()))]),
        accepted(2, 0)
    );
    let long = |last: char| with_id(&format!("\"{}{last}\"", "v".repeat(1024)));
    assert_eq!(told(&[long('a'), long('a'), long('b')]), accepted(2, 1), "too long an id: the line tells them apart");
}
