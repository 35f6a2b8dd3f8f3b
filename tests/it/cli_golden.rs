//! What the command prints, compared with golden files; `BLESS=1` writes them again, to be read before they are kept.
//!
//! A scenario is a list of commands in one folder, which holds the fixtures and starts without a store. Its golden file
//! shows each command, its standard output, its standard error and its exit code; times, speeds and sizes on disk are
//! replaced by `#`. What must hold whatever the words is asserted beside it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::config::CONFIG;
use crate::harness::{expected_attribute, in_one_epoch, without_serve};
use crate::oracle::{Rules, judge};
use crate::place::{binary, file};

const DAY: &str = include_str!("../../fixtures/journeys.ndjson");

/// Scenarios: name of the golden file, commands.
const SCENARIOS: &[(&str, &[&str])] = &[
    ("replay", &["replay journeys.ndjson", "replay journeys.ndjson", "replay journeys.ndjson --force"]),
    (
        "replay_json",
        &["replay journeys.ndjson --json", "replay journeys.ndjson --json", "replay --force --json journeys.ndjson"],
    ),
    (
        "replay_many",
        &["replay . --json", "replay . --json", "replay * --json", "replay journeys.ndjson rejects.ndjson --quiet"],
    ),
    (
        "rejects",
        &[
            "replay rejects.ndjson",
            "replay rejects.ndjson --force --strict",
            "replay rejects.ndjson --force --json --strict --rejects bad.ndjson",
            "replay rejects.ndjson --force --rejects ./rejects.ndjson",
            "attribute rejects.ndjson",
        ],
    ),
    (
        "junk",
        &[
            "replay junk.ndjson",
            "replay junk.ndjson --store kept.store --keep-junk --json",
            "replay not_junk.ndjson --store other.store --json",
        ],
    ),
    (
        "resolve",
        &[
            "replay journeys.ndjson --quiet",
            "resolve sess-anna-phone",
            "resolve sess-anna-phone --json",
            "resolve sess-family-tablet --json",
            "resolve ecommerceId:dan --json",
            "resolve ECOMMERCEID:dan",
            "resolve sess-ben-laptop",
            "resolve sess-ben-laptop --json",
            "resolve email:hugo@example.org --json",
            "resolve sess-nobody",
            "resolve sess-nobody --json",
            "resolve anna",
            "resolve customer:anna",
        ],
    ),
    (
        "explain",
        &[
            "replay journeys.ndjson --quiet",
            "explain sess-anna-phone",
            "explain sess-emma-mail",
            "explain sess-emma-mail --json",
            "explain ecommerceId:clara",
            "explain sess-hugo-laptop",
            "explain sess-hugo-phone",
            "explain sess-emma-mail sess-emma-app",
            "explain sess-dan-phone ecommerceId:clara",
            "explain sess-dan-phone ecommerceId:clara --json",
            "explain sess-anna-phone sess-ben-laptop",
            "explain ecommerceId:dan ecommerceId:dan",
            "explain sess-nobody",
            "explain sess-nobody --json",
            "explain sess-nobody sess-anna-phone",
            "explain sess-nobody sess-anna-phone --json",
            "explain anna --format dot",
            "explain sess-family-tablet --format dot",
            "explain sess-family-tablet --format svg",
            "explain sess-family-tablet --format svg --output tablet.svg",
            "explain sess-family-tablet --format svg --output missing/tablet.svg",
            "explain sess-family-tablet --format png",
        ],
    ),
    (
        "events",
        &[
            "replay journeys.ndjson --quiet",
            "events ecommerceId:anna",
            "events ecommerceId:anna --json",
            "events sess-ben-laptop --json",
            "events sess-ben-laptop --csv",
            "events sess-nobody --csv",
            "events anna --csv --json",
            "events sess-nobody",
            "events anna",
        ],
    ),
    (
        "show",
        &[
            "replay journeys.ndjson --quiet",
            "show 9ef98053855cf4ea419fbe22718fee23",
            "show order-1001",
            "show order-1001 --json",
            "show order-1001 rejects.ndjson",
            "show nobody",
            "show nobody --json",
            "show order-1001 missing.ndjson",
        ],
    ),
    (
        "sessions",
        &[
            "replay journeys.ndjson --quiet",
            "sessions",
            "sessions --json",
            "sessions --csv",
            "sessions --customer anna --json",
            "sessions --customer nobody",
            "sessions --csv --output sessions.csv",
            "sessions --csv --output missing/sessions.csv",
            "replay journeys.ndjson --rejects missing/bad.ndjson",
        ],
    ),
    (
        "attribute",
        &[
            "replay journeys.ndjson --quiet",
            "attribute journeys.ndjson",
            "attribute journeys.ndjson --csv",
            "attribute journeys.ndjson --output ./journeys.ndjson",
            "attribute . --output people.ndjson",
        ],
    ),
    ("stats", &["replay journeys.ndjson --quiet", "stats", "stats --json"]),
    (
        "readings",
        &[
            "replay journeys.ndjson --quiet",
            "resolve sess-family-tablet --policy device-split",
            "resolve sess-family-tablet --policy last-login --json",
            "resolve sess-family-tablet --policy strict",
            "resolve sess-family-tablet sess-anna-laptop --as-of 2026-11-02T09:10:00Z",
            "resolve ecommerceId:dan --as-of 2026-11-02T09:10:00Z --json",
            "events ecommerceId:clara --policy device-split --lookback 5m",
            "events ecommerceId:clara --policy strict --as-of 2026-11-02T09:20:00Z",
            "sessions --policy strict --csv",
            "sessions --customer dan --policy last-login --quiet",
            "sessions --as-of 2026-11-02T08:05:00Z --csv",
            "attribute journeys.ndjson --policy last-login --csv",
            "attribute journeys.ndjson --lookback 10m --as-of 2026-11-02T12:00:00Z --csv --quiet",
            "stats --policy strict --lookback 30d",
            "stats --as-of 2026-11-02T09:10:00Z --json",
            "resolve x --policy latest",
            "events x --lookback 30",
            "stats --as-of yesterday",
        ],
    ),
    (
        "diff",
        &[
            "replay journeys.ndjson --quiet",
            "diff --policy first-login --policy device-split",
            "diff --policy first-login --policy device-split --lookback 5m --json",
            "diff --policy strict --policy last-login --csv",
            "diff --policy strict --policy strict",
            "diff --policy strict",
            "diff --policy strict --policy latest",
            "diff",
            "stats --shared",
            "stats --shared --json",
            "stats --shared --as-of 2026-11-02T12:00:00Z --lookback 5m",
            "stats --shared --as-of 2026-11-02T09:00:00Z",
            "stats --shared --policy strict",
        ],
    ),
    (
        "outputs",
        &[
            "replay logs",
            "sessions --output logs/sessions.ndjson",
            "events sess-anna-phone --csv --output logs/old/events.csv",
            "changes --output logs/../logs/day.ndjson",
            "explain sess-anna-phone --format svg --output ./backstitch.store/why.svg",
            "diff --policy strict --policy last-login --output logs/new.csv",
            "attribute journeys.ndjson --output logs/people.ndjson",
            "generate --output backstitch.store/log.ndjson",
            "replay journeys.ndjson --force --rejects logs/day.ndjson",
            "replay journeys.ndjson --rejects logs/bad.ndjson",
            "sessions --output sessions.ndjson",
        ],
    ),
    (
        "unlink",
        &[
            "replay journeys.ndjson --quiet",
            "unlink sess-famly-tabelt Clara",
            "unlink SESS-LIBRARY-PC ida --json",
            "unlink no-such-session no-such-customer --anyway",
            "unlink email:emma@example.org sessionId:sess-emma-mail",
            "unlink deviceid:device-emma ecommerceId:emma",
        ],
    ),
    (
        "quiet",
        &[
            "replay journeys.ndjson -q",
            "unlink sess-family-tablet clara -q",
            "verify -q",
            "retract --source journeys.ndjson -q",
            "sessions --customer anna -q",
        ],
    ),
    ("verify", &["replay journeys.ndjson --quiet", "verify", "verify --json"]),
    (
        "settings",
        &[
            "replay journeys.ndjson --no-unique --json",
            "resolve ecommerceId:dan --json",
            "replay journeys.ndjson --between email,deviceid",
            "replay journeys.ndjson --keep-junk --junk none --junk it's",
            "replay journeys.ndjson --unique customerNumber --quiet --store named.store",
            "replay journeys.ndjson --between email,deviceid --store other.store --json",
        ],
    ),
    (
        "config",
        &[
            "replay segment.ndjson --rejects bad.ndjson",
            "resolve dev-1",
            "sessions --customer ivy",
            "attribute segment.ndjson --csv",
            "stats --json",
            "stats --config other.toml",
            "replay journeys.ndjson --config wrong.toml",
            "replay journeys.ndjson --config missing.toml",
        ],
    ),
    ("generate", &["generate --sessions 1 --seed 3", "generate --sessions 0"]),
    ("help", &["--help", "--version"]),
    (
        "usage",
        &[
            "",
            "replay",
            "resolve",
            "mend",
            "replay journeys.ndjson --treads 2",
            "sessions --csv --json",
            "replay x --threads 0",
            "changes --since abc",
            "resolve x --known-at yesterday",
        ],
    ),
    (
        "failures",
        &[
            "resolve sess-anna-phone",
            "stats",
            "events sess-anna-phone",
            "sessions",
            "attribute journeys.ndjson",
            "verify",
            "replay missing.ndjson",
            "replay *.nothing",
            "stats --store journeys.ndjson",
        ],
    ),
    ("odd_files", &["replay empty.ndjson", "replay garbage.bin", "replay cut.gz", "stats --json"]),
];

