//! How much it takes: activities a second in batches of ten over connections that stay open, beside a plain loop of appends and
//! syncs; and how much memory and room on the disk meanwhile. Prints, and is not run by itself: the figures are those of the machine.
//! Ten minutes of it:
//!
//! `BACKSTITCH_LOAD_SECONDS=600 cargo test --release --features serve --test it durable_activities -- --ignored --nocapture`

use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{KEY, Serving, ask};
use crate::harness::asked;
use crate::place::binary;

const BATCH: usize = 10;

/// How often it is looked how much the collector has; in a short run, a tenth of that.
const LOOK: Duration = Duration::from_secs(30);

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

/// The time that so many hundredths of all stayed below.
fn at(times: &[Duration], hundredths: usize) -> Duration {
    times[(times.len() - 1) * hundredths / 100]
}

/// Batches a second that a loop of appends and syncs makes.
fn plain(folder: &Path, patience: Duration) -> f64 {
    let mut file = File::create(folder.join("plain")).expect("made");
    let (start, mut batches) = (Instant::now(), 0);
    while start.elapsed() < patience {
        file.write_all(body(batches).as_bytes()).expect("written");
        file.sync_data().expect("synced");
        batches += 1;
    }
    let rate = batches as f64 / start.elapsed().as_secs_f64();
    fs::remove_file(folder.join("plain")).expect("removed");
    rate
}

/// MiB of the files in a folder.
fn mebibytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>() >> 20
}

/// Prints at moments what the collector has, as long as `patience` says.
fn look(serving: &Serving, folder: &Path, batches: &AtomicUsize, patience: Duration) {
    println!("seconds   activities   memory MiB   store MiB   log MiB");
    let (start, step) = (Instant::now(), LOOK.min(patience / 10));
    while start.elapsed() + step / 2 < patience {
        thread::sleep(step);
        let [store, log] = ["store", "log"].map(|name| mebibytes(&folder.join(name)));
        let memory = serving.memory("VmRSS").unwrap_or_default() >> 20;
        let (seconds, activities) = (start.elapsed().as_secs(), batches.load(Ordering::Relaxed) * BATCH);
        println!("{seconds:7} {activities:12} {memory:12} {store:11} {log:9}");
    }
}

#[test]
#[ignore = "a measurement: BACKSTITCH_LOAD_SECONDS, BACKSTITCH_LOAD_CLIENTS"]
fn durable_activities_a_second() {
    let patience = Duration::from_secs(asked("BACKSTITCH_LOAD_SECONDS").unwrap_or(10));
    let clients = asked("BACKSTITCH_LOAD_CLIENTS").unwrap_or(64) as usize;
    let folder = tempfile::tempdir().expect("a folder");
    let plain = plain(folder.path(), (patience / 4).min(LOOK));

    let serving = Serving::start(folder.path(), &[]);
    let (start, batches) = (Instant::now(), AtomicUsize::new(0));
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let client = |client: usize| {
            let (serving, batches) = (&serving, &batches);
            let mut stream = BufReader::new(serving.connect());
            scope.spawn(move || {
                let mut times = Vec::new();
                for number in (client..).step_by(clients) {
                    if start.elapsed() > patience {
                        break;
                    }
                    let asked_at = Instant::now();
                    let post = |stream: &mut _| ask(stream, &format!("POST /{KEY}"), "", body(number).as_bytes());
                    // A connection has an end after ten minutes.
                    let reply = post(&mut stream).or_else(|| {
                        stream = BufReader::new(serving.connect());
                        post(&mut stream)
                    });
                    assert_eq!(reply.expect("an answer").status, 200);
                    times.push(asked_at.elapsed());
                    batches.fetch_add(1, Ordering::Relaxed);
                }
                times
            })
        };
        let all: Vec<_> = (0..clients).map(client).collect();
        look(&serving, folder.path(), &batches, patience);
        all.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
    });
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort();
    println!(
        "load: {:.0} activities/s in batches of {BATCH} over {clients} connections, p50 {:?}, p99 {:?}; \
         a plain loop of appends and syncs makes {:.0} activities/s: {:.1} times as many",
        rate * BATCH as f64,
        at(&times, 50),
        at(&times, 99),
        plain * BATCH as f64,
        rate / plain
    );
    serving.stop();
}

/// Fills a store with invented events of so many sessions; no file of them is left for the system to write.
fn fill(folder: &Path, sessions: u64) {
    let mut generate = Command::new(binary());
    generate.args(["generate", "--no-repeats", "--sessions", &sessions.to_string()]);
    let mut generate = generate.stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut replay = Command::new(binary());
    replay.args(["replay", "-", "--store", "store", "--quiet"]).current_dir(folder);
    let replay = replay.stdin(generate.stdout.take().expect("piped")).status().expect("the binary runs");
    assert!(replay.success() && generate.wait().expect("it ends").success());
}

/// How long it takes until a question sees an event, in a large store and while few events come.
#[test]
#[ignore = "a measurement: BACKSTITCH_LOAD_SESSIONS"]
fn time_until_an_event_is_seen() {
    const EVENTS: usize = 200;
    let sessions = asked("BACKSTITCH_LOAD_SESSIONS").unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), sessions);
    let serving = Serving::start(folder.path(), &[]);
    let seen_after = |number: usize| {
        thread::sleep(Duration::from_millis(number as u64 * 37 % 500));
        let session = format!("fresh-{number}");
        let event =
            format!(r#"{{"user":{{"identities":{{"sessionId":"{session}","ecommerceId":"customer-{number}"}}}}}}"#);
        assert_eq!(serving.post(&format!("/{KEY}"), &event).status, 200);
        let sent = Instant::now();
        while serving.get(&format!("/v1/resolve/sessionId/{session}")).status != 200 {
            thread::sleep(Duration::from_millis(2));
        }
        sent.elapsed()
    };
    let mut times: Vec<Duration> = (0..EVENTS).map(seen_after).collect();
    times.sort();
    let [half, most, last] = [50, 99, 100].map(|hundredths| at(&times, hundredths));
    println!(
        "fresh: of {EVENTS} events half are seen {half:?} after their answer, 99 % after {most:?}, all after {last:?}"
    );
    println!("fresh: memory {} MiB, {sessions} sessions", serving.memory("VmRSS").unwrap_or_default() >> 20);
    serving.stop();
}
