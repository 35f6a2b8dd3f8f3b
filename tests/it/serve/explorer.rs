//! The explorer's page, and the routes that it asks.

use super::client::{KEY, Serving};

/// What the policy of the page has to say: nothing runs and nothing is asked for but what is its own.
const POLICY: [&str; 5] =
    ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"];

#[test]
fn the_page_is_small_complete_and_admits_its_own_script_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let [first, second] = [serving.get("/"), serving.get("/")];
    assert_eq!(first.status, 200);
    assert!(first.body.len() <= 60_000, "{}", first.body.len());
    assert_eq!(first.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = first.header("content-security-policy").expect("a policy");
    assert!(POLICY.iter().all(|part| policy.contains(part)), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
    let nonce = |policy: &str| policy.split("'nonce-").nth(1).expect("a nonce")[..32].to_owned();
    let nonces = [policy, second.header("content-security-policy").expect("a policy")].map(nonce);
    assert_ne!(nonces[0], nonces[1], "drawn for each answer");
    assert_eq!(first.body.matches(&format!("nonce=\"{}\"", nonces[0])).count(), 2, "its script and its style");
    assert!(!first.body.contains("{nonce}"));
    for of_elsewhere in
        ["src=", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("]
    {
        assert!(!first.body.contains(of_elsewhere), "{of_elsewhere}");
    }
}

#[test]
fn the_page_needs_no_token_and_its_questions_do() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("tokens"), "a-token-of-sixteen\n").expect("written");
    let serving = Serving::start(folder.path(), &["--token-file", "tokens"]);
    assert_eq!(serving.get("/").status, 200);
    let asked = [
        "people/sessionId/s",
        "people/sessionId/s/timeline",
        "people/sessionId/s/profile",
        "find/s",
        "shared",
        "commits",
    ];
    for route in asked {
        let reply = serving.get(&format!("/v1/{route}"));
        assert_eq!(reply.status, 401, "{route}");
        let token = "Authorization: Bearer a-token-of-sixteen\r\n";
        let reply = serving.ask(&format!("GET /v1/{route}"), token, b"");
        assert!(matches!(reply.status, 200 | 404), "{route}: {reply:?}");
    }
}

/// A tablet that Clara logged in on, and Dan after her.
const TABLET: &str = r#"[
    {"timestamp":"2026-11-02T09:00:00Z","id":"a","user":{"identities":{"sessionId":"tablet"}}},
    {"timestamp":"2026-11-02T09:10:00Z","id":"b","user":{"identities":{"sessionId":"tablet","ecommerceId":"clara"}}},
    {"timestamp":"2026-11-02T10:00:00Z","id":"c","user":{"identities":{"sessionId":"tablet","ecommerceId":"dan"}}},
    {"timestamp":"2026-11-02T10:20:00Z","id":"d","user":{"identities":{"sessionId":"tablet"},"segments":["new"]}}]"#;

fn tablet() -> (tempfile::TempDir, Serving) {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    assert_eq!(serving.post(&format!("/{KEY}?wait=1"), TABLET).status, 200);
    (folder, serving)
}

#[test]
fn a_person_has_identities_with_when_and_how_often() {
    let (_folder, serving) = tablet();
    let told = |path: &str| {
        let answer = serving.get(path).json();
        let rows = answer["identities"].as_array().expect("identities").iter().map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {} {} {}", text("identity"), row["own"], row["events"], text("first"), text("last"))
        });
        (answer["person"].clone(), rows.collect::<Vec<_>>())
    };
    let (person, rows) = told("/v1/people/sessionId/tablet");
    assert_eq!(person, "ecommerceId:clara");
    assert_eq!(
        rows,
        [
            "sessionId:tablet true 3 2026-11-02T09:00:00.000Z 2026-11-02T10:20:00.000Z",
            "ecommerceId:clara true 1 2026-11-02T09:10:00.000Z 2026-11-02T09:10:00.000Z",
        ]
    );
    let (_, rows) = told("/v1/people/ecommerceId/dan");
    assert_eq!(
        rows,
        [
            "sessionId:tablet false 1 2026-11-02T10:00:00.000Z 2026-11-02T10:00:00.000Z",
            "ecommerceId:dan true 1 2026-11-02T10:00:00.000Z 2026-11-02T10:00:00.000Z",
        ],
        "the session is Clara's, and on an event of Dan's"
    );
    let (person, rows) = told("/v1/people/sessionId/tablet?policy=last-login&as-of=2026-11-02T10:00:00Z");
    assert_eq!((person.as_str(), rows.len()), (Some("ecommerceId:dan"), 2));
    assert_eq!(serving.get("/v1/people/sessionId/nobody").status, 404);
    assert_eq!(serving.get("/v1/people/sessionId/tablet?limit=1").status, 400);
}

