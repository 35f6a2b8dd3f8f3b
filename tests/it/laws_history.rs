//! The laws of a store's history: its feed says what changed, what is undone was never seen, and what was known is known.

use std::collections::{BTreeMap, BTreeSet};

use backstitch::rows::CommitRow;
use backstitch::{Engine, ErrorKind, Identity, Sequence, Time, When};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::acts::{Act, course, erasing_course, law, reading};
use crate::harness::{
    assert_agrees, assert_view_agrees, expected_events, expected_resolve, expected_totals, known_at, printed_sessions,
    records, sequence, totals, trim, under,
};
use crate::oracle::{Belief, Id, Life, Reading};
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
    law("the feed gives the new rows", 64, (erasing_course(60, 14), any::<Index>()), |(course, forgotten)| {
        let mut pair = Pair::new(&course);
        let mut table = Table::default();
        let mut since = 0;
        for act in &course.acts {
            let commits = pair.act(act);
            let records = records(&pair.engine, since);
            // What an erasure tells is asked of the table alone.
            if !matches!(act, Act::Forget { .. } | Act::Readmit(_)) {
                assert_records(&records, since, &commits);
            }
            records.iter().for_each(|record| table.apply(record));
            table.settle(&pair.engine);
            assert_eq!(table.0.values().cloned().collect::<String>(), printed_sessions(&pair.engine), "after {act:?}");
            since += records.len() as u64;
            assert_eq!(sequence(&pair.engine), since);
        }
        let all = records(&pair.engine, 0);
        let mut again = Table::default();
        all.iter().for_each(|record| again.apply(record));
        again.settle(&pair.engine);
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
    law("what is undone was never seen", 64, (erasing_course(60, 14), readings), |(course, readings)| {
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
    let unlinked = pair.life.unlinked.clone();
    for (lower, higher) in &unlinked {
        pair.act(&Act::Relink(lower.clone(), higher.clone()));
    }
    let mut never = Life { unlinked: BTreeSet::new(), ..pair.life.clone() };
    assert_eq!(totals(&pair.engine), expected_totals(&never.belief(Reading::default())), "as if never unlinked");
    for (lower, higher) in &unlinked {
        pair.act(&Act::Unlink(lower.clone(), higher.clone()));
    }
    assert_eq!(totals(&pair.engine), seen, "as it was");
    let (renamed, aside) = (pair.life.renamed.clone(), pair.life.aside.clone());
    renamed.keys().for_each(|old| drop(pair.act(&Act::RenameBack(old.clone()))));
    aside.iter().for_each(|id| drop(pair.act(&Act::Release(id.clone()))));
    let plain = Life { renamed: BTreeMap::new(), aside: BTreeSet::new(), ..pair.life.clone() };
    assert_eq!(totals(&pair.engine), expected_totals(&plain.belief(Reading::default())), "as if never renamed");
    aside.iter().for_each(|id| drop(pair.act(&Act::SetAside(id.clone()))));
    renamed.iter().for_each(|(old, new)| drop(pair.act(&Act::Rename(old.clone(), new.clone()))));
    assert_eq!(totals(&pair.engine), seen, "renamed again");
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
    law("what was known is known", 48, (course(60, 10), readings), |(course, readings)| {
        let mut pair = Pair::new(&course);
        let mut known = BTreeMap::from([(0, Life::default())]);
        let mut last = 0;
        let mut everybody: BTreeSet<Id> = BTreeSet::new();
        for act in &course.acts {
            for Commit { changes, life, belief } in pair.act(act) {
                let first = last + 1;
                last += changes.len() as u64;
                known.extend((first..=last).map(|number| (number, life.clone())));
                everybody.extend(belief.identities.into_keys());
            }
        }
        for (number, life) in known {
            let then = known_at(&pair.engine, When::Change(Sequence(number)));
            for as_of in readings.iter().map(|reading| reading.as_of) {
                let belief = life.belief(Reading { as_of, ..Reading::default() });
                for id in &everybody {
                    let expected = expected_of(&life, &belief, id);
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

/// An act as acts that are a commit each, or none.
pub fn one_by_one(act: &Act) -> Vec<Act> {
    match act {
        Act::Replay { pieces, batch_events, force } => {
            let alone = |&piece: &usize| Act::Replay {
                pieces: vec![piece],
                batch_events: (*batch_events).max(1_000),
                force: *force,
            };
            pieces.iter().map(alone).collect()
        }
        _ => vec![act.clone()],
    }
}

fn commits(engine: &Engine) -> Vec<CommitRow> {
    engine.commits().map(|row| row.expect("a sound store")).collect()
}

/// What is said of an identity, or of that which it counts as.
fn expected_of(life: &Life, belief: &Belief, id: &Id) -> Value {
    let counted = life.counts_as(id);
    let known = counted.and_then(|id| Some(expected_resolve(&id, belief.identities.get(&id)?)));
    known.unwrap_or(Value::Null)
}

/// Asserts that the store says after each of some commits what the oracle does of the facts that there were by then.
pub fn assert_known(engine: &Engine, lives: &BTreeMap<u64, Life>, everybody: &BTreeSet<Id>) {
    for (&commit, life) in lives {
        let then = known_at(engine, When::Commit(commit));
        let belief = life.belief(Reading::default());
        for id in everybody {
            let expected = expected_of(life, &belief, id);
            assert_eq!(then(&id.namespace, &id.value, None), expected, "{id}, known at commit {commit}");
        }
    }
}

/// Asserts that moments mean the last commit up to them.
fn assert_moments(engine: &Engine, rows: &[CommitRow]) {
    let commit = |at: Time| engine.known_at(at).expect("nothing was trimmed").generation();
    for row in rows {
        for at in [row.at, Time::from_micros(row.at.as_micros() - 1)] {
            let last = rows.iter().rfind(|row| row.at <= at);
            assert_eq!(commit(at), last.map_or(1, |row| row.commit), "{at}: {rows:#?}");
        }
    }
}

#[test]
fn what_was_known_after_each_commit_is_known() {
    law("what was known after each commit is known", 48, (course(60, 10), any::<Index>()), |(course, forgotten)| {
        let mut pair = Pair::new(&course);
        let mut lives = BTreeMap::from([(1, Life::default())]);
        let mut everybody: BTreeSet<Id> = BTreeSet::new();
        let mut sequences = Vec::new();
        for act in course.acts.iter().flat_map(one_by_one) {
            let before = pair.engine.generation();
            pair.act(&act);
            let commit = pair.engine.generation();
            assert!(commit <= before + 1, "{act:?} is one commit at most");
            sequences.extend((commit > before).then(|| (commit, sequence(&pair.engine))));
            everybody.extend(pair.life.belief(Reading::default()).identities.into_keys());
            lives.insert(commit, pair.life.clone());
        }
        assert_known(&pair.engine, &lives, &everybody);
        let rows = commits(&pair.engine);
        assert_eq!(rows.iter().map(|row| (row.commit, row.sequence.0)).collect::<Vec<_>>(), sequences);
        assert_eq!(rows.iter().map(|row| row.changes).sum::<u64>(), sequence(&pair.engine));
        assert_moments(&pair.engine, &rows);
        // What a trim leaves is known as before; what it does not is refused, however it is asked for.
        let upto = forgotten.index(sequence(&pair.engine) as usize + 1) as u64;
        trim(&mut pair.engine, upto);
        pair.act(&Act::Restart);
        let first = commits(&pair.engine).first().map_or(1, |row| row.commit);
        let writer = rows.iter().find(|row| row.sequence.0 >= upto.max(1)).map_or(1, |row| row.commit);
        assert_eq!(first, if upto > 0 { writer } else { rows.first().map_or(1, |row| row.commit) });
        let kept = if upto > 0 { lives.split_off(&first) } else { std::mem::take(&mut lives) };
        assert_known(&pair.engine, &kept, &everybody);
        for when in lives.into_keys().map(When::Commit).chain((upto > 0).then_some(When::Moment(Time::from_micros(0))))
        {
            let told = pair.engine.known_at(when).err().unwrap_or_else(|| panic!("{when} is forgotten"));
            assert_eq!(told.kind(), ErrorKind::Forgotten, "{when}: {told}");
        }
    });
}

/// Whose each event was by what was known: of those that were stored by then exactly, also where others came later.
#[test]
fn the_timeline_of_what_was_known_has_whose_each_event_was() {
    law("the timeline of what was known", 48, course(60, 10), |course| {
        let mut pair = Pair::new(&course);
        let mut lives = BTreeMap::from([(1, Life::default())]);
        let is_told = |act: &&Act| {
            matches!(act, Act::Replay { .. } | Act::Unlink(..) | Act::Relink(..) | Act::OptOut(_) | Act::Restart)
        };
        for act in course.acts.iter().filter(is_told).flat_map(one_by_one) {
            pair.act(&act);
            lives.insert(pair.engine.generation(), pair.life.clone());
        }
        for (&commit, life) in &lives {
            let known = pair.engine.known_at(When::Commit(commit)).expect("nothing was trimmed");
            let belief = life.belief(Reading::default());
            for (id, answer) in &belief.identities {
                let rows = known.timeline(&id.namespace, &id.value).expect("a sound store").expect("a known identity");
                let of_person = rows.filter(|row| row.person.to_string() == answer.person.to_string());
                let mut told: Vec<(String, String)> =
                    of_person.map(|row| (row.time.to_string(), row.attribution.word().to_owned())).collect();
                told.sort();
                let expected = expected_events(&belief, &answer.person).unwrap_or_default();
                if life.delivered.keys().eq(pair.life.delivered.keys()) {
                    assert_eq!(told, expected, "{id} at {commit}");
                }
                for event in &expected {
                    let count = |all: &[(String, String)]| all.iter().filter(|one| *one == event).count();
                    assert!(count(&told) >= count(&expected), "{id} at {commit}: {event:?} in {told:?}");
                }
            }
        }
    });
}

/// What events counted as before is not kept: then no timeline is told.
#[test]
fn no_timeline_is_told_of_before_a_rename() {
    let mut engine = Engine::in_memory();
    let log = r#"{"timestamp":1,"user":{"identities":{"sessionId":"s","ecommerceId":"old"}}}"#;
    engine.ingest("log", log.as_bytes()).expect("ingested");
    let commit = engine.generation();
    let told = |engine: &Engine| {
        let known = engine.known_at(When::Commit(commit)).expect("kept");
        known.timeline("sessionId", "s").map(|rows| rows.map(Iterator::count)).map_err(|error| error.to_string())
    };
    assert_eq!(told(&engine), Ok(Some(1)));
    let customer = |value: &str| Identity::new("ecommerceId", value);
    engine.rename([(customer("old"), customer("new"))]).expect("written");
    assert!(told(&engine).is_err_and(|why| why.contains("were renamed, set aside or released since")));
    engine.rename_back([customer("old")]).expect("written");
    assert_eq!(told(&engine), Ok(Some(1)));
}
