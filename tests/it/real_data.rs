//! The real log through the engine: the true figures, in any order, split, packing and number of threads.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::harness::{
    Manner, Packing, append, assert_agrees, counts, expected_totals, in_memory, replay, text, totals,
};
use crate::oracle::{Id, Outcome, Rules, Verdict, judge};
use crate::real::diginetica;

/// The log, what is true of it, and a folder for copies of it.
fn setting() -> (Vec<String>, Verdict, tempfile::TempDir) {
    let lines = diginetica();
    let verdict = judge(&Rules::default(), &[("diginetica".to_owned(), lines.clone())]);
    (lines, verdict, tempfile::tempdir().expect("a folder"))
}

fn assert_same(verdict: &Verdict, files: &[PathBuf], manner: Manner) {
    let mut engine = in_memory(&Rules::default());
    let summary = replay(&mut engine, files, manner);
    assert_eq!(counts(&summary), [18_025, 17_997, 28, 0]);
    assert_eq!(totals(&engine).0, [6_701, 51, 75, 11_170, 12_630, 4_425, 4_585, 8]);
    assert_eq!(totals(&engine), expected_totals(verdict));
}

fn written(folder: &Path, name: &str, lines: &[String], packing: Packing) -> PathBuf {
    let file = folder.join(name);
    append(&file, &text(lines), packing);
    file
}

/// The same order at every run, and nowhere near that of the log.
fn shuffled(lines: &[String]) -> Vec<String> {
    let mut order: Vec<&String> = lines.iter().collect();
    order.sort_by_key(|line| xxhash_rust::xxh3::xxh3_64(line.as_bytes()));
    order.into_iter().cloned().collect()
}

#[test]
#[ignore = "needs the real log: tests/it/real.rs says where"]
fn the_true_figures() {
    let (lines, verdict, folder) = setting();
    let file = written(folder.path(), "log", &lines, Packing::Plain);
    assert_same(&verdict, std::slice::from_ref(&file), Manner { threads: 1, ..Manner::default() });
    assert_same(&verdict, std::slice::from_ref(&file), Manner { threads: 2, ..Manner::default() });
    assert_same(&verdict, std::slice::from_ref(&file), Manner { batch_events: 1_000, ..Manner::default() });
}

#[test]
#[ignore = "needs the real log: tests/it/real.rs says where"]
fn in_any_order() {
    let (lines, verdict, folder) = setting();
    let backwards: Vec<String> = lines.iter().rev().cloned().collect();
    for (name, lines) in [("backwards", backwards), ("shuffled", shuffled(&lines))] {
        let file = written(folder.path(), name, &lines, Packing::Plain);
        assert_same(&verdict, &[file], Manner { batch_events: 5_000, ..Manner::default() });
    }
}

#[test]
#[ignore = "needs the real log: tests/it/real.rs says where"]
fn in_ten_files() {
    let (lines, verdict, folder) = setting();
    let tenth = lines.len().div_ceil(10);
    let files: Vec<PathBuf> = lines
        .chunks(tenth)
        .enumerate()
        .map(|(at, lines)| written(folder.path(), &at.to_string(), lines, Packing::Plain))
        .collect();
    assert_eq!(files.len(), 10);
    assert_same(&verdict, &files, Manner::default());
    let backwards: Vec<PathBuf> = files.into_iter().rev().collect();
    assert_same(&verdict, &backwards, Manner { threads: 1, batch_events: 700, ..Manner::default() });
}

#[test]
#[ignore = "needs the real log: tests/it/real.rs says where"]
fn packed() {
    let (lines, verdict, folder) = setting();
    for packing in [Packing::Gzip, Packing::Zstd] {
        // A name that says nothing: what is in it is known by its first bytes.
        let file = written(folder.path(), &format!("{packing:?}"), &lines, packing);
        assert_same(&verdict, &[file], Manner::default());
    }
}

/// The oracle's answers on a part of the log small enough to ask for everything.
#[test]
#[ignore = "needs the real log: tests/it/real.rs says where"]
fn every_answer_on_the_people_with_most_events() {
    let (lines, verdict, folder) = setting();
    let mut of_person: HashMap<&Id, u64> = HashMap::new();
    for (person, _) in verdict.events.values() {
        *of_person.entry(person).or_default() += 1;
    }
    let matters = |outcome: &Outcome| match outcome {
        Outcome::Accepted(event) | Outcome::Duplicate(event) => {
            of_person.get(&verdict.identities[event.anchor()].person).is_some_and(|events| *events > 4)
        }
        Outcome::Blank | Outcome::Rejected(_) => false,
    };
    let judged = lines.iter().zip(&verdict.outcomes[0]);
    let some: Vec<String> = judged.filter(|(_, outcome)| matters(outcome)).map(|(line, _)| line.clone()).collect();
    assert!(some.len() > 500, "{}", some.len());
    let verdict = judge(&Rules::default(), &[(String::new(), some.clone())]);
    let file = written(folder.path(), "some", &some, Packing::Plain);
    let mut engine = in_memory(&Rules::default());
    replay(&mut engine, &[file], Manner { batch_events: 100, ..Manner::default() });
    assert_agrees(&engine, &verdict);
}
