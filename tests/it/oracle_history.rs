//! The judge judged on what it says of other policies, other moments, undoing, and what a commit changes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::acts::{Act, Course, course, erasing_course, law, reading};
use crate::history::history;
use crate::oracle::{Belief, Cause, Id, Life, Policy, Reading, Rules, changes, differences, shared};
use crate::oracle_checks::lines;
use crate::side_by_side::events_of;

const SECOND: i64 = 1_000_000;

/// A phone that anna and ben pass to each other.
const PHONE: [(i64, &str); 6] = [
    (1, "sessionId:s"),
    (2, "sessionId:s ecommerceId:anna"),
    (3, "sessionId:s"),
    (4, "sessionId:s ecommerceId:ben"),
    (5, "sessionId:s"),
    (5, "sessionId:s sku:x"),
];

fn under(policy: Policy) -> Reading {
    Reading { policy, ..Reading::default() }
}

/// A store that read each log as a source of its own: "0", "1", …
fn life(logs: &[&[(i64, &str)]]) -> Life {
    let mut life = Life::default();
    for (at, log) in logs.iter().enumerate() {
        life.deliver(&at.to_string(), events_of(&Rules::default(), &lines(log)));
    }
    life
}

/// Second, person and kind of the events that carry no customer, as one text each.
fn told(belief: &Belief) -> Vec<String> {
    let carried = belief.events.iter().filter(|(_, (_, kind))| *kind != "direct");
    carried.map(|(event, (who, kind))| format!("{} {} {kind}", event.time / SECOND, who.value)).collect()
}

/// Person, second since when, and group.
fn answer(belief: &Belief, identity: &str) -> (String, Option<i64>, Vec<String>) {
    let answer = &belief.identities[belief.id(identity).expect("known")];
    let group = answer.group.iter().map(Id::to_string).collect();
    (answer.person.to_string(), answer.since.map(|since| since / SECOND), group)
}

fn person(belief: &Belief, identity: &str) -> (String, Option<i64>) {
    let (person, since, _) = answer(belief, identity);
    (person, since)
}

#[test]
fn a_shared_phone_under_the_four_policies() {
    let phone = life(&[&PHONE]);
    let expected = [
        (Policy::FirstLogin, ["1 anna retroactive", "3 anna carried", "5 anna carried", "5 anna carried"]),
        (Policy::DeviceSplit, ["1 anna retroactive", "3 anna carried", "5 ben carried", "5 ben carried"]),
        (Policy::LastLogin, ["1 ben retroactive", "3 ben retroactive", "5 ben carried", "5 ben carried"]),
        (Policy::Strict, ["1 s anonymous", "3 s anonymous", "5 s anonymous", "5 s anonymous"]),
    ];
    for (policy, events) in expected {
        let belief = phone.belief(under(policy));
        assert_eq!(told(&belief), events, "{policy:?}");
        let direct = belief.events.values().filter(|(_, kind)| *kind == "direct").map(|(who, _)| who.value.clone());
        assert_eq!(direct.collect::<Vec<_>>(), ["anna", "ben"], "{policy:?}");
        assert_eq!((belief.shared_sessions, belief.customers), (1, 2), "{policy:?}");
        assert_eq!(belief.linked_sessions, u64::from(policy != Policy::Strict), "{policy:?}");
    }
}

#[test]
fn the_person_of_a_shared_phone_under_the_four_policies() {
    let phone = life(&[&PHONE]);
    let group = |members: &[&str]| members.iter().map(|member| (*member).to_owned()).collect::<Vec<_>>();
    let (anna, ben) = ("ecommerceId:anna", "ecommerceId:ben");
    let first = phone.belief(under(Policy::FirstLogin));
    let with_sku = group(&["sessionId:s", "sku:x", anna]);
    assert_eq!(answer(&first, "sessionId:s"), (anna.into(), Some(2), with_sku));
    for policy in [Policy::DeviceSplit, Policy::LastLogin] {
        let belief = phone.belief(under(policy));
        assert_eq!(answer(&belief, "sessionId:s"), (ben.into(), Some(4), group(&["sessionId:s", ben])));
        assert_eq!(answer(&belief, "sku:x"), (anna.into(), Some(5), group(&["sku:x", anna])), "no session: as ever");
    }
    let strict = phone.belief(under(Policy::Strict));
    assert_eq!(answer(&strict, "sessionId:s"), ("sessionId:s".into(), None, group(&["sessionId:s"])));
    assert_eq!(answer(&strict, ben), (ben.into(), None, group(&[ben])));
}

