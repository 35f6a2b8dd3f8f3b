//! What the store was, is and should never have been, through the command alone: a table kept by the change feed, links and
//! logs taken back, and all that can be asked wrongly.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use backstitch::Time;
use serde_json::Value;

use crate::harness::line_of_the_feed;
use crate::place::binary;

const DAY_ONE: &str = r#"{"timestamp":1,"user":{"identities":{"sessionId":"s1"}}}
{"timestamp":2,"user":{"identities":{"sessionId":"s1","ecommerceId":"anna"}}}
{"id":"e2","timestamp":3,"user":{"identities":{"sessionId":"s2","ecommerceId":"ben"}}}
{"timestamp":4,"user":{"identities":{"sessionId":"s \"3\", ü"}}}
{"timestamp":5,"user":{"identities":{"sessionId":"s4","ecommerceId":"anna"}}}
{"timestamp":6,"user":{"identities":{"sessionId":"tablet"}}}
{"id":"e7","timestamp":7,"user":{"identities":{"sessionId":"tablet","ecommerceId":"ben"}}}
{"timestamp":7.5,"user":{"identities":{"sessionId":"tablet"}}}
"#;

/// Late events, a login that was before that of the day before, repeats, a session that logs in at last, a new one.
const DAY_TWO: &str = r#"{"timestamp":0.5,"user":{"identities":{"sessionId":"s1"}}}
{"id":"e9","timestamp":6.5,"user":{"identities":{"sessionId":"tablet","ecommerceId":"clara"}}}
{"id":"e2","timestamp":3,"user":{"identities":{"sessionId":"s2","ecommerceId":"ben"}}}
{"timestamp":9,"user":{"identities":{"sessionId":"s \"3\", ü","ecommerceId":"dora"}}}
{"timestamp":9.5,"user":{"identities":{"sessionId":"s5"}}}
"#;

