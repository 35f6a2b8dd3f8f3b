//! A replay in memory: decode, intern, settle, link, count. Beside it the least that any such job must do: a hash-map
//! insert for each event's session.
#![expect(clippy::expect_used, reason = "a bench that cannot go on has nothing to measure")]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::Write;

use backstitch::{Engine, Generator, Recipe};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SESSIONS: u64 = 5_000;
const SEED: u64 = 7;

fn replay(c: &mut Criterion) {
    let mut log = Vec::new();
    let generated = Generator::new(Recipe { sessions: SESSIONS, seed: SEED, repeats: true })
        .write(&mut log)
        .expect("writing to memory");
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&log).expect("writing the log");
    let path = file.path().to_str().expect("a path in UTF-8").to_owned();

    let mut group = c.benchmark_group("replay");
    group.sample_size(10).throughput(Throughput::Elements(generated.lines));
    group.bench_function("in memory", |b| {
        b.iter(|| {
            let mut engine = Engine::in_memory();
            engine.replay([&path]).expect("a replay").totals.digest
        });
    });
    let sessions: Vec<&[u8]> = log.split(|&byte| byte == b'\n').filter_map(session).collect();
    group.bench_function("baseline: hash-map insert of each session", |b| {
        b.iter(|| {
            let mut events: HashMap<&[u8], u32> = HashMap::new();
            for &session in black_box(&sessions) {
                *events.entry(session).or_default() += 1;
            }
            events.len()
        });
    });
    group.finish();
}

/// The session ID of a generated line.
fn session(line: &[u8]) -> Option<&[u8]> {
    let key = b"\"sessionId\":\"";
    let start = memchr::memmem::find(line, key)? + key.len();
    line.get(start..start + 36)
}

criterion_group!(benches, replay);
criterion_main!(benches);
