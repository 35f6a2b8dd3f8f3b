//! What a line says: an event, or why it is none.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use super::{Event, Id, Rules, Tag};

/// The members of a JSON object as they are written, in order, repeats included.
struct Members(Vec<(Box<RawValue>, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

impl Members {
    /// The member called `name`, unless it is null; of several, the last.
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(key, _)| scalar(key.get()).as_deref() == Some(name))?;
        Some(found.1.get()).filter(|text| *text != "null")
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A string's content, or a number as it is written.
fn scalar(raw: &str) -> Option<String> {
    match serde_json::from_str::<serde_json::Value>(raw).ok()? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(_) => Some(raw.to_owned()),
        _ => None,
    }
}

/// Whether a value is no text, or one that can be had: half of a surrogate pair is good JSON, but stands for nothing.
fn is_whole(raw: &str) -> bool {
    !raw.starts_with('"') || scalar(raw).is_some()
}

/// Reads a line without white space around it, and counts the junk in it.
pub fn decode(rules: &Rules, line: &str, junk: &mut BTreeMap<String, u64>) -> Result<Event, &'static str> {
    if line.len() > 1 << 20 {
        return Err("too_long");
    }
    let activity = Members::parse(line).ok_or("malformed")?;
    let time = activity.get("timestamp").or(activity.get("time"));
    let user = activity.get("user").and_then(Members::parse);
    let given = user.and_then(|user| user.get("identities").and_then(Members::parse));
    let named = given.iter().flat_map(|given| &given.0);
    let named =
        named.filter(|(_, value)| value.get().starts_with(['"', '-']) || value.get().as_bytes()[0].is_ascii_digit());
    if ![time, activity.get("id")].into_iter().flatten().all(is_whole)
        || !named.clone().all(|(namespace, value)| is_whole(namespace.get()) && is_whole(value.get()))
    {
        return Err("malformed");
    }
    let time = time.and_then(moment).ok_or("no_timestamp")?;
    if given.is_none() {
        return Err("no_identity");
    }
    let mut ids: Vec<Id> = Vec::new();
    for (namespace, value) in named {
        let (Some(namespace), Some(value)) = (scalar(namespace.get()), scalar(value.get())) else { continue };
        let value = value.trim();
        let Some(level) = level(rules, &namespace) else { continue };
        if let Some(word) = junk_word(rules, value) {
            *junk.entry(word).or_default() += 1;
            continue;
        }
        if value.len() > 1 << 10 {
            continue;
        }
        ids.push(Id { level, namespace: namespace.to_ascii_lowercase(), value: value.to_owned() });
    }
    ids.sort();
    ids.dedup();
    if ids.is_empty() {
        return Err("no_identity");
    }
    if ids.windows(2).any(|two| two[0].namespace == two[1].namespace) {
        return Err("conflicting_identities");
    }
    let tag = match activity.get("id").and_then(scalar) {
        Some(id) => Tag::Id(id),
        None => Tag::Line(xxh3_128(line.as_bytes())),
    };
    Ok(Event { time, tag, ids })
}

/// Microseconds: from RFC 3339 text, or integer milliseconds.
fn moment(raw: &str) -> Option<i64> {
    match serde_json::from_str::<serde_json::Value>(raw).ok()? {
        serde_json::Value::String(text) => {
            let time: jiff::Timestamp = text.parse().ok()?;
            i64::try_from(time.as_nanosecond().div_euclid(1000)).ok()
        }
        serde_json::Value::Number(number) => {
            let millis = number.as_i64()?;
            jiff::Timestamp::from_millisecond(millis).ok().map(|_| millis * 1000)
        }
        _ => None,
    }
}

fn level(rules: &Rules, namespace: &str) -> Option<(u8, usize)> {
    let name = namespace.to_ascii_lowercase();
    if name.trim().is_empty() || name.contains(':') || name.len() > 64 {
        return None;
    }
    Some(match name.as_str() {
        "sessionid" => (0, 0),
        "ecommerceid" if rules.unique => (3, 0),
        _ => match rules.between.iter().position(|known| *known == name) {
            Some(place) => (1, place),
            None => (2, 0),
        },
    })
}

/// The junk that a trimmed value is, in lower case and without quotes.
fn junk_word(rules: &Rules, value: &str) -> Option<String> {
    const WORDS: [&str; 15] = [
        "null",
        "undefined",
        "anonymous",
        "guest",
        "none",
        "n/a",
        "nan",
        "0",
        "-1",
        "[object object]",
        "true",
        "false",
        "unknown",
        "invalid",
        "{}",
    ];
    let bare = ['"', '\''].iter().find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value);
    let word = bare.trim().to_lowercase();
    let zeros = word.chars().all(|c| c == '0' || c == '-'); // the blank one too
    let builtin = rules.builtin_junk && (WORDS.contains(&word.as_str()) || zeros);
    let extra = rules.extra_junk.iter().any(|extra| extra.to_lowercase() == word);
    (builtin || extra || value.is_empty()).then_some(word)
}
