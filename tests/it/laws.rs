//! The laws: whatever the order, files, packing, batches, threads, repeats and restarts, the result is that of the set
//! of events, and it is the oracle's.

use std::path::PathBuf;

use backstitch::Engine;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::acts::law;
use crate::harness::{
    Manner, Packing, append, assert_agrees, attribute, counts, expected_attribute, in_memory, junk, options, reasons,
    replay, text, totals,
};
use crate::history::history;
use crate::oracle::{Outcome, Rules, Verdict, judge};

/// What is done to a store, in order.
#[derive(Debug, Clone)]
enum Act {
    /// The next lines of the history come to the end of a file, its last line end perhaps still missing.
    Grow { file: Index, lines: usize, terminated: bool },
    /// One file is replayed.
    Replay { file: Index, manner: Manner },
    /// All files are replayed at once.
    ReplayAll { manner: Manner },
    /// The process ends and another begins.
    Restart,
}

fn manner() -> impl Strategy<Value = Manner> {
    (1..4usize, select(vec![1, 2, 7, 1_000_000]), prop::bool::weighted(0.25))
        .prop_map(|(threads, batch_events, force)| Manner { threads, batch_events, force })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (any::<Index>(), 1..16usize, any::<bool>()).prop_map(|(file, lines, terminated)| Act::Grow { file, lines, terminated }),
        3 => (any::<Index>(), manner()).prop_map(|(file, manner)| Act::Replay { file, manner }),
        1 => manner().prop_map(|manner| Act::ReplayAll { manner }),
        1 => Just(Act::Restart),
    ]
}

/// A file, and how much of it the store has read.
struct File {
    path: PathBuf,
    packing: Packing,
    lines: Vec<String>,
    terminated: bool,
    read: usize,
}

impl File {
    fn grow(&mut self, lines: &[String], terminated: bool) {
        let Some(last) = lines.last() else { return };
        // A malformed line without its end is a line still being written: it is not read yet.
        let judged = judge(&Rules::default(), &[(String::new(), vec![last])]);
        let whole = !matches!(judged.outcomes[0][0], Outcome::Rejected("malformed") | Outcome::Blank);
        let mut more = text(lines);
        if !self.terminated {
            more.insert(0, '\n');
        }
        self.terminated = terminated || !whole;
        if !self.terminated {
            more.pop();
        }
        append(&self.path, &more, self.packing);
        self.lines.extend_from_slice(lines);
    }
}

/// Everything the store has been given so far, judged.
fn so_far(rules: &Rules, files: &[File]) -> Verdict {
    let read: Vec<_> = files.iter().map(|file| (String::new(), file.lines[..file.read].to_vec())).collect();
    judge(rules, &read)
}

/// Replays some files and compares the counts of the run and the digest after it.
fn step(rules: &Rules, engine: &mut Engine, files: &mut [File], which: &[usize], manner: Manner) {
    let before = so_far(rules, files).counts.accepted;
    let fresh: Vec<_> = which
        .iter()
        .map(|&at| {
            let from = if manner.force { 0 } else { files[at].read };
            (String::new(), files[at].lines[from..].to_vec())
        })
        .collect();
    let run = judge(rules, &fresh).counts;
    for &at in which {
        files[at].read = files[at].lines.len();
    }
    let paths: Vec<PathBuf> = which.iter().map(|&at| files[at].path.clone()).filter(|path| path.exists()).collect();
    if paths.is_empty() {
        return;
    }
    let summary = replay(engine, &paths, manner);
    let after = so_far(rules, files);
    let accepted = after.counts.accepted - before;
    let expected = [run.read, accepted, run.read - run.rejected - accepted, run.rejected];
    assert_eq!(counts(&summary), expected, "read, accepted, duplicate, rejected");
    assert_eq!(reasons(&summary), run.reasons);
    assert_eq!((junk(&summary), summary.tally.spellings), (run.junk, run.spellings));
    assert_eq!(totals(engine).1, after.digest, "after {which:?}, {manner:?}");
}

