//! Interned texts: the segments and traits of events.

use hashbrown::HashTable;

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
    index: HashTable<u32>,
}

impl Default for Texts {
    /// The empty text alone.
    fn default() -> Self {
        Self { ends: vec![0], all: String::new(), index: HashTable::new() }
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
        index.find(seed::hash(wanted.as_bytes()), |&known| text(ends, all, known) == wanted).copied().map(TextId)
    }

    /// The id of a text, made when new.
    pub fn intern(&mut self, new: &str) -> TextId {
        if let Some(known) = self.find(new) {
            return known;
        }
        let Self { ends, all, index } = self;
        let id = ends.len() as u32;
        all.push_str(new);
        ends.push(all.len());
        index.insert_unique(seed::hash(new.as_bytes()), id, |&known| seed::hash(text(ends, all, known).as_bytes()));
        TextId(id)
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