/// A folder with the logs among the fixtures.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let fixtures = fs::read_dir(file("fixtures")).expect("fixtures");
    let paths = fixtures.map(|entry| entry.expect("readable").path());
    for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "ndjson")) {
        fs::copy(&path, folder.path().join(path.file_name().expect("a file"))).expect("copied");
    }
    folder
}

/// Besides the logs: an empty file, bytes that are not text, a gzip file whose end is missing.
fn oddities(folder: &Path) {
    fs::write(folder.join("empty.ndjson"), "").expect("written");
    let garbage: Vec<u8> =
        (0..4_000u32).flat_map(|at| xxhash_rust::xxh3::xxh3_64(&at.to_le_bytes()).to_be_bytes()).collect();
    fs::write(folder.join("garbage.bin"), [&[0xff][..], &garbage].concat()).expect("written");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(DAY.as_bytes()).expect("in memory");
    let whole = gzip.finish().expect("in memory");
    fs::write(folder.join("cut.gz"), &whole[..whole.len() - 9]).expect("written");
}

/// Three configurations: one that fits, one of other levels, one with a slip.
fn configurations(folder: &Path) {
    let other = CONFIG.replace("customerNumber", "ecommerceId");
    let wrong = CONFIG.replace("timestamp", "time");
    for (name, text) in [("backstitch.toml", CONFIG), ("other.toml", &other), ("wrong.toml", &wrong)] {
        fs::write(folder.join(name), text).expect("written");
    }
}

