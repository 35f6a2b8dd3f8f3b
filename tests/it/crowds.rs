//! Identities that tie too many together, set aside by the store itself: whatever came first, the store is that of the log without
//! them, and a higher limit or a release takes it back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use backstitch::{Engine, Identity, Limits};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::acts::{Act, course, law};
use crate::cli_history::{object, ok, refused};
use crate::harness::{self, Manner, in_memory, replay, replayed, text, totals};
use crate::oracle::{Event, Id, Life, Rules};
use crate::recounts::{line, plain};

fn limits(customers: u64, sessions: u64) -> Limits {
    let mut limits = Limits::default();
    (limits.customers, limits.sessions) = (customers, sessions);
    limits
}

/// Who is over the limits, by the events as they were delivered, renames followed, whatever is set aside.
fn crowded(life: &Life, customers: usize, sessions: usize) -> BTreeSet<Id> {
    let renamed = Life { aside: BTreeSet::new(), ..life.clone() };
    let mut met: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    for event in renamed.events() {
        let Some((highest, lowers)) = event.ids.split_last().filter(|(highest, _)| highest.is_customer()) else {
            continue;
        };
        for lower in lowers {
            met.entry(lower.clone()).or_default().insert(highest.clone());
            if lower.is_session() {
                met.entry(highest.clone()).or_default().insert(lower.clone());
            }
        }
    }
    let limit = |id: &Id| if id.is_customer() { sessions } else { customers };
    met.into_iter().filter(|(id, met)| met.len() > limit(id)).map(|(id, _)| id).collect()
}

fn identity(id: &Id) -> Identity {
    Identity { namespace: id.namespace.clone(), value: id.value.clone() }
}

/// The totals of the log in which each identity stands for what it counts as, and `aside` for nothing.
fn edited(rules: &Rules, life: &Life, events: &[Event], aside: BTreeSet<Id>) -> ([u64; 8], String) {
    let life = Life { aside, ..life.clone() };
    let lines: Vec<String> = events.iter().filter_map(|event| line(&life.counted(event)?)).collect();
    totals(&replayed(rules, &text(&lines)))
}

#[test]
fn limits_are_facts_about_the_set_of_events() {
    let drawn = (prop::collection::vec(any::<Index>(), 16), 1..3usize, 1..4usize, any::<Index>());
    law("limits are held whatever came first", 48, (course(60, 16), drawn), |(course, drawn)| {
        let (orders, customers, sessions, released) = drawn;
        let mut life = Life::default();
        course
            .acts
            .iter()
            .filter(|act| matches!(act, Act::Rename(..) | Act::RenameBack(_)))
            .for_each(|act| act.decide(&mut life));
        let (rules, all) = plain(&course);
        life.deliver("log", all.iter().cloned());
        let over = crowded(&life, customers, sessions);
        let expected = edited(&rules, &life, &all, over.clone());

        // The log in pieces, the renames and the limits, in any order.
        let folder = tempfile::tempdir().expect("a folder");
        let lines: Vec<String> = all.iter().filter_map(line).collect();
        let mut steps: Vec<Option<PathBuf>> = vec![None];
        for (at, part) in lines.chunks(lines.len().div_ceil(4).max(1)).enumerate() {
            let path = folder.path().join(format!("{at}.log"));
            fs::write(&path, text(part)).expect("written");
            steps.push(Some(path));
        }
        let mut renames: Vec<(Id, Id)> = life.renamed.clone().into_iter().collect();
        let mut engine = in_memory(&rules);
        for order in orders.iter().cycle().take(steps.len() + renames.len()) {
            let at = order.index(steps.len() + renames.len());
            if at < renames.len() {
                let (old, new) = renames.swap_remove(at);
                harness::rename(&mut engine, &old, &new);
                continue;
            }
            match steps.swap_remove(at - renames.len()) {
                Some(path) => drop(replay(&mut engine, &[path], Manner::default())),
                None => {
                    engine.quarantine(Some(limits(customers as u64, sessions as u64))).expect("written");
                }
            }
        }
        assert_eq!(totals(&engine), expected);
        let told: BTreeSet<String> =
            engine.crowded().expect("readable").into_iter().map(|row| row.identity.to_string()).collect();
        assert_eq!(told, over.iter().map(ToString::to_string).collect());
        assert!(engine.verify().expect("readable").is_sound());
        // In another store as facts.
        let mut facts = Vec::new();
        engine.export_facts(&mut facts).expect("written");
        let (other, _) = Engine::import_facts(folder.path().join("other"), &facts[..]).expect("facts");
        assert_eq!(totals(&other), expected);
        assert_eq!(other.limits().expect("readable"), engine.limits().expect("readable"));
        // What is released is kept, and those that are not over a higher limit count again.
        if let Some(kept) = over.iter().nth(released.index(over.len().max(1))) {
            engine.release([identity(kept)]).expect("written");
            let rest = over.iter().filter(|id| *id != kept).cloned().collect();
            assert_eq!(totals(&engine), edited(&rules, &life, &all, rest), "without {kept}");
        }
        engine.quarantine(None).expect("written");
        assert_eq!(totals(&engine), edited(&rules, &life, &all, BTreeSet::new()));
    });
}

