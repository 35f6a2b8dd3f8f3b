//! Values however they are laid out: the same activities, whatever the pieces they come in; and what becomes of broken ones.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value as Json;

use crate::ingest::chunk::{Chunk, Cut};
use crate::ingest::decode::Decoder;
use crate::ingest::fields::Fields;
use crate::ingest::json::frame::{Framer, is_framed};
use crate::ingest::junk::JunkCounts;
use crate::model::limits::MAX_LINE_BYTES;
use crate::model::namespace::{Levels, Namespaces};
use crate::model::settings::Junk;
use crate::model::source::Within;

/// What became of a source.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Outcome {
    /// Events, by all that is told of them.
    events: Vec<String>,
    /// Line numbers from 1, with the reasons.
    rejects: Vec<(u64, String)>,
    /// Lines of the events.
    lines: Vec<u64>,
    /// Their texts.
    texts: Vec<String>,
    unfinished: u64,
    /// Where reading goes on.
    left: (u64, u64, Within),
}

impl Outcome {
    fn decode(&mut self, fields: &Fields, chunk: &Chunk, source: &str) -> Within {
        let mut namespaces = Namespaces::new(Levels::default());
        let before = self.left.1;
        let ends: Vec<usize> = source.match_indices('\n').map(|(end, _)| end).collect();
        let decoded =
            Decoder::new(&Junk::default(), fields).chunk(chunk, &mut namespaces, &mut JunkCounts::new(), &mut |line| {
                match line.outcome {
                    Ok(event) => {
                        let at = (chunk.start as usize) + line.at;
                        assert!(source[at..].starts_with('{'), "{at}");
                        assert_eq!(ends.partition_point(|&end| end < at) as u64, before + line.number);
                        self.events.push(format!("{:?} {:?} {:?}", event.time, event.id, event.identities));
                        self.lines.push(before + line.number + 1);
                        self.texts.push(String::from_utf8(line.text.to_vec()).unwrap());
                    }
                    Err(reject) => self.rejects.push((before + line.number + 1, reject.to_string())),
                }
            });
        self.unfinished += decoded.tally.unfinished;
        self.left = (decoded.consumed, before + decoded.lines, decoded.within);
        decoded.within
    }
}

fn names(fields: &Fields) -> Option<Arc<[String]>> {
    fields.wrapper.as_ref().map(|wrapper| Arc::clone(&wrapper.names))
}

/// Reads a source in pieces of these sizes, in chunks of so many bytes; reading stops at each chunk and goes on by its position alone.
fn framed(fields: &Fields, source: &str, pieces: &[usize], full: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut framer = Framer::new(names(fields), 0, Within::Lines).full_at(full);
    let mut pieces = pieces.iter().copied().cycle();
    let (mut out, mut at) = (Vec::new(), 0);
    let mut chunk = |out: &mut Vec<u8>, cut: Cut, end: u64, start: u64| {
        let chunk = Chunk { start, end, cut: Some(Box::new(cut)), ..Chunk::whole(std::mem::take(out)) };
        outcome.decode(fields, &chunk, source);
        outcome.left
    };
    let mut start = 0;
    while at < source.len() {
        let piece = &source.as_bytes()[at..(at + pieces.next().unwrap_or(1)).min(source.len())];
        at += framer.feed(piece, &mut out);
        if framer.is_full(&out) {
            let cut = framer.cut();
            let (consumed, _, within) = chunk(&mut out, cut, at as u64, start);
            assert_eq!(consumed, at as u64, "a chunk ends between values");
            framer = Framer::new(names(fields), consumed, within).full_at(full);
            start = consumed;
        }
    }
    let cut = framer.finish(&mut out);
    chunk(&mut out, cut, source.len() as u64, start);
    outcome
}

fn whole(fields: &Fields, source: &str) -> Outcome {
    framed(fields, source, &[1 << 20], 1 << 20)
}

