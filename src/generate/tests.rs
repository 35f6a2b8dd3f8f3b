use std::collections::{HashMap, HashSet};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::*;

fn log(sessions: u64, seed: u64, repeats: bool) -> (String, Generated) {
    let mut out = Vec::new();
    let generated = Generator::new(Recipe { sessions, seed, repeats }).write(&mut out).unwrap();
    (String::from_utf8(out).unwrap(), generated)
}

/// Sessions of a log in which a percent or two shows.
const SOME: u64 = 6_000;

#[test]
fn a_recipe_names_its_bytes_for_good() {
    let golden = xxh3_128(log(200, 7, true).0.as_bytes());
    assert_eq!(format!("{golden:032x}"), "efb3200b4715edceff7cbca0a4e1e3e7");
    assert_ne!(log(200, 8, true).0, log(200, 7, true).0);
    assert_eq!(log(0, 7, true).0, "");
}

#[test]
fn without_repeats_the_log_differs_in_nothing_else() {
    let (with, held) = log(SOME, 3, true);
    let (without, bare) = log(SOME, 3, false);
    let mut seen = HashSet::new();
    let first_ones: Vec<&str> = with.lines().filter(|line| seen.insert(*line)).collect();
    assert_eq!(first_ones, without.lines().collect::<Vec<_>>());
    assert_eq!(held.lines, with.lines().count() as u64);
    assert_eq!(held.lines - held.repeats, bare.lines);
    assert_eq!(held.bytes, with.len() as u64);
}

#[test]
fn every_line_is_an_activity_without_an_id() {
    for line in log(300, 1, true).0.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert!(value["timestamp"].is_string() && value["action"].is_string(), "{line}");
        assert!(value["user"]["segments"].is_array() && value["user"]["traits"].is_object(), "{line}");
        assert!(value["sourceId"].is_string() && value["metadata"].is_object(), "{line}");
        assert!(value["segments"].is_array() && value["target"].is_object(), "{line}");
        assert_eq!(value.get("id"), None);
    }
}

/// `part` of `whole` is between `low` and `high` thousandths.
fn assert_thousandths(what: &str, part: usize, whole: usize, low: usize, high: usize) {
    let share = part * 1000 / whole;
    assert!((low..=high).contains(&share), "{what}: {share} thousandths, not within {low}..={high}");
}

#[test]
fn the_proportions_are_those_of_a_shop() {
    let (text, generated) = log(SOME, 42, true);
    let lines = text.lines().count();
    assert_thousandths("events a session", lines, SOME as usize, 11_300, 12_200);
    assert_thousandths("bytes a line", text.len(), lines, 330_000, 370_000);
    assert_thousandths("repeats", generated.repeats as usize, lines, 3, 7);
    assert_thousandths("late", generated.late as usize, lines, 7, 13);

    let mut customers: HashMap<String, HashSet<String>> = HashMap::new();
    let mut sessions: HashMap<String, HashSet<String>> = HashMap::new();
    let (mut carrying, mut backwards, mut latest) = (0, 0, String::new());
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let time = value["timestamp"].as_str().unwrap().to_owned();
        backwards += usize::from(time < latest);
        latest = latest.max(time);
        let identities = &value["user"]["identities"];
        let session = identities["sessionId"].as_str().unwrap().to_owned();
        let known = sessions.entry(session.clone()).or_default();
        if let Some(customer) = identities["ecommerceId"].as_str() {
            carrying += 1;
            known.insert(customer.to_owned());
            customers.entry(customer.to_owned()).or_default().insert(session);
        }
    }
    assert_eq!(sessions.len(), SOME as usize);
    let logged_in = sessions.values().filter(|known| !known.is_empty()).count();
    assert_thousandths("sessions that log in", logged_in, sessions.len(), 310, 355);
    let shared = sessions.values().filter(|known| known.len() > 1).count();
    assert_thousandths("shared sessions", shared, logged_in, 15, 60);
    let returning = customers.values().filter(|of| of.len() > 1).count();
    assert_thousandths("customers with several sessions", returning, customers.len(), 200, 600);
    assert_thousandths("events with a customer", carrying, lines, 150, 300);
    assert_thousandths("lines out of order", backwards, lines, 8, 25);
}