/// A folder with a log, and a folder in it.
fn a_folder_of_logs(folder: &Path) {
    fs::create_dir_all(folder.join("logs/old")).expect("made");
    fs::write(folder.join("logs/day.ndjson"), DAY).expect("written");
    std::os::unix::fs::symlink("nothing", folder.join("logs/last")).expect("linked");
    std::os::unix::fs::symlink("..", folder.join("logs/old/all")).expect("linked");
}

fn backstitch(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env_clear().env("COLUMNS", "100").env("NO_COLOR", "1");
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    backstitch(folder, &arguments).output().expect("the binary runs")
}

/// What must be equal from run to run: no times, no speeds, no sizes on disk, no paths of this machine.
fn normalised(text: &str, folder: &Path) -> String {
    const UNITS: [&str; 17] = [
        "events/s",
        "lines/s",
        "bytes an event",
        "bytes/s",
        "KB/s",
        "MB/s",
        "GB/s",
        "KiB/s",
        "MiB/s",
        "GiB/s",
        "KiB",
        "MiB",
        "KB",
        "MB",
        "ms",
        "µs",
        "s",
    ];
    const KEYS: [&str; 2] = ["\"seconds\":", "\"bytes_on_disk\":"];
    let canonical = folder.canonicalize().expect("it exists");
    let text = in_one_epoch(text)
        .replace(canonical.to_str().expect("UTF-8"), "[folder]")
        .replace(folder.to_str().expect("UTF-8"), "[folder]");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(next) = rest.chars().next() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(rest.len());
        let digits = rest[..digits].trim_end_matches(['.', ',']).len();
        let after = rest[digits..].trim_start_matches(' ');
        let ends = |unit: &&&str| !after[unit.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '/');
        let unit = UNITS.iter().filter(|unit| after.starts_with(**unit)).find(ends);
        let apart = !out.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | ':' | '_'));
        if next.is_ascii_digit() && (unit.is_some() && apart || KEYS.iter().any(|key| out.ends_with(key))) {
            out.push('#');
            match unit.filter(|unit| unit.ends_with("B/s") || **unit == "bytes/s") {
                // A speed comes out in any unit.
                Some(unit) => {
                    out.push_str(" MB/s");
                    rest = &after[unit.len()..];
                }
                None => rest = &rest[digits..],
            }
        } else {
            let step = if next.is_ascii_digit() { digits } else { next.len_utf8() };
            out.push_str(&rest[..step]);
            rest = &rest[step..];
        }
    }
    out
}

