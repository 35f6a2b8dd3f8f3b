//! A run that waits for something to read (an idle pipe, one without a writer) ends by Ctrl-C or a request to terminate, at a commit.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::cli_history::{object, ok, text};
use crate::harness::{Packing, append};
use crate::place::binary;

/// Bytes that a pipe holds: what was written beyond them was read.
const PIPE_BYTES: usize = 64 << 10;

/// Lines of an event each, four times as many as a pipe holds, and half a line.
fn lines() -> (String, usize) {
    let line = |number: usize| {
        format!(r#"{{"timestamp":{},"user":{{"identities":{{"sessionId":"session {number:06}"}}}}}}"#, number + 1)
            + "\n"
    };
    let count = 4 * PIPE_BYTES / line(0).len();
    ((0..count).map(line).collect::<String>() + r#"{"timestamp":1,"user":{"iden"#, count)
}

fn spawned(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Waits until a process listens to a signal of its own accord: before, the signal would end it at once.
fn listens(child: &mut Child) {
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask").trim();
        // The bit of SIGTERM, which is set after that of SIGINT.
        if u64::from_str_radix(caught, 16).expect("a mask") & 1 << 14 != 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a process has nothing to do: all of its threads sleep, at one look after the other.
fn rests(child: &Child) {
    const LOOKS: usize = 20;
    let mut asleep = 0;
    while asleep < LOOKS {
        std::thread::sleep(Duration::from_millis(10));
        let threads = fs::read_dir(format!("/proc/{}/task", child.id())).expect("it runs");
        let mut stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        // What stands behind the name is the state.
        let sleeps = |stat: String| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'));
        asleep = if stats.all(sleeps) { asleep + 1 } else { 0 };
    }
}

/// Sends a signal; how the process ended, and what it told. One that goes on waiting would hang the test here.
fn ended_by(child: Child, signal: &str) -> (Option<i32>, String, String) {
    // So that what is in the pipe is read before.
    rests(&child);
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
    let mut child = child;
    // Its end of the pipe stays open: the run must not end for want of a writer.
    let open = child.stdin.take();
    let output = child.wait_with_output().expect("it ends");
    drop(open);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn an_idle_standard_input_does_not_keep_a_run() {
    let (log, count) = lines();
    let sure = count * 3 / 4 - 1;
    for (number, (arguments, packed)) in [
        (&["replay", "-", "--json"][..], false),
        (&["replay", "-", "--json", "--source", "feed"], false),
        (&["replay", "-", "--json"], true),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let bytes = match packed {
            false => log.clone().into_bytes(),
            true => {
                // Two members: what the second breaks off in is not needed to read the first.
                append(&folder.join("whole.gz"), &log, Packing::Gzip);
                fs::read(folder.join("whole.gz")).expect("there")
            }
        };
        let mut child = spawned(folder, arguments);
        listens(&mut child);
        child.stdin.as_mut().expect("a pipe").write_all(&bytes).expect("it reads");
        let (code, told, reason) = ended_by(child, if number % 2 == 0 { "-INT" } else { "-TERM" });
        assert_eq!(code, Some(1), "{arguments:?}: {reason}");
        assert!(reason.contains("stopped at a commit"), "{arguments:?}: {reason}");
        let told = object(&told);
        let accepted = told["events"]["accepted"].as_u64().expect("a number") as usize;
        assert!((sure..=count).contains(&accepted), "{arguments:?}: {accepted} of {count} are committed");
        assert_eq!((&told["events"]["rejected"], &told["stopped"]), (&0.into(), &true.into()), "{arguments:?}");
        assert_eq!(object(&ok(folder, "stats --json"))["events"], accepted, "{arguments:?}");
        assert_eq!(told["failed"], serde_json::json!([]), "{arguments:?}");
    }
}

#[test]
fn a_pipe_without_a_writer_does_not_keep_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let made = Command::new("mkfifo").arg(folder.join("pipe")).status().expect("mkfifo is there");
    assert!(made.success());
    fs::write(folder.join("log"), lines().0).expect("written");
    ok(folder, "replay log --quiet");
    for arguments in [&["replay", "pipe"][..], &["replay", "log", "pipe", "--force"], &["attribute", "pipe", "--quiet"]]
    {
        for writes in [false, true] {
            let mut child = spawned(folder, arguments);
            listens(&mut child);
            // Opened to read and write, it waits for no one.
            let mut pipe =
                writes.then(|| OpenOptions::new().read(true).write(true).open(folder.join("pipe")).expect("a pipe"));
            if let Some(pipe) = &mut pipe {
                pipe.write_all(b"{\"timestamp\":1").expect("it holds that");
            }
            let (code, _, reason) = ended_by(child, "-INT");
            assert_eq!(code, Some(1), "{arguments:?} {writes}: {reason}");
            assert!(reason.contains("stopped"), "{arguments:?} {writes}: {reason}");
        }
    }
    // Nothing is different where a writer comes.
    let child = spawned(folder, &["replay", "pipe", "--json", "--store", "other.store"]);
    fs::write(folder.join("pipe"), lines().0 + "\n").expect("somebody reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(object(&text(&output.stdout))["events"]["accepted"], lines().1);
}

/// A copy has all that the store tells, so it must not outlive the command; that its rows are not read makes it wait.
#[test]
fn a_copy_that_is_read_goes_with_a_command_that_a_signal_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("log"), lines().0).expect("written");
    ok(folder, "replay log --quiet");
    for signal in ["-INT", "-TERM", "-HUP"] {
        let copies = tempfile::tempdir().expect("a folder");
        let there = || fs::read_dir(copies.path()).expect("there").count();
        let mut command = Command::new(binary());
        command.args(["sessions", "--read-only"]).current_dir(folder).env("TMPDIR", copies.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        listens(&mut child);
        // The first rows, by when it has read the copy.
        child.stdout.as_mut().expect("a pipe").read_exact(&mut [0; 10]).expect("it tells");
        assert_eq!(there(), 1, "{signal}");
        let (code, _, reason) = ended_by(child, signal);
        assert_eq!((code, reason.as_str(), there()), (Some(1), "", 0), "{signal}");
    }
}
