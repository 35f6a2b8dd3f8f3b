//! Sources as they come: files that grow and change, pipes, packed and damaged files, and who delivered what.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use backstitch::{Engine, Fields, Replay, Retract, Source, Summary};
use serde_json::Value;

use crate::harness::{Manner, Packing, append, counts, expected_attribute, in_memory, replay, replayed, text, totals};
use crate::oracle::{Rules, judge};
use crate::place::binary;

const DAY: &str = include_str!("../../fixtures/journeys.ndjson");
const BAD: &str = include_str!("../../fixtures/rejects.ndjson");

fn line(session: &str, at: u32) -> String {
    format!(r#"{{"timestamp":{at},"user":{{"identities":{{"sessionId":"{session}","ecommerceId":"c"}}}}}}"#)
}

fn lines(sessions: std::ops::Range<u32>) -> Vec<String> {
    sessions.map(|number| line(&format!("s{number}"), number)).collect()
}

fn run(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // It may fail before it reads anything.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("it ends")
}

fn object(output: &Output) -> Value {
    let reason = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {reason}"))
}

fn packed(text: &str, packing: Packing) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("packed");
    append(&file, text, packing);
    fs::read(file).expect("readable")
}

fn step(engine: &mut Engine, file: &Path, force: bool) -> ([u64; 4], [u64; 2]) {
    let told = replay(engine, &[file.to_owned()], Manner { force, ..Manner::default() });
    (counts(&told), [told.sources.read, told.sources.skipped])
}

#[test]
fn a_file_in_its_life() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log");
    let mut engine = in_memory(&Rules::default());
    append(&file, &text(&lines(0..10)), Packing::Plain);
    assert_eq!(step(&mut engine, &file, false), ([10, 10, 0, 0], [1, 0]), "new");
    assert_eq!(step(&mut engine, &file, false), ([0, 0, 0, 0], [0, 1]), "as it was");
    assert_eq!(step(&mut engine, &file, true), ([10, 0, 10, 0], [1, 0]), "read again");
    append(&file, &text(&lines(10..15)), Packing::Plain);
    assert_eq!(step(&mut engine, &file, false), ([5, 5, 0, 0], [1, 0]), "grown");
    let last = line("s15", 15);
    append(&file, &last[..20], Packing::Plain);
    assert_eq!(step(&mut engine, &file, false), ([1, 0, 0, 1], [1, 0]), "a line half written");
    append(&file, &last[20..], Packing::Plain);
    assert_eq!(step(&mut engine, &file, false), ([1, 1, 0, 0], [1, 0]), "and whole, without its end");
    append(&file, &format!("\n{}\n", line("s16", 16)), Packing::Plain);
    assert_eq!(step(&mut engine, &file, false), ([1, 1, 0, 0], [1, 0]), "the line before is not read again");
    fs::write(&file, text(&lines(0..4))).expect("written");
    assert_eq!(step(&mut engine, &file, false), ([4, 0, 4, 0], [1, 0]), "cut: read from its start");
    fs::write(&file, text(&lines(100..120))).expect("written");
    assert_eq!(step(&mut engine, &file, false), ([20, 20, 0, 0], [1, 0]), "something else under the name");
    fs::write(&file, packed(&text(&lines(100..125)), Packing::Gzip)).expect("written");
    assert_eq!(step(&mut engine, &file, false), ([25, 5, 20, 0], [1, 0]), "packed");
    let all: Vec<String> = [lines(0..17), lines(100..125)].concat();
    assert_eq!(totals(&engine), totals(&replayed(&Rules::default(), &text(&all))));
    assert_eq!(engine.resolver().view().sources().len(), 1, "it is one source all along");
}

#[test]
fn standard_input_plain_and_packed() {
    let expected = judge(&Rules::default(), &[(String::new(), DAY.lines().collect())]).digest.clone();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let folder = tempfile::tempdir().expect("a folder");
        let input = packed(DAY, packing);
        for accepted in [40, 0] {
            let told = object(&run(folder.path(), &["replay", "-", "--json"], &input));
            assert_eq!(
                (&told["events"]["read"], &told["events"]["accepted"]),
                (&42.into(), &accepted.into()),
                "{packing:?}"
            );
            assert_eq!(told["digest"], expected, "{packing:?}");
        }
    }
}

