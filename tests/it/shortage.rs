//! What a process needs is short: room on the disk, files, sizes of files, the right to write. It says so and ends; what was committed
//! stays, and with enough of everything the same command goes on.
//!
//! `BACKSTITCH_CASES` amounts of each are tried, or a few.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use serde_json::Value;

use crate::harness::asked;
use crate::place::binary;

/// A shell runs `script` in `folder`; `$0` is the binary.
fn shell(folder: &Path, script: &str) -> Output {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "60", "sh", "-c", script, binary()]).current_dir(folder).stdin(Stdio::null());
    command.output().expect("a shell")
}

fn stats(folder: &Path, store: &str) -> Option<Value> {
    let output = shell(folder, &format!(r#""$0" stats --json --store {store}"#));
    serde_json::from_slice(&output.stdout).ok()
}

fn cases() -> u64 {
    asked("BACKSTITCH_CASES").unwrap_or(8)
}

/// A number below `end`, by chance.
fn chance(end: u64) -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| u64::from(now.subsec_nanos()) / 7) % end
}

/// A log of some thousand events in four files, and the digest of them all.
fn logs(folder: &Path) -> Value {
    fs::create_dir(folder.join("logs")).expect("made");
    for seed in 1..5 {
        let made = shell(folder, &format!(r#""$0" generate --sessions 150 --seed {seed} --output logs/{seed}.ndjson"#));
        assert!(made.status.success());
    }
    let whole = shell(folder, r#""$0" replay logs --store whole --quiet"#);
    assert!(whole.status.success());
    stats(folder, "whole").expect("a store")["digest"].clone()
}

/// What is left is sound, and the same command goes on from there.
fn assert_goes_on(folder: &Path, digest: &Value, what: &str) {
    if folder.join("store/backstitch").exists() {
        let verified = shell(folder, r#""$0" verify --store store"#);
        assert!(verified.status.success(), "{what}: {}", String::from_utf8_lossy(&verified.stderr));
    }
    let again = shell(folder, r#""$0" replay logs --store store --quiet"#);
    assert!(again.status.success(), "{what}: {}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(stats(folder, "store").map(|stats| stats["digest"].clone()).as_ref(), Some(digest), "{what}");
}

/// It ended by itself, and said why in a line without anything of a panic.
fn assert_told(output: &Output, what: &str) -> String {
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{what}: {:?} {reason}", output.status);
    assert!(!reason.contains("panicked"), "{what}: {reason}");
    reason
}

#[test]
fn on_a_full_disk_it_says_so_and_goes_on_with_more_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let digest = logs(folder);
    fs::create_dir(folder.join("disk")).expect("made");
    let small = |kilobytes: u64| {
        let _ = fs::remove_dir_all(folder.join("store"));
        let script = format!(
            "mount -t tmpfs -o size={kilobytes}k tmpfs disk || exit 77\n\
             \"$0\" replay logs --store disk/store --batch-events 200 --quiet\n\
             code=$?\n\
             cp -r disk/store store\n\
             exit $code"
        );
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "60", "unshare", "-Urm", "sh", "-c", &script, binary()]);
        command.current_dir(folder).stdin(Stdio::null()).output()
    };
    match small(8_000) {
        Ok(output) if output.status.code() == Some(0) => {}
        other => {
            println!("SKIPPED: a small disk cannot be made here: {other:?}");
            return;
        }
    }
    let needed = fs::metadata(folder.join("whole/db")).expect("there").len() / 1024;
    let mut full = 0;
    for case in 0..cases() {
        // Of the whole range, a little off.
        let kilobytes = 40 + needed * case / cases() + chance(needed / cases());
        let what = format!("case {case}: a disk of {kilobytes} KB");
        let output = small(kilobytes).expect("a shell");
        let reason = assert_told(&output, &what);
        if output.status.code() == Some(1) {
            full += 1;
            assert!(reason.contains("free some space"), "{what}: {reason}");
        }
        assert_goes_on(folder, &digest, &what);
    }
    println!("{} disks, of which {full} were full", cases());
    assert!(full > 0, "no disk was full");
}

#[test]
fn with_too_few_files_or_too_short_ones_it_ends_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let digest = logs(folder);
    let needed = fs::metadata(folder.join("whole/db")).expect("there").len() / 512;
    for case in 0..cases() {
        let _ = fs::remove_dir_all(folder.join("store"));
        let files = 5 + chance(25);
        let what = format!("case {case}: {files} files");
        let script = format!(r#"ulimit -n {files}; exec "$0" replay logs --store store --batch-events 200 --quiet"#);
        let output = shell(folder, &script);
        if output.status.code() != Some(127) {
            // With so few not even the program can be loaded.
            assert_told(&output, &what);
        }
        assert_goes_on(folder, &digest, &what);

        let _ = fs::remove_dir_all(folder.join("store"));
        let blocks = 8 + chance(needed);
        let what = format!("case {case}: files of {blocks} blocks");
        // The signal kills it, or is ignored and an error is told.
        let ignored = if case % 2 == 0 { "trap '' XFSZ; " } else { "" };
        let script =
            format!(r#"{ignored}ulimit -f {blocks}; exec "$0" replay logs --store store --batch-events 200 --quiet"#);
        let output = shell(folder, &script);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{what}");
        if case % 2 == 0 {
            assert_told(&output, &what);
        }
        assert_goes_on(folder, &digest, &what);
    }
}

/// Root may start as many as it likes, and of another user all processes count: so one does it that has none, not even in another test.
#[test]
fn with_too_few_threads_it_says_so_and_goes_on_with_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let digest = logs(folder);
    let script = "cp \"$0\" program && chmod -R a+rwX . || exit 77\nexec setpriv --reuid=65533 --clear-groups \
                  prlimit --nproc=1 ./program stats --json --store whole";
    let first = assert_told(&shell(folder, script), "a single one");
    if !first.contains("threads to be opened") {
        println!("SKIPPED: nothing can be run here by a user without processes: {first}");
        return;
    }
    for case in 0..cases() {
        let _ = fs::remove_dir_all(folder.join("store"));
        let threads = 2 + chance(20);
        let what = format!("case {case}: {threads} threads");
        let script = format!(
            "exec setpriv --reuid=65533 --clear-groups prlimit --nproc={threads} \
             ./program replay logs --store store --batch-events 200 --quiet"
        );
        let output = shell(folder, &script);
        let reason = assert_told(&output, &what);
        assert!(output.status.success() || reason.contains("the system starts fewer"), "{what}: {reason}");
        shell(folder, "chmod -R a+rwX .");
        assert_goes_on(folder, &digest, &what);
    }
}

#[test]
fn without_the_right_to_write_it_says_so_and_a_copy_can_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let digest = logs(folder);
    let user = fs::metadata(folder).map(|folder| std::os::unix::fs::MetadataExt::uid(&folder)).expect("there");
    // Root may write everywhere.
    let as_nobody = if user == 0 { "setpriv --reuid=65534 --clear-groups " } else { "" };
    let script = format!(
        "chmod 755 . && cp \"$0\" program && chmod -R a+rX . && chmod -R a-w whole || exit 77\n\
         {as_nobody}./program stats --store whole --json"
    );
    let output = shell(folder, &script);
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = reason.contains("see who may read and write there");
    let read = shell(folder, &format!("{as_nobody}./program stats --store whole --json --read-only"));
    let made = shell(folder, &format!("{as_nobody}./program replay logs --store other"));
    shell(folder, "chmod -R u+w .");
    if output.status.code() != Some(1) || !as_nobody.is_empty() && reason.contains("setpriv") {
        println!("SKIPPED: nothing can be run here without the right to write: {reason}");
        return;
    }
    assert!(refused, "{reason}");
    let read: Value =
        serde_json::from_slice(&read.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&read.stderr)));
    assert_eq!(read["digest"], digest);
    if user == 0 {
        let reason = assert_told(&made, "a store in a folder of another");
        assert!(made.status.code() == Some(1) && reason.contains("see who may read and write there"), "{reason}");
    }
}
