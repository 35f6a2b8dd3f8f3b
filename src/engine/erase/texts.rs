//! Texts that tell the value of an erased identity: names of sources, ids of events, segments and traits, values of others.
//!
//! A text may hold a value as JSON spells it, with any escapes, also where JSON stands in a text of JSON; and a UUID in either case, with
//! hyphens or without, or as its 16 bytes. All of these tell it. So does the UUID whose 16 bytes are those in another order, where it is the `id`
//! of an event or an identity: these are stored as bytes.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, Match};
use hashbrown::HashSet;

use crate::engine::erase::escapes::unescaped;
use crate::engine::error::EngineError;
use crate::model::event::EventId;
use crate::model::identity::{Value, canonical_uuid};
use crate::model::limits::MAX_FORGOTTEN;

/// Bytes of a value from which on it is looked for anywhere in a text. Shorter ones stand in dates and numbers by chance: they are looked for
/// as words of their own.
const ANYWHERE: usize = 5;

/// Texts of JSON within each other whose escapes are resolved. A log of a log of a log has three; each costs another look at what has escapes.
const LEVELS: usize = 8;

/// The orders in which programs lay out the 16 bytes of a UUID: as it is written, reversed, and with its first three fields reversed, each by itself.
fn layouts(bytes: [u8; 16]) -> [[u8; 16]; 3] {
    let mut reversed = bytes;
    reversed.reverse();
    let mut fields = bytes;
    for field in [0..4, 4..6, 6..8] {
        fields[field].reverse();
    }
    [bytes, reversed, fields]
}

/// Where the hyphens of a UUID stand, from the last on.
const HYPHENS: [usize; 4] = [20, 16, 12, 8];

/// What tells the values of erased identities.
pub struct TellTale {
    /// What is looked for; `None` where there is nothing. It finds texts in any case.
    words: Option<AhoCorasick>,
    /// By pattern.
    patterns: Vec<Pattern>,
    /// The bytes of UUIDs, in every [layout](layouts).
    uuids: HashSet<[u8; 16]>,
}

struct Pattern {
    text: String,
    /// Whether its letters are digits: a UUID is the same in any case.
    any_case: bool,
}

/// The bytes of a UUID in any case, with or without hyphens.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let mut lower = text.to_ascii_lowercase();
    if lower.len() == 32 && lower.is_ascii() {
        HYPHENS.into_iter().for_each(|at| lower.insert(at, '-'));
    }
    canonical_uuid(&lower)
}

