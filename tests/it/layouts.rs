//! Logs whose values are not one a line: arrays, objects over several lines, arrays in a wrapper. Grown, killed, packed and attributed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use backstitch::{Attribute, Engine, Fields, Generator, Locate, Recipe, Replay, Summary};
use serde_json::Value;

use crate::harness::{Packing, append, counts, in_memory, replayed, totals};
use crate::oracle::Rules;
use crate::place::binary;

const DAY: &str = include_str!("../../fixtures/journeys.ndjson");

/// A value over as many lines as it can take, its keys in their order.
fn pretty(value: &str) -> String {
    let (mut text, mut escape, mut depth) = (false, false, 0);
    let mut laid_out = String::new();
    for sign in value.chars().filter(|sign| *sign != '\n') {
        let opens = !text && matches!(sign, '{' | '[');
        let closes = !text && matches!(sign, '}' | ']');
        depth = depth + usize::from(opens) - usize::from(closes);
        if closes {
            laid_out.push('\n');
            laid_out.push_str(&"  ".repeat(depth));
        }
        laid_out.push(sign);
        if opens || !text && sign == ',' {
            laid_out.push('\n');
            laid_out.push_str(&"  ".repeat(depth));
        } else if !text && sign == ':' {
            laid_out.push(' ');
        }
        text ^= sign == '"' && !escape;
        escape = text && sign == '\\' && !escape;
    }
    laid_out
}

/// The events of a log as one array, each on lines of its own.
fn array(log: &str) -> String {
    let events: Vec<&str> = log.lines().collect();
    format!("[\n{}\n]\n", events.join(",\n"))
}

fn wrapped(log: &str) -> String {
    let events: Vec<&str> = log.lines().collect();
    format!("{{\"next\":[[{{}}]],\n\"items\":[{}],\"count\":{}}}\n", events.join(",\n  "), events.len())
}

fn items() -> Fields {
    Fields::builder().wrapper("items").build().expect("fields")
}

/// A log of several chunks.
fn long(sessions: u64) -> String {
    let mut log = Vec::new();
    Generator::new(Recipe { sessions, seed: 7, repeats: true }).write(&mut log).expect("in memory");
    String::from_utf8(log).expect("UTF-8")
}

fn run(folder: &Path, command: &str, input: &[u8]) -> Output {
    let mut program = Command::new(binary());
    program.args(command.split(' ')).current_dir(folder).env_clear();
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().expect("the binary runs");
    // It may fail before it reads anything.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("it ends")
}

fn object(output: &Output) -> Value {
    let reason = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {reason}"))
}

#[test]
fn every_layout_is_the_same_log_however_it_is_packed() {
    let expected = totals(&replayed(&Rules::default(), DAY));
    let events: Vec<&str> = DAY.lines().collect();
    let one_line = format!("[{}]", events.join(","));
    let each: Vec<String> = events.iter().map(|event| pretty(event)).collect();
    for (layout, fields) in [
        (one_line.clone(), Fields::default()),
        (array(DAY), Fields::default()),
        (pretty(&one_line), Fields::default()),
        (each.join("\n"), Fields::default()),
        (format!("\u{feff}{}", array(DAY)), Fields::default()),
        (
            format!("{}\n{}\n{}", events[0], format_args!("[{}]", events[1..20].join(", ")), events[20..].join("\n")),
            Fields::default(),
        ),
        (wrapped(DAY), items()),
        (pretty(&wrapped(DAY)), items()),
        (DAY.to_owned(), items()),
    ] {
        for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("log");
            append(&file, &layout, packing);
            let mut engine = in_memory(&Rules::default());
            let told = engine.replay(Replay::of([&file]).fields(fields.clone())).expect("read");
            assert_eq!((counts(&told), totals(&engine)), ([42, 40, 2, 0], expected.clone()), "{packing:?} {layout}");
            let again = engine.replay(Replay::of([&file]).fields(fields.clone())).expect("read");
            assert_eq!((again.sources.read, again.sources.skipped), (0, 1), "{packing:?} {layout}");
            let rows = |file: &PathBuf, fields: &Fields| {
                let mut rows = Vec::new();
                let job = Attribute::of([file]).fields(fields.clone());
                let view = engine.resolver().view();
                assert_eq!(job.write(&view, engine.settings(), &mut rows).expect("read").events, 42);
                String::from_utf8(rows).expect("UTF-8")
            };
            let lines = folder.path().join("lines");
            fs::write(&lines, DAY).expect("written");
            let rows_of = rows(&file, &fields);
            assert_eq!(rows_of.lines().count(), 42, "an event is a line");
            let values =
                |rows: &str| Vec::from_iter(rows.lines().map(|row| serde_json::from_str::<Value>(row).expect("JSON")));
            assert_eq!(values(&rows_of), values(&rows(&lines, &Fields::default())));
            let located = Locate::event("order-1001").fields(fields.clone());
            let located = located.find(&engine.resolver().view(), engine.settings()).expect("sound");
            let line = located.events[0].line.as_ref().expect("found");
            assert!(layout[line.byte as usize..].starts_with('{') && line.text.contains("order-1001"), "{line:?}");
            assert_eq!(line.line as usize, layout[..line.byte as usize].matches('\n').count() + 1);
        }
    }
}

