//! What the README and `docs/format.md` say, held against the program: commands and their output, tables, limits, bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use backstitch::engine::{Engine, Replay};
use backstitch::ingest::chunk::Chunk;
use backstitch::ingest::decode::Decoder;
use backstitch::ingest::junk::JunkCounts;
use backstitch::ingest::layout::Layout;
use backstitch::ingest::reject::Reason;
use backstitch::model::digest::{Digest, EventHash, IdentityHash};
use backstitch::model::event::EventId;
use backstitch::model::identity::Value;
use backstitch::model::limits;
use backstitch::model::namespace::{Levels, Namespaces};
use backstitch::model::person::Kind;
use backstitch::model::policy::{Policy, Reading};
use backstitch::model::settings::{Junk, Settings};
use backstitch::model::time::Time;
use backstitch::resolver::EventRow;
use backstitch::store::backend::{Backend, MemoryBackend};
use backstitch::store::block;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

const README: &str = include_str!("../../README.md");
const FORMAT: &str = include_str!("../../docs/format.md");
const LIMITS: &str = include_str!("../../src/model/limits.rs");

/// Where the README's reader keeps the log.
const FOLDER: &str = "/srv/shop";

/// Says that a command printed more than is shown.
const AND_SO_ON: &str = "…";

/// Commands of the README's console blocks, each with the lines shown below it.
fn console() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for line in README.lines() {
        match (inside, line.strip_prefix("$ backstitch ")) {
            _ if line.starts_with("```") => inside = line == "```console",
            (true, Some(command)) => commands.push((command, Vec::new())),
            (true, None) => commands.last_mut().expect("a command comes first").1.push(line),
            (false, _) => {}
        }
    }
    commands
}

/// A line without what differs from run to run: times, speeds, sizes on disk.
fn steady(line: &str) -> String {
    for (begin, end) in [("Replayed ", ":"), ("  on disk ", " ")] {
        if let Some(rest) = line.strip_prefix(begin) {
            return format!("{begin}{}", rest.split(end).next().unwrap_or_default());
        }
    }
    match line.split_once("\"seconds\":") {
        Some((before, rest)) => {
            format!("{before}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'))
        }
        None => line.to_owned(),
    }
}

fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("fixtures")).expect("made");
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).expect("fixtures") {
        let path = entry.expect("readable").path();
        fs::copy(&path, folder.path().join("fixtures").join(path.file_name().expect("a file"))).expect("copied");
    }
    fs::write(folder.path().join("segment.toml"), configuration()).expect("written");
    folder
}

/// The README's example of a configuration.
fn configuration() -> &'static str {
    let mut blocks = README.split("```toml\n").skip(1).filter_map(|text| text.split("```").next());
    blocks.find(|block| block.contains("[fields]")).expect("an example")
}

