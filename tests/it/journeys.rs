//! Journeys as people make them. Every answer here was worked out by hand; the oracle must agree, and the engine.
//!
//! `fixtures/journeys.ndjson` is one day of a shop, a person after the other, and what the
//! README replays. The figures of the day stand in [`the_day_in_figures`].

use std::path::PathBuf;

use backstitch::{Engine, Identity, Policy};
use serde_json::{Value, json};

use crate::harness::{
    Manner, assert_agrees, counts, events, in_memory, of_the_feed, reasons, replay, replayed, resolve, sessions, totals,
};
use crate::oracle::{Rules, Verdict, judge};

const DAY: &str = include_str!("../../fixtures/journeys.ndjson");
const JUNK: &str = include_str!("../../fixtures/junk.ndjson");
const NOT_JUNK: &str = include_str!("../../fixtures/not_junk.ndjson");
const REJECTS: &str = include_str!("../../fixtures/rejects.ndjson");

/// The day, replayed into memory, and the same judged by the oracle; they agree.
fn day() -> (Engine, Verdict) {
    told(&Rules::default(), DAY)
}

fn told(rules: &Rules, text: &str) -> (Engine, Verdict) {
    let verdict = judge(rules, &[(String::new(), text.lines().collect())]);
    let engine = replayed(rules, text);
    assert_agrees(&engine, &verdict);
    (engine, verdict)
}

/// A moment of the day.
fn at(clock: &str) -> String {
    format!("2026-11-02T{clock}:00.000Z")
}

/// Person and since of a session.
fn whose(engine: &Engine, session: &str) -> (String, Option<String>) {
    let answer = resolve(engine, "sessionId", session);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    (text(&answer["person"]).expect("known"), text(&answer["since"]))
}

#[track_caller]
fn assert_whose(engine: &Engine, session: &str, person: &str, since: Option<&str>) {
    assert_eq!(whose(engine, session), (person.to_owned(), since.map(at)), "{session}");
}

/// The events of a person: hour and kind, by time.
fn story(engine: &Engine, namespace: &str, value: &str) -> Vec<(String, String)> {
    let events = events(engine, namespace, value).expect("in the order of time");
    events.into_iter().map(|(time, kind)| (time[11..16].to_owned(), kind)).collect()
}

#[track_caller]
fn assert_story(engine: &Engine, customer: &str, expected: &[(&str, &str)]) {
    let story = story(engine, "ecommerceId", customer);
    let story: Vec<(&str, &str)> = story.iter().map(|(time, kind)| (time.as_str(), kind.as_str())).collect();
    assert_eq!(story, expected, "{customer}");
}

#[test]
fn the_day_in_figures() {
    let (engine, verdict) = day();
    let read = &verdict.counts;
    assert_eq!([read.read, read.accepted, read.duplicate, read.rejected], [42, 40, 2, 0]);
    // Direct, retroactive, carried, anonymous; sessions, customers, linked, shared.
    assert_eq!(totals(&engine).0, [11, 10, 10, 9, 13, 6, 8, 2]);
}

#[test]
fn anna_browses_logs_in_buys_logs_out_and_comes_back_on_a_second_device() {
    let (engine, _) = day();
    assert_whose(&engine, "sess-anna-phone", "ecommerceId:anna", Some("08:05"));
    assert_whose(&engine, "sess-anna-laptop", "ecommerceId:anna", Some("20:03"));
    assert_story(
        &engine,
        "anna",
        &[
            ("07:58", "retroactive"), // this line came last
            ("08:02", "retroactive"),
            ("08:04", "retroactive"),
            ("08:05", "direct"),
            ("08:07", "direct"),  // delivered twice
            ("08:09", "carried"), // logged out: the session ID stays
            ("08:30", "carried"),
            ("20:00", "retroactive"),
            ("20:03", "direct"),
            ("20:05", "carried"),
        ],
    );
    assert_eq!(
        resolve(&engine, "ECOMMERCEID", "anna"),
        json!({
            "identity": {"namespace": "ecommerceId", "value": "anna"}, "person": "ecommerceId:anna",
            "kind": "customer", "customer": "anna", "since": null,
            "group": ["sessionId:sess-anna-laptop", "sessionId:sess-anna-phone", "ecommerceId:anna"],
        })
    );
}

#[test]
fn ben_never_logs_in() {
    let (engine, _) = day();
    assert_whose(&engine, "sess-ben-laptop", "sessionId:sess-ben-laptop", None);
    let story = story(&engine, "sessionId", "sess-ben-laptop");
    assert_eq!(story.iter().map(|(time, _)| time.as_str()).collect::<Vec<_>>(), ["08:15", "08:16", "08:21"]);
    assert!(story.iter().all(|(_, kind)| kind == "anonymous"));
}

