//! A table of sessions in a file that the feed keeps up to date: by the library over random lives, beside a replay that goes on, by
//! the command night after night, killed, and where it is not as it was left.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use backstitch::rows::TableUpdate;
use backstitch::{Engine, Feed, RowFormat, Sequence, SessionTable, View};
use serde_json::{Value, json};

use crate::acts::{erasing_course, law};
use crate::busy::Moody;
use crate::cli_history::{command, object, ok, ok_of, refused, workplace};
use crate::harness::{Manner, of_the_feed, replay};
use crate::side_by_side::Pair;

/// The whole table, as `sessions` writes it.
fn export(view: &View, format: RowFormat) -> String {
    let mut all = Vec::new();
    format.write_sessions(&view.sessions().expect("a sound store"), &mut all).expect("in memory");
    String::from_utf8(all).expect("UTF-8")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a file of texts")
}

/// Rows that changed, came and went from one table to the other, both in JSON.
fn counted(before: &str, after: &str) -> [u64; 3] {
    let rows = |text: &str| -> BTreeMap<String, String> {
        text.lines().map(|line| (object(line)["session"].to_string(), line.to_owned())).collect()
    };
    let (before, after) = (rows(before), rows(after));
    let changed = after.iter().filter(|(session, row)| before.get(*session).is_some_and(|old| old != *row)).count();
    let missing = |from: &BTreeMap<String, String>, of: &BTreeMap<String, String>| {
        of.keys().filter(|session| !from.contains_key(*session)).count()
    };
    [changed, missing(&before, &after), missing(&after, &before)].map(|count| count as u64)
}

#[test]
fn a_table_moved_on_is_the_table_exported_anew() {
    law("the feed keeps a table", 10, erasing_course(60, 10), |course| {
        let folder = tempfile::tempdir().expect("a folder");
        let formats =
            [(RowFormat::Ndjson, "people.ndjson"), (RowFormat::Csv, "people.csv"), (RowFormat::CsvSafe, "safe.csv")];
        let mut pair = Pair::new(&course);
        let mut before = String::new();
        for act in &course.acts {
            pair.act(act);
            let view = pair.engine.resolver().view();
            let now = export(&view, RowFormat::Ndjson);
            for (format, name) in formats {
                let path = folder.path().join(name);
                let applied =
                    SessionTable::at(&path).format(format).apply(&pair.engine.feed()).expect("as it was left");
                assert_eq!(read(&path), export(&view, format), "after {act:?}");
                assert_eq!(applied.sequence, view.sequence());
                assert_eq!([applied.changed, applied.added, applied.removed], counted(&before, &now), "after {act:?}");
            }
            before = now;
        }
        let left = fs::read_dir(folder.path()).expect("readable").count();
        assert!(left == 0 || left == 2 * formats.len(), "nothing, or two tables and their numbers: {left}");
    });
}

/// Moves a table on until told to stop, and holds each state of it against the feed.
fn keep(feed: &Feed, path: &Path, stop: &AtomicBool) -> u64 {
    let mut rounds = 0;
    loop {
        let last = stop.load(Ordering::Relaxed);
        let applied: TableUpdate = SessionTable::at(path).apply(feed).expect("as it was left");
        let mut expected: BTreeMap<String, Value> = BTreeMap::new();
        for change in feed.changes(Sequence(0)).expect("kept") {
            let change = change.expect("sound");
            if change.sequence > applied.sequence {
                break;
            }
            let session = &change.session.expect("nothing was erased");
            let (person, since) = (change.to.map(|to| to.to_string()), change.since);
            match person {
                None => expected.remove(session),
                Some(person) => {
                    let since = since.map(|since| since.to_string());
                    let row = json!({"session": session, "person": person, "since": since, "events": change.events});
                    expected.insert(session.clone(), row)
                }
            };
        }
        let rows: Vec<Value> = read(path).lines().map(|line| of_the_feed(&object(line))).collect();
        assert_eq!(rows, expected.into_values().collect::<Vec<_>>(), "at {}", applied.sequence);
        rounds += 1;
        if last {
            return rounds;
        }
    }
}

