//! A disk that fails in the middle of a replay: it ends with an error, the answers stay those of the last commit, nothing is
//! written on top of what failed, and what a crash would leave is replayed to the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use backstitch::store::backend::{Backend, MemoryBackend};
use backstitch::store::block_kinds;
use backstitch::store::fault::{FaultyBackend, Survivors};
use backstitch::{Engine, Replay, Verification};

use crate::busy::{Moody, line, within};
use crate::harness::{Manner, replay, some_ways, text, totals};

const FILES: usize = 12;
const LINES_A_FILE: usize = 20;

/// Files that keep coming back to the same sessions and customers, later and earlier than before.
fn logs(folder: &std::path::Path) -> Vec<PathBuf> {
    let file = |file: usize| {
        let lines: Vec<String> = (0..LINES_A_FILE)
            .map(|at| {
                let number = file * 7 + at;
                line(number % 31, number * 5 % 97, number.is_multiple_of(3).then_some(number % 8))
            })
            .collect();
        let path = folder.join(format!("{file:02}.ndjson"));
        std::fs::write(&path, text(&lines)).expect("written");
        path
    };
    (0..FILES).map(file).collect()
}

fn over(backend: Arc<dyn Backend>) -> Engine {
    Engine::options().over(backend).expect("a sound store")
}

/// A commit a file, by two threads: chunks are being decoded while a commit fails.
const MANNER: Manner = Manner { threads: 2, batch_events: 1, force: false };

fn try_replay(engine: &mut Engine, logs: &[PathBuf]) -> Result<(), String> {
    let job = Replay::of(logs).threads(MANNER.threads).batch_events(MANNER.batch_events);
    engine.replay(job).map(drop).map_err(|error| error.to_string())
}

/// The state of a store after each file, in memory: what every commit must look like.
fn states(logs: &[PathBuf]) -> Vec<([u64; 8], String)> {
    let mut engine = over(Arc::new(MemoryBackend::default()));
    let mut states = vec![totals(&engine)];
    for log in logs {
        replay(&mut engine, std::slice::from_ref(log), MANNER);
        states.push(totals(&engine));
    }
    states
}

#[test]
fn a_disk_that_fails_at_any_write_of_a_replay() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = logs(folder.path());
    let states = states(&logs);
    let whole = Arc::new(FaultyBackend::default());
    let mut engine = over(whole.clone());
    let before = whole.writes();
    replay(&mut engine, &logs, MANNER);
    let writes = whole.writes() - before;
    assert_eq!(&totals(&engine), states.last().expect("some"));
    assert!(writes > 100, "{writes}");
    println!("a replay: {writes} writes, each of which fails");

    let mut failed = 0;
    for at in 0..writes {
        let backend = Arc::new(FaultyBackend::default());
        let mut engine = over(backend.clone());
        backend.fail_after(at);
        let resolver = engine.resolver();
        let told = try_replay(&mut engine, &logs);
        let last = totals(&engine);
        let reached = states.iter().position(|state| *state == last).unwrap_or_else(|| panic!("{at}: half a commit"));
        match told {
            // Only runs that nobody needs were not deleted.
            Ok(()) => assert_eq!(reached, FILES, "{at}"),
            Err(error) => {
                failed += 1;
                assert!(error.contains("disk has failed"), "{at}: {error}");
                // The same engine takes nothing more, and answers as before.
                let again = try_replay(&mut engine, &logs).expect_err("poisoned");
                assert!(again.contains("open the store again"), "{at}: {again}");
                assert_eq!(totals(&engine), last, "{at}");
                let known = resolver.view().graph().identities().len();
                assert_eq!(known > 0, reached > 0, "{at}");
            }
        }
        for &way in some_ways(at, &[Survivors::None, Survivors::All, Survivors::Random(at)]) {
            let mut opened = over(Arc::new(backend.crash(way)));
            let left = totals(&opened);
            let found = states.iter().position(|state| *state == left).unwrap_or_else(|| panic!("{at}, {way:?}"));
            assert!(found == reached || found == reached + 1, "{at}, {way:?}: {reached} was told, {found} is there");
            replay(&mut opened, &logs, MANNER);
            assert_eq!(&totals(&opened), states.last().expect("some"), "{at}, {way:?}");
            assert!(opened.verify().expect("readable").is_sound(), "{at}, {way:?}");
        }
    }
    assert!(failed > writes / 2, "{failed} of {writes}");
}

#[test]
fn a_commit_that_breaks_off_ends_the_replay() {
    within(std::time::Duration::from_secs(30), || {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = logs(folder.path());
        let backend = Arc::new(Moody::default());
        let mut engine = over(backend.clone());
        replay(&mut engine, &logs[..1], MANNER);
        let last = totals(&engine);
        backend.breaks.store(true, Ordering::Relaxed);
        let told = try_replay(&mut engine, &logs).expect_err("it broke off");
        assert!(told.contains("broke off"), "{told}");
        backend.breaks.store(false, Ordering::Relaxed);
        let again = try_replay(&mut engine, &logs).expect_err("poisoned");
        assert!(again.contains("open the store again"), "{again}");
        assert_eq!(totals(&engine), last);
    });
}

#[test]
fn a_disk_that_fails_at_any_write_of_a_repair() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = logs(folder.path());
    let memory = Arc::new(MemoryBackend::default());
    let mut engine = over(memory.clone());
    replay(&mut engine, &logs, MANNER);
    let undisturbed = totals(&engine);
    let mut entries = memory.entries();
    // The first of many: identities that it alone knew come before others that later files know.
    let events = block_kinds().find(|kind| kind.word() == "events").expect("a kind").number();
    let events = entries.keys().find(|key| key[0] == events).expect("events").clone();
    *entries.get_mut(&events).expect("it is there").last_mut().expect("a body") ^= 1;

    let mut at = 0;
    loop {
        let backend = Arc::new(FaultyBackend::holding(entries.clone()));
        backend.fail_after(at);
        let whole = Engine::repair_backend(backend.clone()).is_ok();
        for way in [Survivors::None, Survivors::All, Survivors::Random(at)] {
            let image = Arc::new(backend.crash(way));
            let opened = Engine::options().over(image.clone());
            let found = opened.ok().map(|engine| engine.verify().expect("readable"));
            let sound = found.as_ref().is_some_and(Verification::is_sound);
            let told = found.is_none_or(|found| !found.damaged.is_empty());
            assert!(sound || told, "write {at}, {way:?}: neither repaired nor damaged");
            assert!(sound || !whole, "write {at}, {way:?}");
            // Only a store that is not sound is repaired again; the logs bring back everything to either.
            let mut engine = match sound {
                true => over(image),
                false => Engine::repair_backend(image).expect("what is left can be repaired").0,
            };
            assert!(engine.verify().expect("readable").is_sound(), "write {at}, {way:?}");
            replay(&mut engine, &logs, MANNER);
            assert_eq!(totals(&engine), undisturbed, "write {at}, {way:?}");
            assert!(engine.verify().expect("readable").is_sound(), "write {at}, {way:?}");
        }
        if whole && at >= backend.writes() {
            println!("a repair: {at} writes, each of which fails");
            break;
        }
        at += 1;
    }
    assert!(at > 5, "{at}");
}
