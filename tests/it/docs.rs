//! What the README and the pages of `docs/` say, held against the program: commands and their output, tables, limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use backstitch::ingest::chunk::Chunk;
use backstitch::ingest::decode::Decoder;
use backstitch::ingest::junk::JunkCounts;
use backstitch::ingest::reject::Reason;
use backstitch::model::limits;
use backstitch::rows::EventRow;
use backstitch::{AttributionKind, Engine, Fields, Junk, Levels, Namespaces, Policy, Reading, Replay, Time};

use crate::harness::in_one_epoch;
use crate::place::{binary, file};

const README: &str = include_str!("../../README.md");
const COMMAND_LINE: &str = include_str!("../../docs/command-line.md");
const INPUT: &str = include_str!("../../docs/input.md");
const LIMITS: &str = include_str!("../../docs/limits.md");
const POLICIES: &str = include_str!("../../docs/policies.md");
const CONSTANTS: &str = include_str!("../../src/model/limits.rs");

/// Where the reader keeps the log.
const FOLDER: &str = "/srv/shop";

/// Says that a command printed more than is shown.
const AND_SO_ON: &str = "…";

/// The command of the README that does the main job, without its `cargo run --release --`.
const MAIN_JOB: &str = "replay fixtures/journeys.ndjson";

/// The pages that have console blocks, by path.
fn pages_with_console() -> Vec<(String, String)> {
    let docs = fs::read_dir(file("docs")).expect("the pages");
    let mut pages: Vec<(String, String)> = docs
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|found| found == "md"))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("UTF-8")))
        .filter(|(_, page)| page.contains("```console"))
        .collect();
    pages.sort();
    pages
}

/// Commands of a page's console blocks, each with the lines shown below it.
fn console(page: &str) -> Vec<(&str, Vec<&str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
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
    let line = &in_one_epoch(&without_moment(line));
    match line.split_once("\"seconds\":") {
        Some((before, rest)) => {
            format!("{before}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'))
        }
        None => line.to_owned(),
    }
}

/// A row of `commits` without its moment.
fn without_moment(line: &str) -> String {
    let cells: Vec<&str> = line.split_whitespace().collect();
    match cells[..] {
        [commit, at, _, _] if commit.parse::<u64>().is_ok() && Time::parse(at).is_some() => {
            line.replace(at, "").split_whitespace().collect::<Vec<_>>().join("  ")
        }
        _ => line.to_owned(),
    }
}

fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("fixtures")).expect("made");
    for entry in fs::read_dir(file("fixtures")).expect("fixtures") {
        let path = entry.expect("readable").path();
        fs::copy(&path, folder.path().join("fixtures").join(path.file_name().expect("a file"))).expect("copied");
    }
    fs::write(folder.path().join("segment.toml"), configuration(INPUT)).expect("written");
    folder
}

/// A page's example of a configuration.
fn configuration(page: &str) -> &str {
    let mut blocks = page.split("```toml\n").skip(1).filter_map(|text| text.split("```").next());
    blocks.find(|block| block.contains("[fields]")).expect("an example")
}

