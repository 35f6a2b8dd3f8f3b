//! Lines with other fields than an activity's, against the activities that say the same.

use proptest::prelude::*;

use crate::ingest::decode::Decoder;
use crate::ingest::fields::{Fields, MAX_PATH_NAMES};
use crate::ingest::json::scan::MAX_DEPTH;
use crate::ingest::json::tests::{MEANINGFUL, Outcome, edited, json_text, named, one_as, whole};
use crate::ingest::junk::JunkCounts;
use crate::ingest::reject::Reason;
use crate::model::namespace::{Levels, Namespaces};
use crate::model::settings::Junk;

/// Single fields at several depths, one with a dot in a name; no object of identities.
pub(super) fn single() -> Fields {
    let fields = Fields::builder().timestamp("meta.at").id("meta.id").namespace("sessionId", "anonymousId");
    let fields = fields.namespace("email", r"context.tr\.aits.email").namespace("ecommerceId", "userId");
    fields.build().unwrap()
}

/// An object of identities, and a single field beside it.
pub(super) fn both() -> Fields {
    Fields::builder().identities("who.ids").namespace("sessionId", "who.anon").build().unwrap()
}

fn single_line(rest: &str) -> Outcome {
    one_as(&single(), &format!(r#"{{"meta":{{"at":0,"id":1}},{rest}}}"#))
}

fn both_line(rest: &str) -> Outcome {
    one_as(&both(), &format!(r#"{{"timestamp":0,"id":1,{rest}}}"#))
}

#[test]
fn fields_are_found_wherever_they_are_told_to_lie() {
    let line = r#"{"type":"track","userId":18278,"context":{"ip":"::1","tr.aits":{"email":" A@b.c ","email2":"x"},"tr":{"aits":{"email":"y"}}},"anonymousId":"s","meta":{"at":"1970-01-01T00:00:00Z","id":"1"}}"#;
    let all = [("sessionId", "s"), ("email", "A@b.c"), ("ecommerceId", "18278")];
    assert_eq!(one_as(&single(), line), named(&all));
    assert_eq!(single_line(r#""user":{"identities":{"email":"x"}},"userId":"u""#), named(&[("ecommerceId", "u")]));
    for number in ["1e3", "18446744073709551617", "-7.50"] {
        assert_eq!(
            single_line(&format!(r#""userId":{number}"#)),
            named(&[("ecommerceId", number)]),
            "as it is spelled"
        );
    }
    for none in ["null", "true", r#"["x"]"#, r#"{"userId":"x"}"#, r#""null""#, "0", r#""""#] {
        assert_eq!(
            single_line(&format!(r#""userId":{none},"anonymousId":"s""#)),
            named(&[("sessionId", "s")]),
            "{none}"
        );
    }
    for none in ["null", "7", r#""x""#, "[]", r#"[{"tr.aits":{"email":"x"}}]"#, r#"{"tr.aits":null}"#, "{}"] {
        assert_eq!(single_line(&format!(r#""context":{none},"userId":"u""#)), named(&[("ecommerceId", "u")]), "{none}");
    }
}

#[test]
fn keys_and_values_with_escapes() {
    let line =
        r#""\u0075serId":"a\n\ud83d\ude00","c\u006fntext":{"tr\u002eaits":{"email":"\u0062"}},"anonymousId":"plain""#;
    assert_eq!(single_line(line), named(&[("sessionId", "plain"), ("email", "b"), ("ecommerceId", "a\n😀")]));
    assert_eq!(single_line(r#""\ud83d":"x","title":"\ud83d","userId":"u""#), named(&[("ecommerceId", "u")]));
    assert_eq!(single_line(r#""userId":"u\ud83d""#), Outcome::Reject(Reason::Malformed), "it is needed");
    // Names of fields are taken as they are told, whatever was decoded for the line before.
    let text = [r#"{"meta":{"at":0,"id":"\u0031"},"userId":"\u0062"}"#, r#"{"meta":{"at":0,"id":"1"},"userId":"b"}"#];
    let chunk = whole(text.join("\n").as_bytes());
    let (mut namespaces, mut found) = (Namespaces::new(Levels::default()), Vec::new());
    Decoder::new(&Junk::default(), &single()).chunk(&chunk, &mut namespaces, &mut JunkCounts::new(), &mut |line| {
        found.push(format!("{:?}", line.outcome.unwrap()));
    });
    assert_eq!(found[0], found[1]);
}

#[test]
fn the_last_of_equal_keys_counts_with_all_in_it() {
    assert_eq!(single_line(r#""userId":"a","userId":"b""#), named(&[("ecommerceId", "b")]));
    assert_eq!(single_line(r#""userId":"a","userId":null,"anonymousId":"s""#), named(&[("sessionId", "s")]));
    let twice = r#""context":{"tr.aits":{"email":"a"}},"context":{"x":1},"userId":"u""#;
    assert_eq!(single_line(twice), named(&[("ecommerceId", "u")]));
    let inner = r#""context":{"tr.aits":{"email":"a"},"tr.aits":{"email":"b"}}"#;
    assert_eq!(single_line(inner), named(&[("email", "b")]));
    assert_eq!(single_line(r#""userId":"u","meta":{"id":7}"#), Outcome::Reject(Reason::NoTimestamp));
    let who = r#""who":{"ids":{"x":"1"},"anon":"a"},"who":{"ids":{"y":"2"},"ids":{"z":"3"}}"#;
    assert_eq!(both_line(who), named(&[("z", "3")]));
    // Nothing of a line stays for the next.
    let lines =
        [r#"{"meta":{"at":0,"id":1},"userId":"u","anonymousId":"s"}"#, r#"{"meta":{"at":0,"id":1},"userId":"v"}"#];
    let (mut namespaces, mut counts) = (Namespaces::new(Levels::default()), Vec::new());
    let chunk = whole(lines.join("\n").as_bytes());
    Decoder::new(&Junk::default(), &single()).chunk(&chunk, &mut namespaces, &mut JunkCounts::new(), &mut |line| {
        counts.push(line.outcome.unwrap().identities.len());
    });
    assert_eq!(counts, [2, 1]);
}

#[test]
fn an_object_and_single_fields_say_one_thing_together() {
    assert_eq!(both_line(r#""who":{"ids":{"email":"e"},"anon":"a"}"#), named(&[("sessionId", "a"), ("email", "e")]));
    assert_eq!(both_line(r#""who":{"ids":{"SESSIONID":"a"},"anon":" a "}"#), named(&[("sessionId", "a")]));
    let conflict = r#""who":{"anon":"a","ids":{"sessionId":"b"}}"#;
    assert_eq!(both_line(conflict), Outcome::Reject(Reason::Conflict));
    assert_eq!(both_line(r#""who":{"ids":{"x":"a","x":"b"}}"#), Outcome::Reject(Reason::Conflict));
}

#[test]
fn a_reject_names_the_fields() {
    let told = |fields: &Fields, line: &str| {
        let mut told = String::new();
        let (mut namespaces, mut junk) = (Namespaces::new(Levels::default()), JunkCounts::new());
        Decoder::new(&Junk::default(), fields).chunk(
            &whole(line.as_bytes()),
            &mut namespaces,
            &mut junk,
            &mut |line| {
                told = line.outcome.unwrap_err().detail;
            },
        );
        told
    };
    assert_eq!(told(&single(), "{}"), "there is no meta.at");
    assert_eq!(told(&both(), "{}"), "there is neither timestamp nor time");
    let soon = r#"{"meta":{"at":"soon"}}"#;
    assert!(told(&single(), soon).starts_with("meta.at is not an RFC 3339 text"), "{}", told(&single(), soon));
    assert!(told(&both(), r#"{"time":"soon"}"#).starts_with("time is not an RFC 3339 text"));
    assert_eq!(
        told(&single(), r#"{"meta":{"at":1}}"#),
        r"userId and context.tr\.aits.email and anonymousId hold no text or number"
    );
    let ids = Fields::builder().timestamp("at").identities("ids").build().unwrap();
    assert_eq!(told(&ids, r#"{"at":1}"#), "ids holds no text or number");
    let junk = r#"{"time":1,"who":{"anon":"null"}}"#;
    assert_eq!(told(&both(), junk), "every value of who.anon and who.ids is junk");
}

#[test]
fn nesting_is_bounded_along_a_path() {
    let deepest = vec!["x"; MAX_PATH_NAMES].join(".");
    let fields = Fields::builder().id(&deepest).identities("ids").build().unwrap();
    for (inside, accepted) in
        [(MAX_DEPTH as usize - MAX_PATH_NAMES, true), (MAX_DEPTH as usize - MAX_PATH_NAMES + 1, false)]
    {
        let (open, close) = (r#"{"x":"#.repeat(MAX_PATH_NAMES), "}".repeat(MAX_PATH_NAMES));
        let line = format!("{open}{}{}{close}", "[".repeat(inside), "]".repeat(inside));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), accepted);
        assert_eq!(one_as(&fields, &line) != Outcome::Reject(Reason::Malformed), accepted);
    }
    let open = r#"{"x":"#.repeat(100_000);
    assert_eq!(one_as(&fields, &open), Outcome::Reject(Reason::Malformed));
}

/// The value of a field, as it is written.
fn value() -> impl Strategy<Value = String> {
    let values = [
        r#""v1""#,
        r#"" v2 ""#,
        "18278",
        "-0.50e7",
        r#""null""#,
        "0",
        "null",
        "true",
        "[1]",
        r#"{"a":"b"}"#,
        r#""\u0076\ud83d\ude00""#,
        r#""v\uDBFF""#,
        r#""f49c75a2-6994-41e2-875d-97ec4d19254b""#,
    ];
    proptest::sample::select(values.map(str::to_owned).to_vec())
}

/// One event's fields; no `id` that is not kept, for the hash of a line knows its fields.
fn event() -> impl Strategy<Value = [Option<String>; 5]> {
    let times =
        [r#""2026-11-01T10:00:00.000Z""#, "1793527200000", r#""\u0032026-11-01T10:00:00+02:00""#, "null", "1.5"];
    let time = proptest::sample::select(times.map(str::to_owned).to_vec());
    let ids = [r#"" x ""#, "7", r#""\u0065""#, r#""f49c75a2-6994-41e2-875d-97ec4d19254b""#];
    let id = proptest::sample::select(ids.map(str::to_owned).to_vec());
    let maybe = || proptest::option::weighted(0.7, value());
    (proptest::option::weighted(0.95, time), id, maybe(), maybe(), maybe())
        .prop_map(|(time, id, session, email, customer)| [time, Some(id), session, email, customer])
}

/// An object of members that are there, in an order that `seed` gives.
fn object(members: &[(&str, Option<String>)], noise: &str, seed: usize) -> String {
    let mut texts: Vec<String> =
        members.iter().filter_map(|(key, value)| Some(format!("\"{key}\" : {}", value.as_ref()?))).collect();
    texts.push(format!("\"noise\":{noise}"));
    let turn = seed % texts.len();
    texts.rotate_left(turn);
    if seed.is_multiple_of(3) {
        texts.reverse();
    }
    format!("{{{}}}", texts.join(" ,"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_activity_in_another_shape_is_the_same_activity(
        fields in event(), noise in json_text(), stale in value(), seed in 0..60usize, repeated in any::<bool>(),
    ) {
        let [time, id, session, email, customer] = fields;
        let ids = [("sessionId", session.clone()), ("email", email.clone()), ("ecommerceId", customer.clone())];
        let user = object(&[("identities", Some(object(&ids, "null", seed)))], "1", seed);
        let activity = object(&[("timestamp", time.clone()), ("id", id.clone()), ("user", Some(user))], &noise, seed);
        let expected = one_as(&Fields::default(), &activity);

        let meta = object(&[("at", time.clone()), ("id", id.clone())], &noise, seed);
        let traits = object(&[("em\\u0061il", email.clone())], &noise, seed);
        let context = object(&[("tr.aits", Some(traits))], &noise, seed);
        let mut other =
            object(&[("meta", Some(meta)), ("context", Some(context)), ("anonymousId", session.clone()), ("userId", customer.clone())], &noise, seed);
        if repeated {
            // What stands earlier under a key that comes again is gone.
            other = format!(r#"{{"meta":{{"at":{stale},"id":"old"}},"context":{{"tr.aits":{{"email":{stale}}}}},{}"#, &other[1..]);
        }
        prop_assert_eq!(one_as(&single(), &other), expected.clone(), "{} {}", activity, other);

        let rest = object(&[("email", email), ("ecommerceId", customer)], "[]", seed);
        let who = object(&[("ids", Some(rest)), ("anon", session)], &noise, seed);
        let other = object(&[("timestamp", time), ("id", id), ("who", Some(who))], &noise, seed);
        prop_assert_eq!(one_as(&both(), &other), expected, "{} {}", activity, other);
    }

    #[test]
    fn every_fields_is_as_strict(
        line in prop_oneof![json_text(), event().prop_map(|[at, id, session, email, customer]| {
            let meta = object(&[("at", at), ("id", id)], "1", 1);
            object(&[("meta", Some(meta)), ("context", email), ("anonymousId", session), ("userId", customer)], "{}", 2)
        })],
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0..3u8, proptest::sample::select(MEANINGFUL)), 0..3),
    ) {
        let line = edited(line.into_bytes(), &edits);
        // Half of a surrogate pair is refused where it is needed, which is another matter in each.
        let text = String::from_utf8_lossy(&line).to_lowercase();
        prop_assume!(!text.contains("\\ud") && text.trim().lines().count() == 1);
        let malformed = |fields: &Fields| {
            let mut malformed = Vec::new();
            let (mut namespaces, mut junk) = (Namespaces::new(Levels::default()), JunkCounts::new());
            Decoder::new(&Junk::default(), fields).chunk(&whole(&line), &mut namespaces, &mut junk, &mut |line| {
                malformed.push(line.outcome.err().filter(|reject| reject.reason == Reason::Malformed));
            });
            malformed
        };
        prop_assert_eq!(malformed(&single()), malformed(&Fields::default()), "{}", text);
        prop_assert_eq!(malformed(&both()), malformed(&Fields::default()), "{}", text);
    }
}