/// A store on disk through growing files, repeats and restarts; its digest is compared after every step, everything it
/// says at the end.
#[test]
fn a_store_in_its_life() {
    let packing = select(vec![Packing::Plain, Packing::Plain, Packing::Gzip, Packing::Zstd]);
    let packings = prop::collection::vec(packing, 1..4);
    let acts = prop::collection::vec(act(), 1..20);
    law("a store in its life", 32, (history(60), packings, acts, manner()), |(history, packings, acts, last)| {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store");
        let rules = &history.rules;
        let file = |(at, &packing): (usize, &Packing)| {
            let path = folder.path().join(format!("{at}.log"));
            File { path, packing, lines: Vec::new(), terminated: true, read: 0 }
        };
        let mut files: Vec<File> = packings.iter().enumerate().map(file).collect();
        let mut engine = options(rules).open(&store).expect("a new store");
        let mut rest = history.lines.as_slice();
        for act in acts {
            match act {
                Act::Grow { file, lines, terminated } => {
                    let (some, more) = rest.split_at(lines.min(rest.len()));
                    rest = more;
                    let count = files.len();
                    files[file.index(count)].grow(some, terminated);
                }
                Act::Replay { file, manner } => {
                    let at = file.index(files.len());
                    step(rules, &mut engine, &mut files, &[at], manner);
                }
                Act::ReplayAll { manner } => {
                    let all: Vec<usize> = (0..files.len()).collect();
                    step(rules, &mut engine, &mut files, &all, manner);
                }
                Act::Restart => {
                    drop(engine);
                    engine = Engine::open(&store).expect("the store that was closed");
                    assert_eq!(totals(&engine).1, so_far(rules, &files).digest, "after a restart");
                }
            }
        }
        files[0].grow(rest, true);
        let all: Vec<usize> = (0..files.len()).collect();
        step(rules, &mut engine, &mut files, &all, last);
        assert_agrees(&engine, &so_far(rules, &files));
        drop(engine);
        assert_agrees(&Engine::open(&store).expect("the store that was closed"), &so_far(rules, &files));
    });
}

#[test]
fn everything_the_engine_says_is_what_the_oracle_says() {
    law("everything is the oracle's", 96, (history(60), manner()), |(history, manner)| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log");
        append(&file, &text(&history.lines), Packing::Plain);
        let verdict = judge(&history.rules, &[(String::new(), history.lines.clone())]);
        let mut engine = in_memory(&history.rules);
        replay(&mut engine, std::slice::from_ref(&file), manner);
        assert_agrees(&engine, &verdict);
        assert_eq!(attribute(&engine, &file), expected_attribute(&verdict, 0, &history.lines));
    });
}

#[test]
fn order_files_batches_and_threads_are_nothing_to_the_digest() {
    let shuffled = history(60).prop_flat_map(|history| {
        let lines = Just(history.lines.clone()).prop_shuffle();
        (Just(history), lines)
    });
    let cuts = prop::collection::vec(any::<Index>(), 0..4);
    law("order, files, batches, threads are nothing", 96, (shuffled, cuts, manner()), |(shuffled, cuts, manner)| {
        let (history, shuffled) = shuffled;
        let folder = tempfile::tempdir().expect("a folder");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(shuffled.len() + 1)).collect();
        cuts.extend([0, shuffled.len()]);
        cuts.sort_unstable();
        let piece = |(at, cut): (usize, &[usize])| {
            let file = folder.path().join(at.to_string());
            append(&file, &text(&shuffled[cut[0]..cut[1]]), Packing::Plain);
            file
        };
        let files: Vec<PathBuf> = cuts.windows(2).enumerate().map(piece).collect();
        let mut engine = in_memory(&history.rules);
        replay(&mut engine, &files, manner);
        let verdict = judge(&history.rules, &[(String::new(), history.lines)]);
        assert_eq!(totals(&engine).1, verdict.digest);
        let again = replay(&mut engine, &files, Manner { force: true, ..manner });
        assert_eq!(counts(&again)[1], 0, "nothing is new the second time");
        assert_agrees(&engine, &verdict);
    });
}
