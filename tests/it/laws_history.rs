//! The laws of a store's history: its feed says what changed, what is undone was never seen, and what was known is known.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::acts::{Act, course, law, reading};
use crate::harness::{
    assert_agrees, assert_view_agrees, expected_resolve, expected_totals, known_at, printed_sessions, records,
    sequence, totals, trim, under,
};
use crate::oracle::{Id, Life, Reading};
use crate::side_by_side::{Commit, Pair, Table};

/// Asserts that the records of some commits are what each of them changed, numbered on from `since`.
fn assert_records(records: &[Value], since: u64, commits: &[Commit]) {
    let numbers: Vec<u64> = records.iter().map(|record| record["sequence"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (since + 1..=since + records.len() as u64).collect::<Vec<_>>(), "one after the other");
    let expected: usize = commits.iter().map(|commit| commit.changes.len()).sum();
    assert_eq!(records.len(), expected, "a record for each row that changed: {records:#?}");
    let mut rest = records;
    for Commit { changes, belief, .. } in commits {
        let (now, later) = rest.split_at(changes.len());
        for change in changes {
            let record = now.iter().find(|record| record["session"] == change.session);
            change.assert_printed(record.unwrap_or_else(|| panic!("none of {}", change.session)), belief);
        }
        rest = later;
    }
}

#[test]
fn the_feed_applied_to_the_old_rows_gives_the_new() {
    law("the feed gives the new rows", 128, (course(60, 14), any::<Index>()), |(course, forgotten)| {
        let mut pair = Pair::new(&course);
        let mut table = Table::default();
        let mut since = 0;
        for act in &course.acts {
            let commits = pair.act(act);
            let records = records(&pair.engine, since);
            assert_records(&records, since, &commits);
            records.iter().for_each(|record| table.apply(record));
            assert_eq!(table.0.values().cloned().collect::<String>(), printed_sessions(&pair.engine), "after {act:?}");
            since += records.len() as u64;
            assert_eq!(sequence(&pair.engine), since);
        }
        let all = records(&pair.engine, 0);
        let mut again = Table::default();
        all.iter().for_each(|record| again.apply(record));
        assert_eq!(again, table, "all of it at once");
        let upto = forgotten.index(all.len() + 1);
        trim(&mut pair.engine, upto as u64);
        pair.act(&Act::Restart);
        assert_eq!(records(&pair.engine, upto as u64), all[upto..], "the rest, after a trim");
        assert_eq!(sequence(&pair.engine), since, "numbers go on");
    });
}

/// A store over the same pieces that never saw what was undone, judged by the oracle.
#[test]
fn what_is_undone_was_never_seen() {
    let readings = prop::collection::vec(reading(), 1..3);
    law("what is undone was never seen", 128, (course(60, 14), readings), |(course, readings)| {
        let mut pair = Pair::new(&course);
        for act in &course.acts {
            pair.act(act);
            let belief = pair.life.belief(Reading::default());
            assert_eq!(totals(&pair.engine), expected_totals(&belief), "after {act:?}");
        }
        assert_agrees(&pair.engine, &pair.life.belief(Reading::default()));
        for reading in readings {
            assert_view_agrees(&under(&pair.engine, reading), &pair.life.belief(reading));
        }
        let never = pair.never_saw();
        assert_eq!(totals(&never), totals(&pair.engine));
        assert_eq!(printed_sessions(&never), printed_sessions(&pair.engine));
        take_all_back(&mut pair);
    });
}

/// Everything is taken back, and then given again: the digest is that of a store that lived through nothing.
fn take_all_back(pair: &mut Pair) {
    let seen = totals(&pair.engine);
    let unlinked: Vec<(String, String)> =
        pair.life.unlinked.iter().map(|(session, customer)| (session.value.clone(), customer.value.clone())).collect();
    for (session, customer) in &unlinked {
        pair.act(&Act::Relink(session.clone(), customer.clone()));
    }
    let mut never = Life { unlinked: BTreeSet::new(), ..pair.life.clone() };
    assert_eq!(totals(&pair.engine), expected_totals(&never.belief(Reading::default())), "as if never unlinked");
    for (session, customer) in &unlinked {
        pair.act(&Act::Unlink(session.clone(), customer.clone()));
    }
    assert_eq!(totals(&pair.engine), seen, "as it was");
    for piece in pair.pieces_read() {
        pair.act(&Act::RetractSource(piece));
        never = pair.life.clone();
    }
    assert_eq!(never.events().count(), 0);
    assert_eq!(totals(&pair.engine).1, "0".repeat(32), "nothing is left");
}

#[test]
fn what_was_known_is_known() {
    let readings = prop::collection::vec(reading(), 1..3);
    law("what was known is known", 96, (course(60, 10), readings), |(course, readings)| {
        let mut pair = Pair::new(&course);
        let mut known = BTreeMap::from([(0, Life::default())]);
        let (mut first, mut last) = (0, 0);
        let mut everybody: BTreeSet<Id> = BTreeSet::new();
        for act in &course.acts {
            for Commit { changes, life, belief } in pair.act(act) {
                // A commit that wrote no record is known by those of the one before.
                if !changes.is_empty() {
                    first = last + 1;
                    last += changes.len() as u64;
                }
                known.extend((first..=last).map(|number| (number, life.clone())));
                everybody.extend(belief.identities.into_keys());
            }
        }
        for (number, life) in known {
            let then = known_at(&pair.engine, number);
            for as_of in readings.iter().map(|reading| reading.as_of) {
                let belief = life.belief(Reading { as_of, ..Reading::default() });
                for id in &everybody {
                    let expected = belief.identities.get(id).map_or(Value::Null, |answer| expected_resolve(id, answer));
                    assert_eq!(
                        then(&id.namespace, &id.value, as_of),
                        expected,
                        "{id}, known at {number}, as of {as_of:?}"
                    );
                }
            }
        }
    });
}
