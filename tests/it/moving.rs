//! A store moves: copied as it is, or as facts that another store is made from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use backstitch::{Digest, Engine, ErrorKind, Sequence};
use serde_json::Value;

use crate::acts::{course, law};
use crate::harness::{Manner, records, replay, text, totals};
use crate::place::{binary, file};
use crate::side_by_side::Pair;

const JOURNEYS: &str = "fixtures/journeys.ndjson";

fn command(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments.split_whitespace()).current_dir(folder).output().expect("the binary runs")
}

fn ok(folder: &Path, arguments: &str) -> String {
    let output = command(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn refused(folder: &Path, arguments: &str) -> String {
    let output = command(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// A folder with a store of all sorts of facts, and the facts of it.
fn filled() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    fs::copy(file(JOURNEYS), folder.path().join("a.ndjson")).expect("copied");
    let lines = [
        r#"{"timestamp":1793527200000,"id":"e-1","user":{"identities":{"sessionId":"s","Loyalty":"7"}}}"#,
        r#"{"timestamp":1793527200001,"id":"F49C75A2-6994-41e2-875d-97ec4d19254b","user":{"identities":{"sessionId":"s\"\u202e","ecommerceId":"é"}}}"#,
        r#"{"timestamp":1793527200.000002,"id":"f49c75a2-6994-41e2-875d-97ec4d19254b","user":{"identities":{"email":"x@example.org"}}}"#,
        r#"{"timestamp":1793527200001,"user":{"identities":{"ecommerceId":"é"}}}"#,
    ];
    fs::write(folder.path().join("b.ndjson"), text(&lines.map(str::to_owned))).expect("written");
    ok(folder.path(), "replay a.ndjson b.ndjson --store store -q");
    ok(folder.path(), "unlink sess-family-tablet clara --store store -q");
    ok(folder.path(), "unlink never seen --anyway --store store -q");
    let mut engine = Engine::open(&store).expect("a store");
    let again = backstitch::Activity::at(backstitch::Time::from_micros(1)).identity("sessionId", "s");
    engine.push("shop", [again], "offset 9").expect("pushed");
    engine.ingest("stream", &fs::read(file(JOURNEYS)).expect("there")[..]).expect("ingested");
    let mut facts = Vec::new();
    let counts = engine.export_facts(&mut facts).expect("exported");
    assert_eq!((counts.events, counts.sources, counts.unlinks), (45, 4, 2));
    (folder, store, String::from_utf8(facts).expect("UTF-8"))
}

#[test]
fn facts_make_a_store_of_the_same_digest() {
    let (folder, store, facts) = filled();
    let path = folder.path().join("made");
    let (mut made, imported) = Engine::import_facts(&path, facts.as_bytes()).expect("taken in");
    assert_eq!((imported.accepted, imported.duplicate, imported.sources, imported.unlinked), (45, 0, 4, 2));
    let old = Engine::open(&store).expect("a store");
    assert_eq!(totals(&made), totals(&old));
    assert_eq!(made.resolver().view().sources(), old.resolver().view().sources(), "positions came along");
    assert_eq!(made.pushed("shop").as_deref(), Some("offset 9"));
    assert_eq!(made.resolver().view().unlinked(), old.resolver().view().unlinked());
    assert_eq!(made.resolver().view().namespaces().spellings(), old.resolver().view().namespaces().spellings());
    assert!(made.verify().expect("readable").is_sound());
    let mut again = Vec::new();
    made.export_facts(&mut again).expect("exported");
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(std::str::from_utf8(&again).expect("UTF-8")), sorted(&facts), "nothing was lost on the way");
    let read = made.replay([folder.path().join("a.ndjson").to_str().expect("UTF-8")]).expect("replayed");
    assert_eq!((read.sources.read, read.events.read), (0, 0), "nothing of the logs is read again");
    drop(made);
    let (made, imported) = Engine::import_facts(&path, facts.as_bytes()).expect("taken in again");
    assert_eq!((imported.accepted, imported.duplicate, imported.sources, imported.unlinked), (0, 45, 0, 0));
    assert_eq!(totals(&made), totals(&old));
}

#[test]
fn facts_of_two_stores_are_those_of_both_logs() {
    let (folder, _, facts) = filled();
    let lines =
        [r#"{"timestamp":1793527100000,"user":{"identities":{"sessionId":"s","ecommerceId":"early"}}}"#.to_owned()];
    fs::write(folder.path().join("c.ndjson"), text(&lines)).expect("written");
    let path = folder.path().join("other");
    ok(folder.path(), "replay c.ndjson a.ndjson --store other -q");
    let (both, imported) = Engine::import_facts(&path, facts.as_bytes()).expect("taken in");
    assert_eq!((imported.accepted, imported.duplicate, imported.sources), (5, 40, 3));
    let whole = folder.path().join("whole");
    ok(folder.path(), "replay c.ndjson --store whole -q");
    let (again, _) = Engine::import_facts(&whole, facts.as_bytes()).expect("taken in");
    assert_eq!(totals(&both), totals(&again));
    assert!(both.verify().expect("readable").is_sound());
}

#[test]
fn facts_that_are_cut_short_or_changed_are_refused_with_their_line() {
    let (folder, store, facts) = filled();
    let expected = totals(&Engine::open(&store).expect("a store"));
    let lines: Vec<&str> = facts.lines().collect();
    let take = |name: &str, text: &str| {
        let path = folder.path().join(name);
        let error = Engine::import_facts(&path, text.as_bytes()).err().expect("not whole");
        let told = error.to_string();
        let (made, _) = Engine::import_facts(&path, facts.as_bytes()).expect("the whole facts");
        assert_eq!(totals(&made), expected, "{told}");
        (error.kind(), told)
    };
    for kept in [0, 1, 5, lines.len() - 1] {
        let (kind, told) = take(
            &format!("cut {kept}"),
            &text(&lines[..kept].iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()),
        );
        assert_eq!(kind, ErrorKind::Facts);
        assert!(told.contains(&format!("end after line {kept} without an end")), "{told}");
    }
    let event = lines.iter().position(|line| line.starts_with("{\"event\"")).expect("an event");
    let first = lines[event];
    let no_source = format!("{}\"sources\":[99]}}}}", &first[..first.find("\"sources\"").expect("there")]);
    for (at, line, why) in [
        (0, "{\"facts\":{}}", "line 1 of the facts: not a fact: missing field `version`"),
        (1, "nonsense", "line 2 of the facts: not a fact: expected value"),
        (0, lines[1], "line 1 of the facts: the first line of facts is the head"),
        (2, lines[0], "line 3 of the facts: a second head"),
        (event, &*first.replace("\"time\":\"2", "\"time\":\"x2"), "is not a valid RFC 3339 time"),
        (event, &*first.replace("\"identities\":{\"", "\"identities\":{\"a:"), "cannot be a namespace"),
        (event, &*first.replace("\"event\"", "\"happening\""), "unknown variant"),
        (event, &*no_source, "there is no source 99 above"),
        (
            event,
            "{\"event\":{\"time\":\"2026-11-02T08:00:00Z\",\"identities\":{},\"sources\":[0]}}",
            "either an id or the hash",
        ),
        (
            event,
            "{\"event\":{\"time\":\"2026-11-02T08:00:00Z\",\"id\":\"x\",\"identities\":{},\"sources\":[0]}}",
            "an event has from 1 to",
        ),
        (
            event,
            "{\"event\":{\"time\":\"2026-11-02T08:00:00Z\",\"id\":\"x\",\"identities\":{\"a\":\"1\",\"A\":\"2\"},\"sources\":[0]}}",
            "it has a twice",
        ),
    ] {
        let mut changed = lines.clone();
        changed[at] = line;
        let name = format!("changed {at} {}", why.len());
        let text = text(&changed.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let error = Engine::import_facts(folder.path().join(name), text.as_bytes()).err().expect("not as it was");
        assert_eq!(error.kind(), ErrorKind::Facts);
        assert!(error.to_string().contains(why), "{error}: {why}");
        assert!(error.to_string().contains(&format!("line {}", at + 1)), "{error}");
    }
    let mut fewer = lines.clone();
    fewer.remove(event);
    let (_, told) = take("fewer", &text(&fewer.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    assert!(told.contains("44 events, 4 sources and 2 unlinked pairs, and their end tells of others"), "{told}");
    let later = facts.replacen("\"version\":1", "\"version\":2", 1);
    let error = Engine::import_facts(folder.path().join("later"), later.as_bytes()).err().expect("a later version");
    assert_eq!(error.kind(), ErrorKind::Version);
    assert!(!folder.path().join("later").exists());
}

#[test]
fn facts_keep_every_digest() {
    law("facts make a store of the same digest", 40, course(60, 14), |course| {
        let mut pair = Pair::new(&course);
        course.acts.iter().for_each(|act| drop(pair.act(act)));
        let folder = tempfile::tempdir().expect("a folder");
        let mut facts = Vec::new();
        pair.engine.export_facts(&mut facts).expect("exported");
        let (made, _) = Engine::import_facts(folder.path().join("made"), &facts[..]).expect("taken in");
        assert_eq!(totals(&made), totals(&pair.engine));
        assert!(made.verify().expect("readable").is_sound());
    });
}

#[test]
fn a_copy_is_the_store_in_an_epoch_of_its_own() {
    let (folder, store, _) = filled();
    assert_eq!(ok(folder.path(), "backup copy --store store"), "copy: a copy as of commit 6\n");
    let (old, copy) =
        (Engine::open(&store).expect("a store"), Engine::open(folder.path().join("copy")).expect("a copy"));
    assert_eq!((totals(&copy), records(&copy, 0)), (totals(&old), records(&old, 0)));
    assert_eq!(copy.resolver().view().sources(), old.resolver().view().sources());
    assert_eq!(copy.generation(), old.generation());
    assert!(copy.verify().expect("readable").is_sound());
    let known = |engine: &Engine| engine.known_at(Sequence(5)).expect("kept").resolve("sess-anna-phone");
    assert_eq!(known(&copy), known(&old));
    let told = copy.feed().changes(old.feed().position()).err().expect("another epoch");
    assert_eq!(told.kind(), ErrorKind::OtherEpoch);
    drop((old, copy));
    for taken in ["copy", "a.ndjson", "."] {
        let told = refused(folder.path(), &format!("backup {taken} --store store"));
        assert!(told.contains("there is something at"), "{told}");
    }
    // Life goes on in both.
    let again = replay(
        &mut Engine::open(folder.path().join("copy")).expect("a copy"),
        &[folder.path().join("b.ndjson")],
        Manner::default(),
    );
    assert_eq!(again.events.read, 0);
    ok(folder.path(), "retract --source stream --store copy -q");
    ok(folder.path(), "verify --store copy");
}

#[test]
fn facts_move_from_command_to_command() {
    let (folder, _, facts) = filled();
    let folder = folder.path();
    let digest = value(&ok(folder, "stats --store store --json"))["digest"].clone();
    assert_eq!(ok(folder, "export-facts --store store"), facts);
    assert_eq!(ok(folder, "export-facts --store store --output facts"), "");
    assert_eq!(fs::read_to_string(folder.join("facts")).expect("there"), facts);
    let told = ok(folder, "import-facts facts --store made");
    assert!(told.starts_with("Imported 45 events, 4 sources and 2 unlinked pairs\n  digest "), "{told}");
    let told = value(&ok(folder, "import-facts facts --store made --json"));
    assert_eq!((&told["accepted"], &told["duplicate"], &told["digest"]), (&0.into(), &45.into(), &digest));
    fs::write(folder.join("half"), &facts[..facts.len() / 2]).expect("written");
    let told = refused(folder, "import-facts half --store half.store");
    assert!(
        told.contains("half: line ") && told.contains("export them again with `backstitch export-facts`"),
        "{told}"
    );
    let told = refused(folder, "import-facts none --store made");
    assert!(told.contains("cannot read none"), "{told}");
    ok(folder, "replay a.ndjson --between email --store other -q");
    let told = refused(folder, "import-facts facts --store other");
    assert!(told.contains("was made with other settings"), "{told}");
}

#[test]
fn a_copy_is_read_beside_a_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    let lines: Vec<String> = (0..3_000)
        .map(|number| {
            let customer =
                if number % 7 == 0 { format!(r#","ecommerceId":"c{}""#, number % 90) } else { String::new() };
            format!(
                r#"{{"timestamp":{},"user":{{"identities":{{"sessionId":"s{}"{customer}}}}}}}"#,
                1_793_527_200 + number,
                number % 500
            )
        })
        .collect();
    let mut engine = Engine::open(&store).expect("a new store");
    engine.ingest("first", text(&lines[..100]).as_bytes()).expect("ingested");
    let copy = || Engine::options().read_only().open(&store);
    assert_eq!(totals(&copy().expect("a copy")), totals(&engine));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let (mut seen, mut last) = (0, 0);
            loop {
                let over = done.load(std::sync::atomic::Ordering::Acquire);
                let copy = copy().expect("a copy, whatever is written meanwhile");
                assert!(copy.verify().expect("readable").is_sound());
                assert!(copy.generation() >= last, "nobody goes back");
                seen += u32::from(copy.generation() > last);
                last = copy.generation();
                if over {
                    return (seen, totals(&copy));
                }
            }
        });
        for (number, part) in lines[100..].chunks(40).enumerate() {
            engine.ingest(&format!("part {number}"), text(part).as_bytes()).expect("ingested");
            if number % 10 == 0 {
                engine.retract(backstitch::Retract::Source(&format!("part {number}"))).expect("retracted");
            }
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        let (seen, found) = reader.join().expect("no assertion failed");
        assert_eq!(found, totals(&engine));
        assert!(seen > 2, "{seen} commits were seen");
    });
    let mut copy = copy().expect("a copy");
    let told = copy.unlink("s0", "c0").expect_err("it is only read");
    assert_eq!(told.kind(), ErrorKind::ReadOnly);
    assert!(told.to_string().contains("was opened to be read only"), "{told}");
    assert_eq!(totals(&copy), totals(&engine), "it answers on");
    assert_eq!(
        Engine::options().read_only().open(folder.path().join("none")).err().map(|told| told.kind()),
        Some(ErrorKind::NotFound)
    );

    // The store is in use, and is read all the same.
    let told = refused(folder.path(), "stats --store store");
    assert!(told.contains("read a copy with `--read-only`"), "{told}");
    let stats = value(&ok(folder.path(), "stats --store store --read-only --json"));
    assert_eq!(stats["digest"], totals(&engine).1);
    ok(folder.path(), "resolve s0 --store store --read-only");
    for writes in
        ["replay log", "unlink a b", "retract --event x", "import-facts x", "verify --repair", "changes --trim 1"]
    {
        let output = command(folder.path(), &format!("{writes} --store store --read-only"));
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && reason.contains("this command writes to it"), "{writes}: {reason}");
    }
}

/// What a store of this format was once, every later program opens: a store that was written when the format was settled.
#[test]
fn a_store_that_an_earlier_program_wrote_is_opened() {
    let packed = fs::read(file("fixtures/store-of-format-4.packed")).expect("there");
    let files = zstd::decode_all(&packed[..]).expect("zstd");
    let files: std::collections::BTreeMap<String, String> = serde_json::from_slice(&files).expect("an object");
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    fs::create_dir(&store).expect("made");
    for (name, digits) in files {
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
        fs::write(store.join(name), (0..digits.len()).step_by(2).map(byte).collect::<Vec<u8>>()).expect("written");
    }
    let mut engine = Engine::open(&store).expect("a store of this format");
    assert_eq!(totals(&engine).1, "09c58944403d914b5acddcb225e4b0ad");
    assert_eq!((engine.generation(), engine.feed().position().to_string()), (4, "ded556ae6b684708:15".to_owned()));
    assert_eq!(records(&engine, 0).len(), 15);
    let tablet = |known: &backstitch::KnownAt| known.resolve("sess-family-tablet").map(|found| found.person.value);
    let [before, after] = [13, 14].map(|number| tablet(&engine.known_at(Sequence(number)).expect("kept")));
    assert_eq!((before.as_deref(), after.as_deref()), (Some("clara"), Some("dan")));
    assert_eq!(engine.resolver().view().unlinked().len(), 1);
    assert!(engine.verify().expect("readable").is_sound());
    assert_eq!(
        engine.resolver().view().totals().expect("readable").profiles,
        Digest::default(),
        "it has no segments and traits"
    );
    engine.ingest("more", &fs::read(file(JOURNEYS)).expect("there")[..]).expect("ingested");
    assert_eq!(engine.generation(), 5, "life goes on");
}
