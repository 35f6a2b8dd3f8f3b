//! Identities that count as others, or as nothing: the store is that of the log with the other value in it, whatever came first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use backstitch::store::backend::{Backend, MemoryBackend};
use backstitch::{Engine, Identity, Locate, Retract};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use crate::acts::{Course, course, law};
use crate::cli_history::{object, ok, refused, workplace};
use crate::harness::{
    self, Manner, assert_agrees, attribute, in_memory, printed_sessions, replay, replayed, text, totals,
};
use crate::oracle::{Event, Id, Life, Reading, Rules, Tag, rfc3339};
use crate::side_by_side::events_of;

/// The line of an event that has an `id`, which is the event whatever the line.
pub fn line(event: &Event) -> Option<String> {
    let Tag::Id(id) = &event.tag else { return None };
    let identities: Map<String, Value> = event.ids.iter().map(|id| (id.namespace.clone(), json!(id.value))).collect();
    let user = json!({"identities": identities});
    Some(json!({"timestamp": rfc3339(event.time), "id": id, "user": user}).to_string())
}

/// Rules without junk, and the events of a course that have an `id`: what they count as can be written as lines.
pub fn plain(course: &Course) -> (Rules, Vec<Event>) {
    let mut rules = course.rules.clone();
    (rules.builtin_junk, rules.extra_junk) = (false, Vec::new());
    let all: BTreeSet<Event> = course.pieces.iter().flat_map(|piece| events_of(&course.rules, piece)).collect();
    (rules, all.into_iter().filter(|event| line(event).is_some()).collect())
}

/// A decision, made in a store.
fn decide(engine: &mut Engine, life: &Life, id: &Id) {
    match life.renamed.get(id) {
        Some(new) => harness::rename(engine, id, new),
        None => harness::set_aside(engine, id),
    }
}

#[test]
fn any_order_of_events_and_decisions_is_the_edited_log() {
    let orders = prop::collection::vec(any::<Index>(), 24);
    law("a renamed log is the edited log", 48, (course(60, 24), orders, 1..4usize), |(course, orders, batch)| {
        // The decisions that stand at the end of the course, and all events that have an id.
        let mut life = Life::default();
        course.acts.iter().for_each(|act| act.decide(&mut life));
        let (rules, all) = plain(&course);
        life.deliver("log", all.iter().cloned());
        let edited: Vec<String> = all.iter().filter_map(|event| line(&life.counted(event)?)).collect();
        let expected = totals(&replayed(&rules, &text(&edited)));
        assert_eq!(expected.1, life.belief(Reading::default()).digest);

        let folder = tempfile::tempdir().expect("a folder");
        let mut steps: Vec<Option<PathBuf>> = Vec::new();
        let lines: Vec<String> = all.iter().filter_map(line).collect();
        for (at, part) in lines.chunks(lines.len().div_ceil(4).max(1)).enumerate() {
            let path = folder.path().join(format!("{at}.log"));
            fs::write(&path, text(part)).expect("written");
            steps.push(Some(path));
        }
        let mut decisions: Vec<Id> = life.renamed.keys().chain(&life.aside).cloned().collect();
        let places = decisions.len();
        steps.extend((0..places).map(|_| None));
        let mut engine = in_memory(&rules);
        for order in orders.iter().cycle().take(steps.len()) {
            match steps.swap_remove(order.index(steps.len())) {
                Some(path) => drop(replay(&mut engine, &[path], Manner { batch_events: batch, ..Manner::default() })),
                None => {
                    let id = decisions.swap_remove(order.index(decisions.len()));
                    decide(&mut engine, &life, &id);
                }
            }
        }
        assert_eq!(totals(&engine), expected);
        let verified = engine.verify().expect("readable");
        assert!(verified.is_sound(), "{verified:?}");
        assert_agrees(&engine, &life.belief(Reading::default()));
        // As facts they are the same in another store.
        let mut facts = Vec::new();
        engine.export_facts(&mut facts).expect("written");
        let (other, _) = Engine::import_facts(folder.path().join("other"), &facts[..]).expect("facts");
        assert_eq!(totals(&other), expected);
        assert_eq!(other.resolver().view().renamed(), engine.resolver().view().renamed());
        assert_eq!(other.resolver().view().set_aside(), engine.resolver().view().set_aside());
    });
}

fn customer(value: &str) -> Identity {
    Identity::new("ecommerceId", value)
}

