//! Who opted out: what is not taken in, by whatever way it comes, and what stays.

use backstitch::{Activity, Engine, ErrorKind, Identity, Time};

use crate::harness::{Manner, damage_block, replay, text, totals};

/// A line of an event at a second, with identities as they are typed: `sessionId:s ecommerceId:c`.
fn line(second: i64, identities: &str) -> String {
    let pairs: Vec<String> = identities
        .split(' ')
        .map(|typed| typed.split_once(':').expect("namespace:value"))
        .map(|(namespace, value)| format!(r#""{namespace}":"{value}""#))
        .collect();
    format!(r#"{{"timestamp":{second},"id":"e-{second}","user":{{"identities":{{{}}}}}}}"#, pairs.join(","))
}

fn logs(engine: &mut Engine, lines: &[String], force: bool) -> [u64; 3] {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log.ndjson");
    std::fs::write(&file, text(lines)).expect("written");
    let events = replay(engine, &[file], Manner { force, ..Manner::default() }).events;
    assert_eq!(events.read, events.accepted + events.duplicate + events.rejected + events.erased + events.suppressed);
    [events.accepted, events.duplicate, events.suppressed]
}

fn known(engine: &Engine, namespace: &str, value: &str) -> bool {
    engine.resolver().resolve_in(namespace, value).is_some()
}

/// Anna on two devices, and Ben on one of them.
fn anna_and_ben() -> Engine {
    let mut engine = Engine::in_memory();
    let lines = [
        line(1, "sessionId:phone"),
        line(2, "sessionId:phone ecommerceId:anna"),
        line(3, "sessionId:tablet ecommerceId:anna email:a@example.org"),
        line(4, "sessionId:tablet ecommerceId:ben"),
    ];
    assert_eq!(logs(&mut engine, &lines, false), [4, 0, 0]);
    engine
}

#[test]
fn all_identities_of_a_person_opt_out_and_in_together() {
    let mut engine = anna_and_ben();
    let before = totals(&engine);
    let consent = engine.opt_out("email", " a@example.org ").expect("written");
    assert_eq!((consent.identities, consent.changed), (4, true), "email, phone, tablet, anna");
    assert!(!engine.opt_out("ecommerceid", "anna").expect("written").changed, "all of them have");
    assert_eq!(totals(&engine), before, "what is stored stays");
    let later = [
        line(0, "sessionId:phone"),
        line(5, "sessionId:laptop ecommerceId:anna"),
        line(6, "sessionId:tablet ecommerceId:ben"),
        line(7, "sessionId:laptop ecommerceId:ben"),
    ];
    assert_eq!(logs(&mut engine, &later, false), [1, 0, 3], "whatever its time is, also of others on her device");
    assert_eq!(engine.resolver().resolve("laptop").expect("known").customer.as_deref(), Some("ben"));
    let rows = engine.opt_outs();
    let names: Vec<String> = rows.iter().filter_map(|row| row.identity.as_ref()).map(Identity::to_string).collect();
    assert_eq!(names, ["ecommerceId:anna", "email:a@example.org", "sessionId:phone", "sessionId:tablet"]);
    assert_eq!(engine.opt_in("sessionId", "tablet").expect("written").identities, 4);
    assert!(engine.opt_outs().is_empty() && !engine.opt_in("sessionId", "tablet").expect("written").changed);
    assert!(!known(&engine, "sessionId", "phone2"), "nothing comes back by itself");
    assert_eq!(logs(&mut engine, &later, true), [3, 1, 0]);
}

#[test]
fn one_who_opts_in_does_not_speak_for_another() {
    let mut engine = anna_and_ben();
    engine.opt_out("ecommerceId", "anna").expect("written");
    engine.unlink("tablet", "anna").expect("written");
    assert_eq!(engine.opt_out("ecommerceId", "ben").expect("written").identities, 2, "the tablet is Ben's now");
    assert_eq!(engine.opt_in("ecommerceId", "ben").expect("written").identities, 2);
    let later = [line(5, "sessionId:tablet"), line(6, "ecommerceId:ben"), line(7, "ecommerceId:anna")];
    assert_eq!(logs(&mut engine, &later, false), [1, 0, 2], "Anna opted out on it, and did not opt in");
    engine.opt_in("ecommerceId", "anna").expect("written");
    assert_eq!(logs(&mut engine, &later, true), [2, 1, 0]);
}

#[test]
fn nothing_of_what_is_suppressed_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let mut engine = Engine::open(&path).expect("made");
    engine.opt_out("sessionId", "nobody-knows-me").expect("written");
    let mut lines: Vec<String> =
        (0..50).map(|second| line(second, "sessionId:nobody-knows-me email:secret@example.org")).collect();
    lines.push(line(60, "sessionId:known"));
    assert_eq!(logs(&mut engine, &lines, false), [1, 0, 50]);
    let view = engine.resolver().view();
    assert_eq!((view.graph_counts().identities, totals(&engine).0[4]), (1, 1));
    let pushed = engine
        .push(
            "shop",
            [
                Activity::at(Time::from_micros(1))
                    .identity("sessionId", "nobody-knows-me")
                    .identity("email", "secret@example.org"),
                Activity::at(Time::from_micros(2)).identity("sessionId", "known"),
            ],
            "2",
        )
        .expect("pushed");
    assert_eq!((pushed.accepted, pushed.duplicate, pushed.suppressed), (1, 0, 1));
    drop((engine, view));
    for file in walkdir::WalkDir::new(&path).into_iter().filter_map(Result::ok).filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).expect("readable");
        for value in ["nobody-knows-me", "secret@example.org"] {
            let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
            assert!(!found, "{value} in {}", file.path().display());
        }
    }
    let engine = Engine::open(&path).expect("there");
    assert_eq!(engine.opt_outs().len(), 1);
    assert_eq!(engine.opt_outs()[0].identity, None, "only the hash is known");
    assert!(engine.verify().expect("readable").is_sound());
}

