//! Sources as they come: files that grow and change, pipes, packed and damaged files, and who delivered what.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use backstitch::{Engine, Summary};
use serde_json::Value;

use crate::harness::{Manner, Packing, append, counts, expected_attribute, in_memory, replay, replayed, text, totals};
use crate::oracle::{Rules, judge};

const DAY: &str = include_str!("../../fixtures/journeys.ndjson");
const BAD: &str = include_str!("../../fixtures/rejects.ndjson");

fn line(session: &str, at: u32) -> String {
    format!(r#"{{"timestamp":{at},"user":{{"identities":{{"sessionId":"{session}","ecommerceId":"c"}}}}}}"#)
}

fn lines(sessions: std::ops::Range<u32>) -> Vec<String> {
    sessions.map(|number| line(&format!("s{number}"), number)).collect()
}

fn run(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backstitch"));
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
