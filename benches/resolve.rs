//! `resolve` from memory, beside a plain hash-map get of the same sessions.
#![expect(clippy::expect_used, reason = "a bench that cannot go on has nothing to measure")]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::Write;

use backstitch::{Engine, Generator, Recipe};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SESSIONS: u64 = 20_000;
const SEED: u64 = 7;
/// Questions in one turn.
const ASKED: usize = 1_000;

fn resolve(c: &mut Criterion) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut log = Vec::new();
    Generator::new(Recipe { sessions: SESSIONS, seed: SEED, repeats: false })
        .write(&mut log)
        .expect("writing to memory");
    file.write_all(&log).expect("writing the log");
    let path = file.path().to_str().expect("a path in UTF-8");
    let mut engine = Engine::in_memory();
    engine.replay([path]).expect("a replay");
    let resolver = engine.resolver();
    let rows = resolver.view().sessions().expect("rows");
    let known: HashMap<&str, &str> = rows.iter().map(|row| (&*row.session, &*row.person.value)).collect();
    // A stride through the sorted rows, so that neighbours are not asked one after another.
    let asked: Vec<&str> = (0..ASKED).map(|at| &*rows[at * 7919 % rows.len()].session).collect();

    let mut group = c.benchmark_group("resolve");
    group.throughput(Throughput::Elements(ASKED as u64));
    group.bench_function("customer_of", |b| {
        b.iter(|| asked.iter().filter(|session| resolver.customer_of(black_box(session)).is_some()).count());
    });
    group.bench_function("session, with its group", |b| {
        b.iter(|| asked.iter().filter_map(|session| resolver.resolve(black_box(session))).count());
    });
    group.bench_function("baseline: hash-map get", |b| {
        b.iter(|| {
            asked.iter().filter_map(|session| known.get(black_box(*session)).map(|&person| person.to_owned())).count()
        });
    });
    group.finish();
}

criterion_group!(benches, resolve);
criterion_main!(benches);
