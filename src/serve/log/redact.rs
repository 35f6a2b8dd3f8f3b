//! What becomes of a line of the log when identities are erased.
//!
//! A line that carries one of them goes. One of somebody else that only tells the value is kept, with the value overwritten: it stays
//! the same event, with the same time, identities and `id`. What tells a value is decided as in the store
//! ([`TellTale`]); there is nothing in a log that the store does not treat the same way, but for members that it does not keep.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::engine::erase::texts::TellTale;
use crate::model::event::{DecodedEvent, EventId};
use crate::model::identity::Value;
use crate::model::namespace::{Levels, NamespaceId, Namespaces};
use crate::model::time::Time;
use crate::store::barred::Barred;

/// Who is erased from a log.
#[derive(Debug)]
pub struct LogTargets {
    /// Their values, by namespace.
    values: HashMap<NamespaceId, HashSet<String>>,
    /// The namespaces that are known before a log is read: theirs among them.
    pub namespaces: Namespaces,
    /// The last moment of the events that go.
    pub until: Time,
    /// What takes the place of ids.
    barred: Arc<Barred>,
}

/// An identity of a log.
pub type LoggedIdentity = (NamespaceId, String);

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum LineFate {
    /// It stays as it is.
    Stays,
    /// It goes.
    Goes,
    /// It is written so.
    Redacted(String),
}

