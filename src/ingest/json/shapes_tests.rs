//! Lines that are read by their shape, against the same lines read one by one, each the first of its log.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::ingest::decode::Decoder;
use crate::ingest::fields::Fields;
use crate::ingest::json::fields_tests::{both, single};
use crate::ingest::json::marks::Marks;
use crate::ingest::json::members::Members;
use crate::ingest::json::scan::Scanner;
use crate::ingest::json::shapes::Shapes;
use crate::ingest::json::tests::{MEANINGFUL, activity, edited, one_as, whole};
use crate::ingest::junk::JunkCounts;
use crate::ingest::tally::Tally;
use crate::model::namespace::{Levels, Namespaces};
use crate::model::settings::Junk;

/// A value as it may stand anywhere.
pub(super) fn value() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        r#""s""#,
        r#""an\u006ea""#,
        "7",
        "-1.5e3",
        "null",
        "true",
        "[1]",
        "[ ]",
        r#"["a", null,{"b":2} ]"#,
        "{}",
        r#""null""#,
        r#"{"age" :45,"x":[true]}"#,
    ])
}

/// A line of other fields than an activity's, most often a good one.
pub(super) fn told() -> impl Strategy<Value = String> {
    let time = proptest::sample::select(vec!["0", r#""2026-11-01T10:00:00Z""#, "null", "1e3"]);
    let key = proptest::sample::select(vec!["anonymousId", "userId", "ids", "x"]);
    (time, value(), value(), value(), key).prop_map(|(time, first, second, third, key)| {
        format!(r#"{{"meta":{{"at":{time},"id":{first}}},"timestamp":{time},"{key}":{second},"userId":{third},"context":{{"tr.aits":{{"email":{second}}}}},"who":{{"anon":{third},"ids":{{"email":{first},"device":{second}}}}}}}"#)
    })
}

/// An activity with a profile, keys repeated.
pub(super) fn profiled() -> impl Strategy<Value = String> {
    let key = proptest::sample::select(vec!["segments", "traits", r"trait\u0073", "x", "identities"]);
    let users = proptest::collection::vec(proptest::collection::vec((key, value()), 0..4), 1..3);
    users.prop_map(|users| {
        let users = users.iter().map(|members| {
            let members: Vec<String> = members.iter().map(|(key, value)| format!(r#""{key}":{value}"#)).collect();
            format!(r#""user":{{{},"identities":{{"email":"e"}}}}"#, members.join(", ")).replace("{,", "{")
        });
        format!(r#"{{"timestamp":1793527200000,{}}}"#, users.collect::<Vec<_>>().join(","))
    })
}

/// A log of a few shapes, in which lines come again as they were, and with a byte or two that differ.
fn log(line: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let edit = (any::<Index>(), 0..3_u8, prop_oneof![proptest::sample::select(MEANINGFUL), Just(b'1'), Just(b'b')]);
    let again = (any::<Index>(), proptest::collection::vec(edit, 0..3));
    (proptest::collection::vec(line, 1..4), proptest::collection::vec(again, 0..24)).prop_map(|(lines, again)| {
        let edited = again.iter().map(|(line, edits)| {
            let mut line = edited(line.get(&lines).clone().into_bytes(), edits);
            line.retain(|&byte| byte != b'\n');
            line
        });
        lines.iter().map(|line| line.clone().into_bytes()).chain(edited).collect()
    })
}

/// All that is told of a line.
type Told = (u64, String, String);

fn told_of(fields: &Fields, bytes: &[u8], namespaces: &mut Namespaces, junk: &mut JunkCounts) -> (Vec<Told>, Tally) {
    told_by(&decoder(fields), bytes, namespaces, junk)
}

fn decoder(fields: &Fields) -> Decoder {
    Decoder::new(&Junk::default(), fields).with_profiles(true).with_recall()
}

fn told_by(decoder: &Decoder, bytes: &[u8], namespaces: &mut Namespaces, junk: &mut JunkCounts) -> (Vec<Told>, Tally) {
    let (mut told, mut carried) = (Vec::new(), Vec::new());
    let decoded = decoder.chunk(&whole(bytes), namespaces, junk, &mut |line| {
        let outcome = line.outcome.map(|event| {
            let own = || format!("{:?} {:?}", event.identities, event.profile);
            carried.push(event.recalled.map_or_else(own, |earlier| String::clone(&carried[earlier as usize])));
            format!("{:?} {:?} {}", event.time, event.id, carried[carried.len() - 1])
        });
        let outcome = outcome.unwrap_or_else(|reject| format!("{reject:?}"));
        told.push((line.number, String::from_utf8_lossy(line.text).into_owned(), outcome));
    });
    (told, decoded.tally)
}

fn check(fields: &Fields, lines: &[Vec<u8>]) -> Result<(), TestCaseError> {
    // Those of the lines that are read one by one add up, so that a namespace has the number that it has among all.
    let (mut all_names, mut names) = (Namespaces::new(Levels::default()), Namespaces::new(Levels::default()));
    let (mut junk, mut alone) = (JunkCounts::new(), JunkCounts::new());
    let (together, tally) = told_of(fields, &lines.join(&b'\n'), &mut all_names, &mut junk);
    // By shapes of an earlier chunk: good ones only, so that they are kept.
    let (good, decoder) = (lines.first().map_or(&b""[..], |line| line), decoder(fields));
    told_by(&decoder, &[good; 20].join(&b'\n'), &mut Namespaces::new(Levels::default()), &mut JunkCounts::new());
    let (mut again_names, mut again_junk) = (Namespaces::new(Levels::default()), JunkCounts::new());
    let again = told_by(&decoder, &lines.join(&b'\n'), &mut again_names, &mut again_junk);
    prop_assert_eq!((&again.0, &again.1, &again_junk), (&together, &tally, &junk));
    let mut expected = Vec::new();
    let mut tallied = Tally::default();
    for (number, line) in lines.iter().enumerate() {
        let (told, tally) = told_of(fields, line, &mut names, &mut alone);
        expected.extend(told.into_iter().map(|(_, text, outcome)| (number as u64, text, outcome)));
        tallied.merge(&tally, "", number as u64);
    }
    prop_assert_eq!(together, expected);
    prop_assert_eq!(junk, alone);
    prop_assert_eq!((tally.spellings, tally.span), (tallied.spellings, tallied.span));
    prop_assert_eq!(tally.first_reject, tallied.first_reject);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_line_by_its_shape_is_the_line_by_itself(lines in prop_oneof![log(activity()), log(profiled())]) {
        check(&Fields::default(), &lines)?;
    }

    #[test]
    fn a_line_of_other_fields_by_its_shape_is_the_line_by_itself(lines in log(told())) {
        check(&single(), &lines)?;
        check(&both(), &lines)?;
    }
}

#[test]
fn what_an_earlier_line_spelled_the_same_is_recalled() {
    let line = |time: u32, user: &str| format!(r#"{{"timestamp":{time},"user":{{{user}}},"action":"{time}"}}"#);
    let plain = r#""identities":{"sessionId":"s","email":"e"},"segments":["a"],"traits":{"b":1}"#;
    let lines = [
        (plain, None),
        (plain, Some(0)),
        (plain, Some(1)),
        (r#""identities":{"sessionId":"s","email":"e"},"segments":["b"],"traits":{"b":1}"#, None),
        (plain, None), // the slot has the last line of the same identities
        (plain, Some(4)),
        // The same bytes, and other places.
        (r#""identities":{"sessionId":"s"},"x":{"email":"e"},"segments":["a"],"traits":{"b":1}"#, None),
        // What is left out of a line is counted each time.
        (r#""identities":{"sessionId":"t","email":"null"}"#, None),
        (r#""identities":{"sessionId":"t","email":"null"}"#, None),
        (r#""identities":{"sessionId":"t","sessionid":"u"}"#, None),
        (r#""identities":{"sessionId":"t","sessionid":"u"}"#, None),
        (r#""identities":{"sessionId":"\u0073"}"#, None),
        (r#""identities":{"sessionId":"\u0073"}"#, None),
    ];
    let log: Vec<String> = (0..).zip(&lines).map(|(time, (user, _))| line(time, user)).collect();
    let (mut names, mut junk, mut recalled) = (Namespaces::new(Levels::default()), JunkCounts::new(), Vec::new());
    let (junk_list, fields) = (Junk::default(), Fields::default());
    let decoder = Decoder::new(&junk_list, &fields).with_profiles(true);
    let recalling = decoder.clone().with_recall();
    let decoded = recalling.chunk(&whole(log.join("\n").as_bytes()), &mut names, &mut junk, &mut |line| {
        recalled.push(line.outcome.unwrap().recalled);
    });
    assert_eq!(recalled, lines.map(|(_, recalled)| recalled));
    assert_eq!((junk.iter().map(|(_, count)| count).sum::<u64>(), decoded.tally.spellings), (2, 2));
    decoder.chunk(&whole(log.join("\n").as_bytes()), &mut names, &mut junk, &mut |line| {
        assert_eq!(line.outcome.unwrap().recalled, None, "it was not asked for");
    });
}

/// Reads lines as a chunk does, and says of which the shape was known.
fn known(lines: &[&str]) -> Vec<bool> {
    let (mut shapes, mut members) = (Shapes::default(), Members::new());
    let mut read = |line: &&str| {
        let mut marks = Marks::default();
        marks.make(line.as_bytes());
        let mut scanner = Scanner::new(line, &marks);
        let length = line.trim_end().len();
        match shapes.read(line, &mut scanner, &mut members) {
            Some(last) => {
                assert_eq!((last, scanner.at), (length, line.len()), "{line}");
                true
            }
            None => {
                assert_eq!(scanner.at, 0);
                members.read(None, line, &mut scanner).unwrap();
                shapes.learn(line, length, None, &mut members);
                false
            }
        }
    };
    lines.iter().map(&mut read).collect()
}

#[test]
fn a_shape_is_known_from_the_second_line_on() {
    let line = |time: &str, session: &str, rest: &str| {
        format!(r#"{{"timestamp":{time},"user":{{"identities":{{"sessionId":{session}}}}},"a":[{rest}]}}"#)
    };
    let lines = [
        (line("0", r#""s""#, r#"1,"x",true"#), false),
        (line("17", r#""other\n""#, r#"-2.5e7,"",null"#), true),
        (line("17", r#""s""#, r#"null,"\\",0"#), true),
        (line("17", r#""s""#, r#"null,7,0"#), false),
        (line("17", r#""s""#, r#"false,7,true"#), true),
        (line("17", r#""s""#, r#"false,7"#), false),
        (line("17", "7", r#"false,7"#), false),
        (line("17", "8", r#"false,7"#), true),
        (line("17", "8", r#"false,7"#) + " \t", false),
        (line("1", "8", r#"1,7"#) + " \t", true),
        (line(r#""2026-11-01T10:00:00Z""#, "8", r#"1,7"#), false),
    ];
    let texts: Vec<&str> = lines.iter().map(|(line, _)| &**line).collect();
    assert_eq!(known(&texts), lines.map(|(_, known)| known));
}

#[test]
fn a_word_that_tells_something_belongs_to_the_shape() {
    let line =
        |id: &str| format!(r#"{{"timestamp":0,"id":{id},"user":{{"identities":{{"sessionId":"s","email":{id}}}}}}}"#);
    let lines =
        [line("null"), line("null"), line("7"), line("8"), line("null"), line(r#""x""#), line(r#""y""#), line("7")];
    let texts: Vec<&str> = lines.iter().map(|line| &**line).collect();
    assert_eq!(known(&texts), [false, true, false, true, true, false, true, true]);
    // What is neither text nor number is counted where an identity belongs, so it is read each time.
    let lines = [line("true"), line("true"), line("[]"), line("[]")];
    let texts: Vec<&str> = lines.iter().map(|line| &**line).collect();
    assert_eq!(known(&texts), [false; 4]);
    assert_ne!(one_as(&Fields::default(), &line("7")), one_as(&Fields::default(), &line("null")));
}

#[test]
fn shapes_are_kept_while_they_are_of_use() {
    let line = |n: u32| format!(r#"{{"timestamp":0,"id":"{n}","user":{{"identities":{{"sessionId":"s"}}}}}}"#);
    let (mut shapes, mut members) = (Shapes::default(), Members::new());
    let mut read = |shapes: &mut Shapes, line: &str| {
        let mut marks = Marks::default();
        marks.make(line.as_bytes());
        let known = shapes.read(line, &mut Scanner::new(line, &marks), &mut members).is_some();
        if !known {
            shapes.learn(line, line.len(), None, &mut members);
        }
        known
    };
    for chunk in 0..3 {
        let known: Vec<bool> = (0..8).map(|n| read(&mut shapes, &line(n))).collect();
        assert_eq!(known.iter().filter(|known| !**known).count(), usize::from(chunk == 0));
        shapes = shapes.kept().unwrap();
    }
    for n in 0..8 + 1 {
        read(&mut shapes, &format!(r#"{{"timestamp":0,"new{n}":1}}"#));
    }
    (0..8).for_each(|n| assert!(read(&mut shapes, &line(n))));
    assert!(shapes.kept().is_none());
}

#[test]
fn ever_new_shapes_are_given_up() {
    let lines: Vec<String> =
        (0..20_000).map(|n| format!(r#"{{"timestamp":0,"{n}":1,"{}":{n}}}"#, "k".repeat(n % 100))).collect();
    let texts: Vec<&str> = lines.iter().map(|line| &**line).collect();
    assert!(known(&texts).iter().all(|known| !known));
    let (mut shapes, mut members) = (Shapes::default(), Members::new());
    for line in &lines {
        let marks = Marks::default();
        assert_eq!(shapes.read(line, &mut Scanner::new(line, &marks), &mut members), None);
        shapes.learn(line, line.len(), None, &mut members);
    }
    assert!(shapes.is_bounded(), "{}", lines.len());
}