#[test]
fn clara_and_dan_share_a_tablet() {
    let (engine, verdict) = day();
    assert_whose(&engine, "sess-family-tablet", "ecommerceId:clara", Some("09:10"));
    assert_story(
        &engine,
        "clara",
        &[
            ("09:00", "retroactive"),
            ("09:10", "direct"),
            ("09:20", "direct"),
            ("09:30", "carried"),
            ("10:20", "carried"), // Dan had the tablet, but nothing says so
        ],
    );
    assert_story(
        &engine,
        "dan",
        &[("10:00", "direct"), ("10:10", "direct"), ("12:00", "direct"), ("12:10", "carried")],
    );
    let group = resolve(&engine, "ecommerceid", "dan")["group"].clone();
    assert_eq!(group, json!(["sessionId:sess-dan-phone", "ecommerceId:dan"]), "never merged");
    let refused: Vec<_> = verdict.refused.iter().map(|link| format!("{} {}", link.lower, link.higher)).collect();
    assert_eq!(
        refused,
        ["sessionId:sess-family-tablet ecommerceId:dan", "sessionId:sess-library-pc ecommerceId:jonas"]
    );
}

#[test]
fn emma_is_found_through_her_device_and_her_address() {
    let (engine, _) = day();
    assert_whose(&engine, "sess-emma-mail", "ecommerceId:emma", Some("15:00"));
    assert_whose(&engine, "sess-emma-app", "ecommerceId:emma", Some("15:00"));
    assert_whose(&engine, "sess-emma-tablet", "ecommerceId:emma", Some("17:00"));
    assert_story(
        &engine,
        "emma",
        &[
            ("10:05", "retroactive"),
            ("10:06", "retroactive"),
            ("11:00", "retroactive"),
            ("14:00", "retroactive"), // no session: it stands under the address
            ("15:00", "direct"),
            ("16:00", "carried"),
            ("16:30", "retroactive"), // the tablet is hers since 17:00
            ("17:00", "carried"),
            ("17:30", "carried"),
        ],
    );
    let device = resolve(&engine, "deviceId", "device-emma");
    assert_eq!((&device["customer"], &device["since"]), (&json!("emma"), &json!(at("15:00"))));
    assert_eq!(device["identity"]["namespace"], "deviceid", "other namespaces are written in lower case");
}

#[test]
fn finn_and_gina_are_not_both_called_undefined() {
    let (engine, verdict) = day();
    assert_whose(&engine, "sess-finn", "sessionId:sess-finn", None);
    assert_whose(&engine, "sess-gina", "sessionId:sess-gina", None);
    assert_eq!(resolve(&engine, "ecommerceId", "undefined"), Value::Null);
    let junk: Vec<_> = verdict.counts.junk.iter().map(|(word, count)| (word.as_str(), *count)).collect();
    assert_eq!(junk, [("[object object]", 1), ("undefined", 2)]);
}

#[test]
fn hugo_is_one_person_without_a_name() {
    let (engine, _) = day();
    let group = json!(["sessionId:sess-hugo-laptop", "sessionId:sess-hugo-phone", "email:hugo@example.org"]);
    for (namespace, value) in
        [("sessionId", "sess-hugo-laptop"), ("sessionId", "sess-hugo-phone"), ("email", "hugo@example.org")]
    {
        let answer = resolve(&engine, namespace, value);
        assert_eq!((&answer["person"], &answer["group"]), (&json!("sessionId:sess-hugo-phone"), &group));
        assert_eq!((&answer["kind"], &answer["customer"]), (&json!("anonymous"), &Value::Null));
    }
    assert_eq!(story(&engine, "email", "hugo@example.org").len(), 3);
}

#[test]
fn ida_was_at_the_library_before_jonas_although_the_line_came_later() {
    let (engine, _) = day();
    assert_whose(&engine, "sess-library-pc", "ecommerceId:ida", Some("12:30"));
    assert_story(&engine, "ida", &[("12:30", "direct"), ("13:20", "carried")]);
    assert_story(&engine, "jonas", &[("13:00", "direct")]);

    // Without that last line it was Jonas's.
    let lines: Vec<&str> = DAY.lines().collect();
    let (before, _) = told(&Rules::default(), &lines[..lines.len() - 1].join("\n"));
    assert_whose(&before, "sess-library-pc", "ecommerceId:jonas", Some("13:00"));
    assert_story(&before, "jonas", &[("13:00", "direct"), ("13:20", "carried")]);
}

