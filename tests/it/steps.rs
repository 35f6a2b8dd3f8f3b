//! What costs must not grow with: steps are counted, not timed, so that a test fails on every machine or on none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backstitch::store::backend::{Backend, Entry, MemoryBackend};
use backstitch::store::error::BackendError;
use backstitch::{Activity, Engine, Time};

/// A store in memory that counts what is read of it.
#[derive(Debug, Default)]
struct Counting {
    memory: MemoryBackend,
    reads: AtomicUsize,
}

impl Backend for Counting {
    fn name(&self) -> String {
        "counting".into()
    }
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.get(key)
    }
    fn put(&self, entries: Vec<Entry>) -> Result<(), BackendError> {
        self.memory.put(entries)
    }
    fn delete(&self, keys: &[Vec<u8>]) -> Result<(), BackendError> {
        self.memory.delete(keys)
    }
    fn keys(&self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, BackendError> {
        self.memory.keys(from, to)
    }
    fn sync(&self) -> Result<(), BackendError> {
        self.memory.sync()
    }
    fn bytes_on_disk(&self) -> Result<u64, BackendError> {
        self.memory.bytes_on_disk()
    }
}

/// An event of the one session `s` whose `id` takes so much room that a block holds some thirty.
fn event(number: usize) -> Activity {
    let time = Time::from_micros(number as i64 * 1_000);
    Activity::at(time).id(format!("{number:0>900}")).identity("sessionId", "s")
}

/// A session of many blocks, read in batches that each reach back a little into the one before, as those of every log do that is
/// written by more than one machine. Only blocks from that time are read, however long the session has become.
#[test]
fn late_events_of_a_long_session_cost_no_read_of_all_of_it() {
    const EVENTS: usize = 100;
    let backend = Arc::new(Counting::default());
    let mut engine = Engine::options().over(backend.clone()).expect("a store");
    let mut reads = Vec::new();
    for batch in 0..80 {
        let before = backend.reads.load(Ordering::Relaxed);
        // The last event of the batch before comes again, and one of its middle comes late.
        let first = (batch * EVENTS).saturating_sub(1);
        let late = (batch * EVENTS).saturating_sub(EVENTS / 2) * 2 + 1;
        let events = (first..(batch + 1) * EVENTS).map(|number| 2 * number).chain([late]).map(event);
        let pushed = engine.push("shop", events, "").expect("a sound store");
        assert_eq!((pushed.accepted, pushed.duplicate), (EVENTS as u64 + 1, u64::from(batch > 0)));
        reads.push(backend.reads.load(Ordering::Relaxed) - before);
    }
    reads.sort_unstable();
    let median = reads[reads.len() / 2];
    assert!(median < 60, "a session of 300 blocks is not read: {reads:?}");
    assert!(engine.verify().expect("readable").is_sound());
}

/// Events scattered over a session of many blocks in many runs: each is found, wherever it lies, and gets its further sources.
#[test]
fn known_events_are_found_wherever_they_lie() {
    const EVENTS: usize = 600;
    let mut engine = Engine::in_memory();
    // A step that has no divisor in common with the number: every event once, far from the one before.
    let scattered: Vec<usize> = (0..EVENTS).map(|at| at * 257 % EVENTS).collect();
    for (batch, part) in scattered.chunks(50).enumerate() {
        let source = if batch % 2 == 0 { "even" } else { "odd" };
        let pushed = engine.push(source, part.iter().map(|&number| event(2 * number)), "").expect("pushed");
        assert_eq!((pushed.accepted, pushed.duplicate), (50, 0));
    }
    for wanted in [
        vec![0],
        vec![2 * EVENTS - 2],
        vec![2 * EVENTS - 3],
        vec![2 * EVENTS + 1],
        vec![600, 601, 602],
        (0..40).collect(),
    ] {
        let known = wanted.iter().filter(|&&number| number % 2 == 0 && number < 2 * EVENTS).count() as u64;
        let again = engine.push("even", wanted.iter().map(|&number| event(number)), "").expect("pushed");
        assert_eq!((again.accepted, again.duplicate), (wanted.len() as u64 - known, known), "{wanted:?}");
    }
    let rows = engine.resolver().view().events("sessionId", "s").expect("readable").expect("known");
    for row in rows {
        let number = row.time.as_micros() as usize / 1_000;
        let place = scattered.iter().position(|&other| 2 * other == number);
        let late = number % 2 == 1 || number < 40 || (600..=602).contains(&number) || number == 2 * EVENTS - 2;
        let sources: &[&str] = match place {
            Some(place) if place / 50 % 2 == 0 => &["even"],
            Some(_) if late => &["even", "odd"],
            Some(_) => &["odd"],
            None => &["even"],
        };
        assert_eq!(row.sources, sources, "{number}");
    }
    assert!(engine.verify().expect("readable").is_sound());
}
