//! Events, decoded: what a block becomes when it is read, and what a merged group is gathered in.

use std::ops::Range;

use crate::model::event::{Event, EventId};
use crate::model::identity::IdentityId;
use crate::model::source::SourceId;
use crate::model::time::Time;
use crate::store::backend::Backend;
use crate::store::block::BlockKey;
use crate::store::codec;
use crate::store::column::{self, ColumnReader, MILLI};
use crate::store::error::StoreError;
use crate::store::events::{EncodedSets, EventBody, LINE, SetMember, TEXT, UUID};
use crate::store::run::{self, RunEntry};

/// A column of sets: the sets one after the other, and which of them each event has.
#[derive(Debug)]
pub(crate) struct SetColumn<T> {
    members: Vec<T>,
    ends: Vec<u32>,
    /// By event: its set.
    of: Vec<u32>,
}

impl<T> Default for SetColumn<T> {
    fn default() -> Self {
        Self { members: Vec::new(), ends: Vec::new(), of: Vec::new() }
    }
}

impl<T: SetMember> SetColumn<T> {
    fn set(&self, place: u32) -> &[T] {
        let place = place as usize;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.members[start as usize..self.ends[place] as usize]
    }

    fn get(&self, event: usize) -> &[T] {
        self.set(self.of[event])
    }

    fn clear(&mut self) {
        self.members.clear();
        self.ends.clear();
        self.of.clear();
    }

    fn add(&mut self, set: impl IntoIterator<Item = T>) -> u32 {
        self.members.extend(set);
        self.ends.push(self.members.len() as u32);
        (self.ends.len() - 1) as u32
    }

    fn append(&mut self, other: &Self, range: Range<usize>) {
        let mut last = None;
        for &place in &other.of[range] {
            let own = match last {
                Some((known, own)) if known == place => own,
                _ => self.add(other.set(place).iter().copied()),
            };
            last = Some((place, own));
            self.of.push(own);
        }
    }

    fn parse(&mut self, columns: &EncodedSets<'_>, events: usize) -> Option<()> {
        let mut sets = ColumnReader::new(columns.sets.0);
        while !sets.is_done() {
            for _ in 0..sets.u64()? {
                self.members.push(T::numbered(sets.u32()?));
            }
            self.ends.push(self.members.len() as u32);
        }
        let mut runs = ColumnReader::new(columns.runs.0);
        while !runs.is_done() {
            let (place, count) = (runs.u32()?, usize::try_from(runs.u64()?).ok()?);
            if place as usize >= self.ends.len() || count > events - self.of.len() {
                return None;
            }
            self.of.resize(self.of.len() + count, place);
        }
        (self.of.len() == events).then_some(())
    }
}

/// Where an id lies: among the fixed ones, or among the texts.
#[derive(Debug, Clone, Copy)]
struct Slot {
    start: u32,
    length: u16,
    sort: u8,
}

/// Decoded events, in columns that are reused from block to block.
#[derive(Debug, Default)]
pub(crate) struct DecodedEvents {
    /// By group: its anchor, and where it begins.
    groups: Vec<(u32, u32)>,
    times: Vec<i64>,
    ids: Vec<Slot>,
    fixed: Vec<u8>,
    texts: String,
    companions: SetColumn<IdentityId>,
    sources: SetColumn<SourceId>,
}

impl DecodedEvents {
    pub(crate) fn clear(&mut self) {
        self.groups.clear();
        self.times.clear();
        self.ids.clear();
        self.fixed.clear();
        self.texts.clear();
        self.companions.clear();
        self.sources.clear();
    }

    /// How many events.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// How many groups.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The anchor of a group.
    pub(crate) fn anchor(&self, group: usize) -> u32 {
        self.groups[group].0
    }

    /// The first group whose anchor is not below `anchor`.
    pub(crate) fn find(&self, anchor: u32) -> usize {
        self.groups.partition_point(|group| group.0 < anchor)
    }

    /// The events of a group.
    pub(crate) fn range(&self, group: usize) -> Range<usize> {
        let end = self.groups.get(group + 1).map_or(self.times.len(), |next| next.1 as usize);
        self.groups[group].1 as usize..end
    }

    /// When an event happened.
    #[inline]
    pub(crate) fn time(&self, at: usize) -> Time {
        Time::from_micros(self.times[at])
    }