#[test]
fn the_day_by_session() {
    let (engine, _) = day();
    let row = |session: &str, person: &str, since: Option<&str>, events: u64| json!({"session": format!("sess-{session}"), "person": person, "since": since.map(at), "events": events});
    let expected = [
        row("anna-laptop", "ecommerceId:anna", Some("20:03"), 3),
        row("anna-phone", "ecommerceId:anna", Some("08:05"), 7),
        row("ben-laptop", "sessionId:sess-ben-laptop", None, 3),
        row("dan-phone", "ecommerceId:dan", Some("12:00"), 2),
        row("emma-app", "ecommerceId:emma", Some("15:00"), 2),
        row("emma-mail", "ecommerceId:emma", Some("15:00"), 2),
        row("emma-tablet", "ecommerceId:emma", Some("17:00"), 3),
        row("family-tablet", "ecommerceId:clara", Some("09:10"), 7),
        row("finn", "sessionId:sess-finn", None, 1),
        row("gina", "sessionId:sess-gina", None, 2),
        row("hugo-laptop", "sessionId:sess-hugo-phone", None, 1),
        row("hugo-phone", "sessionId:sess-hugo-phone", None, 2),
        row("library-pc", "ecommerceId:ida", Some("12:30"), 3),
    ];
    assert_eq!(sessions(&engine).iter().map(of_the_feed).collect::<Vec<_>>(), expected);
    let tablet = &sessions(&engine)[7];
    assert_eq!([&tablet["customer"], &tablet["kind"]], ["clara", "customer"]);
    assert_eq!([&tablet["first"], &tablet["last"]], [&at("09:00"), &at("10:20")]);
}

#[test]
fn the_day_without_a_unique_namespace() {
    let rules = Rules { unique: false, ..Rules::default() };
    let (engine, _) = told(&rules, DAY);
    assert_eq!(totals(&engine).0, [0, 0, 0, 40, 13, 0, 0, 0]);
    let dan = resolve(&engine, "ecommerceId", "dan");
    assert_eq!(dan["person"], "sessionId:sess-family-tablet", "one family, as far as links go");
    assert_eq!(dan["group"].as_array().map(Vec::len), Some(4), "two sessions, two customers");
}

#[test]
fn the_day_with_the_address_below_the_device() {
    // Emma's address now links up to her device instead of down: another key, the same people at the same moments.
    let rules = Rules { between: vec!["email".into(), "deviceid".into()], ..Rules::default() };
    let (engine, _) = told(&rules, DAY);
    assert_whose(&engine, "sess-emma-app", "ecommerceId:emma", Some("15:00"));
    assert_eq!(totals(&engine).0, [11, 10, 10, 9, 13, 6, 8, 2]);
}

#[test]
fn junk_is_nobody_and_what_looks_like_it_is_somebody() {
    let (engine, verdict) = told(&Rules::default(), JUNK);
    let lines = JUNK.lines().count() as u64;
    assert_eq!(lines, 34);
    assert_eq!(totals(&engine).0, [0, 0, 0, lines, lines, 0, 0, 0]);
    assert_eq!(verdict.counts.junk.values().sum::<u64>(), lines - 1, "null is no value");
    assert_eq!((verdict.counts.junk["null"], verdict.counts.junk[""]), (2, 2));

    let (engine, _) = told(&Rules::default(), NOT_JUNK);
    let lines = NOT_JUNK.lines().count() as u64;
    assert_eq!(totals(&engine).0, [lines, 0, 0, 0, lines, lines, lines, 0]);
}

/// Two sessions, each with a login of its own, meet on one device.
const MET_ON_A_DEVICE: &str = r#"{"timestamp":1000,"user":{"identities":{"sessionId":"s1","deviceId":"tv"}}}
{"timestamp":2000,"user":{"identities":{"sessionId":"s2","deviceId":"tv"}}}
{"timestamp":3000,"user":{"identities":{"sessionId":"s1","ecommerceId":"alice"}}}
{"timestamp":4000,"user":{"identities":{"sessionId":"s2","ecommerceId":"bob"}}}
{"timestamp":5000,"user":{"identities":{"sessionId":"s2"}}}
{"timestamp":6000,"user":{"identities":{"deviceId":"tv"}}}
"#;

