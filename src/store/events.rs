//! Event blocks: events grouped by anchor, in columns.
//!
//! Within a session the set of identities and the source hardly change, so both are a table of sets and, run by
//! run, a place in it. Times are differences (within a group they ascend), in milliseconds where the whole block
//! is. What remains is the id: 16 bytes that nothing makes smaller.

use serde::{Deserialize, Serialize};

use crate::model::event::{CarriedParts, Event, EventId};
use crate::model::identity::IdentityId;
use crate::model::sets::{InternedSets, SetMember};
use crate::model::source::SourceId;
use crate::store::block::{self, BLOCK_BYTES, BlockKind, HEADER_BYTES, Loss};
use crate::store::codec::{self, Bytes};
use crate::store::column::{self, MILLI, RunLength};
use crate::store::error::StoreError;
use crate::store::profiles::{EncodedProfiles, ProfileWriter};
use crate::store::run::RunEntry;

/// The kind of the blocks of events.
pub(crate) const EVENTS: BlockKind = BlockKind::new(7, "events", Loss::Replayed);

/// The kind of the blocks of what events count as that carry an identity which does not count as itself.
pub(crate) const COUNTED: BlockKind = BlockKind::new(13, "counted", Loss::Rebuilt);

/// The kind of the blocks of these events as they were written.
pub(crate) const WRITTEN: BlockKind = BlockKind::new(14, "written", Loss::Replayed);

/// The kinds of blocks that hold events.
pub(crate) const EVENT_KINDS: [BlockKind; 3] = [EVENTS, COUNTED, WRITTEN];

/// The kind of a run of events.
pub(crate) fn kind_of(run: &RunEntry) -> BlockKind {
    EVENT_KINDS.into_iter().find(|kind| kind.number() == run.kind).unwrap_or(EVENTS)
}

/// Bytes of a block beside its columns: the header, three numbers and thirteen lengths.
const OVERHEAD: usize = HEADER_BYTES + 48;

/// Sorts of event ids, as they are numbered in a block.
pub(crate) const LINE: u64 = 0;
pub(crate) const UUID: u64 = 1;
pub(crate) const TEXT: u64 = 2;

/// The body of a block of events.
#[derive(Serialize, Deserialize)]
pub(crate) struct EventBody<'a> {
    pub events: u32,
    pub groups: u32,
    /// Whether times are in milliseconds.
    pub millis: bool,
    /// By group: the anchor, as its difference from the one before.
    #[serde(borrow)]
    pub anchors: Bytes<'a>,
    /// By group: how many events.
    pub counts: Bytes<'a>,
    /// By event: the difference from the time before in the group, or from the first time of the group before.
    pub times: Bytes<'a>,
    /// Pairs of a sort of id and how many of it follow.
    pub sorts: Bytes<'a>,
    /// By event whose id is a hash or a UUID: its 16 bytes.
    pub fixed: Bytes<'a>,
    /// By event whose id is a text: its length.
    pub lengths: Bytes<'a>,
    /// The texts, one after the other.
    pub texts: Bytes<'a>,
    /// The sets of companions, then of sources.
    pub companions: EncodedSets<'a>,
    pub sources: EncodedSets<'a>,
}

/// Sets of numbers, and which of them each event has.
#[derive(Serialize, Deserialize)]
pub(crate) struct EncodedSets<'a> {
    /// By set: its length, and its members.
    #[serde(borrow)]
    pub sets: Bytes<'a>,
    /// Pairs of a set's place and how many events in a row have it.
    pub runs: Bytes<'a>,
}

/// The body of a block: where no event of it has a profile part, nothing follows on the columns before.
pub(crate) fn decode_body(body: &[u8]) -> Result<(EventBody<'_>, Option<EncodedProfiles<'_>>), String> {
    if let Ok(plain) = codec::decode(body) {
        return Ok((plain, None));
    }
    let (columns, profiles) = codec::decode(body)?;
    Ok((columns, Some(profiles)))
}

/// An encoded block of events.
#[derive(Debug, Clone)]
pub struct EventBlock {
    pub(crate) first: IdentityId,
    pub(crate) last: IdentityId,
    pub(crate) events: u32,
    pub(crate) block: Vec<u8>,
}

impl EventBlock {
    /// How many events it holds.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.block.len()
    }
}

/// A column of sets under construction.
#[derive(Debug)]
struct SetWriter<T> {
    places: InternedSets<T>,
    last: Vec<T>,
    sets: Vec<u8>,
    runs: RunLength,
}

impl<T> Default for SetWriter<T> {
    fn default() -> Self {
        Self { places: InternedSets::default(), last: Vec::new(), sets: Vec::new(), runs: RunLength::default() }
    }
}