fn told(folder: &Path, commands: &[&str]) -> String {
    let mut told = String::new();
    for command in commands {
        let output = run(folder, command);
        let text = |bytes: &[u8]| without_serve(&normalised(&String::from_utf8_lossy(bytes), folder));
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        told += &format!("$ backstitch {command}\n{out}");
        if !error.is_empty() {
            told += &format!("--- standard error\n{error}");
        }
        told +=
            &format!("--- exit code {}\n\n", output.status.code().map_or("none".to_owned(), |code| code.to_string()));
    }
    told
}

fn golden(name: &str) -> PathBuf {
    file("tests/it/golden").join(format!("{name}.txt"))
}

#[test]
fn what_is_printed_is_what_is_kept() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut faults = Vec::new();
    for (name, commands) in SCENARIOS {
        let folder = workplace();
        match *name {
            "odd_files" => oddities(folder.path()),
            "config" => configurations(folder.path()),
            "outputs" => a_folder_of_logs(folder.path()),
            _ => {}
        }
        let told = told(folder.path(), commands);
        if bless {
            fs::write(golden(name), &told).expect("written");
            continue;
        }
        let kept = fs::read_to_string(golden(name)).unwrap_or_default();
        if let Some((kept, told)) =
            kept.lines().chain(["(end)"]).zip(told.lines().chain(["(end)"])).find(|(a, b)| a != b)
        {
            faults.push(format!("{name}.txt\n  kept: {kept}\n  told: {told}"));
        }
    }
    assert!(faults.is_empty(), "\n{}\nRead it; if it is right, BLESS=1 keeps it.", faults.join("\n"));
    let kept: BTreeSet<String> = fs::read_dir(golden("x").parent().expect("a folder"))
        .expect("golden files")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    let named: BTreeSet<String> = SCENARIOS.iter().map(|(name, _)| format!("{name}.txt")).collect();
    assert_eq!(kept, named, "each golden file belongs to a scenario");
}

#[test]
fn times_and_sizes_are_normalised_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = format!(
        "read 18,025 events in 0.21 s (14.9 MB/s, 85,000 events/s), 5 sessions, 7s {}/a",
        folder.path().display()
    );
    let expected = "read 18,025 events in # s (# MB/s, # events/s), 5 sessions, #s [folder]/a";
    assert_eq!(normalised(&line, folder.path()), expected);
    let json = r#"{"seconds":0.213,"bytes":3127156,"time":"2026-11-02T08:05:00.000Z","id":"12s"}"#;
    assert_eq!(normalised(json, folder.path()), json.replace("0.213", "#").replace("12s", "#s"));
    assert_eq!(
        normalised("7 bytes/s, 900.1 KB/s, 536.6 KB, 13,414 bytes an event", folder.path()),
        "# MB/s, # MB/s, # KB, # bytes an event"
    );
}

/// Exit codes: done, failed, usage, rejected.
#[test]
fn exit_codes() {
    let folder = workplace();
    let expected = [
        ("resolve sess-anna-phone", 1), // no store yet
        ("replay missing.ndjson", 1),
        ("replay journeys.ndjson --strict", 0),
        ("replay rejects.ndjson", 0),
        ("replay rejects.ndjson --force --strict", 3),
        ("resolve sess-anna-phone", 0),
        ("verify", 0),
        ("", 2),
        ("mend", 2),
        ("resolve", 2),
        ("replay journeys.ndjson --threads none", 2),
        ("--help", 0),
    ];
    for (command, code) in expected {
        let output = run(folder.path(), command);
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{command}: {reason}");
        if code == 1 {
            assert!(output.stdout.is_empty() && reason.lines().count() == 1, "one line, on standard error: {reason}");
        }
    }
}