#[test]
fn a_customer_who_logs_in_twice_is_there_since_the_first_time() {
    let log = [
        (1, "sessionId:s"),
        (2, "sessionId:s ecommerceId:ben"),
        (3, "sessionId:s"),
        (4, "sessionId:s ecommerceId:anna"),
        (5, "sessionId:s"),
        (6, "sessionId:s ecommerceId:ben"),
        (7, "sessionId:s"),
    ];
    let twice = life(&[&log]);
    let last = twice.belief(under(Policy::LastLogin));
    assert_eq!(told(&last), ["1 ben retroactive", "3 ben carried", "5 ben carried", "7 ben carried"]);
    assert_eq!(person(&last, "sessionId:s"), ("ecommerceId:ben".into(), Some(2)));
    let split = twice.belief(under(Policy::DeviceSplit));
    assert_eq!(told(&split), ["1 ben retroactive", "3 ben carried", "5 anna carried", "7 ben carried"]);
}

#[test]
fn logins_of_one_moment_go_by_their_value() {
    let log = [
        (1, "sessionId:s"),
        (2, "sessionId:s ecommerceId:b"),
        (2, "sessionId:s ecommerceId:B"),
        (2, "sessionId:s"),
        (3, "sessionId:s"),
    ];
    let split = life(&[&log]).belief(under(Policy::DeviceSplit));
    assert_eq!(
        told(&split),
        ["1 B retroactive", "2 b carried", "3 b carried"],
        "before, the least; from then on, the greatest"
    );
    let last = life(&[&log]).belief(under(Policy::LastLogin));
    assert_eq!(told(&last), ["1 b retroactive", "2 b carried", "3 b carried"]);
}

#[test]
fn without_logins_of_its_own_a_session_follows_its_group() {
    let log = [(1, "sessionId:s"), (2, "sessionId:s email:e"), (3, "email:e ecommerceId:c"), (4, "sessionId:s")];
    for policy in Policy::ALL {
        let belief = life(&[&log]).belief(under(policy));
        assert_eq!(told(&belief), ["1 c retroactive", "2 c retroactive", "4 c carried"], "{policy:?}");
        assert_eq!(person(&belief, "sessionId:s"), ("ecommerceId:c".into(), Some(3)), "{policy:?}");
    }
}

#[test]
fn a_login_of_its_own_comes_before_the_group_where_policies_follow_logins() {
    // The address made s anna's; then ben logs in on it, and nobody else ever does.
    let log = [(1, "sessionId:s email:e"), (2, "email:e ecommerceId:anna"), (3, "sessionId:s ecommerceId:ben")];
    let persons = Policy::ALL.map(|policy| person(&life(&[&log]).belief(under(policy)), "sessionId:s").0);
    assert_eq!(persons, ["ecommerceId:anna", "ecommerceId:ben", "ecommerceId:ben", "sessionId:s"]);
}

#[test]
fn a_lookback_reaches_exactly_so_far() {
    let reach = |policy, lookback| {
        told(&life(&[&PHONE]).belief(Reading { policy, lookback: Some(lookback), as_of: None }))[..2].to_vec()
    };
    for policy in [Policy::FirstLogin, Policy::DeviceSplit] {
        assert_eq!(reach(policy, SECOND), ["1 anna retroactive", "3 anna carried"], "{policy:?}");
        assert_eq!(reach(policy, SECOND - 1), ["1 s anonymous", "3 anna carried"], "{policy:?}");
    }
    assert_eq!(reach(Policy::LastLogin, 3 * SECOND), ["1 ben retroactive", "3 ben retroactive"]);
    assert_eq!(reach(Policy::LastLogin, 3 * SECOND - 1), ["1 s anonymous", "3 ben retroactive"]);
    assert_eq!(reach(Policy::LastLogin, SECOND - 1), ["1 s anonymous", "3 s anonymous"]);
    let session = person(&life(&[&PHONE]).belief(Reading { lookback: Some(1), ..Reading::default() }), "sessionId:s");
    assert_eq!(session, ("ecommerceId:anna".into(), Some(2)), "whose a session is does not depend on it");
}

#[test]
fn what_lies_too_far_back_stays_with_the_session_not_with_its_group() {
    let log = [(1, "sessionId:a email:e"), (2, "sessionId:b email:e"), (9, "email:e ecommerceId:c")];
    let belief = life(&[&log]).belief(Reading { lookback: Some(SECOND), ..Reading::default() });
    assert_eq!(told(&belief), ["1 a anonymous", "2 b anonymous"]);
}