impl TellTale {
    /// That of some values.
    ///
    /// # Errors
    /// When they are too many to be looked for: nothing may be erased then, since their texts would stay.
    pub fn of<'v>(values: impl IntoIterator<Item = Value<'v>>) -> Result<Self, EngineError> {
        let mut uuids = HashSet::new();
        let mut patterns: Vec<Pattern> = Vec::new();
        for value in values {
            let text = value.to_string();
            match uuid(&text) {
                Some(bytes) => {
                    uuids.extend(layouts(bytes));
                    // Few of them are text.
                    let as_text = layouts(bytes).into_iter().filter_map(|bytes| String::from_utf8(bytes.to_vec()).ok());
                    patterns.extend(as_text.map(|text| Pattern { text, any_case: false }));
                    let hyphens = Value::Uuid(bytes).to_string();
                    let spellings = [hyphens.replace('-', ""), hyphens];
                    patterns.extend(spellings.map(|text| Pattern { text, any_case: true }));
                }
                None => patterns.push(Pattern { text, any_case: false }),
            }
        }
        let limit = MAX_FORGOTTEN;
        let words = match patterns.is_empty() {
            true => None,
            false => {
                let texts = patterns.iter().map(|pattern| &pattern.text);
                let words = AhoCorasick::builder().ascii_case_insensitive(true).build(texts);
                Some(words.map_err(|_| EngineError::TooManyForgotten { limit })?)
            }
        };
        Ok(Self { words, patterns, uuids })
    }

    /// Whether a text tells a value.
    pub fn is_in(&self, text: &str) -> bool {
        let is_inside = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        self.finds(text, |text, found| {
            found.len() >= ANYWHERE
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
        self.finds(text, |_, found| found.len() >= ANYWHERE)
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

    /// Whether a value that `counts` stands in a text as it is, or with the escapes of it resolved, and those of what that gives.
    fn finds(&self, text: &str, counts: impl Fn(&str, &Match) -> bool) -> bool {
        let Some(words) = self.words.as_ref().filter(|_| !text.is_empty()) else { return false };
        let mut text = Cow::Borrowed(text);
        for _ in 0..=LEVELS {
            let is_it = |found: &Match| {
                let Pattern { text: wanted, any_case } = &self.patterns[found.pattern()];
                (*any_case || text[found.range()] == **wanted) && counts(&text, found)
            };
            if words.find_overlapping_iter(&*text).any(|found| is_it(&found)) {
                return true;
            }
            match unescaped(&text) {
                Some(plain) => text = Cow::Owned(plain),
                None => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const UUID: &str = "f49c75a2-6994-41e2-875d-97ec4d19254b";

    fn tale(values: &[&str]) -> TellTale {
        TellTale::of(values.iter().map(|value| Value::new(value))).unwrap()
    }

    #[test]
    fn a_short_value_is_a_word_of_its_own_and_a_long_one_anywhere() {
        let tale = tale(&["7", "éa", "alice", UUID]);
        for text in ["7", "order-7", "/logs/7.ndjson", "éa", "(éa)", "xalicex", &format!("a{UUID}b")] {
            assert!(tale.is_in(text), "{text}");
        }
        for text in ["", "77", "a7", "2026-11-07", "éab", "Alice", "alic", &UUID[1..]] {
            assert!(!tale.is_in(text), "{text}");
        }
        assert_eq!(tale.told_by(EventId::Uuid(canonical_uuid(UUID).unwrap())), Some(UUID.into()));
        assert_eq!((tale.told_by(EventId::Line(7)), tale.told_by(EventId::Text("e-7"))), (None, Some("e-7".into())));
        assert!(!TellTale::of([]).unwrap().is_in("anything"));
    }

    #[test]
    fn a_uuid_is_one_however_it_is_spelled() {
        let spellings =
            [UUID.to_owned(), UUID.to_uppercase(), UUID.replace('-', ""), UUID.replace('-', "").to_uppercase()];
        for erased in &spellings {
            let tale = tale(&[erased]);
            for text in &spellings {
                assert!(tale.is_in(text) && tale.is_in_profile(&format!(r#"{{"of":"x{text}x"}}"#)), "{erased} {text}");
                assert!(tale.is_in_value(Value::new(text)), "{erased} {text}");
            }
            assert!(tale.told_by(EventId::Uuid(canonical_uuid(UUID).unwrap())).is_some());
            assert!(!tale.is_in(&UUID.replace('4', "5")));
        }
    }

    #[test]
    fn a_uuid_is_one_in_every_order_of_its_bytes() {
        let tale = tale(&[UUID]);
        for other in ["4b25194d-ec97-5d87-e241-9469a2759cf4", "a2759cf4-9469-e241-875d-97ec4d19254b"] {
            let id = EventId::Uuid(canonical_uuid(other).unwrap());
            assert_eq!(tale.told_by(id), Some(other.to_owned()));
            assert!(tale.is_in_value(Value::new(other)), "{other}");
        }
        // Sixteen bytes that are text, in both orders.
        let (uuid, text) = ("61626364-6566-4768-c2a9-6a6b6c6d6e6f", "abcdefGh©jklmno");
        let tale = TellTale::of([Value::new(uuid)]).unwrap();
        assert!(tale.is_in(text) && tale.is_in_profile(&format!("[\"{text}\"]")) && !tale.is_in(&text.to_lowercase()));
        assert!(tale.told_by(EventId::Text(text)).is_some());
    }

    #[test]
    fn escapes_within_escapes_are_resolved_up_to_a_bound() {
        let tale = tale(&["café/7"]);
        let mut text = r"caf\u00e9\/7".to_owned();
        for level in 1..=LEVELS + 2 {
            assert_eq!(tale.is_in_profile(&text), level <= LEVELS, "{level}: {text}");
            text = serde_json::to_string(&text).unwrap();
        }
    }

    /// A way that JSON may spell a text: of each character, as it is where that may be, by its number, or short.
    fn spelled(text: &str, ways: &[u8]) -> String {
        let mut out = String::new();
        for (letter, way) in text.chars().zip(ways.iter().cycle()) {
            let short = match letter {
                '"' => Some(r#"\""#),
                '\\' => Some(r"\\"),
                '/' => Some(r"\/"),
                '\u{8}' => Some(r"\b"),
                '\u{c}' => Some(r"\f"),
                '\n' => Some(r"\n"),
                '\r' => Some(r"\r"),
                '\t' => Some(r"\t"),
                _ => None,
            };
            let must = matches!(letter, '"' | '\\' | '\0'..='\u{1f}');
            let mut units = [0; 2];
            match (way % 4, short) {
                (0 | 1, Some(short)) => out.push_str(short),
                (0 | 1, None) if !must => out.push(letter),
                (2, _) => letter.encode_utf16(&mut units).iter().for_each(|unit| out += &format!("\\u{unit:04x}")),
                (3, _) => letter.encode_utf16(&mut units).iter().for_each(|unit| out += &format!("\\u{unit:04X}")),
                _ if must => out += &format!("\\u{:04x}", letter as u32),
                _ => out.push(letter),
            }
        }
        out
    }

    fn letter() -> impl Strategy<Value = char> {
        let odd =
            select(vec!['"', '\\', '/', '\n', '\t', '\u{8}', '\u{1}', '\u{7f}', 'é', 'ß', '€', '😀', '\u{10ffff}']);
        prop_oneof![select(vec!['a', 'b', 'u', 'n', '0', '1', ' ', '-']), odd]
    }

    proptest! {
        /// Whatever a value is, and however JSON spells it, in however many texts of JSON within each other: it is found, and the value that
        /// serde_json reads there says so, too.
        #[test]
        fn a_value_is_found_in_every_spelling(
            letters in prop::collection::vec(letter(), 5..12),
            ways in prop::collection::vec(0_u8..4, 1..6),
            around in prop::collection::vec(letter(), 0..4),
            levels in 0_usize..3,
        ) {
            let (value, around): (String, String) = (letters.into_iter().collect(), around.into_iter().collect());
            let tale = TellTale::of([Value::new(&value)]).unwrap();
            let mut text = format!(r#"{{"of":"{}{}{}"}}"#, spelled(&around, &ways), spelled(&value, &ways), around.len());
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert!(read["of"].as_str().unwrap().contains(&value), "the spelling is one: {text}");
            for _ in 0..levels {
                text = format!(r#"["{}"]"#, spelled(&text, &ways));
            }
            prop_assert!(tale.is_in_profile(&text) && tale.is_in(&text), "{value:?} in {text}");
        }
    }
}
