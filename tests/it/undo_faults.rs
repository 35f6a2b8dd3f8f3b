//! Taking back over a disk that fails, and commits while somebody reads: all of it or nothing, and the feed tells the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use backstitch::store::backend::{Backend, Entry, MemoryBackend};
use backstitch::store::error::BackendError;
use backstitch::store::fault::{FaultyBackend, Survivors};
use backstitch::{Engine, Error, Identity, Retract, Sequence};
use serde_json::Value;

use crate::busy::line;
use crate::harness::{Manner, of_the_feed, records, replay, sessions, text, totals};

/// Two logs over the same sessions and customers; the first event of the first has an id.
fn logs(folder: &Path) -> Vec<PathBuf> {
    let file = |file: usize| {
        let path = folder.join(format!("{file}.ndjson"));
        let lines = (0..30).map(|at| file * 13 + at);
        let mut lines: Vec<String> =
            lines.map(|at| line(at % 11, at * 5 % 83, at.is_multiple_of(3).then_some(at % 4))).collect();
        lines[0] = lines[0].replacen('{', &format!(r#"{{"id":"first of {file}","#), 1);
        std::fs::write(&path, text(&lines)).expect("written");
        path.canonicalize().expect("it is there")
    };
    (0..2).map(file).collect()
}

fn over(backend: Arc<dyn Backend>) -> Engine {
    Engine::options().over(backend).expect("a sound store")
}

/// A way to change what a store holds.
#[derive(Debug, Clone, Copy)]
enum Act<'a> {
    Replay(&'a Path),
    Unlink,
    Relink,
    Rename,
    RenameBack,
    Source(&'a Path),
    Event,
    Trim,
}

impl Act<'_> {
    fn on(self, engine: &mut Engine) -> Result<(), Error> {
        match self {
            Self::Replay(log) => {
                replay(engine, &[log.to_owned()], Manner { batch_events: 1, ..Manner::default() });
                Ok(())
            }
            Self::Unlink => engine.unlink("s0", "c0").map(drop),
            Self::Relink => engine.relink("s0", "c0").map(drop),
            Self::Rename => engine.rename([(customer("c0"), customer("c1"))]).map(drop),
            Self::RenameBack => engine.rename_back([customer("c0")]).map(drop),
            Self::Source(log) => engine.retract(Retract::Source(log.to_str().expect("UTF-8"))).map(drop),
            Self::Event => engine.retract(Retract::Event("first of 0")).map(drop),
            Self::Trim => engine.trim(Sequence(4)),
        }
    }
}

fn customer(value: &str) -> Identity {
    Identity::new("ecommerceId", value)
}

fn feed(engine: &Engine, since: Sequence) -> Vec<Value> {
    records(engine, since.0)
}

/// Everything that is asked of a store.
#[derive(Debug, Clone, PartialEq)]
struct State {
    rows: Vec<Value>,
    totals: ([u64; 8], String),
    /// Its feed, where nothing was trimmed.
    feed: Vec<Value>,
    trimmed: Sequence,
}

fn state(engine: &Engine) -> State {
    let trimmed = engine.feed().trimmed();
    State {
        rows: sessions(engine).iter().map(of_the_feed).collect(),
        totals: totals(engine),
        feed: feed(engine, trimmed),
        trimmed,
    }
}

/// The rows before, and the feed applied to them.
fn applied(before: &State, feed: &[Value]) -> Vec<Value> {
    let name = |row: &Value| row["session"].as_str().expect("a session").to_owned();
    let mut rows: BTreeMap<String, Value> = before.rows.iter().map(|row| (name(row), row.clone())).collect();
    for record in feed {
        let session = name(record);
        let was = rows.remove(&session).map_or(Value::Null, |row| row["person"].clone());
        assert_eq!(record["from"], was, "{record}");
        if !record["to"].is_null() {
            let row = serde_json::json!({
                "session": session, "person": record["to"], "since": record["since"], "events": record["events"],
            });
            rows.insert(session, row);
        }
    }
    rows.into_values().collect()
}

/// Both logs read, and what an act is about prepared.
fn prepared(act: Act<'_>, logs: &[PathBuf]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let memory = Arc::new(MemoryBackend::default());
    let mut engine = over(memory.clone());
    for log in logs {
        Act::Replay(log).on(&mut engine).expect("a store in memory");
    }
    match act {
        Act::Relink => Act::Unlink.on(&mut engine).expect("a store in memory"),
        Act::RenameBack => Act::Rename.on(&mut engine).expect("a store in memory"),
        _ => {}
    }
    drop(engine);
    memory.entries()
}

fn acts(logs: &[PathBuf]) -> [Act<'_>; 7] {
    let source = Act::Source(&logs[1]);
    [Act::Unlink, Act::Relink, Act::Rename, Act::RenameBack, source, Act::Event, Act::Trim]
}

#[test]
fn a_disk_that_fails_at_any_write_of_a_taking_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = logs(folder.path());
    for act in acts(&logs) {
        let entries = prepared(act, &logs);
        let whole = Arc::new(FaultyBackend::holding(entries.clone()));
        let mut engine = over(whole.clone());
        let (before, since, written) = (state(&engine), engine.feed().sequence(), whole.writes());
        act.on(&mut engine).expect("a sound store");
        let (after, writes) = (state(&engine), whole.writes() - written);
        assert_ne!(before, after, "{act:?}");
        assert!(writes > 3, "{act:?}: {writes}");
        println!("{act:?}: {writes} writes, each of which fails");
        drop(engine);
        for (at, is_read) in (0..writes).flat_map(|at| [(at, false), (at, true)]) {
            let backend = Arc::new(FaultyBackend::holding(entries.clone()));
            let mut engine = over(backend.clone());
            let reader = is_read.then(|| engine.resolver());
            backend.fail_after(at);
            let told = act.on(&mut engine);
            let published = state(&engine);
            match &told {
                Ok(()) => assert_eq!(published, after, "{act:?} {at}: only what nobody needs was not deleted"),
                Err(error) => {
                    assert!(error.to_string().contains("disk has failed"), "{act:?} {at}: {error}");
                    assert_eq!(published, before, "{act:?} {at}, read: {is_read}");
                    act.on(&mut engine).expect_err("nothing is written on top of what failed");
                    assert_eq!(state(&engine), before, "{act:?} {at}, read: {is_read}");
                }
            }
            drop(reader);
            for way in [Survivors::None, Survivors::All, Survivors::Random(at), Survivors::Random(at + 1_000)] {
                let mut opened = over(Arc::new(backend.crash(way)));
                let left = state(&opened);
                assert!(left == after || told.is_err() && left == before, "{act:?} {at}, {way:?}: half of it is there");
                assert_eq!(applied(&before, &feed(&opened, since)), left.rows, "{act:?} {at}, {way:?}");
                // A manifest that the crash tore is told until the next commit writes over it.
                let found = opened.verify().expect("readable");
                let is_torn = |told: &String| left == before && told.contains("manifest block");
                assert!(found.different == 0 && found.damaged.iter().all(is_torn), "{act:?} {at}, {way:?}: {found:?}");
                if left == before {
                    act.on(&mut opened).expect("a sound store");
                    assert_eq!(state(&opened), after, "{act:?} {at}, {way:?}");
                    assert!(opened.verify().expect("readable").is_sound(), "{act:?} {at}, {way:?}");
                }
            }
        }
    }
}

/// A disk in memory that fails at one write and then works again.
#[derive(Debug)]
struct Hiccup {
    memory: MemoryBackend,
    writes: AtomicU64,
    fails_at: AtomicU64,
}

impl Hiccup {
    fn write(&self) -> Result<(), BackendError> {
        match self.writes.fetch_add(1, Ordering::Relaxed) == self.fails_at.load(Ordering::Relaxed) {
            true => Err(BackendError::Failed("the disk had a hiccup".into())),
            false => Ok(()),
        }
    }
}

impl Backend for Hiccup {
    fn name(&self) -> String {
        "hiccup".into()
    }
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.memory.get(key)
    }
    fn put(&self, entries: Vec<Entry>) -> Result<(), BackendError> {
        for entry in entries {
            self.write()?;
            self.memory.put(vec![entry])?;
        }
        Ok(())
    }
    fn delete(&self, keys: &[Vec<u8>]) -> Result<(), BackendError> {
        self.write()?;
        self.memory.delete(keys)
    }
    fn keys(&self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, BackendError> {
        self.memory.keys(from, to)
    }
    fn sync(&self) -> Result<(), BackendError> {
        self.write()?;
        self.memory.sync()
    }
    fn bytes_on_disk(&self) -> Result<u64, BackendError> {
        self.memory.bytes_on_disk()
    }
}

#[test]
fn a_disk_that_fails_once_and_works_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = logs(folder.path());
    for act in acts(&logs) {
        let entries = prepared(act, &logs);
        let mut failed = 0;
        for at in 0.. {
            let memory = MemoryBackend::holding(entries.clone());
            let backend = Arc::new(Hiccup { memory, writes: AtomicU64::new(0), fails_at: AtomicU64::new(u64::MAX) });
            let mut engine = over(backend.clone());
            let before = state(&engine);
            backend.fails_at.store(backend.writes.load(Ordering::Relaxed) + at, Ordering::Relaxed);
            let told = act.on(&mut engine);
            let through = backend.writes.load(Ordering::Relaxed) <= backend.fails_at.load(Ordering::Relaxed);
            let mut known = state(&engine);
            if told.is_err() {
                failed += 1;
                assert_eq!(known, before, "{act:?} {at}");
                // It goes on, or says why not until it is opened again.
                match act.on(&mut engine) {
                    Ok(()) => known = state(&engine),
                    Err(error) => assert!(error.to_string().contains("open the store again"), "{act:?} {at}: {error}"),
                }
            }
            assert!(engine.verify().expect("readable").is_sound(), "{act:?} {at}");
            drop(engine);
            let mut opened = over(Arc::new(MemoryBackend::holding(backend.memory.entries())));
            let left = state(&opened);
            assert!(left == known || known == before, "{act:?} {at}: what was told is there");
            assert!(opened.verify().expect("readable").is_sound(), "{act:?} {at}");
            if left == before {
                act.on(&mut opened).expect("a sound store");
            }
            let mut whole = over(Arc::new(MemoryBackend::holding(entries.clone())));
            act.on(&mut whole).expect("a sound store");
            assert_eq!(state(&opened), state(&whole), "{act:?} {at}");
            if through {
                break;
            }
        }
        assert!(failed > 3, "{act:?}: {failed}");
    }
}

