//! Processes that die: killed at random moments, or stopped by Ctrl-C, and run again to the end.
//!
//! After each death the store must hold exactly the lines that its positions say it has read, as the oracle judges them:
//! a commit carries facts and position together or not at all. What this cannot show is a loss of power: the
//! operating system lives on and keeps what was written but never synced.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backstitch::{Engine, Source};

use crate::harness::{Manner, Packing, append, asked, in_memory, replay, replayed, text, totals};
use crate::oracle::{Rules, judge};
use crate::place::{binary, file};

/// Where the child finds the store and the log.
const STORE: &str = "BACKSTITCH_CRASH_STORE";
const LOG: &str = "BACKSTITCH_CRASH_LOG";
/// A log of about 12,000 events in files of 150 lines, a commit each (a batch holds at least a chunk, and a file is at least
/// one): the child can be killed between any two of the steps of some 80 commits.
const SESSIONS: &str = "1000";
const LINES_A_FILE: usize = 150;

fn generated(folder: &Path, sessions: &str) -> PathBuf {
    let log = folder.join("generated.ndjson");
    let status = Command::new(binary())
        .args(["generate", "--seed", "7", "--sessions", sessions])
        .stdout(File::create(&log).expect("writable"))
        .status();
    assert!(status.expect("the binary runs").success());
    log
}

/// The digest of a run that nobody disturbs.
fn undisturbed(log: &Path) -> String {
    let mut engine = in_memory(&Rules::default());
    replay(&mut engine, &[log.to_owned()], Manner::default());
    totals(&engine).1
}

fn random(below: u64) -> u64 {
    RandomState::new().build_hasher().finish() % below.max(1)
}

/// What the child does: it replays a log, a commit a file. By itself, as a test, that is the bundled one.
#[test]
fn a_replay_in_small_batches() {
    let given = std::env::var_os(STORE).zip(std::env::var_os(LOG));
    let folder = tempfile::tempdir().expect("a folder");
    let bundled = || (folder.path().join("store").into(), file("fixtures/journeys.ndjson").into());
    let (store, log) = given.unwrap_or_else(bundled);
    let mut engine = Engine::open(Path::new(&store)).expect("a sound store");
    let summary = replay(&mut engine, &[PathBuf::from(log)], Manner { batch_events: 1, ..Manner::default() });
    let stored: u64 = totals(&engine).0[..4].iter().sum();
    assert!(stored >= summary.events.accepted && stored > 0);
}

/// A process that replays `log` into `store`.
fn child(store: &Path, log: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "crash::a_replay_in_small_batches"])
        .envs([(STORE, store), (LOG, log)])
        .stdout(Stdio::null())
        .spawn()
        .expect("this test runs again")
}

/// A log in many files, and its lines by the name of the file.
fn split(log: &Path, folder: &Path) -> BTreeMap<String, Vec<String>> {
    fs::create_dir(folder).expect("a new folder");
    let log = fs::read_to_string(log).expect("readable");
    let lines: Vec<String> = log.lines().map(str::to_owned).collect();
    let files = lines.chunks(LINES_A_FILE).enumerate().map(|(at, lines)| {
        let file = folder.join(format!("{at:04}.ndjson"));
        append(&file, &text(lines), Packing::Plain);
        (file.canonicalize().expect("it is there").to_str().expect("UTF-8").to_owned(), lines.to_vec())
    });
    files.collect()
}