    /// An event.
    #[inline]
    pub(crate) fn event(&self, at: usize) -> Event<'_> {
        Event {
            time: self.time(at),
            id: self.id(at),
            companions: self.companions.get(at),
            sources: self.sources.get(at),
        }
    }

    #[inline]
    fn id(&self, at: usize) -> EventId<'_> {
        let slot = self.ids[at];
        let start = slot.start as usize;
        if u64::from(slot.sort) == TEXT {
            return EventId::Text(&self.texts[start..start + usize::from(slot.length)]);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.fixed[start..start + 16]);
        if u64::from(slot.sort) == LINE { EventId::Line(u128::from_le_bytes(bytes)) } else { EventId::Uuid(bytes) }
    }

    /// Adds events of another; their groups are the caller's matter.
    pub(crate) fn append(&mut self, other: &Self, range: Range<usize>) {
        self.times.extend_from_slice(&other.times[range.clone()]);
        for slot in &other.ids[range.clone()] {
            let (start, length) = (slot.start as usize, usize::from(slot.length));
            let own = if u64::from(slot.sort) == TEXT {
                self.texts.push_str(&other.texts[start..start + length]);
                self.texts.len() - length
            } else {
                self.fixed.extend_from_slice(&other.fixed[start..start + 16]);
                self.fixed.len() - 16
            };
            self.ids.push(Slot { start: own as u32, ..*slot });
        }
        self.companions.append(&other.companions, range.clone());
        self.sources.append(&other.sources, range);
    }

    /// Gives event `into` the sources of event `from` too.
    pub(crate) fn unite_sources(&mut self, into: usize, from: usize) {
        let (own, other) = (self.sources.get(into), self.sources.get(from));
        if own == other {
            return;
        }
        let mut all = [own, other].concat();
        all.sort_unstable();
        all.dedup();
        self.sources.of[into] = self.sources.add(all);
    }

    /// Reads a block of events, whatever the directory says of it.
    pub(crate) fn read(&mut self, backend: &dyn Backend, run: &RunEntry, key: BlockKey) -> Result<(), StoreError> {
        run::read(backend, key, run.generation, |body| self.parse(body))
    }

    /// Reads the body of a block of events.
    pub(crate) fn parse(&mut self, body: &[u8]) -> Result<(), String> {
        self.clear();
        let body: EventBody<'_> = codec::decode(body)?;
        let events = body.events as usize;
        // Every event takes a byte of times at least: damaged counts must not ask for memory.
        if events > body.times.0.len() || body.groups as usize > body.anchors.0.len() || events == 0 {
            return Err("its counts cannot be right".into());
        }
        self.parse_groups(&body).ok_or("its anchors cannot be read")?;
        self.parse_times(&body).ok_or("its times cannot be read")?;
        self.parse_ids(&body).ok_or("its event ids cannot be read")?;
        self.companions.parse(&body.companions, events).ok_or("its identities cannot be read")?;
        self.sources.parse(&body.sources, events).ok_or("its sources cannot be read")?;
        Ok(())
    }

    fn parse_groups(&mut self, body: &EventBody<'_>) -> Option<()> {
        let (mut anchors, mut counts) = (ColumnReader::new(body.anchors.0), ColumnReader::new(body.counts.0));
        let (mut anchor, mut start) = (0_u32, 0_u32);
        for group in 0..body.groups {
            let step = anchors.u32()?;
            if step == 0 && group > 0 {
                return None;
            }
            anchor = anchor.checked_add(step)?;
            self.groups.push((anchor, start));
            let count = counts.u32()?;
            start = start.checked_add(count)?;
            if count == 0 {
                return None;
            }
        }
        (start == body.events && anchors.is_done() && counts.is_done()).then_some(())
    }

    fn parse_times(&mut self, body: &EventBody<'_>) -> Option<()> {
        let mut times = ColumnReader::new(body.times.0);
        let unit = if body.millis { MILLI } else { 1 };
        let mut first = 0_i64;
        self.times.reserve(body.events as usize);
        for group in 0..self.groups.len() {
            let events = self.range_of(group, body.events);
            first = first.wrapping_add(column::unzigzag(times.u64()?));
            let mut time = first;
            self.times.push(time.wrapping_mul(unit));
            for _ in 1..events.len() {
                time = time.wrapping_add(times.u64()? as i64);
                self.times.push(time.wrapping_mul(unit));
            }
        }
        times.is_done().then_some(())
    }

    fn range_of(&self, group: usize, events: u32) -> Range<u32> {
        let end = self.groups.get(group + 1).map_or(events, |next| next.1);
        self.groups[group].1..end
    }

    fn parse_ids(&mut self, body: &EventBody<'_>) -> Option<()> {
        let events = body.events as usize;
        let (mut sorts, mut lengths) = (ColumnReader::new(body.sorts.0), ColumnReader::new(body.lengths.0));
        self.fixed.extend_from_slice(body.fixed.0);
        self.texts.push_str(simdutf8::basic::from_utf8(body.texts.0).ok()?);
        let (mut fixed, mut text) = (0_usize, 0_usize);
        self.ids.reserve(events);
        while !sorts.is_done() {
            let (sort, count) = (sorts.u64()?, usize::try_from(sorts.u64()?).ok()?);
            if count > events - self.ids.len() {
                return None;
            }
            for _ in 0..count {
                let (start, length) = match sort {
                    LINE | UUID => {
                        fixed += 16;
                        (fixed - 16, 16)
                    }
                    TEXT => {
                        let length = u16::try_from(lengths.u64()?).ok()?;
                        text += usize::from(length);
                        if !self.texts.is_char_boundary(text) {
                            return None;
                        }
                        (text - usize::from(length), length)
                    }
                    _ => return None,
                };
                self.ids.push(Slot { start: start as u32, length, sort: sort as u8 });
            }
        }
        let whole = fixed == self.fixed.len() && text == self.texts.len() && lengths.is_done();
        (whole && self.ids.len() == events).then_some(())
    }
}