#[test]
fn as_of_a_moment_nothing_later_is_known() {
    let phone = life(&[&PHONE]);
    let then = |policy, as_of| phone.belief(Reading { policy, lookback: None, as_of: Some(as_of) });
    let before = then(Policy::LastLogin, 2 * SECOND - 1);
    assert_eq!(told(&before), ["1 s anonymous"]);
    assert!(before.id("ecommerceId:anna").is_none());
    let at = then(Policy::LastLogin, 2 * SECOND);
    assert_eq!((told(&at), at.shared_sessions), (vec!["1 anna retroactive".to_owned()], 0), "at the moment itself too");
    let strict = then(Policy::Strict, 4 * SECOND - 1);
    assert_eq!(told(&strict), ["1 anna retroactive", "3 anna carried"]);
    assert_eq!(told(&then(Policy::Strict, 4 * SECOND)), ["1 s anonymous", "3 s anonymous"]);
}

#[test]
fn an_unlinked_pair_never_met_but_its_events_stay() {
    let mut phone = life(&[&PHONE]);
    let seen = phone.belief(Reading::default()).digest;
    phone.unlink(&Id::session("s"), &Id::customer("anna"));
    for policy in Policy::ALL {
        let belief = phone.belief(under(policy));
        let ben = ["1 ben retroactive", "3 ben retroactive", "5 ben carried", "5 ben carried"];
        assert_eq!(told(&belief), ben, "{policy:?}");
        assert_eq!(person(&belief, "sessionId:s"), ("ecommerceId:ben".into(), Some(4)), "{policy:?}");
        assert_eq!(
            (belief.shared_sessions, belief.links.len(), belief.refused.len()),
            (0, 3, 0),
            "kept among the facts"
        );
        let direct = belief.events.values().filter(|(_, kind)| *kind == "direct").map(|(who, _)| who.value.clone());
        assert_eq!(direct.collect::<Vec<_>>(), ["anna", "ben"], "{policy:?}");
    }
    phone.unlink(&Id::session("s"), &Id::customer("ben"));
    let nobody = phone.belief(Reading::default());
    assert_eq!(told(&nobody), ["1 s anonymous", "3 s anonymous", "5 s anonymous", "5 s anonymous"]);
    phone.relink(&Id::session("s"), &Id::customer("ben"));
    phone.relink(&Id::session("s"), &Id::customer("anna"));
    assert_eq!(phone.belief(Reading::default()).digest, seen);
}

#[test]
fn an_event_that_another_source_delivered_stays() {
    let mut both = life(&[&PHONE[..3], &PHONE[2..]]);
    both.retract_source("0");
    assert_eq!(both.belief(Reading::default()).digest, life(&[&PHONE[2..]]).belief(Reading::default()).digest);
    assert!(both.belief(Reading::default()).id("ecommerceId:anna").is_none(), "that no event carries any more");
    both.retract_source("1");
    assert_eq!((both.events().count(), both.belief(Reading::default()).digest), (0, "0".repeat(32)));
}

