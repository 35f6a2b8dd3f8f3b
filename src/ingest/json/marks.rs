//! Where the bytes are that end a plain stretch of text: a bit for each byte of a text, made sixteen at a time.
//!
//! A line has some forty short texts. To look for the end of each, eight bytes at a time, took a tenth more processor time
//! of a whole replay than to find a bit that was set beforehand.

use wide::u8x16;

/// Bytes that are compared at once: a vector that every x86-64 and ARM64 processor has.
const LANES: usize = 16;

/// Bytes a word of marks speaks of, and those it has: the marks of the first in the lowest bits.
const WORD: usize = u64::BITS as usize;
const WORD_BYTES: usize = size_of::<u64>();

/// The marks of a text. Kept from text to text, so that nothing is allocated for one.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// A bit for each byte, the first lowest; one more is set after the last byte. A word without any follows.
    words: Vec<[u8; WORD_BYTES]>,
}

impl Marks {
    /// Marks the bytes of `text` that a JSON text may not hold as they stand: quotes, backslashes, control characters.
    pub fn make(&mut self, text: &[u8]) {
        self.words.clear();
        let (blocks, rest) = text.as_chunks::<WORD>();
        self.words.extend(blocks.iter().map(mark));
        let mut last = [0; WORD]; // a control character follows on the text
        last.iter_mut().zip(rest).for_each(|(last, &byte)| *last = byte);
        self.words.extend([mark(&last), [0; WORD_BYTES]]);
    }

    /// The place of the first marked byte from `at` on; behind the text where there is none.
    #[inline(always)]
    pub fn next(&self, at: usize) -> usize {
        self.view().near(at).unwrap_or_else(|| self.next_of_long(at))
    }

    /// The marks, to be looked at where they lie.
    #[inline(always)]
    pub fn view(&self) -> MarksView<'_> {
        MarksView { bytes: self.words.as_flattened() }
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
        self.words.get(place).map_or(0, |&word| u64::from_le_bytes(word))
    }
}

/// Marks where they lie.
#[derive(Clone, Copy)]
pub(super) struct MarksView<'m> {
    bytes: &'m [u8],
}

impl MarksView<'_> {
    /// The place of the first marked byte from `at` on, where it is near: less than a word away, but for a byte of marks.
    ///
    /// The word that is looked at begins with the marks of the byte at `at`: texts are short, and where in a word of the marks one begins
    /// must not decide which branch is taken.
    #[inline(always)]
    pub fn near(self, at: usize) -> Option<usize> {
        let word = self.bytes.get(at / 8..)?.first_chunk()?;
        let near = u64::from_le_bytes(*word) >> (at % 8);
        (near != 0).then(|| at + near.trailing_zeros() as usize)
    }
}

#[inline(always)]
fn mark(block: &[u8; WORD]) -> [u8; WORD_BYTES] {
    let (vectors, _) = block.as_chunks::<LANES>();
    let mut word = 0;
    for (at, &vector) in vectors.iter().enumerate() {
        let bytes = u8x16::new(vector);
        let marked =
            bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\')) | bytes.simd_lt(u8x16::splat(b' '));
        word |= u64::from(marked.to_bitmask()) << (at * LANES);
    }
    word.to_le_bytes()
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
