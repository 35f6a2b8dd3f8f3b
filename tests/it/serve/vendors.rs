//! The protocols of others, without their SDKs: keys, answers, refusals. Their SDKs themselves are in `sdk/test/vendors`.

use serde_json::{Value, json};

use super::client::{KEY, SHOP, SHOP_KEY, Serving, digests, log};

/// `KEY:` in base64.
const BASIC: &str = "Authorization: Basic NmY5NjE5ZmYtOGI4Ni00ZDAxLWI0MmQtMDBjZjRmYzk2NGZmOg==\r\n";

fn track(session: &str) -> Value {
    json!({"event": "Viewed", "anonymousId": session, "messageId": session, "timestamp": "2026-11-01T10:00:00.000Z"})
}

#[test]
fn a_key_may_stand_wherever_the_sdks_have_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let mut keyed = track("body");
    keyed["writeKey"] = KEY.into();
    let batch = json!({"batch": [track("batch-1"), track("batch-2")], "writeKey": KEY});
    for (path, headers, body) in [
        ("/v1/track", BASIC, track("basic")),
        ("/v1/t", "Content-Type: text/plain\r\n", keyed.clone()),
        ("/t", "", keyed),
        (&format!("/api/s/track?writeKey={KEY}"), "", track("query")),
        ("/api/s/s2s/track", &format!("X-Write-Key: {KEY}:secret\r\n"), track("header")),
        ("/v1/batch", "", batch.clone()),
        ("/b", "Content-Type: application/x-www-form-urlencoded\r\n", batch),
    ] {
        let reply = serving.ask(&format!("POST {path}"), headers, body.to_string().as_bytes());
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"success":true}"#), "{path}");
    }
    let snowplow = json!({"schema": "iglu:x", "data": [{"e": "pv", "aid": KEY, "eid": "e", "sid": "visit", "dtm": "1793527200000"}]});
    assert_eq!(serving.post("/com.snowplowanalytics.snowplow/tp2", &snowplow.to_string()).status, 200);
    let pixel =
        serving.ask(&format!("GET /i?e=pv&aid={KEY}&eid=e-2&sid=vis%C3%AFt&dtm=1793527200000&url=a%26b"), "", b"");
    assert_eq!((pixel.status, pixel.header("content-type"), &pixel.body[..6]), (200, Some("image/gif"), "GIF89a"));
    assert_eq!(serving.get("/i?e=pv&eid=e-3").status, 422);
    assert_eq!(serving.get(&format!("/i?aid={KEY}&eid=e-3")).status, 400);
    let config = serving.get(&format!("/sourceConfig/?p=npm&writeKey={KEY}")).json();
    assert_eq!(config["source"]["destinations"], json!([]));
    assert_eq!(serving.ask("GET /sourceConfig", BASIC, b"").status, 200);
    assert_eq!(serving.get("/sourceConfig").status, 422);
    let good = track("s").to_string();
    let partly = json!({"batch": [track("good"), {"event": "no one"}, 7], "writeKey": KEY}).to_string();
    for (path, headers, body, status, told) in [
        ("/v1/track", "", &*good, 422, "Tracker key not valid"),
        ("/v1/track", "X-Write-Key: 00000000-0000-4000-8000-000000000000\r\n", &good, 401, "Unknown tracker key"),
        ("/v1/nothing", BASIC, &good, 404, "no such call"),
        ("/v1/batch", BASIC, &good, 400, "missing field `batch`"),
        ("/v1/batch", BASIC, &partly, 400, r#""accepted":1,"rejected":[{"index":1,"reason":"no_identity""#),
        ("/com.snowplowanalytics.snowplow/tp2", "", "{}", 422, "Tracker key not valid"),
    ] {
        let reply = serving.ask(&format!("POST {path}"), headers, body.as_bytes());
        assert!(reply.status == status && reply.body.contains(told), "{path} {body}: {reply:?}");
    }
    serving.stop();
    // The same message twice is one event.
    let [stored, replayed] = digests(folder.path());
    assert_eq!((stored, log(folder.path()).lines().count()), (replayed, 12));
}

#[test]
fn pages_send_and_read_the_answer_where_the_key_admits_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    for path in ["/v1/track", "/t", "/com.snowplowanalytics.snowplow/tp2"] {
        let headers = format!("Origin: {SHOP}\r\nAccess-Control-Request-Headers: authorization\r\n");
        let preflight = serving.ask(&format!("OPTIONS {path}"), &headers, b"");
        assert_eq!((preflight.status, preflight.header("access-control-allow-headers")), (204, Some("authorization")));
    }
    for (origin, status) in [(SHOP, 200), ("https://evil.example", 403)] {
        let headers = format!("Origin: {origin}\r\nX-Write-Key: {SHOP_KEY}\r\n");
        let reply = serving.ask("POST /v1/track", &headers, track("s").to_string().as_bytes());
        let readable = (status == 200).then_some(origin);
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (status, readable));
    }
    let settings = serving.get(&format!("/v1/projects/{KEY}/settings")).json();
    assert_eq!(
        settings["integrations"]["Segment.io"],
        json!({"apiKey": KEY, "apiHost": "localhost/v1", "protocol": "http"})
    );
    assert_eq!(serving.get("/v1/projects/shop/settings").status, 422);
    // Decisions are not among what a page may send.
    assert_eq!(serving.ask("OPTIONS /v1/forget", &format!("Origin: {SHOP}\r\n"), b"").status, 405);
}