/// The allocator of the C library would keep what each of the threads has freed in a heap of its own. A process that was started anew is not
/// once more: one from whose environment the loader takes what it was told would never begin.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn all_threads_of_a_replay_have_one_heap_for_which_it_starts_anew_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("backstitch.store");
    for (given, told) in [
        (None, Some("MALLOC_ARENA_MAX=1")),
        (Some(("MALLOC_ARENA_MAX", "7")), Some("MALLOC_ARENA_MAX=7")),
        (Some(("BACKSTITCH_STARTED_ANEW", "1")), None),
    ] {
        let mut command = Command::new(binary());
        command.args(["replay", "-", "--quiet"]).current_dir(folder.path()).stdin(Stdio::piped());
        let child = command.env_remove("MALLOC_ARENA_MAX").envs(given).spawn().unwrap();
        // It makes its store, and waits for its log.
        let start = Instant::now();
        while !store.exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "{given:?}: it does not begin");
            thread::sleep(Duration::from_millis(5));
        }
        let environment = fs::read(format!("/proc/{}/environ", child.id())).unwrap();
        let heaps = environment.split(|byte| *byte == 0).find(|variable| variable.starts_with(b"MALLOC_ARENA_MAX"));
        assert_eq!(heaps, told.map(str::as_bytes), "{given:?}");
        assert!(child.wait_with_output().unwrap().status.success());
        fs::remove_dir_all(&store).unwrap();
    }
}

#[test]
fn good_files_are_read_whatever_a_bad_one_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    let gzip = packed(&text(&lines(0..1_000)), Packing::Gzip);
    put("1.log", text(&lines(2_000..2_010)).as_bytes());
    put("2.gz", &gzip[..gzip.len() / 2]);
    put("3.gz", &[&[0x1f, 0x8b][..], b"nothing of the kind"].concat());
    put("4.log", text(&lines(3_000..3_010)).as_bytes());
    let output = run(folder.path(), &["replay", "1.log", "2.gz", "3.gz", "4.log", "--json"], b"");
    let (told, reason) = (object(&output), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(1), "{reason}");
    assert_eq!((reason.lines().count(), told["failed"].as_array().map(Vec::len)), (2, Some(2)), "{reason}");
    assert!(reason.contains("2.gz") && reason.contains("3.gz") && !reason.contains(".log"), "{reason}");
    let accepted = told["events"]["accepted"].as_u64().expect("a number");
    assert!((20..1_020).contains(&accepted), "{accepted}");
    for session in ["s2000", "s2009", "s3000", "s3009"] {
        assert_eq!(object(&run(folder.path(), &["resolve", session, "--json"], b""))["customer"], "c", "{session}");
    }
    // As it was, it is no file with nothing new: it is still broken.
    assert_eq!(run(folder.path(), &["replay", "2.gz", "--json"], b"").status.code(), Some(1));
    // Delivered again, whole, it goes on where it broke off.
    put("2.gz", &gzip);
    let again = object(&run(folder.path(), &["replay", "2.gz", "--json"], b""));
    assert_eq!(again["events"]["accepted"].as_u64().map(|new| new + accepted), Some(1_020));
}

#[test]
fn a_log_is_attributed_whatever_it_is_packed_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = format!("{DAY}{BAD}");
    let lines: Vec<&str> = log.lines().collect();
    for (name, packing) in [("log", Packing::Plain), ("log.gz", Packing::Gzip), ("log.zst", Packing::Zstd)] {
        append(&folder.path().join(name), &log, packing);
    }
    assert!(run(folder.path(), &["replay", "log"], b"").status.success());
    let expected = expected_attribute(&judge(&Rules::default(), &[(String::new(), lines.clone())]), 0, &lines);
    let plain = run(folder.path(), &["attribute", "log"], b"");
    let rows: Vec<Value> = String::from_utf8(plain.stdout.clone())
        .expect("UTF-8")
        .lines()
        .map(|row| serde_json::from_str(row).expect("a row"))
        .collect();
    assert_eq!(rows, expected, "repeats included, rejects left out, in the log's order");
    assert!(String::from_utf8_lossy(&plain.stderr).contains("6 lines left out"));
    assert_eq!(run(folder.path(), &["attribute", "log.gz"], b"").stdout, plain.stdout);
    assert_eq!(run(folder.path(), &["attribute", "-"], &packed(&log, Packing::Gzip)).stdout, plain.stdout);
    let written = run(folder.path(), &["attribute", "log.zst", "--csv", "--output", "people.csv"], b"");
    assert!(written.status.success() && written.stdout.is_empty());
    let mut csv = csv::Reader::from_path(folder.path().join("people.csv")).expect("a table");
    assert_eq!(csv.headers().expect("names"), vec!["time", "session", "id", "person", "attribution"]);
    let people: Vec<[String; 2]> =
        csv.records().map(|row| row.map(|row| [row[3].to_owned(), row[4].to_owned()]).expect("a row")).collect();
    let expected: Vec<[String; 2]> = expected
        .iter()
        .map(|row| ["person", "attribution"].map(|name| row[name].as_str().expect("text").to_owned()))
        .collect();
    assert_eq!(people, expected);
}