#[test]
fn what_cannot_be_an_identity_is_refused() {
    let mut engine = Engine::in_memory();
    let long = "x".repeat(1_025);
    for (namespace, value) in [("sessionId", " "), ("sessionId", &*long), ("a:b", "c"), ("", "c")] {
        for done in [engine.opt_out(namespace, value), engine.opt_in(namespace, value)] {
            assert_eq!(done.err().map(|error| error.kind()), Some(ErrorKind::Argument), "{namespace}:{value}");
        }
    }
}

#[test]
fn opt_outs_move_with_the_facts_and_outlive_a_repair() {
    let mut engine = anna_and_ben();
    engine.opt_out("ecommerceId", "anna").expect("written");
    let mut facts = Vec::new();
    assert_eq!(engine.export_facts(&mut facts).expect("exported").barred, 4);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let later = [line(5, "sessionId:phone"), line(6, "ecommerceId:ben")];
    // What was stored before the opt-out is taken over. A second time, what is known is not counted twice.
    let (mut made, imported) = Engine::import_facts(&path, &facts[..]).expect("taken in");
    assert_eq!((imported.accepted, imported.suppressed, imported.barred), (4, 0, 4));
    assert_eq!((totals(&made), made.opt_outs()), (totals(&engine), engine.opt_outs()));
    assert_eq!(logs(&mut made, &later, false), [1, 0, 1]);
    drop(made);
    let (made, imported) = Engine::import_facts(&path, &facts[..]).expect("taken in again");
    assert_eq!((imported.accepted, imported.duplicate, imported.suppressed, imported.barred), (0, 0, 4, 0));
    // A store of its own key keeps its own opt-outs, too.
    let mut other = anna_and_ben();
    other.opt_out("ecommerceId", "ben").expect("written");
    let mut more = Vec::new();
    other.export_facts(&mut more).expect("exported");
    drop(made);
    let (made, imported) = Engine::import_facts(&path, &more[..]).expect("taken in");
    assert_eq!((imported.barred, made.opt_outs().len()), (1, 5));
    drop(made);
    damage_block(&path, "identities");
    let (mut repaired, told) = Engine::repair(&path).expect("repaired");
    assert_eq!((told.rewritten, told.lost_bars, repaired.opt_outs().len()), (true, 0, 5));
    assert_eq!(logs(&mut repaired, &[line(8, "ecommerceId:ben"), line(9, "sessionId:phone")], false), [0, 0, 2]);
    drop(repaired);
    damage_block(&path, "barred");
    let (repaired, told) = Engine::repair(&path).expect("repaired");
    assert_eq!((told.rewritten, told.lost_bars > 0), (true, true));
    assert!(repaired.verify().expect("readable").is_sound());
}