/// Sets a flag when it goes, also by a failed assertion.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn who_reads_changes_nothing_of_what_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = logs(folder.path());
    let course = [
        Act::Replay(&logs[0]),
        Act::Unlink,
        Act::Replay(&logs[1]),
        Act::Source(&logs[1]),
        Act::Relink,
        Act::Event,
        Act::Replay(&logs[1]),
        Act::Unlink,
        Act::Source(&logs[0]),
        Act::Replay(&logs[0]),
        Act::Trim,
        Act::Relink,
    ];
    let memory = Arc::new(MemoryBackend::default());
    let mut unread = over(memory.clone());
    let mut read = over(Arc::new(MemoryBackend::default()));
    // Read only now and then: the second graph comes, goes and comes again.
    let mut at_times = over(Arc::new(MemoryBackend::default()));
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let _stops = Stops(&stop);
        let resolver = read.resolver();
        threads.spawn(|| {
            let resolver = resolver;
            while !stop.load(Ordering::Relaxed) {
                let view = resolver.view();
                let rows = view.sessions().expect("a sound store");
                assert_eq!(rows.len() as u64, view.totals().expect("a sound store").sessions);
                std::thread::yield_now();
            }
        });
        for (at, act) in course.into_iter().enumerate() {
            let resolver = at_times.resolver();
            let view = (at % 3 == 1).then(|| at_times.resolver().view());
            let held = (at % 2 == 0).then_some(resolver);
            for engine in [&mut unread, &mut read, &mut at_times] {
                act.on(engine).expect("a store in memory");
            }
            drop((held, view));
            let expected = state(&unread);
            assert!(!expected.rows.is_empty());
            assert_eq!(state(&read), expected, "{at}: {act:?}");
            assert_eq!(state(&at_times), expected, "{at}: {act:?}, read at times");
            let opened = over(Arc::new(MemoryBackend::holding(memory.entries())));
            assert_eq!(state(&opened), expected, "{at}: {act:?}, opened again");
        }
    });
    for engine in [unread, read, at_times] {
        assert!(engine.verify().expect("readable").is_sound());
    }
}