impl LogTargets {
    /// These: namespaces, and values.
    pub fn new(named: &BTreeSet<(String, String)>, until: Time, levels: Levels, barred: Arc<Barred>) -> Self {
        let mut namespaces = Namespaces::new(levels);
        let mut values: HashMap<NamespaceId, HashSet<String>> = HashMap::new();
        for (namespace, value) in named {
            // No log has identities of one for which there is no room.
            if let Some(namespace) = namespaces.intern_configured(namespace) {
                values.entry(namespace).or_default().insert(value.clone());
            }
        }
        Self { values, namespaces, until, barred }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = LoggedIdentity> {
        self.values.iter().flat_map(|(&namespace, values)| values.iter().map(move |value| (namespace, value.clone())))
    }

    /// Those of them that an event carries.
    pub fn carried(&self, event: &DecodedEvent<'_>) -> impl Iterator<Item = LoggedIdentity> {
        event.identities.iter().filter_map(|(namespace, value)| {
            let mut room = [0; 36];
            let known = self.values.get(namespace)?.get(value.text_into(&mut room))?;
            Some((*namespace, known.clone()))
        })
    }

    /// What becomes of a line that is an event.
    pub fn fate(&self, tale: &TellTale, event: &DecodedEvent<'_>, line: &str) -> LineFate {
        if event.time <= self.until && self.carried(event).next().is_some() {
            return LineFate::Goes;
        }
        // An escape may hide a value, and an `id` be one in another order of its bytes.
        if !line.contains('\\') && !tale.is_in(line) && tale.told_by(event.id).is_none() {
            return LineFate::Stays;
        }
        self.redacted(tale, event, line).map_or(LineFate::Stays, LineFate::Redacted)
    }

    /// A line without the values that it tells; `None` where it tells none.
    fn redacted(&self, tale: &TellTale, event: &DecodedEvent<'_>, line: &str) -> Option<String> {
        let mut redaction = Redaction { line, tale, edits: Vec::new() };
        let carried: Vec<LoggedIdentity> = self.carried(event).collect();
        let mut ids = Vec::new();
        for member in members(line)? {
            redaction.name(&member);
            match &*member.name() {
                // Numbers contain each other by chance, and without its time it would be another event.
                "timestamp" | "time" => {}
                "id" => ids.push(member.value.get()),
                "user" => self.user(&mut redaction, member.value.get(), &carried),
                _ => redaction.value(member.value.get()),
            }
        }
        let mark = tale.told_by(event.id).and_then(|told| self.barred.mark(&told));
        match mark.unwrap_or(event.id) {
            EventId::Line(hash)
                if mark.is_some() || !redaction.edits.is_empty() || ids.iter().any(|id| redaction.tells(id)) =>
            {
                // Without an `id` of its own an event is known by its line, which differs now.
                let text = format!("\"{}\"", EventId::hash_as_text(hash));
                match ids.is_empty() {
                    true => redaction.edits.push((start_of_members(line), format!("\"id\":{text},"))),
                    false => ids.iter().for_each(|id| redaction.replace(id, text.clone())),
                }
            }
            EventId::Line(_) => {}
            EventId::Uuid(_) | EventId::Text(_) => ids.iter().for_each(|id| redaction.value(id)),
        }
        (!redaction.edits.is_empty()).then(|| redaction.written())
    }

    fn user(&self, redaction: &mut Redaction<'_>, user: &str, carried: &[LoggedIdentity]) {
        let Some(of_user) = members(user) else { return redaction.value(user) };
        for member in of_user {
            redaction.name(&member);
            let raw = member.value.get();
            match &*member.name() {
                "identities" => self.identities(redaction, raw, carried),
                // As in the store: of segments or traits that tell a value nothing is kept.
                "segments" | "traits" if redaction.tells(raw) => redaction.replace(raw, "null".to_owned()),
                "segments" | "traits" => {}
                _ => redaction.value(raw),
            }
        }
    }

    /// The identities of somebody else stay, whatever their values contain. What stands among them and is not one of the event is a value that
    /// gave way to another spelling, or is junk.
    fn identities(&self, redaction: &mut Redaction<'_>, raw: &str, carried: &[LoggedIdentity]) {
        let Some(all) = members(raw) else { return redaction.value(raw) };
        for member in all {
            let raw = member.value.get();
            let value = match raw.as_bytes().first() {
                Some(b'"') => serde_json::from_str::<String>(raw).unwrap_or_default(),
                Some(b'[' | b'{') => {
                    redaction.value(raw);
                    continue;
                }
                _ => raw.to_owned(),
            };
            let Some(namespace) = self.namespaces.get(member.name().trim()) else { continue };
            let identity = (namespace, value.trim().to_owned());
            let is_one = self.values.get(&namespace).is_some_and(|values| values.contains(&identity.1));
            if is_one && redaction.tale.is_in_value(Value::new(&identity.1)) && !carried.contains(&identity) {
                redaction.replace(raw, "\"\"".to_owned());
            }
        }
    }
}

/// A line that is being overwritten in places.
struct Redaction<'l> {
    line: &'l str,
    tale: &'l TellTale,
    edits: Vec<(Range<usize>, String)>,
}

impl Redaction<'_> {
    /// Overwrites the name of a member, if it tells.
    fn name(&mut self, member: &RawMember<'_>) {
        self.value(member.name.get());
    }

    /// Overwrites the texts and numbers of a value that tell.
    fn value(&mut self, raw: &str) {
        let start = place(self.line, raw).start;
        for token in tokens(raw) {
            if !self.tells(raw.get(token.clone()).unwrap_or_default()) {
                continue;
            }
            let token = start + token.start..start + token.end;
            match self.line.as_bytes().get(token.start) {
                Some(b'"') => self.star(token),
                _ => self.edits.push((token, "0".to_owned())),
            }
        }
    }

    /// Whether any text or number of a value tells.
    fn tells(&self, raw: &str) -> bool {
        tokens(raw).any(|token| {
            let token = raw.get(token).unwrap_or_default();
            let unescaped = match token.contains('\\') {
                true => serde_json::from_str(token).map_or(Cow::Borrowed(token), Cow::<str>::Owned),
                false => Cow::Borrowed(token),
            };
            self.tale.is_in_profile(&unescaped)
        })
    }

    fn star(&mut self, text: Range<usize>) {
        let stars = "*".repeat(text.len().saturating_sub(2));
        self.edits.push((text, format!("\"{stars}\"")));
    }

    fn replace(&mut self, raw: &str, with: String) {
        self.edits.push((place(self.line, raw), with));
    }

    fn written(mut self) -> String {
        self.edits.sort_by_key(|(range, _)| range.start);
        let (mut written, mut at) = (String::with_capacity(self.line.len()), 0);
        for (range, text) in self.edits {
            written.push_str(self.line.get(at..range.start).unwrap_or_default());
            written.push_str(&text);
            at = range.end;
        }
        written.push_str(self.line.get(at..).unwrap_or_default());
        written
    }
}

