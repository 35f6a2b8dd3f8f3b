//! The feed followed while others write, and a taking back that is killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant, SystemTime};

use crate::cli_history::{Table, command, export, export_of, last, object, ok, ok_of, workplace};
use crate::harness::copy_folder;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A feed that is being followed.
struct Follower {
    child: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Follower {
    fn of(folder: &Path, since: u64) -> Self {
        let mut command = command(folder, &["changes", "--follow", "--since", &since.to_string()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let (send, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines, seen: String::new() }
    }

    /// Waits until it has come as far as `feed`.
    fn reaches(&mut self, feed: &str) {
        while self.seen.len() < feed.len() {
            let line = self.lines.recv_timeout(LONG).expect("a line");
            self.seen += &format!("{line}\n");
        }
        assert_eq!(self.seen, feed);
    }

    fn interrupt(mut self) -> (Option<i32>, String) {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("kill is there");
        assert_eq!(self.lines.recv_timeout(LONG).ok(), None, "nothing comes twice");
        ended(&mut self.child)
    }
}

/// The exit code and standard error of a process that must end.
fn ended(child: &mut Child) -> (Option<i32>, String) {
    let start = Instant::now();
    while start.elapsed() < LONG {
        if let Some(status) = child.try_wait().expect("a child") {
            let mut reason = String::new();
            child.stderr.take().expect("a pipe").read_to_string(&mut reason).expect("UTF-8");
            return (status.code(), reason);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("a child");
    panic!("it does not end");
}

#[test]
fn a_follower_sees_each_record_once_and_blocks_no_one() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson --quiet");
    let before = ok(folder, "changes");
    let mut follower = Follower::of(folder, 0);
    follower.reaches(&before);
    let mut late = Follower::of(folder, last(folder));
    for step in ["replay two.ndjson --quiet", "unlink tablet clara", "retract --source one.ndjson"] {
        ok(folder, step);
    }
    for at in 0..8 {
        let line = format!("{{\"timestamp\":{at},\"user\":{{\"identities\":{{\"sessionId\":\"more {at}\"}}}}}}\n");
        fs::write(folder.join("more.ndjson"), line).expect("written");
        ok(folder, "replay more.ndjson --quiet --force");
    }
    let feed = ok(folder, "changes");
    follower.reaches(&feed);
    late.reaches(&feed[before.len()..]);
    for follower in [follower, late] {
        let (code, reason) = follower.interrupt();
        let last = feed.lines().count();
        assert_eq!(code, Some(0), "{reason}");
        let position = object(feed.lines().last().expect("a record"))["position"].clone();
        let position = position.as_str().expect("a text");
        assert!(position.ends_with(&format!(":{last}")));
        assert!(reason.contains(&format!("the last change was {position}: go on with --since {position}")), "{reason}");
        assert_eq!(ok(folder, &format!("changes --since {position}")), "");
    }
    ok(folder, "verify");
}

/// When each file of the store was written to.
fn times(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let files =
        fs::read_dir(folder.join("backstitch.store")).expect("readable").map(|file| file.expect("readable").path());
    let files = files.filter(|path| path.is_file());
    files.map(|path| (path.clone(), fs::metadata(path).and_then(|file| file.modified()).expect("a time"))).collect()
}

/// Followers told a commit by the times of files: then one in the same tick of the clock as the opening of a follower was not seen, nor one
/// that was made between the end of that opening and the look at the times, and two followers woke each other for ever.
#[test]
fn a_commit_that_the_times_of_files_do_not_tell_is_followed() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson --quiet");
    let mut followers = [0, 0].map(|since| Follower::of(folder, since));
    let feed = ok(folder, "changes");
    for follower in &mut followers {
        follower.reaches(&feed);
    }
    // Until nobody opens the store any more, for some looks of the followers: each other's would wake them for ever.
    let mut before = times(folder);
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < LONG, "followers open a store in which nothing happens, again and again");
        std::thread::sleep(Duration::from_millis(1_200));
        let now = times(folder);
        if now == before {
            break;
        }
        before = now;
    }
    let latest = before.values().max().expect("some files");
    ok(folder, "replay two.ndjson --quiet");
    for path in times(folder).keys() {
        let file = fs::File::options().write(true).open(path).expect("writable");
        file.set_modified(*before.get(path).unwrap_or(latest)).expect("the time is set");
    }
    // An opening changes the times, so it is a copy that is asked for the feed.
    let feed = ok(folder, "changes --read-only");
    for mut follower in followers {
        follower.reaches(&feed);
        follower.interrupt();
    }
}

#[test]
fn a_follower_whose_reader_left_ends_quietly() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson --quiet");
    let mut command = command(folder, &["changes", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert_eq!(object(&line)["sequence"], 1);
    ok(folder, "replay two.ndjson --quiet");
    assert_eq!(ended(&mut child), (Some(0), String::new()));
}

/// Moments of an act at which it is killed.
const KILLS: u32 = 6;

#[test]
fn killed_while_it_takes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for seed in ["1", "2"] {
        ok(folder, &format!("generate --sessions 400 --seed {seed} --output {seed}.ndjson"));
        ok(folder, &format!("replay {seed}.ndjson --quiet"));
    }
    let (before, since) = (export(folder), last(folder));
    let mine = before.lines().map(object).find(|row| row["since"].is_string()).expect("a customer's session");
    let [session, customer] = ["session", "person"].map(|name| mine[name].as_str().expect("a text"));
    for act in [&["retract", "--source", "2.ndjson"][..], &["unlink", session, customer]] {
        let on_copy = |name: &'static str| {
            let _ = fs::remove_dir_all(folder.join(name));
            copy_folder(&folder.join("backstitch.store"), &folder.join(name));
            [act, &["--store", name]].concat()
        };
        let whole = on_copy("whole");
        let start = Instant::now();
        ok_of(folder, &whole);
        let span = start.elapsed();
        let after = export_of(folder, "whole");
        assert_ne!(before, after);
        let mut undone = 0;
        for part in 1..=KILLS {
            let doomed = on_copy("killed");
            let mut victim = command(folder, &doomed).stdout(Stdio::null()).spawn().expect("the binary runs");
            std::thread::sleep(span * part / KILLS);
            victim.kill().expect("a child");
            victim.wait().expect("a child");
            ok(folder, "verify --quiet --store killed");
            let left = export_of(folder, "killed");
            assert!(left == after || left == before, "{act:?}, {part} of {KILLS}: half of it is there");
            let mut table = Table::of(&before, since);
            table.apply(&ok(folder, &format!("changes --since {since} --store killed")));
            assert_eq!(table.export(), left, "{act:?}, {part} of {KILLS}");
            if left == before {
                undone += 1;
                ok_of(folder, &doomed);
                assert_eq!(export_of(folder, "killed"), after);
            }
        }
        assert!(undone > 0, "{act:?}: no kill came soon enough");
    }
}
