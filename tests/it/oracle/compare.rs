//! What a choice of reading changes: two beliefs side by side, and a shared session under every policy.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Belief, Event, Id, Life, Policy, Reading};

/// The lines of `diff`: the sessions that two readings tell differently, sorted by session.
pub fn differences(a: &Belief, b: &Belief) -> Vec<Value> {
    let person = |belief: &Belief, id: &Id| belief.identities.get(id).map(|answer| answer.person.to_string());
    let sessions: BTreeSet<&Id> = a.identities.keys().chain(b.identities.keys()).filter(|id| id.is_session()).collect();
    let mut rows = Vec::new();
    for session in sessions {
        let on = |belief: &Belief| -> BTreeMap<Event, Id> {
            let here = belief.events.iter().filter(|(event, _)| event.anchor() == session);
            here.map(|(event, (who, _))| (event.clone(), who.clone())).collect()
        };
        let (in_a, in_b) = (on(a), on(b));
        let moved = in_a.iter().filter(|(event, who)| in_b.get(event).is_some_and(|other| other != *who)).count();
        let events: BTreeSet<&Event> = in_a.keys().chain(in_b.keys()).collect();
        let (from, to) = (person(a, session), person(b, session));
        if from != to || moved > 0 {
            let events = events.len();
            rows.push(json!({"session": session.value, "from": from, "to": to, "events": events, "moved": moved}));
        }
    }
    rows
}

/// The lines of `stats --shared`: the sessions that met more than one customer, sorted by session.
pub fn shared(life: &Life, reading: Reading) -> Vec<Value> {
    let beliefs = Policy::ALL.map(|policy| (policy, life.belief(Reading { policy, ..reading })));
    let all = &beliefs[0].1;
    let mut rows = Vec::new();
    for session in all.identities.keys().filter(|id| id.is_session()) {
        let here: Vec<&Event> = all.events.keys().filter(|event| event.anchor() == session).collect();
        let mut logins: BTreeMap<&Id, u64> = BTreeMap::new();
        for event in here.iter().filter(|event| event.highest().is_customer()) {
            if !life.unlinked.contains(&(session.clone(), event.highest().clone())) {
                *logins.entry(event.highest()).or_default() += 1;
            }
        }
        // Those whom it met by way of others follow, the first two of all that it met.
        let met = &all.met[session];
        if met.len() < 2 {
            continue;
        }
        for customer in met.iter().take(2) {
            logins.entry(customer).or_default();
        }
        let shares = beliefs.iter().map(|(policy, belief)| {
            let mut people: BTreeMap<&Id, u64> = BTreeMap::new();
            for event in &here {
                *people.entry(&belief.events[*event].0).or_default() += 1;
            }
            let people: Vec<Value> =
                people.iter().map(|(who, events)| json!({"person": who.to_string(), "events": events})).collect();
            json!({"policy": policy.word(), "people": people})
        });
        let customers: Vec<Value> =
            logins.iter().map(|(who, logins)| json!({"customer": who.to_string(), "logins": logins})).collect();
        rows.push(json!({
            "session": session.value,
            "customers": customers,
            "events": here.len(),
            "anonymous": here.iter().filter(|event| !event.highest().is_customer()).count(),
            "shares": shares.collect::<Vec<_>>(),
        }));
    }
    rows
}
