//! What costs must not grow with: steps are counted, not timed, so that a test fails on every machine or on none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backstitch::store::backend::{Backend, Entry, MemoryBackend};
use backstitch::store::error::BackendError;
use backstitch::{Activity, Engine, Time};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::place::file;

/// A store in memory that counts what is read of it.
#[derive(Debug, Default)]
pub struct Counting {
    memory: MemoryBackend,
    reads: AtomicUsize,
}

impl Counting {
    /// How many blocks were read.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
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
        let before = backend.reads();
        // The last event of the batch before comes again, and one of its middle comes late.
        let first = (batch * EVENTS).saturating_sub(1);
        let late = (batch * EVENTS).saturating_sub(EVENTS / 2) * 2 + 1;
        let events = (first..(batch + 1) * EVENTS).map(|number| 2 * number).chain([late]).map(event);
        let pushed = engine.push("shop", events, "").expect("a sound store");
        assert_eq!((pushed.accepted, pushed.duplicate), (EVENTS as u64 + 1, u64::from(batch > 0)));
        reads.push(backend.reads() - before);
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

/// One more event costs the same, and what is told of everything nothing, however much is stored.
#[test]
fn one_more_event_and_what_is_told_of_all_cost_no_read_of_all() {
    let backend = Arc::new(Counting::default());
    let mut engine = Engine::options().over(backend.clone()).expect("a store");
    let of_session = |session: usize, number: usize| {
        let time = Time::from_micros((session * 10 + number) as i64 * 1_000);
        let id = format!("{session}-{number:0>400}");
        Activity::at(time).id(id).identity("sessionId", format!("s{session}")).identity("email", format!("e{session}"))
    };
    let all = (0..400).flat_map(|session| (0..6).map(move |number| (session, number)));
    engine.push("shop", all.map(|(session, number)| of_session(session, number)), "").expect("a sound store");
    let reads = || backend.reads();
    let count = |reads_before: usize| reads() - reads_before;
    for session in 100..120 {
        // One more of a session that stays what it is; one that says who it is, of six that were anonymous; and one that was known.
        let more = of_session(session, 6);
        let login = of_session(session, 7).identity("ecommerceId", format!("c{session}"));
        for (activity, source) in [(more, "shop"), (login, "shop"), (of_session(session, 3), "another")] {
            let before = reads();
            engine.push(source, [activity], "").expect("a sound store");
            assert!(count(before) < 60, "one event: {}", count(before));
        }
        let before = reads();
        let totals = engine.resolver().view().totals().expect("a sound store");
        assert_eq!((totals.attribution.events() as usize, count(before)), (400 * 6 + 2 * (session - 99), 0));
    }
    assert!(engine.verify().expect("readable").is_sound());
}

/// A commit after which so many stored events count otherwise that it is cheaper to count all: they are counted once, and kept.
#[test]
fn where_much_changes_hands_everything_is_counted_once() {
    let mut engine = Engine::in_memory();
    let event = |number: i64| Activity::at(Time::from_micros(number * 1_000)).identity("sessionId", "s");
    engine.push("shop", (0..90_000).map(event), "").expect("a sound store");
    let before = engine.generation();
    engine.push("shop", [event(90_000).identity("ecommerceId", "c")], "").expect("a sound store");
    assert_eq!(engine.generation(), before + 2, "one commit for the event, one for the totals");
    let kept = engine.store().totals().expect("readable").expect("kept");
    assert_eq!((kept.attribution.retroactive, kept.attribution.direct), (90_000, 1));
    assert!(engine.verify().expect("readable").is_sound());
}

/// Totals are a cache: where they cannot be read everything is counted, and the next commit keeps them again. Those that are wrong are
/// told.
#[test]
fn totals_that_are_lost_are_counted_and_those_that_are_wrong_are_told() {
    let made = Arc::new(MemoryBackend::default());
    let over = |backend: MemoryBackend| Engine::options().over(Arc::new(backend)).expect("a store");
    let mut engine = Engine::options().over(made.clone()).expect("a store");
    engine.replay([file("fixtures/journeys.ndjson")]).expect("replayed");
    let whole = engine.resolver().view().totals().expect("a sound store");
    let entries = made.entries();
    let (key, block) = entries.iter().find(|(key, _)| key[0] == 19).expect("a block of totals");
    for is_sealed in [false, true] {
        let mut changed = block.clone();
        // The first number of its row: events that carry their customer.
        changed[26] ^= 1;
        if is_sealed {
            let sum = xxh3_64_with_seed(&changed[24..], xxh3_64(&[&key[..], &changed[..16]].concat()));
            changed[16..24].copy_from_slice(&sum.to_le_bytes());
        }
        let mut entries = entries.clone();
        entries.insert(key.clone(), changed);
        let mut engine = over(MemoryBackend::holding(entries));
        let told = engine.verify().expect("readable");
        let what = [told.damaged, told.differences].concat().join("; ");
        assert!(what.contains("totals"), "{what}");
        if !is_sealed {
            assert_eq!(engine.resolver().view().totals().expect("counted"), whole);
            engine.push("shop", [event(1)], "").expect("a sound store");
            assert!(engine.verify().expect("readable").is_sound());
        }
    }
}