/// Replays a file a few chunks at a time, with a commit each, in a store that is opened again each time; tells how often it was stopped.
fn in_pieces(store: &Path, file: &Path, fields: &Fields, chunks: u64) -> (u64, u64) {
    let (mut stops, mut read) = (0, 0);
    loop {
        let (stop, seen) = (AtomicBool::new(false), AtomicU64::new(0));
        let mut engine = Engine::open(store).expect("a sound store");
        let job = Replay::of([file]).fields(fields.clone()).batch_events(1).threads(1).stop(&stop);
        let job = job.progress(|_| {
            let reached = seen.fetch_add(1, Ordering::Relaxed) + 1 >= chunks;
            stop.store(reached, Ordering::Relaxed);
        });
        let told: Summary = engine.replay(job).expect("read");
        assert!(told.failed.is_empty() && told.events.rejected == 0, "{:?} {:?}", told.failed, told.rejects);
        read += told.events.read;
        if !told.stopped {
            return (stops, read);
        }
        stops += 1;
    }
}

#[test]
fn a_replay_that_is_stopped_within_an_array_goes_on_there() {
    let log = long(4_000);
    let lines = log.lines().count() as u64;
    let expected = totals(&replayed(&Rules::default(), &log));
    let pretty_array = pretty(&format!("[{}]", Vec::from_iter(log.lines()).join(",")));
    for (layout, fields, packing) in [
        (array(&log), Fields::default(), Packing::Plain),
        (wrapped(&log), items(), Packing::Gzip),
        (pretty_array, Fields::default(), Packing::Zstd),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, store) = (folder.path().join("log"), folder.path().join("store"));
        append(&file, &layout, packing);
        let (stops, read) = in_pieces(&store, &file, &fields, 1);
        assert!(stops >= 2, "{stops}");
        assert_eq!(read, lines, "each value is read once, whatever {stops} stops");
        let engine = Engine::open(&store).expect("a sound store");
        assert_eq!(totals(&engine), expected);
        let position = engine.source(file.canonicalize().expect("there").to_str().expect("UTF-8"));
        let position = position.and_then(|source| source.position).expect("a position");
        assert_eq!((position.bytes, position.lines), (layout.len() as u64, layout.matches('\n').count() as u64));
        assert!(position.complete && position.events == lines);
        assert!(engine.verify().expect("readable").is_sound());
    }
}

