//! Who is forgotten is in neither the log nor the store any more, whatever happens meanwhile.

use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{KEY, Serving, ask, digests, log, told};

const SESSION: &str = "f49c75a2-6994-41e2-875d-97ec4d19254b";

fn activity(number: u64, identities: &Value) -> String {
    let time = 1_793_527_200_000 + number;
    json!({"timestamp": time, "id": format!("e{number}"), "user": {"identities": identities}}).to_string()
}

/// The files under a folder that contain any of these.
fn found(folder: &Path, values: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).expect("readable");
            let holds = |value: &&&str| memchr::memmem::find(&bytes, value.as_bytes()).is_some();
            found.extend(values.iter().find(holds).map(|value| format!("{}: {value}", path.display())));
        }
    }
    found
}

/// Clara on her session and on a tablet, Dan on his own, and others who name her.
fn send(serving: &Serving) -> Vec<String> {
    let of_clara = [
        activity(1, &json!({ "sessionId": SESSION })),
        activity(2, &json!({"sessionId": SESSION, "ecommerceId": "clara-17"})),
        activity(3, &json!({"sessionId": "tablet", "ECOMMERCEID": "clara-17"})).replace("clara", "\\u0063lara"),
    ];
    let of_others = [
        activity(4, &json!({"sessionId": "dans", "ecommerceId": "dan-4"})),
        activity(5, &json!({ "sessionId": "other" })).replacen('{', r#"{"note":"asked for clara-17","#, 1),
        activity(6, &json!({ "sessionId": "other" })).replacen("\"e6\"", "\"order-of-clara-17\"", 1),
        // Stored as the bytes of her session's in the other order.
        activity(10, &json!({ "sessionId": "other" })).replacen("e10", "4b25194d-ec97-5d87-e241-9469a2759cf4", 1),
    ];
    for body in of_clara.iter().chain(&of_others) {
        assert_eq!(serving.post(&format!("/{KEY}?wait=1"), body).status, 200);
    }
    of_others.to_vec()
}

const FORGET: &str = r#"{"identities":[{"namespace":"ecommerceId","value":"clara-17"},
    {"namespace":"sessionId","value":"f49c75a2-6994-41e2-875d-97ec4d19254b"}]}"#;
const VALUES: [&str; 3] = ["clara-17", "\\u0063lara", SESSION];

#[test]
fn what_is_forgotten_is_in_neither_log_nor_store_and_what_others_did_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    send(&serving);
    assert!(!found(folder.path(), &VALUES).is_empty());
    let would = serving.post("/v1/forget", &FORGET.replacen('{', r#"{"dryRun":true,"#, 1)).json();
    assert_eq!(would.get("log"), None, "{would}");
    assert!(!found(folder.path(), &VALUES).is_empty(), "nothing went yet");
    let reply = serving.post("/v1/forget", FORGET);
    assert_eq!(reply.status, 200, "{reply:?}");
    let forgotten = reply.json();
    for name in ["identities", "events", "texts", "unlinked", "changes"] {
        assert_eq!(would[name], forgotten[name], "{name}");
    }
    assert_eq!((&forgotten["identities"], &forgotten["events"]), (&json!(2), &json!(3)));
    assert_eq!(forgotten["log"], json!({"lines": 3, "redacted": 3, "files": 1}));
    assert_eq!(found(folder.path(), &VALUES), Vec::<String>::new());
    // She comes back with her cookie, and Dan goes on.
    let back =
        format!("[{},{}]", activity(7, &json!({ "sessionId": SESSION })), activity(8, &json!({"sessionId": "dans"})));
    assert_eq!(serving.post(&format!("/{KEY}?wait=1"), &back).body, r#"{"profiles":{}}"#);
    assert!(serving.get("/metrics").body.contains("\nbackstitch_activities_suppressed_total 1\n"));
    assert_eq!(serving.get("/v1/resolve/ecommerceId/clara-17").status, 404);
    assert_eq!(serving.get("/v1/people/sessionId/other/events").json()["total"], 3);
    for odd in [r#"{"identities":[]}"#, r#"{"identities":[{"namespace":"a:b","value":"c"}]}"#, r#"{"until":"now"}"#] {
        assert_eq!(serving.post("/v1/forget", odd).status, 400, "{odd}");
    }
    serving.stop();
    assert_eq!(found(folder.path(), &VALUES), Vec::<String>::new());
    let lines = log(folder.path());
    assert_eq!(lines.lines().filter(|line| !line.trim().is_empty()).count(), 5);
    // What the store has of the log it has of the log as it is now.
    told(folder.path(), "replay log --store store --force");
    let [stored, replayed] = digests(folder.path());
    assert_eq!(stored, replayed);
    let again = Serving::start(folder.path(), &[]);
    assert_eq!(again.get("/v1/resolve/sessionId/dans").json()["person"], "ecommerceId:dan-4");
    again.stop();
    assert!(told(folder.path(), "verify --store store").contains("nothing differs"));
}

#[test]
fn closed_files_are_compressed_and_are_forgotten_in_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let packed = folder.path().join("log/000000000001.ndjson.zst");
    let unpacked =
        || String::from_utf8(zstd::decode_all(&*fs::read(&packed).expect("there")).expect("sound")).expect("UTF-8");
    let serving = Serving::start(folder.path(), &["--compress"]);
    send(&serving);
    // It closes the file that grows.
    let other = r#"{"identities":[{"namespace":"sessionId","value":"nobody-at-all"}]}"#;
    assert_eq!(serving.post("/v1/forget", other).status, 200);
    let start = std::time::Instant::now();
    while !packed.exists() || folder.path().join("log/000000000001.ndjson").exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "not compressed");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(unpacked().contains("clara-17"));
    serving.stop();
    let [stored, replayed] = digests(folder.path());
    assert_eq!(stored, replayed);
    let serving = Serving::start(folder.path(), &["--compress"]);
    assert_eq!(serving.get("/v1/resolve/sessionId/dans").json()["person"], "ecommerceId:dan-4");
    let forgotten = serving.post("/v1/forget", FORGET).json();
    assert_eq!(forgotten["log"], json!({"lines": 3, "redacted": 3, "files": 1}));
    assert!(VALUES.iter().all(|value| !unpacked().contains(value)), "{}", unpacked());
    serving.stop();
    let [stored, replayed] = digests(folder.path());
    assert_eq!(stored, replayed);
}

