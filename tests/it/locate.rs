//! The line that an event is, found again in its log: however it is packed, and what is said where it cannot be.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use backstitch::model::limits::MAX_EVENTS_LOCATED;
use backstitch::rows::{LogLine, PersonRow};
use backstitch::{Activity, Engine, Fields, Locate, Replay, Time};
use serde_json::Value;

use crate::harness::{Packing, append, text};
use crate::place::binary;

const DAY: &str = include_str!("../../fixtures/journeys.ndjson");

fn line(session: &str, at: u32, id: &str) -> String {
    format!(r#"{{"timestamp":{at},"id":"{id}","user":{{"identities":{{"sessionId":"{session}"}}}}}}"#)
}

fn run(folder: &Path, command: &str, input: &str) -> (Output, String) {
    let input_file = folder.join(".input");
    fs::write(&input_file, input).expect("written");
    let mut program = Command::new(binary());
    program.args(command.split(' ')).current_dir(folder).env_clear();
    let output = program.stdin(fs::File::open(input_file).expect("there")).stdout(Stdio::piped()).output();
    let output = output.expect("the binary runs");
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, reason)
}

fn found(engine: &Engine, job: Locate<'_>) -> (Vec<Option<LogLine>>, Vec<String>) {
    let located = job.find(&engine.resolver().view(), engine.settings()).expect("a sound store");
    let failed = located.failed.iter().map(|error| format!("{error:?}")).collect();
    (located.events.into_iter().map(|event| event.line).collect(), failed)
}

#[test]
fn every_event_of_a_log_is_found_where_it_first_stands() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log");
        let log = format!("\u{feff}\n  {DAY}\n\nno event\n{}", line("last", 7, "last"));
        append(&file, &log, packing);
        let mut engine = Engine::in_memory();
        engine.replay([&file]).expect("replayed");
        let view = engine.resolver().view();
        let of = |row: PersonRow| view.events(&row.person.namespace, &row.person.value).expect("sound").expect("known");
        let events: Vec<_> = view.people().expect("people").into_iter().flat_map(of).collect();
        assert_eq!(events.len(), 41, "{packing:?}");
        for event in events {
            let (lines, failed) = found(&engine, Locate::event(event.event.to_string()));
            let [Some(line)] = &lines[..] else { panic!("{lines:?} {failed:?}") };
            assert_eq!(line.source, event.sources[0]);
            assert!(log[line.byte as usize..].starts_with(&line.text), "{line:?}");
            let before = &log[..line.byte as usize];
            assert_eq!(line.line as usize, before.matches('\n').count() + 1, "{line:?}");
            let value: Value = serde_json::from_str(&line.text).expect("JSON");
            assert_eq!(value["id"].as_str(), event.id.as_deref());
            let earlier = before.lines().any(|earlier| earlier.trim_start_matches(['\u{feff}', ' ']) == line.text);
            assert!(!earlier, "it stood before: {line:?}");
        }
    }
}

#[test]
fn events_of_one_id_each_have_their_line_and_are_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log");
    let count = MAX_EVENTS_LOCATED as u32 * 3;
    let lines: Vec<String> = (0..count).rev().map(|at| line(&format!("s{at}"), at, "same")).collect();
    fs::write(&file, text(&lines)).expect("written");
    let mut engine = Engine::in_memory();
    engine.replay([&file]).expect("replayed");
    let located = Locate::event("same").find(&engine.resolver().view(), engine.settings()).expect("sound");
    assert_eq!((located.events.len(), located.more), (MAX_EVENTS_LOCATED, u64::from(count) - 100));
    for (at, event) in located.events.iter().enumerate() {
        let found = event.line.as_ref().expect("a line");
        assert_eq!((found.line, &found.text), (u64::from(count) - at as u64, &lines[lines.len() - 1 - at]));
    }
}

