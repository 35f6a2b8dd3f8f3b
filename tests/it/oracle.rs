//! The oracle: what a set of events means, written from the design alone.
//!
//! It shares no code with the crate: it decodes with serde_json, keeps sets and vectors of labels, sorts all links by
//! key and joins them one after the other, and hashes by its own account of the digest's bytes. It is slow (every join
//! walks all identities) and meant to be read in one go.
//!
//! What it can miss: where the design is understood wrongly by whoever wrote both; faults of jiff, XXH3 and serde_json,
//! which both sides use (moments are read by jiff here too); everything about how an answer is stored, cached, printed
//! or shared by threads; the limits on numbers of namespaces and identities; links' witnesses.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

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
}

impl Default for Rules {
    fn default() -> Self {
        Self { between: Vec::new(), unique: true, builtin_junk: true, extra_junk: Vec::new() }
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
    pub fn is_session(&self) -> bool {
        self.level.0 == 0
    }

    pub fn is_customer(&self) -> bool {
        self.level.0 == 3
    }

    fn hash(&self) -> u128 {
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

/// How an event came to its person, in the words of the command line.
pub const KINDS: [&str; 4] = ["direct", "retroactive", "carried", "anonymous"];

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Blank,
    Accepted(Event),
    Duplicate(Event),
    Rejected(&'static str),
}

/// What is known of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub person: Id,
    /// The moment that first connected it to its customer; `None` for that customer, and where there is none.
    pub since: Option<i64>,
    /// In identity order.
    pub group: Vec<Id>,
}

/// A line of `sessions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub session: String,
    pub person: String,
    pub since: Option<String>,
    pub events: u64,
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
    /// Junk values in lower case, without their quotes, over all lines with a moment, repeats included.
    pub junk: BTreeMap<String, u64>,
}

/// Two identities that shared an event, one of them its highest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub first: i64,
    pub higher: Id,
    pub lower: Id,
    pub last: i64,
    pub count: u64,
}

impl Link {
    pub fn key(&self) -> (i64, &Id, &Id) {
        (self.first, &self.higher, &self.lower)
    }
}

/// Everything there is to say about a log.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub counts: Counts,
    /// For each source its lines.
    pub outcomes: Vec<Vec<Outcome>>,
    /// Each event once, with its person and kind.
    pub events: BTreeMap<Event, (Id, &'static str)>,
    pub identities: BTreeMap<Id, Answer>,
    /// In key order.
    pub links: Vec<Link>,
    /// Refused links, in key order.
    pub refused: Vec<Link>,
    /// In the order of [`KINDS`].
    pub attribution: [u64; 4],
    pub sessions: u64,
    pub customers: u64,
    pub linked_sessions: u64,
    pub shared_sessions: u64,
    pub digest: String,
    /// Sorted by session.
    pub rows: Vec<SessionRow>,
}

impl Verdict {
    /// The events of a person, by time.
    pub fn events_of(&self, person: &Id) -> Vec<(&Event, &'static str)> {
        self.events.iter().filter(|(_, (whose, _))| whose == person).map(|(event, (_, kind))| (event, *kind)).collect()
    }

