//! Reading events: every run merged into one ascending sequence of groups.

use std::fmt;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use crate::model::event::Event;
use crate::model::identity::IdentityId;
use crate::model::source::SourceId;
use crate::store::backend::{Backend, MemoryBackend};
use crate::store::block::BlockKey;
use crate::store::decoded::{DecodedEvents, KnownIds};
use crate::store::error::StoreError;
use crate::store::events::{COUNTED, EVENTS, kind_of};
use crate::store::excerpt::Excerpt;
use crate::store::run::{self, Run};

/// The events of one generation, as they count. Cheap to clone; stays readable while commits and merges go on.
#[derive(Clone)]
pub struct Events {
    pub(crate) backend: Arc<dyn Backend>,
    /// Those that count as they were written, and what the others count as.
    pub(crate) runs: Vec<Run>,
    /// Those that count otherwise, as they were written.
    pub(crate) written: Vec<Run>,
    /// What they may name.
    pub(crate) known: KnownIds,
    /// The part of the identities that they are read over, where it is one.
    pub(crate) excerpt: Option<Arc<Excerpt>>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("store", &self.backend.name()).field("runs", &self.runs.len()).finish()
    }
}

impl Events {
    /// None at all.
    pub fn none() -> Self {
        Self::of(Arc::new(MemoryBackend::default()), Vec::new())
    }

    /// Those of some runs, whatever they name.
    pub(crate) fn of(backend: Arc<dyn Backend>, runs: Vec<Run>) -> Self {
        Self { backend, runs, written: Vec::new(), known: KnownIds::ALL, excerpt: None }
    }

    fn part(&self, runs: Vec<Run>) -> Self {
        Self { known: self.known, ..Self::of(Arc::clone(&self.backend), runs) }
    }

    fn of_kind(&self, is_counted: bool) -> Vec<Run> {
        let wanted = if is_counted { COUNTED } else { EVENTS };
        self.runs.iter().filter(|run| kind_of(run) == wanted).cloned().collect()
    }

    /// Those among them that count as they were written.
    pub fn plain(&self) -> Self {
        self.part(self.of_kind(false))
    }

    /// Those among them that others count as.
    pub fn counted(&self) -> Self {
        self.part(self.of_kind(true))
    }

    /// Those that count otherwise than they were written, as they were.
    pub fn written_only(&self) -> Self {
        self.part(self.written.clone())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// All events as they were written.
    pub fn as_written(&self) -> Self {
        let runs = self.of_kind(false).into_iter().chain(self.written.iter().cloned());
        self.part(runs.collect())
    }

    /// The same over a part of the identities, by its numbers; by a [`cursor`](Self::cursor) alone.
    pub fn over(self, part: Arc<Excerpt>) -> Self {
        Self { excerpt: Some(part), ..self }
    }

    /// What the store is called in messages: its directory.
    pub fn store(&self) -> String {
        self.backend.name().to_string()
    }

    /// How many events its runs hold. An event that several commits delivered (from several sources) counts
    /// once for each until a merge makes it one.
    pub fn rows(&self) -> u64 {
        self.runs.iter().map(|run| run.rows).sum()
    }

    /// Ranges of anchors that together hold everything, each about as many events; at most `count`, at least one.
    pub fn pieces(&self, count: usize) -> Vec<Range<u32>> {
        let mut blocks: Vec<(u32, u64)> = Vec::new();
        let mut end = 0;
        for slot in self.runs.iter().flat_map(Run::slots) {
            blocks.push((slot.first, u64::from(slot.events)));
            end = end.max(slot.last.saturating_add(1));
        }
        blocks.sort_unstable();
        let total: u64 = blocks.iter().map(|block| block.1).sum();
        let share = total.div_ceil(count.max(1) as u64).max(1);
        let (mut pieces, mut start, mut held) = (Vec::new(), 0, 0);
        for (first, events) in blocks {
            if held >= share && first > start {
                pieces.push(start..first);
                (start, held) = (first, 0);
            }
            held += events;
        }
        pieces.push(start..end);
        pieces
    }

    /// Every group whose anchor is in `anchors`, ascending. More than ten million events a second and core
    /// where one run holds them.
    pub fn scan(&self, anchors: Range<u32>) -> Scan {
        Scan { merge: Merge::new(self, false), start: Some(anchors.start), end: anchors.end, failed: false }
    }

    /// As [`scan`](Self::scan), but an event is there once for each profile part that was delivered with it, with the sources
    /// that delivered that one: what the store keeps, so that a source can be taken back.
    pub fn deliveries(&self, anchors: Range<u32>) -> Scan {
        Scan { merge: Merge::new(self, true), ..self.scan(anchors) }
    }

    pub(super) fn cursors(&self) -> impl Iterator<Item = RunCursor> {
        self.runs.iter().map(|run| RunCursor {
            backend: Arc::clone(&self.backend),
            run: run.clone(),
            known: self.known,
            block: 0,
            group: 0,
            decoded: None,
            rows: DecodedEvents::default(),
        })
    }

    /// A reader for single anchors.
    pub fn cursor(&self) -> Cursor {
        let excerpt = self.excerpt.clone().map(|excerpt| (excerpt, DecodedEvents::default()));
        Cursor { merge: Merge::new(self, false), excerpt }
    }

    /// As [`cursor`](Self::cursor), of what [`deliveries`](Self::deliveries) has.
    pub fn cursor_of_deliveries(&self) -> Cursor {
        Cursor { merge: Merge::new(self, true), ..self.cursor() }
    }
}

/// The events of one anchor.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    anchor: IdentityId,
    rows: &'a DecodedEvents,
    order: Order<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Order<'a> {
    Range(usize, usize),
    Picked(&'a [u32]),
}

impl<'a> Group<'a> {
    /// What they are grouped under.
    pub fn anchor(&self) -> IdentityId {
        self.anchor
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.events().len()
    }

