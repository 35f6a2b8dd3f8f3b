//! The laws of segments and traits: whatever the order, files, batches, threads and restarts, and whatever is undone, every person has
//! what the oracle says, under every reading and by every rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use backstitch::rows::{ProfileRow, ProfileValue};
use backstitch::store::backend::{Backend, MemoryBackend};
use backstitch::{Engine, Generator, ProfileRule, ProfileRules, Recipe, Replay, Retract, Time, View};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::acts::law;
use crate::harness::{of_all_times, under};
use crate::oracle::{
    Belief, Held, Id, Life, Outcome, Policy, Reading, Rule, Rules, Said, Sayings, greatest, judge, profile_of,
    profiles_digest,
};
use crate::place::file;

/// A line, and the file that it stands in.
pub type Placed = (String, usize);

pub const FILES: usize = 3;

/// What a line says of its person: spellings of which several mean one thing.
fn user() -> impl Strategy<Value = String> {
    let segments = select(vec![
        "",
        "",
        r#","segments":["new","vip"]"#,
        r#", "segments" : [ "new" , "\u0076ip" ]"#,
        r#","segments":["loyal"]"#,
        r#","segments":[]"#,
        r#","segments":null"#,
        r#","segments":"vip""#,
    ]);
    let age = select(vec!["", r#""age":45"#, r#""age":45.0"#, r#""age":4.6e1"#, r#""age":null"#, r#""age":[45,"x"]"#]);
    let city = select(vec![
        "",
        r#""city":"Köln""#,
        r#""city":"K\u00f6ln""#,
        r#""city":{"zip":1,"at":[true]}"#,
        r#""city":{ "at":[true], "zip":1}"#,
        r#""city":"by a@example.org""#,
        r#""city":"by a@example.org""#,
    ]);
    (segments, age, city, any::<bool>()).prop_map(|(segments, age, city, turned)| {
        let mut traits: Vec<&str> = [age, city].into_iter().filter(|text| !text.is_empty()).collect();
        if turned {
            traits.reverse();
        }
        let traits =
            if traits.is_empty() && turned { String::new() } else { format!(r#","traits":{{{}}}"#, traits.join(",")) };
        format!("{segments}{traits}")
    })
}

fn line() -> impl Strategy<Value = String> {
    let session = prop::option::weighted(0.8, select(vec!["s1", "s2", "s3"]));
    let customer = prop::option::weighted(0.3, select(vec!["anna", "bob"]));
    let email = prop::option::weighted(0.2, select(vec!["a@example.org"]));
    let id = prop::option::weighted(0.7, 0..4_u8);
    (0..6_i64, id, session, customer, email, user()).prop_map(|(at, id, session, customer, email, user)| {
        let named = [("sessionId", session), ("ecommerceId", customer), ("email", email)];
        let mut ids: Vec<String> =
            named.iter().filter_map(|(name, value)| Some(format!(r#""{name}":"{}""#, (*value)?))).collect();
        if ids.is_empty() {
            ids.push(r#""sessionId":"s1""#.to_owned());
        }
        let id = id.map_or_else(String::new, |id| format!(r#""id":"e{id}","#));
        format!(r#"{{"timestamp":{},{id}"user":{{"identities":{{{}}}{user}}}}}"#, 1_000 + at, ids.join(","))
    })
}

pub fn placed() -> impl Strategy<Value = Vec<Placed>> {
    prop::collection::vec((line(), 0..FILES), 1..40)
}

/// What the oracle makes of lines, as the sources of these names.
fn told(lines: &[Placed], names: &[String]) -> (Life, Sayings) {
    let (mut life, mut sayings) = (Life::default(), Sayings::new());
    for (line, file) in lines {
        let judged = judge(&Rules::default(), &[(String::new(), vec![line])]);
        let Outcome::Accepted(event) = judged.outcomes[0][0].clone() else { continue };
        life.deliver(&names[*file], [event.clone()]);
        let said = sayings.entry(event).or_default().entry(names[*file].clone()).or_default();
        *said = Said::of(line).max(said.clone());
    }
    (life, sayings)
}

const RULES: [(ProfileRule, Rule); 4] = [
    (ProfileRule::Latest, Rule::Latest),
    (ProfileRule::First, Rule::First),
    (ProfileRule::MostFrequent, Rule::MostFrequent),
    (ProfileRule::Union, Rule::Union),
];

fn is_held(value: &ProfileValue, held: &Held) {
    let found: Value = serde_json::from_str(&value.value).expect("JSON");
    let before = value.before.as_ref().map(|before| serde_json::from_str::<Value>(&before.value).expect("JSON"));
    let found = (
        found,
        value.at.to_string(),
        value.event.to_string(),
        value.from.to_string(),
        value.attribution.word(),
        before,
    );
    let held = held.clone();
    assert_eq!(found, (held.value, held.at, held.event, held.from, held.attribution, held.before));
    assert_eq!(value.held_before.is_some(), held.attribution == "retroactive");
}

/// Whether a view says of everybody what the oracle says.
pub fn assert_profiles(view: &View, belief: &Belief, sayings: &Sayings) {
    let said = greatest(sayings);
    assert_eq!(view.totals().expect("sound").profiles.to_string(), profiles_digest(belief, &said));
    for (at, (segments, expected_segments)) in RULES.into_iter().enumerate() {
        let (age, expected_age) = RULES[(at + 1) % RULES.len()];
        let rules = ProfileRules::new().segments(segments).of_trait("age", age);
        let rule = |name: Option<&str>| match name {
            None => expected_segments,
            Some("age") => expected_age,
            Some(_) => Rule::Latest,
        };
        let mut rows: BTreeMap<String, ProfileRow> = BTreeMap::new();
        for row in view.profiles(&rules).expect("sound") {
            let row = row.expect("readable");
            assert_eq!(rows.insert(row.person.to_string(), row), None, "a person once");
        }
        let people: BTreeSet<&Id> = belief.identities.values().map(|answer| &answer.person).collect();
        for person in people {
            let expected = profile_of(belief, &said, person, rule);
            let profile = view.profile(&person.namespace, &person.value, &rules).expect("sound").expect("known");
            if profile.person.to_string() != person.to_string() {
                // Under some policies who names a person need not be the person's.
                continue;
            }
            let named = profile.traits.iter().map(|(name, value)| (Some(name.clone()), value));
            let found: BTreeMap<Option<String>, &ProfileValue> =
                named.chain(profile.segments.iter().map(|value| (None, value))).collect();
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{person}");
            for (name, value) in &found {
                is_held(value, &expected[name]);
            }
            let row = rows.remove(&person.to_string());
            assert_eq!(row.is_some(), !found.is_empty(), "{person}");
            if let Some(row) = row {
                let all = |name: &Option<String>| found.get(name).map(|value| value.value.clone());
                assert_eq!(row.segments, all(&None));
                assert!(row.traits.iter().all(|(name, value)| Some(value) == all(&Some(name.clone())).as_ref()));
                assert_eq!(row.traits.len(), profile.traits.len());
            }
        }
    }
}

pub fn readings() -> Vec<Reading> {
    let policies = Policy::ALL.map(|policy| Reading { policy, ..Reading::default() });
    let as_of = [1_002_000_000, 1_004_000_000].map(|micros| Reading { as_of: Some(micros), ..Reading::default() });
    policies.into_iter().chain(as_of).chain([Reading { lookback: Some(1_000_000), ..Reading::default() }]).collect()
}

#[test]
fn segments_and_traits_are_those_of_the_oracle_in_whatever_order_and_whatever_is_undone() {
    let given = (placed(), any::<u64>(), 1..4_usize, select(vec![1, 3, 1_000]), 0..FILES, any::<Index>());
    law("segments and traits", 48, given, |(lines, turn, threads, batch_events, gone, unlinked)| {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store");
        let paths: Vec<_> = (0..FILES).map(|file| folder.path().join(format!("{file}.ndjson"))).collect();
        for (file, path) in paths.iter().enumerate() {
            let mut own: Vec<&str> = lines.iter().filter(|(_, of)| *of == file).map(|(line, _)| &**line).collect();
            let count = own.len().max(1);
            own.rotate_left((turn % count as u64) as usize);
            fs::write(path, own.join("\n") + "\n").expect("written");
        }
        let mut engine = Engine::open(&store).expect("a new store");
        for at in 0..FILES {
            let file = &paths[(at + turn as usize) % FILES];
            let job = Replay::of([file]).fields(of_all_times()).threads(threads).batch_events(batch_events);
            engine.replay(job).expect("replayed");
        }
        let names: Vec<String> =
            paths.iter().map(|path| path.canonicalize().expect("there").display().to_string()).collect();
        let (mut life, mut sayings) = told(&lines, &names);
        for reading in readings() {
            assert_profiles(&under(&engine, reading), &life.belief(reading), &sayings);
        }
        // As if a source had never been read.
        life.retract_source(&names[gone]);
        sayings.values_mut().for_each(|by| drop(by.remove(&names[gone])));
        sayings.retain(|_, by| !by.is_empty());
        if engine.source(&names[gone]).is_some() {
            engine.retract(Retract::Source(&names[gone])).expect("retracted");
        }
        let (session, customer) = [("s1", "anna"), ("s2", "bob"), ("s1", "bob")][unlinked.index(3)];
        life.unlink(&Id::session(session), &Id::customer(customer));
        engine.unlink(session, customer).expect("unlinked");
        assert_profiles(&under(&engine, Reading::default()), &life.belief(Reading::default()), &sayings);
        // Facts carry them to another store, and a backup does.
        let mut facts = Vec::new();
        engine.export_facts(&mut facts).expect("exported");
        engine.backup(folder.path().join("copy")).expect("copied");
        let (imported, _) = Engine::import_facts(folder.path().join("other"), &facts[..]).expect("imported");
        let copied = Engine::open(folder.path().join("copy")).expect("a store");
        drop(engine);
        let again = Engine::open(&store).expect("the store that was closed");
        for engine in [&imported, &copied, &again] {
            assert_profiles(&under(engine, Reading::default()), &life.belief(Reading::default()), &sayings);
            assert!(engine.verify().expect("readable").is_sound());
        }
        // Everything replayed again says it all again, and nothing else.
        drop((imported, copied));
        let mut again = again;
        let job = Replay::of(&paths).fields(of_all_times()).force(true).batch_events(batch_events);
        again.replay(job).expect("replayed");
        again.relink(session, customer).expect("relinked");
        let (life, sayings) = told(&lines, &names);
        assert_profiles(&under(&again, Reading::default()), &life.belief(Reading::default()), &sayings);
    });
}

/// A log that is read without segments and traits gains them when it is replayed with them.
#[test]
fn what_is_not_kept_costs_nothing_and_can_be_had_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let line = r#"{"timestamp":1000,"user":{"identities":{"sessionId":"s"},"segments":["a"],"traits":{"b":1}}}"#;
    fs::write(&log, line).expect("written");
    let mut engine = Engine::in_memory();
    let summary = engine.replay(Replay::of([&log]).profiles(false)).expect("replayed");
    assert_eq!(summary.totals.profiles, Default::default());
    let digest = summary.totals.digest;
    let of = |engine: &Engine| {
        let profile =
            engine.resolver().view().profile("sessionId", "s", &ProfileRules::new()).expect("sound").expect("known");
        serde_json::to_value(&profile).expect("JSON")
    };
    assert_eq!(of(&engine), json!({"person": "sessionId:s", "kind": "anonymous", "segments": null, "traits": {}}));
    assert_eq!(engine.resolver().view().profiles(&ProfileRules::new()).expect("sound").count(), 0);
    let again = engine.replay(Replay::of([&log]).force(true)).expect("replayed");
    assert_eq!((again.events.accepted, again.events.duplicate, again.totals.digest), (0, 1, digest));
    let profile = of(&engine);
    assert_eq!((&profile["segments"]["value"], &profile["traits"]["b"]["value"]), (&json!(["a"]), &json!(1)));
    // And what is there stays where it is not asked for.
    engine.replay(Replay::of([&log]).force(true).profiles(false)).expect("replayed");
    assert_eq!(of(&engine), profile);
}

/// What is pushed says what a line says.
/// By the digest a table of profiles is kept: it differs with what anybody's profile says, also where the feed tells of nothing.
#[test]
fn the_digest_of_profiles_tells_what_the_feed_does_not() {
    let mut engine = Engine::in_memory();
    let line = |second: u8, of: &str, traits: &str| {
        format!(r#"{{"timestamp":{second},"id":"e-{second}","user":{{"identities":{{{of}}},"traits":{{{traits}}}}}}}"#)
            + "\n"
    };
    let read = |engine: &mut Engine, name: &str, lines: &[String]| {
        let read = engine.ingest(name, lines.concat().as_bytes()).expect("ingested").events;
        let totals = engine.resolver().view().totals().expect("sound");
        (read.accepted, engine.feed().position(), totals.profiles)
    };
    let both = r#""sessionId":"s","ecommerceId":"anna""#;
    let (_, first, told) = read(&mut engine, "one", &[line(1, both, r#""city":"Basel""#)]);
    let (accepted, second, more) = read(&mut engine, "two", &[line(1, both, r#""city":"Bern""#)]);
    assert_eq!((accepted, second), (0, first), "the same event, so no row differs");
    assert_ne!(more, told);
    let (_, third, without) = read(&mut engine, "three", &[line(2, r#""ecommerceId":"anna""#, r#""city":"Chur""#)]);
    assert_eq!(third, first, "an event of no session");
    assert_ne!(without, more);
    let (_, _, same) = read(&mut engine, "four", &[line(2, r#""ecommerceId":"anna""#, "")]);
    assert_eq!(same, without, "what says less says nothing new");
}

#[test]
fn an_activity_says_what_its_line_says() {
    use backstitch::Activity;
    let line = r#"{"timestamp":1000,"id":"e","user":{"identities":{"sessionId":"s"},"segments":["n\u0065w"],"traits":{"buyer":true,"age":45}}}"#;
    let mut read = Engine::in_memory();
    read.ingest("lines", line.as_bytes()).expect("ingested");
    let activity = Activity::at(Time::from_micros(1_000_000_000)).id("e").identity("sessionId", "s");
    let activity = activity.segments(["new"]).with_trait("age", 44).with_trait("buyer", true).with_trait("age", 45.0);
    let mut pushed = Engine::in_memory();
    assert_eq!(pushed.push("shop", [activity], "1").expect("pushed").profiles_cut, 0);
    let totals = [&read, &pushed].map(|engine| engine.resolver().view().totals().expect("sound"));
    assert_eq!(totals[0], totals[1]);
    assert_ne!(totals[0].profiles, Default::default());
}

/// More people than are gone through at a time: each is there once, in order, with what its own events say.
#[test]
fn everybody_is_there_however_many_there_are() {
    const PEOPLE: usize = 70_000;
    let line = |at: usize, turn: u8| {
        // Two events each, far apart in the log.
        let session = 1 + at * 7_919 % PEOPLE;
        format!(
            "{{\"timestamp\":{},\"user\":{{\"identities\":{{\"sessionId\":\"{session:05}\"}},\"traits\":{{\"turn\":[{turn},{session}]}}}}}}\n",
            1_000 + at
        )
    };
    let log: String = (0..PEOPLE).map(|at| line(at, 0)).chain((0..PEOPLE).map(|at| line(at + PEOPLE, 1))).collect();
    let mut engine = Engine::in_memory();
    engine.ingest("log", log.as_bytes()).expect("ingested");
    let view = engine.resolver().view();
    let mut count = 0;
    for (at, row) in (1..).zip(view.profiles(&ProfileRules::new()).expect("sound")) {
        let row = row.expect("readable");
        assert_eq!((row.person.value, &row.traits["turn"]), (format!("{at:05}"), &format!("[1,{at}]")));
        count += 1;
    }
    assert_eq!(count, PEOPLE);
}

/// On a log that tells segments and traits on every line they take at most so many bytes an event; without them, nothing.
#[test]
fn segments_and_traits_take_few_bytes() {
    const MOST_BYTES: u64 = 6;
    let mut log = Vec::new();
    let recipe = Recipe { sessions: 3_000, seed: 7, repeats: false };
    let events = Generator::new(recipe).write(&mut log).expect("memory").lines;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    fs::write(&path, log).expect("written");
    let [with, without] = [true, false].map(|kept| {
        let backend = Arc::new(MemoryBackend::default());
        let mut engine = Engine::options().over(Arc::clone(&backend) as Arc<dyn Backend>).expect("a new store");
        engine.replay(Replay::of([&path]).profiles(kept)).expect("replayed");
        backend.entries().values().map(|block| block.len() as u64).sum::<u64>()
    });
    println!("segments and traits take {:.2} bytes an event", (with - without) as f64 / events as f64);
    assert!(with > without && with - without <= MOST_BYTES * events, "{with} {without} {events}");
}

/// Worked out by hand: anna's values before her login and after it, and bob's, under two ways to read.
#[test]
fn a_journey_worked_out_by_hand() {
    let mut engine = Engine::in_memory();
    engine.replay([file("fixtures/profiles.ndjson")]).expect("replayed");
    let view = engine.resolver().view();
    let profile = |view: &View, namespace: &str, value: &str| {
        let profile = view.profile(namespace, value, &ProfileRules::new()).expect("sound").expect("known");
        serde_json::to_value(profile).expect("JSON")
    };
    let anna = profile(&view, "sessionId", "s1");
    assert_eq!((&anna["person"], &anna["segments"]["value"]), (&json!("ecommerceId:anna"), &json!(["customer"])));
    let city = &anna["traits"]["city"];
    assert_eq!(
        (&city["value"], &city["attribution"], &city["before"]["value"]),
        (&json!("Basel"), &json!("retroactive"), &json!("Bern"))
    );
    assert_eq!(city["held_before"], json!({"identity": "sessionId:s1", "until": "2026-11-02T08:10:00.000Z"}));
    assert_eq!(anna["traits"]["newsletter"]["before"]["value"], json!(false));
    // Before the login they were the session's own, and an event that is taken back takes its values along.
    let before = view.as_of(Time::parse("2026-11-02T08:06:00Z").expect("a time"));
    assert_eq!(profile(&before, "sessionId", "s1")["person"], "sessionId:s1");
    engine.retract(Retract::Event(city["event"].as_str().expect("a hash"))).expect("retracted");
    assert_eq!(profile(&engine.resolver().view(), "ecommerceId", "anna")["traits"]["city"]["value"], "Bern");
    engine.unlink("s1", "anna").expect("unlinked");
    let left = profile(&engine.resolver().view(), "ecommerceId", "anna");
    assert_eq!((&left["traits"]["city"], &left["traits"]["newsletter"]["value"]), (&Value::Null, &json!(true)));
}
