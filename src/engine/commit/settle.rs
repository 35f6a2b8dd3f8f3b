//! Settling a batch: which of its events are new, and what follows from them.
//!
//! 1. Rows are grouped by anchor.
//! 2. The groups are cut into pieces, one task each.
//! 3. A piece sorts each group as events are within an anchor. It drops the events that occur twice in the batch, and
//!    those that the store holds already. It looks for them only where the batch reaches back into the time in which the
//!    anchor was seen before; a log in order (or in reverse) reads next to nothing.
//! 4. It encodes the new events as blocks and reduces them to links and times.
//! 5. The pieces' reductions are merged: the result is the same however the rows were cut.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;
use smallvec::SmallVec;

use crate::engine::batch::Batch;
use crate::engine::batch::rows::{BatchRow, BatchRows};
use crate::engine::batch::sets::SetId;
use crate::engine::commit::arriving::{piece_end, piece_size};
use crate::graph::Graph;
use crate::graph::links::Links;
use crate::model::digest::EventHash;
use crate::model::event::{Event, in_level_order};
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Witness};
use crate::model::namespace::NamespaceId;
use crate::model::source::SourceId;
use crate::model::time::Time;
use crate::store::error::StoreError;
use crate::store::events::{EventBlock, EventWriter};
use crate::store::find::EventFinder;
use crate::store::scan::Events;

/// Pieces a thread: enough that one slow piece does not leave the others idle, few enough that blocks are full.
const PIECES_PER_THREAD: usize = 4;

/// What follows from a batch.
#[derive(Default)]
pub struct Settled {
    /// Events that no one delivered before.
    pub accepted: u64,
    /// Events delivered before, in this batch or an earlier one.
    pub duplicate: u64,
    /// Accepted events that had to be looked for in the store: those of an anchor that reach back into the time in which it was seen before.
    pub between: u64,
    /// The new events (and the known ones that came from a new source), encoded.
    pub blocks: Vec<EventBlock>,
    /// The same of what events count as that do not count as they were written.
    pub counted: Vec<EventBlock>,
    /// The same of these events, as they were written.
    pub written: Vec<EventBlock>,
    /// What the new events add to the links.
    pub links: Links,
    /// What the new events add to when identities were seen; an identity may stand here more than once.
    pub seen: Vec<(IdentityId, Seen)>,
}

/// Settles the rows of a batch, on all cores of the current rayon pool.
///
/// # Errors
/// When stored events cannot be read.
pub fn settle(batch: &mut Batch, graph: &Graph, stored: &Events) -> Result<Settled, StoreError> {
    let mut grouped = std::mem::take(&mut batch.grouped);
    group_by_anchor(&batch.rows.all, &mut grouped);
    let pieces: Vec<Settled> = cut(&mut grouped, rayon::current_num_threads() * PIECES_PER_THREAD)
        .into_par_iter()
        .map(|piece| Piece::new(batch, graph, stored).settle(piece))
        .collect::<Result<_, _>>()?;
    batch.grouped = grouped;
    let mut all = settle_written(batch, &stored.written_only())?;
    all.duplicate += batch.repeats;
    for piece in pieces {
        all.accepted += piece.accepted;
        all.duplicate += piece.duplicate;
        all.between += piece.between;
        all.blocks.extend(piece.blocks);
        all.counted.extend(piece.counted);
        all.links.merge(piece.links);
        all.seen.extend(piece.seen);
    }
    Ok(all)
}

/// Anchors a row, up to which rows are put in their places by counting: the counters then take no more than the rows do.
const COUNTED_ANCHORS_PER_ROW: usize = 8;

/// Puts rows into `grouped` by anchor, ascending; the rows of one keep their order, which in a log is nearly that of time.
///
/// Counting, since anchors are dense: a parallel comparison sort took an eighth of the processor time of a replay.
fn group_by_anchor(rows: &[BatchRow], grouped: &mut Vec<BatchRow>) {
    // What lies there is written over: to copy all rows first would move each twice.
    grouped.truncate(rows.len());
    grouped.extend_from_slice(&rows[grouped.len()..]);
    let anchors = || rows.iter().map(|row| row.anchor.0);
    let (Some(first), Some(last)) = (anchors().min(), anchors().max()) else { return };
    let span = (last - first) as usize + 1;
    if span > rows.len() * COUNTED_ANCHORS_PER_ROW {
        grouped.copy_from_slice(rows);
        grouped.par_sort_by_key(|row| row.anchor);
        return;
    }
    let mut places = vec![0_u32; span + 1];
    for anchor in anchors() {
        places[(anchor - first) as usize + 1] += 1;
    }
    for at in 1..places.len() {
        places[at] += places[at - 1];
    }
    for row in rows {
        let place = &mut places[(row.anchor.0 - first) as usize];
        grouped[*place as usize] = *row;
        *place += 1;
    }
}

