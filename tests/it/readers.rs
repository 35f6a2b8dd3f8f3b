//! Single answers from the disk are those of the opened store, byte by byte; where an index cannot tell, everything is loaded.

use std::sync::Arc;

use backstitch::store::backend::{Backend, MemoryBackend};
use backstitch::store::block_kinds;
use backstitch::{Activity, Engine, Identity, Limits, Reading, Retract, StoreReader, Time, View};
use proptest::prelude::*;
use serde::Serialize;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::acts::{erasing_course, law, reading};
use crate::harness::{Chance, asked, under};
use crate::oracle;
use crate::place::file;
use crate::side_by_side::Pair;
use crate::steps::Counting;

fn identity(namespace: &str, value: &str) -> Identity {
    Identity::new(namespace, value)
}

/// Everybody whom the store ever named, and some whom it did not, or not so.
fn everybody(view: &View) -> Vec<Identity> {
    let graph = view.graph();
    let mut all: Vec<Identity> = graph.identities().ids().map(|id| graph.identity(id)).collect();
    let strange = ["nobody", "email:sess-1", " sess-1 ", "SESS-1", "cust-1", ""];
    all.extend(strange.map(|value| identity("sessionId", value)));
    all.extend([identity("EMAIL", "cust-1"), identity("never heard of", "sess-1"), identity(" deviceid", "x:sess-2")]);
    all
}

fn json(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("an answer is JSON")
}

/// Asserts that what a reader says of each is what the view of everything says, under its reading.
fn assert_same(reader: &StoreReader, whole: &View, all: &[Identity]) {
    let reading = *whole.reading();
    for asked in all {
        let (namespace, value) = (&*asked.namespace, &*asked.value);
        let view = reader.view_to_resolve(asked, reading).expect("readable");
        let told = |view: &View| {
            let resolved = json(&view.resolve_in(namespace, value).expect("readable"));
            let counts_as = view.counts_as(asked).map(|identity| identity.to_string());
            let unknown = view.find(namespace, value).is_none();
            let behind = value.split_once(':').map_or("", |(_, value)| value);
            let alike = unknown.then(|| [view.find_value(value), view.find_value(behind)]);
            (resolved, counts_as, view.is_shared_in(namespace, value), alike)
        };
        assert_eq!(told(&view), told(whole), "{asked} under {reading}");
        let events = reader.events(namespace, value, reading).expect("readable");
        assert_eq!(json(&events), json(&whole.events(namespace, value).expect("readable")), "{asked} under {reading}");
    }
}

/// Asserts the same of explanations, of each and of pairs some places apart.
fn assert_explained(reader: &StoreReader, whole: &View, all: &[Identity]) {
    for (at, asked) in all.iter().enumerate() {
        let (namespace, value) = (&*asked.namespace, &*asked.value);
        let told = reader.explain(namespace, value).expect("readable");
        assert_eq!(json(&told), json(&whole.explain(namespace, value).expect("readable")), "{asked}");
        for other in [1, 2, 5].iter().filter_map(|step| all.get((at + step) % all.len())) {
            let told = reader.explain_pair(asked, other).expect("readable");
            assert_eq!(json(&told), json(&whole.explain_pair(asked, other).expect("readable")), "{asked} {other}");
        }
    }
}

fn reader(entries: std::collections::BTreeMap<Vec<u8>, Vec<u8>>) -> StoreReader {
    StoreReader::over(Arc::new(MemoryBackend::holding(entries))).expect("a store")
}

#[test]
fn a_reader_says_what_the_opened_store_says() {
    let readings = prop::collection::vec(reading(), 1..3);
    law("a reader says what the store says", 48, (erasing_course(60, 14), readings), |(course, readings)| {
        let mut pair = Pair::new(&course);
        for act in &course.acts {
            pair.act(act);
            let whole = under(&pair.engine, oracle::Reading::default());
            let all = everybody(&whole);
            let reader = reader(pair.entries());
            assert_same(&reader, &whole, &all);
            assert!(!reader.has_loaded(), "nothing was loaded");
            assert_eq!(whole.graph_counts(), whole.graph().count_all().graph, "after {act:?}");
        }
        assert!(pair.engine.verify().expect("readable").is_sound());
        let whole = under(&pair.engine, oracle::Reading::default());
        let all = everybody(&whole);
        for reading in readings {
            let reader = reader(pair.entries());
            assert_same(&reader, &under(&pair.engine, reading), &all);
            assert!(!reader.has_loaded(), "nothing was loaded");
        }
        let reader = reader(pair.entries());
        assert_explained(&reader, &whole, &all);
        assert!(!reader.has_loaded(), "nothing was loaded");
    });
}