/// A customer whom the shop made again, and a mail that two events become one by.
const AGAIN: &str = r#"{"timestamp":1000,"id":"a","user":{"identities":{"sessionId":"s1"}}}
{"timestamp":2000,"id":"b","user":{"identities":{"sessionId":"s1","ecommerceId":"old"}}}
{"timestamp":3000,"id":"c","user":{"identities":{"sessionId":"s2","ecommerceId":"new"}}}
{"timestamp":4000,"id":"d","user":{"identities":{"sessionId":"s2","ecommerceId":"old"}}}
{"timestamp":4000,"id":"d","user":{"identities":{"sessionId":"s2","ecommerceId":"new"}}}
{"timestamp":5000,"id":"e","user":{"identities":{"sessionId":"s2"}}}
"#;

#[test]
fn a_customer_that_was_made_again_is_one() {
    let rules = crate::oracle::Rules::default();
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    fs::write(&log, AGAIN).expect("written");
    let mut engine = in_memory(&rules);
    replay(&mut engine, std::slice::from_ref(&log), Manner::default());
    let before = (totals(&engine), printed_sessions(&engine));
    assert_eq!(before.0.0, [4, 1, 1, 0, 2, 2, 2, 1]);

    let dry = engine.would_rename([(customer("old"), customer("new"))]).expect("readable");
    assert_eq!((dry.events, dry.changes, dry.changed), (2, 2, true), "s1 goes to another, s2 has an event fewer");
    assert_eq!((totals(&engine), printed_sessions(&engine)), before, "nothing happened");

    let undone = engine.rename([(customer("old"), customer("new"))]).expect("written");
    assert_eq!((undone.events, undone.changes), (dry.events, dry.changes));
    let edited = AGAIN.replace("\"old\"", "\"new\"");
    assert_eq!(totals(&engine), totals(&replayed(&rules, &edited)));
    assert_eq!(totals(&engine).0, [3, 1, 1, 0, 2, 1, 2, 0]);
    let people = engine.resolver();
    assert_eq!(people.customer_of("s1").as_deref(), Some("new"));
    let found = people.resolve_in("ecommerceId", "old").expect("asked for by the old name");
    assert_eq!(found.identity, customer("new"));

    // What is read of the log, and what is found in it, follow.
    let people_of_lines: Vec<Value> = attribute(&engine, &log).iter().map(|line| line["person"].clone()).collect();
    assert_eq!(people_of_lines, vec![json!("ecommerceId:new"); 6]);
    let located = Locate::event("b").find(&people.view(), engine.settings()).expect("readable");
    let line = located.events[0].line.as_ref().expect("found");
    assert!(line.text.contains("\"old\""), "the line is as it was written: {}", line.text);
    let explained = people.view().explain("sessionId", "s1").expect("readable").expect("known");
    assert_eq!(explained.party.person, customer("new"));

    // Again, and in pieces: all of it is known.
    let summary = replay(&mut engine, std::slice::from_ref(&log), Manner { force: true, ..Manner::default() });
    assert_eq!((summary.events.accepted, summary.events.duplicate), (0, 6));
    for namespace in ["ecommerceId", "email"] {
        let pair = (Identity::new(namespace, "new"), customer("old"));
        let told = engine.rename([pair]).expect_err("refused").to_string();
        assert!(told.contains("circle: new to old to new") || told.contains("two namespaces"), "{told}");
    }
    for junk in ["null", " GUEST ", "'{}'"] {
        let told = engine.rename([(customer("other"), customer(junk))]).expect_err("nobody is called so").to_string();
        assert!(told.contains("ignored as junk"), "{told}");
    }
    let told = engine.rename([(customer("old"), customer("newer"))]).expect_err("it is renamed").to_string();
    assert_eq!(told, "ecommerceId:old counts as another already: take that back first");
    assert_eq!(engine.retract(Retract::Event("d")).expect("written").events, 1, "by its id both that became one go");
    assert_eq!(totals(&engine).0[..4], [2, 1, 1, 0]);
    replay(&mut engine, &[log], Manner { force: true, ..Manner::default() });
    engine.rename_back([customer("old")]).expect("written");
    assert_eq!((totals(&engine), printed_sessions(&engine)), before, "as if it had never been");
    assert!(engine.verify().expect("readable").is_sound());
}