    /// Whether the store knows no event under the anchor.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The events, ascending by [`Event::key`], each once.
    pub fn events(&self) -> GroupEvents<'a> {
        let order = match self.order {
            Order::Range(start, end) => OrderIter::Range(start..end),
            Order::Picked(places) => OrderIter::Picked(places.iter()),
        };
        GroupEvents { rows: self.rows, order }
    }
}

/// The events of a [`Group`].
#[derive(Debug, Clone)]
pub struct GroupEvents<'a> {
    rows: &'a DecodedEvents,
    order: OrderIter<'a>,
}

#[derive(Debug, Clone)]
enum OrderIter<'a> {
    Range(Range<usize>),
    Picked(slice::Iter<'a, u32>),
}

impl<'a> Iterator for GroupEvents<'a> {
    type Item = Event<'a>;

    #[inline]
    fn next(&mut self) -> Option<Event<'a>> {
        let at = match &mut self.order {
            OrderIter::Range(range) => range.next()?,
            OrderIter::Picked(places) => *places.next()? as usize,
        };
        self.rows.event(at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.order {
            OrderIter::Range(range) => range.len(),
            OrderIter::Picked(places) => places.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for GroupEvents<'_> {}

/// Groups in ascending order of their anchors.
#[derive(Debug)]
pub struct Scan {
    merge: Merge,
    /// Where to begin, until it has begun.
    start: Option<u32>,
    end: u32,
    /// Whether a block could not be read: what is decoded of it may not be used.
    failed: bool,
}

impl Scan {
    /// The next group, which borrows the scan: nothing is allocated for it.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read. The scan is over then.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Result<Option<Group<'_>>, StoreError> {
        let Self { merge, start, end, failed } = self;
        // Until it is through, it has failed.
        if std::mem::replace(failed, true) {
            return Ok(None);
        }
        if let Some(start) = start.take() {
            merge.seek(start)?;
        }
        let group = match merge.peek() {
            Some(anchor) if anchor < *end => Some(merge.group(anchor)?),
            _ => None,
        };
        *failed = false;
        Ok(group)
    }
}

/// Finds the events of single anchors. Asking in ascending order is cheap: a decoded block of each run is kept.
#[derive(Debug)]
pub struct Cursor {
    merge: Merge,
    /// The part of the identities that it reads over, and the group at hand by its numbers.
    excerpt: Option<(Arc<Excerpt>, DecodedEvents)>,
}

impl Cursor {
    /// The events of `anchor`; an empty group where there are none.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn group(&mut self, anchor: IdentityId) -> Result<Group<'_>, StoreError> {
        let Some((excerpt, rows)) = &mut self.excerpt else {
            self.merge.seek(anchor.0)?;
            return self.merge.group(anchor.0);
        };
        let stored = excerpt.stored(anchor)?;
        self.merge.seek(stored.0)?;
        let group = self.merge.group(stored.0)?;
        rows.clear();
        match group.order {
            Order::Range(start, end) => rows.append(group.rows, start..end),
            Order::Picked(places) => {
                places.iter().map(|&at| at as usize).for_each(|at| rows.append(group.rows, at..at + 1));
            }
        }
        excerpt.renumber(rows)?;
        Ok(Group { anchor, rows, order: Order::Range(0, rows.len()) })
    }
}

/// A place in one run. A block is read once a group of it is asked for: where it begins, the directory says.
pub(super) struct RunCursor {
    backend: Arc<dyn Backend>,
    run: Run,
    known: KnownIds,
    /// The block and the group of it that are at hand. Behind the last group of a block, the next one is.
    block: usize,
    group: usize,
    /// The block that is decoded in `rows`.
    decoded: Option<usize>,
    rows: DecodedEvents,
}

impl fmt::Debug for RunCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunCursor").field("run", &self.run.number).field("block", &self.block).finish_non_exhaustive()
    }
}

