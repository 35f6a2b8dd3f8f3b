//! Processes that are killed in whatever they do: replay, retract, unlink, trim, repair, copy, import, open. What was there before is
//! there, or what was to be; the same command goes on; and the feed keeps a table without a gap or a repeat.
//!
//! `BACKSTITCH_KILLS` processes are killed, or a few.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::harness::{Chance, asked, copy_folder, damage_block};
use crate::place::binary;

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments.split_whitespace()).current_dir(folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    command(folder, arguments).output().expect("the binary runs")
}

fn ok(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn stats(folder: &Path, store: &str) -> Value {
    serde_json::from_str(&ok(folder, &format!("stats --json --store {store}"))).expect("JSON")
}

/// Something that a process does to a store.
struct Act {
    name: &'static str,
    /// The store that it is done to.
    base: &'static str,
    arguments: &'static str,
    /// Whether that store is sound: then what a kill leaves is, too.
    is_sound: bool,
    /// Whether a kill may leave a part of it.
    has_parts: bool,
}

const ACTS: [Act; 11] = [
    act("replay", "one", "replay logs --batch-events 200 --quiet"),
    act("replay from nothing", "none", "replay logs --batch-events 200 --quiet"),
    act("retract", "all", "retract --source logs/1.ndjson --quiet"),
    act("unlink", "all", "unlink s7 c3 --anyway --quiet"),
    act("trim", "all", "changes --trim 40"),
    act("open", "all", "resolve s7 --quiet"),
    act("copy", "all", "backup STORE.copy --quiet"),
    act("import", "one", "import-facts facts --quiet"),
    broken("repair of events", "events", "verify --repair --quiet"),
    broken("repair of links", "links", "verify --repair --quiet"),
    broken("repair of identities", "identities", "verify --repair --quiet"),
];

const fn act(name: &'static str, base: &'static str, arguments: &'static str) -> Act {
    let has_parts = matches!(name.as_bytes(), [b'r', b'e', b'p', ..] | [b'i', ..]);
    Act { name, base, arguments, is_sound: true, has_parts }
}

const fn broken(name: &'static str, base: &'static str, arguments: &'static str) -> Act {
    Act { name, base, arguments, is_sound: false, has_parts: true }
}

/// Logs, the stores to begin from, and the facts of one.
fn prepare(folder: &Path) {
    fs::create_dir(folder.join("logs")).expect("made");
    for file in 0..4 {
        let lines = (0..400).map(|number| {
            let session = file / 2 * 60 + number % 120;
            let customer =
                if number % 3 == 0 { format!(r#","ecommerceId":"c{}""#, number % 50) } else { String::new() };
            let time = 1_793_527_200 + file * 1_000 + number;
            format!(r#"{{"timestamp":{time},"user":{{"identities":{{"sessionId":"s{session}"{customer}}}}}}}"#) + "\n"
        });
        fs::write(folder.join(format!("logs/{file}.ndjson")), lines.collect::<String>()).expect("written");
    }
    ok(folder, "replay logs/0.ndjson --store one --quiet");
    ok(folder, "replay logs/0.ndjson --store all --quiet");
    ok(folder, "replay logs --store all --quiet");
    ok(folder, "export-facts --store all --quiet --output facts");
    for kind in ["events", "links", "identities"] {
        copy_folder(&folder.join("all"), &folder.join(kind));
        damage_block(&folder.join(kind), kind);
    }
    for store in ["one", "all"] {
        ok(folder, &format!("changes --apply {store}.table --store {store} --quiet"));
    }
}

/// The table that was kept beside the store it began from, moved on by the feed, is the table of now.
fn assert_fed(folder: &Path, base: &str, what: &str) {
    for name in ["", ".sequence"] {
        fs::copy(folder.join(format!("{base}.table{name}")), folder.join(format!("table{name}"))).expect("copied");
    }
    ok(folder, "changes --apply table --store store --quiet");
    let table = fs::read_to_string(folder.join("table")).expect("there");
    assert_eq!(table, ok(folder, "sessions --json --store store"), "{what}: the feed gives the rows");
}

fn begin(folder: &Path, act: &Act) -> String {
    for name in ["store", "store.copy"] {
        let _ = fs::remove_dir_all(folder.join(name));
    }
    if act.base != "none" {
        copy_folder(&folder.join(act.base), &folder.join("store"));
    }
    act.arguments.replace("STORE", "store") + " --store store"
}

#[test]
fn whatever_is_killed_the_same_command_goes_on() {
    let kills = asked("BACKSTITCH_KILLS").unwrap_or(22);
    let now =
        || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| u64::from(now.subsec_nanos()));
    let mut chance = Chance(asked("BACKSTITCH_SEED").unwrap_or_else(now));
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    prepare(folder);
    let mut outcomes = BTreeMap::<&str, (u32, u32)>::new();
    for kill in 0..kills {
        let act = &ACTS[(kill % ACTS.len() as u64) as usize];
        // Undisturbed: how long it takes, and what it leaves.
        let arguments = begin(folder, act);
        let start = Instant::now();
        ok(folder, &arguments);
        let span = start.elapsed();
        let digest = |store: &str| stats(folder, store)["digest"].clone();
        let after = digest("store");
        let before = if act.is_sound && act.base != "none" { digest(act.base) } else { Value::Null };

        let arguments = begin(folder, act);
        let mut victim =
            command(folder, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        let part = chance.below(1_000) as u32;
        thread::sleep(Duration::from_micros(10) + span * part / 1_000);
        let ended = victim.try_wait().expect("a child").is_some();
        victim.kill().expect("a child");
        victim.wait().expect("a child");
        let what = format!("{} killed at {part} thousandths of {span:?}", act.name);

        let mut is_done = false;
        if act.is_sound && folder.join("store/backstitch").exists() {
            ok(folder, "verify --store store --quiet");
            let left = digest("store");
            assert!(act.has_parts || left == before || left == after, "{what}: half of it is there");
            // What is taken back already cannot be taken back again.
            is_done = act.name == "retract" && left == after;
            if act.base != "none" && act.name != "trim" {
                assert_fed(folder, act.base, &what);
            }
        }
        if act.name == "copy" {
            // What is there by then is whole, or no store.
            let copied = run(folder, "verify --store store.copy --quiet");
            assert_eq!(copied.status.success(), folder.join("store.copy/backstitch").exists(), "{what}");
            let _ = fs::remove_dir_all(folder.join("store.copy"));
        }
        if !is_done {
            ok(folder, &arguments);
        }
        assert_eq!(digest("store"), after, "{what}, and done again");
        ok(folder, "verify --store store --quiet");
        if act.base != "none" && act.is_sound && act.name != "trim" {
            assert_fed(folder, act.base, &what);
        }
        if !act.is_sound {
            ok(folder, "replay logs --store store --quiet");
            assert_eq!(digest("store"), digest("all"), "{what}: the logs bring back the rest");
        }
        let counts = outcomes.entry(act.name).or_default();
        if ended { counts.1 += 1 } else { counts.0 += 1 }
    }
    println!("killed, or through before: {outcomes:?}");
    let killed: u32 = outcomes.values().map(|counts| counts.0).sum();
    assert!(u64::from(killed) * 3 > kills, "most kills come too late: {outcomes:?}");
}