/// The standard output of a command.
fn told(folder: &Path, command: &str) -> String {
    let output = Command::new(binary())
        .args(command.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .env_clear()
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The cells of a page's row whose first cell is `name` in backticks.
fn row(page: &'static str, name: &str) -> Vec<&'static str> {
    let begin = format!("| `{name}` |");
    let line = page.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("no row for {name}"));
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Holds what a command prints against the lines shown below it on a page.
fn assert_shown(folder: &Path, page: &str, command: &str, shown: &[&str]) {
    let path = folder.canonicalize().expect("it exists");
    let told = told(folder, command).replace(path.to_str().expect("UTF-8"), FOLDER);
    let told: Vec<String> = told.lines().map(steady).collect();
    let mut shown: Vec<String> = shown.iter().map(|line| steady(line)).collect();
    shown.truncate(shown.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
    let cut = shown.last().is_some_and(|line| line == AND_SO_ON);
    shown.truncate(shown.len() - usize::from(cut));
    let compared = if cut { &told[..shown.len().min(told.len())] } else { &told[..] };
    assert_eq!(shown, compared, "{page}: $ backstitch {command}");
    assert!(!cut || told.len() > shown.len(), "{page}: {command} prints no more than is shown");
}

#[test]
fn the_readme_followed_to_the_letter_twice_is_what_the_program_prints() {
    let folder = workplace();
    let main_job = format!("cargo run --release -- {MAIN_JOB} ");
    assert!(README.lines().any(|line| line.starts_with(&main_job)), "the first of the two commands");
    let printed = README.split("```text\n").find(|block| block.starts_with("Replayed")).expect("what it prints");
    let printed: Vec<&str> = printed.split("```").next().expect("a block").lines().collect();
    let session = console(README);
    assert!(session.len() >= 5, "{session:?}");
    assert_shown(folder.path(), "README.md", MAIN_JOB, &printed);
    for _ in 0..2 {
        for (command, shown) in &session {
            assert_shown(folder.path(), "README.md", command, shown);
        }
        let again = told(folder.path(), MAIN_JOB);
        assert!(again.starts_with("Nothing new in 1 source"), "{again}");
    }
}

#[test]
fn the_examples_of_each_page_are_what_the_program_prints() {
    let pages = pages_with_console();
    assert!(pages.len() >= 5, "the pages are where they are looked for");
    for (path, page) in &pages {
        let folder = workplace();
        let commands = console(page);
        assert!(!commands.is_empty(), "{path}");
        for (command, shown) in commands {
            assert_shown(folder.path(), path, command, &shown);
        }
    }
}

#[test]
fn the_configuration_of_the_readme_reads_a_segment_log() {
    let folder = workplace();
    fs::write(folder.path().join("backstitch.toml"), configuration(README)).expect("written");
    let summary = told(folder.path(), "replay fixtures/segment.ndjson --json");
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(summary["events"]["accepted"], 7, "{summary}");
}

#[test]
fn the_names_of_each_json_object_are_those_of_the_page() {
    let folder = workplace();
    told(folder.path(), "replay fixtures/journeys.ndjson --quiet");
    told(folder.path(), "export-facts --quiet --output facts");
    for command in [
        "replay fixtures/journeys.ndjson",
        "resolve sess-anna-phone",
        "explain sess-anna-phone",
        "explain sess-anna-phone sess-anna-laptop",
        "events sess-anna-phone",
        "show order-1001",
        "sessions",
        "duplicates",
        "related sess-family-tablet",
        "diff --policy first-login --policy strict",
        "changes",
        "commits",
        "stats",
        "verify",
        "backup copy.store",
        "import-facts facts",
        "changes --apply table",
        "unlink sess-family-tablet clara",
        "retract --event order-1001",
    ] {
        let name = match command.split_once(' ') {
            Some(("changes", _)) => "changes --apply",
            Some(("explain", ids)) if ids.contains(' ') => "explain ID ID2",
            Some((name, _)) => name,
            None => command,
        };
        let text = told(folder.path(), &format!("{command} --json"));
        let object: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        let printed: BTreeSet<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(quoted(row(COMMAND_LINE, name)[1]).collect::<BTreeSet<_>>(), printed, "{name}");
    }
}

/// The person and the attribution of an event, as the table of policies writes them.
fn in_the_table(row: &EventRow) -> String {
    match (&row.attribution, &row.person) {
        (AttributionKind::Anonymous, _) => AttributionKind::Anonymous.word().to_owned(),
        (AttributionKind::Direct, person) => person.value.clone(),
        (kind, person) => format!("{}, {}", person.value, kind.word()),
    }
}

#[test]
fn the_table_of_policies_is_what_the_engine_answers() {
    const TABLET: &str = "sess-family-tablet";
    let mut engine = Engine::in_memory();
    engine.replay([file("fixtures/journeys.ndjson")]).expect("replayed");
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
    assert!(POLICIES.contains(&lines.join("\n")), "{}", lines.join("\n"));
}

#[test]
fn every_limit_stands_on_its_page_with_its_number() {
    let all = [
        ("MAX_LINE_BYTES", limits::MAX_LINE_BYTES),
        ("MAX_VALUE_BYTES", limits::MAX_VALUE_BYTES),
        ("MAX_NAMESPACE_BYTES", limits::MAX_NAMESPACE_BYTES),
        ("MAX_NAMESPACES", limits::MAX_NAMESPACES),
        ("MAX_IDENTITIES_PER_EVENT", limits::MAX_IDENTITIES_PER_EVENT),
        ("MAX_EVENT_ID_BYTES", limits::MAX_EVENT_ID_BYTES),
        ("MAX_SEGMENTS_PER_EVENT", limits::MAX_SEGMENTS_PER_EVENT),
        ("MAX_SEGMENT_BYTES", limits::MAX_SEGMENT_BYTES),
        ("MAX_TRAITS_PER_EVENT", limits::MAX_TRAITS_PER_EVENT),
        ("MAX_TRAIT_NAME_BYTES", limits::MAX_TRAIT_NAME_BYTES),
        ("MAX_TRAIT_BYTES", limits::MAX_TRAIT_BYTES),
        ("MAX_UNION_VALUES", limits::MAX_UNION_VALUES),
        ("MAX_COUNTED_VALUES", limits::MAX_COUNTED_VALUES),
        ("MAX_BATCH_TEXT_BYTES", limits::MAX_BATCH_TEXT_BYTES),
        ("MAX_SOURCE_NAME_BYTES", limits::MAX_SOURCE_NAME_BYTES),
        ("MAX_POSITION_BYTES", limits::MAX_POSITION_BYTES),
        ("MAX_FACT_BYTES", limits::MAX_FACT_BYTES),
        ("MAX_IDENTITIES", limits::MAX_IDENTITIES),
        ("MAX_BAR_KEYS", limits::MAX_BAR_KEYS),
        ("MAX_FORGOTTEN", limits::MAX_FORGOTTEN),
        ("MAX_REJECT_BYTES", limits::MAX_REJECT_BYTES),
        ("MAX_JUNK_COUNTED", limits::MAX_JUNK_COUNTED),
        ("MAX_THREADS", limits::MAX_THREADS),
        ("MAX_EVENTS_LOCATED", limits::MAX_EVENTS_LOCATED),
        ("MAX_BLOCKS_A_QUESTION", limits::MAX_BLOCKS_A_QUESTION as usize),
        ("MAX_KEYS_MET", limits::MAX_KEYS_MET),
        ("MAX_DRAWN", limits::MAX_DRAWN),
        ("MAX_EVENTS_DRAWN", limits::MAX_EVENTS_DRAWN),
    ];
    for (name, limit) in all {
        let number = row(LIMITS, name)[1].split(' ').next().expect("a number").replace(',', "");
        assert_eq!(number, limit.to_string(), "{name}");
    }
    let folder = workplace();
    for (bound, beyond) in
        [("1970-01-01", "1969-12-31T23:59:59.999999Z"), ("2100-01-01", "2100-01-01T00:00:00.000001Z")]
    {
        let line =
            |time: &str| format!("{{\"time\":\"{time}\",\"user\":{{\"identities\":{{\"sessionId\":\"s\"}}}}}}\n");
        fs::write(folder.path().join("log"), line(&format!("{bound}T00:00:00Z")) + &line(beyond)).expect("written");
        let told = told(folder.path(), "replay log --json");
        assert!(told.contains(r#""rejected":1}"#) && told.contains(r#"{"time_out_of_range":1}"#), "{told}");
        assert!(LIMITS.contains(bound) && INPUT.contains(&format!("`{bound}T00:00:00Z`")), "{bound}");
    }
    let constants = CONSTANTS.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    assert_eq!(constants.collect::<Vec<_>>(), all.map(|(name, _)| name), "a limit that this test does not know");
}

#[test]
fn reasons_and_junk_of_the_page_are_those_of_the_decoder() {
    for reason in Reason::ALL {
        row(INPUT, reason.word());
    }
    let list =
        INPUT.split("\n\n").find(|text| text.starts_with("Values that stand")).expect("the list").replace('\n', " ");
    let values: Vec<&str> = quoted(&list).collect();
    assert_eq!(values.len(), 20, "{values:?}");
    for value in values.into_iter().chain(["00000000-0000-0000-0000-000000000000", " "]) {
        for spelling in [value.to_owned(), value.to_uppercase(), format!("'{value}'")] {
            let line = format!("{{\"time\":1,\"user\":{{\"identities\":{{\"email\":\"{spelling}\"}}}}}}\n");
            let chunk = Chunk::whole(line);
            let mut namespaces = Namespaces::new(Levels::default());
            let mut outcome = None;
            Decoder::new(&Junk::default(), &Fields::default()).chunk(
                &chunk,
                &mut namespaces,
                &mut JunkCounts::new(),
                &mut |line| {
                    outcome = Some(line.outcome.err().map(|reject| reject.reason));
                },
            );
            assert_eq!(outcome, Some(Some(Reason::NoIdentity)), "{spelling}");
        }
    }
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_between_pages_leads_to_what_is_there() {
    let mut pages: Vec<_> = ["README.md", "CHANGELOG.md", "SECURITY.md"].map(file).into();
    for folder in ["docs", "sdk", "gtm"] {
        let found =
            walkdir::WalkDir::new(file(folder)).into_iter().filter_entry(|entry| entry.file_name() != "node_modules");
        let found = found.map(|entry| entry.expect("readable").into_path());
        pages.extend(found.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let mut links = 0;
    for page in &pages {
        let text = fs::read_to_string(page).expect("UTF-8");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (name, heading) = target.split_once('#').unwrap_or((target, ""));
            if name.contains("://") || name.contains(['`', ' ']) {
                continue;
            }
            let to = if name.is_empty() { page.clone() } else { page.parent().expect("a folder").join(name) };
            assert!(to.exists(), "{}: nothing is at {target}", page.display());
            if !heading.is_empty() {
                let text = fs::read_to_string(&to).expect("UTF-8");
                let mut headings =
                    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#')));
                assert!(headings.any(|known| known == heading), "{}: no heading is called {target}", page.display());
            }
            links += 1;
        }
    }
    assert!(links > 50, "{links}");
}

#[test]
fn the_readme_asks_for_the_rust_that_the_manifest_asks_for() {
    let manifest = include_str!("../../Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("a version");
    assert!(README.contains(&format!("Rust ({} or later)", version.trim_matches('"'))), "{version}");
}

#[test]
fn the_help_of_a_replay_names_the_sizes_of_its_batches() {
    let help = Command::new(binary()).args(["replay", "--help"]).output().expect("the binary runs").stdout;
    let help = String::from_utf8(help).expect("UTF-8").split_whitespace().collect::<Vec<_>>().join(" ");
    let (usual, most) = (Replay::BATCH_EVENTS, Replay::MOST_BATCH_EVENTS);
    assert!(help.contains(&format!("[default: {usual}, and up to {most} of a log in no order]")), "{help}");
}