/// A store of so many people of two sessions each, read in batches, and what lies in it.
fn of_people(people: usize, backend: Arc<dyn Backend>) -> Engine {
    let mut engine = Engine::options().over(backend).expect("a new store");
    let event = |at: usize, session: usize, login: bool| {
        let session = format!("{:08x}-0000-4000-8000-{:012x}", session % 7, session);
        let event = Activity::at(Time::from_micros(at as i64 * 1_000)).identity("sessionId", session);
        if login { event.identity("ecommerceId", format!("c{}", at / 4)) } else { event }
    };
    let all: Vec<Activity> = (0..people * 4).map(|at| event(at, at / 2, at % 2 == 1)).collect();
    for (number, batch) in all.chunks(people * 4 / 5).enumerate() {
        engine.push("people", batch.iter().cloned(), &number.to_string()).expect("pushed");
    }
    engine
}

fn session_of(person: usize) -> String {
    format!("{:08x}-0000-4000-8000-{:012x}", person * 2 % 7, person * 2)
}

#[test]
fn an_answer_reads_a_bounded_number_of_blocks() {
    let mut reads = Vec::new();
    for people in [500, 4_000, 32_000] {
        let backend = Arc::new(Counting::default());
        drop(of_people(people, backend.clone()));
        let before = backend.reads();
        let reader = StoreReader::over(backend.clone()).expect("a store");
        let opened = backend.reads() - before;
        let mut most = 0;
        for person in (0..people).step_by(people / 50) {
            let before = backend.reads();
            let told = reader.resolve(&session_of(person)).expect("readable").expect("known");
            assert_eq!((told.customer.as_deref(), told.group.len()), (Some(&*format!("c{person}")), 3));
            assert_eq!(reader.resolve(&format!("{person}")).expect("readable"), None);
            most = most.max(backend.reads() - before);
        }
        assert!(!reader.has_loaded());
        reads.push((opened, most));
    }
    // A step more of a search in each run, for each look-up, whenever the store doubles: no more.
    assert!(reads.iter().all(|read| read.1 < 300) && reads[2].1 <= reads[1].1 + 80, "{reads:?}");
}

#[test]
fn a_group_that_is_too_large_is_answered_from_everything() {
    let backend = Arc::new(MemoryBackend::default());
    let mut engine = Engine::options().over(backend.clone()).expect("a new store");
    let event = |at: usize| {
        let event =
            Activity::at(Time::from_micros(at as i64 * 1_000)).identity("sessionId", format!("session number {at}"));
        event.identity("deviceId", "in the shop")
    };
    engine.push("shop", (0..20_000).map(event), "").expect("pushed");
    let reader = reader(backend.entries());
    let told = reader.resolve("session number 777").expect("readable");
    assert_eq!(json(&told), json(&engine.resolver().resolve("session number 777")));
    assert!(reader.has_loaded());
    assert_eq!(json(&reader.resolve("nobody").expect("readable")), "null");
}

/// Whether a block is of an index, in a store whose runs of identities and of links have one block of rows each.
fn is_index(key: &[u8]) -> bool {
    block_kinds().any(|kind| ["identities", "links"].contains(&kind.word()) && kind.number() == key[0])
        && key[5..] != [0; 4]
}

/// Blocks rot, one at a time: what is asked is answered rightly or not at all; where only an index rots, always rightly.
#[test]
fn an_index_that_rots_makes_no_answer_wrong() {
    let backend = Arc::new(MemoryBackend::default());
    let engine = of_people(100, backend.clone());
    let whole = under(&engine, oracle::Reading::default());
    let asked: Vec<Identity> = [0, 7, 50, 99].map(|person| identity("sessionId", &session_of(person))).to_vec();
    let entries = backend.entries();
    let number = |word: &str| block_kinds().find(|kind| kind.word() == word).expect("a kind").number();
    let [directory, identities, links, seen] = ["directory", "identities", "links", "seen"].map(number);
    let mut fell_back = 0;
    for key in entries.keys().filter(|key| [directory, identities, links, seen].contains(&key[0])) {
        let mut rotten = entries.clone();
        let block = rotten.get_mut(key).expect("it is there");
        let middle = block.len() / 2;
        block[middle] ^= 1;
        let is_index = is_index(key);
        let Ok(reader) = StoreReader::over(Arc::new(MemoryBackend::holding(rotten))) else {
            assert_eq!(key[0], directory, "{key:?}");
            continue;
        };
        for asked in &asked {
            let told = reader.resolve_in(&asked.namespace, &asked.value, Reading::default());
            assert!(told.is_ok() || !is_index, "{key:?}: {told:?}");
            if let Ok(told) = told {
                assert_eq!(json(&told), json(&whole.resolve_in(&asked.namespace, &asked.value).expect("readable")));
            }
        }
        fell_back += u32::from(is_index && reader.has_loaded());
    }
    assert!(fell_back > 0, "an index was needed");
}

