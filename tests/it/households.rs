//! Customers that share an identity and were not merged: what the refused links tell, worked out by hand and by the oracle.

use std::collections::{BTreeMap, BTreeSet};

use backstitch::rows::CommonIdentity;
use serde_json::{Value, json};

use crate::acts::law;
use crate::cli_history::{object, ok, refused};
use crate::harness::{replayed, text, under};
use crate::history::history;
use crate::oracle::{Belief, Id, Reading, Rules, judge};

/// Who shares each identity that a refused link tells of: its owner, and the customers whom the refused links come from.
fn sharers(belief: &Belief) -> BTreeMap<Id, BTreeSet<Id>> {
    let owner = |id: &Id| belief.identities[id].person.clone();
    let mut all: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    for link in &belief.refused {
        let (shared, other) = match link.higher.is_customer() {
            true => (&link.lower, link.higher.clone()),
            false => (&link.higher, owner(&link.lower)),
        };
        all.entry(shared.clone()).or_insert_with(|| BTreeSet::from([owner(shared)])).insert(other);
    }
    all
}

/// Two customers, and what they share, each with how many share it.
type Pair = (Id, Id, Vec<(usize, Id)>);

/// What pairs share, the most telling pair first, and of each pair the most telling identity.
fn pairs(belief: &Belief) -> Vec<Pair> {
    let mut pairs: BTreeMap<(Id, Id), Vec<(usize, Id)>> = BTreeMap::new();
    for (shared, customers) in sharers(belief) {
        for one in &customers {
            for other in customers.iter().filter(|other| *other > one) {
                pairs.entry((one.clone(), other.clone())).or_default().push((customers.len(), shared.clone()));
            }
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().map(|((one, other), common)| (one, other, common)).collect();
    pairs.iter_mut().for_each(|pair| pair.2.sort());
    pairs.sort_by_key(|(_, _, common)| (common[0].0, usize::MAX - common.len())); // stable: pairs are in identity order
    pairs
}

fn told(common: &[(usize, Id)]) -> Vec<Value> {
    common.iter().take(10).map(|(customers, id)| json!([id.to_string(), customers])).collect()
}

/// What is said of what two share, once its links were found among those of the oracle.
fn found(belief: &Belief, common: &[CommonIdentity]) -> Vec<Value> {
    for tie in common.iter().flat_map(|common| &common.ties) {
        let ends = (tie.lower.to_string(), tie.higher.to_string());
        let link = belief.links.iter().find(|link| (link.lower.to_string(), link.higher.to_string()) == ends);
        let link = link.unwrap_or_else(|| panic!("no such link: {tie:?}"));
        assert_eq!((link.first, link.count), (tie.first.as_micros(), tie.count), "{tie:?}");
        let hash = tie.event.to_string();
        let event = belief.events.keys().find(|event| format!("{:032x}", event.hash()) == hash);
        assert!(event.is_some_and(|event| event.time == link.first && event.ids.contains(&link.lower)), "{tie:?}");
    }
    common.iter().map(|common| json!([common.identity.to_string(), common.customers])).collect()
}

#[test]
fn customers_that_share_an_identity_are_those_of_the_refused_links() {
    law("duplicates are those of the refused links", 64, history(60), |history| {
        let engine = replayed(&history.rules, &text(&history.lines));
        let verdict = judge(&history.rules, &[(String::new(), history.lines.clone())]);
        let belief = &verdict.belief;
        let view = under(&engine, Reading::default());
        let rows = view.duplicates(None, usize::MAX).rows;
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (row.customers[0].to_string(), row.customers[1].to_string(), found(belief, &row.common)))
            .collect();
        let expected = pairs(belief);
        let expected: Vec<_> =
            expected.iter().map(|(one, other, common)| (one.to_string(), other.to_string(), told(common))).collect();
        assert_eq!(rows, expected);
        for (id, answer) in &belief.identities {
            let related = view.related(&id.namespace, &id.value, usize::MAX).expect("known").rows;
            let related: BTreeMap<String, Vec<Value>> =
                related.iter().map(|row| (row.person.to_string(), found(belief, &row.common))).collect();
            let own = answer.person.to_string();
            let expected: BTreeMap<String, Vec<Value>> = expected
                .iter()
                .filter_map(|(one, other, common)| match (*one == own, *other == own) {
                    (true, _) => Some((other.clone(), common.clone())),
                    (_, true) => Some((one.clone(), common.clone())),
                    _ => None,
                })
                .collect();
            assert_eq!(related, expected, "{id}");
        }
    });
}

/// An account that was made again with the same address, a family and its tablet, and a kiosk.
fn town() -> String {
    let line = |at: usize, ids: &str| format!(r#"{{"timestamp":{at},"id":"e{at}","user":{{"identities":{{{ids}}}}}}}"#);
    let mut lines = vec![
        line(1_000, r#""email":"ann@example.org","ecommerceId":"ann""#),
        line(2_000, r#""email":"ann@example.org","ecommerceId":"ann-2""#),
        line(3_000, r#""sessionId":"tablet","ecommerceId":"ann""#),
        line(4_000, r#""sessionId":"tablet","ecommerceId":"bob""#),
        line(5_000, r#""sessionId":"tablet","ecommerceId":"cid""#),
    ];
    lines.extend((0..30).map(|who| line(6_000 + who, &format!(r#""deviceId":"kiosk","ecommerceId":"k{who}""#))));
    text(&lines)
}

#[test]
fn an_account_that_was_made_again_is_told_first() {
    let engine = replayed(&Rules::default(), &town());
    let view = engine.resolver().view();
    let found = view.duplicates(None, 2);
    let named = |at: usize| {
        let row = &found.rows[at];
        (row.customers.iter().map(|id| id.value.as_str()).collect::<Vec<_>>(), row.common[0].customers)
    };
    assert_eq!([named(0), named(1)], [(vec!["ann", "ann-2"], 2), (vec!["ann", "bob"], 3)]);
    assert_eq!((found.more, found.crowded), (2, 1), "two pairs more; the kiosk says nothing");
    let by_mail = view.duplicates(Some("EMAIL"), 10);
    assert_eq!((by_mail.rows.len(), by_mail.crowded), (1, 0));
    let related = view.related("ecommerceId", "bob", 10).expect("known");
    assert_eq!(related.rows.iter().map(|row| row.person.value.as_str()).collect::<Vec<_>>(), ["ann", "cid"]);
    assert_eq!(view.related("ecommerceId", "k7", 10).map(|found| (found.rows.len(), found.crowded)), Some((0, 1)));
    assert_eq!(view.related("sessionId", "nobody", 10), None);
}

#[test]
fn duplicates_and_relations_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("town.ndjson"), town()).expect("written");
    ok(folder, "replay town.ndjson --quiet");
    let told = ok(folder, "duplicates --limit 1");
    assert!(told.starts_with("ecommerceId:ann and ecommerceId:ann-2\n  share email:ann@example.org\n"), "{told}");
    assert!(told.contains("first at 1970-01-01T00:33:20.000Z by "), "{told}");
    let rows: Vec<Value> = ok(folder, "duplicates --json").lines().map(object).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0]["common"][0]["ties"][1]["higher"], "ecommerceId:ann-2");
    let told = ok(folder, "related tablet");
    assert!(told.contains("ecommerceId:bob\n  share sessionId:tablet, which 3 customers share\n"), "{told}");
    assert_eq!(ok(folder, "related tablet --json").lines().count(), 3);
    // What they are good for: the account that was made again is one, and shares nothing with itself.
    ok(folder, "rename ann-2 ann");
    assert!(!ok(folder, "duplicates").contains("ann-2"));
    assert!(ok(folder, "related nobody").contains("unknown"));
    assert!(refused(folder, 2, &["duplicates", "--limit", "x"]).contains("a whole number"));
}