/// A folder with two days of a log, and an empty one.
pub fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("one.ndjson", DAY_ONE), ("two.ndjson", DAY_TWO), ("none.ndjson", "")] {
        fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear();
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The standard output of a command that must succeed; its words are separated by spaces.
pub fn ok(folder: &Path, arguments: &str) -> String {
    ok_of(folder, &arguments.split(' ').collect::<Vec<_>>())
}

pub fn ok_of(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The reason that a command gives which must fail.
pub fn refused(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let reason = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {reason}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    reason
}

pub fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What the feed tells of every row of `sessions`.
pub fn export(folder: &Path) -> String {
    export_of(folder, "backstitch.store")
}

pub fn export_of(folder: &Path, store: &str) -> String {
    ok(folder, &format!("sessions --json --store {store}")).lines().map(|row| line_of_the_feed(&object(row))).collect()
}

/// How many records the feed has.
pub fn last(folder: &Path) -> u64 {
    ok(folder, "changes").lines().count() as u64
}

fn digest(folder: &Path) -> String {
    object(&ok(folder, "stats --json"))["digest"].as_str().expect("a digest").to_owned()
}

/// The digest of a store that only ever saw these lines.
fn digest_of(lines: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("log.ndjson"), lines).expect("written");
    ok(folder.path(), "replay log.ndjson --quiet");
    digest(folder.path())
}

/// A table of sessions, which knows nothing of the store but an old export and the records of the feed.
pub struct Table {
    rows: BTreeMap<String, String>,
    since: u64,
}

impl Table {
    pub fn of(export: &str, since: u64) -> Self {
        let row = |line: &str| (object(line)["session"].as_str().expect("a session").to_owned(), line.to_owned());
        Self { rows: export.lines().map(row).collect(), since }
    }

    /// Applies the records of a feed; returns how many there were.
    pub fn apply(&mut self, feed: &str) -> usize {
        for line in feed.lines() {
            let record = object(line);
            self.since += 1;
            assert_eq!(record["sequence"], self.since, "one after the other: {line}");
            let session = record["session"].as_str().expect("a session");
            let before = self.rows.get(session).map_or(Value::Null, |row| object(row)["person"].clone());
            assert_eq!(record["from"], before, "{line}");
            if record["to"].is_null() {
                self.rows.remove(session).expect("what goes was there");
                continue;
            }
            let [session_text, to, since, events] = ["session", "to", "since", "events"].map(|name| &record[name]);
            let row = format!(r#"{{"session":{session_text},"person":{to},"since":{since},"events":{events}}}"#);
            let old = self.rows.insert(session.to_owned(), row.clone());
            assert_ne!(old, Some(row), "a record tells of a change");
        }
        feed.lines().count()
    }

    pub fn export(&self) -> String {
        self.rows.values().map(|row| format!("{row}\n")).collect()
    }

    /// Fetches and applies what is new; then all must be as the store has it.
    fn keep_up(&mut self, folder: &Path, what: &str) -> usize {
        let count = self.apply(&ok(folder, &format!("changes --since {}", self.since)));
        assert_eq!(self.export(), export(folder), "after {what}");
        ok(folder, "verify --quiet");
        count
    }
}

#[test]
fn a_nightly_job_keeps_a_table_by_the_feed() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson --quiet");
    let mut table = Table::of(&export(folder), last(folder));
    let day_one = digest(folder);
    let steps: &[(&str, usize)] = &[
        ("replay two.ndjson --quiet", 4), // s1 has one more, the tablet and the third change hands, s5 is new; s2 was repeated
        ("replay two.ndjson --quiet --force", 0),
        ("unlink tablet clara", 1),
        ("unlink tablet clara", 0),
        ("unlink tablet ecommerceId:nobody --anyway", 0),
        ("unlink sessionId:tablet ecommerceId:clara --revert", 1),
        ("retract --source two.ndjson", 4),
        ("replay two.ndjson --quiet", 4),
        ("retract --event e7", 1), // one event fewer; clara's all the same
        ("retract --event e9", 1),
        ("retract --event no-such-event", 0),
        ("retract --source one.ndjson", 4), // s2 was delivered by both; of s1 the late one is left
        ("retract --source two.ndjson", 4),
        ("replay two.ndjson one.ndjson --quiet", 6),
    ];
    for (at, &(step, records)) in steps.iter().enumerate() {
        ok(folder, step);
        let changed = table.keep_up(folder, step);
        assert_eq!(changed, records, "records of {at}, {step}");
        if at == 6 {
            assert_eq!(digest(folder), day_one);
        }
    }
    // From the beginning it comes to the same.
    let mut anew = Table::of("", 0);
    anew.apply(&ok(folder, "changes"));
    assert_eq!(anew.export(), table.export());
    assert_eq!(digest(folder), digest_of(&format!("{DAY_ONE}{DAY_TWO}")));
}

#[test]
fn a_retracted_event_was_never_there() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson two.ndjson --quiet");
    let all = format!("{DAY_ONE}{DAY_TWO}");
    let without = |gone: &[&str]| -> String {
        let kept = all.lines().filter(|line| !gone.iter().any(|word| line.contains(word)));
        kept.map(|line| format!("{line}\n")).collect()
    };
    let told: Value = object(&ok(folder, "retract --event e2 --json"));
    assert_eq!(told["events"], 1, "it was delivered twice, and is one: {told}");
    assert_eq!(digest(folder), digest_of(&without(&[r#""e2""#])));
    assert_eq!(object(&ok(folder, "resolve s2 --json"))["person"], Value::Null);
    // An event without an id, by the hash that the feed shows.
    let feed = ok(folder, "changes");
    let record = feed.lines().map(object).find(|record| record["session"] == "s4").expect("a record of s4");
    let hash = record["event"].as_str().expect("a hash").to_owned();
    assert_eq!(hash.len(), 32);
    ok_of(folder, &["retract", "--event", &hash.to_uppercase()]);
    assert_eq!(digest(folder), digest_of(&without(&[r#""e2""#, r#""s4""#])));
    assert_eq!(object(&ok(folder, "retract --event e2 --json"))["changed"], false);
    // What was taken back may come again.
    ok(folder, "replay one.ndjson two.ndjson --quiet --force");
    assert_eq!(digest(folder), digest_of(&all));
    ok(folder, "verify");
}

#[test]
fn an_unlink_holds_whenever_it_was_said() {
    let late = workplace();
    let late = late.path();
    ok(late, "replay one.ndjson two.ndjson --quiet");
    let before = (export(late), digest(late));
    ok(late, "unlink tablet clara");
    let after = (export(late), digest(late));
    assert_ne!(before, after);
    let early = workplace();
    let early = early.path();
    ok(early, "replay none.ndjson --quiet");
    let told = object(&ok(early, "unlink tablet clara --json --anyway"));
    assert_eq!((&told["changed"], &told["changes"]), (&Value::from(true), &Value::from(0)), "{told}");
    assert_eq!(export(early), "", "who is only named is not known");
    ok(early, "replay two.ndjson --quiet");
    ok(early, "replay one.ndjson --quiet");
    assert_eq!((export(early), digest(early)), after);
    ok(early, "retract --source one.ndjson");
    ok(early, "retract --source two.ndjson");
    assert_eq!(export(early), "");
    ok(early, "verify");
    ok(early, "replay one.ndjson two.ndjson --quiet");
    assert_eq!((export(early), digest(early)), after, "it outlives what it was said of");
    for folder in [late, early] {
        ok(folder, "unlink tablet clara --revert");
        assert_eq!((export(folder), digest(folder)), before);
        ok(folder, "verify");
    }
}

#[test]
fn a_source_is_found_by_any_path_also_when_it_is_gone() {
    let folder = workplace();
    let folder = folder.path();
    let absolute = folder.canonicalize().expect("it exists").join("two.ndjson");
    let sources = || object(&ok(folder, "stats --json"))["sources"].to_string();
    ok(folder, "replay one.ndjson --quiet");
    let (day_one, told) = (digest(folder), sources());
    let around = Path::new("..").join(folder.file_name().expect("a name")).join("two.ndjson");
    let paths: [PathBuf; 4] = ["two.ndjson".into(), "./two.ndjson".into(), absolute.clone(), around];
    for gone in [false, true] {
        for path in &paths {
            fs::write(&absolute, DAY_TWO).expect("written");
            ok(folder, "replay two.ndjson --quiet");
            assert_ne!(sources(), told);
            if gone {
                fs::remove_file(&absolute).expect("removed");
            }
            ok_of(folder, &["retract", "--source", path.to_str().expect("UTF-8")]);
            assert_eq!(digest(folder), day_one, "{path:?}, gone: {gone}");
            assert_eq!(sources(), told, "a retracted source is none any more");
        }
    }
    let again = refused(folder, 1, &["retract", "--source", "two.ndjson"]);
    assert!(again.contains("two.ndjson is no source") && again.contains("one.ndjson"), "{again}");
}

#[test]
fn what_was_known_on_monday_about_friday() {
    let folder = workplace();
    let folder = folder.path();
    let known_after = |step: &str| {
        ok(folder, step);
        last(folder)
    };
    let monday = known_after("replay one.ndjson --quiet");
    let tuesday = known_after("replay two.ndjson --quiet");
    let wednesday = known_after("unlink tablet clara");
    let thursday = known_after("retract --source one.ndjson");
    let person = |session: &str, then: &str| {
        let answer = object(&ok(folder, &format!("resolve {session} --json{then}")));
        answer["person"].as_str().map(|person| person.replace("ecommerceId:", ""))
    };
    let at = |known: u64| format!(" --known-at {known}");
    let both = |known: u64, moment: &str| format!(" --known-at {known} --as-of 1970-01-01T00:00:0{moment}Z");
    let is = |name: &str| Some(name.to_owned());
    for (then, expected) in [
        (String::new(), is("sessionId:tablet")), // only clara's login is left, and that is unlinked
        (at(0), None),
        (at(monday), is("ben")),
        (both(monday, "6.999"), is("sessionId:tablet")),
        (both(monday, "5.999"), None),
        (at(tuesday), is("clara")),
        (both(tuesday, "6.499"), is("sessionId:tablet")),
        (both(tuesday, "6.5"), is("clara")),
        (at(wednesday), is("ben")),
        (both(wednesday, "6.999"), is("sessionId:tablet")),
        (both(wednesday, "7"), is("ben")),
        (at(thursday), is("sessionId:tablet")),
    ] {
        assert_eq!(person("tablet", &then), expected, "tablet{then}");
    }
    assert_eq!(person("s5", &at(monday)), None);
    assert_eq!(person("s5", &at(tuesday)), is("sessionId:s5"));
    assert_eq!(person("s4", &at(wednesday)), is("anna"));
    assert_eq!(person("s4", &at(thursday)), None, "its source was taken back");
    assert_eq!(person("s4", &at(thursday - 1)), None, "one commit, one state");
    let next = (thursday + 1).to_string();
    let ahead = refused(folder, 1, &["resolve", "s4", "--known-at", &next]);
    assert!(ahead.contains(&format!("no change {next} yet, the last one is {thursday}")), "{ahead}");
    refused(folder, 2, &["resolve", "s4", "--known-at", "1", "--policy", "strict"]);
}

#[test]
fn a_commit_without_a_change_is_told_from_the_one_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // The second log tells more of a customer, and changes the row of no session.
    let line = |second: u64, identities: &str| {
        format!(
            "{{\"time\":\"1970-01-01T00:00:0{second}Z\",\"user\":{{\"identities\":{{{identities},\"ecommerceId\":\"x\"}}}}}}\n"
        )
    };
    fs::write(folder.join("one.ndjson"), line(1, r#""sessionId":"a""#)).expect("written");
    fs::write(folder.join("two.ndjson"), line(2, r#""email":"m""#)).expect("written");
    ok(folder, "replay one.ndjson --quiet");
    ok(folder, "replay two.ndjson --quiet");
    let rows: Vec<Value> = ok(folder, "commits --json").lines().map(object).collect();
    let numbers = |row: &Value| ["commit", "sequence", "changes"].map(|name| row[name].as_u64().expect("a number"));
    assert_eq!(rows.iter().map(numbers).collect::<Vec<_>>(), [[2, 1, 1], [3, 1, 0]]);
    let group = |when: &str| object(&ok(folder, &format!("resolve a --json --known-at {when}")))["group"].to_string();
    let (before, after) = (r#"["sessionId:a","ecommerceId:x"]"#, r#"["sessionId:a","email:m","ecommerceId:x"]"#);
    let at = |row: &Value| row["at"].as_str().expect("a moment").to_owned();
    let of_the_first = if at(&rows[0]) == at(&rows[1]) { after } else { before };
    for (when, expected) in [
        ("1", before),
        ("commit:2", before),
        (&at(&rows[0]), of_the_first),
        ("commit:3", after),
        (&at(&rows[1]), after),
        ("9999-12-31T23:59:59Z", after),
        ("0", "[]"),
        ("commit:1", "[]"),
        ("2001-01-01T00:00:00+01:00", "[]"),
    ] {
        assert_eq!(group(when), expected, "{when}");
    }
    for number in ["0", "4"] {
        let told = refused(folder, 1, &["resolve", "a", "--known-at", &format!("commit:{number}")]);
        assert!(told.contains(&format!("there is no commit {number}, they are numbered from 1 to 3")), "{told}");
    }
    let table = ok(folder, "commits");
    let cells: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(cells[0], ["commit", "at", "changes", "last", "change"]);
    assert_eq!(cells[1..], [["2", &at(&rows[0]), "1", "1"], ["3", &at(&rows[1]), "0", "1"]]);
    assert!(table.lines().all(|line| line.len() == table.find('\n').expect("a line")), "{table}");
}

/// Later lines are written by what was known at the moment, and counted.
#[test]
fn a_log_as_of_a_moment_is_written_to_its_end() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson two.ndjson --quiet");
    let attribute = |more: &[&str]| {
        let output = run(folder, &[&["attribute", "one.ndjson", "two.ndjson"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let rows: Vec<Value> = attribute(&[]).0.lines().map(object).collect();
    let moment = |row: &Value| Time::from_micros((row["timestamp"].as_f64().expect("seconds") * 1e6) as i64);
    let mut moments: Vec<Time> = rows.iter().map(moment).collect();
    moments.sort();
    assert_eq!(moments.len(), 13);
    for (until, said) in [
        (moments[6], Some("6 of 13 events lie after 1970-01-01T00:00:05.000Z: they are written too")),
        (moments[11], Some("1 of 13 events lies after 1970-01-01T00:00:09.000Z: it is written too")),
        (moments[12], None),
    ] {
        let as_of = ["--as-of", &until.to_string()];
        let (then, notes) = attribute(&as_of);
        assert_eq!(then.lines().count(), rows.len(), "every line is there");
        assert!(said.map_or(!notes.contains("written too"), |said| notes.contains(said)), "{notes}");
        for row in then.lines().map(object).filter(|row| moment(row) > until) {
            assert_ne!(row["attribution"], "retroactive", "nothing is known of what comes: {row}");
            let customer = &row["user"]["identities"]["ecommerceId"];
            assert_eq!(row["attribution"] == "direct", !customer.is_null(), "{row}");
        }
        assert_eq!(attribute(&[&as_of[..], &["--quiet"]].concat()), (then, String::new()));
    }
    // The tablet is anonymous up to the login of 6.5.
    let last_of_the_tablet = |until: &str| {
        let (then, _) = attribute(&["--as-of", until]);
        let row = then.lines().map(object).find(|row| row["timestamp"] == 7.5).expect("it is there");
        [row["person"].to_string(), row["attribution"].to_string()]
    };
    let told = |person: &str, kind: &str| [format!("{person:?}"), format!("{kind:?}")];
    assert_eq!(last_of_the_tablet("1970-01-01T00:00:06.4Z"), told("sessionId:tablet", "anonymous"));
    assert_eq!(last_of_the_tablet("1970-01-01T00:00:06.5Z"), told("ecommerceId:clara", "carried"));
}

#[test]
fn a_trimmed_feed_says_so_and_numbers_go_on() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson --quiet");
    let first = last(folder);
    let mut table = Table::of(&export(folder), first);
    let monday = ok(folder, &format!("resolve tablet --json --known-at {first}"));
    for upto in [first - 1, first, first, 1, 0] {
        ok(folder, &format!("changes --trim {upto}"));
        ok(folder, "verify");
    }
    for since in [0, first - 1] {
        let told = refused(folder, 1, &["changes", "--since", &since.to_string()]);
        assert!(told.contains("must begin again from a full export"), "{told}");
        let told = refused(folder, 1, &["resolve", "tablet", "--known-at", &since.to_string()]);
        assert!(told.contains(&format!("what was known after change {since} is not kept any more")), "{told}");
        assert!(told.contains("the history begins with commit 2, of 20"), "{told}");
        assert!(
            told.contains(&format!(", at change {first}; `backstitch commits` lists those that are kept")),
            "{told}"
        );
    }
    let output = run(folder, &["commits", "--json"]);
    assert!(text(&output.stderr).contains("what was known before commit 2 is not kept any more"));
    assert_eq!(
        object(text(&output.stdout).lines().next().expect("a row"))["changes"],
        0,
        "none of its changes is kept"
    );
    let told = refused(folder, 1, &["changes", "--follow", "--since", "0"]);
    assert_eq!(ok(folder, "changes"), "", "without a number: all that are kept");
    assert!(told.contains("were trimmed"), "{told}");
    assert_eq!(ok(folder, &format!("changes --since {first}")), "");
    ok(folder, "replay two.ndjson --quiet");
    assert_eq!(table.keep_up(folder, "a trim and a replay"), 4);
    assert_eq!(ok(folder, &format!("resolve tablet --json --known-at {first}")), monday);
    let told = refused(folder, 1, &["changes", "--trim", "1000000"]);
    assert!(told.contains("there is no change 1000000 yet"), "{told}");
    refused(folder, 2, &["changes", "--trim", "1", "--since", "1"]);
}

#[test]
fn what_an_undo_says() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson --quiet");
    let source = folder.canonicalize().expect("it exists").join("one.ndjson").display().to_string();
    let [unlinked, pair] = ["no longer count as seen together", "sessionId:tablet and ecommerceId:ben"];
    let nothing = "no session changed";
    for (arguments, said) in [
        ("unlink tablet ben", format!("{pair} {unlinked}; 1 session changed: `backstitch changes --since 5`")),
        ("unlink tablet ben", format!("{pair} did not count as seen together before; {nothing}")),
        (
            "unlink tablet ecommerceId:ben --revert",
            format!("{pair} count as seen together where they are; 1 session changed: `backstitch changes --since 6`"),
        ),
        ("unlink tablet ben --revert", format!("{pair} were not unlinked; {nothing}")),
        (
            "unlink tablet bne --anyway",
            format!(
                "sessionId:tablet and ecommerceId:bne will not count as seen together, though no event carries both \
                 yet; {nothing}"
            ),
        ),
        (
            "retract --event e7",
            "took back 1 event with the id or hash e7; 1 session changed: `backstitch changes --since 7`".into(),
        ),
        ("retract --event e7", format!("took back nothing: there is no event with the id or hash e7; {nothing}")),
        (
            "retract --source one.ndjson",
            format!("took back 7 events of the source {source}; 5 sessions changed: `backstitch changes --since 8`"),
        ),
    ] {
        assert_eq!(ok(folder, arguments), format!("{said}\n"), "{arguments}");
    }
}

#[test]
fn what_is_asked_wrongly() {
    let folder = workplace();
    let folder = folder.path();
    for arguments in [&["changes"][..], &["changes", "--follow"], &["unlink", "a", "b"], &["retract", "--event", "x"]] {
        let told = refused(folder, 1, arguments);
        assert!(told.contains("holds no store; make one by replaying a log"), "{arguments:?}: {told}");
        assert!(!folder.join("backstitch.store").exists(), "{arguments:?}");
    }
    ok(folder, "replay one.ndjson --quiet");
    let before = (digest(folder), ok(folder, "changes"));
    let (huge, long) = (u64::MAX.to_string(), "s".repeat(5_000));
    for (code, arguments, words) in [
        (1, &["changes", "--since", "99"][..], "there is no change 99 yet, the last one is 5"),
        (1, &["changes", "--since", &huge], "the last one is 5"),
        (1, &["changes", "--trim", &huge], "the last one is 5"),
        (1, &["resolve", "s1", "--known-at", &huge], "the last one is 5"),
        (2, &["changes", "--since", "18446744073709551616"], "--since"),
        (2, &["changes", "--since", "-1"], "-1"),
        (2, &["changes", "--follow", "--output", "x"], "--output"),
        (2, &["retract"], "--source"),
        (2, &["retract", "--source", "one.ndjson", "--event", "e2"], "cannot be used with"),
        (2, &["retract", "--event", " "], "--event"),
        (2, &["unlink", "s1"], "ID2"),
        (1, &["unlink", "tablet", "bne"], "no event links sessionId:tablet and ecommerceId:bne: none carries both"),
        (1, &["unlink", "tablet", "bne"], "add --anyway"),
        (1, &["unlink", "s1", "sessionId:s2", "--anyway"], "both are of the namespace sessionId"),
        (1, &["unlink", "ecommerceId:anna", "anna", "--anyway"], "both are of the namespace ecommerceId"),
        (2, &["unlink", "s1", "anna", "--anyway", "--revert"], "cannot be used with"),
        (1, &["unlink", "", "anna", "--anyway"], "it is blank"),
        (1, &["unlink", "s1", " \t", "--anyway"], "it is blank"),
        (1, &["unlink", "sessionId:", "anna", "--anyway"], "it is blank"),
        (1, &["unlink", &long, "anna", "--anyway"], "longer than"),
        (1, &["retract", "--source", "three.ndjson"], "three.ndjson is no source of this store"),
        (1, &["retract", "--source", "-"], "- is no source of this store"),
        (1, &["retract", "--source", ""], "is no source of this store"),
        (1, &["retract", "--source", "/"], "is no source of this store"),
    ] {
        let told = refused(folder, code, arguments);
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    assert_eq!((digest(folder), ok(folder, "changes")), before, "nothing happened");
    ok(folder, "replay one.ndjson --no-unique --quiet --store none.store");
    let told = refused(folder, 1, &["unlink", "s1", "anna", "--store", "none.store"]);
    assert!(told.contains("no namespace of this store is unique"), "{told}");
    ok(folder, "retract --event e2 --store none.store");
    ok(folder, "verify --store none.store");
    ok(folder, "retract --source one.ndjson");
    let told = refused(folder, 1, &["retract", "--source", "one.ndjson"]);
    assert!(told.contains("one.ndjson is no source of this store, which has none"), "{told}");
}