impl<T: SetMember> SetWriter<T> {
    #[inline]
    fn push(&mut self, set: &[T]) {
        if self.is_at(set) && !self.places.is_empty() {
            self.runs.push_again();
            return;
        }
        self.change(set);
    }

    /// Whether the event before has the same set. Most have one member: that is compared here, and not in a call.
    #[inline]
    fn is_at(&self, set: &[T]) -> bool {
        match (&self.last[..], set) {
            ([last], [one]) => last == one,
            (last, set) => last == set,
        }
    }

    fn change(&mut self, set: &[T]) {
        self.last.clear();
        self.last.extend_from_slice(set);
        let next = self.places.len() as u32;
        let place = self.places.intern(set);
        if place == next {
            column::put(&mut self.sets, set.len() as u64);
            set.iter().for_each(|member| column::put(&mut self.sets, u64::from(member.number())));
        }
        self.runs.push(u64::from(place));
    }

    /// Bytes so far, or some more.
    fn bytes(&self) -> usize {
        self.sets.len() + self.runs.bytes().len() + 10
    }

    /// Bytes that `set` may add.
    fn bytes_of(&self, set: &[T]) -> usize {
        if self.is_at(set) { 0 } else { 5 * (set.len() + 1) }
    }

    fn columns(&mut self) -> EncodedSets<'_> {
        self.runs.end();
        EncodedSets { sets: Bytes(&self.sets), runs: Bytes(self.runs.bytes()) }
    }

    fn clear(&mut self) {
        self.places.clear();
        self.last.clear();
        self.sets.clear();
        self.runs.clear();
    }
}

/// Encodes events into blocks.
///
/// Anchors must ascend and the events of an anchor must ascend by [`Event::key`], then by profile part; both across all calls.
/// An event is there once for each profile part that was delivered with it.
/// Several writers can each take a piece of the anchors: their blocks, one after the other, are those of one.
#[derive(Debug, Default)]
pub struct EventWriter {
    done: Vec<EventBlock>,
    groups: u32,
    first: u32,
    anchor: u32,
    /// Events of the last group.
    count: u32,
    anchors: Vec<u8>,
    counts: Vec<u8>,
    /// Times in microseconds, and where groups begin.
    times: Vec<i64>,
    starts: Vec<u32>,
    /// Whether every time is in milliseconds, and what the times take if so and if not.
    micros: bool,
    times_bytes: (usize, usize),
    sorts: RunLength,
    fixed: Vec<u8>,
    lengths: Vec<u8>,
    texts: Vec<u8>,
    companions: SetWriter<IdentityId>,
    sources: SetWriter<SourceId>,
    profiles: ProfileWriter,
    /// Reused for the encoded times.
    scratch: Vec<u8>,
}