#[test]
fn a_table_is_kept_while_a_replay_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let files: Vec<_> = (0..60)
        .map(|at| {
            let file = folder.path().join(format!("{at}.ndjson"));
            let line = |session: usize| {
                let customer = if session.is_multiple_of(3) {
                    format!(r#","ecommerceId":"c{}""#, session * at % 9)
                } else {
                    String::new()
                };
                format!(
                    r#"{{"timestamp":{at},"user":{{"identities":{{"sessionId":"s{}"{customer}}}}}}}"#,
                    session * at % 50
                )
            };
            fs::write(&file, (0..10).map(|session| line(session) + "\n").collect::<String>()).expect("written");
            file
        })
        .collect();
    let slow = Moody { nap: std::time::Duration::from_millis(2), ..Moody::default() };
    let mut engine = Engine::options().over(Arc::new(slow)).expect("a store");
    let (feed, stop, path) = (engine.feed(), AtomicBool::new(false), folder.path().join("table"));
    let rounds = std::thread::scope(|threads| {
        let keeper = threads.spawn(|| keep(&feed, &path, &stop));
        replay(&mut engine, &files, Manner { batch_events: 1, ..Manner::default() });
        stop.store(true, Ordering::Relaxed);
        keeper.join().expect("no panic")
    });
    assert!(rounds > 3, "it was moved on as it went: {rounds} times");
    assert_eq!(read(&path), export(&engine.resolver().view(), RowFormat::Ndjson));
}

#[test]
fn night_after_night() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson --quiet");
    assert_eq!(ok(folder, "changes --apply t.csv --csv"), "t.csv: made with 5 rows; it is at change 5\n");
    assert_eq!(read(&folder.join("t.csv")), ok(folder, "sessions --csv"));
    let untouched = fs::metadata(folder.join("t.csv")).expect("there").modified().expect("a time");
    assert_eq!(ok(folder, "changes --apply t.csv"), "t.csv: nothing new; it is at change 5\n");
    assert_eq!(ok(folder, "changes --apply t.csv --quiet"), "");
    assert_eq!(fs::metadata(folder.join("t.csv")).expect("there").modified().expect("a time"), untouched);
    ok(folder, "replay two.ndjson --quiet");
    let told = ok(folder, "changes --apply ./t.csv --json --csv");
    let expected = json!({"made": false, "changed": 3, "added": 1, "removed": 0, "since": 5, "sequence": 9});
    assert_eq!(object(&told), expected);
    ok(folder, "retract --source two.ndjson --quiet");
    assert_eq!(ok(folder, "changes --apply t.csv"), "t.csv: 3 rows changed, 0 added, 1 removed; it is at change 13\n");
    assert_eq!(read(&folder.join("t.csv")), ok(folder, "sessions --csv"));
    let mark = read(&folder.join("t.csv.sequence"));
    assert_eq!(mark.lines().count(), 1);
    assert_eq!((&object(&mark)["sequence"], &object(&mark)["format"]), (&json!(13), &json!("csv")));
}

#[test]
fn a_table_that_sessions_wrote_is_moved_on_from_its_number() {
    for flags in ["", " --csv"] {
        let folder = workplace();
        let folder = folder.path();
        ok(folder, "replay one.ndjson --quiet");
        ok(folder, &format!("sessions{flags} --output table"));
        let number = object(&ok(folder, "stats --json"))["sequence"].clone();
        let reason = refused(folder, 1, &["changes", "--apply", "table"]);
        assert!(reason.contains("there is no") && reason.contains("table.sequence"), "{reason}");
        assert!(reason.contains("delete it, and the same command makes it again"), "{reason}");
        ok(folder, "replay two.ndjson --quiet");
        let told = ok(folder, &format!("changes --apply table --since {number}"));
        assert_eq!(told, "table: 3 rows changed, 1 added, 0 removed; it is at change 9\n");
        assert_eq!(
            read(&folder.join("table")),
            ok(folder, &format!("sessions --json{flags}").replace("--json --csv", "--csv"))
        );
        assert_eq!(ok(folder, "changes --apply table"), "table: nothing new; it is at change 9\n");
        let reason = refused(folder, 1, &["changes", "--apply", "table", "--since", "9"]);
        assert!(reason.contains("must not be told another one"), "{reason}");
        let reason = refused(folder, 1, &["changes", "--apply", "missing", "--since", "9"]);
        assert!(reason.contains("missing is not there"), "{reason}");
        if flags.is_empty() {
            let reason = refused(folder, 1, &["changes", "--apply", "table", "--csv"]);
            assert!(reason.contains("table is written as ndjson, not as csv"), "{reason}");
        }
    }
}