    /// The identity that is printed like this.
    pub fn id(&self, printed: &str) -> Option<&Id> {
        self.identities.keys().find(|id| id.to_string() == printed)
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
    let links = links(&events);
    let (identities, refused) = identities(&events, &links);
    let events: BTreeMap<_, _> = events
        .into_iter()
        .map(|event| {
            let whose = attribute(&event, &identities);
            (event, whose)
        })
        .collect();
    let sessions = || identities.iter().filter(|(id, _)| id.is_session());
    let mut customers_met: HashMap<&Id, u64> = HashMap::new();
    for link in links.iter().filter(|link| link.lower.is_session() && link.higher.is_customer()) {
        *customers_met.entry(&link.lower).or_default() += 1;
    }
    let shared_sessions = customers_met.values().filter(|&&met| met > 1).count() as u64;
    let mut on_session: HashMap<&Id, u64> = HashMap::new();
    for event in events.keys() {
        *on_session.entry(event.anchor()).or_default() += 1;
    }
    let rows = sessions()
        .map(|(id, answer)| SessionRow {
            session: id.value.clone(),
            person: answer.person.to_string(),
            since: answer.since.map(rfc3339),
            events: on_session[id],
        })
        .collect();
    Verdict {
        counts,
        outcomes,
        attribution: KINDS.map(|word| events.values().filter(|(_, kind)| *kind == word).count() as u64),
        sessions: sessions().count() as u64,
        customers: identities.keys().filter(|id| id.is_customer()).count() as u64,
        linked_sessions: sessions().filter(|(_, answer)| answer.person.is_customer()).count() as u64,
        shared_sessions,
        digest: digest(&identities, &events),
        rows,
        links,
        refused,
        events,
        identities,
    }
}

fn judge_line(rules: &Rules, line: &str, events: &mut BTreeSet<Event>, counts: &mut Counts) -> Outcome {
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    if line.is_empty() {
        return Outcome::Blank;
    }
    counts.read += 1;
    match decode(rules, line, &mut counts.junk) {
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

fn decode(rules: &Rules, line: &str, junk: &mut BTreeMap<String, u64>) -> Result<Event, &'static str> {
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

/// A moment as it is printed: three decimals, or six where they are needed.
pub fn rfc3339(micros: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(micros).expect("read from a log");
    if micros % 1000 == 0 { format!("{time:.3}") } else { format!("{time:.6}") }
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

fn links(events: &BTreeSet<Event>) -> Vec<Link> {
    let mut links: BTreeMap<(Id, Id), Link> = BTreeMap::new();
    for event in events {
        let higher = event.highest();
        for lower in event.ids.iter().filter(|id| *id != higher) {
            let link = links.entry((lower.clone(), higher.clone())).or_insert(Link {
                first: event.time,
                higher: higher.clone(),
                lower: lower.clone(),
                last: event.time,
                count: 0,
            });
            link.first = link.first.min(event.time);
            link.last = link.last.max(event.time);
            link.count += 1;
        }
    }
    let mut links: Vec<Link> = links.into_values().collect();
    links.sort_by(|a, b| a.key().cmp(&b.key()));
    links
}

/// Section 3, word for word. A group is a label; joining two walks all identities and relabels one side.
fn identities(events: &BTreeSet<Event>, links: &[Link]) -> (BTreeMap<Id, Answer>, Vec<Link>) {
    let mut first_seen: BTreeMap<&Id, i64> = BTreeMap::new();
    for event in events {
        for id in &event.ids {
            let first = first_seen.entry(id).or_insert(event.time);
            *first = event.time.min(*first);
        }
    }
    let ids: Vec<&Id> = first_seen.keys().copied().collect(); // in identity order
    let place: HashMap<&Id, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let mut label: Vec<usize> = (0..ids.len()).collect();
    let mut owner: Vec<Option<usize>> = (0..ids.len()).map(|at| ids[at].is_customer().then_some(at)).collect(); // by label
    let mut since: Vec<Option<i64>> = vec![None; ids.len()];
    let mut refused = Vec::new();
    for link in links {
        let (a, b) = (label[place[&link.lower]], label[place[&link.higher]]);
        if a == b {
            continue;
        }
        if owner[a].is_some() && owner[b].is_some() {
            refused.push(link.clone());
            continue;
        }
        let both = owner[a].or(owner[b]);
        for at in 0..ids.len() {
            if (label[at] == a || label[at] == b) && owner[label[at]].is_none() && both.is_some() {
                since[at] = Some(link.first);
            }
            if label[at] == b {
                label[at] = a;
            }
        }
        owner[a] = both;
    }
    let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, &group) in label.iter().enumerate() {
        groups.entry(group).or_default().push(at);
    }
    let answers = ids.iter().enumerate().map(|(at, id)| {
        let group = &groups[&label[at]];
        let earliest = *group.iter().min_by_key(|&&member| (first_seen[ids[member]], member)).expect("holds itself");
        let person = owner[label[at]].unwrap_or(earliest);
        let group = group.iter().map(|&member| ids[member].clone()).collect();
        ((*id).clone(), Answer { person: ids[person].clone(), since: since[at], group })
    });
    (answers.collect(), refused)
}

fn attribute(event: &Event, identities: &BTreeMap<Id, Answer>) -> (Id, &'static str) {
    if event.highest().is_customer() {
        return (event.highest().clone(), "direct");
    }
    let anchor = &identities[event.anchor()];
    let kind = match anchor.since {
        _ if !anchor.person.is_customer() => "anonymous",
        Some(since) if event.time < since => "retroactive",
        _ => "carried",
    };
    (anchor.person.clone(), kind)
}

fn digest(identities: &BTreeMap<Id, Answer>, events: &BTreeMap<Event, (Id, &'static str)>) -> String {
    let element = |sort: u8, kind: u8, what: u128, person: &Id| {
        xxh3_128(&[&[sort, kind][..], &what.to_le_bytes(), &person.hash().to_le_bytes()].concat())
    };
    let known = identities.iter().map(|(id, answer)| element(b'i', b'-', id.hash(), &answer.person));
    let happened = events.iter().map(|(event, (person, kind))| element(b'e', kind.as_bytes()[0], event.hash(), person));
    format!("{:032x}", known.chain(happened).fold(0, u128::wrapping_add))
}