/// What the store holds is what its positions say it has read; tells how many lines of each file.
fn assert_whole(store: &Path, files: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, usize> {
    if !store.exists() {
        return BTreeMap::new(); // killed before it did anything
    }
    let engine = Engine::open(store).expect("a store that a kill left sound");
    let view = engine.resolver().view();
    let position = |source: &Source| source.position.as_ref().map_or(0, |position| position.lines);
    let read: BTreeMap<String, usize> =
        view.sources().iter().map(|source| (source.name.clone(), position(source) as usize)).collect();
    let lines: Vec<_> = read.iter().map(|(name, read)| (name.clone(), files[name][..*read].to_vec())).collect();
    let verdict = judge(&Rules::default(), &lines);
    assert_eq!(totals(&engine).1, verdict.digest, "the positions say {read:?}");
    let second = engine.verify().expect("a readable store");
    assert!(second.is_sound(), "{:?} {:?}", second.damaged, second.differences);
    read
}

#[test]
fn killed_again_and_again() {
    let kills = asked("BACKSTITCH_KILLS").map_or(5, |kills| kills as u32);
    let folder = tempfile::tempdir().expect("a folder");
    let (log, store) = (folder.path().join("logs"), folder.path().join("store"));
    let whole = generated(folder.path(), SESSIONS);
    let files = split(&whole, &log);
    let total: usize = files.values().map(Vec::len).sum();
    let start = Instant::now();
    assert!(child(&folder.path().join("undisturbed"), &log).wait().expect("it ran").success());
    let span = u64::try_from(start.elapsed().as_micros()).expect("seconds");

    let (mut inside, mut before, mut through) = (0, 0, 0);
    let mut reached = BTreeMap::new();
    while inside < kills {
        assert!(before + through < kills * 20, "kills miss: {before} too early, {through} too late");
        let mut victim = child(&store, &log);
        // Each gets a share of the way, so that the next still has some to go.
        std::thread::sleep(Duration::from_micros(random(span * 2 / u64::from(kills) + span / 10)));
        let ended = victim.try_wait().expect("a child").is_some();
        victim.kill().expect("a child");
        victim.wait().expect("a child");
        let read = assert_whole(&store, &files);
        let lost = reached.iter().find(|&(name, lines)| read.get(name).is_none_or(|read| read < lines));
        assert_eq!(lost, None, "nothing committed is lost");
        let lines: usize = read.values().sum();
        let (is_through, moved) = (ended || lines == total, read != reached);
        reached = read;
        if is_through {
            through += 1;
            fs::remove_dir_all(&store).expect("removable"); // on to another store
            reached.clear();
        } else if moved {
            inside += 1;
        } else {
            before += 1; // it died while it opened the store, or in its first commit
        }
    }
    let lines: usize = reached.values().sum();
    eprintln!(
        "{inside} kills between commits, {before} before the first, {through} too late; {lines} lines of {total}"
    );
    assert!(child(&store, &log).wait().expect("it ran").success());
    assert_eq!(assert_whole(&store, &files).values().sum::<usize>(), total);
    let engine = Engine::open(&store).expect("a sound store");
    assert_eq!(totals(&engine).1, undisturbed(&whole));
}

/// The events of a log in one array over many lines, a commit a chunk: the position of each lies within the array.
#[test]
fn killed_within_an_array() {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, store) = (folder.path().join("array.json"), folder.path().join("store"));
    let whole = generated(folder.path(), "4000");
    let lines = fs::read_to_string(&whole).expect("readable");
    let lines: Vec<&str> = lines.lines().collect();
    fs::write(&log, format!("[\n{}\n]\n", lines.join(",\n"))).expect("written");
    let start = Instant::now();
    assert!(child(&folder.path().join("undisturbed"), &log).wait().expect("it ran").success());
    let span = u64::try_from(start.elapsed().as_micros()).expect("seconds");
    let mut reached = BTreeSet::new();
    for _ in 0..40 {
        let mut victim = child(&store, &log);
        std::thread::sleep(Duration::from_micros(random(span)));
        victim.kill().expect("a child");
        victim.wait().expect("a child");
        if !store.exists() {
            continue; // killed before it did anything
        }
        let engine = Engine::open(&store).expect("a store that a kill left sound");
        let position = engine.resolver().view().sources().first().and_then(|source| source.position.clone());
        let read = position.map_or(0, |position| position.events as usize);
        let held = replayed(&Rules::default(), &text(&lines[..read]));
        assert_eq!(totals(&engine), totals(&held), "the position says {read} events");
        drop(engine);
        if read == lines.len() {
            fs::remove_dir_all(&store).expect("removable"); // on to another store
        } else {
            reached.insert(read);
        }
        if reached.len() > 3 {
            break;
        }
    }
    assert!(reached.iter().any(|&read| read > 0), "none was killed within the array: {reached:?}");
    assert!(child(&store, &log).wait().expect("it ran").success());
    let engine = Engine::open(&store).expect("a sound store");
    assert_eq!(totals(&engine).1, undisturbed(&whole));
    let events = engine.resolver().view().sources()[0].position.as_ref().map(|position| position.events);
    assert_eq!(events, Some(lines.len() as u64), "each was read once");
}