/// The standard output of a command.
fn told(folder: &Path, command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_backstitch"))
        .args(command.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .env_clear()
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Rows of the README's tables whose first cell is `name` in backticks, or begins so.
fn row(name: &str) -> Vec<&'static str> {
    let begin = format!("| `{name}` |");
    let line = README.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("no row for {name}"));
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_session_of_the_readme_is_what_the_program_prints() {
    let folder = workplace();
    let path = folder.path().canonicalize().expect("it exists");
    let commands = console();
    assert!(commands.len() >= 10, "{commands:?}");
    for (command, shown) in commands {
        let told = told(folder.path(), command).replace(path.to_str().expect("UTF-8"), FOLDER);
        let told: Vec<String> = told.lines().map(steady).collect();
        let mut shown: Vec<String> =
            shown.into_iter().map(steady).rev().skip_while(String::is_empty).collect::<Vec<_>>();
        shown.reverse();
        let cut = shown.last().is_some_and(|line| line == AND_SO_ON);
        shown.truncate(shown.len() - usize::from(cut));
        let compared = if cut { &told[..shown.len().min(told.len())] } else { &told[..] };
        assert_eq!(shown, compared, "$ backstitch {command}");
        assert!(!cut || told.len() > shown.len(), "{command} prints no more than is shown");
    }
}

#[test]
fn the_names_of_each_json_object_are_those_of_the_readme() {
    let folder = workplace();
    told(folder.path(), "replay fixtures/journeys.ndjson --quiet");
    for command in [
        "replay fixtures/journeys.ndjson",
        "resolve sess-anna-phone",
        "explain sess-anna-phone",
        "events sess-anna-phone",
        "sessions",
        "diff --policy first-login --policy strict",
        "changes",
        "stats",
        "verify",
        "unlink sess-family-tablet clara",
        "retract --event order-1001",
    ] {
        let name = command.split(' ').next().expect("a name");
        let text = told(folder.path(), &format!("{command} --json"));
        let object: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        let printed: BTreeSet<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(quoted(row(name)[1]).collect::<BTreeSet<_>>(), printed, "{name}");
    }
}

/// The person and the attribution of an event, as the README's table of policies writes them.
fn in_the_table(row: &EventRow) -> String {
    match (&row.attribution, &row.person) {
        (Kind::Anonymous, _) => "nobody".to_owned(),
        (Kind::Direct, person) => person.value.clone(),
        (kind, person) => format!("{}, {}", person.value, kind.word()),
    }
}

#[test]
fn the_table_of_policies_is_what_the_engine_answers() {
    const TABLET: &str = "sess-family-tablet";
    let mut engine = Engine::in_memory(&Settings::default()).expect("a store in memory");
    engine.replay(Replay::of(["fixtures/journeys.ndjson"])).expect("replayed");
    let view = engine.resolver().view();
    // By time: what the event carries, and whose it is under each policy.
    let mut table: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for policy in Policy::ALL {
        let view = view.under(Reading { policy, ..Reading::default() });
        for (namespace, value) in [("ecommerceId", "clara"), ("ecommerceId", "dan"), ("sessionId", TABLET)] {
            let mut rows = view.events(namespace, value).expect("sound").expect("known");
            // Who owns the session has its row already.
            rows.retain(|row| row.identities.iter().any(|id| id.value == TABLET) && row.person.value == value);
            for row in rows {
                let carries = row.identities.iter().find(|id| id.namespace == "ecommerceId");
                let cell = in_the_table(&row);
                let time = row.time.to_string()[11..16].to_owned();
                let carries = carries.map(|id| id.value.clone()).unwrap_or_default();
                table.entry(time).or_insert_with(|| (carries, Vec::new())).1.push(cell);
            }
        }
    }
    let mut lines =
        vec![format!("| time | carries | {} |", Policy::ALL.map(|policy| format!("`{policy}`")).join(" | "))];
    lines.push(format!("|{}", "---|".repeat(2 + Policy::ALL.len())));
    for (time, (carries, cells)) in &table {
        let carries = if carries.is_empty() { String::new() } else { format!("{carries} ") };
        lines.push(format!("| {time} | {carries}| {} |", cells.join(" | ")));
    }
    assert_eq!(lines.len(), 2 + 7, "{lines:#?}");
    assert!(README.contains(&lines.join("\n")), "{}", lines.join("\n"));
}

#[test]
fn every_limit_stands_in_the_readme_with_its_number() {
    let all = [
        ("MAX_LINE_BYTES", limits::MAX_LINE_BYTES),
        ("MAX_VALUE_BYTES", limits::MAX_VALUE_BYTES),
        ("MAX_NAMESPACE_BYTES", limits::MAX_NAMESPACE_BYTES),
        ("MAX_NAMESPACES", limits::MAX_NAMESPACES),
        ("MAX_IDENTITIES_PER_EVENT", limits::MAX_IDENTITIES_PER_EVENT),
        ("MAX_EVENT_ID_BYTES", limits::MAX_EVENT_ID_BYTES),
        ("MAX_IDENTITIES", limits::MAX_IDENTITIES),
        ("MAX_REJECT_BYTES", limits::MAX_REJECT_BYTES),
        ("MAX_JUNK_COUNTED", limits::MAX_JUNK_COUNTED),
    ];
    for (name, limit) in all {
        let number = row(name)[1].split(' ').next().expect("a number").replace(',', "");
        assert_eq!(number, limit.to_string(), "{name}");
    }
    let constants = LIMITS.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    assert_eq!(constants.collect::<Vec<_>>(), all.map(|(name, _)| name), "a limit that this test does not know");
}

#[test]
fn reasons_and_junk_of_the_readme_are_those_of_the_decoder() {
    for reason in Reason::ALL {
        row(reason.word());
    }
    let list =
        README.split("\n\n").find(|text| text.starts_with("Values that stand")).expect("the list").replace('\n', " ");
    let values: Vec<&str> = quoted(&list).collect();
    assert_eq!(values.len(), 15, "{values:?}");
    for value in values.into_iter().chain(["00000000-0000-0000-0000-000000000000", " "]) {
        for spelling in [value.to_owned(), value.to_uppercase(), format!("'{value}'")] {
            let line = format!("{{\"time\":1,\"user\":{{\"identities\":{{\"email\":\"{spelling}\"}}}}}}\n");
            let end = line.len() as u64;
            let chunk = Chunk { bytes: line.into_bytes(), start: 0, end, unterminated: false, overlong: None };
            let mut namespaces = Namespaces::new(Levels::default());
            let mut outcome = None;
            Decoder::new(&Junk::default(), &Layout::default()).chunk(
                &chunk,
                &mut namespaces,
                &mut JunkCounts::new(),
                |line| {
                    outcome = Some(line.outcome.err().map(|reject| reject.reason));
                },
            );
            assert_eq!(outcome, Some(Some(Reason::NoIdentity)), "{spelling}");
        }
    }
}

#[test]
fn the_readme_asks_for_the_rust_that_the_manifest_asks_for() {
    let manifest = include_str!("../../Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("a version");
    assert!(README.contains(&format!("Rust ({} or later)", version.trim_matches('"'))), "{version}");
}

/// The text behind a name in a block of `docs/format.md`: `name  value`.
fn example(name: &str) -> &'static str {
    let line = FORMAT.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("  "));
    line.unwrap_or_else(|| panic!("no example {name}")).trim()
}

