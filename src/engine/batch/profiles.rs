//! The segments and traits of the events of a chunk: each spelling is looked at once.

use std::collections::HashMap;

use crate::ingest::profiles::{self, KeptPart};
use crate::model::profile::ProfilePart;
use crate::model::texts::{TextId, Texts};

/// The segments and traits of an event, by their texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartId {
    /// Its segments.
    pub segments: TextId,
    /// Its traits.
    pub traits: TextId,
}

impl PartId {
    /// Neither segments nor traits.
    pub const EMPTY: Self = Self { segments: TextId::EMPTY, traits: TextId::EMPTY };
}

/// What spellings stand for that are not canonical, and how much of them was left out. A canonical one stands for itself.
#[derive(Debug, Default)]
pub struct SpelledProfiles {
    segments: HashMap<Box<str>, (TextId, u64)>,
    traits: HashMap<Box<str>, (TextId, u64)>,
}

impl SpelledProfiles {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.traits.clear();
    }

    /// The part that `raw` stands for, whose texts are added to `texts`, and how many values were left out of it.
    #[inline]
    pub fn part(&mut self, texts: &mut Texts, raw: ProfilePart<'_>) -> (PartId, u64) {
        if raw.is_empty() {
            return (PartId::EMPTY, 0);
        }
        // Segments begin with a bracket and traits with a brace, so that one table serves both.
        let is_list = raw.segments.starts_with('[');
        let (segments, cut) = spelled(&mut self.segments, texts, raw.segments, is_list, profiles::segments);
        let is_object = raw.traits.starts_with('{');
        let (traits, more) = spelled(&mut self.traits, texts, raw.traits, is_object, profiles::traits);
        (PartId { segments, traits }, cut + more)
    }
}

#[inline]
fn spelled(
    known: &mut HashMap<Box<str>, (TextId, u64)>,
    texts: &mut Texts,
    raw: &str,
    may_be_canonical: bool,
    keep: impl Fn(&str) -> KeptPart,
) -> (TextId, u64) {
    if raw.is_empty() {
        return (TextId::EMPTY, 0);
    }
    if let Some(id) = texts.find(raw).filter(|_| may_be_canonical) {
        return (id, 0);
    }
    if let Some(&found) = known.get(raw) {
        return found;
    }
    let KeptPart { text, cut } = keep(raw);
    let found = (texts.intern(&text), cut);
    if text != raw {
        known.insert(raw.into(), found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_stands_for_the_canonical_one() {
        let (mut spelled, mut texts) = (SpelledProfiles::default(), Texts::default());
        for _ in 0..3 {
            for (segments, traits, expected, cut) in [
                ("[\"a\"]", "{\"b\":1,\"a\":2}", ("[\"a\"]", "{\"a\":2,\"b\":1}"), 0),
                ("[ \"a\" ]", "{\"a\":2,\"b\":1}", ("[\"a\"]", "{\"a\":2,\"b\":1}"), 0),
                ("", "", ("", ""), 0),
                ("null", "{}", ("", ""), 0),
                ("[]", "[]", ("[]", ""), 1),
                ("{\"a\":2,\"b\":1}", "[\"a\"]", ("", ""), 2),
            ] {
                let (part, found) = spelled.part(&mut texts, ProfilePart { segments, traits });
                assert_eq!((texts.get(part.segments), texts.get(part.traits)), expected);
                assert_eq!(found, cut, "{segments} {traits}");
            }
        }
        assert_eq!(texts.len(), 4);
    }
}