/// The names and figures of `replay --json` are promised; so are those of `resolve --json`.
#[test]
fn the_promised_objects() {
    let folder = workplace();
    let output = run(folder.path(), "replay journeys.ndjson --json");
    let told: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "on one line");
    let verdict = judge(&Rules::default(), &[(String::new(), DAY.lines().collect())]);
    let expected = serde_json::json!({
        "events": {"read": 42, "accepted": 40, "duplicate": 2, "rejected": 0},
        "attribution": {"direct": 11, "retroactive": 10, "carried": 10, "anonymous": 9},
        "sessions": 13, "customers": 6, "linked_sessions": 8, "shared_sessions": 2,
        "digest": verdict.digest, "seconds": told["seconds"], "bytes": DAY.len(),
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&told[name], value, "{name}");
    }
    assert!(told["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0));
    let resolved: Value =
        serde_json::from_slice(&run(folder.path(), "resolve sess-family-tablet --json").stdout).expect("one object");
    let id = verdict.id("sessionId:sess-family-tablet").expect("known");
    assert_eq!(resolved, crate::harness::expected_resolve(id, &verdict.identities[id]));
    let rows = String::from_utf8(run(folder.path(), "sessions --json").stdout).expect("UTF-8");
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).expect("a row")).collect();
    assert_eq!(rows, crate::harness::expected_sessions(&verdict));
    let lines = String::from_utf8(run(folder.path(), "attribute journeys.ndjson").stdout).expect("UTF-8");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    assert_eq!(lines, expected_attribute(&verdict, 0, &DAY.lines().collect::<Vec<_>>()));
}

/// `--rejects` keeps source, line number, reason and the line itself.
#[test]
fn rejects_are_kept_with_their_reason() {
    let folder = workplace();
    run(folder.path(), "replay rejects.ndjson --rejects bad.ndjson");
    let kept = fs::read_to_string(folder.path().join("bad.ndjson")).expect("the rejects");
    let source = fs::read_to_string(folder.path().join("rejects.ndjson")).expect("a fixture");
    let lines: Vec<&str> = source.lines().collect();
    let verdict = judge(&Rules::default(), &[(String::new(), lines.clone())]);
    let rejected = verdict.outcomes[0].iter().enumerate().filter_map(|(at, outcome)| match outcome {
        crate::oracle::Outcome::Rejected(reason) => Some((at, *reason)),
        _ => None,
    });
    let expected: Vec<(u64, String, String)> =
        rejected.map(|(at, reason)| (at as u64 + 1, reason.to_owned(), lines[at].to_owned())).collect();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("a row");
        let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{name} in {row}")).to_owned();
        assert!(text("source").ends_with("rejects.ndjson"));
        assert!(!text("detail").is_empty(), "a reason in words: {row}");
        (row["line_number"].as_u64().expect("a number"), text("reason"), text("line"))
    };
    assert_eq!(kept.lines().map(row).collect::<Vec<_>>(), expected);
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let folder = workplace();
    let log = run(folder.path(), "generate --sessions 3000 --output big.ndjson");
    assert!(log.status.success(), "{}", String::from_utf8_lossy(&log.stderr));
    assert!(run(folder.path(), "replay big.ndjson --quiet").status.success());
    for arguments in [&["generate", "--sessions", "100000"][..], &["sessions", "--json"], &["attribute", "big.ndjson"]]
    {
        let mut command = backstitch(folder.path(), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut first = String::new();
        let mut pipe = BufReader::new(child.stdout.take().expect("piped"));
        pipe.read_line(&mut first).expect("a line");
        drop(pipe);
        let mut reason = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut reason).expect("text");
        let status = child.wait().expect("it ends");
        assert!(first.starts_with('{'), "{first}");
        assert_eq!((status.code(), reason.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn standard_input_is_a_source() {
    let folder = workplace();
    let mut child = backstitch(folder.path(), &["replay", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("piped").write_all(DAY.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let told: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!((&told["events"]["accepted"], &told["sessions"]), (&40.into(), &13.into()));
}

/// Subcommands, as the help lists them.
fn subcommands() -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let help = String::from_utf8(run(folder.path(), "--help").stdout).expect("UTF-8");
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_subcommand_teaches_by_example_and_stands_on_its_page() {
    let all = subcommands();
    assert!(all.len() >= 8, "{all:?}");
    let page = fs::read_to_string(file("docs/command-line.md")).expect("the page");
    let folder = tempfile::tempdir().expect("a folder");
    for name in all.iter().filter(|name| *name != "help") {
        assert!(page.contains(&format!("`backstitch {name}")), "docs/command-line.md: {name}");
        let help = run(folder.path(), &format!("{name} --help"));
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(help.status.success() && text.contains(&format!("backstitch {name}")), "{name} --help: {text}");
    }
}
