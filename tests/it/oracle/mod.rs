//! The oracle: what a set of events means, written from the design alone.
//!
//! It shares no code with the crate: it decodes with serde_json, keeps sets and vectors of labels, sorts all links by
//! key and joins them one after the other, and hashes by its own account of the digest's bytes. It is slow (every join
//! walks all identities) and meant to be read in one go: this page, and the six below it.
//!
//! What it can miss: where the design is understood wrongly by the author of both; faults of jiff, XXH3 and serde_json,
//! which both sides use (moments are read by jiff here too); everything about how an answer is stored, cached, printed
//! or shared by threads; the limits on numbers of namespaces and identities; links' witnesses.

mod belief; // a set of events: whose they are
mod compare; // two ways to read: what they tell differently
mod decode; // a line: an event, or why none
mod erasure; // what an erasure leaves
mod feed; // a commit: what it changes, session by session
mod life; // a store: deliveries, and what is undone
mod profiles; // what events say of people beside who they are

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Deref;
use std::ops::RangeInclusive;

use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

pub use belief::{Answer, Belief, KINDS, Link, Policy, Reading, SessionRow};
pub use compare::{differences, shared};
use decode::decode;
pub use erasure::Erasure;
pub use feed::{Cause, Change, changes, changes_of_recount};
pub use life::{Life, Refused};
pub use profiles::{Held, Rule, Said, Sayings, greatest, profile_of, profiles_digest};

/// What a store is made with.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Lower-case namespaces between session and customer, ascending.
    pub between: Vec<String>,
    /// Whether a person has at most one `ecommerceId`.
    pub unique: bool,
    /// Whether the built-in list of junk values applies.
    pub builtin_junk: bool,
    /// Junk beyond it.
    pub extra_junk: Vec<String>,
    /// The moments that an event may have, in microseconds: all, since few tests are about them.
    pub times: RangeInclusive<i64>,
}

/// The calendar's first and last moment, as days since the epoch tell them.
pub const CALENDAR: RangeInclusive<i64> = -4_371_587 * DAY..=2_932_897 * DAY - 1;
const DAY: i64 = 86_400_000_000;

/// The moments that events may have unless told otherwise: from 1970 up to the first moment of 2100.
pub const USUAL: RangeInclusive<i64> = 0..=47_482 * DAY;

impl Default for Rules {
    fn default() -> Self {
        Self { between: Vec::new(), unique: true, builtin_junk: true, extra_junk: Vec::new(), times: CALENDAR }
    }
}

/// An identity. The derived order is that of the design: by level, then by the bytes of the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// (0, 0) session, (1, place) configured, (2, 0) any other, by name, (3, 0) the unique one.
    level: (u8, usize),
    /// In lower case.
    pub namespace: String,
    pub value: String,
}

impl Id {
    pub fn session(value: &str) -> Self {
        Self { level: (0, 0), namespace: "sessionid".to_owned(), value: value.to_owned() }
    }

    pub fn customer(value: &str) -> Self {
        Self { level: (3, 0), namespace: "ecommerceid".to_owned(), value: value.to_owned() }
    }

    pub fn is_session(&self) -> bool {
        self.level.0 == 0
    }

    pub fn is_customer(&self) -> bool {
        self.level.0 == 3
    }

    pub(super) fn hash(&self) -> u128 {
        xxh3_128(format!("{}:{}", self.namespace, self.value).as_bytes())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.namespace.as_str() {
            "sessionid" => "sessionId",
            "ecommerceid" => "ecommerceId",
            other => other,
        };
        write!(f, "{name}:{}", self.value)
    }
}

/// What tells two events of one time and the same identities apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// Hash of the line.
    Line(u128),
    /// Its `id`.
    Id(String),
}

/// An event: what the index keeps, and nothing else. Two that are equal are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event {
    /// Microseconds since the Unix epoch.
    pub time: i64,
    pub tag: Tag,
    /// In identity order, one a namespace, never empty.
    pub ids: Vec<Id>,
}

impl Event {
    /// The session or, without one, the highest.
    pub fn anchor(&self) -> &Id {
        self.ids.iter().find(|id| id.is_session()).unwrap_or_else(|| self.highest())
    }

