//! The laws of erasing: a value goes however JSON spells it, segments and traits go and stay as the oracle says, what was known once names
//! nobody who was erased, and decisions hold in the middle of a replay that is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use backstitch::{Activity, Engine, Forget, Replay, When};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::acts::{Act, erasing_course, law};
use crate::erasure::{command, ok, traces};
use crate::harness::{self, Chance, asked, known_at, of_all_times, under};
use crate::laws_history::{assert_known, one_by_one};
use crate::oracle::{Event, Id, Life, Outcome, Reading, Rules, Said, Sayings, judge};
use crate::profile_laws::{FILES, Placed, assert_profiles, placed, readings};
use crate::side_by_side::Pair;

/// A spelling of a text that JSON allows: of each character, as it stands where that may be, or by its number.
fn spelled(text: &str, ways: &[bool]) -> String {
    let mut out = String::new();
    for (letter, by_number) in text.chars().zip(ways.iter().cycle()) {
        let mut units = [0; 2];
        match by_number {
            true => letter.encode_utf16(&mut units).iter().for_each(|unit| out += &format!("\\u{unit:04x}")),
            false => out += serde_json::to_string(&letter).expect("a text").trim_matches('"'),
        }
        // The quotation mark alone is trimmed away.
        if letter == '"' && !by_number {
            out.pop();
            out += "\\\"";
        }
    }
    out
}