#[test]
fn an_array_that_grows_goes_on_and_says_that_it_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |text: &str| append(&folder.path().join("log"), text, Packing::Plain);
    let told = || {
        let output = run(folder.path(), "replay log --json --rejects bad", b"");
        let summary = object(&output);
        let number = |name: &str| summary["events"][name].as_u64().expect("a number");
        ([number("read"), number("accepted"), number("rejected")], output.status.code())
    };
    let events: Vec<&str> = DAY.lines().collect();
    put(&format!("[\n{},\n", events[..3].join(",\n")));
    assert_eq!(told(), ([4, 3, 1], Some(0)), "three, and no end");
    assert_eq!(told(), ([0, 0, 0], Some(0)), "nothing new");
    put(&format!("{},\n{}", events[3], &events[4][..40]));
    assert_eq!(told(), ([2, 1, 1], Some(0)), "one, and a half");
    put(&format!("{}\n]\n", &events[4][40..]));
    assert_eq!(told(), ([1, 1, 0], Some(0)), "the other half, and the end");
    put(&format!("[{}]\n", events[5..].join("\n,")));
    assert_eq!(told().0[0], 37, "another array");
    let digest = object(&run(folder.path(), "stats --json", b""))["digest"].clone();
    assert_eq!(digest, totals(&replayed(&Rules::default(), DAY)).1);
    let rejects = fs::read_to_string(folder.path().join("bad")).expect("written");
    let rejects: Vec<Value> = rejects.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect();
    let places: Vec<_> =
        rejects.iter().map(|row| (row["line_number"].as_u64(), row["detail"].as_str().unwrap_or_default())).collect();
    assert_eq!(places[0], (Some(4), "an array has no closing bracket (at byte 1)"));
    assert!(places.len() == 2 && places[1].0 == Some(6), "{places:?}");
}

#[test]
fn the_first_rejected_line_is_told_by_where_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = long(4_000);
    let (before, after) = good.split_at(good[..good.len() - 1_000].rfind('\n').expect("a line end") + 1);
    let bad = format!("{before}{{\"action\":\"view\"}}\n{{\"timestamp\":1}}\n{after}");
    for (layout, fields, packing) in [
        (bad.clone(), Fields::default(), Packing::Plain),
        (bad.clone(), Fields::default(), Packing::Gzip),
        (array(&bad), Fields::default(), Packing::Plain),
        (wrapped(&bad), items(), Packing::Plain),
        (pretty(&wrapped(&bad)), items(), Packing::Zstd),
    ] {
        let mut engine = in_memory(&Rules::default());
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&first, DAY).expect("written");
        let _ = fs::remove_file(&second);
        append(&second, &layout, packing);
        let mut rejects = Vec::new();
        let logs = Replay::of([&first, &second]).fields(fields.clone()).rejects(&mut rejects);
        let told = serde_json::to_value(engine.replay(logs).expect("read")).expect("JSON");
        let rejects = String::from_utf8(rejects).expect("text");
        let mut expected: Value = serde_json::from_str(rejects.lines().next().expect("one")).expect("JSON");
        assert!(expected.as_object_mut().expect("an object").remove("line").is_some());
        assert_eq!((&told["first_rejected"], rejects.lines().count()), (&expected, 2));
        assert_eq!(expected["source"], second.canonicalize().expect("there").display().to_string());
        if layout == bad {
            assert_eq!(expected["line_number"], before.lines().count() + 1);
        }
        let view = engine.resolver().view();
        let exported = Attribute::of([&first, &second]).fields(fields);
        let exported = exported.write(&view, engine.settings(), &mut std::io::sink()).expect("written");
        let exported = serde_json::to_value(exported.tally.first_reject).expect("JSON");
        assert_eq!(exported, expected);
    }
    // What was read before counts too.
    let mut engine = in_memory(&Rules::default());
    for (text, line) in [("{}\n", 1), ("\n{}\n", 3), ("[{},\n{}]\n", 4)] {
        let told = engine.ingest("shop", text.as_bytes()).expect("read");
        assert_eq!(told.tally.first_reject.map(|first| (first.source, first.line_number)), Some(("shop".into(), line)));
    }
    assert_eq!(engine.ingest("shop", DAY.as_bytes()).expect("read").tally.first_reject, None);
}