#[test]
fn a_store_keeps_the_settings_it_was_made_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = [
        r#"{"timestamp":1,"user":{"identities":{"sessionId":"a","ecommerceId":"n/k"}}}"#,
        r#"{"timestamp":2,"user":{"identities":{"sessionId":"b","ecommerceId":"guest"}}}"#,
        r#"{"timestamp":3,"user":{"identities":{"sessionId":"c","ecommerceId":"1","email":"e","deviceId":"d"}}}"#,
        r#"{"timestamp":4,"user":{"identities":{"sessionId":"c","ecommerceId":"2"}}}"#,
    ];
    fs::write(folder.path().join("log"), text(&log)).expect("written");
    let made = |store: &str, with: &[&str]| {
        let told = object(&run(folder.path(), &[&["replay", "log", "--json", "--store", store], with].concat(), b""));
        ["customers", "linked_sessions", "shared_sessions"].map(|name| told[name].as_u64().expect("a number"))
    };
    assert_eq!(made("plain", &[]), [3, 2, 1], "n/k, 1, 2");
    assert_eq!(made("junk", &["--junk", " N/K "]), [2, 1, 1], "1, 2");
    assert_eq!(made("kept", &["--keep-junk"]), [4, 3, 1], "n/k, guest, 1, 2");
    assert_eq!(made("kept-and-more", &["--keep-junk", "--junk", "n/k"]), [3, 2, 1], "guest, 1, 2");
    assert_eq!(made("joined", &["--no-unique"]), [0, 0, 0]);
    assert_eq!(made("levels", &["--between", "email, deviceId"]), [3, 2, 1]);
    let levels =
        |store: &str| object(&run(folder.path(), &["stats", "--json", "--store", store], b""))["levels"].to_string();
    assert_eq!(levels("plain"), r#"["sessionId","deviceid","email","ecommerceId"]"#);
    assert_eq!(levels("levels"), r#"["sessionId","email","deviceid","ecommerceId"]"#);
    for store in ["junk", "kept", "joined", "levels"] {
        assert!(run(folder.path(), &["replay", "log", "--store", store], b"").status.success(), "{store}: none named");
        let other = run(folder.path(), &["replay", "log", "--store", store, "--between", "zeta"], b"");
        let reason = String::from_utf8_lossy(&other.stderr).into_owned();
        assert_eq!(other.status.code(), Some(1), "{store}");
        let own = if store == "levels" { r#"["email", "deviceid"]"# } else { "[]" };
        let both = format!(r#"made with between = {own}, but --between asks for ["zeta"]"#);
        assert!(reason.contains(&both), "both are named: {reason}");
        assert!(other.stdout.is_empty() && reason.lines().count() == 1, "{reason}");
    }
}

/// Two files with the same lines but two, in every manner.
fn overlapping(folder: &Path) -> [PathBuf; 2] {
    let paths = ["one", "two"].map(|name| folder.join(name));
    fs::write(&paths[0], text(&lines(0..10))).expect("written");
    fs::write(&paths[1], text(&[lines(1..10), lines(0..0), vec![line("s10", 10)]].concat())).expect("written");
    paths
}

#[test]
fn an_event_keeps_all_its_sources_and_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = overlapping(folder.path());
    let sum = |told: &[Summary]| {
        told.iter().map(counts).fold([0; 4], |sum, next| std::array::from_fn(|at| sum[at] + next[at]))
    };
    let one_batch = |engine: &mut Engine| vec![replay(engine, &files, Manner::default())];
    let two_batches =
        |engine: &mut Engine| vec![replay(engine, &files, Manner { batch_events: 1, ..Manner::default() })];
    let two_runs = |engine: &mut Engine| {
        files.iter().map(|file| replay(engine, std::slice::from_ref(file), Manner::default())).collect()
    };
    let forced = |engine: &mut Engine| {
        let first = replay(engine, &files, Manner::default());
        replay(engine, &files, Manner { force: true, ..Manner::default() });
        vec![first]
    };
    type Way<'a> = (&'a str, &'a dyn Fn(&mut Engine) -> Vec<Summary>);
    let ways: [Way<'_>; 4] =
        [("one batch", &one_batch), ("two batches", &two_batches), ("two runs", &two_runs), ("forced", &forced)];
    for (name, way) in ways {
        let store = folder.path().join(name);
        let mut engine = Engine::open(&store).expect("a new store");
        assert_eq!(sum(&way(&mut engine)), [20, 11, 9, 0], "{name}");
        for reopened in [false, true] {
            if reopened {
                drop(engine);
                engine = Engine::open(&store).expect("a store");
            }
            let rows = engine.resolver().view().events("ecommerceId", "c").expect("readable").expect("known");
            let sources: Vec<Vec<bool>> = rows
                .iter()
                .map(|row| {
                    ["one", "two"]
                        .map(|name| row.sources.iter().filter(|source| source.ends_with(name)).count() == 1)
                        .into()
                })
                .collect();
            let expected: Vec<Vec<bool>> = (0..=10).map(|at| vec![at < 10, at > 0]).collect();
            assert_eq!(sources, expected, "{name}, reopened: {reopened}");
        }
    }
}

/// Bytes, lines and events of a source, and whether it was read to its end.
fn position(source: Option<Source>) -> Option<(u64, u64, u64, bool)> {
    source?.position.map(|position| (position.bytes, position.lines, position.events, position.complete))
}

/// A stream that breaks off.
struct Broken<'a>(&'a [u8]);

impl std::io::Read for Broken<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(room)? {
            0 => Err(std::io::ErrorKind::ConnectionReset.into()),
            read => Ok(read),
        }
    }
}

