//! The profile parts of events, in a block: each text once, each pair of texts once, and which pair each event has.
//!
//! Within a session they hardly change, so an event costs a fraction of a byte. The segments of a shop are a handful of lists,
//! while traits differ by person: as texts of their own, a list is kept once a block, not once a person. A block has its own
//! texts, so nothing of an event is left elsewhere when its block is gone.
#![deny(clippy::indexing_slicing)]

use std::ops::Range;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::model::profile::ProfilePart;
use crate::model::texts::{TextId, Texts};
use crate::store::codec::Bytes;
use crate::store::column::{self, ColumnReader, RunLength};

/// The profile parts of the events of a block.
#[derive(Serialize, Deserialize)]
pub(crate) struct EncodedProfiles<'a> {
    /// By text: its length.
    #[serde(borrow)]
    pub lengths: Bytes<'a>,
    /// The texts, one after the other.
    pub texts: Bytes<'a>,
    /// By part: the place of the text of its segments, from 1, or 0 for none; likewise of its traits.
    pub parts: Bytes<'a>,
    /// Pairs of a part's place and how many events in a row have it.
    pub runs: Bytes<'a>,
}

/// The columns under construction.
#[derive(Debug, Default)]
pub(crate) struct ProfileWriter {
    /// The empty one is at place 0.
    texts: Texts,
    part_places: HashMap<[u32; 2], u32>,
    /// The part at hand.
    segments: String,
    traits: String,
    lengths: Vec<u8>,
    parts: Vec<u8>,
    runs: RunLength,
}

impl ProfileWriter {
    #[inline]
    pub(crate) fn push(&mut self, part: ProfilePart<'_>) {
        if self.is_at(part) && !self.part_places.is_empty() {
            self.runs.push_again();
            return;
        }
        self.change(part);
    }

    /// Adds the part of the event before once more.
    #[inline]
    pub(crate) fn push_again(&mut self) {
        self.runs.push_again();
    }

    /// Whether the event before has the same part.
    #[inline]
    fn is_at(&self, part: ProfilePart<'_>) -> bool {
        part == ProfilePart { segments: &self.segments, traits: &self.traits }
    }

    fn change(&mut self, part: ProfilePart<'_>) {
        for (last, text) in [(&mut self.segments, part.segments), (&mut self.traits, part.traits)] {
            last.clear();
            last.push_str(text);
        }
        let texts = [part.segments, part.traits].map(|text| self.text(text));
        let next = self.part_places.len() as u32;
        let place = *self.part_places.entry(texts).or_insert(next);
        if place == next {
            texts.iter().for_each(|&text| column::put(&mut self.parts, u64::from(text)));
        }
        self.runs.push(u64::from(place));
    }

    /// The place of a text, from 1; 0 for none.
    fn text(&mut self, text: &str) -> u32 {
        let next = self.texts.len() as u32;
        let TextId(place) = self.texts.intern(text);
        if place == next {
            column::put(&mut self.lengths, text.len() as u64);
        }
        place
    }

    /// Bytes so far, or some more.
    pub(crate) fn bytes(&self) -> usize {
        self.lengths.len() + self.texts.bytes() + self.parts.len() + self.runs.bytes().len() + 10
    }

    /// Bytes that `part` may add.
    pub(crate) fn bytes_of(&self, part: ProfilePart<'_>) -> usize {
        let new = |text: &str| if self.texts.find(text).is_some() { 0 } else { text.len() + 3 };
        if self.is_at(part) { 0 } else { new(part.segments) + new(part.traits) + 10 }
    }

    /// The columns; `None` where no event has a part.
    pub(crate) fn columns(&mut self) -> Option<EncodedProfiles<'_>> {
        if self.lengths.is_empty() {
            return None;
        }
        self.runs.end();
        let Self { lengths, texts, parts, runs, .. } = self;
        Some(EncodedProfiles {
            lengths: Bytes(lengths),
            texts: Bytes(texts.all().as_bytes()),
            parts: Bytes(parts),
            runs: Bytes(runs.bytes()),
        })
    }

    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.part_places.clear();
        self.segments.clear();
        self.traits.clear();
        for bytes in [&mut self.lengths, &mut self.parts] {
            bytes.clear();
        }
        self.runs.clear();
    }
}

/// The profile parts of decoded events.
#[derive(Debug, Default)]
pub(crate) struct ProfileColumn {
    texts: String,
    /// By text: where it ends.
    ends: Vec<u32>,
    /// By part: its texts, from 1, or 0 for none.
    parts: Vec<[u32; 2]>,
    /// By event: its part; empty where no event has one.
    of: Vec<u32>,
}

impl ProfileColumn {
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.ends.clear();
        self.parts.clear();
        self.of.clear();
    }

    /// Whether no event has one.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// That of an event.
    #[inline]
    pub(crate) fn get(&self, event: usize) -> ProfilePart<'_> {
        let Some(&[segments, traits]) = self.of.get(event).and_then(|&part| self.parts.get(part as usize)) else {
            return ProfilePart::default();
        };
        ProfilePart { segments: self.text(segments), traits: self.text(traits) }
    }

    fn text(&self, place: u32) -> &str {
        let Some(at) = place.checked_sub(1) else { return "" };
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before as usize)).copied().unwrap_or(0);
        let end = self.ends.get(at as usize).copied().unwrap_or(start);
        self.texts.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Adds those of events of another, to be the parts of the events from `len` on.
    pub(crate) fn append(&mut self, len: usize, other: &Self, range: Range<usize>) {
        if self.is_empty() && other.is_empty() {
            return;
        }
        if self.of.len() < len {
            let none = self.add(ProfilePart::default());
            self.of.resize(len, none);
        }
        let mut last = None;
        for event in range {
            let place = other.of.get(event).copied();
            let own = match last {
                Some((known, own)) if known == place => own,
                _ => self.add(other.get(event)),
            };
            last = Some((place, own));
            self.of.push(own);
        }
    }

    fn add(&mut self, part: ProfilePart<'_>) -> u32 {
        let places = [part.segments, part.traits].map(|text| {
            if text.is_empty() {
                return 0;
            }
            self.texts.push_str(text);
            self.ends.push(self.texts.len() as u32);
            self.ends.len() as u32
        });
        self.parts.push(places);
        self.parts.len() as u32 - 1
    }

    /// Reads the columns of a block of so many events.
    pub(crate) fn parse(&mut self, columns: &EncodedProfiles<'_>, events: usize) -> Option<()> {
        self.texts.push_str(simdutf8::basic::from_utf8(columns.texts.0).ok()?);
        let (mut lengths, mut end) = (ColumnReader::new(columns.lengths.0), 0_u32);
        while !lengths.is_done() {
            end = end.checked_add(lengths.u32()?)?;
            if !self.texts.is_char_boundary(end as usize) {
                return None;
            }
            self.ends.push(end);
        }
        let mut parts = ColumnReader::new(columns.parts.0);
        while !parts.is_done() {
            let part = [parts.u32()?, parts.u32()?];
            if part.iter().any(|&text| text as usize > self.ends.len()) {
                return None;
            }
            self.parts.push(part);
        }
        let mut runs = ColumnReader::new(columns.runs.0);
        while !runs.is_done() {
            let (place, count) = (runs.u32()?, usize::try_from(runs.u64()?).ok()?);
            if place as usize >= self.parts.len() || count > events - self.of.len() {
                return None;
            }
            self.of.resize(self.of.len() + count, place);
        }
        (self.of.len() == events && end as usize == self.texts.len()).then_some(())
    }
}