#[test]
fn an_id_takes_all_its_events_with_it() {
    let with =
        |id: &str, at: i64| format!(r#"{{"id":{id},"timestamp":{at},"user":{{"identities":{{"sessionId":"s"}}}}}}"#);
    let mut life = Life::default();
    let log = [with("7", 1), with("\"7\"", 2), with("\"07\"", 3), with("\"77\"", 4)];
    life.deliver("a", events_of(&Rules::default(), &log));
    life.deliver("b", events_of(&Rules::default(), &log));
    life.retract_id("7");
    let ids: Vec<String> = life.events().filter_map(|event| event.id().map(str::to_owned)).collect();
    assert_eq!(ids, ["07", "77"]);
}

#[test]
fn two_policies_side_by_side() {
    let mut phone = life(&[&PHONE]);
    let told = |phone: &Life, a, b| differences(&phone.belief(under(a)), &phone.belief(under(b)));
    let expected =
        json!({"session": "s", "from": "ecommerceId:anna", "to": "ecommerceId:ben", "events": 6, "moved": 2});
    assert_eq!(told(&phone, Policy::FirstLogin, Policy::DeviceSplit), [expected]);
    let expected = json!({"session": "s", "from": "ecommerceId:ben", "to": "sessionId:s", "events": 6, "moved": 4});
    assert_eq!(told(&phone, Policy::LastLogin, Policy::Strict), [expected]);
    let person = |who, events| json!({"person": who, "events": events});
    let (anna, ben) = ("ecommerceId:anna", "ecommerceId:ben");
    let expected = json!({"session": "s", "events": 6, "anonymous": 4,
        "customers": [{"customer": anna, "logins": 1}, {"customer": ben, "logins": 1}], "shares": [
        {"policy": "first-login", "people": [person(anna, 5), person(ben, 1)]},
        {"policy": "device-split", "people": [person(anna, 3), person(ben, 3)]},
        {"policy": "last-login", "people": [person(anna, 1), person(ben, 5)]},
        {"policy": "strict", "people": [person("sessionId:s", 4), person(anna, 1), person(ben, 1)]},
    ]});
    assert_eq!(shared(&phone, Reading::default()), [expected]);
    phone.unlink(&Id::session("s"), &Id::customer("anna"));
    assert!(shared(&phone, Reading::default()).is_empty());
    assert!(told(&phone, Policy::FirstLogin, Policy::LastLogin).is_empty());
}

#[test]
fn two_moments_side_by_side() {
    let phone = life(&[&PHONE]);
    let at = |second| phone.belief(Reading { as_of: Some(second * SECOND), ..Reading::default() });
    let expected = json!({"session": "s", "from": null, "to": "sessionId:s", "events": 1, "moved": 0});
    assert_eq!(differences(&at(0), &at(1)), [expected]);
    let expected = json!({"session": "s", "from": "sessionId:s", "to": "ecommerceId:anna", "events": 3, "moved": 1});
    assert_eq!(differences(&at(1), &at(3)), [expected], "the login itself was not known before");
}

/// Session, person before and after, how many moved from when to when, and what its cause must be.
type Told = (String, Option<String>, Option<String>, u64, Option<String>, Option<String>, &'static str);

fn changed(before: &Life, after: &Life) -> Vec<Told> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    changes(&before.belief(Reading::default()), &after.belief(Reading::default()))
        .into_iter()
        .map(|change| {
            let record = &change.record;
            let cause = match change.cause {
                Cause::Nobody => "nobody",
                Cause::Joined(_) => "joined",
                Cause::Within(_) => "within",
                Cause::Perhaps(_) => "perhaps",
            };
            let moved = record["moved"].as_u64().expect("a number");
            (
                change.session,
                text(&record["from"]),
                text(&record["to"]),
                moved,
                text(&record["first"]),
                text(&record["last"]),
                cause,
            )
        })
        .collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_login_moves_what_lay_before_it() {
    let quiet = [(1, "sessionId:s"), (3, "sessionId:s"), (1, "sessionId:t")];
    let before = life(&[&quiet]);
    let after = life(&[&quiet, &[(5, "sessionId:s ecommerceId:c"), (6, "sessionId:t"), (7, "sessionId:u")]]);
    let (s, c) = (some("sessionId:s"), some("ecommerceId:c"));
    let first = (some("1970-01-01T00:00:01.000Z"), some("1970-01-01T00:00:03.000Z"));
    let (t, u) = (some("sessionId:t"), some("sessionId:u"));
    let expected = [
        ("s".to_owned(), s, c, 2, first.0, first.1, "joined"),
        ("t".to_owned(), t.clone(), t, 0, None, None, "nobody"),
        ("u".to_owned(), None, u, 0, None, None, "perhaps"),
    ];
    assert_eq!(changed(&before, &after), expected);
    assert!(changed(&after, &after).is_empty());
}

#[test]
fn direct_events_never_move_and_a_late_link_does_not_have_to() {
    // Ben was first after all: what anna did stays hers.
    let known = [(2, "sessionId:s ecommerceId:anna"), (3, "sessionId:s")];
    let late = [(1, "sessionId:s ecommerceId:ben")];
    let at = some("1970-01-01T00:00:03.000Z");
    let expected = ("s".to_owned(), some("ecommerceId:anna"), some("ecommerceId:ben"), 1, at.clone(), at, "joined");
    assert_eq!(changed(&life(&[&known]), &life(&[&known, &late])), [expected]);
    // An earlier login of the same customer only moves the moment.
    let earlier = [(1, "sessionId:s ecommerceId:anna")];
    let anna = some("ecommerceId:anna");
    let expected = ("s".to_owned(), anna.clone(), anna, 0, None, None, "joined");
    assert_eq!(changed(&life(&[&known]), &life(&[&known, &earlier])), [expected]);
}

#[test]
fn a_group_of_nobody_gets_another_name_and_a_session_goes() {
    let one = [(2, "sessionId:b email:e")];
    let two = [(1, "sessionId:a email:e")];
    let (before, after) = (life(&[&one]), life(&[&one, &two]));
    let (a, b) = (some("sessionId:a"), some("sessionId:b"));
    let at = some("1970-01-01T00:00:02.000Z");
    let new = ("a".to_owned(), None, a.clone(), 0, None, None, "perhaps");
    let named = ("b".to_owned(), b, a, 1, at.clone(), at, "within");
    assert_eq!(changed(&before, &after), [new, named]);
    let gone = changes(&after.belief(Reading::default()), &before.belief(Reading::default()));
    let expected = json!({"session": "a", "events": 0, "since": null, "from": "sessionId:a", "to": null,
        "moved": 0, "first": null, "last": null});
    assert_eq!((&gone[0].record, &gone[0].cause), (&expected, &Cause::Nobody));
}

/// A printed record, held against a commit of two events.
fn printed(link: Value, event: impl Fn(&Belief) -> Value) {
    let quiet = life(&[&[(1, "sessionId:s")]]).belief(Reading::default());
    let after = life(&[&[(1, "sessionId:s"), (2, "sessionId:s ecommerceId:c"), (3, "sessionId:s ecommerceId:c")]]);
    let after = after.belief(Reading::default());
    let record = json!({"sequence": 4, "session": "s", "events": 3, "since": "1970-01-01T00:00:02.000Z",
        "from": "sessionId:s", "to": "ecommerceId:c", "moved": 1, "first": "1970-01-01T00:00:01.000Z",
        "last": "1970-01-01T00:00:01.000Z", "link": link, "event": event(&after)});
    changes(&quiet, &after)[0].assert_printed(&record, &after);
}

fn event_at(belief: &Belief, second: i64) -> Value {
    let event = belief.events.keys().find(|event| event.time == second * SECOND).expect("stored");
    json!(format!("{:032x}", event.hash()))
}

#[test]
fn a_printed_record_names_the_link_and_its_first_event() {
    printed(json!(["sessionId:s", "ecommerceId:c"]), |after| event_at(after, 2));
}

#[test]
#[should_panic(expected = "not their first event")]
fn a_later_event_of_the_link_is_not_the_cause() {
    printed(json!(["sessionId:s", "ecommerceId:c"]), |after| event_at(after, 3));
}

#[test]
#[should_panic(expected = "sessionId:s")]
fn a_record_of_a_login_without_a_link_is_wrong() {
    printed(Value::Null, |_| Value::Null);
}

/// A session that met no customer but its own is the same under all policies.
#[test]
fn policies_agree_where_nobody_met_a_second_customer() {
    law("the oracle's policies agree", 128, history(60), |history| {
        let life = life_of(&history.rules, &[history.lines]);
        let first = life.belief(Reading::default());
        let met_another = |member: &Id, own: &Id| first.met[member].iter().any(|customer| customer != own);
        for policy in Policy::ALL {
            let other = life.belief(under(policy));
            for (id, answer) in &first.identities {
                if !answer.group.iter().any(|member| met_another(member, &answer.person)) {
                    assert_eq!(other.identities[id].person, answer.person, "{id} under {policy:?}");
                }
            }
        }
    });
}

fn life_of(rules: &Rules, pieces: &[Vec<String>]) -> Life {
    let mut life = Life::default();
    for (at, lines) in pieces.iter().enumerate() {
        life.deliver(&at.to_string(), events_of(rules, lines));
    }
    life
}

/// A lookback only takes from the retroactive, and one without an end takes nothing.
#[test]
fn a_lookback_only_takes() {
    law("the oracle's lookback only takes", 128, (history(60), reading()), |(history, reading)| {
        let life = life_of(&history.rules, &[history.lines]);
        let all = life.belief(Reading { lookback: None, ..reading });
        assert_eq!(life.belief(Reading { lookback: Some(i64::MAX), ..reading }).digest, all.digest);
        for (event, (person, kind)) in life.belief(reading).events {
            let (whose, how) = &all.events[&event];
            assert!(
                (&person, kind) == (whose, *how)
                    || (&person, kind, *how) == (event.anchor(), "anonymous", "retroactive")
            );
        }
    });
}

/// What the courses must bring about, or the laws over them say little.
#[test]
fn courses_are_as_wild_as_they_should_be() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..400 {
        let (course, reading) = (course(60, 16), reading()).new_tree(&mut runner).expect("no filter").current();
        let Course { rules, pieces, acts } = course;
        let (mut life, mut suppressed) = (Life::default(), 0);
        let events: Vec<_> = pieces.iter().map(|piece| events_of(&rules, piece)).collect();
        for act in &acts {
            let before = (life.belief(Reading::default()), life.belief(reading));
            let what = match act {
                Act::Replay { pieces, .. } => {
                    for at in pieces {
                        suppressed += life.deliver(&at.to_string(), events[*at].clone()).suppressed;
                    }
                    "replay"
                }
                Act::Unlink(session, customer) => {
                    life.unlink(session, customer);
                    "unlink"
                }
                Act::Relink(session, customer) => {
                    life.relink(session, customer);
                    "relink"
                }
                Act::Rename(old, new) => {
                    life.renamed.insert(old.clone(), new.clone());
                    "rename"
                }
                Act::RenameBack(old) => {
                    life.renamed.remove(old);
                    "rename back"
                }
                Act::SetAside(id) => {
                    life.aside.insert(id.clone());
                    "set aside"
                }
                Act::Release(id) => {
                    life.aside.remove(id);
                    "release"
                }
                Act::RetractSource(piece) => {
                    life.retract_source(&piece.to_string());
                    "retract a source"
                }
                Act::RetractEvent(id) => {
                    life.retract_id(id);
                    "retract an event"
                }
                Act::OptOut(id) => {
                    life.opt_out(id);
                    "nothing"
                }
                Act::OptIn(id) => {
                    life.opt_in(id);
                    "nothing"
                }
                Act::Forget { .. } | Act::Readmit(_) => panic!("a course without erasures"),
                Act::Restart => "nothing",
            };
            let after = (life.belief(Reading::default()), life.belief(reading));
            let mut meet = |what, times: usize| *met.entry(what).or_default() += times;
            meet("suppressed", usize::from(std::mem::take(&mut suppressed) > 0));
            meet(what, usize::from(before.0.digest != after.0.digest));
            meet("reading", usize::from(after.0.digest != after.1.digest));
            for change in changes(&before.0, &after.0) {
                let record = &change.record;
                meet("moved", usize::from(record["moved"] != json!(0)));
                meet("gone", usize::from(record["to"].is_null()));
                meet("joined", usize::from(matches!(change.cause, Cause::Joined(_))));
                meet("within", usize::from(matches!(change.cause, Cause::Within(_))));
                meet(
                    "another moment",
                    usize::from(record["from"] == record["to"] && matches!(change.cause, Cause::Joined(_))),
                );
            }
        }
    }
    assert_eq!(met.get("nothing"), Some(&0));
    for what in [
        "replay",
        "unlink",
        "relink",
        "rename",
        "rename back",
        "set aside",
        "retract a source",
        "retract an event",
        "suppressed",
        "reading",
        "moved",
        "gone",
        "joined",
        "within",
        "another moment",
    ] {
        assert!(met.get(what).copied().unwrap_or(0) > 20, "{what} is too rare: {met:?}");
    }
}

/// Likewise of erasures: events go, some only up to a moment, links are cut, and all of it is taken back.
#[test]
fn erasures_are_as_wild_as_they_should_be() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..400 {
        let Course { rules, pieces, acts } = erasing_course(60, 16).new_tree(&mut runner).expect("no filter").current();
        let mut life = Life::default();
        for act in &acts {
            let before = life.clone();
            match act {
                Act::Replay { pieces: read, .. } => {
                    for at in read {
                        let refused = life.deliver(&at.to_string(), events_of(&rules, &pieces[*at]));
                        *met.entry("refused").or_default() += usize::from(refused.erased > 0);
                    }
                }
                Act::Forget { ids, whole_person, until } => {
                    life.forget(ids, *whole_person, *until);
                    let cut = life.erased.last().is_some_and(|erasure| !erasure.cuts.is_empty());
                    *met.entry("cut").or_default() += usize::from(cut);
                    let went = before.delivered.len() > life.delivered.len();
                    let what = if until.is_some() { "bounded" } else { "forgotten" };
                    *met.entry(what).or_default() += usize::from(went);
                }
                Act::Readmit(id) => {
                    life.readmit(id);
                    *met.entry("readmitted").or_default() += usize::from(before.erased != life.erased);
                }
                _ => {}
            }
        }
    }
    for (what, often) in [("refused", 20), ("cut", 3), ("bounded", 20), ("forgotten", 100), ("readmitted", 50)] {
        assert!(met.get(what).copied().unwrap_or(0) > often, "{what} is too rare: {met:?}");
    }
}