#[test]
fn a_reader_keeps_a_position_by_its_name() {
    let all = text(&lines(0..20));
    let bytes = all.len() as u64;
    let expected = totals(&replayed(&Rules::default(), &all));
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let mut engine = in_memory(&Rules::default());
        let told = engine.ingest("shop", &*packed(&all, packing)).expect("read");
        assert_eq!((counts(&told), told.sources.read), ([20, 20, 0, 0], 1));
        assert_eq!(position(engine.source("shop")), Some((bytes, 20, 20, true)), "{packing:?}");
        assert_eq!(totals(&engine), expected);
    }
    // It breaks off in a line, and the caller goes on from the position.
    let mut engine = in_memory(&Rules::default());
    let cut = all.len() / 2;
    let told = engine.ingest("shop", Broken(&all.as_bytes()[..cut])).expect("what can be read");
    assert!(told.failed[0].to_string().contains("shop"), "{:?}", told.failed);
    let (read, rows, events, complete) = position(engine.source("shop")).expect("a position");
    assert!((read as usize) < cut && all.as_bytes()[read as usize - 1] == b'\n' && rows == events && !complete);
    let mut rejects = Vec::new();
    let rest = [&all.as_bytes()[read as usize..], b"nothing\n"].concat();
    engine.replay(Replay::new().reader("shop", &*rest).rejects(&mut rejects)).expect("read");
    assert_eq!(position(engine.source("shop")), Some((bytes + 8, 21, 20, true)));
    let reject: Value = serde_json::from_slice(&rejects).expect("a line");
    assert_eq!((&reject["source"], &reject["line_number"]), (&"shop".into(), &21.into()));
    assert_eq!(totals(&engine), expected);
    // All of it again: nothing is skipped, and nothing is new.
    let told = engine.ingest("shop", all.as_bytes()).expect("read");
    assert_eq!(counts(&told), [20, 0, 20, 0]);
    assert_eq!(position(engine.source("shop")).expect("a position").0, 2 * bytes + 8);
    engine.replay(Replay::new().reader("shop", all.as_bytes()).force(true)).expect("read");
    assert_eq!(position(engine.source("shop")), Some((bytes, 20, 20, true)), "it counts from the start");
    let undone = engine.retract(Retract::Source("shop")).expect("retracted");
    assert_eq!((undone.events, engine.source("shop")), (20, None));
}

