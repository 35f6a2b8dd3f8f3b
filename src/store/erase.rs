//! Rewriting a store without what is erased.
//!
//! The database keeps old versions in its log, so that nothing is gone from its files that is only deleted or written over. So a whole
//! store is written, kind by kind, into an empty backend, which then takes the place of the old one ([`Backend::replace`]): durably, as a
//! whole or not at all. What follows from the events that are left is handed in; the rest is copied row by row, each row being asked what
//! it is without what is erased (`TableRow::without`). Numbers of runs, commits and records go on.
#![deny(clippy::indexing_slicing)]

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use smallvec::SmallVec;

use crate::model::counting::CountedIds;
use crate::model::event::Event;
use crate::model::history::{Overwritten, StoredChange};
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Unlink};
use crate::model::totals::Totals;
use crate::store::backend::Backend;
use crate::store::barred::BarRow;
use crate::store::block::BlockKind;
use crate::store::decoded::DecodedEvents;
use crate::store::directory::EventRunWriter;
use crate::store::erased::Erased;
use crate::store::error::StoreError;
use crate::store::events::{EVENTS, EventBlock, EventWriter, WRITTEN};
use crate::store::feed;
use crate::store::glance::{self, FoundBlocks};
use crate::store::kind::Renewal;
use crate::store::kinds::KINDS;
use crate::store::kinds::{self, renumbered};
use crate::store::manifest::Manifest;
use crate::store::open::{Mode, Store};
use crate::store::recount::{CountedEvent, count_again};
use crate::store::run::{self, DirectorySlot, Run};
use crate::store::scan::{Events, read_block};
use crate::store::table::{TableRow, sorted};
use crate::store::totals;
use crate::store::transaction::{Ledger, Transaction};

/// Blocks that are copied at a time: some megabytes.
const BLOCKS: usize = 512;

/// What becomes of a stored event, under its anchor: as it will be, or nothing.
pub type KeptEvent<'a> = &'a (dyn for<'e> Fn(IdentityId, Event<'e>) -> Option<Event<'e>> + Sync);

/// What a store will hold when it is rewritten. Identities have the numbers that they had.
pub struct Erasure<'a> {
    /// What goes.
    pub erased: Erased<'a>,
    /// The blocks of events, as they were written, in which anything goes or becomes another.
    pub touched: &'a FoundBlocks,
    /// The anchors of which an event becomes another.
    pub reordered: &'a HashSet<IdentityId>,
    /// What becomes of each event in them.
    pub event: KeptEvent<'a>,
    /// What an event that was written counts as.
    pub count: &'a (dyn Fn(IdentityId, &Event<'_>) -> CountedEvent + Sync),
    /// When each identity was seen, by id; all of them.
    pub seen: &'a [(IdentityId, Seen)],
    /// All links.
    pub links: &'a [Link],
    /// Decisions that come to those that stand.
    pub unlinks: &'a [Unlink],
    /// Records of the change feed, in order.
    pub changes: &'a [StoredChange],
    /// What is overwritten, in so far as it is to be remembered.
    pub overwritten: Overwritten,
    /// Tombstones, and the like, that come to those that stand.
    pub bars: Vec<BarRow>,
    /// What the store will hold under the default reading.
    pub totals: Totals,
}

impl Store {
    /// Rewrites the store without what is erased, durably: as a whole or not at all, whatever is killed on the way. Nothing of what was
    /// there is left in its files. What reads the store as it was before gets an error from then on.
    ///
    /// Costs a read and a write of everything.
    ///
    /// # Errors
    /// When it cannot be read or written, or another process has written to it meanwhile.
    pub fn erase(&mut self, erasure: &Erasure<'_>) -> Result<(), StoreError> {
        self.ledger.check_poison()?;
        let old = Arc::clone(self.ledger.backend());
        let held = self.ledger.manifest().clone();
        let next = old.replace(&mut |next| {
            let mut ledger = Ledger::after(next, &held)?;
            ledger.transact(|transaction| write(transaction, &old, &held, erasure))
        });
        let next = next.inspect_err(|error| self.ledger.poison(&error.to_string()))?;
        *self = Self::start(next, None, Mode::Strict)?;
        Ok(())
    }
}

