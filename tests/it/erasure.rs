//! Erasing: nothing brings the erased back, no file holds a trace, and nobody else gets what was theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use backstitch::{Activity, Engine, ErrorKind, Forget, SessionTable, Time};
use serde_json::{Value, json};

use crate::harness::{Chance, asked, copy_folder};
use crate::place::{binary, file};

/// A session ID that is a UUID, and one that is within the values of others.
const UUID: &str = "f49c75a2-6994-41e2-875d-97ec4d19254b";
const CUSTOMER: &str = "anna-7f3a";

/// The UUIDs that are stored as the bytes of that one in another order.
const REVERSED: &str = "4b25194d-ec97-5d87-e241-9469a2759cf4";
const FIELDS_REVERSED: &str = "a2759cf4-9469-e241-875d-97ec4d19254b";

pub fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments.split_whitespace()).current_dir(folder).stdin(Stdio::null());
    command
}

pub fn ok(folder: &Path, arguments: &str) -> String {
    let output = command(folder, arguments).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn told(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&ok(folder, &format!("{arguments} --json"))).expect("JSON")
}

/// Every form in which a file may hold a value.
fn encodings(value: &str) -> Vec<Vec<u8>> {
    let by_number = |letter: char| format!("\\u{:04x}", letter as u32);
    let escaped: String = value.chars().map(by_number).collect();
    let mut all = vec![
        value.as_bytes().to_vec(),
        value.to_uppercase().into_bytes(),
        value.replace('-', "").into_bytes(),
        value.replace('-', "").to_uppercase().into_bytes(),
        escaped.into_bytes(),
    ];
    if let Ok(uuid) = u128::from_str_radix(&value.replace('-', ""), 16) {
        all.push(uuid.to_be_bytes().to_vec());
        all.push(uuid.to_le_bytes().to_vec());
        // As some programs lay it out: the first three fields the other way round.
        let bytes = uuid.to_be_bytes();
        let fields =
            [&bytes[..4], &bytes[4..6], &bytes[6..8]].map(|field| field.iter().rev().copied().collect::<Vec<u8>>());
        all.push([&fields.concat()[..], &bytes[8..]].concat());
    }
    all
}

/// The files of a store that hold a value in any form.
pub fn traces(store: &Path, value: &str) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(store).into_iter().filter_map(Result::ok).filter(|file| file.path().is_file());
    let forms = encodings(value);
    let holds = |path: &Path| {
        let bytes = fs::read(path).expect("readable");
        forms.iter().any(|form| memchr::memmem::find(&bytes, form).is_some())
    };
    files.map(walkdir::DirEntry::into_path).filter(|path| holds(path)).collect()
}