/// Whatever is wrong, it is named, and nothing is written.
#[test]
fn what_something_else_wrote_is_refused_with_its_line() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson --quiet");
    for table in ["t.csv --csv", "t.ndjson"] {
        ok(folder, &format!("changes --apply {table} --quiet"));
    }
    ok(folder, "replay two.ndjson --quiet");
    let tail = |text: &str| text.lines().map(|line| format!("{line}\n")).rev().collect::<Vec<_>>();
    let [csv, json] = ["t.csv", "t.ndjson"].map(|name| read(&folder.join(name)));
    let cases = [
        ("t.csv", csv.replacen("person", "people", 1), ":1: the columns are not session,person,since"),
        ("t.csv", csv.replace('\n', "\r\n"), ":1: the columns are not"),
        ("t.csv", String::new(), ":1: the columns are not"),
        ("t.csv", csv.replace(",anonymous,", ","), ":2: not a row of sessions: it has 7 columns instead of 8"),
        ("t.csv", csv.replacen(",2,anna", ",two,anna", 1), ":3: not a row of sessions: events is not a number"),
        ("t.csv", csv.replacen(",2,anna", ",2,anna,more", 1), ":3: not a row of sessions: it has 9 columns"),
        (
            "t.csv",
            csv.replacen(",2,anna", ",2,anna,and,more", 1),
            ":3: not a row of sessions: it has more than 8 columns",
        ),
        ("t.csv", csv.clone() + "\"open", ":7: the table breaks off in this row"),
        ("t.csv", csv.clone() + &"x".repeat(1 << 18), ":7: the row has no end"),
        ("t.csv", tail(&csv).concat(), ":1: the columns are not"),
        ("t.csv", csv.clone() + "zz,a:b,,1,,anonymous,x,y\n", "is not as it was left"),
        ("t.ndjson", tail(&json).concat(), ":2: not sorted by session: \"s4\" comes after \"tablet\""),
        ("t.ndjson", json.clone() + &tail(&json)[0], ":6: not sorted by session: \"tablet\" comes after \"tablet\""),
        ("t.ndjson", json.replacen("\"events\"", "\"event\"", 1), ":1: not a row of sessions: unknown field `event`"),
        ("t.ndjson", json.replacen("\"events\":2,", "", 1), ":2: not a row of sessions: missing field `events`"),
        ("t.ndjson", json.replacen("{", "", 1), ":1: not a row of sessions"),
        ("t.ndjson", json.clone() + "\n", ":6: not a row of sessions"),
        ("t.ndjson", json.trim_end().to_owned(), ":5: the table breaks off in this row"),
        ("t.ndjson", json.lines().skip(1).map(|line| format!("{line}\n")).collect(), "is not as it was left"),
        ("t.ndjson", csv.clone(), ":1: not a row of sessions"),
    ];
    for (name, text, expected) in cases {
        let path = folder.join(name);
        let (kept, mark) = (read(&path), read(&folder.join(format!("{name}.sequence"))));
        fs::write(&path, &text).expect("written");
        let reason = refused(folder, 1, &["changes", "--apply", name]);
        assert!(
            reason.contains(&format!("{name}{}{expected}", if expected.starts_with(':') { "" } else { " " })),
            "{reason}"
        );
        assert!(reason.contains("delete it, and the same command makes it again"), "{reason}");
        assert_eq!((read(&path), read(&folder.join(format!("{name}.sequence")))), (text, mark), "{expected}");
        fs::write(&path, kept).expect("written");
    }
    fs::write(folder.join("t.csv.sequence"), "14\n").expect("written");
    let reason = refused(folder, 1, &["changes", "--apply", "t.csv"]);
    assert!(reason.contains("t.csv.sequence does not say at which change of the feed the table is"), "{reason}");
    ok(folder, "changes --apply t.ndjson");
    assert_eq!(read(&folder.join("t.ndjson")), ok(folder, "sessions --json"));
}