#[test]
fn stopped_by_ctrl_c_it_says_so_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = generated(folder.path(), "20000");
    let (store, name) = (folder.path().join("store"), log.to_str().expect("UTF-8").to_owned());
    let command = || {
        let mut command = Command::new(binary());
        command.args(["replay", &name, "--threads", "1", "--json", "--store"]).arg(&store);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut stopped = None;
    for _ in 0..20 {
        let _ = fs::remove_dir_all(&store);
        let run = command().spawn().expect("the binary runs");
        while !store.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(random(100_000)));
        let sent = Command::new("kill").args(["-INT", &run.id().to_string()]).status().expect("kill is there");
        let output = run.wait_with_output().expect("it ends");
        match output.status.code() {
            // It was through before, or had not begun: until it listens, Ctrl-C ends it at once.
            Some(0) | None => {}
            _ => {
                stopped = Some(output);
                break;
            }
        }
        assert!(sent.success() || output.status.success());
    }
    let stopped = stopped.expect("one of twenty was caught at work");
    let reason = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert_eq!(stopped.status.code(), Some(1), "it ends by itself, not by the signal: {reason}");
    assert!(reason.contains("goes on"), "it says that the same command goes on: {reason}");
    let again = command().output().expect("the binary runs");
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&again.stdout).expect("one object");
    assert_eq!(summary["digest"], undisturbed(&log));
}

/// Memory that runs out ends a process at once, wherever it is. The limits come ever closer to the least that the whole replay needs, so
/// that the process dies ever later; what it leaves is as sound as after a kill, and the next one goes on from there.
#[cfg(target_os = "linux")]
#[test]
fn without_memory_it_dies_and_leaves_a_sound_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, store) = (folder.path().join("logs"), folder.path().join("store"));
    let whole = generated(folder.path(), "300");
    let files = split(&whole, &log);
    let total: usize = files.values().map(Vec::len).sum();
    let replay = |kilobytes: u64| {
        let script =
            format!(r#"ulimit -v {kilobytes}; exec "$0" replay "$1" --batch-events 1 --threads 2 --store "$2""#);
        let mut command = Command::new("sh");
        command.args(["-c", &script, binary()]).args([&log, &store]).stdout(Stdio::null()).stderr(Stdio::null());
        // So that memory runs out, and not the addresses that the allocator reserves for each thread.
        command.envs([("MALLOC_ARENA_MAX", "1"), ("RAYON_NUM_THREADS", "2"), ("RUST_BACKTRACE", "0")]);
        let mut child = command.spawn().expect("a shell");
        let start = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if start.elapsed() > Duration::from_secs(60) {
                child.kill().expect("a child");
                panic!("with {kilobytes} KB it neither dies nor goes on");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        child.wait().expect("a child").success()
    };
    let (mut too_little, mut enough, mut inside) = (10_000, 4_000_000, 0);
    while enough - too_little > 100 {
        let middle = if enough > 1_000_000 { too_little * 2 } else { (too_little + enough) / 2 };
        let _ = fs::remove_dir_all(&store);
        if replay(middle) {
            enough = middle;
        } else {
            too_little = middle;
            let read: usize = assert_whole(&store, &files).values().sum();
            inside += usize::from(read > 0 && read < total);
        }
    }
    eprintln!("{inside} deaths between commits; {enough} KB are enough");
    let _ = fs::remove_dir_all(&store);
    replay(too_little);
    assert!(replay(4_000_000), "it goes on from where it died");
    assert_eq!(assert_whole(&store, &files).values().sum::<usize>(), total);
    assert_eq!(totals(&Engine::open(&store).expect("a sound store")).1, undisturbed(&whole));
}
