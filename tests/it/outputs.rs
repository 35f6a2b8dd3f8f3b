//! What a command writes to a file never lands in a store, on a log or on a source, however the file is spelled.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli_history::{object, ok, refused, workplace};
use crate::place::binary;

/// Every command that writes a file, before its name.
const WRITERS: [&[&str]; 10] = [
    &["sessions", "--output"],
    &["sessions", "--csv", "-o"],
    &["events", "s1", "--output"],
    &["explain", "s1", "--format", "svg", "--output"],
    &["diff", "--policy", "first-login", "--policy", "strict", "--output"],
    &["changes", "--output"],
    &["changes", "--apply"],
    &["attribute", "one.ndjson", "--output"],
    &["generate", "--sessions", "1", "--output"],
    &["replay", "two.ndjson", "--rejects"],
];

/// What must stay as it is: the names of all files outside of the stores and of those that a store always has, the log, and what
/// the stores hold.
fn state(folder: &Path) -> (Vec<String>, String, String) {
    let paths = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter();
    let names = paths.map(|entry| entry.expect("readable").path().display().to_string());
    // The names of sled's snapshots come and go with its openings.
    let names = names.filter(|name| !name.contains("/snap.")).collect();
    let digests = ["backstitch.store", "other/people.store"].map(|store| {
        ok(folder, &format!("verify --quiet --store {store}"));
        object(&ok(folder, &format!("stats --json --store {store}")))["digest"].to_string()
    });
    (names, fs::read_to_string(folder.join("one.ndjson")).expect("there"), digests.concat())
}

/// A folder with a store of one log, another store, and every kind of link to them.
fn place() -> tempfile::TempDir {
    let folder = workplace();
    let at = |name: &str| folder.path().join(name);
    ok(folder.path(), "replay one.ndjson --quiet");
    ok(folder.path(), "replay one.ndjson --quiet --store other/people.store");
    fs::create_dir(at("out")).expect("made");
    for (target, link) in [
        ("../backstitch.store/db", "out/to_db"),
        ("../backstitch.store", "out/to_store"),
        ("../backstitch.store/new", "out/to_nothing"),
        ("to_nothing", "out/to_link"),
        ("../one.ndjson", "out/to_log"),
        ("../other/people.store/new", "out/to_other"),
    ] {
        symlink(target, at(link)).expect("linked");
    }
    fs::hard_link(at("backstitch.store/db"), at("out/db")).expect("linked");
    fs::hard_link(at("one.ndjson"), at("out/log")).expect("linked");
    folder
}

#[test]
fn no_output_lands_in_a_store_or_on_a_log() {
    let folder = place();
    let folder = folder.path();
    let before = state(folder);
    let store = [
        "backstitch.store/db",
        "./backstitch.store/../backstitch.store/./db",
        "backstitch.store/backstitch",
        "backstitch.store/new",
        "out/to_db",
        "out/to_store/db",
        "out/to_store/new",
        "out/to_nothing",
        "out/to_link",
        "out/db",
        "other/people.store/db",
        "other/people.store/new",
        "out/to_other",
    ];
    let log = ["one.ndjson", "./out/../one.ndjson", "out/to_log", "out/log"];
    for writer in WRITERS {
        for path in store.iter().chain(&log) {
            // A log that is invented may go where another was: nothing says that one is kept.
            if writer[0] == "generate" && log.contains(path) {
                continue;
            }
            let reason = refused(folder, 2, &[writer, &[path]].concat());
            let expected = if log.contains(path) { ["log", "source"] } else { ["store", "store"] };
            assert!(expected.iter().any(|word| reason.contains(word)), "{writer:?} {path}: {reason}");
            assert!(reason.contains("name another file"), "{writer:?} {path}: {reason}");
        }
    }
    assert_eq!(state(folder), before);
}

#[test]
fn results_go_to_files_alone() {
    let folder = place();
    let folder = folder.path();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).expect("made");
    for path in ["out", "socket"] {
        for writer in &WRITERS[..WRITERS.len() - 1] {
            let reason = refused(folder, 2, &[writer, &[path][..]].concat());
            assert!(reason.contains("is not a regular file"), "{writer:?} {path}: {reason}");
        }
    }
    // Rejected lines are added to whatever is there.
    ok(folder, "replay two.ndjson --quiet --rejects /dev/null");
    ok(folder, "sessions --output out/sessions.ndjson");
    symlink("sessions.ndjson", folder.join("out/latest")).expect("linked");
    ok(folder, "sessions --csv --output out/latest");
    assert!(fs::read_to_string(folder.join("out/sessions.ndjson")).expect("there").starts_with("session,"));
}

/// To open a named pipe for writing waits for somebody who reads it, and must not wait out a request to end.
#[test]
fn a_pipe_for_rejected_lines_is_waited_for_until_it_is_read_or_ctrl_c() {
    let folder = workplace();
    let folder = folder.path();
    fs::write(folder.join("bad.ndjson"), "{}\n").expect("written");
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().expect("mkfifo is there").success());
    let replay = || {
        let arguments = ["replay", "one.ndjson", "bad.ndjson", "--rejects", "pipe", "--force"];
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut note = String::new();
        stderr.read_line(&mut note).expect("text");
        assert!(note.contains("pipe is a pipe that nobody reads yet"), "{note}");
        (child, stderr)
    };
    let (mut child, mut stderr) = replay();
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
    let mut reason = String::new();
    stderr.read_to_string(&mut reason).expect("text");
    assert!(
        child.wait().expect("it ends").code() == Some(1) && reason.contains("before anybody read pipe"),
        "{reason}"
    );
    let (mut child, _stderr) = replay();
    let told = fs::read_to_string(folder.join("pipe")).expect("read to its end");
    assert!(told.contains("no_timestamp") && told.lines().count() == 1, "{told}");
    assert!(child.wait().expect("it ends").success());
}

/// A program that was built without Parquet says how to have it.
#[cfg(not(feature = "parquet"))]
#[test]
fn what_was_left_out_is_told() {
    let folder = workplace();
    ok(folder.path(), "replay one.ndjson --quiet");
    let reason = refused(folder.path(), 2, &["profiles", "--parquet", "--output", "people.parquet"]);
    assert!(reason.contains("built without Parquet") && reason.contains("--features parquet"), "{reason}");
    assert!(!folder.path().join("people.parquet").exists());
}
