//! How do facts leave a store, and enter another? As lines of JSON that say all of it: nothing that a digest is made of is lost.
//!
//! The first line is the head, then come sources, decisions and events, and last the end, without which the file was cut short.

mod barred;
pub mod export;
pub mod import;

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::engine::facts::barred::{OptOutFact, TombstoneFact};
use crate::model::barred::BarHash;
use crate::model::counting::Limits;
use crate::model::event::{Event, EventId};
use crate::model::identity::Identity;
use crate::model::namespace::SESSION;
use crate::model::settings::Settings;
use crate::model::source::{Position, Within};
use crate::model::writing::is_zero;

/// The version of the lines. A file of a higher one is refused.
const VERSION: u32 = 1;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Fact<'a> {
    /// What the store was made with.
    #[serde(borrow)]
    Facts(Head<'a>),
    /// A source; events name it by its place among them, from 0.
    Source(SourceFact<'a>),
    /// Two identities whose link counts as never seen.
    Unlink(UnlinkFact<'a>),
    /// A key of the hashes below: 64 hex digits.
    Key(BarHash),
    /// An identity that was erased.
    Tombstone(TombstoneFact),
    /// An identity that opted out.
    OptOut(OptOutFact),
    /// A text that told the value of an erased identity, and is replaced wherever it comes.
    Hidden(BarHash),
    /// An identity that counts as another of its namespace.
    Rename(RenameFact<'a>),
    /// An identity that is set aside, or is not, whatever the limits.
    Quarantine(QuarantineFact<'a>),
    /// The limits beyond which identities are set aside.
    Limits(Limits),
    /// An event, as it was written.
    Event(EventFact<'a>),
    /// That nothing is missing.
    End(FactCounts),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head<'a> {
    version: u32,
    settings: Settings,
    /// Names as they are spelled.
    #[serde(borrow)]
    namespaces: Vec<Cow<'a, str>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceFact<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    pub position: Option<Position>,
    pub pushed: Option<String>,
    /// What the position stands in, where it is not between lines.
    #[serde(default, skip_serializing_if = "Within::is_between_lines")]
    pub within: Within,
}

/// A session and a customer by their values, as version 0.1 knew them alone; or any two identities.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum UnlinkFact<'a> {
    Login {
        #[serde(borrow)]
        session: Cow<'a, str>,
        #[serde(borrow)]
        customer: Cow<'a, str>,
    },
    Pair {
        #[serde(borrow)]
        identities: Pairs<'a>,
    },
}

impl<'a> UnlinkFact<'a> {
    /// The fact that a pair is unlinked, lower end first; `unique` is the namespace of customers.
    fn new([lower, higher]: [Identity; 2], unique: Option<&str>) -> Self {
        if lower.namespace == SESSION && unique == Some(&*higher.namespace) {
            return Self::Login { session: lower.value.into(), customer: higher.value.into() };
        }
        let pair = [lower, higher].map(|end| (Cow::from(end.namespace), Cow::from(end.value)));
        Self::Pair { identities: Pairs(pair.into()) }
    }

    /// The pair; `None` where there are not two, or none that could have a link.
    fn pair(self, unique: Option<&str>) -> Option<[Identity; 2]> {
        let identity = |namespace: &str, value: &str| Identity::new(namespace, value);
        match self {
            Self::Login { session, customer } => Some([identity(SESSION, &session), identity(unique?, &customer)]),
            Self::Pair { identities: Pairs(pairs) } => {
                let [lower, higher] = &pairs[..] else { return None };
                (lower.0 != higher.0).then(|| [lower, higher].map(|(namespace, value)| identity(namespace, value)))
            }
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventFact<'a> {
    /// RFC 3339.
    #[serde(borrow)]
    time: Cow<'a, str>,
    /// The event's `id`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    /// Without one, the hash of its line: 32 hex digits.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    line: Option<Cow<'a, str>>,
    #[serde(borrow)]
    identities: Pairs<'a>,
    sources: Vec<u32>,
    /// The list of its segments, and the object of its traits.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    segments: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    traits: Option<Cow<'a, RawValue>>,
}

impl<'a> EventFact<'a> {
    /// An event that carries `identities` and came from `sources`.
    pub fn new(
        event: &Event<'_>,
        identities: Vec<(Cow<'a, str>, Cow<'a, str>)>,
        sources: impl Iterator<Item = u32>,
    ) -> Self {
        let line = match event.id {
            EventId::Line(hash) => Some(format!("{hash:032x}").into()),
            EventId::Uuid(_) | EventId::Text(_) => None,
        };
        Self {
            time: event.time.to_string().into(),
            id: event.id.written().map(Cow::from),
            line,
            identities: Pairs(identities),
            sources: sources.collect(),
            segments: json(event.profile.segments),
            traits: json(event.profile.traits),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RenameFact<'a> {
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    old: Cow<'a, str>,
    #[serde(borrow)]
    new: Cow<'a, str>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuarantineFact<'a> {
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    /// Whether it is not set aside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    kept: bool,
}

/// A text of JSON, as it stands; none where it is empty.
fn json<'a>(text: &str) -> Option<Cow<'a, RawValue>> {
    // What is stored was checked, so that nothing is lost here.
    RawValue::from_string(text.to_owned()).ok().map(Cow::Owned)
}

/// How many facts there are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FactCounts {
    /// Events, as they were written.
    pub events: u64,
    /// Sources.
    pub sources: u64,
    /// Pairs whose link counts as never seen.
    pub unlinks: u64,
    /// Tombstones and opt-outs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub barred: u64,
    /// Identities that count as another, or are set aside.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recounts: u64,
    /// The digest of the store that they came from.
    pub digest: String,
}

/// Namespaces and values, in the order of the object.
#[derive(Debug)]
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(namespace, value)| (namespace, value)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((FactText(namespace), FactText(value))) = map.next_entry()? {
                    pairs.push((namespace, value));
                }
                Ok(Pairs(pairs))
            }
        }

        from.deserialize_map(PairsVisitor)
    }
}

/// A text that is borrowed where it can be.
#[derive(Deserialize)]
#[serde(transparent)]
struct FactText<'a>(#[serde(borrow)] Cow<'a, str>);