#[test]
fn a_timeline_has_the_same_events_under_every_reading() {
    let (_folder, serving) = tablet();
    let told = |asked: &str| {
        let answer = serving.get(&format!("/v1/people/ecommerceId/clara/timeline?{asked}")).json();
        let row = |row: &serde_json::Value| {
            let word = |name: &str| row[name].as_str().expect("a text").to_owned();
            format!("{} {} {}", word("id"), word("attribution"), word("person"))
        };
        answer["events"].as_array().expect("events").iter().map(row).collect::<Vec<_>>()
    };
    let [b, c] = ["b direct ecommerceId:clara", "c direct ecommerceId:dan"];
    assert_eq!(told(""), ["a retroactive ecommerceId:clara", b, c, "d carried ecommerceId:clara"]);
    assert_eq!(told("policy=device-split"), ["a retroactive ecommerceId:clara", b, c, "d carried ecommerceId:dan"]);
    assert_eq!(told("policy=last-login")[0], "a retroactive ecommerceId:dan");
    assert_eq!(told("policy=strict")[3], "d anonymous sessionId:tablet");
    assert_eq!(told("as-of=2026-11-02T09:05:00Z"), ["a anonymous sessionId:tablet"]);
    assert_eq!(told("limit=1&offset=2"), [c]);
}

#[test]
fn a_timeline_has_the_people_of_then() {
    let (_folder, serving) = tablet();
    let commit = serving.get("/v1/commits").json()["commits"][0]["commit"].clone();
    let pair = r#"{"a":{"namespace":"sessionId","value":"tablet"},"b":{"namespace":"ecommerceId","value":"clara"}}"#;
    assert_eq!(serving.post("/v1/unlink", pair).json()["changed"], true);
    let told = |asked: &str| {
        let answer = serving.get(&format!("/v1/people/sessionId/tablet/timeline?{asked}")).json();
        let rows = answer["events"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        rows.map(|row| row["person"].as_str().expect("a text").replace("ecommerceId:", ""))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(told(""), "dan clara dan dan");
    assert_eq!(told(&format!("known-at=commit:{commit}")), "clara clara dan clara");
    assert_eq!(told(&format!("known-at=commit:{commit}&limit=2&offset=1")), "clara dan");
    assert_eq!(told(&format!("known-at=commit:{commit}&as-of=2026-11-02T09:05:00Z")), "sessionId:tablet");
    for (asked, status) in
        [("known-at=commit:1", 404), ("known-at=commit:99", 400), ("known-at=commit:2&policy=strict", 400)]
    {
        assert_eq!(serving.get(&format!("/v1/people/sessionId/tablet/timeline?{asked}")).status, status, "{asked}");
    }
}

#[test]
fn identities_are_found_by_value_and_by_name() {
    let (_folder, serving) = tablet();
    let found = |value: &str| serving.get(&format!("/v1/find/{value}")).body;
    assert_eq!(found("clara"), r#"{"found":["ecommerceId:clara"]}"#);
    assert_eq!(found("ecommerceId%3Aclara"), r#"{"found":["ecommerceId:clara"]}"#);
    assert_eq!(found("nobody%2F.."), r#"{"found":[]}"#);
}

#[test]
fn a_picture_is_drawn_of_one_or_two_also_as_of_a_moment() {
    let (_folder, serving) = tablet();
    let picture = |asked: &str| serving.get(&format!("/v1/explain/sessionId/tablet?format=svg{asked}"));
    let reply = picture("");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("image/svg+xml")));
    assert!(reply.body.starts_with("<svg ") && reply.body.contains("data-id=\"ecommerceId:dan\""), "{}", reply.body);
    let policy = reply.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!picture("&as-of=2026-11-02T09:05:00Z").body.contains("ecommerceId:dan"));
    assert_eq!(picture("&with=ecommerceId:dan").status, 200);
    assert_eq!(picture("&with=ecommerceId:nobody").status, 404);
    assert_eq!(serving.get("/v1/explain/sessionId/tablet?format=png").status, 400);
}

#[test]
fn shared_sessions_and_commits_are_listed() {
    let (_folder, serving) = tablet();
    let shared = serving.get("/v1/shared?limit=1").json();
    assert_eq!((&shared["total"], &shared["sessions"][0]["session"]), (&1.into(), &"tablet".into()));
    let commits = serving.get("/v1/commits?limit=1").json();
    assert_eq!(commits["commits"].as_array().expect("commits").len(), 1);
    let since = commits["position"].as_str().expect("a position");
    assert_eq!(serving.get(&format!("/v1/changes?since={since}")).json()["changes"], serde_json::json!([]));
}

#[test]
fn an_unlink_is_shown_before_it_is_made() {
    let (_folder, serving) = tablet();
    let pair = r#"{"a":{"namespace":"sessionId","value":"tablet"},"b":{"namespace":"ecommerceId","value":"clara"}}"#;
    let whose = || serving.get("/v1/resolve/sessionId/tablet").json()["person"].clone();
    let dry = &pair.replacen('{', r#"{"dryRun":true,"#, 1);
    let would = serving.post("/v1/unlink", dry).json();
    assert_eq!(
        [&would["events"], &would["changes"], &would["changed"]],
        [&serde_json::json!(2), &serde_json::json!(1), &serde_json::json!(true)]
    );
    assert_eq!(whose(), "ecommerceId:clara", "nothing changed");
    let done = serving.post("/v1/unlink", pair).json();
    assert_eq!(done["changes"], would["changes"]);
    assert_eq!(whose(), "ecommerceId:dan");
    assert_eq!(serving.post("/v1/unlink", dry).json()["changed"], false);
}