fn line(second: u64, id: &str, identities: &str) -> String {
    let pairs: Vec<String> = identities
        .split(' ')
        .map(|typed| typed.split_once(':').expect("namespace:value"))
        .map(|(namespace, value)| format!(r#""{namespace}":"{value}""#))
        .collect();
    let time = 1_793_527_200 + second;
    format!(r#"{{"timestamp":{time},"id":"{id}","user":{{"identities":{{{}}}}}}}"#, pairs.join(",")) + "\n"
}

/// Anna on her phone and on a tablet that Ben uses too; and a crowd beside them. One log has her in its name.
fn logs(folder: &Path) {
    fs::create_dir(folder.join("logs")).expect("made");
    let anna = format!("ecommerceId:{CUSTOMER}");
    let first = [
        told_of(&line(1, "e-1", &format!("sessionId:{UUID}"))),
        told_of(&line(2, "e-2", &format!("sessionId:{UUID} {anna} email:anna@example.org"))),
        line(3, "e-3", "sessionId:tablet"),
        line(4, "e-4", &format!("sessionId:tablet {anna}")),
        line(5, "e-5", "sessionId:tablet")
            .replace(r#""user":{"#, &format!(r#""user":{{"traits":{{"of":"{CUSTOMER}"}},"#)),
        line(6, "e-6", "sessionId:tablet ecommerceId:ben"),
        line(7, &format!("order-of-{CUSTOMER}-17"), "sessionId:ben-laptop ecommerceId:ben"),
        line(8, UUID, "sessionId:ben-laptop"),
        line(8, REVERSED, "sessionId:ben-laptop"),
        line(8, FIELDS_REVERSED, "sessionId:ben-laptop"),
        line(9, "e-9", &format!("sessionId:other email:{CUSTOMER}@example.org")),
    ];
    fs::write(folder.join("logs/a.ndjson"), first.concat()).expect("written");
    let crowd: String = (0..3_000)
        .map(|number| {
            let customer = if number % 3 == 0 { format!(" ecommerceId:c{}", number % 70) } else { String::new() };
            line(100 + number, &format!("n-{number}"), &format!("sessionId:s{}{customer}", number % 400))
        })
        .collect();
    fs::write(folder.join(format!("logs/crowd-and-{CUSTOMER}.ndjson")), crowd).expect("written");
    let later = [
        line(5_000, "e-5000", &format!("sessionId:{UUID}")),
        line(5_001, "e-5001", &format!("sessionId:new {anna}")),
        line(5_002, "e-5002", "sessionId:tablet"),
    ];
    fs::write(folder.join("later.ndjson"), later.concat()).expect("written");
}

/// A line with segments and traits of hers.
fn told_of(line: &str) -> String {
    line.replace(r#""user":{"#, r#""user":{"segments":["vip"],"traits":{"city":"Annaburg"},"#)
}

/// Nothing is left of her, and nothing comes back.
fn assert_forgotten(folder: &Path, store: &str) {
    let nobody = |id: &str| told(folder, &format!("resolve {id} --store {store}"))["person"].clone();
    for id in [UUID, &format!("ecommerceId:{CUSTOMER}"), "email:anna@example.org"] {
        assert_eq!(nobody(id), Value::Null, "{id}");
        let profile = told(folder, &format!("profile {id} --store {store}"));
        assert_eq!(profile, json!({"person": null, "kind": null, "segments": null, "traits": {}}), "{id}");
    }
    assert!(!ok(folder, &format!("profiles --store {store}")).contains("Annaburg"), "nobody else has them");
    for value in [UUID, CUSTOMER] {
        // Another identity contains it, and was named.
        let traces = traces(&folder.join(store), value);
        assert!(traces.is_empty(), "{value}: {traces:?}");
    }
    assert!(told(folder, &format!("verify --store {store}"))["different"] == json!(0));
}

const FORGET: &str = "forget ecommerceId:anna-7f3a f49c75a2-6994-41e2-875d-97ec4d19254b email:anna-7f3a@example.org";

#[test]
fn nothing_brings_the_erased_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logs(folder);
    ok(folder, "replay logs --store store --quiet");
    ok(folder, "sessions --store store --output table.before");
    ok(folder, "changes --apply table --store store --quiet");
    assert!(ok(folder, "profile f49c75a2-6994-41e2-875d-97ec4d19254b --store store").contains("Annaburg"));
    assert!(!traces(&folder.join("store"), UUID).is_empty() && !traces(&folder.join("store"), CUSTOMER).is_empty());
    let before = told(folder, "stats --store store");
    let mut would = told(folder, "forget ecommerceId:anna-7f3a --store store --dry-run");
    let words = ok(folder, "forget ecommerceId:anna-7f3a --store store --dry-run");
    assert!(
        words.starts_with("would erase 1 identity with 2 events; ") && words.contains("would cut 1 link"),
        "{words}"
    );
    assert_eq!(told(folder, "stats --store store"), before, "nothing changed");
    let missed = told(folder, "forget ecommerceId:anna-7f3a --store store");
    would["sequence"] = missed["sequence"].clone();
    assert_eq!(would, missed, "what it said is what it does");
    assert_eq!(
        (&missed["events"], &missed["unlinked"], &missed["containing_count"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(missed["containing"], json!(["email:anna-7f3a@example.org"]), "it stays, and is named");
    let forgotten = told(folder, &format!("{FORGET} --store store"));
    assert_eq!((&forgotten["identities"], &forgotten["containing_count"]), (&json!(3), &json!(0)));
    assert_forgotten(folder, "store");
    let tablet = told(folder, "resolve tablet --store store");
    assert_eq!(tablet["person"], "sessionId:tablet", "not Ben's: what she did on it is anonymous");
    ok(folder, "changes --apply table --store store --quiet");
    let table = fs::read_to_string(folder.join("table")).expect("there");
    assert_eq!(table, ok(folder, "sessions --json --store store"));
    // The same logs again, and one that comes later.
    let again = told(folder, "replay logs --force --store store");
    assert_eq!((&again["events"]["accepted"], &again["events"]["erased"]), (&json!(0), &json!(4)), "{again}");
    let later = told(folder, "replay later.ndjson --store store");
    assert_eq!((&later["events"]["accepted"], &later["events"]["erased"]), (&json!(1), &json!(2)));
    assert_forgotten(folder, "store");
    let attributed = ok(folder, "attribute logs/a.ndjson --store store");
    let row = |id: &str| {
        attributed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).find(|line| line["id"] == id)
    };
    for id in ["e-3", "e-5"] {
        let row = row(id).expect("written");
        assert_eq!((&row["person"], &row["attribution"]), (&json!("sessionId:tablet"), &json!("anonymous")));
    }
    assert_eq!(row("e-6").expect("written")["person"], "ecommerceId:ben", "what carries him is his");
    // Taken back: the logs bring all of it back.
    ok(folder, &format!("{} --revert --store store --quiet", FORGET));
    ok(folder, "replay logs later.ndjson --force --store store --quiet");
    ok(folder, "replay logs later.ndjson --store never --quiet");
    assert_eq!(told(folder, "resolve tablet --store store"), told(folder, "resolve tablet --store never"));
    let rows = |store: &str| ok(folder, &format!("sessions --store {store}"));
    assert_eq!(rows("store"), rows("never"));
    ok(folder, "verify --store store --quiet");
}

/// Killed at any moment it is done, or has not begun; and the same command ends it.
#[test]
fn a_killed_erasure_is_done_or_has_not_begun() {
    let kills = asked("BACKSTITCH_KILLS").unwrap_or(6);
    let mut chance = Chance(asked("BACKSTITCH_SEED").unwrap_or(9));
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logs(folder);
    ok(folder, "replay logs --store base --quiet");
    // It has its key: what takes the place of ids is the same in all of its copies.
    ok(folder, "opt-out nobody --store base --quiet");
    ok(folder, "changes --apply base.table --store base --quiet");
    let digest = |store: &str| told(folder, &format!("stats --store {store}"))["digest"].clone();
    let before = digest("base");
    copy_folder(&folder.join("base"), &folder.join("done"));
    let start = Instant::now();
    ok(folder, &format!("{FORGET} --store done --quiet"));
    let (span, after) = (start.elapsed(), digest("done"));
    let (mut killed, mut begun) = (0, 0);
    for kill in 0..kills {
        let _ = fs::remove_dir_all(folder.join("store"));
        copy_folder(&folder.join("base"), &folder.join("store"));
        let mut victim = command(folder, &format!("{FORGET} --store store --quiet"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let part = chance.below(1_000) as u32;
        thread::sleep(Duration::from_micros(10) + span * part / 1_000);
        killed += u32::from(victim.try_wait().expect("a child").is_none());
        victim.kill().expect("a child");
        victim.wait().expect("a child");
        let what = format!("kill {kill} at {part} thousandths of {span:?}");
        ok(folder, "verify --store store --quiet");
        let left = digest("store");
        assert!(left == before || left == after, "{what}: half of it is there");
        if left == after {
            begun += 1;
            assert_forgotten(folder, "store");
        }
        ok(folder, &format!("{FORGET} --store store --quiet"));
        assert_forgotten(folder, "store");
        assert_eq!(digest("store"), after, "{what}, and done again");
        ok(folder, "replay logs later.ndjson --force --store store --quiet");
        assert_forgotten(folder, "store");
        for name in ["", ".sequence"] {
            fs::copy(folder.join(format!("base.table{name}")), folder.join(format!("table{name}"))).expect("copied");
        }
        ok(folder, "changes --apply table --store store --quiet");
        let table = fs::read_to_string(folder.join("table")).expect("there");
        assert_eq!(table, ok(folder, "sessions --json --store store"), "{what}: the feed gives the rows");
    }
    println!("{killed} of {kills} erasures were killed, {begun} of them were done");
}

#[test]
fn a_bound_keeps_what_came_later() {
    let mut engine = Engine::in_memory();
    let at = |second: i64| Activity::at(Time::from_micros(second * 1_000_000));
    let events = || [1, 2, 3].map(|second| at(second).identity("sessionId", "s").identity("ecommerceId", "c"));
    engine.push("shop", events(), "3").expect("pushed");
    let forgotten =
        engine.forget(&Forget::identity("sessionId", "s").until(Time::from_micros(2_000_000))).expect("written");
    assert_eq!(forgotten.events, 2);
    let found = engine.resolver().resolve("s").expect("later events are left");
    assert_eq!(found.since, Some(Time::from_micros(3_000_000)));
    let known = |commit: u64| engine.known_at(backstitch::When::Commit(commit)).expect("kept").resolve("s");
    assert_eq!((known(2), known(engine.generation())), (None, Some(found)), "of before nothing is told");
    let again = engine.push("shop", events(), "3").expect("pushed");
    assert_eq!((again.accepted, again.duplicate, again.erased), (0, 1, 2));
    assert_eq!(engine.tombstones()[0].until, Some(Time::from_micros(2_000_000)));
    engine.forget(&Forget::identity("sessionId", "s")).expect("written");
    assert_eq!((engine.resolver().resolve("s"), engine.tombstones().len()), (None, 1));
    assert!(engine.readmit("sessionId", "s").expect("written") && !engine.readmit("sessionId", "s").expect("written"));
    assert_eq!(engine.push("shop", events(), "3").expect("pushed").accepted, 3);
}

#[test]
fn what_another_source_told_with_an_event_counts_when_the_greater_part_goes() {
    let mut engine = Engine::in_memory();
    for (source, traits) in [("one", r#"{"age":46,"city":"by anna-7f3a"}"#), ("two", r#"{"age":45}"#)] {
        let user = format!(r#"{{"identities":{{"sessionId":"s1"}},"traits":{traits}}}"#);
        engine.ingest(source, format!(r#"{{"timestamp":1005,"id":"e0","user":{user}}}"#).as_bytes()).expect("ingested");
    }
    assert_eq!(engine.forget(&Forget::identity("ecommerceId", CUSTOMER)).expect("erased").texts, 1);
    let profile = engine.resolver().view().profile("sessionId", "s1", &Default::default()).expect("sound");
    assert_eq!(profile.expect("known").traits["age"].value, "45");
    let verified = engine.verify().expect("readable");
    assert!(verified.is_sound(), "the totals have that, too: {verified:?}");
}

#[test]
fn who_opted_out_stays_out_when_erased() {
    let mut engine = Engine::in_memory();
    let event = |second: i64| [Activity::at(Time::from_micros(second)).identity("sessionId", "s")];
    engine.push("shop", event(1), "1").expect("pushed");
    engine.opt_out("sessionId", "s").expect("written");
    engine.forget(&Forget::identity("sessionId", "s").until(Time::from_micros(5))).expect("written");
    assert_eq!(engine.opt_outs().len(), 1, "by its hash");
    assert_eq!(engine.push("shop", event(4), "2").expect("pushed").erased, 1);
    assert_eq!(engine.push("shop", event(6), "3").expect("pushed").suppressed, 1);
}

#[test]
fn a_view_of_before_says_that_it_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut on_disk = Engine::open(folder.path().join("store")).expect("made");
    let mut in_memory = Engine::in_memory();
    for engine in [&mut on_disk, &mut in_memory] {
        engine.replay([file("fixtures/journeys.ndjson")]).expect("replayed");
        let (resolver, feed) = (engine.resolver(), engine.feed());
        let view = resolver.view();
        let table = folder.path().join("table");
        let _ = (fs::remove_file(&table), fs::remove_file(folder.path().join("table.sequence")));
        SessionTable::at(&table).apply(&feed).expect("made");
        engine.forget(&Forget::identity("ecommerceId", "clara").and("sessionId", "never-seen")).expect("written");
        assert_eq!(view.people().err().map(|error| error.kind()), Some(ErrorKind::Forgotten));
        assert!(view.resolve("sess-family-tablet").expect("from memory").is_some());
        assert!(resolver.resolve("sess-family-tablet").expect("known").customer.is_none());
        assert!(
            resolver.view().totals().is_ok() && feed.changes(feed.start()).expect("kept").all(|change| change.is_ok())
        );
        assert_eq!(SessionTable::at(&table).apply(&feed).expect("as it was left").changed, 1);
        // What was known earlier is known, but for her.
        let known = engine.known_at(backstitch::When::Commit(2)).expect("kept");
        assert!(known.resolve_in("ecommerceId", "clara").is_none() && known.resolve("sess-anna-phone").is_some());
    }
}

#[test]
fn what_is_asked_wrongly() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logs(folder);
    ok(folder, "replay logs --store store --quiet");
    fs::write(folder.join("empty"), "\n \n").expect("written");
    fs::write(folder.join("ids"), format!("{UUID}\n\necommerceId:{CUSTOMER}\n")).expect("written");
    let refused = |arguments: &str, code: i32, expected: &str| {
        let output = command(folder, &format!("{arguments} --store store")).output().expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && told.contains(expected), "{arguments}: {told}");
    };
    refused("forget", 2, "required arguments were not provided");
    refused("forget --file nowhere", 1, "cannot read nowhere");
    refused("forget --file empty", 1, "empty holds no ID: write one a line");
    refused("forget --list --whole-person", 2, "cannot be used with");
    refused("forget x --dry-run --revert", 2, "cannot be used with");
    refused("forget x --until yesterday", 2, "write a date, a time and a zone");
    refused("forget x --read-only", 2, "this command writes to it");
    let told = told(folder, "forget --file ids --whole-person --store store");
    assert!(told["identities"].as_u64() >= Some(4), "{told}");
    assert!(traces(&folder.join("store"), UUID).is_empty());
    let listed = ok(folder, "forget --list --json --store store");
    assert_eq!(listed.lines().count() as u64, told["identities"].as_u64().expect("a number"));
    assert!(!listed.contains(CUSTOMER));
}
