//! What a log may look like, and what is said of one that is not read: through the command.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::place::binary;

fn run(folder: &Path, command: &str) -> Output {
    let mut program = Command::new(binary());
    program.args(command.split_whitespace()).current_dir(folder).stdin(Stdio::null()).env_clear();
    program.output().expect("the binary runs")
}

/// Standard error of a command, and its exit code.
fn said(folder: &Path, command: &str) -> (String, Option<i32>) {
    let output = run(folder, command);
    (String::from_utf8(output.stderr).expect("UTF-8"), output.status.code())
}

/// What a replay reports as JSON.
#[track_caller]
fn replayed(folder: &Path, arguments: &str) -> Value {
    let output = run(folder, &format!("replay {arguments} --json"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("an object")
}

fn folder_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("written");
    }
    folder
}

#[test]
fn a_log_of_another_format_is_named_with_the_remedy_by_replay_and_attribute() {
    let utf16: Vec<u8> = "{\"time\":1}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, told) in [
        (&b"time,sessionId\n1762000000,s\n"[..], "it looks like CSV: turn it into JSON first"),
        (b"time\tsessionId\n1762000000\ts\n", "it looks like TSV"),
        (&utf16, "it looks like UTF-16: `iconv -f UTF-16 -t UTF-8 FILE | backstitch replay -` reads it"),
        (b"PK\x03\x04\x14\0\0\0\x08\0\n\xFF\n", "it looks like a zip archive: `unzip -p FILE"),
        (b"BZh91AY&SY\n\x12", "it looks like a bzip2 file: `bzip2 -dc FILE"),
        (b"\xFD7zXZ\0\0\x04\n\xE6", "it looks like an xz file: `xz -dc FILE"),
        (b"<?xml version=\"1.0\"?>\n<events/>\n", "it looks like XML"),
        (b"hello\nworld\n", "JSON objects are expected"),
    ] {
        let folder =
            folder_with(&[("log", bytes), ("good", b"{\"time\":1,\"user\":{\"identities\":{\"sessionId\":\"s\"}}}\n")]);
        let (why, code) = said(folder.path(), "replay log");
        assert!(why.contains("rejected as malformed") && why.contains(told), "{why}");
        assert_eq!(code, Some(1), "{why}");
        let (quiet, code) = said(folder.path(), "replay log --force --quiet");
        assert!(quiet.contains(told) && code == Some(1), "{quiet}");
        let (why, code) = said(folder.path(), "attribute log");
        assert!(why.contains(told) && why.lines().count() == 1, "{why}");
        assert_eq!(code, Some(1), "{why}");
        // One event among them: then the rest are rejects as ever.
        assert_eq!(said(folder.path(), "replay log good --force").1, Some(0));
    }
}

#[test]
fn the_keys_of_rejected_lines_are_told_with_the_line_that_names_them() {
    let line = |ts: u64| format!("{{\"ts\":{ts},\"userId\":\"anna\",\"sessionId\":\"s\"}}\n");
    let log = line(1_762_000_000) + &line(1_762_000_001);
    let folder = folder_with(&[("log", log.as_bytes())]);
    let log = folder.path().join("log").canonicalize().expect("there");
    let expected = format!(
        "backstitch: all 2 lines were rejected as no_timestamp: line 1 of {}: there is neither timestamp nor time; the lines have ts, \
         userId, sessionId: name them in [fields] of backstitch.toml, such as `timestamp = \"ts\"`\n",
        log.display()
    );
    assert_eq!(said(folder.path(), "replay log"), (expected, Some(1)));
    fs::write(folder.path().join("backstitch.toml"), "[fields]\ntimestamp = \"ts\"\n").expect("written");
    let (why, code) = said(folder.path(), "replay log --force");
    assert!(why.contains("such as `namespaces.sessionId = \"sessionId\"`"), "{why}");
    assert_eq!(code, Some(1));
    let config = "[fields]\ntimestamp = \"ts\"\nnamespaces.sessionId = \"sessionId\"\n";
    fs::write(folder.path().join("backstitch.toml"), config).expect("written");
    let report = replayed(folder.path(), "log --force");
    assert_eq!(report["events"]["accepted"], 2);
    let span = json!({"first": "2025-11-01T12:26:40.000Z", "last": "2025-11-01T12:26:41.000Z"});
    assert_eq!(report["span"], span, "the lines count seconds, and nothing was configured");
}

#[test]
fn a_line_that_may_be_half_written_is_no_failure() {
    let folder = folder_with(&[("log", b"{\"time\":1,\"user\":{\"ident")]);
    assert_eq!(said(folder.path(), "replay log").1, Some(0));
}

#[test]
fn a_unit_that_is_configured_is_not_guessed() {
    let line = "{\"time\":1762000000,\"user\":{\"identities\":{\"sessionId\":\"s\"}}}\n";
    for (unit, first) in [
        ("", "2025-11-01T12:26:40.000Z"),
        ("unit = \"s\"", "2025-11-01T12:26:40.000Z"),
        ("unit = \"ms\"", "1970-01-21T09:26:40.000Z"),
        ("unit = \"us\"", "1970-01-01T00:29:22.000Z"),
        ("unit = \"ns\"", "1970-01-01T00:00:01.762Z"),
    ] {
        let config = format!("[fields]\n{unit}\n");
        let folder = folder_with(&[("log", line.as_bytes()), ("backstitch.toml", config.as_bytes())]);
        assert_eq!(replayed(folder.path(), "log")["span"]["first"], first, "{unit}");
    }
}

#[test]
fn two_spellings_of_the_session_are_no_conflict_and_are_counted() {
    // What the web SDK sends after its documented call with both identities.
    let sent = r#"{"time":1762000000,"user":{"identities":{"ecommerceId":"anna","sessionId":"mine","sessionid":"generated-1"}}}"#;
    let folder = folder_with(&[("log", sent.as_bytes())]);
    let report = replayed(folder.path(), "log");
    assert_eq!(
        (&report["events"]["accepted"], &report["spellings"], &report["sessions"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let told = String::from_utf8(run(folder.path(), "replay log --force").stdout).expect("UTF-8");
    assert!(told.contains("1 event spells a namespace in two ways"), "{told}");
}

#[test]
fn a_time_that_is_no_time_is_told_what_was_expected() {
    for (time, told) in [
        (
            "{\"$date\":1}",
            "time is an object, where an RFC 3339 text such as 2026-11-01T10:00:00Z or a number counted from 1970 is expected",
        ),
        ("[2026,11,1]", "time is a list, where"),
        ("true", "time is a boolean, where"),
        (
            "\"soon\"",
            "time is not an RFC 3339 text such as 2026-11-01T10:00:00Z or a number counted from 1970: \"soon\"",
        ),
    ] {
        let line = format!("{{\"time\":{time},\"user\":{{\"identities\":{{\"sessionId\":\"s\"}}}}}}\n");
        let folder = folder_with(&[("log", line.as_bytes())]);
        let (why, code) = said(folder.path(), "replay log");
        assert!(
            why.contains("the only line was rejected as no_timestamp")
                && why.contains(&told.replace('"', "\\\"")) | why.contains(told),
            "{why}"
        );
        assert!(!why.contains("name them"), "the key is there: {why}");
        assert_eq!(code, Some(1));
    }
}