impl RunCursor {
    /// The blocks that hold events of `anchor`, if the run has any.
    pub(super) fn blocks_of(&self, anchor: u32) -> Range<usize> {
        let begin = self.run.find(anchor);
        match self.first_of(begin) {
            Some(first) if first <= anchor => begin..self.run.slots().partition_point(|slot| slot.first <= anchor),
            _ => begin..begin,
        }
    }

    /// What a block holds; what was read last is not read again.
    pub(super) fn read(&mut self, block: usize) -> Result<&DecodedEvents, StoreError> {
        if self.decoded != Some(block) {
            // Until it is read, nothing is.
            self.decoded = None;
            self.rows.clear();
            read_block(&*self.backend, &self.run, block, self.known, &mut self.rows)?;
            self.decoded = Some(block);
        }
        Ok(&self.rows)
    }

    fn first_of(&self, block: usize) -> Option<u32> {
        self.run.slots().get(block).map(|slot| slot.first)
    }

    /// The anchor of the group at hand; `None` behind the last.
    fn peek(&self) -> Option<u32> {
        if self.group == 0 {
            return self.first_of(self.block);
        }
        self.rows.anchor(self.group).or_else(|| self.first_of(self.block + 1))
    }

    /// The same, as a number behind all others where there is none.
    fn anchor(&self) -> u32 {
        self.peek().unwrap_or(NO_ANCHOR)
    }

    /// Goes to the first group whose anchor is not below `anchor`.
    fn seek(&mut self, anchor: u32) -> Result<(), StoreError> {
        (self.block, self.group) = (self.run.find(anchor), 0);
        if self.first_of(self.block).is_some_and(|first| first < anchor) {
            self.group = self.read(self.block)?.find(anchor);
        }
        Ok(())
    }

    /// Sees to it that the group at hand is decoded.
    fn decode(&mut self) -> Result<(), StoreError> {
        if self.group > 0 && self.rows.anchor(self.group).is_none() {
            (self.block, self.group) = (self.block + 1, 0);
        }
        self.read(self.block).map(drop)
    }

    /// The events of the group at hand, which is decoded; the next one is at hand then.
    fn take(&mut self) -> Range<usize> {
        let range = self.rows.range(self.group);
        self.group += 1;
        range
    }

    /// Whether the group at hand, which is decoded, goes on in the next block.
    fn goes_on(&self) -> bool {
        self.group + 1 == self.rows.groups() && self.first_of(self.block + 1) == self.rows.anchor(self.group)
    }
}

/// Reads a block of events, and compares it with the directory and with what there is.
pub(crate) fn read_block(
    backend: &dyn Backend,
    run: &Run,
    block: usize,
    known: KnownIds,
    rows: &mut DecodedEvents,
) -> Result<(), StoreError> {
    let key = BlockKey { kind: kind_of(run), run: run.number, index: block as u32 };
    run::read(backend, key, run.generation, |body| {
        rows.parse(body)?;
        if run.slots().get(block) != Some(&rows.slot()) {
            Err("it is not what the directory says".into())
        } else if !rows.is_of(known) {
            Err("it names what the store does not hold".into())
        } else {
            Ok(())
        }
    })
}

/// In the place of an anchor, behind the last: no identity has that number.
const NO_ANCHOR: u32 = u32::MAX;

/// All runs, merged.
struct Merge {
    runs: Vec<RunCursor>,
    /// The anchor that each of them is at: side by side, since there may be many, of which a group is in one or two.
    anchors: Vec<u32>,
    /// A group that does not lie in one piece is gathered here.
    rows: DecodedEvents,
    order: Vec<u32>,
    /// Whether an event is there once for each of its profile parts.
    deliveries: bool,
}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge").field("runs", &self.runs.len()).finish_non_exhaustive()
    }
}

impl Merge {
    fn new(events: &Events, deliveries: bool) -> Self {
        let runs: Vec<RunCursor> = events.cursors().collect();
        let anchors = runs.iter().map(RunCursor::anchor).collect();
        Self { runs, anchors, rows: DecodedEvents::default(), order: Vec::new(), deliveries }
    }