/// The same, read line by line.
fn by_line(fields: &Fields, source: &str) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.decode(fields, &Chunk::whole(source), source);
    outcome
}

fn wrapped() -> Fields {
    Fields::builder().wrapper("data.items").build().unwrap()
}

fn event(at: u32) -> String {
    format!(r#"{{"timestamp":{at},"x":[{{"y":"}},{{"}}],"user":{{"identities":{{"sessionId":"s{at}"}}}}}}"#)
}

fn pretty(value: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<Json>(value).unwrap()).unwrap()
}

/// Events in every layout, each with the fields to read it by.
fn layouts(events: &[String]) -> Vec<(String, Fields)> {
    let array = format!("[{}]", events.join(","));
    let wrapper = format!(r#"{{"x":[1,{{"items":[0]}}],"data":{{"n":0,"items":{array},"next":"]"}},"items":[]}}"#);
    let pages: Vec<String> =
        events.iter().map(|event| format!(r#"{{"data":{{"\u0069tems":[{event}]}},"n":7}}"#)).collect();
    let each: Vec<String> = events.iter().map(|event| pretty(event)).collect();
    [
        (array.clone(), false),
        (format!("[\n{}\n]\n", events.join(",\n")), false),
        (format!(" [\r\n\t{}\r\n]", events.join("\r\n,\r\n\t")), false),
        (pretty(&array), false),
        (each.join("\n"), false),
        (each.join(""), false),
        (events.iter().map(|event| format!("[{event}]\n")).collect(), false),
        (format!("[{}]\n[\n\n]", each.join(" ,")), false),
        (wrapper.clone(), true),
        (pretty(&wrapper), true),
        (pages.join("\n"), true),
        (pages.iter().map(|page| pretty(page)).collect(), true),
        (array.clone(), true),
        (pretty(&array), true),
        (events.join("\n"), true),
    ]
    .into_iter()
    .map(|(source, wraps)| (source, if wraps { wrapped() } else { Fields::default() }))
    .collect()
}

proptest! {
    #[test]
    fn every_layout_gives_the_same_activities_whatever_the_pieces(
        count in 1_u32..12,
        texts in proptest::collection::vec(r#"[\[\]{},:"\\ é\u{1F600}n]{0,6}"#, 12),
        ids in any::<bool>(),
        pieces in proptest::collection::vec(1_usize..40, 1..6),
        full in 1_usize..600,
    ) {
        let events: Vec<String> = (0..count).map(|at| {
            let text = Json::from(texts[at as usize].clone());
            let id = if ids { format!(r#""id":{text},"#) } else { String::new() };
            format!(r#"{{{id}"timestamp":{at},"list":[{text},{{"a":{{}},"b":[]}}],"user":{{"identities":{{"sessionId":"s","x":{text}}}}}}}"#)
        }).collect();
        // The library sorts keys when it lays out again, and the bytes are the event's where it has no id.
        let events: Vec<String> = events.iter().map(|event| serde_json::from_str::<Json>(event).unwrap().to_string()).collect();
        let expected = by_line(&Fields::default(), &events.join("\n"));
        prop_assert_eq!((expected.events.len(), &expected.rejects[..]), (count as usize, &[][..]));
        for (source, fields) in layouts(&events) {
            if fields == Fields::default() && !is_framed(source.as_bytes()) {
                let outcome = by_line(&fields, &source);
                prop_assert_eq!((&outcome.texts, outcome.rejects.len()), (&expected.texts, 0), "{}", source);
            }
            let outcome = framed(&fields, &source, &pieces, full);
            prop_assert_eq!(&outcome.events, &expected.events, "{}", source);
            prop_assert_eq!(&outcome.texts, &expected.texts, "{}", source);
            prop_assert_eq!(&outcome.rejects[..], &[][..], "{}", source);
            let end = (source.len() as u64, source.matches('\n').count() as u64, Within::Values);
            prop_assert_eq!((outcome.left, outcome.unfinished), (end, 0), "{}", source);
        }
    }

    #[test]
    fn whatever_the_bytes_each_goes_through_once_and_the_pieces_do_not_count(
        source in r#"[\[\]{},:"\\ a1\n]{0,80}"#,
        pieces in proptest::collection::vec(1_usize..9, 1..4),
    ) {
        for fields in [Fields::default(), Fields::builder().wrapper("a").build().unwrap()] {
            let expected = whole(&fields, &source);
            let outcome = framed(&fields, &source, &pieces, 1 << 20);
            prop_assert_eq!(&outcome, &expected);
            prop_assert!(expected.left.0 <= source.len() as u64);
            prop_assert!(expected.left.1 <= source.matches('\n').count() as u64);
        }
    }

    #[test]
    fn a_source_cut_anywhere_and_continued_gives_each_event_once(cut in 0_usize..2_000, layout in 0_usize..15) {
        let events: Vec<String> = (0..6).map(event).collect();
        let (source, fields) = layouts(&events).swap_remove(layout);
        let cut = cut % (source.len() + 1);
        let first = whole(&fields, &source[..cut]);
        let (bytes, lines, within) = first.left;
        // What is half written is read again, and nothing else.
        let mut framer = Framer::new(names(&fields), bytes, within);
        let mut out = Vec::new();
        framer.feed(&source.as_bytes()[bytes as usize..], &mut out);
        let cut = framer.finish(&mut out);
        let chunk = Chunk { start: bytes, end: source.len() as u64, cut: Some(Box::new(cut)), ..Chunk::whole(out) };
        let mut second = Outcome { left: (bytes, lines, within), ..Outcome::default() };
        second.decode(&fields, &chunk, &source);
        let all = [first.texts, second.texts].concat();
        prop_assert_eq!(all, whole(&fields, &source).texts);
        prop_assert_eq!(second.left, whole(&fields, &source).left);
        prop_assert_eq!(&second.rejects[..], &[][..]);
        prop_assert!(first.rejects.len() <= 1 && first.unfinished == first.rejects.len() as u64, "{:?}", first.rejects);
    }
}

/// The events and rejects of a source, as `line` and `line reason`.
fn told(source: &str) -> (Vec<u64>, Vec<String>) {
    let outcome = whole(&Fields::default(), source);
    (outcome.lines, outcome.rejects.iter().map(|(line, why)| format!("{line} {why}")).collect())
}

#[test]
fn a_broken_value_costs_itself_alone() {
    let [a, b, c] = [1, 2, 3].map(event);
    let cut = &b[..b.len() - 2];
    for (source, lines, why) in [
        (format!("[\n{a},\n{cut},\n{c}\n]\n"), vec![2, 4], "3 malformed: a key in quotes is missing"),
        (format!("[\n{a},\n{}\n{c}\n]\n", &b[..26]), vec![2, 4], "3 malformed: a text has no closing quote"),
        (
            format!("[\n{a},\n{{\"x\":[1,2 3]}},\n{c}\n]\n"),
            vec![2, 4],
            "3 malformed: a comma or a closing bracket is missing",
        ),
        (format!("[{a},{{\"x\" 1,\"y\":[{{}}]}},{c}]\n"), vec![1, 1], "1 malformed: a colon is missing after a key"),
        (
            format!("[\n{a},\n 17,\n{c}\n]\n"),
            vec![2, 4],
            "3 malformed: what stands in an array must be a JSON object (at byte 1)",
        ),
        (
            format!("[\n{a},\n [{b}],\n{c}\n]\n"),
            vec![2, 4],
            "3 malformed: what stands in an array must be a JSON object",
        ),
        (
            format!("[\n{a},\nsome text\n{c}\n]\n"),
            vec![2, 4],
            "3 malformed: what stands in an array must be a JSON object",
        ),
        (format!("[\n{a},\n{{}},\n{c}\n]\n"), vec![2, 4], "3 no_timestamp"),
        (format!("[\n{a},\n{c}\n]\n]\n"), vec![2, 3], "5 malformed: what stands in an array must be a JSON object"),
        (format!("[\n{a},\n{c}\n}}\n]\n"), vec![2, 3], "4 malformed: what stands in an array must be a JSON object"),
        (format!("[\n{a},\n{c}\n"), vec![2, 3], "3 malformed: an array has no closing bracket"),
        (format!("[\n{a},\n{c},"), vec![2, 3], "3 malformed: an array has no closing bracket"),
        (
            format!("[\n{a},\n{{\"x\":{}1{}}},\n{c}\n]", "[".repeat(200), "]".repeat(200)),
            vec![2, 4],
            "3 malformed: it is nested more than 127 deep",
        ),
        (
            format!("[\n{a},\n{{\"x\":\n{{\"y\":\n[]\n}}\n,\n}},\n{c}\n]"),
            vec![2, 9],
            "3 malformed: a key in quotes is missing",
        ),
    ] {
        let (found, rejects) = told(&source);
        assert_eq!(found, lines, "{source}: {rejects:?}");
        assert!(rejects.len() == 1 && rejects[0].starts_with(why), "{source}: {rejects:?}");
    }
    // Laid out by lines: what is not indented further begins the next.
    let pretty: Vec<String> = [&a, &b, &c].iter().map(|event| pretty(event).replace('\n', "\n  ")).collect();
    let broken = pretty[1].replacen("\"timestamp\"", "timestamp", 1);
    let (found, rejects) = told(&format!("[\n  {},\n  {broken},\n  {}\n]", pretty[0], pretty[2]));
    assert_eq!((found.len(), rejects.len()), (2, 1), "{rejects:?}");
}

#[test]
fn a_value_that_is_too_long_is_a_reject_and_takes_no_memory() {
    let (a, c) = (event(1), event(3));
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(3 * MAX_LINE_BYTES));
    // A list that was never closed swallows what follows, until it is longer than any value.
    let many: String = (0..40_000).map(|at| format!("{},\n", event(at))).collect();
    for (source, events) in [
        (format!("[\n{a},\n{long},\n{c}\n]"), 2),
        (format!("[{a},{long},{c}]"), 2),
        (format!("[\n{a},\n{{\"x\":[\n{many}{c}\n]"), 10_000),
        (format!("[\n{a},\n{{\"x\":{}1}},\n{c}\n]", " \n".repeat(2 * MAX_LINE_BYTES)), 2),
    ] {
        let mut framer = Framer::new(None, 0, Within::Lines);
        let mut out = Vec::new();
        let (mut at, mut most) = (0, 0);
        let mut outcome = Outcome::default();
        while at < source.len() {
            at += framer.feed(&source.as_bytes()[at..(at + 1_000).min(source.len())], &mut out);
            most = most.max(out.len());
            if framer.is_full(&out) || at == source.len() {
                let cut = if at == source.len() { framer.finish(&mut out) } else { framer.cut() };
                let start = outcome.left.0;
                let chunk =
                    Chunk { start, end: at as u64, cut: Some(Box::new(cut)), ..Chunk::whole(std::mem::take(&mut out)) };
                outcome.decode(&Fields::default(), &chunk, &source);
            }
        }
        let (first, last) = (&outcome.lines[0], outcome.lines.last().unwrap());
        assert!(
            outcome.events.len() >= events && most <= 4 << 20,
            "{} {most} {:?}",
            outcome.events.len(),
            outcome.rejects
        );
        assert_eq!(*first, 1 + u64::from(source.starts_with("[\n")));
        assert_eq!(*last, source[..source.rfind(&c).unwrap()].matches('\n').count() as u64 + 1);
        let reasons: Vec<&str> = outcome.rejects.iter().filter_map(|(_, why)| why.split(':').next()).collect();
        assert!(
            outcome.rejects.len() <= 1 && reasons.iter().all(|why| *why == "too_long" || *why == "no_timestamp"),
            "{reasons:?}"
        );
    }
}

#[test]
fn what_is_one_a_line_is_not_cut_out() {
    for (start, expected) in [
        ("", false),
        (" \n", false),
        ("{}", false),
        ("{\"a\":1}\n{\"b\"", false),
        ("{\"a\":{\n", false),
        ("{\"a\":{\n\"b\":1", true),
        ("{\n\"a\"", false),
        ("{\n\"a:\"\n", false),
        ("\n {\n\"a\":1}", true),
        ("{\"a\":1,\n{\"b\":1}\n", false),
        ("{\"a\":\"1\n{\"b\":1}\n", false),
        ("{\"a", false),
        ("[", true),
        ("[]", false),
        ("[]\n[\n", false),
        ("[{}, {\"a\":1}]\n{", false),
        ("[{},\n", true),
        ("[{\"a\":1 2},\n{}", true),
        ("[{\"a\":1 2}]\n{}", false),
        ("[ {\"a", true),
        ("[\n\n{", true),
        ("[error] at [x]\n", false),
        ("[1,2]\n", false),
        ("time,session\n", false),
    ] {
        assert_eq!(is_framed(start.as_bytes()), expected, "{start}");
    }
}

#[test]
fn arrays_may_stand_on_lines_among_others() {
    let [a, b, c] = [1, 2, 3].map(event);
    let source = format!("{a}\n [ {b} , 5, {c} ] \n[]\n{c}\n[{a},{b} x\n[{a}]]\n[{a},]\n[7 8]\n[{a},{{\"b\":");
    let outcome = by_line(&Fields::default(), &source);
    assert_eq!(outcome.lines, [1, 2, 2, 4, 5, 5, 6, 7, 9]);
    let rejects: Vec<(u64, &str)> = outcome.rejects.iter().map(|(line, why)| (*line, &**why)).collect();
    let long = a.len() + b.len();
    let expected = [
        (2, "malformed: what stands in an array must be a JSON object".to_owned()),
        (5, format!("malformed: a comma or a closing bracket is missing (at byte {})", long + 4)),
        (6, format!("malformed: something follows the object (at byte {})", a.len() + 3)),
        (7, format!("malformed: a value is missing or misspelled (at byte {})", a.len() + 3)),
        (8, "malformed: what stands in an array must be a JSON object".to_owned()),
        (8, "malformed: a comma or a closing bracket is missing (at byte 4)".to_owned()),
        (9, format!("malformed: a value is missing or misspelled (at byte {})", a.len() + 8)),
    ];
    assert_eq!(rejects, expected.each_ref().map(|(line, why)| (*line, &**why)).to_vec());
    // The last line may be half written: it is read again when the source has grown.
    assert_eq!((outcome.unfinished, outcome.left.0), (1, source.rfind('\n').unwrap() as u64 + 1));
    // Half of a pair spoils the event that has it, and none beside it; so it is where each stands on a line.
    let half = r#"{"timestamp":5,"id":"\ud83d","user":{"identities":{"sessionId":"s"}}}"#;
    let outcome = by_line(&Fields::default(), &format!("{a}\n [{b},{half},{c}]\n{a}\n"));
    assert_eq!((outcome.lines, outcome.unfinished), (vec![1, 2, 2, 3], 0));
    let at = 2 + b.len() + 1 + half.find('\\').unwrap() + 1;
    assert_eq!(outcome.rejects.len(), 1);
    assert!(outcome.rejects[0].1.ends_with(&format!("(at byte {at})")), "{:?}, {at}", outcome.rejects);
    let long = format!("[{},{a}]\n{b}", format!("{a},").repeat(20_000).trim_end_matches(','));
    let outcome = by_line(&Fields::default(), &long);
    assert_eq!((outcome.lines, outcome.rejects.len()), (vec![2], 1));
    assert!(outcome.rejects[0].1.starts_with("too_long"), "{:?}", outcome.rejects);
}
