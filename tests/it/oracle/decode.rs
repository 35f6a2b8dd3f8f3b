//! What a line says: an event, or why it is none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use super::{CALENDAR, Counts, Event, Id, Rules, Tag};

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

/// A string's content, or a number as it is written, also one that no machine holds.
fn scalar(raw: &str) -> Option<String> {
    if raw.starts_with(|sign: char| sign == '-' || sign.is_ascii_digit()) {
        return Some(raw.to_owned());
    }
    match serde_json::from_str::<serde_json::Value>(raw).ok()? {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    }
}

/// Whether a value is no text, or one that can be had: half of a surrogate pair is good JSON, but stands for nothing.
fn is_whole(raw: &str) -> bool {
    !raw.starts_with('"') || scalar(raw).is_some()
}

/// Reads a line without white space around it, and counts the junk in it and the spellings that gave way.
pub fn decode(rules: &Rules, line: &str, counts: &mut Counts) -> Result<Event, &'static str> {
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
    if !rules.times.contains(&time) {
        return Err("time_out_of_range");
    }
    if given.is_none() {
        return Err("no_identity");
    }
    for (_, value) in given.iter().flat_map(|given| &given.0) {
        let kind = match value.get().as_bytes()[0] {
            b'[' => "(list)",
            b'{' => "(object)",
            b't' | b'f' => "(boolean)",
            _ => continue,
        };
        *counts.junk.entry(kind.to_owned()).or_default() += 1;
    }
    // By namespace, in level order: the values of its spellings.
    let mut said: BTreeMap<_, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (namespace, value) in named {
        let (Some(namespace), Some(value)) = (scalar(namespace.get()), scalar(value.get())) else { continue };
        let value = value.trim();
        let Some(level) = level(rules, &namespace) else { continue };
        if let Some(word) = junk_word(rules, value) {
            *counts.junk.entry(word).or_default() += 1;
            continue;
        }
        if value.len() > 1 << 10 {
            continue;
        }
        let spellings = said.entry((level, namespace.to_ascii_lowercase())).or_default();
        spellings.entry(namespace).or_default().insert(value.to_owned());
    }
    if said.is_empty() {
        return Err("no_identity");
    }
    let mut ids: Vec<Id> = Vec::new();
    let mut gave_way = 0;
    for ((level, namespace), spellings) in said {
        let all: BTreeSet<&String> = spellings.values().flatten().collect();
        let not_all_lower: BTreeSet<&String> =
            spellings.iter().filter(|(spelling, _)| **spelling != namespace).flat_map(|(_, values)| values).collect();
        let is_unique = level.0 == 3;
        let winners = if is_unique || not_all_lower.is_empty() { &all } else { &not_all_lower };
        if winners.len() > 1 {
            return Err("conflicting_identities");
        }
        gave_way += u64::from(all.len() > 1);
        ids.extend(winners.iter().map(|value| Id { level, namespace: namespace.clone(), value: (*value).clone() }));
    }
    ids.sort();
    counts.spellings += gave_way;
    let id = activity.get("id").and_then(scalar).map(|id| id.trim().to_owned());
    let tag = match id.filter(|id| (1..=1 << 10).contains(&id.len())) {
        Some(id) => Tag::Id(id),
        None => Tag::Line(xxh3_128(line.as_bytes())),
    };
    Ok(Event { time, tag, ids })
}

/// Microseconds: from RFC 3339 text, or a number, which may stand in a text.
fn moment(raw: &str) -> Option<i64> {
    match serde_json::from_str::<serde_json::Value>(raw).ok()? {
        serde_json::Value::String(text) if serde_json::from_str::<serde_json::Number>(&text).is_ok() => {
            // A text that holds more than a number is none, white space included.
            number(&text).filter(|_| text.trim() == text)
        }
        serde_json::Value::String(text) => {
            // Digits behind the second beyond the ninth say nothing.
            let point = text.find(['.', ',']).unwrap_or(text.len());
            let digits = text[point..].chars().skip(1).take_while(char::is_ascii_digit).count();
            let text = text[..point].to_owned()
                + &text[point..]
                    .chars()
                    .enumerate()
                    .filter(|(at, _)| !(10..=digits).contains(at))
                    .map(|(_, sign)| sign)
                    .collect::<String>();
            let said = jiff::fmt::temporal::Pieces::parse(&text).ok()?;
            let east = said.to_numeric_offset()?.seconds();
            let here =
                said.date().to_datetime(said.time()?).duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
            let there = here - jiff::SignedDuration::from_secs(east.into());
            let in_a_day = east % 60 == 0 && (-86_399..=86_399).contains(&east);
            i64::try_from(there.as_nanos().div_euclid(1000)).ok().filter(|micros| in_a_day && CALENDAR.contains(micros))
        }
        serde_json::Value::Number(_) => number(raw),
        _ => None,
    }
}

/// Microseconds of a number: below 10^11 it counts seconds, below 10^14 milliseconds, below 10^17 microseconds, and else
/// nanoseconds. Worked out by moving the point in its digits, not by arithmetic.
fn number(raw: &str) -> Option<i64> {
    let (negative, raw) = raw.strip_prefix('-').map_or((false, raw), |rest| (true, rest));
    let (digits, exponent) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // One that fits nowhere is beyond all bounds in its direction.
    let exponent: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') { -i64::MAX } else { i64::MAX });
    if exponent.abs() > 1_000 {
        let nothing = (whole.to_owned() + fraction).chars().all(|digit| digit == '0');
        return if nothing || exponent < 0 { Some(-i64::from(negative && !nothing)) } else { None };
    }
    // So many zeros on both sides that the point never leaves them.
    let zeros = "0".repeat(1_100);
    let all = format!("{zeros}{whole}{fraction}{zeros}");
    let point = zeros.len() as i64 + whole.len() as i64 + exponent;
    let before = |point: i64| all[..point as usize].trim_start_matches('0');
    let shift = match before(point).len() {
        ..=11 => 6,
        12..=14 => 3,
        15..=17 => 0,
        _ => -3,
    };
    let (whole, rest) = (before(point + shift), &all[(point + shift) as usize..]);
    let size: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let more = rest.chars().any(|digit| digit != '0');
    let micros = if negative { -size - i64::from(more) } else { size };
    Some(micros).filter(|micros| CALENDAR.contains(micros))
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
    const WORDS: [&str; 20] = [
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
        "distinctid",
        "distinct_id",
        "id",
        "not_authenticated",
        "email",
    ];
    let bare = ['"', '\''].iter().find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value);
    let word = bare.trim().to_lowercase();
    let zeros = word.chars().all(|c| c == '0' || c == '-'); // the blank one too
    let builtin = rules.builtin_junk && (WORDS.contains(&word.as_str()) || zeros);
    let extra = rules.extra_junk.iter().any(|extra| extra.to_lowercase() == word);
    (builtin || extra || value.is_empty()).then_some(word)
}