#[test]
fn a_reader_is_read_by_any_fields() {
    let other = text(&[r#"{"at":1,"session":"a"}"#, r#"{"at":2,"session":"b"}"#]);
    let fields = Fields::builder().timestamp("at").namespace("sessionId", "session").build().expect("fields");
    let mut engine = in_memory(&Rules::default());
    assert_eq!(counts(&engine.ingest("shop", other.as_bytes()).expect("read")), [2, 0, 0, 2]);
    let again = || Replay::new().reader("shop", other.as_bytes()).fields(fields.clone());
    assert_eq!(counts(&engine.replay(again()).expect("read")), [2, 2, 0, 0]);
    let bytes = other.len() as u64;
    assert_eq!(position(engine.source("shop")), Some((bytes, 2, 2, true)), "nothing came of the first time");
    assert_eq!(counts(&engine.ingest("shop", text(&lines(0..3)).as_bytes()).expect("read")), [3, 3, 0, 0]);
    assert_eq!(position(engine.source("shop")).expect("a position").2, 5, "and it goes on with other fields");
}

#[test]
fn standard_input_by_a_name_tells_how_far_it_was_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = text(&lines(0..6));
    let told = |arguments: &[&str], input: &str| {
        let output = run(folder.path(), arguments, input.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        object(&output)
    };
    let half = text(&lines(0..3)).len();
    let named = ["replay", "-", "--source", "shop", "--json"];
    assert_eq!(told(&named, &all[..half])["events"]["accepted"], 3);
    let source = || told(&["stats", "--json"], "")["sources"][0].clone();
    let expected = |bytes, count| serde_json::json!({"name": "shop", "bytes": bytes, "lines": count, "complete": true, "events": count, "pushed": null});
    assert_eq!(source(), expected(half, 3));
    let rest = source()["bytes"].as_u64().expect("a number") as usize;
    assert_eq!(told(&named, &all[rest..])["events"]["read"], 3);
    assert_eq!(source(), expected(all.len(), 6));
    let words = run(folder.path(), &["stats"], b"").stdout;
    assert!(String::from_utf8_lossy(&words).contains("a stream"));
    let refused = run(folder.path(), &["replay", "log", "--source", "shop"], b"");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("add `-`"));
    assert!(run(folder.path(), &["retract", "--source", "shop"], b"").status.success());
    assert_eq!(told(&["stats", "--json"], "")["events"], 0);
}

#[test]
fn a_file_that_was_edited_keeps_its_old_events_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |sessions| fs::write(folder.path().join("log"), text(&lines(sessions))).expect("written");
    let told = |arguments: &[&str]| {
        let output = run(folder.path(), &[arguments, &["--json"]].concat(), b"");
        assert_eq!(output.status.code(), Some(0));
        let edited = object(&output)["edited"].as_array().map_or(0, Vec::len);
        (object(&output), edited, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    put(0..5);
    assert_eq!(told(&["replay", "log"]).1, 0);
    put(0..8);
    assert_eq!(told(&["replay", "log"]).1, 0, "it has grown");
    for (sessions, flags) in [(3..6, &["replay", "log"][..]), (4..9, &["replay", "log", "--force"])] {
        put(sessions);
        let (summary, edited, reason) = told(flags);
        assert_eq!((edited, reason.lines().count()), (1, 1), "{flags:?}: {reason}");
        assert!(summary["edited"][0].as_str().expect("a path").ends_with("/log"));
        assert!(reason.contains("/log was read from the start") && reason.contains("retract --source"), "{reason}");
        let (_, edited, reason) = told(&["replay", "log"]);
        assert_eq!((edited, &*reason), (0, ""), "it is said once");
    }
    put(20..22);
    assert_eq!(told(&["replay", "log", "--quiet"]).2, "");
    assert_eq!(told(&["stats"]).0["events"], 9 + 2, "the old events are there");
    assert_eq!(told(&["retract", "--source", "log"]).0["events"], 11);
    let (summary, edited, _) = told(&["replay", "log"]);
    assert_eq!((&summary["events"]["accepted"], edited), (&2.into(), 0));
    assert_eq!(told(&["stats"]).0["events"], 2, "as the remedy says");
    // Nothing came of the old content: nothing of it stays.
    fs::write(folder.path().join("other"), "no event\n").expect("written");
    run(folder.path(), &["replay", "other"], b"");
    fs::write(folder.path().join("other"), text(&lines(30..31))).expect("written");
    let (summary, edited, _) = told(&["replay", "other"]);
    assert_eq!((&summary["events"]["accepted"], edited), (&1.into(), 0));
}

#[test]
fn a_name_that_no_source_can_have_leaves_no_store_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [" ", &"x".repeat(5_000)] {
        let output = run(folder.path(), &["replay", "-", "--source", name], line("s", 1).as_bytes());
        let reason = String::from_utf8_lossy(&output.stderr);
        assert!(reason.contains("cannot be the name of a source"), "{reason}");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0, "nothing was made");
    }
}
