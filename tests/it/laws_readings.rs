//! The laws of reading: whatever the policy, the lookback and the moment, the engine says what the oracle says, and of a
//! moment what a store says that has read no further.

use proptest::prelude::*;
use serde_json::Value;

use crate::acts::{as_of, law, reading};
use crate::harness::{
    Manner, Packing, append, assert_attributed, assert_view_agrees, attribute_in, diff, events_in,
    expected_attribute_under, in_memory, replay, replayed, resolve, resolve_in, sessions_in, shared, text, totals_in,
    under,
};
use crate::history::history;
use crate::oracle::{self, Belief, Id, Life, Outcome, Policy, Reading, Rules, Verdict, differences, judge};

fn judged(rules: &Rules, lines: &[String]) -> Verdict {
    judge(rules, &[(String::new(), lines.to_vec())])
}

#[test]
fn under_every_reading_the_engine_says_what_the_oracle_says() {
    let readings = prop::collection::vec(reading(), 1..4);
    law(
        "every reading is the oracle's",
        96,
        (history(60), readings, 1..4usize),
        |(history, readings, batch_events)| {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("log");
            append(&file, &text(&history.lines), Packing::Plain);
            let mut engine = in_memory(&history.rules);
            replay(&mut engine, std::slice::from_ref(&file), Manner { batch_events, ..Manner::default() });
            let verdict = judged(&history.rules, &history.lines);
            let mut life = Life::default();
            life.deliver("log", verdict.events.keys().cloned());
            for &reading in &readings {
                let (view, belief) = (under(&engine, reading), life.belief(reading));
                assert_view_agrees(&view, &belief);
                for id in verdict.identities.keys().filter(|id| !belief.identities.contains_key(id)) {
                    assert_eq!(resolve_in(&view, &id.namespace, &id.value), Value::Null, "{id} is not known yet");
                }
                let written = attribute_in(&view, engine.settings(), &file);
                assert_attributed(written, expected_attribute_under(&verdict, 0, &history.lines, &belief));
                assert_short_answers(&engine.resolver(), &verdict, &life, reading);
                let told = differences(&life.belief(readings[0]), &belief);
                assert_eq!(diff(&engine, readings[0], reading), told, "{:?} and {reading:?}", readings[0]);
                assert_eq!(shared(&view), oracle::shared(&life, reading), "{reading:?}");
            }
        },
    );
}

/// What is asked of a resolver for each request of a service.
fn assert_short_answers(resolver: &backstitch::resolver::Resolver, verdict: &Verdict, life: &Life, reading: Reading) {
    let Some(until) = reading.as_of else { return };
    let then = life.belief(Reading { as_of: Some(until), ..Reading::default() });
    let customer = |belief: &Belief, id: &Id| {
        let person = &belief.identities.get(id)?.person;
        person.is_customer().then(|| person.value.clone())
    };
    for id in verdict.identities.keys().filter(|id| id.is_session()) {
        let time = backstitch::model::time::Time::from_micros(until);
        assert_eq!(resolver.customer_as_of(&id.value, time), customer(&then, id), "{id} as of {time}");
        assert_eq!(resolver.customer_of(&id.value), customer(verdict, id), "{id}");
    }
}

#[test]
fn a_moment_is_that_of_the_log_cut_there() {
    law("as of T is the log up to T", 96, (history(60), reading(), as_of()), |(history, reading, until)| {
        let all = judged(&history.rules, &history.lines);
        let upto = history.lines.iter().zip(&all.outcomes[0]).filter(|(_, outcome)| match outcome {
            Outcome::Accepted(event) | Outcome::Duplicate(event) => event.time <= until,
            Outcome::Blank | Outcome::Rejected(_) => true,
        });
        let upto: Vec<&String> = upto.map(|(line, _)| line).collect();
        let (whole, cut) = (replayed(&history.rules, &text(&history.lines)), replayed(&history.rules, &text(&upto)));
        for policy in Policy::ALL {
            let whole = under(&whole, Reading { policy, as_of: Some(until), ..reading });
            let cut = under(&cut, Reading { policy, as_of: None, ..reading });
            assert_eq!(totals_in(&whole), totals_in(&cut), "{policy:?}");
            assert_eq!(sessions_in(&whole), sessions_in(&cut), "{policy:?}");
            for Id { namespace, value, .. } in all.identities.keys() {
                let answer = resolve_in(&whole, namespace, value);
                assert_eq!(answer, resolve_in(&cut, namespace, value), "{policy:?}");
                if !answer.is_null() {
                    assert_eq!(events_in(&whole, namespace, value), events_in(&cut, namespace, value), "{policy:?}");
                }
            }
        }
    });
}

#[test]
fn policies_agree_where_nobody_met_a_second_customer() {
    law("policies agree where nobody met a second customer", 96, history(60), |history| {
        let all = judged(&history.rules, &history.lines);
        let engine = replayed(&history.rules, &text(&history.lines));
        let met_another = |member: &Value, own: &Value| {
            let id = all.id(member.as_str().expect("a text")).expect("known");
            all.met[id].iter().any(|customer| *own != customer.to_string())
        };
        for Id { namespace, value, .. } in all.identities.keys() {
            let first = resolve(&engine, namespace, value);
            let group = first["group"].as_array().expect("a group");
            if group.iter().any(|member| met_another(member, &first["person"])) {
                continue;
            }
            for policy in Policy::ALL {
                let other = resolve_in(&under(&engine, Reading { policy, ..Reading::default() }), namespace, value);
                assert_eq!(other["person"], first["person"], "{policy:?}");
            }
        }
    });
}
