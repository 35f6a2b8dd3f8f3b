//! Events that a program pushes, with a position of its own: the rules of a log, and exactly once, whatever fails or dies.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backstitch::store::backend::{Backend, MemoryBackend};
use backstitch::store::fault::{FaultyBackend, Survivors};
use backstitch::{Activity, Engine, ErrorKind, Pushed, Replay, Retract, Time};
use serde_json::json;

use crate::harness::{in_memory, replayed, some_ways, text, totals};
use crate::oracle::Rules;
use crate::place::binary;

/// An event as a line and as an activity.
struct Both {
    line: String,
    activity: Activity,
}

/// Events that keep coming back to the same sessions and customers; each has an id, but for some of those that nothing repeats.
fn events(numbers: std::ops::Range<usize>) -> Vec<Both> {
    numbers
        .map(|number| {
            let micros = (number * 37 % 101) as i64 * 1_000_000 + 17;
            let time = Time::from_micros(micros);
            let mut identities = vec![("sessionId", format!("s{}", number % 13))];
            if number.is_multiple_of(3) {
                identities.push(("ecommerceId", format!("c{}", number % 5)));
            }
            if number.is_multiple_of(4) {
                identities.push(("Email", format!("{}@example.org", number % 7)));
            }
            let id = format!("e-{number}");
            let told: serde_json::Map<String, serde_json::Value> =
                identities.iter().map(|(namespace, value)| ((*namespace).to_owned(), json!(value))).collect();
            let line = json!({"id": id, "timestamp": time.to_string(), "user": {"identities": told}}).to_string();
            let activity = Activity::at(time).id(id);
            let activity =
                identities.into_iter().fold(activity, |all, (namespace, value)| all.identity(namespace, value));
            Both { line, activity }
        })
        .collect()
}

fn activities(numbers: std::ops::Range<usize>) -> impl Iterator<Item = Activity> {
    events(numbers).into_iter().map(|event| event.activity)
}

fn counts(pushed: &Pushed) -> [u64; 3] {
    [pushed.accepted, pushed.duplicate, pushed.rejected.len() as u64]
}

#[test]
fn pushing_is_replaying_whatever_the_order_and_the_batches() {
    let lines: Vec<String> = events(0..60).into_iter().map(|event| event.line).collect();
    let expected = totals(&replayed(&Rules::default(), &text(&lines)));
    let mut whole = in_memory(&Rules::default());
    assert_eq!(counts(&whole.push("shop", activities(0..60), "60").expect("pushed")), [60, 0, 0]);
    assert_eq!(totals(&whole), expected);
    assert_eq!(counts(&whole.push("shop", activities(0..60), "60").expect("pushed")), [0, 60, 0]);
    let mut backwards = in_memory(&Rules::default());
    for start in (0..60).step_by(10).rev() {
        let mut batch: Vec<Activity> = activities(start..start + 10).collect();
        batch.reverse();
        backwards.push("shop", batch, &start.to_string()).expect("pushed");
    }
    assert_eq!(totals(&backwards), expected);
    assert!(backwards.verify().expect("readable").is_sound());
    // The same events by both ways are one event each, and keep both sources.
    whole.ingest("file", text(&lines).as_bytes()).expect("read");
    assert_eq!(totals(&whole), expected);
    let rows = whole.resolver().view().events("ecommerceId", "c0").expect("readable").expect("known");
    assert!(!rows.is_empty() && rows.iter().all(|row| row.sources == ["shop", "file"]));
}

