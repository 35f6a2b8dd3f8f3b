//! Interned texts: the segments and traits of events.

use crate::model::places::Places;
use crate::model::seed;

/// A text of one [`Texts`]; the empty one is [`TextId::EMPTY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextId(pub u32);

impl TextId {
    /// The empty text, which every [`Texts`] holds.
    pub const EMPTY: Self = Self(0);
}

/// Interned texts. Within a session they hardly change, so millions of events share some thousands.
#[derive(Debug)]
pub struct Texts {
    ends: Vec<usize>,
    all: String,
    /// The places of all but the empty text, counted from the first of them.
    index: Places,
}

impl Default for Texts {
    /// The empty text alone.
    fn default() -> Self {
        Self { ends: vec![0], all: String::new(), index: Places::default() }
    }
}

impl Texts {
    /// Forgets all but the empty text, and keeps the room.
    pub fn clear(&mut self) {
        self.ends.truncate(1);
        self.all.clear();
        self.index.clear();
    }

    /// How many there are; their ids are the numbers below it.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.all.len()
    }

    /// All of them, one after the other.
    pub fn all(&self) -> &str {
        &self.all
    }

    /// A text by its id.
    pub fn get(&self, id: TextId) -> &str {
        text(&self.ends, &self.all, id.0)
    }

    /// The id of a text that is there.
    #[inline]
    pub fn find(&self, wanted: &str) -> Option<TextId> {
        if wanted.is_empty() {
            return Some(TextId::EMPTY);
        }
        let Self { ends, all, index } = self;
        let place = index.find(seed::hash(wanted.as_bytes()), |place| text(ends, all, place + 1) == wanted)?;
        Some(TextId(place + 1))
    }

    /// The id of a text, made when new.
    pub fn intern(&mut self, new: &str) -> TextId {
        if new.is_empty() {
            return TextId::EMPTY;
        }
        let Self { ends, all, index } = self;
        if index.is_full() {
            let known = 1..ends.len() as u32;
            *index = Places::of(index.next_room(), known.map(|id| seed::hash(text(ends, all, id).as_bytes())));
        }
        let hash = seed::hash(new.as_bytes());
        let (place, is_new) = index.find_or_add(hash, |place| text(ends, all, place + 1) == new);
        if is_new {
            all.push_str(new);
            ends.push(all.len());
        }
        TextId(place + 1)
    }
}

fn text<'a>(ends: &[usize], all: &'a str, id: u32) -> &'a str {
    let start = if id == 0 { 0 } else { ends[id as usize - 1] };
    &all[start..ends[id as usize]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_comes_back() {
        let mut texts = Texts::default();
        assert_eq!((texts.intern(""), texts.find("a")), (TextId::EMPTY, None));
        let ids: Vec<TextId> = (0..1000).map(|number| texts.intern(&format!("é{number}"))).collect();
        for (number, id) in (0..1000).zip(ids) {
            assert_eq!(texts.get(id), format!("é{number}"));
            assert_eq!((texts.intern(&format!("é{number}")), texts.find(&format!("é{number}"))), (id, Some(id)));
        }
        assert_eq!((texts.get(TextId::EMPTY), texts.len()), ("", 1001));
        texts.clear();
        assert_eq!((texts.len(), texts.bytes(), texts.intern("b")), (1, 0, TextId(1)));
    }
}
