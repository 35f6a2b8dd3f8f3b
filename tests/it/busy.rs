//! What goes on at the same time: many chunks behind a slow commit, and questions while commits go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backstitch::store::backend::{Backend, Entry, MemoryBackend};
use backstitch::store::error::BackendError;
use backstitch::{Engine, Resolver};

use crate::harness::{Manner, in_memory, replay, replayed, text, totals};
use crate::oracle::{Rules, judge};

/// A store in memory whose disk takes its time, and whose driver breaks off when it is told to.
#[derive(Debug, Default)]
pub struct Moody {
    pub memory: MemoryBackend,
    pub nap: Duration,
    pub breaks: AtomicBool,
}

impl Backend for Moody {
    fn name(&self) -> String {
        "moody".into()
    }
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.memory.get(key)
    }
    fn put(&self, entries: Vec<Entry>) -> Result<(), BackendError> {
        assert!(!self.breaks.load(Ordering::Relaxed), "the driver breaks off, as it was told to");
        self.memory.put(entries)
    }
    fn delete(&self, keys: &[Vec<u8>]) -> Result<(), BackendError> {
        self.memory.delete(keys)
    }
    fn keys(&self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, BackendError> {
        self.memory.keys(from, to)
    }
    fn sync(&self) -> Result<(), BackendError> {
        std::thread::sleep(self.nap);
        self.memory.sync()
    }
    fn bytes_on_disk(&self) -> Result<u64, BackendError> {
        self.memory.bytes_on_disk()
    }
}

/// A line in which `session` is seen at second `at`, with `customer` where there is one.
pub fn line(session: usize, at: usize, customer: Option<usize>) -> String {
    let customer = customer.map_or(String::new(), |customer| format!(r#","ecommerceId":"c{customer}""#));
    format!(r#"{{"timestamp":{at}.001,"user":{{"identities":{{"sessionId":"s{session}"{customer}}}}}}}"#)
}

pub fn files(folder: &Path, contents: &[Vec<String>]) -> Vec<PathBuf> {
    let file = |(at, lines): (usize, &Vec<String>)| {
        let path = folder.join(format!("{at:04}.ndjson"));
        fs::write(&path, text(lines)).expect("written");
        path
    };
    contents.iter().enumerate().map(file).collect()
}

/// Ends the test when `work` takes longer than it may.
pub fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(work()));
    receive.recv_timeout(limit).expect("it neither hangs nor panics")
}

/// More chunks than may be on their way are decoded while a commit sleeps: then nothing is being decoded, there is room for
/// nothing, and the commit is what must be waited for.
#[test]
fn more_chunks_than_have_room_wait_for_a_slow_commit() {
    let contents: Vec<Vec<String>> = (0..300).map(|at| vec![line(at, at, Some(at % 7))]).collect();
    let accepted = within(Duration::from_secs(30), move || {
        let folder = tempfile::tempdir().expect("a folder");
        let slow = Moody { nap: Duration::from_millis(100), ..Moody::default() };
        let mut engine = Engine::options().over(Arc::new(slow)).expect("a store");
        let manner = Manner { batch_events: 100, ..Manner::default() };
        replay(&mut engine, &files(folder.path(), &contents), manner).events.accepted
    });
    assert_eq!(accepted, 300);
}

#[test]
fn a_batch_of_no_events_holds_one() {
    let accepted = within(Duration::from_secs(30), || {
        let folder = tempfile::tempdir().expect("a folder");
        let mut engine = in_memory(&Rules::default());
        let files = files(folder.path(), &[vec![line(1, 1, None)], vec![line(2, 2, None)]]);
        replay(&mut engine, &files, Manner { batch_events: 0, ..Manner::default() }).events.accepted
    });
    assert_eq!(accepted, 2);
}

/// What a thread saw of each commit: a digest of a view that lasts, and who a session was.
fn watch(resolver: &Resolver, stop: &AtomicBool, seen: &Mutex<Vec<(u64, String)>>) {
    let mut stored = 0;
    while !stop.load(Ordering::Relaxed) {
        let view = resolver.view();
        let totals = view.totals().expect("a sound store");
        let again = view.totals().expect("a sound store");
        assert_eq!(totals, again, "a view does not change");
        let events = totals.attribution.events();
        assert!(events >= stored, "commits are not taken back: {stored}, then {events}");
        stored = events;
        seen.lock().expect("no panic").push((events, totals.digest.to_string()));
        let rows: u64 = view.sessions().expect("a sound store").iter().map(|row| row.events).sum();
        assert_eq!(rows, events, "rows and totals are those of one commit");
        // Short questions go to the last commit, all of it: the group of a session holds the customer that it names.
        let Some(found) = resolver.resolve("s0") else { continue };
        assert_eq!(found.person.to_string(), "ecommerceId:c0");
        assert_eq!(found.since.map(|since| since.as_micros()), Some(1_000));
        assert!(found.group.contains(&found.identity) && found.group.contains(&found.person));
    }
}

#[test]
fn every_answer_during_a_replay_is_that_of_one_whole_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    // Session 0 meets its customer first and others later; the rest log in late, and so change hands again and again.
    let contents: Vec<Vec<String>> = (0..120)
        .map(|at| {
            (0..10).map(|session| line(session * at % 50, at, (session % 3 == 0).then_some(session * at % 9))).collect()
        })
        .collect();
    let files = files(folder.path(), &contents);
    let slow = Moody { nap: Duration::from_millis(1), ..Moody::default() };
    let mut engine = Engine::options().over(Arc::new(slow)).expect("a store");
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..3 {
            let resolver = engine.resolver();
            threads.spawn(|| {
                let resolver = resolver;
                watch(&resolver, &stop, &seen);
            });
        }
        replay(&mut engine, &files, Manner { batch_events: 1, ..Manner::default() });
        stop.store(true, Ordering::Relaxed);
    });
    let mut seen = seen.into_inner().expect("no panic");
    seen.sort();
    seen.dedup();
    assert!(seen.len() > 10, "many commits were seen: {}", seen.len());
    // A commit holds some first files, no more and no less.
    let mut whole = std::collections::BTreeMap::new();
    for count in 0..=contents.len() {
        let lines: Vec<String> = contents[..count].concat();
        let (figures, digest) = totals(&replayed(&Rules::default(), &text(&lines)));
        whole.insert((figures[..4].iter().sum::<u64>(), digest), count);
    }
    for state in &seen {
        assert!(whole.contains_key(state), "no whole number of files: {state:?}");
    }
    let all = judge(&Rules::default(), &[(String::new(), contents.concat())]);
    assert_eq!(totals(&engine).1, all.digest);
}
