//! Killed under load: nothing that was acknowledged is lost, nothing is there twice, and the store is that of a replay of the log.
//!
//! `BACKSTITCH_SERVE_KILLS` collectors are killed, or three.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::client::{KEY, Serving, ask, digests, log, told};
use crate::harness::asked;

const CLIENTS: u64 = 6;

/// The activities of a request, by their ids.
fn body(client: u64, first: u64) -> (Vec<String>, String) {
    let ids: Vec<String> = (first..first + 10).map(|number| format!("{client}-{number}")).collect();
    let one = |(at, id): (u64, &String)| {
        let session = (first + at) % 97;
        let customer =
            if session.is_multiple_of(3) { format!(r#","ecommerceId":"c{}""#, session % 20) } else { String::new() };
        let time = 1_793_527_200_000 + first + at;
        format!(r#"{{"timestamp":{time},"id":"{id}","user":{{"identities":{{"sessionId":"s{session}"{customer}}}}}}}"#)
    };
    let items: Vec<String> = (0..).zip(&ids).map(one).collect();
    (ids, format!("[{}]", items.join(",")))
}

#[test]
fn what_was_acknowledged_is_in_log_and_store_once_whenever_it_is_killed() {
    let kills = asked("BACKSTITCH_SERVE_KILLS").unwrap_or(3);
    let folder = tempfile::tempdir().expect("a folder");
    let acknowledged = Mutex::new(BTreeSet::new());
    let next: Vec<AtomicU64> = (0..CLIENTS).map(|_| AtomicU64::new(0)).collect();
    for kill in 0..kills {
        let mut serving = Serving::start(folder.path(), &[]);
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (serving, acknowledged, next) = (&serving.address, &acknowledged, &next);
                scope.spawn(move || {
                    let Ok(stream) = std::net::TcpStream::connect(serving) else { return };
                    let mut stream = BufReader::new(stream);
                    let counter = &next[client as usize];
                    loop {
                        // One that was not acknowledged is sent again, as a client does: also after a kill.
                        let first = counter.load(Ordering::Relaxed);
                        let (ids, body) = body(client, first);
                        let Some(reply) = ask(&mut stream, &format!("POST /{KEY}"), "", body.as_bytes()) else {
                            return;
                        };
                        assert_eq!(reply.status, 200, "{reply:?}");
                        acknowledged.lock().expect("no panic").extend(ids);
                        counter.store(first + 10, Ordering::Relaxed);
                    }
                });
            }
            thread::sleep(Duration::from_millis(200 + (kill * 83) % 700));
            serving.child.kill().expect("it runs");
        });
        serving.child.wait().expect("it ends");
    }
    Serving::start(folder.path(), &[]).stop();
    let acknowledged = acknowledged.into_inner().expect("no panic");
    let mut logged: BTreeMap<String, usize> = BTreeMap::new();
    for line in log(folder.path()).lines() {
        let line: Value = serde_json::from_str(line).expect("whole lines");
        *logged.entry(line["id"].as_str().expect("an id").to_owned()).or_default() += 1;
    }
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !logged.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), lost.first());
    let [stored, replayed] = digests(folder.path());
    assert_eq!(stored, replayed, "the store is that of a replay");
    let stats: Value = serde_json::from_str(&told(folder.path(), "stats --store store --json")).expect("JSON");
    let kinds = stats["attribution"].as_object().expect("counts").values();
    let events: u64 = kinds.map(|count| count.as_u64().expect("a number")).sum();
    assert_eq!(events, logged.len() as u64, "none twice in the store");
    assert!(told(folder.path(), "verify --store store").contains("nothing differs"));
    let twice = logged.values().filter(|count| **count > 1).count();
    println!(
        "serve: {kills} kills, {} activities acknowledged, none lost; {twice} sent again and stored once",
        acknowledged.len()
    );
}