#[test]
fn hashes_and_digest_are_those_of_the_format() {
    let identity = IdentityHash::new("sessionid", Value::new("150"));
    let person = IdentityHash::new("ecommerceid", Value::new("18278"));
    let event = EventHash::new(Time::from_micros(1_000), EventId::Text("e-1"), [identity]);
    let mut digest = Digest::default();
    digest.add_identity(identity, person);
    digest.add_event(event, person, Kind::Retroactive);

    // By the words of the page alone.
    let hash = |parts: &[&[u8]]| xxh3_128(&parts.concat());
    let session = hash(&[b"sessionid:150"]);
    let customer = hash(&[b"ecommerceid:18278"]);
    let happened = hash(&[&1_000_i64.to_le_bytes(), &[2], &3_u64.to_le_bytes(), b"e-1", &session.to_le_bytes()]);
    let first = hash(&[b"i-", &session.to_le_bytes(), &customer.to_le_bytes()]);
    let second = hash(&[b"er", &happened.to_le_bytes(), &customer.to_le_bytes()]);
    assert_eq!((identity.0, person.0, event.0), (session, customer, happened));
    assert_eq!(digest.to_string(), format!("{:032x}", first.wrapping_add(second)));

    let names = ["session", "person", "event", "(session, person)", "(event, person, r)", "digest"];
    let worked_out = [session, customer, happened, first, second, first.wrapping_add(second)];
    let worked_out = worked_out.map(|number| format!("{number:032x}"));
    assert_eq!(names.map(|name| example(name).to_owned()), worked_out);
}

#[test]
fn kinds_of_blocks_are_numbered_as_in_the_format() {
    let kinds = [
        ("manifest", block::Kind::Manifest),
        ("settings", block::Kind::Settings),
        ("identities", block::Kind::Identities),
        ("seen", block::Kind::Seen),
        ("links", block::Kind::Links),
        ("sources", block::Kind::Sources),
        ("events", block::Kind::Events),
        ("directory", block::Kind::Directory),
        ("changes", block::Kind::Changes),
        ("history", block::Kind::History),
        ("unlinks", block::Kind::Unlinks),
    ];
    for (name, kind) in kinds {
        assert!(FORMAT.contains(&format!("| {} | {name} |", kind as u8)), "{name}");
    }
}

/// Reads the keys and headers of a store as `docs/format.md` tells it, with no code of the store.
#[test]
fn keys_and_headers_are_laid_out_as_in_the_format() {
    let backend = std::sync::Arc::new(MemoryBackend::default());
    let mut engine =
        Engine::with_backend(std::sync::Arc::clone(&backend) as std::sync::Arc<dyn Backend>, &Settings::default())
            .expect("a new store");
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/journeys.ndjson");
    engine.replay(Replay::of([log.to_str().expect("UTF-8")])).expect("replayed");
    engine.unlink("sess-family-tablet", "clara").expect("unlinked");
    let format = FORMAT.lines().find_map(|line| line.strip_prefix("| 4 | the format, ")?.strip_suffix(" |"));
    let format: u8 = format.expect("a format").parse().expect("a number");
    let mut kinds = BTreeSet::new();
    let mut latest = 0;
    for (key, stored) in backend.entries() {
        let [kind, run @ .., _, _, _, _] = &key[..] else { panic!("{key:?}") };
        assert_eq!(run.len(), 4, "{key:?}");
        let number = |at: usize| u64::from_le_bytes(stored[at..at + 8].try_into().expect("eight bytes"));
        assert_eq!(stored[..8], [b'b', b'k', b's', b't', format, *kind, 0, 0], "{key:?}");
        let seed = xxh3_64(&[&key[..], &stored[..16]].concat());
        assert_eq!(number(16), xxh3_64_with_seed(&stored[24..], seed), "{key:?}");
        if *kind == block::Kind::Manifest as u8 {
            latest = latest.max(number(8));
            assert_eq!(key[1..], [0, 0, 0, 0, 0, 0, 0, (number(8) % 2) as u8]);
        }
        kinds.insert(*kind);
    }
    assert_eq!(kinds, (1..=11).collect());
    assert_eq!(latest, engine.store().generation());
}
