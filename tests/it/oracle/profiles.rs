//! What events say of people beside who they are: segments and traits, from the words of the issue.
//!
//! Values are compared by what `serde_json` makes of them, so numbers are those that a machine holds. One delivery says one
//! thing; of the deliveries of one event the greatest counts, by the bytes of what it says. A person's events are sorted, and looked
//! through from the first to the last.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::{Belief, Event, Id, rfc3339};

/// What an event says: its segments and its traits as text, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    pub segments: String,
    pub traits: String,
}

/// What every source said with each event.
pub type Sayings = BTreeMap<Event, BTreeMap<String, Said>>;

impl Said {
    /// What a line says of its person.
    pub fn of(line: &str) -> Self {
        let line = plain(serde_json::from_str(line).expect("a line that is an event"));
        let user = &line["user"];
        // Objects are ordered by name, each name once; a fresh text has no white space, and one way to write each value.
        let segments = user["segments"].as_array().map(|all| Value::from(all.clone()).to_string());
        let traits = user["traits"].as_object().filter(|all| !all.is_empty());
        let traits = traits.map(|all| Value::from(all.clone()).to_string());
        Self { segments: segments.unwrap_or_default(), traits: traits.unwrap_or_default() }
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn hash(&self) -> u128 {
        let Self { segments, traits } = self;
        xxh3_128(&[&(segments.len() as u64).to_le_bytes()[..], segments.as_bytes(), traits.as_bytes()].concat())
    }
}

/// A value whose numbers are whole where they can be: one number is one value, however it is written.
fn plain(value: Value) -> Value {
    match value {
        Value::Array(all) => all.into_iter().map(plain).collect(),
        Value::Object(all) => Value::Object(all.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => Value::from(float as i64),
            _ => Value::Number(number),
        },
        other => other,
    }
}

/// Which value wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    Latest,
    First,
    MostFrequent,
    Union,
}

/// A value of a person, with the event it comes from: value, time, hash, and the session that held it before a later login, if one did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub value: Value,
    pub at: String,
    pub event: String,
    pub from: String,
    pub attribution: &'static str,
    /// The last value before that differs; told under `latest` alone.
    pub before: Option<Value>,
}

/// What each event says, of what all sources said.
pub fn greatest(sayings: &Sayings) -> BTreeMap<Event, Said> {
    let greatest = |by: &BTreeMap<String, Said>| by.values().max().cloned().unwrap_or_default();
    sayings.iter().map(|(event, by)| (event.clone(), greatest(by))).filter(|(_, said)| !said.is_nothing()).collect()
}

/// The second digest.
pub fn profiles_digest(belief: &Belief, said: &BTreeMap<Event, Said>) -> String {
    let element = |(event, said): (&Event, &Said)| {
        let (person, _) = belief.events.get(event)?;
        let parts = [event.hash().to_le_bytes(), said.hash().to_le_bytes(), person.hash().to_le_bytes()];
        Some(xxh3_128(&[&b"p-"[..], &parts.concat()].concat()))
    };
    format!("{:032x}", said.iter().filter_map(element).fold(0_u128, u128::wrapping_add))
}

/// The segments of a person, under the name `None`, and the traits, by name; `rule` says which rule each has.
pub fn profile_of(
    belief: &Belief,
    said: &BTreeMap<Event, Said>,
    person: &Id,
    rule: impl Fn(Option<&str>) -> Rule,
) -> BTreeMap<Option<String>, Held> {
    // By name, in the order of events: value, event and kind.
    let mut told: BTreeMap<Option<String>, Vec<(Value, &Event, &'static str)>> = BTreeMap::new();
    let mut events = belief.events_of(person);
    events.sort_by_key(|(event, _)| (event.time, event.hash()));
    for (event, kind) in events {
        let Some(Said { segments, traits }) = said.get(event) else { continue };
        if !segments.is_empty() {
            told.entry(None).or_default().push((serde_json::from_str(segments).expect("JSON"), event, kind));
        }
        if !traits.is_empty() {
            let traits: BTreeMap<String, Value> = serde_json::from_str(traits).expect("an object");
            for (name, value) in traits {
                told.entry(Some(name)).or_default().push((value, event, kind));
            }
        }
    }
    let held = told.into_iter().filter_map(|(name, all)| {
        let held = choose(rule(name.as_deref()), name.is_none(), &all)?;
        Some((name, held))
    });
    held.collect()
}

fn choose(rule: Rule, segments: bool, all: &[(Value, &Event, &'static str)]) -> Option<Held> {
    let held = |value: &Value, (_, event, kind): &(Value, &Event, &'static str), before: Option<Value>| Held {
        value: value.clone(),
        at: rfc3339(event.time),
        event: format!("{:032x}", event.hash()),
        from: event.anchor().to_string(),
        attribution: kind,
        before,
    };
    let (first, last) = (all.first()?, all.last()?);
    Some(match rule {
        Rule::First => held(&first.0, first, None),
        Rule::Latest => {
            let before = all.iter().rev().find(|(value, ..)| *value != last.0);
            held(&last.0, last, before.map(|(value, ..)| value.clone()))
        }
        Rule::MostFrequent => {
            // The latest of those that are told most often.
            let often = |value: &Value| all.iter().filter(|(other, ..)| other == value).count();
            let most = all.iter().map(|(value, ..)| often(value)).max()?;
            let best = all.iter().rev().find(|(value, ..)| often(value) == most)?;
            held(&best.0, best, None)
        }
        Rule::Union => {
            let parts = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            let texts: BTreeSet<String> =
                all.iter().flat_map(|(value, ..)| parts(value)).map(|part| part.to_string()).collect();
            if texts.is_empty() && segments {
                return None;
            }
            let value =
                serde_json::from_str(&format!("[{}]", texts.into_iter().collect::<Vec<_>>().join(","))).expect("JSON");
            // The last that added anything.
            let last = all.iter().rev().find(|(value, ..)| !parts(value).is_empty())?;
            held(&value, last, None)
        }
    })
}
