//! Activities come in, and questions are answered.

use std::fs;
use std::io::{BufReader, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{KEY, SHOP, SHOP_KEY, Serving, ask, digests, log, told};

use crate::place::binary;

fn activity(session: &str, customer: Option<&str>) -> Value {
    let mut identities = json!({ "sessionId": session });
    if let Some(customer) = customer {
        identities["ecommerceId"] = customer.into();
    }
    json!({"action": "view", "target": {"product": "123"}, "user": {"identities": identities}})
}

#[test]
fn the_journey_of_a_shopper_is_told_at_once_and_the_log_is_the_truth() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let path = format!("/{KEY}?wait=1");
    for body in [
        activity("s1", None).to_string(),
        json!([activity("s1", Some("anna")), activity("s1", None)]).to_string(),
        json!([activity("s2", None)]).to_string(),
    ] {
        let reply = serving.post(&path, &body);
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"profiles":{}}"#));
    }
    let anna = serving.get("/v1/resolve/sessionId/s1").json();
    assert_eq!((&anna["person"], &anna["kind"]), (&json!("ecommerceId:anna"), &json!("customer")));
    assert_eq!(serving.get("/v1/resolve/SESSIONID/s2").json()["kind"], "anonymous");
    assert_eq!(serving.get("/v1/resolve/sessionId/s3").status, 404);
    let many = serving.post("/v1/resolve", r#"{"ids":["s1","nobody",{"namespace":"ecommerceId","value":"anna"}]}"#);
    let many = many.json();
    assert_eq!((&many["answers"][0], &many["answers"][1]), (&anna, &Value::Null));
    assert_eq!(many["answers"][2]["customer"], "anna");
    let events = serving.get("/v1/people/ecommerceId/anna/events?limit=2").json();
    assert_eq!((&events["total"], &events["next"]), (&json!(3), &json!(2)));
    assert_eq!(events["events"][0]["attribution"], "retroactive");
    let rest = serving.get("/v1/people/ecommerceId/anna/events?limit=2&offset=2").json();
    assert_eq!((rest["events"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null));
    let strict = serving.get("/v1/resolve/sessionId/s1?as-of=2020-01-01T00:00:00Z");
    assert_eq!(strict.status, 404, "not seen by then");
    let explained = serving.get("/v1/explain/sessionId/s1").json();
    assert_eq!(explained["person"], "ecommerceId:anna");
    assert_eq!(serving.get("/v1/explain/sessionId/s1?with=sessionId:s2").status, 200);
    let changes = serving.get("/v1/changes").json();
    let position = changes["position"].as_str().expect("a position").to_owned();
    assert_eq!(changes["changes"].as_array().map(Vec::len), Some(3));
    let pair = r#"{"a":{"namespace":"sessionId","value":"s1"},"b":{"namespace":"ecommerceId","value":"anna"}}"#;
    assert_eq!(serving.post("/v1/unlink", pair).json()["changes"], 1);
    let changed = serving.get(&format!("/v1/changes?since={position}")).json();
    assert_eq!(changed["changes"][0]["to"], "sessionId:s1");
    assert_eq!(serving.get("/v1/resolve/sessionId/s1").json()["kind"], "anonymous");
    assert_eq!(serving.get("/v1/resolve/sessionId/s1?known-at=commit:4").json()["kind"], "customer");
    assert_eq!(serving.post("/v1/relink", pair).json()["changed"], true);
    let s2 = r#"{"namespace":"sessionId","value":"s2"}"#;
    assert_eq!(serving.post("/v1/opt-out", s2).json()["changed"], true);
    assert_eq!(serving.post("/v1/opt-in", s2).json()["changed"], true);
    assert!(serving.get("/metrics").body.contains("\nbackstitch_activities_accepted_total 4\n"));
    serving.stop();
    let [stored, replayed] = digests(folder.path());
    assert_eq!(stored, replayed, "the log is the truth");
    assert!(told(folder.path(), "verify --store store").contains("nothing differs"));
}

#[test]
fn values_that_no_path_carries_are_asked_by_the_query() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    for session in [".", "..", "any", "a/b"] {
        assert_eq!(serving.post(&format!("/{KEY}?wait=1"), &activity(session, Some("anna")).to_string()).status, 200);
    }
    for route in [
        "resolve/sessionId/any",
        "people/sessionId/any",
        "people/sessionId/any/events",
        "people/sessionId/any/timeline",
        "people/sessionId/any/profile",
        "explain/sessionId/any",
        "find/any",
    ] {
        for value in ["", "?value=.", "?value=..", "?value=a/b", "?value=%2E%2E"] {
            let reply = serving.get(&format!("/v1/{route}{value}"));
            assert!(reply.status == 200 && !reply.body.contains(r#""found":[]"#), "{route}{value}: {reply:?}");
        }
    }
    assert_eq!(serving.get("/v1/resolve/sessionId/-?value=..").json()["identity"]["value"], "..");
    assert_eq!(serving.get("/v1/resolve/sessionId/-?value=nobody").status, 404);
}

#[test]
fn what_is_missing_is_stamped_and_a_retry_is_one_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut retried = activity("s", None);
    retried["id"] = "e1".into();
    for _ in 0..2 {
        let serving = Serving::start(folder.path(), &[]);
        for _ in 0..2 {
            assert_eq!(serving.post(&format!("/{KEY}"), &retried.to_string()).status, 200);
        }
        serving.stop();
    }
    let lines = log(folder.path());
    assert_eq!(lines.lines().count(), 4);
    assert!(lines.lines().all(|line| line.starts_with(r#"{"timestamp":"20"#) && line.contains(r#""id":"e1""#)));
    let stats: Value = serde_json::from_str(&told(folder.path(), "stats --store store --json")).expect("JSON");
    assert_eq!(stats["attribution"]["anonymous"], 1, "{stats}");
}

#[test]
fn refusals_are_those_of_the_original() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let good = activity("s", None).to_string();
    for (path, body, status, told) in [
        (
            "/9f9619ff-8b86-4d01-b42d-00cf4fc964ff",
            &*good,
            401,
            r#"{"error":"Unauthorized","message":"Unknown tracker key"}"#,
        ),
        ("/shop", &good, 422, r#"{"error":"Unprocessable Entity","message":"Tracker key not valid"}"#),
        (&format!("/{KEY}"), "{", 400, "the body cannot be read"),
        (&format!("/{KEY}"), "[{},7]", 400, r#""accepted":0,"rejected":[{"index":0,"reason":"no_identity""#),
        (&format!("/{KEY}/more"), &good, 404, "POST activities to /TRACKER-KEY"),
    ] {
        let reply = serving.post(path, body);
        assert!(reply.status == status && reply.body.contains(told), "{path} {body}: {reply:?}");
    }
    assert_eq!(serving.get(&format!("/{KEY}")).status, 405);
    let form = serving.ask(&format!("POST /{KEY}"), "Content-Type: image/png\r\n", good.as_bytes());
    assert_eq!(form.status, 415);
    for question in
        ["/v1/resolve/sessionId/s?polcy=strict", "/v1/resolve/sessionId/s?policy=latest", "/v1/changes?limit=0"]
    {
        assert_eq!(serving.get(question).status, 400, "{question}");
    }
    serving.stop();
    assert_eq!(log(folder.path()), "");
}

#[test]
fn bodies_come_as_text_packed_and_from_pages_of_the_origins_that_the_key_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let good = activity("s", None).to_string();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(good.as_bytes()).expect("packed");
    let packed = packed.finish().expect("packed");
    let post = |key: &str, headers: &str, body: &[u8]| serving.ask(&format!("POST /{key}"), headers, body);
    assert_eq!(post(KEY, "Content-Type: text/plain;charset=UTF-8\r\n", good.as_bytes()).status, 200);
    assert_eq!(post(KEY, "", good.as_bytes()).status, 200);
    for headers in ["Content-Encoding: gzip\r\n", "Content-Type: text/plain\r\n"] {
        assert_eq!(post(KEY, headers, &packed).status, 200, "{headers}");
    }
    assert_eq!(post(KEY, "Content-Encoding: br\r\n", &packed).status, 415);
    for (key, origin, admitted) in
        [(KEY, "https://any.example", true), (SHOP_KEY, SHOP, true), (SHOP_KEY, "https://evil.example", false)]
    {
        let headers = format!("Origin: {origin}\r\nAccess-Control-Request-Headers: content-type, x-sdk\r\n");
        let preflight = serving.ask(&format!("OPTIONS /{key}"), &headers, b"");
        assert_eq!(
            (preflight.status, preflight.header("access-control-allow-origin")),
            (204, admitted.then_some(origin))
        );
        assert_eq!(preflight.header("access-control-allow-headers"), admitted.then_some("content-type, x-sdk"));
        let reply = post(key, &headers, good.as_bytes());
        assert_eq!(reply.status, if admitted { 200 } else { 403 });
        assert_eq!(reply.header("access-control-allow-origin"), admitted.then_some(origin));
        assert_eq!(reply.header("access-control-expose-headers"), admitted.then_some("retry-after"));
    }
    let odd = post(KEY, "Origin: https://any.example\r\n", b"{");
    assert_eq!((odd.status, odd.header("access-control-allow-origin")), (400, Some("https://any.example")));
}

#[test]
fn questions_need_a_token_or_come_from_this_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    const TOKEN: &str = "0123456789abcdef";
    let question = "GET /v1/changes";
    let serving = Serving::start(folder.path(), &[]);
    assert_eq!(serving.ask(question, "", b"").status, 200);
    for headers in ["X-Forwarded-For: 203.0.113.7\r\n", "Forwarded: for=203.0.113.7\r\n"] {
        assert_eq!(serving.ask(question, headers, b"").status, 403, "a proxy: {headers}");
    }
    // A page of elsewhere whose name was made to lead here.
    let mut stream = BufReader::new(serving.connect());
    stream.get_mut().write_all(b"GET /v1/changes HTTP/1.1\r\nHost: evil.example\r\n\r\n").expect("sent");
    assert_eq!(super::client::reply(&mut stream).expect("an answer").status, 403);
    let text = serving.ask("POST /v1/opt-out", "Content-Type: text/plain\r\n", br#"{"namespace":"a","value":"b"}"#);
    assert_eq!(text.status, 415, "what a page may send without asking");
    serving.stop();
    fs::write(folder.path().join("tokens"), TOKEN).expect("written");
    let serving = Serving::start(folder.path(), &["--token-file", "tokens"]);
    for (headers, status) in [
        (String::new(), 401),
        (format!("Authorization: Bearer {KEY}\r\n"), 401),
        (format!("Authorization: Bearer {TOKEN}\r\n"), 200),
    ] {
        assert_eq!(serving.ask(question, &headers, b"").status, status, "{headers}");
    }
    assert_eq!(serving.post(&format!("/{KEY}"), &activity("s", None).to_string()).status, 200, "pages need no token");
    assert_eq!((serving.get("/healthz").status, serving.get("/metrics").status), (200, 200));
}

#[test]
fn an_event_is_visible_within_a_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let mut stream = BufReader::new(serving.connect());
    let body = activity("fresh", None).to_string();
    assert_eq!(ask(&mut stream, &format!("POST /{KEY}"), "", body.as_bytes()).expect("an answer").status, 200);
    let start = Instant::now();
    while ask(&mut stream, "GET /v1/resolve/sessionId/fresh", "", b"").expect("an answer").status == 404 {
        // Far more than the promise: this machine may be busy with other tests.
        assert!(start.elapsed() < Duration::from_secs(60), "not visible");
    }
}

/// The allocator of the C library would keep what each of the threads has freed in a heap of its own.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn all_threads_have_one_heap() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &[]);
    let environment = fs::read(format!("/proc/{}/environ", serving.child.id())).unwrap();
    assert!(environment.split(|byte| *byte == 0).any(|variable| variable == b"MALLOC_ARENA_MAX=1"));
    serving.stop();
}

#[test]
fn a_second_collector_of_a_log_and_odd_files_are_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    fs::write(folder.path().join("odd"), "shop\n").expect("written");
    for (arguments, told) in [
        ("--keys keys --log log --store other", "another process writes the log"),
        ("--keys keys --log other --store store", "in use"),
        ("--keys odd --log other --store other.store", "odd, line 1: a tracker key is a UUID"),
        ("--keys nowhere", "cannot read the tracker keys (nowhere)"),
        ("--keys keys --log x/log --store x", "side by side"),
        ("--keys keys --listen nowhere", "cannot listen at nowhere"),
    ] {
        let listen = if arguments.contains("--listen") { "" } else { " --listen 127.0.0.1:0" };
        let output = std::process::Command::new(binary())
            .args(format!("serve {arguments}{listen}").split_whitespace())
            .current_dir(folder.path())
            .output()
            .expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(told), "{arguments}: {error}");
    }
    serving.stop();
}