#[test]
fn what_gives_no_line_says_why_and_what_helps() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let put = |name: &str, text: &str| fs::write(path.join(name), text).expect("written");
    let show = |command: &str, input: &str| {
        let (output, reason) = run(path, command, input);
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"), reason)
    };
    put("log", &text(&[line("a", 1, "e-1"), line("b", 2, "e-2")]));
    put("other", &text(&[line("b", 2, "e-2")]));
    assert!(run(path, "replay log other - --quiet", &line("c", 3, "e-3")).0.status.success());
    assert!(run(path, "replay - --source shop --quiet", &line("d", 4, "e-4")).0.status.success());
    let (code, out, reason) = show("show e-2 --quiet", "");
    let expected =
        format!("{}:2\n{}\n", path.join("log").canonicalize().expect("there").display(), line("b", 2, "e-2"));
    assert_eq!((code, &*out, &*reason), (Some(0), &*expected, ""));

    put("log", &text(&[line("z", 1, "e-1")]));
    let (code, out, reason) = show("show e-1", "");
    assert_eq!((code, &*out, reason.lines().count()), (Some(1), "", 1), "{reason}");
    assert!(reason.contains("/log is the event") && reason.contains("was changed since"), "{reason}");
    assert!(reason.contains("name the log that holds the line now"), "{reason}");
    let (code, out, _) = show("show e-2", "");
    assert!(code == Some(0) && out.contains("/other:1\n"), "another source has it: {out}");
    for (event, gone) in [("e-3", "standard input is not a file"), ("e-4", "shop is not a file")] {
        let (code, out, reason) = show(&format!("show {event}"), "");
        assert!(code == Some(1) && out.is_empty() && reason.contains(gone), "{reason}");
        assert!(reason.contains("`-` for standard input"), "{reason}");
    }
    let (code, out, _) = show("show e-4 -", &format!("\n{}", line("d", 4, "e-4")));
    assert_eq!((code, out), (Some(0), format!("-:2\n{}\n", line("d", 4, "e-4"))));
    let (code, out, _) = show("show e-3 --json", "");
    let row: Value = serde_json::from_str(&out).expect("a row");
    assert_eq!((code, &row["id"], &row["line"], &row["text"]), (Some(1), &"e-3".into(), &Value::Null, &Value::Null));
    fs::remove_file(path.join("log")).expect("removed");
    let (code, _, reason) = show("show e-1", "");
    assert!(code == Some(1) && reason.contains("cannot read") && reason.contains("name the log"), "{reason}");
    assert_eq!(show("show nobody", "").0, Some(0), "that it is unknown is an answer");
    assert_eq!(show("show  ", "").0, Some(2));
}

#[test]
fn a_line_is_found_by_the_fields_that_it_was_replayed_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log");
    fs::write(&file, "{\"at\":1,\"who\":\"a\",\"key\":\"k\"}\n").expect("written");
    let fields = Fields::builder().timestamp("at").id("key").namespace("sessionId", "who").build().expect("fields");
    let mut engine = Engine::in_memory();
    let late = fields.clone().not_after(Time::from_micros(i64::MAX));
    engine.replay(Replay::of([&file]).fields(late)).expect("replayed");
    let (lines, failed) = found(&engine, Locate::event("k"));
    assert!(lines == [None] && failed.len() == 1 && failed[0].contains("was replayed with others"), "{failed:?}");
    // Bounds chose among events when they were replayed: they hide no line of one that is there.
    let narrow = fields.not_before(Time::from_micros(5_000_000_000_000));
    let (lines, failed) = found(&engine, Locate::event("k").fields(narrow));
    assert!(lines[0].as_ref().is_some_and(|line| (line.line, line.byte) == (1, 0)), "{lines:?} {failed:?}");
    let pushed = Activity::at(Time::from_micros(1)).id("p").identity("sessionId", "a");
    engine.push("queue", [pushed], "7").expect("pushed");
    let (lines, failed) = found(&engine, Locate::event("p"));
    assert!(lines == [None] && failed[0].contains("the events of queue were pushed by a program"), "{failed:?}");
}

#[test]
fn a_line_steers_no_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let sent =
        "{\"timestamp\":1,\"id\":\"e\",\"x\":\"\u{202e}\u{9b}2J\",\"user\":{\"identities\":{\"sessionId\":\"a\"}}}\n";
    fs::write(folder.path().join("log"), sent).expect("written");
    assert!(run(folder.path(), "replay log --quiet", "").0.status.success());
    let (output, _) = run(folder.path(), "show e", "");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(told.contains(r"\u{202e}\u{9b}2J") && !told.contains('\u{202e}'), "{told}");
    let (output, _) = run(folder.path(), "show e --json", "");
    let row: Value = serde_json::from_slice(&output.stdout).expect("a row");
    assert_eq!(row["text"], sent.trim_end(), "JSON holds it as it is");
}