impl EventWriter {
    /// One without blocks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the events of `anchor`, if there are any.
    ///
    /// # Errors
    /// When an event is too large for a block.
    pub fn push<'e>(
        &mut self,
        anchor: IdentityId,
        events: impl IntoIterator<Item = Event<'e>>,
    ) -> Result<(), StoreError> {
        let mut open = self.groups > 0 && self.anchor == anchor.0;
        // Not the event whole: to copy it takes longer than to encode it.
        let mut last: Option<CarriedParts<'e>> = None;
        for event in events {
            let carried = event.carried();
            let mut shares = last.is_some_and(|last| carried.lies_with(&last));
            if !self.times.is_empty() && self.bytes_with(&event, shares) > BLOCK_BYTES {
                self.cut()?;
                (open, shares) = (false, false);
            }
            if !open {
                self.begin(anchor);
                open = true;
            }
            self.add(&event, shares);
            last = Some(carried);
        }
        Ok(())
    }

    /// Takes the blocks that are full by now: what a merge writes away while it goes on.
    pub fn take_full(&mut self) -> Vec<EventBlock> {
        std::mem::take(&mut self.done)
    }

    /// The blocks that were not taken yet.
    ///
    /// # Errors
    /// When an event is too large for a block.
    pub fn finish(mut self) -> Result<Vec<EventBlock>, StoreError> {
        self.cut()?;
        Ok(self.done)
    }

    fn begin(&mut self, anchor: IdentityId) {
        self.end_group();
        let before = if self.groups == 0 { 0 } else { self.anchor };
        if self.groups == 0 {
            self.first = anchor.0;
        }
        debug_assert!(self.groups == 0 || before < anchor.0, "anchors ascend");
        column::put(&mut self.anchors, u64::from(anchor.0.wrapping_sub(before)));
        self.anchor = anchor.0;
        self.groups += 1;
        self.starts.push(self.times.len() as u32);
    }

    fn end_group(&mut self) {
        if self.count > 0 {
            column::put(&mut self.counts, u64::from(self.count));
        }
        self.count = 0;
    }

    /// Adds an event, which may carry what the one before it does, [where that lies](CarriedParts::lies_with).
    fn add(&mut self, event: &Event<'_>, shares: bool) {
        let time = event.time.as_micros();
        self.micros |= time % MILLI != 0;
        let before = match (self.count, self.starts.as_slice()) {
            (0, [.., start, _]) => self.times.get(*start as usize),
            (0, _) => None,
            _ => self.times.last(),
        };
        let before = before.copied().unwrap_or(0);
        // Twice: a zigzag may be what is written.
        let step = time.wrapping_sub(before);
        self.times_bytes.0 += column::width(column::zigzag(step / MILLI));
        self.times_bytes.1 += column::width(column::zigzag(step));
        self.times.push(time);
        match event.id {
            EventId::Line(hash) => {
                self.sorts.push(LINE);
                self.fixed.extend_from_slice(&hash.to_le_bytes());
            }
            EventId::Uuid(uuid) => {
                self.sorts.push(UUID);
                self.fixed.extend_from_slice(&uuid);
            }
            EventId::Text(text) => {
                self.sorts.push(TEXT);
                column::put(&mut self.lengths, text.len() as u64);
                self.texts.extend_from_slice(text.as_bytes());
            }
        }
        if shares {
            self.companions.runs.push_again();
            self.profiles.push_again();
        } else {
            self.companions.push(event.companions);
            self.profiles.push(event.profile);
        }
        self.sources.push(event.sources);
        self.count += 1;
    }

    /// What the block would take with `event` in it, or a little more.
    fn bytes_with(&self, event: &Event<'_>, shares: bool) -> usize {
        let id = if let EventId::Text(text) = event.id { text.len() + 2 } else { 16 };
        let times = if self.micros { self.times_bytes.1 } else { self.times_bytes.0 };
        let carried =
            if shares { 0 } else { self.companions.bytes_of(event.companions) + self.profiles.bytes_of(event.profile) };
        OVERHEAD
            + self.anchors.len()
            + self.counts.len()
            + times
            + self.sorts.bytes().len()
            + self.fixed.len()
            + self.lengths.len()
            + self.texts.len()
            + self.companions.bytes()
            + self.sources.bytes()
            + self.sources.bytes_of(event.sources)
            + self.profiles.bytes()
            + carried
            + id
            + 20
    }

    fn encode_times(&mut self) {
        self.scratch.clear();
        let unit = if self.micros { 1 } else { MILLI };
        let mut first = 0_i64;
        for (group, &start) in self.starts.iter().enumerate() {
            let end = self.starts.get(group + 1).map_or(self.times.len(), |&end| end as usize);
            let mut before = None;
            for &time in self.times.get(start as usize..end).unwrap_or_default() {
                let time = if unit == 1 { time } else { time / unit };
                match before {
                    Some(before) => column::put(&mut self.scratch, time.wrapping_sub(before) as u64),
                    None => {
                        column::put(&mut self.scratch, column::zigzag(time.wrapping_sub(first)));
                        first = time;
                    }
                }
                before = Some(time);
            }
        }
    }

    fn cut(&mut self) -> Result<(), StoreError> {
        if self.times.is_empty() {
            return Ok(());
        }
        self.end_group();
        self.encode_times();
        self.sorts.end();
        let body = EventBody {
            events: self.times.len() as u32,
            groups: self.groups,
            millis: !self.micros,
            anchors: Bytes(&self.anchors),
            counts: Bytes(&self.counts),
            times: Bytes(&self.scratch),
            sorts: Bytes(self.sorts.bytes()),
            fixed: Bytes(&self.fixed),
            lengths: Bytes(&self.lengths),
            texts: Bytes(&self.texts),
            companions: self.companions.columns(),
            sources: self.sources.columns(),
        };
        let mut block = block::blank();
        match self.profiles.columns() {
            None => codec::encode(&body, &mut block),
            Some(profiles) => codec::encode(&(body, profiles), &mut block),
        }
        .map_err(StoreError::Invalid)?;
        block.shrink_to_fit();
        let (first, last) = (IdentityId(self.first), IdentityId(self.anchor));
        self.done.push(EventBlock { first, last, events: self.times.len() as u32, block });
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.groups = 0;
        self.micros = false;
        self.times_bytes = (0, 0);
        for bytes in [&mut self.anchors, &mut self.counts, &mut self.fixed, &mut self.lengths, &mut self.texts] {
            bytes.clear();
        }
        self.times.clear();
        self.starts.clear();
        self.sorts.clear();
        self.companions.clear();
        self.sources.clear();
        self.profiles.clear();
    }
}