    /// Its `id`, if it has one.
    pub fn id(&self) -> Option<&str> {
        match &self.tag {
            Tag::Id(text) => Some(text),
            Tag::Line(_) => None,
        }
    }

    fn highest(&self) -> &Id {
        self.ids.last().expect("never empty")
    }

    pub fn hash(&self) -> u128 {
        let mut bytes = self.time.to_le_bytes().to_vec();
        match &self.tag {
            Tag::Line(hash) => {
                bytes.push(0);
                bytes.extend(hash.to_le_bytes());
            }
            Tag::Id(text) => match uuid_bytes(text) {
                Some(uuid) => {
                    bytes.push(1);
                    bytes.extend(uuid);
                }
                None => {
                    bytes.push(2);
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            },
        }
        for id in &self.ids {
            bytes.extend(id.hash().to_le_bytes());
        }
        xxh3_128(&bytes)
    }
}

/// The 16 bytes of `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, x a digit or one of a to f.
fn uuid_bytes(text: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let hex = parts.concat();
    if lengths != [8, 4, 4, 4, 12] || !hex.bytes().all(|byte| b"0123456789abcdef".contains(&byte)) {
        return None;
    }
    Some((0..16).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex")).collect())
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Blank,
    Accepted(Event),
    Duplicate(Event),
    Rejected(&'static str),
}

/// Counts of one run over a new store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub rejected: u64,
    /// By reason, where not zero.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Junk values in lower case, without their quotes, or the kind of what is no text, over all lines with a moment, repeats included.
    pub junk: BTreeMap<String, u64>,
    /// How often a spelling of a namespace gave way to another on an event, repeats included.
    pub spellings: u64,
}

/// Pairs (session, customer) whose link counts as never seen.
pub type Pairs = BTreeSet<(Id, Id)>;

/// Everything there is to say about a log, read in the default way.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub counts: Counts,
    /// For each source its lines.
    pub outcomes: Vec<Vec<Outcome>>,
    pub belief: Belief,
}

impl Deref for Verdict {
    type Target = Belief;

    fn deref(&self) -> &Belief {
        &self.belief
    }
}

/// Judges whole logs: (name, lines without their line ends).
pub fn judge<S: AsRef<str>>(rules: &Rules, sources: &[(String, Vec<S>)]) -> Verdict {
    let mut counts = Counts::default();
    let mut events = BTreeSet::new();
    let mut outcomes = Vec::new();
    for (_, lines) in sources {
        outcomes.push(lines.iter().map(|line| judge_line(rules, line.as_ref(), &mut events, &mut counts)).collect());
    }
    Verdict { counts, outcomes, belief: Belief::of(&events, &Pairs::new(), Reading::default()) }
}

fn judge_line(rules: &Rules, line: &str, events: &mut BTreeSet<Event>, counts: &mut Counts) -> Outcome {
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    // An array on a line is what is in it; `layouts` has longer ones.
    let members = serde_json::from_str::<Vec<&RawValue>>(line);
    let line = match members.as_deref() {
        Ok([]) => "",
        Ok([one]) => one.get(),
        Ok(_) | Err(_) => line,
    };
    if line.is_empty() {
        return Outcome::Blank;
    }
    counts.read += 1;
    match decode(rules, line, counts) {
        Ok(event) if events.insert(event.clone()) => {
            counts.accepted += 1;
            Outcome::Accepted(event)
        }
        Ok(event) => {
            counts.duplicate += 1;
            Outcome::Duplicate(event)
        }
        Err(reason) => {
            counts.rejected += 1;
            *counts.reasons.entry(reason).or_default() += 1;
            Outcome::Rejected(reason)
        }
    }
}

/// A moment as it is printed: three decimals, or six where they are needed.
pub fn rfc3339(micros: i64) -> String {
    // In civil time, which reaches to the end of the calendar.
    let time = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0) + jiff::SignedDuration::from_micros(micros);
    if micros % 1000 == 0 { format!("{time:.3}Z") } else { format!("{time:.6}Z") }
}
