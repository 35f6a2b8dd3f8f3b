//! Lines that are read by folded literals, against the same lines read strictly.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::ingest::fields::{Fields, Tree};
use crate::ingest::json::fields_tests::{both, single};
use crate::ingest::json::marks::Marks;
use crate::ingest::json::members::Members;
use crate::ingest::json::scan::{Scanner, Token};
use crate::ingest::json::shapes::Shapes;
use crate::ingest::json::shapes_tests::{profiled, told, value};
use crate::ingest::json::tests::{Edit, MEANINGFUL, activity, edited};

/// Lines of a sample in these tests, and lines after which it is whole.
const SAMPLED: u32 = 24;
const LINES: usize = 8 * SAMPLED as usize;

/// A chunk that is read line by line, and what is learned of it.
struct Chunk<'f> {
    shapes: Shapes,
    members: Members,
    tree: Option<&'f Tree>,
}

impl<'f> Chunk<'f> {
    fn new(fields: &'f Fields) -> Self {
        let tree = fields.tree.as_deref();
        let members = tree.map_or_else(Members::new, Members::of).with_profiles(true);
        Self { shapes: Shapes::sampling(SAMPLED, 1 << 19), members, tree }
    }

    /// One that has read these lines in turn until what is constant was folded.
    fn folded(fields: &'f Fields, lines: &[impl AsRef<str>]) -> Self {
        let mut this = Self::new(fields);
        let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).cycle().take(LINES + lines.len()).collect();
        this.read(&lines);
        this
    }

    /// Reads lines, checks what is told of each, and says of which the shape was known.
    fn read(&mut self, lines: &[impl AsRef<str>]) -> Vec<bool> {
        let text: String = lines.iter().flat_map(|line| [line.as_ref(), "\n"]).collect();
        let mut marks = Marks::default();
        marks.make(text.as_bytes());
        let (mut at, mut known) = (0, Vec::new());
        for line in lines {
            let end = at + line.as_ref().len();
            known.push(self.line(&text, &marks, at, end));
            at = end + 1;
        }
        known
    }

    fn line(&mut self, text: &str, marks: &Marks, at: usize, end: usize) -> bool {
        let mut scanner = Scanner::new(text, marks);
        scanner.at = at;
        let last = self.shapes.read(text, &mut scanner, &mut self.members);
        let by_shape = last.map(|last| (last, told_by(&self.members, text)));
        assert_eq!(scanner.at, if last.is_some() { end } else { at });
        scanner.at = at;
        let mut strict = self.tree.map_or_else(Members::new, Members::of).with_profiles(true);
        let read = strict.read(self.tree, text, &mut scanner);
        let last = scanner.at;
        let good = read.is_ok() && scanner.white() == b'\n' && scanner.at == end;
        let strictly = good.then(|| (last, told_by(&strict, text)));
        if by_shape.is_some() {
            assert_eq!(by_shape, strictly, "{}", &text[at..end]);
        } else if good && matches!(time_of(&strict), Token::Text(_) | Token::Number(_)) {
            // An event has a time: no other line teaches its shape.
            self.shapes.learn(&text[at..end], last - at, self.tree, &mut self.members);
        }
        by_shape.is_some()
    }
}

/// A time beside a timestamp is ignored.
fn time_of(members: &Members) -> Token {
    if members.timestamp == Token::Absent { members.time } else { members.timestamp }
}

/// All that is told of a line.
fn told_by(members: &Members, text: &str) -> String {
    let of = |token| match token {
        Token::Text(span) | Token::Number(span) => format!("{:?}", members.text(text, span)),
        _ => "none".to_owned(), // an id that is neither text nor number is none
    };
    let time = time_of(members);
    let found: Vec<_> = members.found(text).map(|(name, value)| format!("{name:?}: {value:?}")).collect();
    let profile = members.profile(text);
    format!("{} {} {found:?} {:?} {:?}", of(time), of(members.id), profile.segments, profile.traits)
}

