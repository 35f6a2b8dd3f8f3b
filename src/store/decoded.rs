//! Events, decoded: what a block becomes when it is read, and what a merged group is gathered in.
//!
//! Whether places lie within their columns is checked once, while a block is read. A place that does not lie within them later
//! holds nothing.

use std::ops::Range;

use crate::model::event::{Event, EventId};
use crate::model::identity::IdentityId;
use crate::model::profile::ProfilePart;
use crate::model::sets::SetMember;
use crate::model::source::SourceId;
use crate::model::time::Time;
use crate::store::backend::Backend;
use crate::store::block::BlockKey;
use crate::store::column::{self, ColumnReader, MILLI};
use crate::store::error::StoreError;
use crate::store::events::{EncodedSets, EventBody, LINE, TEXT, UUID, decode_body};
use crate::store::manifest::StoreTotals;
use crate::store::profiles::ProfileColumn;
use crate::store::run::{self, DirectorySlot, RunEntry};

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
    /// Whether every number is below `end`.
    fn is_below(&self, end: u64) -> bool {
        self.members.iter().all(|member| u64::from(member.number()) < end)
    }

    #[inline]
    fn set(&self, place: u32) -> Option<&[T]> {
        let place = place as usize;
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.members.get(start as usize..*self.ends.get(place)? as usize)
    }

    #[inline]
    fn get(&self, event: usize) -> Option<&[T]> {
        self.set(*self.of.get(event)?)
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
        for &place in other.of.get(range).unwrap_or_default() {
            let own = match last {
                Some((known, own)) if known == place => own,
                _ => self.add(other.set(place).unwrap_or_default().iter().copied()),
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

/// How many identities and sources there are: events name no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownIds {
    pub identities: u64,
    pub sources: u64,
}

impl KnownIds {
    /// Any that can be named: where events are not looked at.
    pub(crate) const ALL: Self = Self { identities: u64::MAX, sources: u64::MAX };

    /// Those of a commit.
    pub(crate) fn of(totals: &StoreTotals) -> Self {
        Self { identities: totals.identities, sources: totals.sources }
    }
}

/// Where an id lies: among the fixed ones, or among the texts.
#[derive(Debug, Clone, Copy)]
struct Slot {
    start: u32,
    length: u16,
    sort: u8,
}

impl Slot {
    #[inline]
    fn place(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + usize::from(self.length)
    }
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
    profiles: ProfileColumn,
    /// Whether an event may be there more than once, each time with another profile part.
    repeats: bool,
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
        self.profiles.clear();
        self.repeats = false;
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
    #[inline]
    pub(crate) fn anchor(&self, group: usize) -> Option<u32> {
        self.groups.get(group).map(|group| group.0)
    }

    /// What a directory says of the block.
    pub(crate) fn slot(&self) -> DirectorySlot {
        let anchor = |group: Option<&(u32, u32)>| group.map_or(0, |group| group.0);
        DirectorySlot {
            first: anchor(self.groups.first()),
            last: anchor(self.groups.last()),
            events: self.len() as u32,
        }
    }

    /// Whether it names no identity and no source but the first so many.
    pub(crate) fn is_of(&self, known: KnownIds) -> bool {
        u64::from(self.slot().last) < known.identities
            && self.companions.is_below(known.identities)
            && self.sources.is_below(known.sources)
    }

    /// Every event, with its anchor.
    pub(crate) fn each(&self) -> impl Iterator<Item = (IdentityId, Event<'_>)> {
        let groups = self.groups.iter().enumerate();
        groups.flat_map(move |(group, &(anchor, _))| {
            self.range(group).filter_map(move |at| Some((IdentityId(anchor), self.event(at)?)))
        })
    }

    /// The first group whose anchor is not below `anchor`.
    pub(crate) fn find(&self, anchor: u32) -> usize {
        self.groups.partition_point(|group| group.0 < anchor)
    }

    /// The events of a group.
    #[inline]
    pub(crate) fn range(&self, group: usize) -> Range<usize> {
        let range = self.range_of(group, self.times.len() as u32);
        range.start as usize..range.end as usize
    }

    fn range_of(&self, group: usize, events: u32) -> Range<u32> {
        let begin = |group: usize| self.groups.get(group).map_or(events, |group| group.1);
        begin(group)..begin(group + 1)
    }

    /// When an event happened.
    #[inline]
    pub(crate) fn time(&self, at: usize) -> Option<Time> {
        self.times.get(at).copied().map(Time::from_micros)
    }

    /// An event.
    #[inline]
    pub(crate) fn event(&self, at: usize) -> Option<Event<'_>> {
        Some(Event {
            time: self.time(at)?,
            id: self.id(at)?,
            companions: self.companions.get(at)?,
            sources: self.sources.get(at)?,
            profile: self.part(at),
        })
    }

    /// The segments and traits of an event.
    #[inline]
    pub(crate) fn part(&self, at: usize) -> ProfilePart<'_> {
        self.profiles.get(at)
    }

    /// Whether an event of a group is there more than once, each time with another profile part.
    pub(crate) fn repeats(&self, range: Range<usize>) -> bool {
        self.repeats && range.skip(1).any(|at| self.is_repeat(at))
    }

    /// Whether an event is that before it.
    fn is_repeat(&self, at: usize) -> bool {
        let before = at.wrapping_sub(1);
        let key = |at| self.event(at).map(|event| event.key());
        self.times.get(at) == self.times.get(before) && key(at) == key(before)
    }

    #[inline]
    fn id(&self, at: usize) -> Option<EventId<'_>> {
        let slot = self.ids.get(at)?;
        if u64::from(slot.sort) == TEXT {
            return self.texts.get(slot.place()).map(EventId::Text);
        }
        let bytes: [u8; 16] = self.fixed.get(slot.place())?.try_into().ok()?;
        Some(if u64::from(slot.sort) == LINE {
            EventId::Line(u128::from_le_bytes(bytes))
        } else {
            EventId::Uuid(bytes)
        })
    }

    /// Adds events of another; their groups are the caller's matter.
    pub(crate) fn append(&mut self, other: &Self, range: Range<usize>) {
        self.profiles.append(self.times.len(), &other.profiles, range.clone());
        // One that ends a block may go on in the next.
        self.repeats = !self.profiles.is_empty();
        self.times.extend_from_slice(other.times.get(range.clone()).unwrap_or_default());
        for slot in other.ids.get(range.clone()).unwrap_or_default() {
            let start = if u64::from(slot.sort) == TEXT {
                self.texts.push_str(other.texts.get(slot.place()).unwrap_or_default());
                self.texts.len() - usize::from(slot.length)
            } else {
                self.fixed.extend_from_slice(other.fixed.get(slot.place()).unwrap_or_default());
                self.fixed.len() - usize::from(slot.length)
            };
            self.ids.push(Slot { start: start as u32, ..*slot });
        }
        self.companions.append(&other.companions, range.clone());
        self.sources.append(&other.sources, range);
    }

    /// Gives each companion another number, in the same order.
    pub(crate) fn renumber(&mut self, mut number: impl FnMut(IdentityId) -> IdentityId) {
        self.companions.members.iter_mut().for_each(|member| *member = number(*member));
    }

    /// Gives event `into` the sources of event `from` too.
    pub(crate) fn unite_sources(&mut self, into: usize, from: usize) {
        let (Some(own), Some(other)) = (self.sources.get(into), self.sources.get(from)) else { return };
        if own == other {
            return;
        }
        let mut all = [own, other].concat();
        all.sort_unstable();
        all.dedup();
        self.set_sources(into, all);
    }

    /// Gives an event other sources.
    pub(crate) fn set_sources(&mut self, event: usize, sources: Vec<SourceId>) {
        let set = self.sources.add(sources);
        if let Some(place) = self.sources.of.get_mut(event) {
            *place = set;
        }
    }

    /// Reads a block of events, whatever the directory says of it.
    pub(crate) fn read(&mut self, backend: &dyn Backend, run: &RunEntry, key: BlockKey) -> Result<(), StoreError> {
        run::read(backend, key, run.generation, |body| self.parse(body))
    }

    /// Reads the body of a block of events.
    pub(crate) fn parse(&mut self, body: &[u8]) -> Result<(), String> {
        self.clear();
        let (body, profiles) = decode_body(body)?;
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
        if let Some(profiles) = profiles {
            self.profiles.parse(&profiles, events).ok_or("its profile parts cannot be read")?;
            self.repeats = (0..self.groups()).any(|group| self.range(group).skip(1).any(|at| self.is_repeat(at)));
        }
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