    fn seek(&mut self, anchor: u32) -> Result<(), StoreError> {
        for (run, at) in self.runs.iter_mut().zip(&mut self.anchors) {
            run.seek(anchor)?;
            *at = run.anchor();
        }
        Ok(())
    }

    /// The least anchor that any run is at.
    fn peek(&self) -> Option<u32> {
        self.anchors.iter().copied().min().filter(|&anchor| anchor != NO_ANCHOR)
    }

    /// The group of `anchor`, which no run is past; every run goes on to the next.
    fn group(&mut self, anchor: u32) -> Result<Group<'_>, StoreError> {
        let holders = self.anchors.iter().filter(|&&at| at == anchor).count();
        let only = self.anchors.iter().position(|&at| at == anchor).unwrap_or(0);
        let mut lone = None;
        if holders == 1
            && let (Some(run), Some(at)) = (self.runs.get_mut(only), self.anchors.get_mut(only))
        {
            run.decode()?;
            if !run.goes_on() && (self.deliveries || !run.rows.repeats(run.rows.range(run.group))) {
                lone = Some(run.take());
                *at = run.anchor();
            }
        }
        if lone.is_none() {
            self.gather(anchor)?;
        }
        let deliveries = self.deliveries;
        let (rows, order) = match (lone, self.runs.get(only)) {
            (Some(range), Some(run)) => (&run.rows, Order::Range(range.start, range.end)),
            _ if holders > 1 || !deliveries && self.rows.repeats(0..self.rows.len()) => {
                unite(&mut self.rows, &mut self.order, deliveries);
                (&self.rows, Order::Picked(&self.order[..]))
            }
            _ => (&self.rows, Order::Range(0, self.rows.len())),
        };
        Ok(Group { anchor: IdentityId(anchor), rows, order })
    }

    fn gather(&mut self, anchor: u32) -> Result<(), StoreError> {
        self.rows.clear();
        for (run, at) in self.runs.iter_mut().zip(&mut self.anchors).filter(|(_, at)| **at == anchor) {
            while run.peek() == Some(anchor) {
                run.decode()?;
                let range = run.take();
                self.rows.append(&run.rows, range);
            }
            *at = run.anchor();
        }
        Ok(())
    }
}

/// Orders what was gathered and makes equal events one, or one for each of their profile parts where that is what is asked.
fn unite(rows: &mut DecodedEvents, order: &mut Vec<u32>, deliveries: bool) {
    let compare = |rows: &DecodedEvents, one: u32, other: u32| {
        let event = |at: u32| rows.event(at as usize);
        event(one).map(|event| event.key()).cmp(&event(other).map(|event| event.key()))
    };
    order.clear();
    order.extend(0..rows.len() as u32);
    // Each run's share ascends, which a stable sort makes use of. Of one event the greatest part comes first.
    order.sort_by(|&one, &other| {
        let parts = || rows.part(other as usize).cmp(&rows.part(one as usize));
        compare(rows, one, other).then_with(parts)
    });
    if !deliveries {
        order.dedup_by(|place, kept| {
            let is_same = compare(rows, *place, *kept).is_eq();
            if is_same {
                rows.unite_sources(*kept as usize, *place as usize);
            }
            is_same
        });
        return;
    }
    let all = std::mem::take(order);
    let mut rest = &all[..];
    while let Some(&first) = rest.first() {
        let same = rest.iter().take_while(|&&place| compare(rows, first, place).is_eq()).count();
        let Some((same, others)) = rest.split_at_checked(same) else { break };
        rest = others;
        match same {
            [one] => order.push(*one),
            _ => order.extend(one_a_part(rows, same)),
        }
    }
}

/// Of the rows of one event, the greatest part first, one for each part, ascending. Each source stays with the greatest of those that it
/// delivered, and a part that no source is left with goes.
fn one_a_part(rows: &mut DecodedEvents, same: &[u32]) -> Vec<u32> {
    let mut parts: Vec<u32> = Vec::new();
    for &place in same {
        match parts.last() {
            Some(&last) if rows.part(last as usize) == rows.part(place as usize) => {
                rows.unite_sources(last as usize, place as usize);
            }
            _ => parts.push(place),
        }
    }
    if parts.len() > 1 {
        let mut above: Vec<SourceId> = Vec::new();
        parts.retain(|&place| {
            let own = rows.event(place as usize).map_or(&[][..], |event| event.sources).iter().copied();
            let own: Vec<SourceId> = own.filter(|source| !above.contains(source)).collect();
            above.extend_from_slice(&own);
            let is_left = !own.is_empty();
            rows.set_sources(place as usize, own);
            is_left
        });
        parts.reverse();
    }
    parts
}
