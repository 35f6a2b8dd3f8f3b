//! A log of another shape and a store of other levels, told by configuration: the answers are those of the same events
//! written as activities.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use backstitch::{Engine, Fields, Replay};
use serde_json::{Value, json};

use crate::place::binary;

const SEGMENT: &str = include_str!("../../fixtures/segment.ndjson");

pub const CONFIG: &str = r#"unique = "customerNumber"
between = ["email"]
junk = ["n/k"]

[fields]
timestamp = "sentAt"
id = "messageId"

[fields.namespaces]
sessionId = "anonymousId"
customerNumber = "userId"
email = "context.traits.email"
"#;

/// The same events as activities, whose customers are of the namespace `unique`.
fn activities(unique: &str) -> String {
    let activity = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let mut activity = json!({
            "id": line["messageId"],
            "user": {"identities": {
                "sessionId": line["anonymousId"], "email": line["context"]["traits"]["email"],
            }},
        });
        activity["user"]["identities"][unique] = line["userId"].clone();
        if !line["sentAt"].is_null() {
            activity["timestamp"] = line["sentAt"].clone();
        }
        format!("{activity}\n")
    };
    SEGMENT.lines().map(activity).collect()
}

fn in_memory(unique: &str) -> Engine {
    Engine::options().unique(unique).between(["email"]).junk(["n/k"]).in_memory().expect("levels that a store can have")
}

/// A folder with the log of another shape and its configuration.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("segment.ndjson", SEGMENT), ("backstitch.toml", CONFIG)] {
        fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

fn run(folder: &Path, command: &str) -> Output {
    let mut program = Command::new(binary());
    program.args(command.split_whitespace()).current_dir(folder).stdin(Stdio::null()).env_clear();
    program.output().expect("the binary runs")
}

/// What a command that does well prints.
#[track_caller]
fn told(folder: &Path, command: &str) -> String {
    let output = run(folder, command);
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Why a command fails, in one line, and its exit code.
#[track_caller]
fn refused(folder: &Path, command: &str) -> (String, Option<i32>) {
    let output = run(folder, command);
    assert!(!output.status.success() && output.stdout.is_empty(), "{command}");
    let why = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(why.lines().count(), 1, "{why}");
    (why.trim_end().to_owned(), output.status.code())
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).expect("an object")
}

/// What a new store says that has read the activities.
fn by_activities(unique: &str) -> (String, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    fs::write(&log, activities(unique)).expect("written");
    let mut engine = in_memory(unique);
    let summary = engine.replay([log]).expect("readable");
    assert_eq!(summary.rejects.values().sum::<u64>(), 2, "one without a time, one without an identity");
    (summary.totals.digest.to_string(), crate::harness::sessions(&engine))
}

#[test]
fn a_log_of_another_shape_gives_the_answers_of_its_activities() {
    let folder = workplace();
    let (digest, sessions) = by_activities("customerNumber");
    let summary = object(&told(folder.path(), "replay segment.ndjson --json"));
    assert_eq!(summary["events"], json!({"read": 10, "accepted": 7, "duplicate": 1, "rejected": 2}));
    assert_eq!(summary["junk"], json!({"n/k": 1, "(blank)": 1, "null": 1}));
    assert_eq!(summary["digest"], *digest);
    let rows: Vec<Value> = told(folder.path(), "sessions --json").lines().map(object).collect();
    assert_eq!(rows, sessions);
    assert_eq!(rows[0]["person"], "customerNumber:ivy");

    // Under the names that an activity has by default, nothing but the mapping is another.
    fs::write(folder.path().join("other.toml"), CONFIG.replace("customerNumber", "ecommerceId")).expect("written");
    let other = told(folder.path(), "replay segment.ndjson --json --store other.store --config other.toml");
    assert_eq!(object(&other)["digest"], *by_activities("ecommerceId").0);
    assert_ne!(object(&other)["digest"], *digest, "another namespace is another identity");
}

#[test]
fn the_library_reads_the_same() {
    let fields = Fields::builder().timestamp("sentAt").id("messageId").namespace("sessionId", "anonymousId");
    let fields = fields.namespace("customerNumber", "userId").namespace("email", "context.traits.email");
    let fields = fields.build().expect("paths that lie apart");
    let folder = workplace();
    let log = folder.path().join("segment.ndjson").to_str().expect("UTF-8").to_owned();
    let mut engine = in_memory("customerNumber");
    let summary = engine.replay(Replay::of([log]).fields(fields)).expect("readable");
    let (digest, sessions) = by_activities("customerNumber");
    assert_eq!(summary.totals.digest.to_string(), digest);
    assert_eq!(crate::harness::sessions(&engine), sessions);
    assert!(engine.verify().expect("readable").is_sound());
}

