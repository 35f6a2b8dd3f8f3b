//! How fast is the identity graph? Beside each figure stands the speed of light: a walk over a plain array of as many elements.
//!
//! Sizes and seed are the constants below. `cargo bench --bench union_find`.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a bench that cannot go on has nothing to measure")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use backstitch::graph::interner::Interner;
use backstitch::graph::{Delta, Graph};
use backstitch::model::identity::{IdentityId, Value};
use backstitch::model::link::{Link, Seen, Witness};
use backstitch::model::namespace::NamespaceId;
use backstitch::{EventHash, Levels, Namespaces, Time};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const SEED: u64 = 18_278;
/// Links, about one a session.
const LINKS: usize = 1_000_000;
const SESSIONS: u64 = 1_000_000;
const CUSTOMERS: u64 = 200_000;
/// Sessions that meet a customer at random, of a hundred; the others meet a customer near their own number.
const SHARED: u64 = 5;
/// The first of the late links that are applied to the whole graph.
const LATE: usize = 10_000;
/// Seconds of one year, over which the links spread; hence the odd tie.
const YEAR: u64 = 31_536_000;

fn uuid(numbers: &mut Xoshiro256PlusPlus) -> Value<'static> {
    let mut bytes = [0; 16];
    numbers.fill_bytes(&mut bytes);
    Value::Uuid(bytes)
}

/// One delta with everything, as when a store is opened.
fn history() -> Delta {
    let mut numbers = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let namespaces = Namespaces::new(Levels::default());
    let customer = namespaces.unique().expect("the default levels have one");
    let mut delta = Delta::new(namespaces);
    for _ in 0..SESSIONS {
        delta.identities.intern(NamespaceId::SESSION, uuid(&mut numbers));
    }
    for _ in 0..CUSTOMERS {
        delta.identities.intern(customer, uuid(&mut numbers));
    }
    delta.seen = delta.identities.ids().map(|id| (id, Seen::at(Time::from_micros(i64::from(id.0))))).collect();
    while delta.links.len() < LINKS {
        let session = numbers.next_u64() % SESSIONS;
        let shared = numbers.next_u64() % 100 < SHARED;
        let customer = if shared { numbers.next_u64() } else { session } % CUSTOMERS;
        let time = Time::from_micros((numbers.next_u64() % YEAR) as i64 * 1_000_000);
        let lower = IdentityId(session as u32);
        let witness = Witness { event: EventHash(0), anchor: lower };
        delta.links.observe(lower, IdentityId((SESSIONS + customer) as u32), time, witness);
    }
    delta
}

fn graph(delta: &Delta) -> Graph {
    let mut graph = Graph::new(delta.namespaces.clone());
    graph.apply(delta.clone()).expect("a delta made for it");
    graph
}

fn build(c: &mut Criterion) {
    let delta = history();
    let mut group = c.benchmark_group("build");
    group.sample_size(10).throughput(Throughput::Elements(LINKS as u64));
    let ends: Vec<u64> = delta.links.as_slice().iter().map(|link| u64::from(link.higher.0)).collect();
    group.bench_function("array_walk", |b| b.iter(|| black_box(&ends).iter().sum::<u64>()));
    group.bench_function("sort_by_time_alone", |b| {
        let keys: Vec<(Time, u32)> =
            delta.links.as_slice().iter().zip(0..).map(|(link, at)| (link.first, at)).collect();
        b.iter_batched_ref(|| keys.clone(), |keys| keys.sort(), BatchSize::PerIteration);
    });
    group.bench_function("apply_to_empty", |b| {
        let empty = Graph::new(delta.namespaces.clone());
        let both = || (empty.clone(), Some(delta.clone()));
        b.iter_batched_ref(both, |(graph, delta)| graph.apply(delta.take().unwrap()), BatchSize::PerIteration);
    });
    group.finish();
    late(c, &delta);
}