/// Every text of a value of JSON, names too, and those of JSON within them.
fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            out.push(text.clone());
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                texts(&inner, out);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| texts(value, out)),
        Value::Object(all) => all.iter().for_each(|(name, value)| {
            out.push(name.clone());
            texts(value, out);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn value() -> impl Strategy<Value = String> {
    let odd = select(vec!['"', '\\', '/', '\n', '\u{1}', 'é', '€', '😀', ' ', 'u', '0']);
    let middle = prop::collection::vec(odd, 4..12).prop_map(|letters| format!("a{}z", String::from_iter(letters)));
    prop_oneof![4 => middle, 1 => Just("f49c75a2-6994-41e2-875d-97ec4d19254b".to_owned())]
}

#[test]
fn a_value_is_erased_however_json_spells_it() {
    let ways = prop::collection::vec(any::<bool>(), 1..5);
    law("a value is erased in every spelling", 40, (value(), ways, any::<bool>()), |(value, ways, upper)| {
        let is_uuid = value.starts_with("f49c");
        let other = if is_uuid && upper { value.replace('-', "").to_uppercase() } else { value.clone() };
        let told = spelled(&other, &ways);
        let nested = spelled(&format!(r#"{{"who":"{told}"}}"#), &ways);
        let line = |second: u8, id: &str, identity: &str, user: &str| {
            format!(
                "{{\"timestamp\":{second},\"id\":\"{id}\",\"user\":{{\"identities\":{{\"sessionId\":\"{identity}\"}}{user}}}}}\n"
            )
        };
        let log = [
            line(1, "e-1", &spelled(&value, &ways), ""),
            line(2, &format!("of-{told}"), "other", ""),
            line(3, "e-3", "other", &format!(r#","traits":{{"of":"x{told}x"}}"#)),
            line(4, "e-4", "other", &format!(r#","traits":{{"{told}":1,"age":45}}"#)),
            line(5, "e-5", "other", &format!(r#","segments":["new","{told}"]"#)),
            line(6, "e-6", "other", &format!(r#","traits":{{"raw":"{nested}"}}"#)),
            line(7, "e-7", "other", r#","traits":{"age":46}"#),
        ];
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store");
        let mut engine = Engine::open(&store).expect("made");
        engine.ingest("log", log.concat().as_bytes()).expect("ingested");
        engine.push("queue", [] as [Activity; 0], &format!(r#"{{"last":"{told}"}}"#)).expect("pushed");
        let forgotten = engine.forget(&Forget::identity("sessionId", &value)).expect("erased");
        assert_eq!((forgotten.events, forgotten.texts), (1, 6), "an id, four parts and a position: {log:?}");
        let mut facts = Vec::new();
        engine.export_facts(&mut facts).expect("exported");
        let facts = String::from_utf8(facts).expect("UTF-8");
        let mut all = Vec::new();
        for line in facts.lines() {
            texts(&serde_json::from_str(line).expect("JSON"), &mut all);
        }
        let holding = |text: &&String| text.to_lowercase().contains(&other.to_lowercase());
        assert_eq!(all.iter().find(holding), None);
        let profile = engine.resolver().view().profile("sessionId", "other", &Default::default()).expect("sound");
        assert_eq!(profile.expect("known").traits["age"].value, "46", "what tells nothing stays");
        drop(engine);
        for value in [value, other, told] {
            assert_eq!(traces(&store, &value), [] as [std::path::PathBuf; 0], "{value}");
        }
    });
}

/// What is done to segments and traits.
#[derive(Debug, Clone)]
enum Deed {
    Replay(usize),
    Forget(Vec<usize>, bool, Option<i64>),
    Readmit(usize),
    OptOut(usize),
    OptIn(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 0..WHO;
    let until = prop::option::weighted(0.3, select(vec![1_001_000_000, 1_003_000_000]));
    prop_oneof![
        3 => (0..FILES).prop_map(Deed::Replay),
        3 => (prop::collection::vec(who.clone(), 1..3), prop::bool::weighted(0.3), until)
            .prop_map(|(who, whole, until)| Deed::Forget(who, whole, until)),
        1 => who.clone().prop_map(Deed::Readmit),
        1 => who.clone().prop_map(Deed::OptOut),
        1 => who.prop_map(Deed::OptIn),
    ]
}

const WHO: usize = 6;

/// The one whose value is long enough to be looked for in traits.
const EMAIL: &str = "a@example.org";

fn everybody() -> [Id; WHO] {
    let email = |rules| {
        let line = format!(r#"{{"timestamp":1000,"user":{{"identities":{{"email":"{EMAIL}"}}}}}}"#);
        judge(rules, &[(String::new(), vec![line])]).identities.keys().next().expect("one").clone()
    };
    let [s1, s2, s3] = ["s1", "s2", "s3"].map(Id::session);
    [s1, s2, s3, Id::customer("anna"), Id::customer("bob"), email(&Rules::default())]
}

/// A store by the words of the issue: its events, and what each source said with them.
#[derive(Default)]
struct Kept {
    life: Life,
    sayings: Sayings,
    /// Texts that told an erased value: they are not taken in again.
    hidden: BTreeSet<String>,
}

impl Kept {
    fn deliver(&mut self, source: &str, lines: &[Placed], file: usize) {
        for (line, _) in lines.iter().filter(|(_, of)| *of == file) {
            let judged = judge(&Rules::default(), &[(String::new(), vec![line])]);
            let Outcome::Accepted(event) = judged.outcomes[0][0].clone() else { continue };
            let refused = self.life.deliver(source, [event.clone()]);
            if refused.erased + refused.suppressed > 0 {
                continue;
            }
            let said = self.untold(Said::of(line));
            let known = self.sayings.entry(event).or_default().entry(source.to_owned()).or_default();
            *known = said.max(known.clone());
        }
    }

    fn untold(&self, said: Said) -> Said {
        let untold = |text: String| if self.hidden.contains(&text) { String::new() } else { text };
        Said { segments: untold(said.segments), traits: untold(said.traits) }
    }

    fn forget(&mut self, ids: &[Id], whole_person: bool, until: Option<i64>) {
        let before = self.life.belief(Reading::default());
        let is_email = |id: &Id| id.value == EMAIL;
        let of_person = |id: &Id| {
            let group = before.identities.get(id).map(|answer| &answer.group);
            whole_person && group.is_some_and(|group| group.iter().any(is_email))
        };
        let is_meant = ids.iter().any(|id| is_email(id) || of_person(id));
        self.life.forget(ids, whole_person, until);
        let Self { life, sayings, hidden } = self;
        sayings.retain(|event, _| life.delivered.contains_key(event));
        let stays = life.delivered.keys().any(|event: &Event| event.ids.iter().any(is_email));
        if is_meant && !stays {
            let all = sayings.values().flat_map(BTreeMap::values);
            let texts = all.flat_map(|said| [&said.segments, &said.traits]);
            hidden.extend(texts.filter(|text| text.contains(EMAIL)).cloned());
        }
        let mut sayings = std::mem::take(&mut self.sayings);
        for said in sayings.values_mut().flat_map(BTreeMap::values_mut) {
            *said = self.untold(said.clone());
        }
        self.sayings = sayings;
    }
}

#[test]
fn segments_and_traits_go_with_whom_they_are_of_and_stay_with_others() {
    let given = (placed(), prop::collection::vec(deed(), 1..8), 1..3_usize, select(vec![1, 1_000]));
    law("segments and traits under erasures", 32, given, |(lines, deeds, threads, batch_events)| {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store");
        let everybody = everybody();
        let names: Vec<String> = (0..FILES).map(|file| format!("source {file}")).collect();
        let mut engine = Engine::open(&store).expect("a new store");
        let mut kept = Kept::default();
        let read = |engine: &mut Engine, kept: &mut Kept, file: usize| {
            let own: Vec<&str> = lines.iter().filter(|(_, of)| *of == file).map(|(line, _)| &**line).collect();
            let path = folder.path().join(&names[file]);
            fs::write(&path, own.join("\n") + "\n").expect("written");
            let job =
                Replay::of([&path]).fields(of_all_times()).threads(threads).batch_events(batch_events).force(true);
            engine.replay(job).expect("replayed");
            kept.deliver(&names[file], &lines, file);
        };
        read(&mut engine, &mut kept, 0);
        for deed in &deeds {
            match deed {
                Deed::Replay(file) => read(&mut engine, &mut kept, *file),
                Deed::Forget(who, whole_person, until) => {
                    let ids: Vec<Id> = who.iter().map(|&at| everybody[at].clone()).collect();
                    harness::forget(&mut engine, &ids, *whole_person, *until);
                    kept.forget(&ids, *whole_person, *until);
                }
                Deed::Readmit(who) => {
                    harness::readmit(&mut engine, &everybody[*who]);
                    kept.life.readmit(&everybody[*who]);
                }
                Deed::OptOut(who) => {
                    harness::opt_out(&mut engine, &everybody[*who]);
                    kept.life.opt_out(&everybody[*who]);
                }
                Deed::OptIn(who) => {
                    harness::opt_in(&mut engine, &everybody[*who]);
                    kept.life.opt_in(&everybody[*who]);
                }
            }
            assert_profiles(&under(&engine, Reading::default()), &kept.life.belief(Reading::default()), &kept.sayings);
        }
        for reading in readings() {
            assert_profiles(&under(&engine, reading), &kept.life.belief(reading), &kept.sayings);
        }
        let mut facts = Vec::new();
        engine.export_facts(&mut facts).expect("exported");
        let (imported, _) = Engine::import_facts(folder.path().join("other"), &facts[..]).expect("imported");
        drop(engine);
        let again = Engine::open(&store).expect("the store that was closed");
        for engine in [&imported, &again] {
            assert_profiles(&under(engine, Reading::default()), &kept.life.belief(Reading::default()), &kept.sayings);
            assert!(engine.verify().expect("readable").is_sound());
        }
    });
}

/// What was known after an erasure is known exactly; what was known before it does not name the erased.
#[test]
fn what_was_known_names_nobody_who_was_erased() {
    law("what was known names nobody who was erased", 40, erasing_course(60, 12), |course| {
        let mut pair = Pair::new(&course);
        let mut lives = BTreeMap::from([(1, Life::default())]);
        let mut erasures: Vec<(u64, BTreeSet<Id>)> = Vec::new();
        let mut everybody: BTreeSet<Id> = BTreeSet::new();
        for act in course.acts.iter().flat_map(one_by_one) {
            let before: BTreeSet<Id> = pair.life.erased.iter().flat_map(|known| known.ids.keys()).cloned().collect();
            pair.act(&act);
            let (commit, life) = (pair.engine.generation(), pair.life.clone());
            everybody.extend(life.belief(Reading::default()).identities.into_keys());
            if let Act::Forget { ids, .. } = &act {
                let carried = life.delivered.keys().flat_map(|event| &event.ids);
                let carried: BTreeSet<Id> = carried.flat_map(|id| life.chain(id)).collect();
                // Those of an earlier erasure that belong to this one now are not erased any further by it.
                let erased = life.erased.last().expect("it stands").ids.keys();
                let erased = erased.filter(|id| ids.contains(id) || !before.contains(*id));
                erasures.push((commit, erased.filter(|id| !carried.contains(*id)).cloned().collect()));
                lives.clear();
            }
            lives.insert(commit, life);
        }
        assert_known(&pair.engine, &lives, &everybody);
        for (erased_by, gone) in &erasures {
            let earlier =
                pair.engine.commits().map(|row| row.expect("sound").commit).filter(|commit| commit < erased_by);
            for commit in earlier {
                let then = known_at(&pair.engine, When::Commit(commit));
                for id in &everybody {
                    let told = then(&id.namespace, &id.value, None).to_string();
                    let named = gone.iter().find(|gone| told.contains(&format!("\"{gone}\"")));
                    assert_eq!(named, None, "{id} at {commit}, before the erasure at {erased_by}: {told}");
                }
            }
        }
    });
}

/// What was known before an erasure is what was known then, with all links to those who are gone, and those that it cut, left out.
#[test]
fn what_was_known_of_others_before_an_erasure_stays() {
    law("what was known of others before an erasure stays", 40, erasing_course(60, 12), |course| {
        // Decisions about a pair leave a history of their own, and a bound leaves identities of which only a part is known.
        let is_plain = |act: &Act| match act {
            Act::Replay { .. } | Act::Restart => true,
            Act::Forget { until, .. } => until.is_none(),
            _ => false,
        };
        let acts: Vec<Act> = course.acts.iter().filter(|act| is_plain(act)).cloned().collect();
        let mut pair = Pair::new(&course);
        let mut lives = BTreeMap::from([(1, Life::default())]);
        let mut everybody: BTreeSet<Id> = BTreeSet::new();
        // Those of whom the erasure of others left nothing, and the commit of it.
        let mut gone_with: BTreeMap<Id, u64> = BTreeMap::new();
        for act in acts.iter().flat_map(one_by_one) {
            pair.act(&act);
            let (commit, life) = (pair.engine.generation(), pair.life.clone());
            let known: BTreeSet<Id> = life.belief(Reading::default()).identities.into_keys().collect();
            everybody.extend(known.iter().cloned());
            if matches!(act, Act::Forget { .. }) {
                // Nothing is told of those who are gone, also where they come back.
                let gone: BTreeSet<Id> = everybody.difference(&known).cloned().collect();
                gone_with.extend(gone.iter().map(|id| (id.clone(), commit)));
                everybody = known;
                let to_them = |id: &Id| {
                    gone.iter()
                        .flat_map(move |gone| [(id.clone(), gone.clone()), (gone.clone(), id.clone())])
                        .collect::<Vec<_>>()
                };
                for life in lives.values_mut() {
                    let all: BTreeSet<Id> = life.delivered.keys().flat_map(|event| event.ids.clone()).collect();
                    life.unlinked.extend(all.iter().flat_map(to_them));
                    life.unlinked.extend(pair.life.unlinked.iter().cloned());
                }
            }
            lives.insert(commit, life);
        }
        everybody.retain(|id| !pair.life.erased.iter().any(|erasure| erasure.ids.contains_key(id)));
        for (id, &erased) in gone_with.iter().filter(|(id, _)| everybody.contains(id)) {
            for &commit in lives.keys().filter(|&&commit| commit < erased) {
                let told = known_at(&pair.engine, When::Commit(commit))(&id.namespace, &id.value, None);
                assert_eq!(told, Value::Null, "{id} came back after commit {erased}, known at commit {commit}");
            }
            let since = lives.range(erased..).map(|(&commit, life)| (commit, life.clone())).collect();
            assert_known(&pair.engine, &since, &BTreeSet::from([id.clone()]));
        }
        everybody.retain(|id| !gone_with.contains_key(id));
        assert_known(&pair.engine, &lives, &everybody);
    });
}

fn told(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&ok(folder, &format!("{arguments} --json --store store"))).expect("JSON")
}

/// Runs it, and kills it at some moment of `span`.
fn kill(folder: &Path, arguments: &str, span: Duration, chance: &mut Chance) {
    let mut victim =
        command(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
    thread::sleep(span * chance.below(1_000) as u32 / 1_000);
    victim.kill().expect("a child");
    victim.wait().expect("a child");
}

/// A replay is killed, a decision made, which is killed too, and made again, and the replay goes on.
#[test]
fn a_decision_in_the_middle_of_a_replay_holds_whatever_is_killed() {
    let kills = asked("BACKSTITCH_KILLS").unwrap_or(8);
    let mut chance = Chance(asked("BACKSTITCH_SEED").unwrap_or(11));
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let lines = (0..6_000_u64).map(|number| {
        let customer = match number % 4 {
            0 => format!(r#","ecommerceId":"customer-{}""#, number % 90),
            _ => String::new(),
        };
        let time = 1_793_527_200 + number;
        let traits = format!(r#","traits":{{"seen":{}}}"#, number % 7);
        format!(
            r#"{{"timestamp":{time},"user":{{"identities":{{"sessionId":"session-{}"{customer}}}{traits}}}}}"#,
            number % 400
        ) + "\n"
    });
    fs::write(folder.join("log"), lines.collect::<String>()).expect("written");
    let replay = "replay log --batch-events 500 --quiet --store store";
    let start = Instant::now();
    ok(folder, replay);
    let span = start.elapsed();
    let decisions = [
        ("rename customer-4 customer-8", true),
        ("quarantine ecommerceId:customer-4", true),
        ("quarantine --on --customers 3", true),
        ("forget ecommerceId:customer-4 session-4", false),
        ("opt-out session-4", false),
    ];
    let undisturbed: Vec<Value> = decisions
        .iter()
        .map(|(decision, _)| {
            fs::remove_dir_all(folder.join("store")).expect("there");
            ok(folder, replay);
            ok(folder, &format!("{decision} --quiet --store store"));
            told(folder, "stats")["digest"].clone()
        })
        .collect();
    for turn in 0..kills {
        let at = (turn % decisions.len() as u64) as usize;
        let (decision, is_of_the_set) = decisions[at];
        let _ = fs::remove_dir_all(folder.join("store"));
        kill(folder, replay, span, &mut chance);
        let decided = format!("{decision} --quiet --store store");
        // Killed before there was a store, it left none.
        if folder.join("store/backstitch").exists() {
            kill(folder, &decided, span / 4, &mut chance);
            ok(folder, "verify --quiet --store store");
            let again = command(folder, &decided).output().expect("the binary runs");
            let why = String::from_utf8_lossy(&again.stderr).into_owned();
            assert!(again.status.success() || why.contains("already"), "{decision}: {why}");
            let before = told(folder, "stats");
            ok(folder, replay);
            let after = told(folder, "stats");
            if decision.starts_with("opt-out") {
                let events = |stats: &Value| stats["events"].as_u64();
                assert!(events(&after) >= events(&before), "what is stored stays");
            }
        } else {
            ok(folder, replay);
            ok(folder, &decided);
        }
        ok(folder, "verify --quiet --store store");
        if is_of_the_set {
            assert_eq!(told(folder, "stats")["digest"], undisturbed[at], "{decision}");
        }
        if decision.starts_with("forget") {
            for value in ["customer-4", "session-4"] {
                let resolved = told(
                    folder,
                    &format!("resolve {}{value}", if value.starts_with('c') { "ecommerceId:" } else { "" }),
                );
                assert_eq!(resolved["person"], Value::Null, "{value}");
            }
        }
    }
}

/// Many blocks, several runs, a session over dozens of blocks with hundreds of events a moment, and ids that tell an erased value.
#[test]
fn a_store_of_many_blocks_is_one_that_never_saw_the_erased() {
    const EVENTS: usize = 24_000;
    let erased = ["customer-17", "customer-18"];
    let session = |number: usize| if number.is_multiple_of(3) { 0 } else { (number / 7) % 600 };
    let is_erased = |number: usize| {
        let session = session(number);
        session == 5 || number.is_multiple_of(5) && [17, 18].contains(&(session % 200))
    };
    for telling in [false, true] {
        let line = |number: usize| {
            let (at, session) = (1_000 + number / 400, session(number));
            let customer = match number.is_multiple_of(5) {
                true => format!(r#","ecommerceId":"customer-{}""#, session % 200),
                false => String::new(),
            };
            let of = if telling && number.is_multiple_of(11) { "customer-17" } else { "event" };
            let traits = format!(r#"{{"of":"{of}","turn":{}}}"#, number % 3);
            format!(
                r#"{{"timestamp":{at},"id":"{number:05}-of-{of}","user":{{"identities":{{"sessionId":"session-{session}"{customer}}},"traits":{traits}}}}}"#
            ) + "\n"
        };
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, kept: &dyn Fn(usize) -> bool| {
            let path = folder.path().join(name);
            let lines = (0..EVENTS).filter(|&number| kept(number)).map(line);
            fs::write(&path, lines.collect::<String>()).expect("written");
            path
        };
        let (all, left) = (write("all", &|_| true), write("left", &|number| !is_erased(number)));
        let mut engine = Engine::in_memory();
        engine.replay(Replay::of([&all]).batch_events(5_000)).expect("replayed");
        let forget =
            erased.iter().fold(Forget::identity("sessionId", "session-5"), |all, id| all.and("ecommerceId", *id));
        let forgotten = engine.forget(&forget).expect("erased");
        let gone = (0..EVENTS).filter(|&number| is_erased(number)).count() as u64;
        assert_eq!((forgotten.events, forgotten.unlinked, forgotten.texts > 0), (gone, 0, telling));
        assert!(engine.verify().expect("readable").is_sound());
        let view = engine.resolver().view();
        let mut groups = view.stored_events().deliveries(0..u32::MAX);
        while let Some(group) = groups.next().expect("readable") {
            let events: Vec<_> = group.events().collect();
            assert!(events.is_sorted_by(|a, b| a.key() < b.key()), "{telling}: in the order of their keys");
        }
        let totals = |engine: &Engine| engine.resolver().view().totals().expect("sound");
        let after = totals(&engine);
        if !telling {
            let mut never = Engine::in_memory();
            never.replay(Replay::of([&left])).expect("replayed");
            let never = totals(&never);
            assert_eq!((after.digest, after.profiles), (never.digest, never.profiles));
        }
        let again = engine.replay(Replay::of([&all]).force(true)).expect("replayed");
        let events = again.events;
        assert_eq!((events.accepted, events.erased, events.duplicate), (0, gone, EVENTS as u64 - gone), "{telling}");
        assert_eq!(totals(&engine).digest, after.digest, "{telling}: all are known again");
    }
}

/// Who is erased again takes along who was erased with them, and what was cut then stays cut while any of them is erased.
#[test]
fn what_was_cut_stays_cut_when_one_is_erased_again() {
    let mut engine = Engine::in_memory();
    let line = |second: u8, customer: &str| {
        format!(r#"{{"timestamp":{second},"user":{{"identities":{{"sessionId":"tablet"{customer}}}}}}}"#) + "\n"
    };
    let log = [line(1, r#","ecommerceId":"bob""#), line(2, ""), line(3, r#","ecommerceId":"anna""#)].concat();
    engine.ingest("log", log.as_bytes()).expect("ingested");
    let of = |engine: &Engine| engine.resolver().resolve("tablet").expect("known").customer;
    let forgotten = engine.forget(&Forget::identity("ecommerceId", "bob").and("sessionId", "phone")).expect("erased");
    assert_eq!((forgotten.unlinked, of(&engine)), (1, None));
    engine.forget(&Forget::identity("sessionId", "phone")).expect("erased again");
    for nobody in ["nobody", "phone"] {
        engine.readmit("sessionId", nobody).expect("written");
        assert_eq!(of(&engine), None, "bob is erased still");
    }
    assert!(engine.readmit("ecommerceId", "bob").expect("written"));
    assert_eq!(of(&engine).as_deref(), Some("anna"), "none of them is erased any more");
}

/// A decision that goes with one who is erased keeps nobody else: of whom no event is left, the past tells nothing any more.
#[test]
fn who_is_named_by_a_cut_that_goes_goes_too() {
    let mut engine = Engine::in_memory();
    let line = |second: u8, identities: &str| {
        format!(r#"{{"timestamp":{second},"user":{{"identities":{{{identities}}}}}}}"#) + "\n"
    };
    let log = [
        line(1, r#""sessionId":"tablet","ecommerceId":"bob""#),
        line(2, r#""sessionId":"laptop","ecommerceId":"anna","email":"a@example.org""#),
        line(3, r#""sessionId":"tablet","ecommerceId":"anna""#),
        line(4, r#""sessionId":"laptop""#),
    ];
    engine.ingest("log", log.concat().as_bytes()).expect("ingested");
    let commit = engine.generation();
    let known =
        |engine: &Engine| known_at(engine, When::Commit(commit))("sessionid", "laptop", None)["customer"].clone();
    let bob = Forget::identity("ecommerceId", "bob").and("email", "a@example.org");
    assert_eq!(engine.forget(&bob).expect("erased").unlinked, 1, "the tablet is not anna's now");
    assert_eq!(known(&engine), "anna");
    engine.forget(&Forget::identity("sessionId", "tablet")).expect("erased");
    assert_eq!(known(&engine), Value::Null);
    assert_eq!(engine.verify().expect("readable").identities, 1);
}