fn write(
    transaction: &mut Transaction,
    old: &Arc<dyn Backend>,
    held: &Manifest,
    erasure: &Erasure<'_>,
) -> Result<(), StoreError> {
    let erased = &erasure.erased;
    transaction.totals().identities -= erased.gone.len() as u64;
    for spec in KINDS {
        let runs: Vec<Run> = held.of(spec.kind).cloned().collect();
        match spec.renewal {
            Renewal::Copied => runs.iter().try_for_each(|run| copy(transaction, &**old, run))?,
            Renewal::Rows(renew) => {
                let run = renew(old, &runs, transaction.new_run(), erased)?;
                transaction.add(run);
            }
            Renewal::HandedIn => {}
        }
    }
    for kind in [EVENTS, WRITTEN] {
        write_events(transaction, old, (kind, held), erasure)?;
    }
    count_again(transaction, &|anchor, event: &Event<'_>| {
        let companions: CountedIds = event.companions.iter().map(|&id| erased.old(id)).collect();
        let counted = (erasure.count)(erased.old(anchor), &Event { companions: &companions, ..*event });
        match counted {
            CountedEvent::As(anchor, ids) => {
                let ids = ids.iter().filter_map(|&id| erased.id(id)).collect();
                erased.id(anchor).map_or(CountedEvent::Nothing, |anchor| CountedEvent::As(anchor, ids))
            }
            same @ (CountedEvent::AsWritten | CountedEvent::Nothing) => same,
        }
    })?;
    totals::keep(transaction, Some(erasure.totals))?;
    transaction.write_table(kept(sorted(erasure.seen)?, erased))?;
    transaction.write_table(kept(sorted(erasure.links)?, erased))?;
    transaction.write_table(kept(sorted(erasure.unlinks)?, erased))?;
    transaction.write_table(kept(sorted(&erasure.bars)?, erased))?;
    let changes: Vec<StoredChange> = erasure.changes.iter().filter_map(|&change| renumbered(change, erased)).collect();
    feed::write(transaction, &changes, &overwritten(&erasure.overwritten, erased))
}

fn kept<R: TableRow>(rows: Vec<R>, erased: &Erased<'_>) -> Vec<R> {
    rows.into_iter().filter_map(|row| row.without(erased)).collect()
}

/// What is overwritten, by the new numbers.
fn overwritten(old: &Overwritten, erased: &Erased<'_>) -> Overwritten {
    let id = |id| erased.id(id);
    Overwritten {
        seen: old.seen.iter().filter_map(|&(of, time)| Some((id(of)?, time))).collect(),
        links: old.links.iter().filter_map(|&(lower, higher, time)| Some((id(lower)?, id(higher)?, time))).collect(),
        unlinks: kept(old.unlinks.clone(), erased),
    }
}

/// Copies the blocks of a run as they are.
fn copy(transaction: &mut Transaction, old: &dyn Backend, run: &Run) -> Result<(), StoreError> {
    for keys in kinds::blocks(run).chunks(BLOCKS) {
        let blocks = keys.iter().map(|&key| Ok((key.bytes(), run::stored(old, key, run.generation)?)));
        transaction.backend().put(blocks.collect::<Result<_, StoreError>>()?)?;
    }
    transaction.add(Some(run.clone()));
    Ok(())
}

/// Writes the events of a kind that stay, run by run. While one share is written away, the next one is made in parallel.
fn write_events(
    transaction: &mut Transaction,
    old: &Arc<dyn Backend>,
    (kind, held): (BlockKind, &Manifest),
    erasure: &Erasure<'_>,
) -> Result<(), StoreError> {
    for run in held.of(kind) {
        let events = Events::of(Arc::clone(old), vec![run.clone()]);
        let stretches = stretches(run, erasure);
        let mut writer = EventRunWriter::new(kind, transaction.new_run());
        let mut ready: Vec<EventBlock> = Vec::new();
        for share in stretches.chunks(BLOCKS) {
            let write = || ready.drain(..).try_for_each(|block| writer.push(block));
            let (written, made) = rayon::join(write, || renew_share(&events, run, share, erasure));
            written?;
            ready = made?;
        }
        ready.into_iter().try_for_each(|block| writer.push(block))?;
        let run = writer.finish()?;
        transaction.add(run);
    }
    Ok(())
}