#[test]
fn an_activity_without_an_id_is_its_line_whatever_the_order() {
    let at = |micros, pairs: &[(&str, &str)]| {
        let activity = Activity::at(Time::from_micros(micros));
        pairs.iter().fold(activity, |all, (namespace, value)| all.identity(*namespace, *value))
    };
    let one = at(1_000, &[("sessionId", "s"), ("Email", " a@b.c "), ("ecommerceId", "guest")]);
    let same = at(1_000, &[("EMAIL", "a@b.c"), ("sessionid", "s")]);
    let others = [at(1_001, &[("email", "a@b.c"), ("sessionid", "s")]), at(1_000, &[("sessionid", "s")])];
    let lines = [
        r#"{"timestamp":"1970-01-01T00:00:00.001Z","user":{"identities":{"email":"a@b.c","sessionid":"s"}}}"#,
        r#"{"timestamp":"1970-01-01T00:00:00.001001Z","user":{"identities":{"email":"a@b.c","sessionid":"s"}}}"#,
        r#"{"timestamp":"1970-01-01T00:00:00.001Z","user":{"identities":{"sessionid":"s"}}}"#,
    ];
    let mut engine = in_memory(&Rules::default());
    let pushed = engine.push("a", [one.clone(), same.clone()], "").expect("pushed");
    assert_eq!(counts(&pushed), [1, 1, 0]);
    assert_eq!(pushed.junk.iter().collect::<Vec<_>>(), [("guest", 1)]);
    assert_eq!(counts(&engine.push("b", others.into_iter().chain([same, one]), "").expect("pushed")), [2, 2, 0]);
    assert_eq!(totals(&engine), totals(&replayed(&Rules::default(), &text(&lines))));
}

#[test]
fn what_is_no_event_is_told_by_its_place_and_keeps_nothing_else() {
    let mut engine = in_memory(&Rules::default());
    let at = || Activity::at(Time::from_micros(0));
    let pushed = engine.push(
        "shop",
        [
            at().identity("sessionId", "a"),
            at(),
            at().identity("sessionId", "b").identity("ecommerceId", "1").identity("ecommerceid", "2"),
            at().identity("sessionId", "c").identity("sessionid", "generated"),
        ],
        "4",
    );
    let pushed = pushed.expect("pushed");
    assert_eq!((counts(&pushed), pushed.spellings), ([2, 0, 2], 1));
    let told = serde_json::to_value(&pushed.rejected).expect("JSON");
    let expected = json!([
        {"index": 1, "reason": "no_identity", "detail": "the activity holds no text or number"},
        {"index": 2, "reason": "conflicting_identities", "detail": "ecommerceId is both \"1\" and \"2\""},
    ]);
    assert_eq!(told, expected);
    assert_eq!(engine.pushed("shop").as_deref(), Some("4"), "the position lies behind them");
}

#[test]
fn a_position_is_kept_with_its_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let mut engine = Engine::open(&path).expect("a new store");
    assert_eq!(engine.pushed("shop"), None);
    engine.push("shop", activities(0..10), "ten").expect("pushed");
    engine.push("web\n", activities(5..20), "").expect("pushed");
    let before = engine.generation();
    engine.push("shop", activities(0..10), "ten").expect("pushed");
    assert_eq!(engine.generation(), before, "nothing is new, and nothing is written");
    engine.push("shop", [], "eleven").expect("pushed");
    engine.ingest("shop", "no event\n".as_bytes()).expect("read");
    drop(engine);
    let mut engine = Engine::open(&path).expect("a store");
    let positions = |engine: &Engine| ["shop", "web\n"].map(|name| engine.pushed(name));
    assert_eq!(positions(&engine), [Some("eleven".to_owned()), Some(String::new())]);
    let shop = engine.source("shop").expect("known");
    assert_eq!(shop.position.map(|position| (position.bytes, position.events)), Some((9, 0)), "read and pushed");
    engine.push("shop", [], "twelve").expect("pushed");
    assert!(engine.source("shop").expect("known").position.is_some());

    let undone = engine.retract(Retract::Source("shop")).expect("retracted");
    assert_eq!(
        (undone.events, engine.pushed("shop"), engine.source("shop")),
        (5, None, None),
        "web has the others too"
    );
    engine.push("shop", activities(0..10), "ten").expect("pushed");
    assert_eq!(engine.pushed("shop").as_deref(), Some("ten"));
    let mut undisturbed = in_memory(&Rules::default());
    undisturbed.push("x", activities(0..20), "").expect("pushed");
    assert_eq!(totals(&engine), totals(&undisturbed));
}