/// Cuts grouped rows into about `count` pieces, between anchors.
fn cut(mut rows: &mut [BatchRow], count: usize) -> Vec<&mut [BatchRow]> {
    let mut pieces = Vec::with_capacity(count);
    let size = piece_size(rows, count);
    while !rows.is_empty() {
        let (piece, rest) = rows.split_at_mut(piece_end(rows, size));
        pieces.push(piece);
        rows = rest;
    }
    pieces
}

/// A run of rows on its way to blocks, links and times.
struct Piece<'a> {
    batch: &'a Batch,
    graph: &'a Graph,
    /// Of the stored events those that count as they were written, and what the others count as.
    stored: [EventFinder; 2],
    /// Writers of the same two.
    writers: [EventWriter; 2],
    settled: Settled,
    companions_seen: HashMap<IdentityId, Seen>,
}

/// A row that is written, with its place among the sources of the group. An event has one for each profile part that it was
/// delivered with, ascending; nearly always that is one.
struct Kept<'r> {
    row: &'r BatchRow,
    sources: Range<usize>,
    /// Whether it lies nowhere yet where it would be written.
    is_missing: bool,
    /// Whether no one delivered before what it counts as.
    new: bool,
    /// Whether it is the last of its event.
    ends: bool,
}

impl Kept<'_> {
    /// Whether it is written.
    fn is_due(&self) -> bool {
        self.is_missing || !self.sources.is_empty()
    }

    /// Notes that its event is stored where it would be written. What a source delivered with a greater part is not told again with a
    /// lesser one.
    fn is_stored(&mut self, rows: &BatchRows, sources: &mut Vec<SourceId>, old: &Event<'_>) {
        self.is_missing = false;
        if old.profile >= rows.profile(self.row) {
            self.sources = add_missing(sources, self.sources.clone(), old);
        }
    }
}

/// The new events of one anchor that carry the same companions.
struct Company {
    companions: SetId,
    first: Time,
    witness: EventHash,
    last: Time,
    count: u64,
}

/// The companies of one anchor: a handful, but for a device that a whole town shares.
#[derive(Default)]
struct Companies {
    all: SmallVec<[Company; 4]>,
    index: HashMap<SetId, usize>,
}

/// Companies that are looked through one by one; beyond it an index finds them.
const FEW_COMPANIES: usize = 8;

impl Companies {
    fn find(&mut self, companions: SetId) -> Option<&mut Company> {
        let at = if self.all.len() <= FEW_COMPANIES {
            self.all.iter().rposition(|company| company.companions == companions)
        } else {
            self.index.get(&companions).copied()
        };
        at.map(|at| &mut self.all[at])
    }

    fn push(&mut self, company: Company) {
        if self.all.len() >= FEW_COMPANIES {
            if self.index.is_empty() {
                self.index.extend(self.all.iter().enumerate().map(|(at, known)| (known.companions, at)));
            }
            self.index.insert(company.companions, self.all.len());
        }
        self.all.push(company);
    }
}

impl<'a> Piece<'a> {
    fn new(batch: &'a Batch, graph: &'a Graph, stored: &'a Events) -> Self {
        Self {
            batch,
            graph,
            stored: [stored.plain(), stored.counted()].map(|events| EventFinder::new(&events)),
            writers: [EventWriter::new(), EventWriter::new()],
            settled: Settled::default(),
            companions_seen: HashMap::new(),
        }
    }

    fn settle(mut self, rows: &mut [BatchRow]) -> Result<Settled, StoreError> {
        let mut sources = Vec::new();
        for group in rows.chunk_by_mut(|a, b| a.anchor == b.anchor) {
            group.sort_unstable_by(|a, b| self.batch.rows.compare(a, b));
            sources.clear();
            let kept = self.keep(group, &mut sources)?;
            let all_due = kept.len() == group.len() && kept.iter().all(Kept::is_due);
            let due: Vec<bool> = if all_due { Vec::new() } else { due(group, &kept) };
            let anchor = group[0].anchor;
            let rows = &self.batch.rows;
            for (writer, recounted) in self.writers.iter_mut().zip([false, true]) {
                let due = kept.iter().filter(|kept| kept.is_due() && kept.row.recounted == recounted);
                let mut reader = rows.reader();
                writer.push(anchor, due.map(|kept| reader.event(kept.row, &sources[kept.sources.clone()])))?;
            }
            self.reduce(anchor, &kept);
            group.iter_mut().zip(due).for_each(|(row, due)| row.arrives = due);
        }
        let [plain, counted] = self.writers;
        (self.settled.blocks, self.settled.counted) = (plain.finish()?, counted.finish()?);
        self.settled.seen.extend(self.companions_seen);
        Ok(self.settled)
    }