/// The links of the history's first days arrive last.
fn late(c: &mut Criterion, delta: &Delta) {
    let mut links = delta.links.as_slice().to_vec();
    links.sort_by_key(|link| link.first);
    let (mut early, mut rest) = (Delta::new(delta.namespaces.clone()), delta.clone());
    rest.links.clear();
    for (at, link) in links.into_iter().enumerate() {
        let part = if at < LATE { &mut early.links } else { &mut rest.links };
        part.merge_link(link);
    }
    let whole = graph(&rest);
    let events: Vec<Delta> = early.links.as_slice().iter().map(|&link| one_event(&early, link)).collect();
    percentiles(with_room(&whole, &events), &events[1..]);
    let mut group = c.benchmark_group("late");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one_event", |b| {
        b.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            let mut left = iterations as usize;
            while left > 0 {
                let (mut graph, some) = (with_room(&whole, &events), left.min(events.len() - 1));
                took += each(&mut graph, &events[1..=some]).into_iter().sum::<Duration>();
                left -= some;
            }
            took
        });
    });
    group.sample_size(10).throughput(Throughput::Elements(LATE as u64));
    group.bench_function("apply", |b| {
        let both = || (whole.clone(), Some(early.clone()));
        b.iter_batched_ref(both, |(graph, delta)| graph.apply(delta.take().unwrap()), BatchSize::PerIteration);
    });
    group.finish();
}

/// A late event by itself: one link, and the two identities seen earlier than was known.
fn one_event(early: &Delta, link: Link) -> Delta {
    let mut delta = Delta::new(early.namespaces.clone());
    delta.links.merge_link(link);
    delta.seen = [link.lower, link.higher].map(|id| (id, Seen::at(link.first))).into();
    delta
}

/// A copy that has grown since: fresh from the copying, its vectors have no room for even one more.
fn with_room(whole: &Graph, events: &[Delta]) -> Graph {
    let mut graph = whole.clone();
    graph.apply(events[0].clone()).expect("a delta made for it");
    graph
}

/// Applies events one after the other, and says how long each took; the room of each is made and freed outside.
fn each(graph: &mut Graph, events: &[Delta]) -> Vec<Duration> {
    let mut took = Vec::with_capacity(events.len());
    for event in events {
        let event = event.clone();
        let start = Instant::now();
        let applied = black_box(graph.apply(event));
        took.push(start.elapsed());
        applied.expect("a delta made for it");
    }
    took
}

/// Percentiles of single late events, which criterion's means do not show.
fn percentiles(mut graph: Graph, events: &[Delta]) {
    let mut took = each(&mut graph, events);
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("late/one_event: p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}", at(0.5), at(0.99), at(0.999), at(1.0));
}

fn find(c: &mut Criterion) {
    let graph = graph(&history());
    let in_order: Vec<IdentityId> = graph.identities().ids().collect();
    let mut shuffled = in_order.clone();
    let mut numbers = Xoshiro256PlusPlus::seed_from_u64(SEED);
    for at in (1..shuffled.len()).rev() {
        shuffled.swap(at, (numbers.next_u64() % (at as u64 + 1)) as usize);
    }
    let plain: Vec<u32> = graph.identities().ids().map(|id| id.0).collect();
    let mut group = c.benchmark_group("owner");
    group.sample_size(20).throughput(Throughput::Elements(in_order.len() as u64));
    for (name, ids) in [("in_order", &in_order), ("shuffled", &shuffled)] {
        group.bench_function(format!("array_walk_{name}"), |b| {
            b.iter(|| ids.iter().map(|id| u64::from(plain[id.index()])).sum::<u64>());
        });
        group.bench_function(format!("owner_{name}"), |b| {
            b.iter(|| {
                ids.iter().filter_map(|&id| graph.owner(id)).map(|owner| u64::from(owner.customer.0)).sum::<u64>()
            });
        });
    }
    group.finish();
}

fn intern(c: &mut Criterion) {
    let mut numbers = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let values: Vec<Value<'_>> = (0..SESSIONS).map(|_| uuid(&mut numbers)).collect();
    let mut group = c.benchmark_group("interner");
    group.sample_size(20).throughput(Throughput::Elements(SESSIONS));
    group.bench_function("array_walk", |b| {
        b.iter(|| {
            let byte = |value: &Value<'_>| matches!(value, Value::Uuid(bytes) if bytes[0] == 7);
            black_box(&values).iter().filter(|value| byte(value)).count()
        });
    });
    let fill = |all: &mut Interner| values.iter().for_each(|&value| _ = all.intern(NamespaceId::SESSION, value));
    group.bench_function("intern_new", |b| b.iter_batched_ref(Interner::new, fill, BatchSize::PerIteration));
    let mut all = Interner::new();
    fill(&mut all);
    group.bench_function("intern_known", |b| b.iter(|| fill(&mut all)));
    group.bench_function("get", |b| {
        b.iter(|| values.iter().filter(|value| all.get(NamespaceId::SESSION, **value).is_some()).count());
    });
    group.finish();
}

criterion_group!(benches, build, find, intern);
criterion_main!(benches);
