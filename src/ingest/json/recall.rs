//! Events of a chunk that carry what an earlier one carries, spelled byte for byte the same.
//!
//! Within a session hardly anything changes but the time and the action: of three lines in a chunk, two carry the identities, segments and
//! traits of one before. To see that costs a comparison of some 150 bytes, and spares the parsing of each value and its look-up.

use crate::ingest::json::members::Members;
use crate::ingest::json::scan::{Span, Token};

/// Identities of a line that is recalled. Of longer lines there are few.
const MAX_IDENTITIES: usize = 4;

/// Words of the places of what a line carries: one for each identity, and one for segments and traits.
const WORDS: usize = MAX_IDENTITIES + 1;

/// Lines that are remembered: a power of two, and more than a chunk has sessions. They take some 150 KB.
const SLOTS: usize = 1 << 11;

/// Bytes of an identity's value that tell where a line is looked for: its last ones, which differ most.
const TAIL: usize = 8;

/// An odd number without a pattern: the golden ratio. It need not be secret: who makes all lines meet in one slot gains that none
/// is recalled.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where in a text lies what a line carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct CarriedPlace {
    start: usize,
    length: usize,
    /// The places within it, four a word, each one more than its distance from the start; zero where there is nothing. Where they and the
    /// bytes are the same, so is everything that they say.
    places: [u64; WORDS],
    slot: usize,
}

impl CarriedPlace {
    /// That of a line of `text`, which lies at `offset` of the chunk, whose fields are `members`; `None` where it is not simple.
    #[inline(always)]
    pub fn of(text: &str, offset: usize, members: &Members) -> Option<Self> {
        let [segments, traits] = members.profile_spans()?;
        let identities = &members.identities[..];
        // They stand in the order of the line, a name before its value.
        let [(first, _), ..] = identities else { return None };
        if identities.len() > MAX_IDENTITIES {
            return None;
        }
        let begin = |span: Option<Span>| span.map_or(usize::MAX, |span| span.start);
        let start = first.start.min(begin(segments)).min(begin(traits));
        let (mut least, mut end) = (usize::MAX, 0);
        // Below 2^16 where the length is.
        let mut word = |span: Span| {
            (least, end) = (least.min(span.start), end.max(span.end));
            (span.start.wrapping_sub(start) as u64 + 1) << 16 | (span.end.wrapping_sub(start) as u64 + 1)
        };
        let (mut places, mut tails) = ([0; WORDS], 0);
        for (place, &(name, value)) in places.iter_mut().zip(identities) {
            let (Token::Text(value) | Token::Number(value)) = value else { return None };
            *place = word(name) << 32 | word(value);
            tails = (tails ^ tail(value.of(text))).wrapping_mul(SPREAD);
        }
        places[MAX_IDENTITIES] = segments.map_or(0, &mut word) << 32 | traits.map_or(0, &mut word);
        let length = end.checked_sub(start).filter(|&length| length < usize::from(u16::MAX) && least == start)?;
        let start = offset + start;
        Some(Self { start, length, places, slot: (tails >> (u64::BITS - SLOTS.trailing_zeros())) as usize })
    }
}

#[inline(always)]
fn tail(value: &str) -> u64 {
    let bytes = value.as_bytes();
    match bytes.last_chunk::<TAIL>() {
        Some(tail) => u64::from_le_bytes(*tail),
        None => bytes.iter().fold(0, |all, &byte| all << 8 | u64::from(byte)),
    }
}

/// The lines of a chunk that are remembered, by their slot; the last one of each.
#[derive(Debug, Default)]
pub(super) struct Recall {
    slots: Vec<Remembered>,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    place: CarriedPlace,
    event: u32,
}

impl Recall {
    /// The last event of the chunk, whose bytes are `bytes`, that carries what lies at `place` of it. From now on `event` is the last.
    #[inline(always)]
    pub fn recall(&mut self, bytes: &[u8], place: &CarriedPlace, event: u32) -> Option<u32> {
        let known = self.slots.get_mut(place.slot)?;
        let of = |place: &CarriedPlace| bytes.get(place.start..place.start + place.length);
        let same = known.place.length == place.length
            && known
                .place
                .places
                .iter()
                .zip(&place.places)
                .fold(0, |differing, (known, new)| differing | (known ^ new))
                == 0
            && of(&known.place).is_some_and(|known| Some(known) == of(place));
        same.then(|| std::mem::replace(&mut known.event, event))
    }

    /// Remembers that an event carries what lies at `place` of the chunk.
    #[inline(always)]
    pub fn note(&mut self, place: CarriedPlace, event: u32) {
        if self.slots.is_empty() {
            let nothing = CarriedPlace { start: 0, length: usize::MAX, places: [0; WORDS], slot: 0 };
            self.slots = vec![Remembered { place: nothing, event: 0 }; SLOTS];
        }
        if let Some(slot) = self.slots.get_mut(place.slot) {
            *slot = Remembered { place, event };
        }
    }
}