    /// The events of one anchor: those that are new, or are written all the same, since they come from another source or lie only among
    /// what others count as.
    fn keep<'r>(&mut self, group: &'r [BatchRow], sources: &mut Vec<SourceId>) -> Result<Vec<Kept<'r>>, StoreError> {
        let batch = self.batch;
        let anchor = group[0].anchor;
        let mut kept: Vec<Kept<'r>> = Vec::with_capacity(group.len());
        for same in group.chunk_by(|a, b| batch.rows.same(a, b)) {
            let first = kept.len();
            if let [row] = same {
                // Nearly every event: it was delivered once.
                let sources = from_one(row.source, sources);
                kept.push(Kept { row, sources, is_missing: true, new: true, ends: true });
                continue;
            }
            for rows in same.chunk_by(|a, b| a.recounted == b.recounted) {
                one_a_part(rows, sources, &mut kept);
            }
            is_one_event(&mut kept[first..], true);
            self.settled.duplicate += same.len() as u64 - 1;
        }
        let reaches_back = self.reaches_back(anchor, group[0].time, group[group.len() - 1].time);
        if reaches_back {
            let wanted = wanted(batch, &kept);
            let mut events: Vec<&mut [Kept<'_>]> = kept.chunk_by_mut(|a, _| !a.ends).collect();
            for (stored, recounted) in self.stored.iter_mut().zip([false, true]) {
                stored.find(anchor, &wanted, |at, old| {
                    for candidate in events[at].iter_mut() {
                        self.settled.duplicate += u64::from(candidate.new);
                        candidate.new = false;
                        if candidate.row.recounted == recounted {
                            candidate.is_stored(&batch.rows, sources, &old);
                        }
                    }
                })?;
            }
        }
        let accepted = kept.iter().filter(|kept| kept.new).count() as u64;
        self.settled.accepted += accepted;
        self.settled.between += if reaches_back { accepted } else { 0 };
        kept.retain(|kept| kept.new || kept.is_due());
        Ok(kept)
    }

    /// Whether the store may hold an event of `anchor` between the two times.
    fn reaches_back(&self, anchor: IdentityId, first: Time, last: Time) -> bool {
        self.batch.is_old(anchor) && {
            let seen = self.graph.seen(anchor);
            first <= seen.last && seen.first <= last
        }
    }

    /// Reduces the new events of one anchor (in time order) to links and times.
    fn reduce(&mut self, anchor: IdentityId, kept: &[Kept<'_>]) {
        let mut companies = Companies::default();
        for Kept { row, .. } in kept.iter().filter(|kept| kept.new) {
            let alone = row.companions == SetId::EMPTY;
            match companies.find(row.companions) {
                Some(company) => {
                    if row.time == company.first && !alone {
                        company.witness = company.witness.min(self.hash(row));
                    }
                    company.last = row.time;
                    company.count += 1;
                }
                None => companies.push(Company {
                    companions: row.companions,
                    first: row.time,
                    witness: if alone { EventHash(0) } else { self.hash(row) },
                    last: row.time,
                    count: 1,
                }),
            }
        }
        let companies = companies.all;
        let mut seen = Seen::NEVER;
        for company in &companies {
            seen.merge(Seen { first: company.first, last: company.last, events: company.count });
        }
        if seen.events > 0 {
            self.settled.seen.push((anchor, seen));
        }
        for company in &companies {
            self.link(anchor, company);
        }
    }

    /// Links each lower identity of a company to the highest one, never lower to lower.
    fn link(&mut self, anchor: IdentityId, company: &Company) {
        let companions = self.batch.rows.sets.get(company.companions);
        for &companion in companions {
            let seen = Seen { first: company.first, last: company.last, events: 0 };
            self.companions_seen.entry(companion).and_modify(|known| known.merge(seen)).or_insert(seen);
        }
        let identities: SmallVec<[IdentityId; 4]> =
            in_level_order(anchor, self.is_session(anchor), companions).collect();
        let [lowers @ .., higher] = &*identities else { return };
        for &lower in lowers {
            self.settled.links.merge_link(Link {
                lower,
                higher: *higher,
                first: company.first,
                witness: Witness { event: company.witness, anchor },
                last: company.last,
                count: company.count,
            });
        }
    }

    fn is_session(&self, id: IdentityId) -> bool {
        self.batch.namespace(self.graph, id) == NamespaceId::SESSION
    }

    fn hash(&self, row: &BatchRow) -> EventHash {
        let companions = self.batch.rows.sets.get(row.companions);
        let identities = in_level_order(row.anchor, self.is_session(row.anchor), companions);
        EventHash::new(row.time, self.batch.rows.id(row), identities.map(|id| self.batch.hash(self.graph, id)))
    }
}