#[test]
fn the_command_knows_a_source_that_was_pushed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("backstitch.store");
    let mut engine = Engine::open(&store).expect("a new store");
    engine.push("orders", activities(0..10), &format!("{{\"0\":10}}\u{1b}{}", "x".repeat(40))).expect("pushed");
    drop(engine);
    let told = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        let output = command.args(arguments).current_dir(folder.path()).output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let words = told(&["stats"]);
    let note = format!(r#"orders  pushed up to {{"0":10}}\u{{1b}}{}…"#, "x".repeat(31));
    assert!(words.contains(&note), "{words}");
    let sources = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON")["sources"].clone();
    let source = sources(&told(&["stats", "--json"]))[0].clone();
    assert_eq!((&source["name"], &source["bytes"]), (&json!("orders"), &json!(null)));
    assert!(source["pushed"].as_str().expect("a text").starts_with("{\"0\":10}"));
    let undone = told(&["retract", "--source", "orders"]);
    assert!(undone.starts_with("took back 10 events of the source orders"), "{undone}");
    assert_eq!(sources(&told(&["stats", "--json"])), json!([]));
}

#[test]
fn names_and_positions_have_limits() {
    let mut engine = in_memory(&Rules::default());
    let mut refused = |name: &str, position: &str| {
        let told = engine.push(name, activities(0..1), position).expect_err("refused");
        assert_eq!(told.kind(), ErrorKind::Argument);
        told.to_string()
    };
    assert!(refused(" ", "").contains("blank, or longer than 4096 bytes"));
    assert!(refused(&"x".repeat(4097), "").contains("blank, or longer"));
    assert!(refused("shop", &"x".repeat(16_385)).contains("has 16385 bytes, and at most 16384 are kept"));
    assert_eq!(totals(&engine).0, [0; 8], "nothing of it is there");
    engine.push(&"x".repeat(4096), activities(0..1), &"y".repeat(16_384)).expect("within them");
    for name in ["", "a"] {
        let told = engine.replay(Replay::new().reader("a", "".as_bytes()).reader(name, "".as_bytes()));
        assert_eq!(told.expect_err("refused").kind(), ErrorKind::Argument, "{name}");
    }
}

fn over(backend: Arc<dyn Backend>) -> Engine {
    Engine::options().over(backend).expect("a sound store")
}

const BATCH: usize = 12;
const BATCHES: usize = 7;

/// A consumer: it asks where to go on, and pushes batch after batch.
fn consume(engine: &mut Engine, batches: usize) -> backstitch::Result<()> {
    let next = engine.pushed("shop").map_or(0, |position| position.parse().expect("a number of ours"));
    (next..batches).try_for_each(|batch| {
        let pushed = engine.push("shop", activities(batch * BATCH..(batch + 1) * BATCH), &(batch + 1).to_string())?;
        assert_eq!(counts(&pushed), [BATCH as u64, 0, 0], "each is delivered once");
        Ok(())
    })
}

/// What a store holds, and the position that it tells.
fn state(engine: &Engine) -> (([u64; 8], String), Option<String>) {
    (totals(engine), engine.pushed("shop"))
}

#[test]
fn a_disk_that_fails_at_any_write_of_a_push() {
    let whole = Arc::new(FaultyBackend::default());
    let mut engine = over(whole.clone());
    let before = whole.writes();
    let mut states = vec![state(&engine)];
    for batch in 1..=BATCHES {
        consume(&mut engine, batch).expect("a store in memory");
        states.push(state(&engine));
    }
    let writes = whole.writes() - before;
    let last = states.last().expect("some");
    assert_eq!(last.1.as_deref(), Some("7"));
    assert!(writes > 60, "{writes}");
    let reached = |state| states.iter().position(|known| *known == state);
    let mut failed = 0;
    for at in 0..writes {
        let backend = Arc::new(FaultyBackend::default());
        let mut engine = over(backend.clone());
        backend.fail_after(at);
        let told = consume(&mut engine, BATCHES);
        let published = reached(state(&engine)).unwrap_or_else(|| panic!("{at}: facts without their position"));
        match told {
            Ok(()) => assert_eq!(published, BATCHES, "{at}: only what nobody needs was not deleted"),
            Err(error) => {
                failed += 1;
                assert!(error.to_string().contains("disk has failed"), "{at}: {error}");
                consume(&mut engine, BATCHES).expect_err("nothing is written on top of what failed");
            }
        }
        let all = [Survivors::None, Survivors::All, Survivors::Random(at), Survivors::First(at as usize % 5)];
        for &way in some_ways(at, &all) {
            let mut opened = over(Arc::new(backend.crash(way)));
            let found =
                reached(state(&opened)).unwrap_or_else(|| panic!("{at}, {way:?}: facts without their position"));
            assert!(found == published || found == published + 1, "{at}, {way:?}: {published}, {found}");
            consume(&mut opened, BATCHES).expect("a sound store");
            assert_eq!(&state(&opened), last, "{at}, {way:?}");
            assert!(opened.verify().expect("readable").is_sound(), "{at}, {way:?}");
        }
    }
    assert!(failed > writes / 2, "{failed} of {writes}");
}

