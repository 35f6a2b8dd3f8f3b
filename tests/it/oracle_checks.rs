//! The judge judged: figures worked out elsewhere, examples worked out by hand, and the rule formulated again.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::history::{cases, history};
use crate::oracle::{Event, Id, KINDS, Link, Outcome, Rules, Verdict, judge};
use crate::real::diginetica;

fn verdict(lines: &[&str]) -> Verdict {
    verdict_under(&Rules::default(), lines)
}

fn verdict_under(rules: &Rules, lines: &[&str]) -> Verdict {
    judge(rules, &[("log".to_owned(), lines.to_vec())])
}

/// `at(5, "sessionId:s ecommerceId:c")`
pub fn at(seconds: i64, identities: &str) -> String {
    let pairs: Vec<String> = identities
        .split(' ')
        .map(|identity| {
            let (name, value) = identity.split_once(':').expect("namespace:value");
            format!("\"{name}\":\"{value}\"")
        })
        .collect();
    format!(r#"{{"timestamp":{},"user":{{"identities":{{{}}}}}}}"#, seconds, pairs.join(","))
}

/// The person of an identity and the second since when.
fn answer(verdict: &Verdict, identity: &str) -> (String, Option<i64>) {
    let answer = &verdict.identities[verdict.id(identity).expect("known")];
    (answer.person.to_string(), answer.since.map(|since| since / 1_000_000))
}

fn kinds(verdict: &Verdict) -> Vec<(i64, String, &'static str)> {
    verdict.events.iter().map(|(event, (who, kind))| (event.time / 1_000_000, who.to_string(), *kind)).collect()
}

pub fn lines(log: &[(i64, &str)]) -> Vec<String> {
    log.iter().map(|(seconds, identities)| at(*seconds, identities)).collect()
}

fn judged(log: &[(i64, &str)]) -> Verdict {
    judge(&Rules::default(), &[("log".to_owned(), lines(log))])
}

#[test]
#[ignore = "needs the real log: tests/it/real.rs says where"]
fn the_figures_of_the_real_log() {
    let all = judge(&Rules::default(), &[("diginetica".to_owned(), diginetica())]);
    let counts = &all.counts;
    assert_eq!((counts.read, counts.accepted, counts.duplicate, counts.rejected), (18_025, 17_997, 28, 0));
    assert_eq!(all.attribution, [6_701, 51, 75, 11_170]);
    assert_eq!((all.sessions, all.customers, all.linked_sessions, all.shared_sessions), (12_630, 4_425, 4_585, 8));
    let anchors = |word| {
        all.events
            .iter()
            .filter(|(_, (_, kind))| *kind == word)
            .map(|(event, _)| event.anchor())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!((anchors("retroactive").len(), anchors("carried").len()), (22, 35));
}

#[test]
fn before_and_after_a_login() {
    let all = judged(&[
        (1, "sessionId:s"),
        (2, "sessionId:s ecommerceId:anna"),
        (2, "sessionId:s sku:x"),
        (3, "sessionId:s"),
    ]);
    assert_eq!(answer(&all, "sessionId:s"), ("ecommerceId:anna".into(), Some(2)));
    assert_eq!(answer(&all, "ecommerceId:anna"), ("ecommerceId:anna".into(), None));
    let words: Vec<_> = kinds(&all).into_iter().map(|(time, _, kind)| (time, kind)).collect();
    assert_eq!(words.len(), 4);
    assert_eq!((words[0], words[3]), ((1, "retroactive"), (3, "carried")));
    assert!(words.contains(&(2, "direct")) && words.contains(&(2, "carried")), "at the moment itself: carried");
}

#[test]
fn the_second_customer_on_a_session_is_refused_but_keeps_what_is_theirs() {
    let all = judged(&[
        (1, "sessionId:s"),
        (2, "sessionId:s ecommerceId:anna"),
        (3, "sessionId:s ecommerceId:ben"),
        (4, "sessionId:s"),
    ]);
    assert_eq!(answer(&all, "sessionId:s").0, "ecommerceId:anna");
    assert_eq!(
        kinds(&all).into_iter().map(|(_, who, _)| who).collect::<Vec<_>>(),
        ["ecommerceId:anna", "ecommerceId:anna", "ecommerceId:ben", "ecommerceId:anna"]
    );
    assert_eq!((all.shared_sessions, all.linked_sessions, all.refused.len()), (1, 1, 1));
    assert_eq!(all.refused[0].higher.to_string(), "ecommerceId:ben");
}

#[test]
fn a_tie_between_two_customers_goes_to_the_one_lower_in_bytes() {
    let all =
        judged(&[(1, "sessionId:s ecommerceId:b"), (1, "sessionId:s ecommerceId:B"), (1, "sessionId:s ecommerceId:a")]);
    assert_eq!(answer(&all, "sessionId:s").0, "ecommerceId:B");
}

#[test]
fn links_of_one_moment_are_taken_by_their_higher_end_first() {
    // By the higher end the address joins both sessions before any customer does, and then the lower customer comes
    // first. By the lower end the first session would have met its customer, b, before the second came in.
    let all = judged(&[
        (1, "sessionId:s1 ecommerceId:b"),
        (1, "sessionId:s1 email:e"),
        (1, "sessionId:s2 email:e"),
        (1, "sessionId:s2 ecommerceId:a"),
    ]);
    for identity in ["sessionId:s1", "sessionId:s2", "email:e"] {
        assert_eq!(answer(&all, identity).0, "ecommerceId:a", "{identity}");
    }
}

#[test]
fn two_hops_take_the_later_of_their_links() {
    // Session - device at 5, device - e-mail at 2, e-mail - customer at 3.
    let all = judged(&[
        (5, "sessionId:s deviceId:d"),
        (2, "deviceId:d email:e"),
        (3, "email:e ecommerceId:c"),
        (1, "sessionId:s"),
        (6, "sessionId:s"),
    ]);
    for (identity, since) in [("sessionId:s", Some(5)), ("deviceid:d", Some(3)), ("email:e", Some(3))] {
        assert_eq!(answer(&all, identity), ("ecommerceId:c".into(), since), "{identity}");
    }
    assert_eq!(all.shared_sessions, 0);
    let words: Vec<_> = kinds(&all).into_iter().map(|(time, _, kind)| (time, kind)).collect();
    assert_eq!(words, [(1, "retroactive"), (2, "retroactive"), (3, "direct"), (5, "carried"), (6, "carried")]);
}

#[test]
fn lower_identities_are_linked_to_the_highest_alone() {
    let all = judged(&[(1, "sessionId:s deviceId:d email:e ecommerceId:c")]);
    let links: Vec<_> = all.links.iter().map(|link| format!("{} {}", link.lower, link.higher)).collect();
    assert_eq!(links, ["sessionId:s ecommerceId:c", "deviceid:d ecommerceId:c", "email:e ecommerceId:c"]);
}

#[test]
fn configured_levels_come_before_named_ones() {
    let rules = Rules { between: vec!["email".into()], ..Rules::default() };
    let log = lines(&[(1, "email:e deviceId:d")]);
    let all = judge(&rules, &[("log".to_owned(), log)]);
    assert_eq!(all.links[0].higher.to_string(), "deviceid:d");
    let (event, _) = all.events.first_key_value().expect("one");
    assert_eq!(event.anchor().to_string(), "deviceid:d", "without a session, the highest");
}

#[test]
fn nobody_is_named_by_the_first_seen_then_by_order() {
    let all = judged(&[(3, "sessionId:a email:e"), (2, "sessionId:b email:e"), (2, "email:e")]);
    for identity in ["sessionId:a", "sessionId:b", "email:e"] {
        assert_eq!(answer(&all, identity), ("sessionId:b".into(), None));
    }
}

#[test]
fn without_a_unique_namespace_every_link_joins() {
    let rules = Rules { unique: false, ..Rules::default() };
    let log = lines(&[(2, "sessionId:s ecommerceId:a"), (1, "sessionId:s ecommerceId:b"), (1, "ecommerceId:b zip:z")]);
    let all = judge(&rules, &[("log".to_owned(), log)]);
    assert!(
        all.identities.values().all(|answer| answer.group.len() == 4 && answer.person.to_string() == "sessionId:s")
    );
    assert_eq!((all.attribution, all.customers, all.linked_sessions, all.refused.len()), ([0, 0, 0, 3], 0, 0, 0));
}

#[test]
fn one_event_is_time_identities_and_id_or_line() {
    let all = verdict(&[
        r#"{"id":"7","timestamp":1,"user":{"identities":{"sessionId":"s"}}}"#,
        r#"{"user":{"identities":{"SESSIONID":" s ","email":"null"}},"time":"1970-01-01T01:00:01+01:00","id":7}"#,
        r#"{"id":"7","timestamp":1.001,"user":{"identities":{"sessionId":"s"}}}"#,
        r#"{"id":"7","timestamp":1,"user":{"identities":{"sessionId":"t"}}}"#,
        r#"{"timestamp":1000,"user":{"identities":{"sessionId":"s"}}}"#,
        "  {\"timestamp\":1000,\"user\":{\"identities\":{\"sessionId\":\"s\"}}}\r",
        r#"{"timestamp":1000, "user":{"identities":{"sessionId":"s"}}}"#,
    ]);
    let accepted: Vec<bool> = all.outcomes[0].iter().map(|outcome| matches!(outcome, Outcome::Accepted(_))).collect();
    assert_eq!(accepted, [true, false, true, true, true, false, true]);
    assert_eq!((all.counts.duplicate, all.counts.junk.get("null")), (2, Some(&1)));
}

#[test]
fn moments_are_cut_to_the_microsecond_below_before_the_epoch_too() {
    for (text, micros) in [("1969-12-31T23:59:59.9999991Z", -1), ("1970-01-01T00:00:00.0000019Z", 1)] {
        let line = format!(r#"{{"timestamp":"{text}","user":{{"identities":{{"sessionId":"s"}}}}}}"#);
        let all = verdict(&[&line]);
        assert_eq!(all.events.keys().map(|event| event.time).collect::<Vec<_>>(), [micros], "{text}");
    }
}

#[test]
fn numbers_count_what_their_magnitude_says() {
    for (number, micros) in [
        ("1762000000", 1_762_000_000_000_000),
        ("1762000000.25", 1_762_000_000_250_000),
        ("\"1762000000250\"", 1_762_000_000_250_000),
        ("1762000000250001", 1_762_000_000_250_001),
        ("1762000000250001999", 1_762_000_000_250_001),
        ("1.762e9", 1_762_000_000_000_000),
        ("-1.0000001", -1_000_001),
        ("99999999999", 99_999_999_999_000_000),
        ("100000000000", 100_000_000_000_000),
    ] {
        let line = format!(r#"{{"timestamp":{number},"user":{{"identities":{{"sessionId":"s"}}}}}}"#);
        let all = verdict(&[&line]);
        assert_eq!(all.events.keys().map(|event| event.time).collect::<Vec<_>>(), [micros], "{number}");
    }
}

#[test]
fn reasons_to_reject() {
    let with = |identities: &str| format!(r#"{{"timestamp":1,"user":{{"identities":{identities}}}}}"#);
    let cases = [
        ("{", "malformed"),
        ("[1]", "malformed"),
        (r#"{"user":{"identities":{"sessionId":"s"}}}"#, "no_timestamp"),
        (r#"{"timestamp":"soon","user":{"identities":{"sessionId":"s"}}}"#, "no_timestamp"),
        (r#"{"timestamp":1}"#, "no_identity"),
        (&with("{}"), "no_identity"),
        (&with(r#"{"sessionId":"","email":" NULL ","a:b":"x","fax":true,"ecommerceId":0}"#), "no_identity"),
        (&with(r#"{"sessionId":"s","SessionID":"t"}"#), "conflicting_identities"),
        (&with(r#"{"sessionid":"s","sessionid":"t"}"#), "conflicting_identities"),
        (&with(r#"{"ecommerceId":"c","ecommerceid":"d"}"#), "conflicting_identities"),
        (&"x".repeat((1 << 20) + 1), "too_long"),
    ];
    for (line, reason) in cases {
        let all = verdict(&[line]);
        assert_eq!(all.outcomes[0], [Outcome::Rejected(reason)], "{:.80}", line);
        assert_eq!((all.counts.read, all.counts.rejected, all.counts.reasons[reason]), (1, 1, 1));
    }
    let spelled = verdict(&[&with(r#"{"sessionid":"generated","sessionId":"mine"}"#)]);
    assert_eq!((spelled.counts.accepted, spelled.counts.spellings), (1, 1));
    assert!(spelled.id("sessionId:mine").is_some() && spelled.id("sessionId:generated").is_none());
    let agreeing = verdict(&[&with(r#"{"sessionId":"s","SessionId":" s","sessionid":"null"}"#)]);
    assert_eq!((agreeing.counts.accepted, agreeing.sessions), (1, 1));
}

#[test]
fn junk_is_a_matter_of_settings() {
    let line = r#"{"timestamp":1,"user":{"identities":{"sessionId":"'Guest'","email":"house","fax":"000-0"}}}"#;
    let met =
        |rules: &Rules| -> Vec<String> { verdict_under(rules, &[line]).identities.keys().map(Id::to_string).collect() };
    assert_eq!(met(&Rules::default()), ["email:house"]);
    let off = Rules { builtin_junk: false, ..Rules::default() };
    assert_eq!(met(&off), ["sessionId:'Guest'", "email:house", "fax:000-0"]);
    assert_eq!(met(&Rules { extra_junk: vec!["HOUSE".into()], ..off }), ["sessionId:'Guest'", "fax:000-0"]);
}

#[test]
fn the_digest_of_one_event_spelt_out() {
    use xxhash_rust::xxh3::xxh3_128;
    assert_eq!(verdict(&[]).digest, "0".repeat(32));
    let all = verdict(&[r#"{"id":"x","timestamp":1,"user":{"identities":{"sessionId":"s"}}}"#]);
    let session = xxh3_128(b"sessionid:s").to_le_bytes();
    let event =
        xxh3_128(&[&1_000_000i64.to_le_bytes()[..], &[2], &1u64.to_le_bytes(), b"x", &session].concat()).to_le_bytes();
    let known = xxh3_128(&[&b"i-"[..], &session, &session].concat());
    let happened = xxh3_128(&[&b"ea"[..], &event, &session].concat());
    assert_eq!(all.digest, format!("{:032x}", known.wrapping_add(happened)));
}

/// The rule without groups. `since` is the smallest key T such that the identity reaches any customer over links with
/// keys up to T, refused ones included; the owner is that of the far end of the link T.
fn owner_by_reach<'a>(id: &'a Id, links: &'a [Link]) -> Option<(&'a Id, Option<i64>)> {
    if id.is_customer() {
        return Some((id, None));
    }
    let mut reached = BTreeSet::from([id]);
    for upto in 0..links.len() {
        let before = reached.clone();
        while links[..=upto].iter().any(|link| {
            let inside = (reached.contains(&link.lower), reached.contains(&link.higher));
            let grows = inside.0 != inside.1;
            if grows {
                reached.extend([&link.lower, &link.higher]);
            }
            grows
        }) {}
        if reached.iter().any(|id| id.is_customer()) {
            let link = &links[upto];
            let far = if before.contains(&link.lower) { &link.higher } else { &link.lower };
            let (customer, _) = owner_by_reach(far, links).expect("the far end reaches a customer earlier");
            return Some((customer, Some(link.first)));
        }
    }
    None
}

fn people(all: &Verdict) -> BTreeMap<&Id, (Option<&Id>, Option<i64>)> {
    let owner = |person| Some(person).filter(|id: &&Id| id.is_customer());
    all.identities.iter().map(|(id, answer)| (id, (owner(&answer.person), answer.since))).collect()
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn reach_says_the_same(history in history(40)) {
        let all = judge(&history.rules, &[("log".to_owned(), history.lines)]);
        for (id, (owner, since)) in people(&all) {
            let reached = owner_by_reach(id, &all.links);
            prop_assert_eq!(reached.map(|(customer, _)| customer), owner, "{}", id);
            prop_assert_eq!(reached.and_then(|(_, since)| since), since, "{}", id);
        }
    }

    /// Accepted links up to a key are the result on the events up to it: no past changes when the log goes on.
    #[test]
    fn the_log_up_to_a_moment_is_its_own_truth(history in history(40), cut in 0i64..6) {
        let cut = (cut - 2) * 1_000_000;
        let all = judge(&history.rules, &[("log".to_owned(), history.lines.clone())]);
        let early: Vec<&String> = history.lines.iter().zip(&all.outcomes[0]).filter(|(_, outcome)| {
            matches!(outcome, Outcome::Accepted(event) if event.time <= cut)
        }).map(|(line, _)| line).collect();
        let then = judge(&history.rules, &[("log".to_owned(), early)]);
        for (id, (owner, since)) in people(&then) {
            if owner.is_some() {
                prop_assert_eq!((owner, since), people(&all)[id], "{}", id);
            } else {
                prop_assert!(people(&all)[id].1.is_none_or(|since| since > cut), "{}", id);
            }
        }
    }

    #[test]
    fn order_and_splits_are_nothing_to_the_oracle(history in history(40).prop_flat_map(|history| {
        let lines = Just(history.lines.clone()).prop_shuffle();
        (Just(history), lines)
    }), at in any::<prop::sample::Index>()) {
        let (history, mut shuffled) = history;
        let all = judge(&history.rules, &[("log".to_owned(), history.lines)]);
        let rest = shuffled.split_off(at.index(shuffled.len() + 1));
        let again = judge(&history.rules, &[("a".to_owned(), shuffled), ("b".to_owned(), rest)]);
        prop_assert_eq!(&all.digest, &again.digest);
        prop_assert_eq!(&all.counts, &again.counts);
        prop_assert_eq!(&all.identities, &again.identities);
    }
}

/// What the generator must bring about, or the properties above say little.
#[test]
fn histories_are_as_wild_as_they_should_be() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..300 {
        let history = history(40).new_tree(&mut runner).expect("no filter").current();
        let all = judge(&history.rules, &[("log".to_owned(), history.lines)]);
        let mut meet = |what: &str, times: usize| *met.entry(what.to_owned()).or_default() += times as u64;
        for (kind, count) in KINDS.iter().zip(all.attribution) {
            meet(kind, count as usize);
        }
        for (reason, count) in &all.counts.reasons {
            meet(reason, *count as usize);
        }
        meet("duplicate", all.counts.duplicate as usize);
        meet("junk", all.counts.junk.values().sum::<u64>() as usize);
        meet("refused", all.refused.len());
        meet("shared", all.shared_sessions as usize);
        meet("sub-millisecond", all.events.keys().filter(|event| event.time % 1000 != 0).count());
        let firsts: BTreeSet<i64> = all.links.iter().map(|link| link.first).collect();
        meet("tie", all.links.len() - firsts.len());
        let far = |event: &&Event| event.anchor().is_session() && event.ids.len() > 2;
        meet("three identities", all.events.keys().filter(far).count());
        let owned = |id: &Id| all.identities[id].person.is_customer();
        let met_none = |id: &&Id| !all.links.iter().any(|link| link.lower == **id && link.higher.is_customer());
        meet("two hops", all.identities.keys().filter(|id| id.is_session() && owned(id)).filter(met_none).count());
    }
    for what in [
        "direct",
        "retroactive",
        "carried",
        "anonymous",
        "malformed",
        "no_timestamp",
        "no_identity",
        "conflicting_identities",
        "duplicate",
        "junk",
        "refused",
        "shared",
        "sub-millisecond",
        "tie",
        "three identities",
        "two hops",
    ] {
        assert!(met.get(what).copied().unwrap_or(0) > 50, "{what} is too rare: {met:?}");
    }
}
