//! Three processes follow the feed of a store that others write to. They are killed at random, and go on from the position they kept: what
//! each of them has in the end is the feed, without a gap or a repeat, or the table that the feed makes.
//!
//! `BACKSTITCH_COMMITS` commits are made, or a few.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use backstitch::{Engine, ErrorKind};

use crate::cli_history::{command, object, ok, text};
use crate::harness::{Chance, asked};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// How long a process lives at most before it is killed: a look at the store, and more; and a fraction of what all commits take.
const LIFE_MILLIS: usize = 400;

/// A consumer of the feed: the records it kept, and the position of the last of them.
struct Consumer<'a> {
    folder: &'a Path,
    manner: &'a str,
    kept: Vec<String>,
    position: String,
    kills: u32,
}

impl Consumer<'_> {
    fn keep(&mut self, line: String) {
        self.position = object(&line)["position"].as_str().expect("a text").to_owned();
        self.kept.push(line);
    }

    fn follow(&self) -> (Child, Receiver<String>) {
        let arguments: Vec<&str> = self.manner.split(' ').chain(["--since", &self.position]).collect();
        let mut child = command(self.folder, &arguments)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.reason()).expect("writable"))
            .spawn()
            .expect("the binary runs");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            // What broke off within a line never came.
            while out.read_line(&mut line).is_ok() && line.ends_with('\n') && send.send(line.clone()).is_ok() {
                line.clear();
            }
        });
        (child, lines)
    }

    /// Where a follower says what went wrong.
    fn reason(&self) -> PathBuf {
        self.folder.join(self.manner.replace(' ', ""))
    }

    /// Follows, is killed and goes on while `writing`, then until it has `all` records.
    fn consume(&mut self, mut chance: Chance, writing: &AtomicBool, all: &dyn Fn() -> usize) {
        loop {
            let (mut child, lines) = self.follow();
            let death = Instant::now() + Duration::from_millis(chance.below(LIFE_MILLIS) as u64);
            let mut end = None;
            loop {
                if !writing.load(Ordering::Acquire) {
                    let end = *end.get_or_insert_with(|| Instant::now() + LONG);
                    if self.kept.len() >= all() {
                        break;
                    }
                    assert!(Instant::now() < end, "{} waits at {} for ever", self.manner, self.position);
                } else if Instant::now() > death {
                    break;
                }
                match lines.recv_timeout(Duration::from_millis(20)) {
                    Ok(line) => self.keep(line),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => {
                        let reason = fs::read_to_string(self.reason()).expect("readable");
                        panic!("{} ended at {} by itself: {reason}", self.manner, self.position);
                    }
                }
            }
            child.kill().expect("a child");
            child.wait().expect("a child");
            if end.is_some() {
                return;
            }
            self.kills += 1;
            // What was still on its way is kept, or is not and comes again.
            if chance.below(2) == 0 {
                lines.iter().for_each(|line| self.keep(line));
            }
        }
    }
}

/// Brings a table up to date again and again, and is killed; gives how often.
fn apply_on(folder: &Path, mut chance: Chance, writing: &AtomicBool) -> u32 {
    let mut kills = 0;
    while writing.load(Ordering::Acquire) {
        let mut command = command(folder, &["changes", "--apply", "people.ndjson", "--quiet"]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        thread::sleep(Duration::from_millis(chance.below(60) as u64));
        let ended = child.try_wait().expect("a child");
        child.kill().expect("a child");
        let output = child.wait_with_output().expect("a child");
        match ended {
            None => kills += 1,
            Some(status) => {
                let reason = text(&output.stderr);
                assert!(status.success() || reason.contains("in use"), "{reason}");
            }
        }
        thread::sleep(Duration::from_millis(chance.below(200) as u64));
    }
    kills
}

/// Runs a command that writes: again, where three others have the store open by turns for longer than it waits.
fn commit(folder: &Path, arguments: &str) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let end = Instant::now() + LONG;
    loop {
        let output = command(folder, &arguments).output().expect("the binary runs");
        let reason = text(&output.stderr);
        match output.status.success() {
            true => return,
            false => assert!(reason.contains("in use") && Instant::now() < end, "{arguments:?}: {reason}"),
        }
    }
}