/// Where the child finds the store.
const STORE: &str = "BACKSTITCH_PUSH_STORE";
const MANY_BATCHES: usize = 60;

/// What the child does. By itself, as a test, it pushes into a new store.
#[test]
fn a_consumer_in_small_batches() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = std::env::var_os(STORE).unwrap_or_else(|| folder.path().join("store").into());
    let mut engine = Engine::open(store).expect("a sound store");
    consume(&mut engine, MANY_BATCHES).expect("pushed");
    assert_eq!(engine.pushed("shop"), Some(MANY_BATCHES.to_string()));
}

fn child(store: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "push::a_consumer_in_small_batches"])
        .env(STORE, store)
        .stdout(Stdio::null())
        .spawn()
        .expect("this test runs again")
}

#[test]
fn a_consumer_that_is_killed_delivers_each_event_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Instant::now();
    assert!(child(&folder.path().join("undisturbed")).wait().expect("it ran").success());
    let span = start.elapsed().as_micros() as u64;
    let store = folder.path().join("store");
    let (mut inside, mut last) = (0, 0);
    for _ in 0..100 {
        let mut victim = child(&store);
        std::thread::sleep(Duration::from_micros(RandomState::new().build_hasher().finish() % span.max(1)));
        victim.kill().expect("a child");
        victim.wait().expect("a child");
        if !store.exists() {
            continue;
        }
        let engine = Engine::open(&store).expect("a store that a kill left sound");
        let told = engine.pushed("shop").map_or(0, |position| position.parse().expect("a number"));
        let mut undisturbed = Engine::in_memory();
        undisturbed.push("shop", activities(0..told * BATCH), "").expect("pushed");
        assert_eq!(totals(&engine), totals(&undisturbed), "facts and position are of one commit: {told}");
        assert!(told >= last, "nothing committed is lost");
        drop(engine);
        inside += u32::from(told > last && told < MANY_BATCHES);
        last = told;
        if told == MANY_BATCHES {
            std::fs::remove_dir_all(&store).expect("removable"); // on to another store
            last = 0;
        }
        if inside >= 3 {
            break;
        }
    }
    assert!(inside >= 3, "{inside} kills came between two commits");
    assert!(child(&store).wait().expect("it ran").success());
    let engine = Engine::open(&store).expect("a sound store");
    let mut undisturbed = Engine::in_memory();
    undisturbed.push("shop", activities(0..MANY_BATCHES * BATCH), "").expect("pushed");
    assert_eq!(totals(&engine), totals(&undisturbed));
    assert!(engine.verify().expect("readable").is_sound());
}

/// A disk in memory that forgets nothing: a repaired store knows of no position, since it may lack events.
#[test]
fn a_repair_that_loses_events_forgets_the_position() {
    let memory = Arc::new(MemoryBackend::default());
    let mut engine = over(memory.clone());
    consume(&mut engine, BATCHES).expect("a store in memory");
    let expected = totals(&engine);
    drop(engine);
    let mut entries = memory.entries();
    let events = backstitch::store::block_kinds().find(|kind| kind.word() == "events").expect("a kind").number();
    let (_, block) = entries.iter_mut().find(|(key, _)| key[0] == events).expect("events");
    *block.last_mut().expect("a body") ^= 1;
    let (mut engine, repaired) = Engine::repair_backend(Arc::new(MemoryBackend::holding(entries))).expect("repaired");
    assert!(repaired.lost_events > 0);
    assert_eq!(engine.pushed("shop"), None);
    engine.push("shop", activities(0..BATCHES * BATCH), "all").expect("pushed again");
    assert_eq!(totals(&engine), expected);
}