/// A member of an object, as it is written.
struct RawMember<'l> {
    name: &'l RawValue,
    value: &'l RawValue,
}

impl RawMember<'_> {
    fn name(&self) -> String {
        serde_json::from_str(self.name.get()).unwrap_or_default()
    }
}

/// The members of an object, as often as each stands there; `None` of anything else.
fn members(text: &str) -> Option<Vec<RawMember<'_>>> {
    struct AllMembers;
    impl<'de> Visitor<'de> for AllMembers {
        type Value = Vec<RawMember<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some((name, value)) = map.next_entry()? {
                all.push(RawMember { name, value });
            }
            Ok(all)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(AllMembers).ok()
}

/// Where `part`, which is a piece of `line`, stands in it.
fn place(line: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(line.as_ptr() as usize);
    start..start + part.len()
}

/// Right behind the brace that opens the object.
fn start_of_members(line: &str) -> Range<usize> {
    let start = line.find('{').map_or(0, |at| at + 1);
    start..start
}

/// Where the texts and numbers of a JSON value stand.
fn tokens(raw: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = raw.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let start = at + rest.iter().position(|byte| matches!(byte, b'"' | b'-' | b'0'..=b'9'))?;
        let rest = bytes.get(start + 1..)?;
        let length = match bytes.get(start) {
            Some(b'"') => {
                let mut escaped = false;
                let ends = |byte: &u8| {
                    let is_end = *byte == b'"' && !escaped;
                    escaped = *byte == b'\\' && !escaped;
                    is_end
                };
                rest.iter().position(ends)? + 1
            }
            _ => {
                let goes_on = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                rest.iter().take_while(|byte| goes_on(byte)).count()
            }
        };
        at = start + 1 + length;
        Some(start..at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Forget};
    use crate::ingest::chunk::Chunk;
    use crate::ingest::decode::Decoder;
    use crate::ingest::fields::Fields;
    use crate::ingest::junk::JunkCounts;
    use crate::model::barred::IdentityBar;
    use crate::model::settings::Junk;

    const CUSTOMER: &str = "clara-17";

    /// The event of a line, as text.
    fn event(line: &str) -> String {
        let mut told = String::new();
        let decoder = Decoder::new(&Junk::default(), &Fields::default());
        let mut namespaces = Namespaces::new(Levels::default());
        decoder.chunk(&Chunk::whole(line), &mut namespaces, &mut JunkCounts::new(), &mut |line| {
            let event = line.outcome.unwrap();
            told = format!("{:?} {:?} {:?}", event.time, event.id, event.identities);
        });
        told
    }

    fn fate(line: &str) -> LineFate {
        let mut engine = Engine::in_memory();
        engine.forget(&Forget::identity("ecommerceId", CUSTOMER)).unwrap();
        let named = BTreeSet::from([("ecommerceid".to_owned(), CUSTOMER.to_owned())]);
        let barred = Arc::clone(engine.barred());
        let targets = LogTargets::new(&named, IdentityBar::FOR_GOOD, Levels::default(), barred);
        let tale = TellTale::of([Value::new(CUSTOMER)]).unwrap();
        let decoder = Decoder::new(&Junk::default(), &Fields::default());
        let (mut namespaces, mut fate) = (targets.namespaces.clone(), LineFate::Stays);
        decoder.chunk(&Chunk::whole(line), &mut namespaces, &mut JunkCounts::new(), &mut |decoded| {
            fate = targets.fate(&tale, decoded.outcome.unwrap(), line);
        });
        fate
    }

    #[test]
    fn a_line_that_carries_one_goes_in_any_spelling() {
        for line in [
            r#"{"timestamp":1,"user":{"identities":{"ecommerceId":"clara-17"}}}"#,
            r#"{"timestamp":1,"user":{"identities":{"sessionId":"s","ECOMMERCEID":" clara-17 "}}}"#,
            r#"{"timestamp":1,"user":{"identities":{"ecommerceId":"\u0063lara\u002d17"}}}"#,
        ] {
            assert_eq!(fate(line), LineFate::Goes, "{line}");
        }
        for line in [
            r#"{"timestamp":1,"user":{"identities":{"ecommerceId":"clara-1"}}}"#,
            r#"{"timestamp":1,"user":{"identities":{"email":"clara-17@x.example"}},"note":"\u0063"}"#,
        ] {
            assert_eq!(fate(line), LineFate::Stays, "{line}");
        }
    }

    #[test]
    fn a_line_of_somebody_else_stays_the_same_event_without_the_value() {
        let of = r#""user":{"identities":{"sessionId":"s","email":"clara-17@x.example"}"#;
        for (line, expected) in [
            (
                format!(r#"{{"timestamp":1,"id":"e","a":["clara-17",7,{{"clara-17":"b"}}],{of}}}}}"#),
                format!(r#"{{"timestamp":1,"id":"e","a":["********",7,{{"********":"b"}}],{of}}}}}"#),
            ),
            (
                format!(r#"{{"timestamp":1,"id":"e","url":"/\u0063lara-17?\"",{of}}}}}"#),
                format!(r#"{{"timestamp":1,"id":"e","url":"{}",{of}}}}}"#, "*".repeat(17)),
            ),
            (
                format!(r#"{{"timestamp":1,"id":"e",{of},"traits":{{"a":"clara-17"}},"segments":["of clara-17"]}}}}"#),
                format!(r#"{{"timestamp":1,"id":"e",{of},"traits":null,"segments":null}}}}"#),
            ),
        ] {
            assert_eq!(fate(&line), LineFate::Redacted(expected.clone()));
            assert_eq!(event(&line), event(&expected));
            assert_eq!(fate(&expected), LineFate::Stays, "once");
        }
        // A junk value, or one that gave way, is no identity of the event.
        let line = r#"{"timestamp":1,"id":"e","user":{"identities":{"sessionId":"s","ecommerceId":["clara-17"]}}}"#;
        let LineFate::Redacted(redacted) = fate(line) else { panic!("{:?}", fate(line)) };
        assert!(!redacted.contains(CUSTOMER) && event(line) == event(&redacted), "{redacted}");
    }

    #[test]
    fn an_id_that_tells_is_a_mark_and_an_event_without_one_keeps_what_it_is_known_by() {
        let of = r#""user":{"identities":{"sessionId":"s"}}"#;
        let LineFate::Redacted(told) = fate(&format!(r#"{{"timestamp":1,"id":"order-of-clara-17",{of}}}"#)) else {
            panic!("it tells")
        };
        assert!(told.starts_with(r#"{"timestamp":1,"id":"(event "#) && event(&told).contains("Line("), "{told}");
        for without in [
            format!(r#"{{"timestamp":1,"a":"clara-17",{of}}}"#),
            format!(r#"{{"timestamp":1,"id":"{}",{of}}}"#, CUSTOMER.repeat(200)),
            format!(r#"{{"timestamp":1,"id":["clara-17"],{of}}}"#),
        ] {
            let LineFate::Redacted(redacted) = fate(&without) else { panic!("{without} tells") };
            assert!(!redacted.contains(CUSTOMER), "{redacted}");
            assert_eq!(event(&redacted), event(&without));
        }
    }
}