#[test]
fn a_table_that_the_feed_cannot_move_on_is_refused() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson --quiet");
    ok(folder, "changes --apply t --quiet");
    ok(folder, "replay two.ndjson --quiet");
    ok(folder, "changes --trim 6");
    let reason = refused(folder, 1, &["changes", "--apply", "t"]);
    assert!(reason.contains("t is at change 5 of the feed, which holds only what comes after change 6"), "{reason}");
    assert!(reason.contains("delete it, and the same command makes it again"), "{reason}");
    fs::remove_file(folder.join("t")).expect("there");
    ok(folder, "changes --apply t --quiet");
    ok(folder, "changes --trim 9");
    ok(folder, "changes --apply t --quiet");
    ok(folder, "replay one.ndjson --store other.store --quiet");
    let reason = refused(folder, 1, &["changes", "--apply", "t", "--store", "other.store"]);
    assert!(reason.contains(":9 of the feed, which is at ") && reason.contains(":5 in another epoch"), "{reason}");
    assert!(reason.contains("delete it, and the same command makes it again"), "{reason}");
    // As it was written before positions had an epoch.
    let mut mark = object(&read(&folder.join("t.sequence")));
    mark.as_object_mut().expect("an object").remove("epoch").expect("an epoch");
    fs::write(folder.join("t.sequence"), format!("{mark}\n")).expect("written");
    ok(folder, "changes --apply t --quiet");
    let reason = refused(folder, 1, &["changes", "--apply", "t", "--store", "other.store"]);
    assert!(
        reason.contains("t is at change 9 of the feed, which ends at 5: it was made from another store"),
        "{reason}"
    );
    for name in ["backstitch.store/t", "one.ndjson"] {
        let reason = refused(folder, 2, &["changes", "--apply", name]);
        assert!(reason.contains("name another file for the table"), "{reason}");
    }
}

/// Every state that a kill between two steps may leave.
#[test]
fn cut_short_between_any_two_steps_it_is_moved_on_by_the_next_run() {
    let folder = workplace();
    let folder = folder.path();
    let (table, beside) = (folder.join("t"), folder.join("t.sequence"));
    let state = || [&table, &beside].map(|path| read(path));
    ok(folder, "replay one.ndjson --quiet");
    ok(folder, "changes --apply t --quiet");
    let [old, old_mark] = state();
    ok(folder, "replay two.ndjson --quiet");
    ok(folder, "changes --apply t --quiet");
    let [new, new_mark] = state();
    assert_ne!(old, new);
    let both = format!("{old_mark}{new_mark}");
    for (table_left, mark_left) in
        [(Some(&old), &old_mark), (Some(&old), &both), (Some(&new), &both), (Some(&new), &new_mark), (None, &new_mark)]
    {
        match table_left {
            Some(text) => fs::write(&table, text).expect("written"),
            None => fs::remove_file(&table).expect("there"),
        }
        fs::write(&beside, mark_left).expect("written");
        fs::write(folder.join(".t.1.partial"), "half").expect("written");
        ok(folder, "changes --apply t --quiet");
        assert_eq!(state(), [new.clone(), new_mark.clone()]);
    }
}

/// Moments of a run at which it is killed.
const KILLS: u32 = 12;

#[test]
fn killed_it_leaves_the_old_table_or_the_new_one_and_its_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for seed in ["1", "2"] {
        ok(folder, &format!("generate --sessions 400 --seed {seed} --output {seed}.ndjson"));
    }
    ok(folder, "replay 1.ndjson --quiet");
    ok(folder, "changes --apply t.csv --csv --quiet");
    let names = ["t.csv", "t.csv.sequence"];
    let old = names.map(|name| read(&folder.join(name)));
    ok(folder, "replay 2.ndjson --quiet");
    let new = ok(folder, "sessions --csv");
    let mut span = None;
    let mut undone = 0;
    for part in 0..=KILLS {
        names.iter().zip(&old).for_each(|(name, text)| fs::write(folder.join(name), text).expect("written"));
        let start = Instant::now();
        let mut child =
            command(folder, &["changes", "--apply", "t.csv"]).stdout(Stdio::null()).spawn().expect("it runs");
        if let Some(span) = span {
            std::thread::sleep(span * part / KILLS);
            child.kill().expect("a child");
        }
        child.wait().expect("a child");
        // The first runs to its end, and shows how long that takes.
        span = span.or(Some(start.elapsed()));
        let left = read(&folder.join("t.csv"));
        assert!(left == old[0] || left == new, "{part} of {KILLS}: half of it is there");
        undone += u32::from(left == old[0]);
        ok_of(folder, &["changes", "--apply", "t.csv"]);
        assert_eq!(read(&folder.join("t.csv")), new, "{part} of {KILLS}");
        assert!(ok(folder, "changes --apply t.csv --json").contains(r#""changed":0,"added":0"#));
    }
    assert!(undone > 0, "no kill came soon enough");
}
