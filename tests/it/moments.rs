//! Events outside of the bounds of time are rejects, counted by their reason: by default, by the command's flags, by configuration.

use std::fs;

use backstitch::{Attribute, Fields, Replay, Time};

use crate::cli_history::{object, ok, ok_of, refused};
use crate::harness::{assert_agrees, counts, expected_attribute, in_memory, reasons, text};
use crate::nasty::{at, moments};
use crate::oracle::{CALENDAR, Rules, USUAL, judge};

/// Lines of all moments that anybody thought of.
fn lines() -> Vec<String> {
    moments()
        .into_iter()
        .enumerate()
        .map(|(number, moment)| at(moment, &format!(r#""sessionId":"{number}""#)))
        .collect()
}

#[test]
fn by_default_an_event_is_of_our_times() {
    let lines = lines();
    let time = Time::from_micros;
    let narrow = 1_000_000..=1_762_000_000_250_000;
    for (times, fields) in [
        (USUAL, Fields::default()),
        (CALENDAR, Fields::default().not_before(time(i64::MIN)).not_after(time(i64::MAX))),
        (narrow.clone(), Fields::default().not_before(time(*narrow.start())).not_after(time(*narrow.end()))),
    ] {
        let rules = Rules { times, ..Rules::default() };
        let verdict = judge(&rules, &[(String::new(), lines.clone())]);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log");
        fs::write(&file, text(&lines)).expect("written");
        let mut engine = in_memory(&rules);
        let summary = engine.replay(Replay::of([&file]).fields(fields.clone())).expect("readable");
        assert_eq!(counts(&summary)[1], verdict.counts.accepted, "{:?}", rules.times);
        assert_eq!(reasons(&summary), verdict.counts.reasons, "{:?}", rules.times);
        assert_eq!(reasons(&summary).contains_key("time_out_of_range"), rules.times != CALENDAR);
        assert_agrees(&engine, &verdict);
        let mut out = Vec::new();
        let view = engine.resolver().view();
        Attribute::of([&file]).fields(fields).write(&view, engine.settings(), &mut out).expect("readable");
        assert_eq!(
            String::from_utf8(out).expect("UTF-8").lines().count(),
            expected_attribute(&verdict, 0, &lines).len()
        );
    }
}

/// Times of six events: long ago, before the epoch, three in our days, far ahead.
const LOG: &str = r#"{"timestamp":"0001-01-01T00:00:00Z","user":{"identities":{"sessionId":"s","ecommerceId":"mallory"}}}
{"timestamp":"1969-12-31T23:59:59.9Z","user":{"identities":{"sessionId":"s"}}}
{"timestamp":"2019-06-01T00:00:00Z","user":{"identities":{"sessionId":"s"}}}
{"timestamp":"2026-06-01T00:00:00Z","user":{"identities":{"sessionId":"s","ecommerceId":"anna"}}}
{"timestamp":"2026-06-02T00:00:00Z","user":{"identities":{"sessionId":"s"}}}
{"timestamp":"9999-12-31T23:59:59Z","user":{"identities":{"sessionId":"s"}}}
"#;

#[test]
fn bounds_are_told_by_flags_and_by_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("log"), LOG).expect("written");
    fs::write(folder.join("narrow.toml"), "[fields]\nnot_before = 2020-01-01T00:00:00Z\n").expect("written");
    fs::write(folder.join("wrong.toml"), "[fields]\nnot_before = \"long ago\"\n").expect("written");
    for (number, (flags, accepted, owner)) in [
        ("", 3, "ecommerceId:anna"),
        ("--not-before 2020-01-01T00:00:00Z", 2, "ecommerceId:anna"),
        ("--config narrow.toml", 2, "ecommerceId:anna"),
        ("--config narrow.toml --not-before 2019-01-01T00:00:00Z", 3, "ecommerceId:anna"),
        ("--not-after 2026-06-01T00:00:00Z", 2, "ecommerceId:anna"),
        ("--not-after 9999-12-31T23:59:59Z", 4, "ecommerceId:anna"),
        ("--not-before 0001-01-01T00:00:00Z --not-after 9999-12-31T23:59:59Z", 6, "ecommerceId:mallory"),
    ]
    .into_iter()
    .enumerate()
    {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let store = format!("{number}.store");
        let told = object(&ok_of(folder, &[&["replay", "log", "--json", "--store", &store], &flags[..]].concat()));
        assert_eq!(told["events"]["accepted"], accepted, "{flags:?}: {told}");
        let rejected = told["rejected_by_reason"]["time_out_of_range"].as_u64().unwrap_or_default();
        assert_eq!(rejected, 6 - accepted, "{flags:?}: {told}");
        let who = object(&ok(folder, &format!("resolve s --json --store {store}")));
        assert_eq!(who["person"], owner, "{flags:?}");
        let rows = ok_of(folder, &[&["attribute", "log", "--quiet", "--store", &store], &flags[..]].concat());
        assert_eq!(rows.lines().count() as u64, accepted, "{flags:?}");
    }
    ok(folder, "replay log --quiet --rejects bad --store rejects.store");
    let bad = fs::read_to_string(folder.join("bad")).expect("there");
    let detail = object(bad.lines().next().expect("a line"))["detail"].clone();
    assert_eq!(detail, "0001-01-01T00:00:00.000Z is before 1970-01-01T00:00:00.000Z");
    let reason = refused(folder, 2, &["replay", "log", "--config", "wrong.toml"]);
    assert!(reason.contains("wrong.toml:2: fields.not_before: write a date, a time and a zone"), "{reason}");
    let reason = refused(folder, 2, &["replay", "log", "--not-after", "yesterday"]);
    assert!(reason.contains("write a date, a time and a zone"), "{reason}");
}

#[test]
fn a_log_of_other_times_alone_is_told_how_to_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("log"), LOG.lines().take(1).collect::<String>() + "\n").expect("written");
    let output = crate::cli_history::command(folder, &["replay", "log", "--quiet"]).output().expect("it runs");
    let reason = crate::cli_history::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    for word in
        ["time_out_of_range", "is before 1970-01-01T00:00:00.000Z", "--not-before", "--not-after", "fields.unit"]
    {
        assert!(reason.contains(word), "{reason}");
    }
}