#[test]
fn every_command_knows_the_unique_namespace_of_its_store() {
    let folder = workplace();
    let said = told(folder.path(), "replay segment.ndjson");
    assert!(said.contains("backstitch events customerNumber:ID"), "{said}");
    let of_ivy = told(folder.path(), "sessions --customer ivy");
    assert!(!of_ivy.is_empty() && of_ivy.lines().all(|row| object(row)["person"] == "customerNumber:ivy"), "{of_ivy}");
    let resolved = object(&told(folder.path(), "resolve CUSTOMERNUMBER:ivy --json"));
    assert_eq!(resolved["identity"], json!({"namespace": "customerNumber", "value": "ivy"}));
    assert_eq!((&resolved["kind"], &resolved["customer"]), (&json!("customer"), &json!("ivy")));
    let stats = object(&told(folder.path(), "stats --json"));
    assert_eq!(stats["levels"], json!(["sessionId", "email", "customerNumber"]));
    assert_eq!(stats["settings"]["levels"], json!({"between": ["email"], "unique": "customerNumber"}));
    assert!(told(folder.path(), "stats").contains("sessionId < email < customerNumber (unique)"));
    // A log is attributed with the fields that it was replayed with: the line as it is, and the person.
    let attributed: Vec<Value> = told(folder.path(), "attribute segment.ndjson").lines().map(object).collect();
    assert_eq!(attributed.len(), 8, "repeats included, rejects left out");
    assert_eq!(attributed[0]["anonymousId"], "dev-1");
    assert_eq!(
        (&attributed[0]["person"], &attributed[0]["attribution"]),
        (&json!("customerNumber:ivy"), &json!("retroactive"))
    );
    assert_eq!(object(&told(folder.path(), "verify --json"))["sound"], true);
}

#[test]
fn flags_go_before_the_configuration() {
    let folder = workplace();
    let stats = |store: &str, flags: &str| {
        told(folder.path(), &format!("replay segment.ndjson --quiet --store {store} {flags}"));
        // By a configuration that names nothing: the store's own.
        fs::write(folder.path().join("empty.toml"), "").expect("written");
        object(&told(folder.path(), &format!("stats --json --store {store} --config empty.toml")))["settings"].clone()
    };
    let own = stats("own", "");
    assert_eq!(own["levels"], json!({"between": ["email"], "unique": "customerNumber"}));
    assert_eq!(own["junk"], json!({"builtin": true, "extra": ["n/k"]}));
    assert_eq!(stats("u", "--unique userNumber")["levels"]["unique"], "userNumber");
    assert_eq!(stats("n", "--no-unique")["levels"]["unique"], Value::Null);
    assert_eq!(stats("b", "--between deviceid,email")["levels"]["between"], json!(["deviceid", "email"]));
    assert_eq!(stats("j", "--junk X --keep-junk")["junk"], json!({"builtin": false, "extra": ["x"]}));
}

