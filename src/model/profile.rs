//! What an event says of its person beside identities, segments and traits; and by which rule a person's follow from the events'.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::model::error::{Error, ErrorKind, Result};

/// The segments and traits of an event, each as JSON in its canonical spelling, or empty where the event has none.
///
/// They are facts of the event and do not tell it from others: of two deliveries of one event that differ in them the greater
/// one counts, by the bytes of the segments, then of the traits.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProfilePart<'a> {
    /// A list: `["new","prospect"]`.
    pub segments: &'a str,
    /// An object, its names ascending: `{"age":45,"buyer":true}`.
    pub traits: &'a str,
}

impl<'a> ProfilePart<'a> {
    /// Whether it says nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.traits.is_empty()
    }

    /// The names and values of its traits: the name as it is, the value as JSON. One whose name cannot be read is left out.
    pub fn each_trait(&self) -> impl Iterator<Item = (String, &'a str)> + use<'a> {
        let mut rest = self.traits;
        std::iter::from_fn(move || {
            let name = take_value(&mut rest)?;
            let value = take_value(&mut rest)?;
            Some((serde_json::from_str(name).ok(), value))
        })
        .filter_map(|(name, value)| Some((name?, value)))
    }
}

/// The elements of a list in its canonical spelling; of any other value, the value itself.
pub fn elements(value: &str) -> impl Iterator<Item = &str> {
    let is_list = value.starts_with('[');
    let mut rest = if is_list { value } else { "" };
    let whole = (!is_list).then_some(value);
    whole.into_iter().chain(std::iter::from_fn(move || take_value(&mut rest)))
}

/// Takes the next value off the members of a list or an object in its canonical spelling, and what stands before it.
fn take_value<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = rest.get(1..).filter(|text| !matches!(*text, "" | "]" | "}"))?;
    let (mut depth, mut inside, mut escaped) = (0_usize, false, false);
    let end = text.bytes().position(|byte| {
        if inside {
            inside = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            return false;
        }
        match byte {
            b'"' => inside = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b'}' | b']' | b',' | b':' => return depth == 0,
            _ => {}
        }
        false
    })?;
    let value = text.get(..end).filter(|value| !value.is_empty())?;
    *rest = text.get(end..)?;
    Some(value)
}

/// Whether two texts are one. Of two empty ones, whose bytes may lie nowhere, none is read: where processors compare under a mask, that
/// costs hundreds of steps, and a log without profiles took twice the time.
#[inline]
fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && (a.is_empty() || a == b)
}

impl PartialEq for ProfilePart<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        is_same(self.segments, other.segments) && is_same(self.traits, other.traits)
    }
}

impl Eq for ProfilePart<'_> {}

impl Ord for ProfilePart<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match self == other {
            true => Ordering::Equal,
            false => (self.segments, self.traits).cmp(&(other.segments, other.traits)),
        }
    }
}

impl PartialOrd for ProfilePart<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Which value a person has of those that their events told. Events are in the order of their times, then of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ProfileRule {
    /// That of the latest event which told any.
    #[default]
    Latest,
    /// That of the first.
    First,
    /// The one that most events told; of several, the one that was told last.
    MostFrequent,
    /// All of them, as a list in the order of their bytes, each once. A value that is a list counts as its elements.
    Union,
}

impl ProfileRule {
    /// All of them, the default first.
    pub const ALL: [Self; 4] = [Self::Latest, Self::First, Self::MostFrequent, Self::Union];

    /// The word for it, as it is typed and printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::First => "first",
            Self::MostFrequent => "most-frequent",
            Self::Union => "union",
        }
    }
}

impl fmt::Display for ProfileRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// As its word.
impl Serialize for ProfileRule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

/// Why a text is not a [`ProfileRule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rule: use one of {all}", all = ProfileRule::ALL.map(ProfileRule::word).join(", "))]
struct NoRule(String);

impl FromStr for ProfileRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|rule| rule.word() == text);
        found.ok_or_else(|| Error::new(ErrorKind::Argument, NoRule(text.to_owned())))
    }
}

/// The rules of the segments and of each trait: [`ProfileRule::Latest`] where nothing else is said.
///
/// ```
/// use backstitch::{ProfileRule, ProfileRules};
///
/// let rules = ProfileRules::new().segments(ProfileRule::Union).of_trait("source", ProfileRule::First);
/// assert_eq!(rules.rule_of("source"), ProfileRule::First);
/// assert_eq!(rules.rule_of("age"), ProfileRule::Latest);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileRules {
    segments: ProfileRule,
    traits: BTreeMap<String, ProfileRule>,
}

impl ProfileRules {
    /// The latest of each.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rule of the segments.
    pub fn segments(mut self, rule: ProfileRule) -> Self {
        self.segments = rule;
        self
    }

    /// The rule of a trait.
    pub fn of_trait(mut self, name: impl Into<String>, rule: ProfileRule) -> Self {
        self.traits.insert(name.into(), rule);
        self
    }

    /// Which rule the segments have.
    pub fn rule_of_segments(&self) -> ProfileRule {
        self.segments
    }

    /// Which rule a trait has.
    pub fn rule_of(&self, name: &str) -> ProfileRule {
        self.traits.get(name).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_apart_as_they_were_spelled() {
        let part = ProfilePart {
            segments: r#"["a","b,]",["c"],{"d":"]"},-1e9,null]"#,
            traits: r#"{"":1,"a\"b":{"c":[1,2]},"d":"x,y:\\","e":"\\\""}"#,
        };
        let all: Vec<&str> = elements(part.segments).collect();
        assert_eq!(all, [r#""a""#, r#""b,]""#, r#"["c"]"#, r#"{"d":"]"}"#, "-1e9", "null"]);
        let all: Vec<(String, &str)> = part.each_trait().collect();
        let expected = [("", "1"), ("a\"b", r#"{"c":[1,2]}"#), ("d", r#""x,y:\\""#), ("e", r#""\\\"""#)];
        assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(elements("[]").count() + ProfilePart { segments: "", traits: "{}" }.each_trait().count(), 0);
        assert_eq!(elements("7").collect::<Vec<_>>(), ["7"]);
        assert_eq!(elements("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn what_is_told_is_greater_than_nothing() {
        let part = |segments, traits| ProfilePart { segments, traits };
        let ascending = [part("", ""), part("", "{\"a\":1}"), part("[]", ""), part("[]", "{\"a\":1}")];
        assert!(ascending.is_sorted_by(|a, b| a < b));
        assert_eq!(part("[]", ""), part("[]", ""));
    }

    #[test]
    fn rules_are_known_by_their_words() {
        for rule in ProfileRule::ALL {
            assert_eq!(rule.word().parse::<ProfileRule>().unwrap(), rule);
        }
        assert!("newest".parse::<ProfileRule>().unwrap_err().to_string().contains("use one of latest, first"));
    }
}