/// Indexes that say anything at all, under sums that hold: answers end, and nothing panics.
#[test]
fn a_forged_index_is_survived() {
    let backend = Arc::new(MemoryBackend::default());
    drop(of_people(60, backend.clone()));
    let entries = backend.entries();
    let mut chance = Chance(7);
    for _ in 0..asked("BACKSTITCH_CASES").unwrap_or(300) {
        let mut forged = entries.clone();
        for (key, block) in forged.iter_mut().filter(|(key, _)| is_index(key)) {
            for _ in 0..chance.below(4) {
                let at = 24 + chance.below(block.len() - 24);
                block[at] = chance.next() as u8;
            }
            let seed = xxh3_64(&[&key[..], &block[..16]].concat());
            let sum = xxh3_64_with_seed(&block[24..], seed);
            block[16..24].copy_from_slice(&sum.to_le_bytes());
        }
        let Ok(reader) = StoreReader::over(Arc::new(MemoryBackend::holding(forged))) else { continue };
        for person in [0, 13, 59] {
            let _ = reader.resolve(&session_of(person));
            let _ = reader.explain("ecommerceId", &format!("c{person}"));
            let _ = reader.events("sessionId", "nobody", Reading::default());
        }
    }
}

#[test]
fn what_a_store_holds_is_told_without_loading_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let mut engine = Engine::open(&path).expect("a new store");
    engine.replay([file("fixtures/journeys.ndjson")]).expect("replayed");
    engine.unlink("sess-family-tablet", "clara").expect("unlinked");
    engine.retract(Retract::Event("ben-1")).expect("retracted, or nothing to retract");
    let customer = |value: &str| identity("ecommerceId", value);
    let changes: [&dyn Fn(&mut Engine); 4] = [
        &|_| {},
        &|engine| _ = engine.relink("sess-family-tablet", "clara").expect("linked"),
        &|engine| _ = engine.quarantine(Some(Limits::default())).expect("limited"),
        &|engine| _ = engine.rename([(customer("clara"), customer("clara-2"))]).expect("renamed"),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        change(&mut engine);
        let told = |engine: &Engine| {
            let view = engine.resolver().view();
            let decided = (view.unlinked(), view.renamed(), view.set_aside());
            let sources: Vec<String> = view.sources().iter().map(|source| format!("{source:?}")).collect();
            let feed = (engine.feed().sequence(), engine.feed().position().to_string(), engine.generation());
            let counts = (json(&view.totals().expect("readable")), view.graph_counts());
            let limits = (engine.limits().expect("readable"), json(&engine.crowded().expect("readable")));
            (decided, sources, feed, counts, limits, view.namespaces().spellings().to_vec())
        };
        let expected = told(&engine);
        let everybody = engine.resolver().view().graph().identities().len();
        drop(engine);
        let teller = StoreReader::teller(&path).expect("readable");
        assert_eq!(told(&teller), expected, "{number}");
        let loaded = teller.resolver().view().graph().identities().len();
        // Where anything was renamed, everything has to be looked at.
        assert_eq!(loaded == everybody, number == 3, "{number}: {loaded} of {everybody}");
        drop(teller);
        engine = Engine::open(&path).expect("readable");
    }
}

/// Which identities come near the limits is kept up by each commit, so that nobody has to be looked at where none does.
#[test]
fn a_crowd_is_told_by_a_teller_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let event = |at: usize| {
        let event = Activity::at(Time::from_micros(at as i64 * 1_000)).identity("sessionId", format!("s{}", at / 2));
        event.identity("deviceId", "till").identity("ecommerceId", format!("c{at}"))
    };
    let mut engine = Engine::open(&path).expect("a new store");
    for (batch, crowd) in [(0..20, 0), (20..21, 1), (21..30, 1)] {
        engine.push("shop", batch.clone().map(event), &batch.end.to_string()).expect("pushed");
        assert_eq!(engine.crowded().expect("readable").len(), crowd, "{batch:?}");
        drop(engine);
        let teller = StoreReader::teller(&path).expect("readable");
        assert_eq!(teller.crowded().expect("readable").len(), crowd, "{batch:?}");
        drop(teller);
        engine = Engine::open(&path).expect("readable");
        assert!(engine.verify().expect("readable").is_sound());
    }
    engine.quarantine(Some(Limits::default())).expect("limited");
    assert_eq!(engine.resolver().view().set_aside().len(), 1);
}