#[test]
fn a_store_is_not_opened_under_other_levels() {
    let folder = workplace();
    told(folder.path(), "replay segment.ndjson --quiet");
    let other = folder.path().join("other.toml");
    let all = [
        "stats",
        "sessions",
        "verify",
        "resolve dev-1",
        "events dev-1",
        "attribute segment.ndjson",
        "replay segment.ndjson",
    ];
    for (text, told_of) in [
        ("# who\nunique = 'userId'", r#"unique = "customerNumber", but other.toml:2 asks for "userId""#),
        ("unique = false", r#"unique = "customerNumber", but other.toml:1 asks for false"#),
        ("between = []", r#"between = ["email"], but other.toml:1 asks for []"#),
        ("junk = ['x']", r#"junk = ["n/k"], but other.toml:1 asks for ["x"]"#),
        ("builtin_junk = false", "builtin_junk = true, but other.toml:1 asks for false"),
    ] {
        fs::write(&other, text).expect("written");
        for command in all {
            let (why, code) = refused(folder.path(), &format!("{command} --config other.toml"));
            let expected = format!(
                "backstitch: the store ./backstitch.store was made with {told_of}: ask for the same, or leave it out (a store \
                 keeps its own), or name a new store (`--store`)"
            );
            assert_eq!((why, code), (expected, Some(1)), "{command}");
        }
    }
    // What is not named is not compared, and case does not count.
    fs::write(&other, "unique = 'CUSTOMERNUMBER'\n[fields]\ntimestamp = 'at'").expect("written");
    for command in &all[..5] {
        told(folder.path(), &format!("{command} --config other.toml"));
    }
    let (why, code) = refused(folder.path(), "attribute segment.ndjson --config other.toml");
    assert!(why.contains("there is no at") && why.contains("such as `timestamp = \"sentAt\"`"), "{why}");
    assert_eq!(code, Some(1), "no line is an event");
    let (why, _) = refused(folder.path(), "replay segment.ndjson --unique email");
    assert!(why.contains(r#"but --unique asks for "email""#), "{why}");
}

#[test]
fn what_is_wrong_leaves_no_store_behind() {
    let folder = workplace();
    let write = |text: &str| fs::write(folder.path().join("wrong.toml"), text).expect("written");
    for (text, why) in [
        ("uniqe = 'x'", "wrong.toml:1: unknown field `uniqe`"),
        ("\nunique = 7", "wrong.toml:2: invalid type"),
        ("\n\nunique = 'sessionid'", "wrong.toml:3: unique: \"sessionid\" is the lowest level"),
        ("unique = ''", "wrong.toml:1: unique: \"\" cannot be a namespace"),
        ("unique = 'a:b'", "wrong.toml:1: unique: \"a:b\" cannot be a namespace"),
        ("between = ['x']\nunique = 'X'", "wrong.toml:2: unique: \"X\" is among the levels below it"),
        ("between = ['']", "wrong.toml:1: between: \"\" cannot be a namespace"),
        ("[fields]\n\nid = ''", "wrong.toml:3: fields.id: the path is blank"),
        ("[fields]\nid = 'a.b'\nidentities = 'a'", "wrong.toml:3: fields.identities: \"a\" clashes with id"),
    ] {
        write(text);
        let (told, code) = refused(folder.path(), "replay segment.ndjson --config wrong.toml");
        assert!(told.starts_with(&format!("backstitch: {why}")), "{told}");
        assert_eq!(code, Some(2), "{told}");
        assert!(!folder.path().join("backstitch.store").exists(), "{text}");
    }
    let long = format!("replay segment.ndjson --unique {}", "n".repeat(65));
    assert!(refused(folder.path(), &long).0.contains("--unique: unique: "));
    let (why, code) = refused(folder.path(), "stats --config missing.toml");
    assert!(why.contains("cannot read the configuration missing.toml") && code == Some(2), "{why}");
    let unusable = Engine::options().unique("sessionId");
    assert!(unusable.clone().in_memory().is_err());
    let path = folder.path().join("made");
    assert!(unusable.open(&path).is_err() && !path.exists());
}

#[test]
fn a_log_is_read_again_once_its_fields_are_named() {
    let folder = workplace();
    let folder = folder.path();
    let config = folder.join("backstitch.toml");
    let fields = CONFIG.split_once("[fields]").expect("fields").1;
    let without = CONFIG.replace(&format!("[fields]{fields}"), "");
    fs::write(&config, &without).expect("written");
    let first = run(folder, "replay segment.ndjson --json");
    assert_eq!(first.status.code(), Some(1), "every line is rejected");
    fs::write(&config, CONFIG).expect("written");
    let accepted = |command: &str| {
        let told: Value = serde_json::from_str(&told(folder, command)).expect("JSON");
        (told["events"]["accepted"].clone(), told["sources"]["skipped"].clone())
    };
    assert_eq!(accepted("replay segment.ndjson --json"), (json!(7), json!(0)));
    assert_eq!(accepted("replay segment.ndjson --json"), (json!(0), json!(1)));
}

#[test]
fn a_log_that_gave_events_by_other_fields_is_not_read_unasked() {
    let folder = workplace();
    let folder = folder.path();
    let digest = || serde_json::from_str::<Value>(&told(folder, "stats --json")).expect("JSON")["digest"].clone();
    told(folder, "replay segment.ndjson");
    let before = digest();
    let other = CONFIG.replace("userId", "accountId");
    fs::write(folder.join("backstitch.toml"), &other).expect("written");
    let output = run(folder, "replay segment.ndjson --json");
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), why.lines().count()), (Some(1), 1), "{why}");
    assert!(why.contains("segment.ndjson was not read") && why.contains("retract --source"), "{why}");
    assert!(summary["other_fields"][0].as_str().expect("a path").ends_with("/segment.ndjson"));
    assert_eq!((&summary["events"]["read"], digest()), (&json!(0), before.clone()));
    let words = run(folder, "replay segment.ndjson");
    assert!(String::from_utf8_lossy(&words.stdout).starts_with("No source was read"));
    // Either remedy, and then it is what it would have been.
    told(folder, "retract --source segment.ndjson");
    told(folder, "replay segment.ndjson");
    told(folder, "replay segment.ndjson --store other.store");
    let mut alone: Value = serde_json::from_str(&told(folder, "stats --store other.store --json")).expect("JSON");
    assert_eq!(digest(), alone["digest"].take());
    fs::write(folder.join("backstitch.toml"), CONFIG).expect("written");
    assert_eq!(run(folder, "replay segment.ndjson").status.code(), Some(1));
    told(folder, "replay segment.ndjson --force");
    told(folder, "replay segment.ndjson");
    assert_ne!(digest(), before, "the events of both readings are there");
}