/// Settles the rows that count otherwise than they were written: those that the store lacks are encoded. What counts is settled apart,
/// so that only those are counted here that do not count.
fn settle_written(batch: &Batch, stored: &Events) -> Result<Settled, StoreError> {
    let (mut settled, mut grouped) = (Settled::default(), Vec::new());
    if batch.rows.written.is_empty() {
        return Ok(settled);
    }
    group_by_anchor(&batch.rows.written, &mut grouped);
    let (mut finder, mut writer, mut sources) = (EventFinder::new(stored), EventWriter::new(), Vec::new());
    let rows = &batch.rows;
    for group in grouped.chunk_by_mut(|a, b| a.anchor == b.anchor) {
        group.sort_unstable_by(|a, b| rows.compare(a, b));
        sources.clear();
        let mut kept: Vec<Kept<'_>> = Vec::with_capacity(group.len());
        let mut repeated = 0;
        for same in group.chunk_by(|a, b| rows.same(a, b)) {
            let first = kept.len();
            one_a_part(same, &mut sources, &mut kept);
            is_one_event(&mut kept[first..], !same[0].recounted);
            repeated += if same[0].recounted { 0 } else { same.len() as u64 - 1 };
        }
        let anchor = group[0].anchor;
        let wanted = wanted(batch, &kept);
        let mut events: Vec<&mut [Kept<'_>]> = kept.chunk_by_mut(|a, _| !a.ends).collect();
        finder.find(anchor, &wanted, |at, old| {
            for candidate in events[at].iter_mut() {
                repeated += u64::from(candidate.new);
                candidate.new = false;
                candidate.is_stored(rows, &mut sources, &old);
            }
        })?;
        settled.accepted += kept.iter().filter(|kept| kept.new).count() as u64;
        settled.duplicate += repeated;
        let due = kept.iter().filter(|kept| kept.is_due());
        let mut reader = rows.reader();
        writer.push(anchor, due.map(|kept| reader.event(kept.row, &sources[kept.sources.clone()])))?;
    }
    settled.written = writer.finish()?;
    Ok(settled)
}

/// Keeps the rows of one event that count alike, which ascend by profile part: one for each part, with its sources at the end of `sources`.
/// A source that delivered several stays with the greatest.
fn one_a_part<'r>(same: &'r [BatchRow], sources: &mut Vec<SourceId>, kept: &mut Vec<Kept<'r>>) {
    let (first, start) = (kept.len(), sources.len());
    for part in same.chunk_by(|a, b| a.profile == b.profile).rev() {
        let from = sources.len();
        for row in part {
            let is_repeat = sources[from..].last() == Some(&row.source);
            if !is_repeat && !sources[start..from].contains(&row.source) {
                sources.push(row.source);
            }
        }
        if sources.len() > from {
            let sources = from..sources.len();
            kept.push(Kept { row: &part[0], sources, is_missing: true, new: false, ends: false });
        }
    }
    kept[first..].reverse();
}

/// The one source of an event, put at the end of `sources`.
fn from_one(source: SourceId, sources: &mut Vec<SourceId>) -> Range<usize> {
    sources.push(source);
    sources.len() - 1..sources.len()
}

/// Of each row of a group, whether it is written. Those that are kept ascend.
fn due(group: &[BatchRow], kept: &[Kept<'_>]) -> Vec<bool> {
    let mut kept = kept.iter().peekable();
    let is_due = |row: &BatchRow| kept.next_if(|kept| std::ptr::eq(kept.row, row)).is_some_and(Kept::is_due);
    group.iter().map(is_due).collect()
}

/// Marks rows that are one event: where it is one by now, the first of them stands for it.
fn is_one_event(kept: &mut [Kept<'_>], is_one: bool) {
    if let Some(first) = kept.first_mut() {
        first.new = is_one;
    }
    if let Some(last) = kept.last_mut() {
        last.ends = true;
    }
}

/// The events that rows are, each once.
fn wanted<'b>(batch: &'b Batch, kept: &[Kept<'_>]) -> Vec<Event<'b>> {
    let mut reader = batch.rows.reader();
    kept.iter().filter(|kept| kept.ends).map(|kept| reader.event(kept.row, &[])).collect()
}

/// The sources of `delivered` that a stored event lacks, put at the end of `sources`.
fn add_missing(sources: &mut Vec<SourceId>, delivered: Range<usize>, old: &Event<'_>) -> Range<usize> {
    let start = sources.len();
    for at in delivered {
        if !old.sources.contains(&sources[at]) {
            sources.push(sources[at]);
        }
    }
    start..sources.len()
}
