//! Where the bytes are that end a plain stretch of text: a bit for each byte of a text, made sixteen at a time.
//!
//! A line has some forty short texts. To look for the end of each, eight bytes at a time, took a tenth more processor time
//! of a whole replay than to find a bit that was set beforehand.

use wide::u8x16;

/// Bytes that are compared at once: a vector that every x86-64 and ARM64 processor has.
const LANES: usize = 16;

/// Bytes a word of marks speaks of.
const WORD: usize = u64::BITS as usize;

/// The marks of a text. Kept from text to text, so that nothing is allocated for one.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// A bit for each byte, the first lowest; one more is set after the last byte. A word without any follows.
    words: Vec<u64>,
}

impl Marks {
    /// Marks the bytes of `text` that a JSON text may not hold as they stand: quotes, backslashes, control characters.
    pub fn make(&mut self, text: &[u8]) {
        self.words.clear();
        let (blocks, rest) = text.as_chunks::<WORD>();
        self.words.extend(blocks.iter().map(mark));
        let mut last = [0; WORD]; // a control character follows on the text
        last.iter_mut().zip(rest).for_each(|(last, &byte)| *last = byte);
        self.words.extend([mark(&last), 0]);
    }

    /// The place of the first marked byte from `at` on; behind the text where there is none.
    #[inline(always)]
    pub fn next(&self, at: usize) -> usize {
        self.view().near(at).unwrap_or_else(|| self.next_of_long(at))
    }

    /// The marks, to be looked at where they lie.
    #[inline(always)]
    pub fn view(&self) -> MarksView<'_> {
        MarksView { words: &self.words }
    }

    #[inline(never)]
    fn next_of_long(&self, at: usize) -> usize {
        let mut place = at / WORD;
        let mut word = self.word(place) & (u64::MAX << (at % WORD));
        while word == 0 && place < self.words.len() {
            place += 1;
            word = self.word(place);
        }
        place * WORD + word.trailing_zeros() as usize % WORD
    }

    #[inline(always)]
    fn word(&self, place: usize) -> u64 {
        self.words.get(place).copied().unwrap_or(0)
    }
}

/// Marks where they lie.
#[derive(Clone, Copy)]
pub(super) struct MarksView<'m> {
    words: &'m [u64],
}

impl MarksView<'_> {
    /// The place of the first marked byte from `at` on, where it is less than a word away.
    ///
    /// Two words make one that begins at `at`: texts are short, and where in a word one begins must not decide which branch is taken.
    #[inline(always)]
    pub fn near(self, at: usize) -> Option<usize> {
        let (place, bit) = (at / WORD, at % WORD);
        let &[word, after] = self.words.get(place..)?.first_chunk()?;
        let window = word >> bit | after << 1 << (WORD - 1 - bit);
        (window != 0).then(|| at + window.trailing_zeros() as usize)
    }
}

#[inline(always)]
fn mark(block: &[u8; WORD]) -> u64 {
    let (vectors, _) = block.as_chunks::<LANES>();
    let mut word = 0;
    for (at, &vector) in vectors.iter().enumerate() {
        let bytes = u8x16::new(vector);
        let marked =
            bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\')) | bytes.simd_lt(u8x16::splat(b' '));
        word |= u64::from(marked.to_bitmask()) << (at * LANES);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_marked_byte() {
        let mut marks = Marks::default();
        for byte in 0..=255 {
            let special = byte < 0x20 || byte == b'"' || byte == b'\\';
            for length in [1, 15, 16, 63, 64, 65, 200] {
                for at in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    marks.make(&bytes);
                    for from in [0, at / 2, at] {
                        assert_eq!(marks.next(from), if special { at } else { length }, "{byte} at {at} of {length}");
                    }
                    assert_eq!(marks.next(at + 1), length.max(at + 1), "{byte} at {at} of {length}");
                }
            }
        }
    }
}