#[test]
fn a_source_that_is_taken_back_takes_only_what_it_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: Vec<&str> = AGAIN.lines().collect();
    let [one, two] = [("one", lines[3]), ("two", lines[4])].map(|(name, line)| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{line}\n")).expect("written");
        fs::canonicalize(path).expect("there")
    });
    for gone in [&one, &two] {
        for early in [true, false] {
            let mut engine = in_memory(&crate::oracle::Rules::default());
            if early {
                engine.rename([(customer("old"), customer("new"))]).expect("written");
            }
            replay(&mut engine, &[one.clone(), two.clone()], Manner::default());
            if !early {
                engine.rename([(customer("old"), customer("new"))]).expect("written");
            }
            assert_eq!(totals(&engine).0[0], 1, "the two are one");
            harness::retract_source(&mut engine, gone);
            assert_eq!(totals(&engine).0[0], 1, "which the other delivered too");
            engine.rename_back([customer("old")]).expect("written");
            let left = if gone == &one { "new" } else { "old" };
            assert_eq!(engine.resolver().customer_of("s2").as_deref(), Some(left), "{gone:?}, renamed first: {early}");
        }
    }
}

/// Sessions that a value such as `guest-checkout` ties together.
const TIED: usize = 5_000;

#[test]
fn five_thousand_sessions_of_a_guest_are_released() {
    let mut lines = Vec::new();
    for at in 0..TIED {
        let time = 1_000 + at * 10;
        lines.push(format!(r#"{{"timestamp":{time},"id":"v{at}","user":{{"identities":{{"sessionId":"s{at}"}}}}}}"#));
        let ids = format!(r#""sessionId":"s{at}","ecommerceId":"guest-checkout""#);
        lines.push(format!(r#"{{"timestamp":{},"id":"g{at}","user":{{"identities":{{{ids}}}}}}}"#, time + 1));
        if at % 3 == 0 {
            let ids = format!(r#""sessionId":"s{at}","ecommerceId":"c{at}""#);
            lines.push(format!(r#"{{"timestamp":{},"id":"c{at}","user":{{"identities":{{{ids}}}}}}}"#, time + 2));
        }
    }
    let rules = crate::oracle::Rules::default();
    let mut engine = replayed(&rules, &text(&lines));
    let before = totals(&engine);
    assert_eq!(before.0[6], TIED as u64, "all are linked");
    engine.set_aside([customer("guest-checkout")]).expect("written");
    let without: Vec<String> =
        lines.iter().map(|line| line.replace(r#","ecommerceId":"guest-checkout""#, "")).collect();
    assert_eq!(totals(&engine), totals(&replayed(&rules, &text(&without))));
    assert_eq!(totals(&engine).0[6], (TIED as u64).div_ceil(3), "those who have a customer of their own are");
    assert_eq!(engine.resolver().resolve_in("ecommerceId", "guest-checkout"), None);
    engine.release([customer("guest-checkout")]).expect("written");
    assert_eq!(totals(&engine), before);
    assert!(engine.verify().expect("readable").is_sound());
}

#[test]
fn renames_from_the_command_line() {
    let folder = workplace();
    let folder = folder.path();
    ok(folder, "replay one.ndjson two.ndjson --quiet");
    let digest = |folder| object(&ok(folder, "stats --json"))["digest"].clone();
    let before = digest(folder);
    assert!(ok(folder, "rename clara clara-2 --dry-run").contains("would count otherwise"));
    assert_eq!(digest(folder), before);
    let told = ok(folder, "rename clara clara-2");
    assert!(told.starts_with("ecommerceId:clara counts as ecommerceId:clara-2; "), "{told}");
    assert_eq!(ok(folder, "rename --list"), "ecommerceId:clara counts as ecommerceId:clara-2\n");
    let explained = |id: &str| object(&ok(folder, &format!("explain {id} --json --quiet")));
    assert_eq!(explained("ecommerceId:clara")["renamed"], json!(["ecommerceId:clara"]));
    assert_eq!(explained("ecommerceId:clara")["identity"]["value"], "clara-2");
    assert_eq!(explained("ecommerceId:clara ecommerceId:ben")["a"]["renamed"], json!(["ecommerceId:clara"]));
    assert_eq!(explained("ecommerceId:ben")["renamed"], Value::Null);
    let words = ok(folder, "explain ecommerceId:clara-2 --quiet");
    assert!(words.contains("ecommerceId:clara counts as it: it was renamed.\n"), "{words}");
    ok(folder, "quarantine ecommerceId:ben --quiet");
    assert_eq!(explained("ecommerceId:ben")["set_aside"], true);
    ok(folder, "release ecommerceId:ben --quiet");
    assert_eq!(
        object(&ok(folder, "rename --list --json")),
        json!({"old": "ecommerceId:clara", "new": "ecommerceId:clara-2"})
    );
    assert_eq!(object(&ok(folder, "resolve ecommerceId:clara --json --quiet"))["customer"], "clara-2");
    let stats = object(&ok(folder, "stats --json"));
    assert_eq!(stats["renamed"], json!([["ecommerceId:clara", "ecommerceId:clara-2"]]));
    // What is unlinked by the old name is the link of the new one.
    let told = ok(folder, "unlink tablet clara");
    assert!(
        told.starts_with("sessionId:tablet and ecommerceId:clara-2 no longer count as seen together; 1 "),
        "{told}"
    );
    ok(folder, "unlink tablet clara --revert");
    fs::write(folder.join("pairs.csv"), "anna, anna-2\n\"ben\",ben-2\n").expect("written");
    assert!(ok(folder, "rename --file pairs.csv").starts_with("2 identities count as others; "));
    ok(folder, "verify");
    ok(folder, "rename --revert clara");
    assert!(ok(folder, "rename --revert --file pairs.csv").starts_with("2 identities count as themselves; "));
    assert_eq!((digest(folder), ok(folder, "rename --list")), (before.clone(), String::new()));
    fs::write(folder.join("bad.csv"), "anna,anna-2\nben\n").expect("written");
    for (code, arguments, words) in [
        (1, &["rename", "--file", "bad.csv"][..], "bad.csv: line 2 is not `OLD,NEW`: write one pair a line"),
        (1, &["rename", "--file", "none.csv"], "none.csv"),
        (1, &["rename", "anna", "anna"], "that would be a circle: anna to anna"),
        (1, &["rename", "anna", "sessionId:s1"], "of two namespaces"),
        (2, &["rename", "anna"], "name what to rename"),
        (2, &["rename", "--revert"], "name what to take back"),
        (2, &["rename", "--list", "--revert"], "cannot be used with"),
        (2, &["quarantine"], "required"),
    ] {
        let told = refused(folder, code, arguments);
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    assert!(ok(folder, "quarantine ecommerceId:clara").starts_with("ecommerceId:clara is set aside; "));
    assert_eq!(ok(folder, "quarantine --list"), "ecommerceId:clara is set aside\n");
    let told = refused(folder, 1, &["rename", "clara", "clara-2"]);
    assert!(told.contains("ecommerceId:clara is set aside: release it first"), "{told}");
    assert!(ok(folder, "release ecommerceId:clara").starts_with("ecommerceId:clara counts again; "));
    assert_eq!(digest(folder), before);
}

/// What a store knows of decisions, by what they are of.
#[test]
fn chains_are_followed_and_come_apart_link_by_link() {
    let rules = crate::oracle::Rules::default();
    let mut engine = replayed(&rules, AGAIN);
    let decided: BTreeMap<&str, &str> = [("old", "newer"), ("new", "newest"), ("newer", "new")].into();
    for (old, new) in &decided {
        engine.rename([(customer(old), customer(new))]).expect("written");
    }
    assert_eq!(engine.resolver().customer_of("s1").as_deref(), Some("newest"));
    engine.rename_back([customer("newer")]).expect("written");
    assert_eq!(engine.resolver().customer_of("s1").as_deref(), Some("newer"));
    assert_eq!(engine.resolver().customer_of("s2").as_deref(), Some("newest"));
    engine.set_aside([customer("newest")]).expect("written");
    assert_eq!(engine.resolver().customer_of("s2").as_deref(), Some("newer"), "by the event of the old name");
}

/// A store in which what renamed events count as says another trait than they do.
#[test]
fn verify_compares_what_renamed_events_tell() {
    let stores = [44, 45].map(|age| {
        let backend = Arc::new(MemoryBackend::default());
        let mut engine = Engine::options().over(Arc::clone(&backend) as Arc<dyn Backend>).expect("made");
        let line = format!(
            r#"{{"timestamp":1,"id":"e","user":{{"identities":{{"sessionId":"s","ecommerceId":"old"}},"traits":{{"age":{age}}}}}}}"#
        );
        engine.ingest("log", line.as_bytes()).expect("ingested");
        engine.rename([(customer("old"), customer("new"))]).expect("written");
        assert!(engine.verify().expect("readable").is_sound());
        backend.entries()
    });
    let [mut mixed, other] = stores;
    const COUNTED: u8 = 13;
    mixed.extend(other.into_iter().filter(|(key, _)| key[0] == COUNTED));
    let engine = Engine::options().over(Arc::new(MemoryBackend::holding(mixed))).expect("a store");
    let found = engine.verify().expect("readable");
    assert!(found.differences.iter().any(|told| told.contains("other segments or traits")), "{found:?}");
}