/// A log in which so many sessions log in as `guest`, every second one as a customer of its own too.
fn guests(sessions: usize) -> String {
    let mut lines = Vec::new();
    for at in 0..sessions {
        let event = |id: &str, customer: &str| {
            let ids = format!(r#""sessionId":"s{at}","ecommerceId":"{customer}""#);
            format!(r#"{{"timestamp":{},"id":"{id}{at}","user":{{"identities":{{{ids}}}}}}}"#, 1_000 + at)
        };
        lines.push(event("g", "guest-checkout"));
        lines.extend((at % 2 == 0).then(|| event("c", &format!("c{at}"))));
    }
    text(&lines)
}

#[test]
fn a_store_goes_on_holding_its_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let [log, more] = ["log", "more"].map(|name| folder.path().join(name));
    fs::write(&log, guests(30)).expect("written");
    fs::write(&more, guests(60)).expect("written");
    let store = folder.path().join("store");
    let mut engine = Engine::open(&store).expect("made");
    engine.quarantine(Some(limits(20, 40))).expect("written");
    replay(&mut engine, &[log], Manner::default());
    let plain = totals(&engine);
    assert!(engine.resolver().view().set_aside().is_empty(), "30 sessions are not over 40");
    drop(engine);
    let mut engine = Engine::open(&store).expect("closed");
    let summary = replay(&mut engine, std::slice::from_ref(&more), Manner::default());
    assert_eq!(summary.crowded.iter().map(|row| (row.met, row.set_aside)).collect::<Vec<_>>(), [(60, true)]);
    assert_eq!(engine.resolver().customer_of("s4").as_deref(), Some("c4"), "not the guest's");
    assert_eq!(summary.totals.digest.to_string(), totals(&engine).1, "the summary tells of the store as it is then");
    harness::retract_source(&mut engine, &more);
    assert_eq!(totals(&engine), plain, "and is not once the events are gone that were too many");
}

#[test]
fn quarantine_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("log.ndjson"), guests(60)).expect("written");
    ok(folder, "replay log.ndjson --quiet");
    let stats = || object(&ok(folder, "stats --json"));
    assert_eq!((&stats()["limits"], &stats()["crowded"]), (&Value::Null, &json!([])));
    let before = stats()["digest"].clone();
    let told = ok(folder, "quarantine --on --sessions 50");
    assert!(told.starts_with("identities with more than 20 customers or 50 sessions are set aside; "), "{told}");
    assert_eq!(
        object(&ok(folder, "quarantine --list --json")),
        json!({"identity": "ecommerceId:guest-checkout", "met": 60, "set_aside": true})
    );
    assert_eq!(stats()["limits"], json!({"customers": 20, "sessions": 50}));
    assert!(ok(folder, "release ecommerceId:guest-checkout").starts_with("ecommerceId:guest-checkout counts again; "));
    assert_eq!(ok(folder, "quarantine --list"), "ecommerceId:guest-checkout counts, met 60\n");
    assert_eq!(stats()["digest"], before);
    ok(folder, "quarantine --off");
    assert_eq!(stats()["digest"], before);
    assert!(refused(folder, 2, &["quarantine", "--customers", "3"]).contains("--on"));
    // From the first replay on, or as the configuration says.
    fs::write(folder.join("own.toml"), "[quarantine]\nsessions = 50\n").expect("written");
    ok(folder, "replay log.ndjson --quiet --config own.toml --store own.store");
    let own = object(&ok(folder, "stats --json --store own.store"));
    assert_eq!(own["limits"], json!({"customers": 20, "sessions": 50}));
    assert_eq!(own["set_aside"], json!(["ecommerceId:guest-checkout"]));
    fs::write(folder.join("bad.toml"), "[quarantine]\nsession = 50\n").expect("written");
    let told = refused(folder, 2, &["replay", "log.ndjson", "--config", "bad.toml"]);
    assert!(told.contains("bad.toml:2") && told.contains("unknown field `session`"), "{told}");
    let summary = object(&ok(folder, "replay log.ndjson --quarantine --json --store other.store"));
    assert_eq!(summary["digest"], before, "60 sessions are not over the usual limit");
    let stats = object(&ok(folder, "stats --json --store other.store"));
    assert_eq!(stats["limits"], json!({"customers": 20, "sessions": 10_000}));
}
