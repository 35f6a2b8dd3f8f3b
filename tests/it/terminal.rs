//! What a log, a file name or an argument holds never reaches a terminal as it is, nor a spreadsheet that was asked to be spared.

use std::fs;
use std::path::Path;

use crate::cli_history::{command, ok, ok_of, text};

/// Clears the screen, moves in C1, turns the writing around, hides, breaks the line.
const EVIL: &str = "e\u{1b}[2J\u{9b}2J\u{202e}fed\u{2066}\u{200b}\u{feff}\u{ad}\u{2028}\u{2029}\u{e0041}\u{7f}\nbackstitch: all is well";

/// Signs that change what others look like, or are not seen: spelled out, apart from the list of the program.
fn is_harmful(sign: char) -> bool {
    let hidden = "\u{ad}\u{61c}\u{200b}\u{200e}\u{200f}\u{feff}";
    let turned = ('\u{2028}'..='\u{202e}').contains(&sign) || ('\u{2060}'..='\u{206f}').contains(&sign);
    (sign.is_control() && sign != '\n')
        || hidden.contains(sign)
        || turned
        || ('\u{e0000}'..='\u{e007f}').contains(&sign)
}

/// All that a command tells, and that it is fit for a terminal.
#[track_caller]
fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().expect("the binary runs");
    let told = text(&output.stdout) + &text(&output.stderr);
    let harmful: Vec<char> = told.chars().filter(|sign| is_harmful(*sign)).collect();
    assert!(harmful.is_empty(), "{arguments:?}: {harmful:?} in\n{told}");
    assert!(!told.lines().any(|line| line == "backstitch: all is well"), "{arguments:?}: a forged line in\n{told}");
    told
}

fn line(time: u32, identities: &serde_json::Value) -> String {
    serde_json::json!({"timestamp": time, "id": format!("{time}{EVIL}"), "user": {"identities": identities}})
        .to_string()
        + "\n"
}

#[test]
fn nothing_steers_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let name = format!("{}.ndjson", EVIL.replace('/', ""));
    let id = |what: &str| format!("{what}{EVIL}");
    let lines = [
        line(1, &serde_json::json!({"sessionId": id("s")})),
        line(2, &serde_json::json!({"sessionId": id("s"), "ecommerceId": id("anna"), id("mail"): id("a")})),
        line(3, &serde_json::json!({"sessionId": id("s"), "ecommerceId": id("ben"), id("mail"): id("a")})),
        line(4, &serde_json::json!({"sessionId": id("t"), "ecommerceId": format!("null{EVIL}")})),
        format!("{{\"timestamp\":5,\"{}\":1}}\n", EVIL.replace(['\n', '\u{1b}', '\u{7f}'], "")),
    ];
    fs::write(folder.join(&name), lines.concat()).expect("written");
    fs::write(folder.join("none.ndjson"), lines[4].clone() + &lines[4]).expect("written");
    let junk = id("j");
    told(folder, &["replay", &name, "--junk", &junk]);
    told(folder, &["replay", &name, "--force", "--junk", &format!("null{EVIL}"), "--store", "other.store"]);
    told(folder, &["replay", "none.ndjson"]);
    let [session, other, customer, mail] = [id("s"), id("t"), id("anna"), format!("{}:{}", id("mail"), id("a"))];
    let event = format!("2{EVIL}");
    for arguments in [
        &["resolve", &session, &mail][..],
        &["resolve", "unknown", EVIL],
        &["explain", &session],
        &["explain", &session, &other],
        &["explain", EVIL],
        &["explain", &session, "--format", "dot"],
        &["explain", &session, "--format", "svg"],
        &["events", &session],
        &["events", EVIL],
        &["sessions", "--customer", EVIL],
        &["diff", "--policy", "first-login", "--policy", "last-login"],
        &["stats"],
        &["stats", "--shared"],
        &["verify"],
        &["unlink", &session, &customer],
        &["unlink", EVIL, &customer],
        &["unlink", &session, &customer, "--revert"],
        &["retract", "--event", &event],
        &["retract", "--event", EVIL],
        &["retract", "--source", EVIL],
        &["retract", "--source", &name],
        &["changes", "--apply", EVIL],
        // What is wrong, and said with the words that were typed.
        &["replay", EVIL],
        &["replay", "none.ndjson", "--config", EVIL],
        &["replay", "none.ndjson", "--between", EVIL],
        &["replay", "none.ndjson", "--rejects", EVIL],
        &["stats", "--store", EVIL],
        &["changes", "--since", EVIL],
        &["resolve", &session, "--policy", EVIL],
        &["sessions", "--output", &format!("missing/{EVIL}")],
        &[EVIL],
        &[&format!("--{EVIL}")],
    ] {
        told(folder, arguments);
    }
    fs::write(folder.join("backstitch.toml"), "junk = 1 # \u{1b}[2J\n'\u{202e}' = 2").expect("written");
    told(folder, &["stats"]);
}

#[test]
fn a_spreadsheet_takes_no_cell_for_a_formula() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let values =
        ["=1+1", "+49", "-1", "@SUM(A1)", "'=quoted", "it's", "=\"a,b\"", "two\nlines", "a\r\n\"=b\"", "plain"];
    let line = |(at, value): (usize, &&str)| {
        let identities = serde_json::json!({"sessionId": value, "ecommerceId": format!("={at}")});
        serde_json::json!({"timestamp": at + 1, "id": format!("-{at}"), "user": {"identities": identities}}).to_string()
            + "\n"
    };
    fs::write(folder.join("log.ndjson"), values.iter().enumerate().map(line).collect::<String>()).expect("written");
    ok(folder, "replay log.ndjson --quiet --keep-junk");
    let cells = |arguments: &[&str]| -> Vec<String> {
        let told = ok_of(folder, arguments);
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(told.as_bytes());
        reader.records().flat_map(|row| row.expect("CSV").iter().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let dangerous = |cell: &String| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    for arguments in [
        &["sessions"][..],
        &["events", "plain"],
        &["attribute", "log.ndjson"],
        &["diff", "--policy", "first-login", "--policy", "strict"],
    ] {
        let exact = cells(&[arguments, &["--csv"]].concat());
        let safe = cells(&[arguments, &["--csv-safe"]].concat());
        assert!(!safe.iter().any(dangerous), "{arguments:?}: {safe:?}");
        let undone: Vec<String> = safe
            .iter()
            .map(|cell| match cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r']) {
                true => cell[1..].to_owned(),
                false => cell.clone(),
            })
            .collect();
        assert_eq!(undone, exact, "{arguments:?}: nothing else differs, and it can be undone");
        assert!(exact.is_empty() || exact.iter().any(dangerous), "{arguments:?}");
    }
    // A table that was made so is moved on so.
    ok(folder, "changes --apply t.csv --csv-safe --quiet");
    ok(folder, "changes --apply exact.csv --csv --quiet");
    fs::write(folder.join("more.ndjson"), line((99, &"=1+1")) + &line((100, &"=0"))).expect("written");
    ok(folder, "replay more.ndjson --quiet");
    assert_eq!(ok(folder, "changes --apply t.csv"), "t.csv: 1 row changed, 1 added, 0 removed; it is at change 12\n");
    ok(folder, "changes --apply exact.csv --quiet");
    for (table, flag) in [("t.csv", "--csv-safe"), ("exact.csv", "--csv")] {
        let kept = fs::read_to_string(folder.join(table)).expect("there");
        assert_eq!(kept, ok(folder, &format!("sessions {flag}")), "{flag}");
    }
}
