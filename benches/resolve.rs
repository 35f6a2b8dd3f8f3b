//! `resolve` from memory, beside a plain hash-map get of the same sessions: by one thread, by two, many at once, and while commits are made.
//!
//! Keys are random over three million sessions, so that neither fits a cache. `cargo bench --bench resolve`.
#![expect(clippy::expect_used, reason = "a bench that cannot go on has nothing to measure")]

mod machine;

use std::collections::HashMap;
use std::hint::black_box;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backstitch::rows::ResolutionRef;
use backstitch::{Activity, ECOMMERCE, Engine, Resolution, Resolver, SESSION, Time};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use uuid::Uuid;

const SESSIONS: u64 = 3_000_000;
/// One session of so many has a login.
const LOGINS: u64 = 3;
const CUSTOMERS: u64 = 400_000;
const SEED: u64 = 7;
/// Questions in one turn.
const ASKED: usize = 500_000;
/// 2026-11-01, in milliseconds.
const START: u64 = 1_793_491_200_000;
/// How long questions are timed one by one.
const TIMED: Duration = Duration::from_secs(4);
/// How long a thread computes, and rests, that stands for one that makes commits.
const BUSY: Duration = Duration::from_millis(10);
/// Events of one commit, while questions are timed.
const PUSHED: u64 = 20_000;

/// The session of a number.
fn session(number: u64) -> String {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(number);
    Uuid::from_u64_pair(random.next_u64(), random.next_u64()).hyphenated().to_string()
}

/// The customer of that session, if it has one.
fn customer(number: u64) -> Option<String> {
    number
        .is_multiple_of(LOGINS)
        .then(|| (100_000 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % CUSTOMERS).to_string())
}

/// A log of one event a session.
struct Log {
    next: u64,
    line: Vec<u8>,
    read: usize,
}

