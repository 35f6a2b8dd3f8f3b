//! Texts that tell the value of an erased identity: names of sources, ids of events, values of others.

use aho_corasick::AhoCorasick;

use hashbrown::HashSet;

use crate::engine::error::EngineError;
use crate::model::event::EventId;
use crate::model::identity::Value;
use crate::model::limits::MAX_FORGOTTEN;

/// Bytes of a value from which on it is looked for anywhere in a text. Shorter ones stand in dates and numbers by chance: they are looked for
/// as words of their own.
const ANYWHERE: usize = 5;

/// What tells the values of erased identities.
pub struct TellTale {
    /// The values that are looked for, and their lengths by the numbers of patterns; `None` where there are none.
    words: Option<(AhoCorasick, Vec<usize>)>,
    uuids: HashSet<[u8; 16]>,
}

impl TellTale {
    /// That of some values.
    ///
    /// # Errors
    /// When they are too many to be looked for: nothing may be erased then, since their texts would stay.
    pub fn of<'v>(values: impl IntoIterator<Item = Value<'v>>) -> Result<Self, EngineError> {
        let mut uuids = HashSet::new();
        let mut texts: Vec<String> = Vec::new();
        for value in values {
            if let Value::Uuid(bytes) = value {
                uuids.insert(bytes);
            }
            texts.push(value.to_string());
        }
        let lengths = texts.iter().map(String::len).collect();
        let limit = MAX_FORGOTTEN;
        let words = match texts.is_empty() {
            true => None,
            false => Some(AhoCorasick::new(&texts).map_err(|_| EngineError::TooManyForgotten { limit })?),
        };
        Ok(Self { words: words.map(|words| (words, lengths)), uuids })
    }

    /// Whether a text tells a value.
    pub fn is_in(&self, text: &str) -> bool {
        let Some((words, lengths)) = &self.words else { return false };
        let is_inside = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        words.find_overlapping_iter(text).any(|found| {
            lengths[found.pattern()] >= ANYWHERE
                || !is_inside(text[..found.start()].chars().next_back())
                    && !is_inside(text[found.end()..].chars().next())
        })
    }

    /// Whether a value contains one that is looked for.
    pub fn is_in_value(&self, value: Value<'_>) -> bool {
        match value {
            Value::Uuid(bytes) => self.uuids.contains(&bytes),
            Value::Text(text) => self.is_in(text),
        }
    }

    /// Whether segments or traits tell one. They hold numbers and words of all sorts: short values stand there by chance.
    pub fn is_in_profile(&self, text: &str) -> bool {
        let Some((words, lengths)) = &self.words else { return false };
        !text.is_empty() && words.find_overlapping_iter(text).any(|found| lengths[found.pattern()] >= ANYWHERE)
    }

    /// Whether the `id` of an event tells one: its text then.
    pub fn told_by(&self, id: EventId<'_>) -> Option<String> {
        let tells = match id {
            EventId::Line(_) => false,
            EventId::Uuid(bytes) => self.uuids.contains(&bytes),
            EventId::Text(text) => self.is_in(text),
        };
        tells.then(|| id.written()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_value_is_a_word_of_its_own_and_a_long_one_anywhere() {
        let uuid = "f49c75a2-6994-41e2-875d-97ec4d19254b";
        let tale = TellTale::of(["7", "éa", "alice", uuid].map(Value::new)).unwrap();
        for text in ["7", "order-7", "/logs/7.ndjson", "éa", "(éa)", "xalicex", &format!("a{uuid}b")] {
            assert!(tale.is_in(text), "{text}");
        }
        for text in ["", "77", "a7", "2026-11-07", "éab", "Alice", "alic", &uuid[1..]] {
            assert!(!tale.is_in(text), "{text}");
        }
        assert_eq!(
            tale.told_by(EventId::Uuid(crate::model::identity::canonical_uuid(uuid).unwrap())),
            Some(uuid.into())
        );
        assert_eq!((tale.told_by(EventId::Line(7)), tale.told_by(EventId::Text("e-7"))), (None, Some("e-7".into())));
        assert!(!TellTale::of([]).unwrap().is_in("anything"));
    }
}