/// An activity with values that are the same, or other ones, in other lines.
fn steady() -> impl Strategy<Value = String> {
    let word = || select(vec!["1", "12", "1.5", "-1.5e3", "0", "null", "true", r#""""#, r#""é""#, r#""1""#, "[]"]);
    let rest = proptest::collection::vec((select(vec!["a", "b", "segments", "id"]), word()), 0..4);
    (word(), word(), value(), value(), select(vec![r#""s""#, "7"]), rest).prop_map(|(one, two, any, more, id, rest)| {
        let rest: String = rest.iter().map(|(key, value)| format!(r#","{key}":{value}"#)).collect();
        format!(r#"{{"a":{one},"id":{id},"b":[{two},"x", {two}],"timestamp":0,"user":{{"n":{two},"segments":[{one},{any}],"identities":{{"email":{id}}},"traits":{{"x":{two},"y":{more}}}}}{rest},"c":{one}}}"#)
    })
}

/// Lines of a log, and edits of them.
type Log = (Vec<String>, Vec<(Index, Vec<Edit>, bool)>);

/// A few lines that come again and again, and then lines that follow on them: of other values, and with bytes that differ.
fn log(line: impl Strategy<Value = String>) -> impl Strategy<Value = Log> {
    let edit = (any::<Index>(), 0..3_u8, prop_oneof![select(MEANINGFUL), select(&b"1b5\",:}"[..])]);
    let later = (any::<Index>(), proptest::collection::vec(edit, 0..3), proptest::bool::weighted(0.1));
    (proptest::collection::vec(line, 1..6), proptest::collection::vec(later, 0..24))
}

fn check(fields: &Fields, (lines, later): &Log) {
    // The last lines come only later.
    let early = &lines[..lines.len().div_ceil(2)];
    let mut chunk = Chunk::folded(fields, early);
    let later: Vec<String> = later
        .iter()
        .map(|(line, edits, cut)| {
            let line = line.get(lines).clone().into_bytes();
            let length = line.len();
            let mut line = edited(line, edits);
            line.truncate(if *cut { length / 2 + edits.len() * 7 } else { line.len() });
            line.retain(|&byte| byte != b'\n');
            String::from_utf8_lossy(&line).trim_start().to_owned()
        })
        .filter(|line| !line.is_empty())
        .collect();
    chunk.read(&later);
    chunk.read(&later);
    chunk.read(lines);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_line_by_folded_literals_is_the_line_by_itself(log in log(prop_oneof![3 => steady(), 1 => activity(), 1 => profiled()])) {
        check(&Fields::default(), &log);
    }

    #[test]
    fn a_line_of_other_fields_by_folded_literals_is_the_line_by_itself(log in log(told())) {
        check(&single(), &log);
        check(&both(), &log);
    }
}

fn line(before: &str, session: usize, after: &str) -> String {
    format!(r#"{{{before}"timestamp":0,"user":{{"identities":{{"sessionId":"{session}"}}}}{after}}}"#)
}

#[test]
fn a_constant_is_a_part_of_a_literal_until_it_changes() {
    let fields = Fields::default();
    let lines: Vec<String> =
        (0..50).map(|n| line(r#""a":1,"b":"x","c":[true,-2.5],"#, n, r#","d":null,"e":"""#)).collect();
    let mut chunk = Chunk::folded(&fields, &lines);
    let folded = [r#""}},"d":null,"e":""}"#, r#"{"a":1,"b":"x","c":[true,-2.5],"timestamp":"#];
    assert_eq!(chunk.shapes.folded(), folded);
    let before = ["12", "1.0", "1e1", "0", r#"1 "#, "null", "true"];
    let changed: Vec<String> = before
        .iter()
        .map(|a| line(&format!(r#""a":{a},"b":"x","c":[true,-2.5],"#), 7, r#","d":null,"e":"""#))
        .collect();
    assert_eq!(chunk.read(&changed), before.map(|a| !a.ends_with(' ')));
    let other = [
        line(r#""a":1,"b":"xy","c":[true,-2.5],"#, 7, r#","d":null,"e":"""#),
        line(r#""a":1,"b":"\u0078","c":[true,-2.5],"#, 7, r#","d":null,"e":"""#),
        line(r#""a":1,"b":"x","c":[false,-2.55],"#, 7, r#","d":nul,"e":"""#),
        line(r#""a":1,"b":"x","c":[true,-2.5],"#, 7, r#","d":1,"e":"\"""#),
        line(r#""a":1,"b":"x","c":[true,-2.5],"#, 7, r#","d":null,"e":"" "#),
        line(r#""a":1,"b":"x","c":[true,-2.5],"#, 7, r#","d":null,"e":"""#) + ",",
    ];
    assert_eq!(chunk.read(&other), [true, true, false, true, false, false]);
    // Every beginning of a line, at the end of the text and before another line.
    for end in 1..lines[0].len() {
        assert_eq!(chunk.read(&[&lines[0][..end]]), [false]);
        assert_eq!(chunk.read(&[&lines[0][..end], &lines[1]]), [false, true]);
    }
}

#[test]
fn shapes_that_are_learned_later_branch_off_from_folded_literals() {
    let fields = Fields::default();
    let lines: Vec<String> = (0..50).map(|n| line(r#""a":1,"b":"x","c":3,"#, n, r#","d":4"#)).collect();
    let mut chunk = Chunk::folded(&fields, &lines);
    let folded = chunk.shapes.folded();
    let later = [
        line(r#""a":1,"#, 7, r#","d":4"#),
        line(r#""a":1,"b":"x","e":3,"#, 7, r#","d":4"#),
        line(r#""a":1,"b":2,"c":3,"#, 7, r#","d":4"#),
        line(r#""z":1,"b":"x","c":3,"#, 7, r#","d":4"#),
        line(r#""a":1,"b":"x","c":3,"#, 7, r#","d":4,"e":5"#),
        line(r#""a":1,"b":"x","c":3,"#, 7, ""),
        line("", 7, ""),
    ];
    assert_eq!(chunk.read(&later), [false; 7]);
    assert_eq!(chunk.read(&later), [true; 7]);
    assert_eq!((chunk.read(&lines), chunk.shapes.folded()), (vec![true; 50], folded));
}

#[test]
fn literals_are_folded_where_most_lines_go_on() {
    let fields = Fields::default();
    let rest = |n: usize| (0..n % 6).map(|k| format!(r#","f{k}":{k}"#)).collect::<String>();
    let lines: Vec<String> = (0..60).map(|n| line("", n, &rest(n))).collect();
    let mut chunk = Chunk::folded(&fields, &lines);
    // Of the lines that have the first field a fifth have no second one, of those that have two a quarter no third one, and so on.
    assert_eq!(chunk.shapes.folded(), [r#""}},"f0":0,"f1":"#]);
    assert_eq!(chunk.read(&lines), [true; 60]);
}

#[test]
fn what_tells_something_is_never_folded() {
    let fields = Fields::default();
    let line = |time: u32, id: &str, session: &str, segments: &str| {
        format!(
            r#"{{"timestamp":{time},"id":{id},"user":{{"identities":{{"sessionId":"{session}"}},"segments":[{segments}],"traits":7}}}}"#
        )
    };
    let same = line(1, "5", "s", r#""new",1"#);
    let mut chunk = Chunk::folded(&fields, &[&same]);
    // What is told of the others is held against the strict scanner.
    assert_eq!(chunk.shapes.folded(), [r#""},"segments":["new",1],"traits":7}}"#]);
    let others = [
        line(2, "5", "s", r#""new",1"#),
        line(1, "6", "s", r#""new",1"#),
        line(1, "5", "t", r#""new",1"#),
        line(1, "5", "s", r#""old",1"#),
        line(1, "5", "s", r#""new",12"#),
    ];
    assert_eq!(chunk.read(&others), [true; 5]);
    // A null that stands for no id is a part of the literal; before an id that counts it is a value that may be folded.
    let nulls = [
        r#"{"timestamp":0,"id":null,"id":7}"#,
        r#"{"timestamp":0,"id":null,"a":1}"#,
        r#"{"timestamp":0,"id":null,"id":8}"#,
        r#"{"timestamp":0,"id":3,"id":8}"#,
        r#"{"timestamp":0,"id":null,"a":2}"#,
        r#"{"timestamp":0,"id":3,"a":2}"#,
        r#"{"timestamp":0,"id":null}"#,
        r#"{"timestamp":0,"id":null,"id":null}"#,
    ];
    for (first, second) in (0..8).flat_map(|first| (0..8).map(move |second| (first, second))) {
        let mut chunk = Chunk::folded(&fields, &[nulls[first], nulls[second]]);
        chunk.read(&nulls);
        chunk.read(&nulls);
    }
}

#[test]
fn what_is_long_or_rare_is_not_folded() {
    let fields = Fields::default();
    let after = |value: &str| format!(r#","a":"{value}""#);
    let folded = |lines: &[String]| Chunk::folded(&fields, lines).shapes.folded().len();
    let of = |value: &str| (0..10).map(|n| line("", n, &after(value))).collect::<Vec<_>>();
    assert_eq!((folded(&of("x")), folded(&of(r"\u0078")), folded(&of(r"\\"))), (1, 1, 1));
    assert_eq!((folded(&of(&"é".repeat(32))), folded(&of(&"x".repeat(65)))), (1, 0));
    let rare =
        |every: usize| (0..60).map(move |n| line("", n, if n % every == 0 { r#","a":1"# } else { r#","b":{}"# }));
    assert_eq!((folded(&rare(2).collect::<Vec<_>>()), folded(&rare(6).collect::<Vec<_>>())), (1, 0));
}

#[test]
fn what_is_folded_leaves_room_for_shapes() {
    // All constant, and each line has other keys.
    let fields = Fields::default();
    let folded = |shapes: usize| {
        let member = |shape, k| format!(r#","{shape} {k}":{k}"#);
        let of = |shape| line("", shape, &(0..400).map(|k| member(shape, k)).collect::<String>());
        let lines: Vec<String> = (0..shapes).map(of).collect();
        let mut chunk = Chunk::new(&fields);
        chunk.shapes = Shapes::sampling(10 * SAMPLED, 1 << 18);
        (0..2_000 / shapes).for_each(|_| drop(chunk.read(&lines)));
        assert_eq!(chunk.read(&lines), vec![true; shapes]);
        let folded = chunk.shapes.folded().len();
        assert!(chunk.shapes.kept().is_some());
        folded
    };
    // Four constants are folded, and the fifth is behind that literal.
    assert_eq!((folded(1), folded(10), folded(40)), (80, 800, 0));
    assert!((1..400).contains(&folded(20)), "the room for them ends on the way");
}

#[test]
fn lists_of_siblings_stay_short() {
    let fields = Fields::default();
    let lines: Vec<String> = (0..71).map(|n| line(&format!(r#""k{n}":1,"#), n, "")).collect();
    let mut chunk = Chunk::new(&fields);
    chunk.shapes = Shapes::sampling(30 * SAMPLED, 1 << 18);
    (0..90).for_each(|_| drop(chunk.read(&lines)));
    assert_eq!(chunk.shapes.folded().len(), 64);
    for _ in 0..2 {
        assert_eq!(chunk.read(&lines), (0..71).map(|n| n < 64).collect::<Vec<_>>());
    }
}

#[test]
fn shapes_are_learned_anew_after_many_lines() {
    let fields = Fields::default();
    let mut chunk = Chunk::new(&fields);
    chunk.shapes = Shapes::sampling(SAMPLED, 100);
    let lines: Vec<String> = (0..40).map(|n| line("", n, "")).collect();
    for _ in 0..2 {
        chunk.read(&lines);
        chunk.shapes = chunk.shapes.kept().unwrap();
    }
    chunk.read(&lines);
    assert!(chunk.shapes.kept().is_none());
}
