//! How much it takes: activities a second in batches of ten over connections that stay open, beside a plain loop of appends and
//! syncs; and how much memory meanwhile. Prints, and is not run by itself: the figures are those of the machine.
//!
//! `cargo test --release --features serve --test it durable_activities -- --ignored --nocapture`

use std::fs::File;
use std::io::{BufReader, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{KEY, Serving, ask};
use crate::harness::asked;

const BATCH: usize = 10;

/// How often it is looked how much memory the collector has.
const LOOKS: u32 = 10;

fn body(number: usize) -> String {
    let one = |at: usize| {
        let (id, session) = (number * BATCH + at, number % 5_000);
        format!(
            r#"{{"timestamp":{},"id":"e{id}","action":"view","target":{{"product":"{}"}},"user":{{"identities":{{"sessionId":"session-{session}"}}}},"sourceId":"shop"}}"#,
            1_793_527_200_000 + id,
            id % 1_000
        )
    };
    format!("[{}]", (0..BATCH).map(one).collect::<Vec<_>>().join(","))
}

#[test]
#[ignore = "a measurement: BACKSTITCH_LOAD_SECONDS, BACKSTITCH_LOAD_CLIENTS"]
fn durable_activities_a_second() {
    let patience = Duration::from_secs(asked("BACKSTITCH_LOAD_SECONDS").unwrap_or(10));
    let clients = asked("BACKSTITCH_LOAD_CLIENTS").unwrap_or(64) as usize;
    let folder = tempfile::tempdir().expect("a folder");

    let mut file = File::create(folder.path().join("plain")).expect("made");
    let (start, mut plain) = (Instant::now(), 0);
    while start.elapsed() < patience / 4 {
        file.write_all(body(plain).as_bytes()).expect("written");
        file.sync_data().expect("synced");
        plain += 1;
    }
    let plain = plain as f64 / start.elapsed().as_secs_f64();

    let serving = Serving::start(folder.path(), &[]);
    let start = Instant::now();
    let mut memory = Vec::new();
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let client = |client: usize| {
            let mut stream = BufReader::new(serving.connect());
            scope.spawn(move || {
                let mut times = Vec::new();
                for number in (client..).step_by(clients) {
                    if start.elapsed() > patience {
                        break;
                    }
                    let asked_at = Instant::now();
                    let reply = ask(&mut stream, &format!("POST /{KEY}"), "", body(number).as_bytes());
                    assert_eq!(reply.expect("an answer").status, 200);
                    times.push(asked_at.elapsed());
                }
                times
            })
        };
        let all: Vec<_> = (0..clients).map(client).collect();
        for _ in 0..LOOKS {
            thread::sleep(patience / LOOKS);
            memory.extend(serving.memory("VmRSS").map(|bytes| (bytes >> 20).to_string()));
        }
        all.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
    });
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "load: {:.0} activities/s in batches of {BATCH} over {clients} connections, p50 {:?}, p99 {:?}; \
         a plain loop of appends and syncs makes {:.0} activities/s: {:.1} times as many",
        rate * BATCH as f64,
        at(0.5),
        at(0.99),
        plain * BATCH as f64,
        rate / plain
    );
    println!("load: memory in MiB, at {LOOKS} moments: {}", memory.join(" "));
    serving.stop();
}