#[test]
fn a_session_meets_customers_by_way_of_a_device() {
    let (mut engine, _) = told(&Rules::default(), MET_ON_A_DEVICE);
    // s2 is alice's by the device, and bob logged in on it: it met both. s1 and the device met alice alone.
    assert_eq!(totals(&engine).0, [2, 2, 2, 0, 2, 2, 2, 1]);
    let person = |engine: &Engine, policy, session: &str| {
        let found = engine.resolver().view().policy(policy).resolve(session).expect("readable").expect("known");
        found.person.to_string()
    };
    for (policy, whose) in [
        (Policy::FirstLogin, "ecommerceId:alice"),
        (Policy::Strict, "sessionId:s2"),
        (Policy::LastLogin, "ecommerceId:bob"),
    ] {
        assert_eq!(person(&engine, policy, "s2"), whose, "{policy}");
    }
    assert_eq!(person(&engine, Policy::Strict, "s1"), "ecommerceId:alice");
    let view = engine.resolver().view();
    assert_eq!(["s1", "s2"].map(|session| view.is_shared(session)), [false, true]);
    assert!(!view.is_shared_in("deviceid", "tv"));
    let shared = serde_json::to_value(view.shared().expect("readable")).expect("JSON");
    assert_eq!(
        (&shared[0]["session"], &shared[0]["customers"]),
        (
            &json!("s2"),
            &json!([{"customer": "ecommerceId:alice", "logins": 0}, {"customer": "ecommerceId:bob", "logins": 1}])
        )
    );
    assert_eq!(shared.as_array().map(Vec::len), Some(1));
    // Without the link of s2 and the device nobody met two.
    let identity = |namespace: &str, value: &str| Identity::new(namespace, value);
    let (tablet, session) = (identity("deviceId", "tv"), identity("sessionId", "s2"));
    assert!(engine.unlink_pair(&tablet, &session).expect("written").changed, "in either order");
    assert_eq!(totals(&engine).0[7], 0);
    assert_eq!(person(&engine, Policy::FirstLogin, "s2"), "ecommerceId:bob");
    assert!(engine.relink_pair(&session, &tablet).expect("written").changed);
    assert_eq!(totals(&engine).0[7], 1);
    let told = engine.unlink_pair(&session, &identity("SESSIONID", "s1")).expect_err("refused").to_string();
    assert!(told.contains("no event links two of one namespace"), "{told}");
}

#[test]
fn an_address_of_two_customers_belongs_to_neither_under_strict() {
    let lines = r#"{"timestamp":1000,"user":{"identities":{"email":"info@shop.example","ecommerceId":"ann"}}}
{"timestamp":2000,"user":{"identities":{"email":"info@shop.example","ecommerceId":"ben"}}}
{"timestamp":3000,"user":{"identities":{"sessionId":"s","email":"info@shop.example"}}}
{"timestamp":4000,"user":{"identities":{"email":"info@shop.example"}}}
"#;
    let (engine, verdict) = told(&Rules::default(), lines);
    assert_eq!(totals(&engine).0, [2, 0, 2, 0, 1, 2, 1, 1]);
    let view = engine.resolver().view().policy(Policy::Strict);
    let totals = view.totals().expect("readable");
    assert_eq!((totals.attribution.anonymous, totals.linked_sessions), (2, 0));
    let found = view.resolve_in("email", "info@shop.example").expect("readable").expect("known");
    assert_eq!(found.group, std::slice::from_ref(&found.person));
    assert_eq!(verdict.met.values().filter(|met| met.len() > 1).count(), 2);
}

/// The line over the limit is made on the spot.
#[test]
fn one_line_of_each_kind_of_reject() {
    let long =
        format!(r#"{{"timestamp":1,"user":{{"identities":{{"sessionId":"s"}}}},"padding":"{}"}}"#, "x".repeat(1 << 20));
    let text = format!("{REJECTS}{long}\n");
    let folder = tempfile::tempdir().expect("a folder");
    let file: PathBuf = folder.path().join("rejects.ndjson");
    std::fs::write(&file, &text).expect("written");
    let mut engine = in_memory(&Rules::default());
    let summary = replay(&mut engine, &[file], Manner::default());
    assert_eq!(counts(&summary), [9, 2, 0, 7]);
    let expected =
        [("conflicting_identities", 1), ("malformed", 1), ("no_identity", 2), ("no_timestamp", 2), ("too_long", 1)];
    assert!(reasons(&summary).into_iter().eq(expected), "{:?}", reasons(&summary));
    assert_eq!(totals(&engine).0, [1, 1, 0, 0, 1, 1, 1, 0]);
    assert_agrees(&engine, &judge(&Rules::default(), &[(String::new(), text.lines().collect())]));
}