#[test]
fn a_named_stream_goes_on_within_an_array() {
    let expected = totals(&replayed(&Rules::default(), DAY));
    for (layout, fields) in [(array(DAY), Fields::default()), (wrapped(DAY), items()), (pretty(&wrapped(DAY)), items())]
    {
        let mut engine = in_memory(&Rules::default());
        let mut sent = 0;
        for part in 1..=7 {
            // What the position says was consumed is not sent again.
            let end = layout.len() * part / 7;
            let end = (end..=layout.len()).find(|&end| layout.is_char_boundary(end)).expect("the end");
            engine
                .replay(Replay::new().reader("shop", &layout.as_bytes()[sent..end]).fields(fields.clone()))
                .expect("read");
            let position = engine.source("shop").and_then(|source| source.position).expect("a position");
            sent = position.bytes as usize;
            assert_eq!(position.lines as usize, layout[..sent].matches('\n').count());
        }
        let events = engine.source("shop").and_then(|source| source.position).expect("a position").events;
        assert_eq!((sent, events), (layout.len(), 42));
        assert_eq!(totals(&engine), expected);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let all = array(DAY);
    let named = "replay - --source shop --json";
    run(folder.path(), named, &all.as_bytes()[..2_000]);
    let bytes = object(&run(folder.path(), "stats --json", b""))["sources"][0]["bytes"].as_u64().expect("a number");
    assert!(bytes > 1_000);
    let told = object(&run(folder.path(), named, &all.as_bytes()[bytes as usize..]));
    assert_eq!((&told["digest"], &told["events"]["rejected"]), (&expected.1.clone().into(), &0.into()));
}

#[test]
fn a_place_within_an_array_moves_with_the_facts() {
    let (log, fields) = (wrapped(DAY), items());
    let cut = log.len() / 2;
    let read = |engine: &mut Engine, part: &str| {
        engine.replay(Replay::new().reader("shop", part.as_bytes()).fields(fields.clone())).expect("read")
    };
    let mut engine = in_memory(&Rules::default());
    read(&mut engine, &log[..cut]);
    let bytes = engine.source("shop").and_then(|source| source.position).expect("a position").bytes;
    let mut facts = Vec::new();
    engine.export_facts(&mut facts).expect("in memory");
    let folder = tempfile::tempdir().expect("a folder");
    let (mut moved, _) = Engine::import_facts(folder.path().join("moved"), &facts[..]).expect("facts");
    assert_eq!(moved.source("shop"), engine.source("shop"));
    let told = read(&mut moved, &log[bytes as usize..]);
    assert_eq!((told.events.rejected, totals(&moved)), (0, totals(&replayed(&Rules::default(), DAY))));
}

#[test]
fn a_wrapper_is_told_of_and_read_once_it_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("log"), wrapped(DAY)).expect("written");
    fs::write(folder.path().join("line"), wrapped(&long(200)).replace('\n', "")).expect("written");
    for log in ["log", "line"] {
        let output = run(folder.path(), &format!("replay {log}"), b"");
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && reason.contains("items holds a list of objects"), "{log}: {reason}");
        assert!(
            reason.ends_with("name it in [fields] of backstitch.toml, as `wrapper = \"items\"`\n"),
            "{log}: {reason}"
        );
    }
    fs::write(folder.path().join("backstitch.toml"), "[fields]\nwrapper = \"items\"\n").expect("written");
    let told = object(&run(folder.path(), "replay log --json", b""));
    assert_eq!(told["events"], serde_json::json!({"read": 42, "accepted": 40, "duplicate": 2, "rejected": 0}));
    assert_eq!(
        told["digest"],
        totals(&replayed(&Rules::default(), DAY)).1,
        "the position of a log without events is none"
    );
    // Read with the wrapper, the file is not read without it.
    fs::remove_file(folder.path().join("backstitch.toml")).expect("removed");
    let output = run(folder.path(), "replay log --json", b"");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(object(&output)["other_fields"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_damaged_file_gives_the_values_before_the_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = long(300);
    append(&folder.path().join("log.gz"), &array(&log), Packing::Gzip);
    let whole = fs::read(folder.path().join("log.gz")).expect("readable");
    fs::write(folder.path().join("log.gz"), &whole[..whole.len() / 2]).expect("written");
    let output = run(folder.path(), "replay log.gz --json", b"");
    let told = object(&output);
    assert_eq!((output.status.code(), &told["events"]["rejected"]), (Some(1), &0.into()), "{told}");
    let first = told["events"]["read"].as_u64().expect("a number");
    assert!(first > 100);
    fs::write(folder.path().join("log.gz"), &whole).expect("written");
    let told = object(&run(folder.path(), "replay log.gz --json", b""));
    assert_eq!(
        told["events"]["read"].as_u64().map(|read| read + first),
        Some(log.lines().count() as u64),
        "it goes on"
    );
    assert_eq!(told["digest"], totals(&replayed(&Rules::default(), &log)).1);
}