#[test]
fn up_to_a_moment_and_by_the_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    send(&serving);
    let until = FORGET.replacen('{', r#"{"until":"2026-11-01T10:00:00.001Z","#, 1);
    let forgotten = serving.post("/v1/forget", &until).json();
    assert_eq!((&forgotten["events"], &forgotten["log"]["lines"]), (&json!(1), &json!(1)), "{forgotten}");
    assert_eq!(serving.get("/v1/people/ecommerceId/clara-17/events").json()["total"], 2);
    let store = folder.path().join("store");
    let refused = std::process::Command::new(crate::place::binary())
        .args(["forget", "ecommerceId:clara-17", "--log", "log", "--store", "store"])
        .current_dir(folder.path())
        .output()
        .expect("the binary runs");
    assert!(!refused.status.success() && store.is_dir(), "the collector runs");
    serving.stop();
    let answer = told(folder.path(), "forget ecommerceId:clara-17 --whole-person --log log --store store --json");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!((&answer["events"], &answer["log"]["lines"]), (&json!(2), &json!(2)), "{answer}");
    assert_eq!(found(folder.path(), &VALUES), Vec::<String>::new());
}

/// Forgets while it is killed, at moments that differ, until one was not killed in time.
#[test]
fn killed_at_any_moment_it_is_done_or_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut others, mut number, mut repeated) = (Vec::new(), 100, 0);
    for kill in 0..12 {
        if kill > 0 {
            // What she does is taken in again, to be forgotten again.
            told(folder.path(), &format!("forget --revert ecommerceId:clara-17 sessionId:{SESSION} --store store"));
        }
        let mut serving = Serving::start(folder.path(), &[]);
        others.extend(send(&serving));
        let mut forgetting = BufReader::new(serving.connect());
        // Others act meanwhile, and she does.
        let (mut acknowledged, mut stream) = (Vec::new(), BufReader::new(serving.connect()));
        thread::scope(|scope| {
            scope.spawn(|| {
                let headers = "Content-Type: application/json\r\n";
                ask(&mut forgetting, "POST /v1/forget", headers, FORGET.as_bytes())
            });
            let acting = scope.spawn(|| {
                loop {
                    number += 1;
                    let body = activity(number, &json!({ "sessionId": "other" }));
                    let both = format!("[{body},{}]", activity(number, &json!({ "sessionId": SESSION })));
                    let Some(reply) = ask(&mut stream, &format!("POST /{KEY}"), "", both.as_bytes()) else { return };
                    assert_eq!(reply.status, 200, "{reply:?}");
                    acknowledged.push(body);
                }
            });
            thread::sleep(Duration::from_millis(5 + 40 * kill));
            serving.child.kill().expect("it runs");
            acting.join().expect("no panic");
        });
        serving.child.wait().expect("it ends");
        others.extend(acknowledged);
        let pending = folder.path().join("log/.forget").exists();
        if pending {
            repeated += 1;
            Serving::start(folder.path(), &[]).stop();
            assert!(!folder.path().join("log/.forget").exists());
            assert_eq!(found(folder.path(), &VALUES), Vec::<String>::new(), "kill {kill}");
        }
    }
    let serving = Serving::start(folder.path(), &[]);
    assert_eq!(serving.post("/v1/forget", FORGET).status, 200);
    serving.stop();
    assert_eq!(found(folder.path(), &VALUES), Vec::<String>::new());
    let lines = log(folder.path());
    let tells = |body: &str| body.contains("clara") || body.contains("4b25194d");
    let kept = |body: &&String| !tells(body) && !lines.contains(body.as_str());
    assert_eq!(others.iter().find(kept), None, "acknowledged and lost");
    let [stored, replayed] = digests(folder.path());
    assert_eq!(stored, replayed);
    assert!(told(folder.path(), "verify --store store").contains("nothing differs"));
    println!("serve: 12 kills while somebody is forgotten, {repeated} erasures completed by the next start");
}