impl Read for Log {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.line.len() && self.next < SESSIONS {
            let customer = customer(self.next).map(|customer| format!(r#","ecommerceId":"{customer}""#));
            let (time, session) = (START + self.next, session(self.next));
            let customer = customer.unwrap_or_default();
            let line = format!(
                "{{\"timestamp\":{time},\"user\":{{\"identities\":{{\"sessionId\":\"{session}\"{customer}}}}}}}\n"
            );
            *self = Self { next: self.next + 1, line: line.into_bytes(), read: 0 };
        }
        let rest = &self.line[self.read..];
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

fn resolve(c: &mut Criterion) {
    machine::print();
    let mut engine = Engine::in_memory();
    engine.ingest("log", Log { next: 0, line: Vec::new(), read: 0 }).expect("a log");
    let resolver = engine.resolver();
    let known: HashMap<String, Option<String>> =
        (0..SESSIONS).map(|number| (session(number), customer(number))).collect();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let asked: Vec<String> = (0..ASKED).map(|_| session(random.next_u64() % SESSIONS)).collect();
    let hash_map_get = |asked: &[String]| asked.iter().filter_map(|session| known.get(session)?.clone()).count();
    let customer_of = |asked: &[String]| asked.iter().filter_map(|session| resolver.customer_of(session)).count();
    assert_eq!(customer_of(&asked), hash_map_get(&asked), "both answer the same");

    let many = resolver.resolve_many(&asked);
    let same = |(session, found): (&String, Option<ResolutionRef<'_>>)| {
        found.map(read_in_place) == resolver.resolve(session).as_ref().map(read)
    };
    assert!(asked.iter().zip(many.iter()).all(same), "one by one and many at once are the same");
    drop(many);

    let mut group = c.benchmark_group("resolve");
    group.sample_size(10).throughput(Throughput::Elements(ASKED as u64));
    group.bench_function("baseline: hash-map get", |b| b.iter(|| hash_map_get(black_box(&asked))));
    group.bench_function("customer_of", |b| b.iter(|| customer_of(black_box(&asked))));
    group.bench_function("customer_of, two threads", |b| {
        b.iter(|| {
            let (first, second) = asked.split_at(ASKED / 2);
            std::thread::scope(|scope| {
                let first = scope.spawn(|| customer_of(black_box(first)));
                customer_of(black_box(second)) + first.join().expect("no panic")
            })
        });
    });
    group.bench_function("resolve", |b| {
        b.iter(|| asked.iter().filter_map(|session| resolver.resolve(black_box(session))).count());
    });
    group.bench_function("resolve, all texts read", |b| {
        b.iter(|| {
            asked
                .iter()
                .filter_map(|session| resolver.resolve(black_box(session)))
                .map(|found| read(&found))
                .sum::<usize>()
        });
    });
    for many in [100, 10_000] {
        group.bench_function(format!("resolve_many, {many} at a time"), |b| {
            b.iter(|| asked.chunks(many).map(|asked| resolver.resolve_many(black_box(asked)).len()).sum::<usize>());
        });
        group.bench_function(format!("resolve_many, {many} at a time, all texts read"), |b| {
            let read = |asked: &[String]| {
                resolver.resolve_many(black_box(asked)).iter().flatten().map(read_in_place).sum::<usize>()
            };
            b.iter(|| asked.chunks(many).map(read).sum::<usize>());
        });
        group.bench_function(format!("resolve_many, {many} at a time, texts of their own"), |b| {
            let owned = |asked: &[String]| {
                let found = resolver.resolve_many(black_box(asked));
                found.iter().map(|found| found.map(ResolutionRef::to_resolution)).collect::<Vec<_>>().len()
            };
            b.iter(|| asked.chunks(many).map(owned).sum::<usize>());
        });
    }
    group.finish();
    while_committing(&mut engine, &resolver, &asked);
}

/// The bytes of an answer's texts, all of which are looked at.
fn read(found: &Resolution) -> usize {
    let identities = [&found.identity, &found.person].into_iter().chain(&found.group);
    let customer = found.customer.as_deref().map_or(0, look_at);
    identities.map(|identity| look_at(&identity.namespace) + look_at(&identity.value)).sum::<usize>() + customer
}

/// The same of an answer that has no texts of its own.
fn read_in_place(found: ResolutionRef<'_>) -> usize {
    let identities = [found.identity(), found.person()].into_iter().chain(found.group());
    let customer = found.customer().as_deref().map_or(0, look_at);
    identities.map(|identity| look_at(identity.namespace()) + look_at(&identity.value())).sum::<usize>() + customer
}

fn look_at(text: &str) -> usize {
    black_box(text).len()
}

/// Times single questions while nothing else happens, and while commits are made: criterion's means show no pauses.
fn while_committing(engine: &mut Engine, resolver: &Resolver, asked: &[String]) {
    let ask = |session: &str| drop(black_box(resolver.customer_of(black_box(session))));
    let idle = percentiles("idle", &|| false, asked, ask);
    baseline_pauses(asked);
    let done = AtomicBool::new(false);
    let busy = std::thread::scope(|scope| {
        let reader =
            scope.spawn(|| percentiles("while commits are made", &|| done.load(Ordering::Relaxed), asked, ask));
        let end = Instant::now() + TIMED;
        let mut next = SESSIONS;
        let mut commits = 0;
        while Instant::now() < end {
            let activities = (next..next + PUSHED).map(|number| {
                let time = Time::from_millis((START + number) as i64).expect("within the calendar");
                let activity = Activity::at(time).identity(SESSION, session(number));
                customer(number).into_iter().fold(activity, |activity, customer| activity.identity(ECOMMERCE, customer))
            });
            engine.push("pushed", activities, &next.to_string()).expect("a push");
            next += PUSHED;
            commits += 1;
        }
        done.store(true, Ordering::Relaxed);
        println!("{commits} commits of {PUSHED} events");
        reader.join().expect("no panic")
    });
    println!("resolve while commits are made: p99 {:.1} times the idle one", busy.as_secs_f64() / idle.as_secs_f64());
}

/// Prints how long a thread that asks nothing waits for its turn where as many others compute as make commits: what of a pause is the
/// system's.
fn baseline_pauses(asked: &[String]) {
    let done = AtomicBool::new(false);
    let is_done = || done.load(Ordering::Relaxed);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        // One that pushes, and one a core that works at times.
        for rests in std::iter::once(false).chain(std::iter::repeat_n(true, cores)) {
            scope.spawn(move || {
                while !is_done() {
                    let end = Instant::now() + BUSY;
                    while Instant::now() < end {
                        std::hint::spin_loop();
                    }
                    if rests {
                        std::thread::sleep(BUSY);
                    }
                }
            });
        }
        percentiles("baseline: nothing asked, as many threads compute", &|| false, asked, |session| {
            black_box(session);
        });
        done.store(true, Ordering::Relaxed);
    });
}

/// Prints the percentiles of single questions, and gives the 99th.
fn percentiles(when: &str, is_done: &dyn Fn() -> bool, asked: &[String], ask: impl Fn(&str)) -> Duration {
    let mut took = Vec::new();
    let end = Instant::now() + TIMED;
    for session in asked.iter().cycle() {
        let start = Instant::now();
        ask(session);
        let now = Instant::now();
        took.push(now - start);
        if is_done() || now > end {
            break;
        }
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{when}: {} questions, p50 {:?}, p99 {:?}, p99.9 {:?}, p99.99 {:?}, max {:?}",
        took.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(0.9999),
        at(1.0)
    );
    at(0.99)
}

criterion_group!(benches, resolve);
criterion_main!(benches);