fn write(folder: &Path, commits: u64, chance: &mut Chance) {
    let mut is_read = true;
    for at in 0..commits {
        let (session, customer) = (chance.below(9), chance.below(4));
        match chance.below(6) {
            0 => commit(folder, &format!("unlink s{session} c{customer} --anyway --quiet")),
            1 => commit(folder, &format!("unlink s{session} c{customer} --revert --quiet")),
            2 if is_read => {
                commit(folder, "retract --source log.ndjson --quiet");
                is_read = false;
            }
            _ => {
                let line = |session: usize| {
                    format!(
                        "{{\"timestamp\":{at}.{session},\"user\":{{\"identities\":{{\"sessionId\":\"s{session}\",\"ecommerceId\":\"c{customer}\"}}}}}}\n"
                    )
                };
                fs::write(folder.join("log.ndjson"), line(session) + &line(at as usize)).expect("written");
                commit(folder, "replay log.ndjson --force --quiet");
                is_read = true;
            }
        }
        thread::sleep(Duration::from_millis(chance.below(40) as u64));
    }
}

#[test]
fn followers_that_are_killed_have_the_feed_without_gap_or_repeat() {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let seed = asked("BACKSTITCH_SEED").unwrap_or_else(now);
    let commits = asked("BACKSTITCH_COMMITS").unwrap_or(20);
    let mut chance = Chance(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("log.ndjson"), "{\"timestamp\":1,\"user\":{\"identities\":{\"sessionId\":\"first\"}}}\n")
        .expect("written");
    ok(folder, "replay log.ndjson --quiet");
    let writing = AtomicBool::new(true);
    let feed = OnceLock::new();
    let (consumers, applied) = thread::scope(|threads| {
        let consumers = ["changes --follow --quiet", "changes --follow --quiet --read-only"].map(|manner| {
            let (chance, writing, feed) = (Chance(chance.next()), &writing, &feed);
            threads.spawn(move || {
                let mut own = Consumer { folder, manner, kept: Vec::new(), position: "0".to_owned(), kills: 0 };
                own.consume(chance, writing, &|| feed.get().map_or(usize::MAX, Vec::len));
                own
            })
        });
        let (mut of_table, writing_now) = (Chance(chance.next()), &writing);
        let applied = threads.spawn(move || apply_on(folder, Chance(of_table.next()), writing_now));
        let wrote = panic::catch_unwind(AssertUnwindSafe(|| write(folder, commits, &mut chance)));
        // The last commit is followed by no other that would wake a follower: it must see this one.
        writing.store(false, Ordering::Release);
        if let Err(why) = wrote {
            feed.set(Vec::new()).expect("set once"); // nobody waits
            panic::resume_unwind(why);
        }
        let applied = applied.join().expect("no panic");
        let lines = ok(folder, "changes").lines().map(|line| format!("{line}\n")).collect::<Vec<String>>();
        feed.set(lines).expect("set once");
        (consumers.map(|consumer| consumer.join().expect("no panic")), applied)
    });
    let feed = feed.into_inner().expect("set");
    for consumer in &consumers {
        assert!(consumer.kept == feed, "seed {seed}: {} has another feed", consumer.manner);
    }
    ok(folder, "changes --apply people.ndjson --quiet");
    let table = fs::read_to_string(folder.join("people.ndjson")).expect("a table");
    assert_eq!(table, ok(folder, "sessions --json"), "seed {seed}");
    ok(folder, "verify --quiet");
    let kills = consumers.each_ref().map(|consumer| consumer.kills);
    assert!(kills.iter().sum::<u32>() > 0, "seed {seed}: none was killed");
    let told =
        format!("followed: {} records of {commits} commits; killed {kills:?} followers, {applied} tables", feed.len());
    writeln!(std::io::stderr(), "{told}").expect("a standard error");
}

/// Copies to be read were torn by others that wrote all the while, and a sound store was called damaged beyond repair.
#[test]
fn a_copy_torn_by_others_that_write_is_of_a_store_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("log.ndjson"), "{\"timestamp\":1,\"user\":{\"identities\":{\"sessionId\":\"first\"}}}\n")
        .expect("written");
    ok(folder, "replay log.ndjson --quiet");
    let store = folder.join("backstitch.store");
    // No copy of this one is whole.
    let database = fs::File::options().write(true).open(store.join("db")).expect("a database");
    database.set_len(64).expect("writable");
    let refused = || Engine::options().existing_only().read_only().open(&store).err().map(|error| error.kind());
    let alone = refused().expect("it is damaged");
    assert_ne!(alone, ErrorKind::InUse);
    let writing = AtomicBool::new(true);
    let beside = thread::scope(|threads| {
        threads.spawn(|| {
            while writing.load(Ordering::Acquire) {
                database.set_modified(SystemTime::now()).expect("the time is set");
                thread::sleep(Duration::from_millis(10));
            }
        });
        let beside = refused();
        writing.store(false, Ordering::Release);
        beside
    });
    assert_eq!(beside, Some(ErrorKind::InUse));
}