/// Blocks of a run that are written again together.
enum Stretch {
    /// A block that holds nothing of what goes.
    Untouched(usize),
    /// Blocks with something that goes.
    Touched(Range<usize>),
}

fn stretches(run: &Run, erasure: &Erasure<'_>) -> Vec<Stretch> {
    // The order of events may change across blocks that share an anchor of which one becomes another.
    let one_piece = |one: &DirectorySlot, next: &DirectorySlot| {
        one.last == next.first && erasure.reordered.contains(&IdentityId(one.last))
    };
    let pieces = run.slots().chunk_by(one_piece).scan(0, |end, piece| {
        let start = *end;
        *end += piece.len();
        Some(start..*end)
    });
    let mut all = Vec::new();
    for piece in pieces {
        match piece.clone().any(|block| erasure.touched.has(run, block)) {
            true => all.push(Stretch::Touched(piece)),
            false => all.extend(piece.map(Stretch::Untouched)),
        }
    }
    all
}

fn renew_share(
    events: &Events,
    run: &Run,
    share: &[Stretch],
    erasure: &Erasure<'_>,
) -> Result<Vec<EventBlock>, StoreError> {
    let made = share.par_iter().map(|stretch| match stretch {
        Stretch::Untouched(block) => {
            glance::renumbered(events, run, *block, |id| erasure.erased.id(id)).map(|block| vec![block])
        }
        Stretch::Touched(blocks) => renew_blocks(events, run, blocks.clone(), erasure),
    });
    let made: Vec<Vec<EventBlock>> = made.collect::<Result<_, StoreError>>()?;
    Ok(made.into_iter().flatten().collect())
}

/// Blocks without what goes.
fn renew_blocks(
    events: &Events,
    run: &Run,
    blocks: Range<usize>,
    erasure: &Erasure<'_>,
) -> Result<Vec<EventBlock>, StoreError> {
    let decoded = blocks.map(|block| {
        let mut rows = DecodedEvents::default();
        read_block(&*events.backend, run, block, events.known, &mut rows).map(|()| rows)
    });
    let decoded: Vec<DecodedEvents> = decoded.collect::<Result<_, StoreError>>()?;
    let all = decoded.iter().flat_map(DecodedEvents::each);
    let mut kept = all.filter_map(|(anchor, event)| Some((anchor, (erasure.event)(anchor, event)?))).peekable();
    let (mut writer, mut room) = (EventWriter::new(), RenewedSets::default());
    let mut of_a_time: SameTime<'_> = SmallVec::new();
    while let Some((anchor, event)) = kept.next() {
        of_a_time.push(event);
        if kept.peek().is_none_or(|&(next, later)| (next, later.time) != (anchor, event.time)) {
            if let Some(anchor) = erasure.erased.id(anchor) {
                write_moment(&mut writer, anchor, &of_a_time, &erasure.erased, &mut room)?;
            }
            of_a_time.clear();
        }
    }
    writer.finish()
}

/// Companions by their new numbers, end to end.
#[derive(Default)]
struct RenewedSets {
    companions: Vec<IdentityId>,
    ends: Vec<usize>,
}

/// Events of one time: mostly one.
type SameTime<'e> = SmallVec<[Event<'e>; 4]>;

/// Writes the events of one time: one whose id is replaced has another place among them.
fn write_moment(
    writer: &mut EventWriter,
    anchor: IdentityId,
    events: &[Event<'_>],
    erased: &Erased<'_>,
    room: &mut RenewedSets,
) -> Result<(), StoreError> {
    room.companions.clear();
    room.ends.clear();
    for event in events {
        room.companions.extend(event.companions.iter().filter_map(|&id| erased.id(id)));
        room.ends.push(room.companions.len());
    }
    let starts = std::iter::once(0).chain(room.ends.iter().copied());
    let renewed = events.iter().zip(starts).zip(&room.ends).map(|((event, start), &end)| Event {
        companions: room.companions.get(start..end).unwrap_or_default(),
        ..*event
    });
    let mut renewed: SameTime<'_> = renewed.collect();
    renewed.sort_by(|a, b| a.key().cmp(&b.key()).then_with(|| a.profile.cmp(&b.profile)));
    writer.push(anchor, renewed)
}
