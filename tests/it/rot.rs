//! Files of a store that rot: bits flip, pages are zeroed, ends are cut or grow, files change places. The answer is right, or there is a
//! clear error; it is never that of another state, a panic, or silence. What a repair keeps is completed by the logs.
//!
//! `BACKSTITCH_CASES` stores are changed, or a few; `BACKSTITCH_SEED` repeats what a failure names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::harness::{Chance, asked, copy_folder};
use crate::place::binary;

/// How long a command may take: hundreds of times what it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command said.
struct Told {
    code: Option<i32>,
    out: String,
    reason: String,
}

fn told(folder: &Path, arguments: &[&str]) -> Told {
    let files = ["out", "reason"].map(|name| folder.join(name));
    let [out, reason] = files.each_ref().map(|file| fs::File::create(file).expect("writable"));
    let mut child = Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(reason)
        .spawn()
        .expect("the binary runs");
    let end = Instant::now() + PATIENCE;
    let code = loop {
        match child.try_wait().expect("it can be waited for") {
            Some(status) => break status.code(),
            None if Instant::now() > end => {
                child.kill().expect("it can be killed");
                panic!("{arguments:?} does not end");
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let [out, reason] = files.map(|file| String::from_utf8_lossy(&fs::read(file).expect("readable")).into_owned());
    Told { code, out, reason }
}

fn digest(told: &Told) -> Value {
    serde_json::from_str::<Value>(&told.out).map_or(Value::Null, |stats| stats["digest"].clone())
}

/// Three logs of about a thousand events each.
fn logs(folder: &Path) {
    fs::create_dir(folder.join("logs")).expect("made");
    for file in 0..3 {
        let seed = format!("{}", file + 1);
        let log = told(folder, &["generate", "--sessions", "90", "--seed", &seed]);
        fs::write(folder.join("logs").join(format!("{file}.ndjson")), log.out).expect("written");
    }
}

/// Stores that lived in different ways: one commit, several, several openings (which write snapshots), taken back.
fn stores(folder: &Path) -> Vec<(PathBuf, Value)> {
    let lives: [&[&[&str]]; 4] = [
        &[&["replay", "logs"]],
        &[&["replay", "logs", "--batch-events", "300"]],
        &[&["replay", "logs/0.ndjson"], &["replay", "logs/1.ndjson"], &["stats"]],
        &[
            &["replay", "logs/0.ndjson", "logs/1.ndjson"],
            &["retract", "--source", "logs/1.ndjson"],
            &["replay", "logs/1.ndjson", "logs/2.ndjson"],
        ],
    ];
    let lived = lives.iter().enumerate().map(|(number, life)| {
        let name = format!("base{number}");
        for act in *life {
            let done = told(folder, &[act, &["--store", &name, "--quiet"][..]].concat());
            assert_eq!(done.code, Some(0), "{}", done.reason);
        }
        // A copy is asked: an opening of the store itself would write a snapshot.
        copy_folder(&folder.join(&name), &folder.join("asked"));
        let stats = told(folder, &["stats", "--store", "asked", "--json"]);
        fs::remove_dir_all(folder.join("asked")).expect("removed");
        (folder.join(name), digest(&stats))
    });
    lived.collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort_unstable();
    all
}

/// Changes a file of a store, and says how.
fn rot(store: &Path, other: &Path, chance: &mut Chance) -> String {
    let all = files(store);
    // Most of a store is its database.
    let at = match chance.below(3) {
        0 => chance.below(all.len()),
        _ => all.iter().position(|path| path.ends_with("db")).expect("a database"),
    };
    let (path, name) = (&all[at], all[at].strip_prefix(store).expect("inside").display());
    let mut bytes = fs::read(path).expect("readable");
    let place = chance.below(bytes.len());
    let what = match chance.below(8) {
        0..=2 if !bytes.is_empty() => {
            bytes[place] ^= 1 << chance.below(8);
            format!("a bit of byte {place}")
        }
        3 => {
            bytes.truncate(place);
            format!("cut at {place}")
        }
        4 => {
            let size = [16, 512, 4_096][chance.below(3)];
            let from = place - place % size;
            let end = (from + size).min(bytes.len());
            bytes[from..end].fill(0);
            format!("zeros from {from} to {end}")
        }
        5 => {
            let more = [1, 100, 5_000][chance.below(3)];
            bytes.extend((0..more).map(|_| chance.next() as u8));
            format!("{more} bytes more")
        }
        6 => {
            // The page of another place.
            let from = chance.below(bytes.len());
            let page: Vec<u8> = bytes[from..].iter().take(512).copied().collect();
            let end = (place + page.len()).min(bytes.len());
            bytes[place..end].copy_from_slice(&page[..end - place]);
            format!("bytes of {from} at {place}")
        }
        _ => {
            let theirs = other.join(path.strip_prefix(store).expect("inside"));
            bytes = fs::read(&theirs).unwrap_or_default();
            format!("that of {}", other.display())
        }
    };
    fs::write(path, bytes).expect("writable");
    format!("{name}: {what}")
}

/// A line of reason, for people: nothing of a panic, nothing of the inside.
fn assert_clear(told: &Told, what: &str) {
    assert!(!told.reason.contains("panicked") && !told.reason.contains("RUST_BACKTRACE"), "{what}: {}", told.reason);
    assert!(matches!(told.code, Some(0 | 1)), "{what}: {:?}: {}", told.code, told.reason);
    if told.code == Some(1) {
        assert!(told.reason.starts_with("backstitch: "), "{what}: {}", told.reason);
    }
}

#[test]
fn a_store_that_rots_answers_right_or_not_at_all() {
    let cases = asked("BACKSTITCH_CASES").unwrap_or(32);
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let seed = asked("BACKSTITCH_SEED").unwrap_or_else(now);
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logs(folder);
    let stores = stores(folder);
    let mut outcomes = BTreeMap::<String, u32>::new();
    for case in 0..cases {
        let mut chance = Chance(seed ^ case);
        let (base, digest_before) = &stores[chance.below(stores.len())];
        let other = &stores[chance.below(stores.len())].0;
        let store = folder.join("store");
        let _ = fs::remove_dir_all(&store);
        copy_folder(base, &store);
        let what = format!("seed {seed}, case {case}: {}", rot(&store, other, &mut chance));
        let stats = told(folder, &["stats", "--json", "--store", "store"]);
        assert_clear(&stats, &what);
        assert!(stats.code == Some(1) || digest(&stats) == *digest_before, "{what}: the answer of another state");
        let verified = told(folder, &["verify", "--store", "store"]);
        assert_clear(&verified, &what);
        let repaired = told(folder, &["verify", "--repair", "--accept-older", "--store", "store"]);
        assert_clear(&repaired, &what);
        if repaired.code == Some(0) {
            let again = told(folder, &["replay", "logs", "--store", "store", "--quiet"]);
            assert_eq!(again.code, Some(0), "{what}: {}", again.reason);
            let whole = told(folder, &["stats", "--json", "--store", "store"]);
            assert_eq!(digest(&whole), stores[0].1, "{what}: {}", whole.reason);
            let verified = told(folder, &["verify", "--store", "store"]);
            assert_eq!(verified.code, Some(0), "{what}: {}{}", verified.out, verified.reason);
        } else {
            assert!(repaired.reason.contains("replay the logs into a new store"), "{what}: {}", repaired.reason);
        }
        let word = |told: &Told| if told.code == Some(0) { "right" } else { "refused" };
        let repaired = if repaired.code == Some(0) { "repaired" } else { "beyond repair" };
        *outcomes.entry(format!("{}, verify {}, {repaired}", word(&stats), word(&verified))).or_default() += 1;
    }
    println!("{cases} stores rotted: {outcomes:?}");
}

/// The database gives up what lies behind a record that it cannot read, or all of a large log: a repair does not.
#[test]
fn a_bit_in_a_block_does_not_cost_a_store() {
    const BLOCK: &[u8] = b"bkst";
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let log = told(folder, &["generate", "--sessions", "10000"]);
    fs::write(folder.join("log"), log.out).expect("written");
    assert_eq!(told(folder, &["replay", "log", "--store", "base", "--quiet"]).code, Some(0));
    let bytes = fs::read(folder.join("base/db")).expect("readable");
    let blocks: Vec<usize> = memchr::memmem::find_iter(&bytes, BLOCK).collect();
    let large: Vec<usize> = blocks.windows(2).filter(|two| two[1] - two[0] > 4_000).map(|two| two[0] + 2_000).collect();
    assert!(large.len() > 100, "{}", large.len());
    let store = folder.join("store");
    for place in large.iter().step_by(large.len() / 8) {
        let _ = fs::remove_dir_all(&store);
        copy_folder(&folder.join("base"), &store);
        let mut damaged = bytes.clone();
        damaged[*place] ^= 4;
        fs::write(store.join("db"), damaged).expect("writable");
        let repaired = told(folder, &["verify", "--repair", "--accept-older", "--store", "store"]);
        assert_eq!(repaired.code, Some(0), "{place}: {}", repaired.reason);
    }
    assert_eq!(told(folder, &["replay", "log", "--store", "store", "--quiet"]).code, Some(0));
    let digests = ["base", "store"].map(|store| digest(&told(folder, &["stats", "--json", "--store", store])));
    assert_eq!(digests[0], digests[1]);
}
