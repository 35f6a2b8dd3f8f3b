//! Finding single events: which of a few events are stored, without gathering all that are stored under their anchor.
//!
//! In each run the events of an anchor ascend, through many blocks where they are many. Those that are looked for ascend too, so one
//! pass finds them all. A block is read where it may hold one of them; those between are leapt over, in steps that double.
//! So what is looked for in a narrow time costs a handful of blocks a run however long the session is, and what is
//! scattered over all of it costs a read of each block once. One block a run is held in memory.

use std::cmp::Ordering;
use std::ops::Range;

use crate::model::event::Event;
use crate::model::identity::IdentityId;
use crate::store::decoded::DecodedEvents;
use crate::store::error::StoreError;
use crate::store::scan::{Events, RunCursor};

/// Finds single events. Asking in ascending order of the anchors is cheap: a decoded block of each run is kept.
#[derive(Debug)]
pub struct EventFinder {
    runs: Vec<RunCursor>,
}

impl EventFinder {
    /// One that finds the events of a generation.
    pub fn new(events: &Events) -> Self {
        Self { runs: events.cursors().collect() }
    }

    /// Calls `found` with the place of each event of `wanted` (which ascend) that is stored under `anchor`, and the stored one; once for
    /// each run that holds it and each profile part that it has there, since each may tell of other sources.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn find(
        &mut self,
        anchor: IdentityId,
        wanted: &[Event<'_>],
        mut found: impl FnMut(usize, Event<'_>),
    ) -> Result<(), StoreError> {
        self.runs.iter_mut().try_for_each(|run| find_in_run(run, anchor.0, wanted, &mut found))
    }
}

fn find_in_run(
    run: &mut RunCursor,
    anchor: u32,
    wanted: &[Event<'_>],
    found: &mut impl FnMut(usize, Event<'_>),
) -> Result<(), StoreError> {
    let blocks = run.blocks_of(anchor);
    let Some(first) = wanted.first() else { return Ok(()) };
    // Most logs are nearly in order: what is looked for lies behind most runs, which their last block shows.
    if blocks.len() > 1 && ends_before(run.read(blocks.end - 1)?, anchor, first) {
        return Ok(());
    }
    let (mut block, mut next) = (blocks.start, 0);
    while let Some(event) = wanted.get(next) {
        block = first_reaching(run, anchor, block, blocks.end, event)?;
        if block == blocks.end {
            break;
        }
        let rows = run.read(block)?;
        let held = held(rows, anchor);
        let mut at = held.start;
        while let Some(event) = wanted.get(next) {
            at = leap(at, held.end, |place| compare(rows, place, event) == Some(Ordering::Less));
            // Once for each of its profile parts.
            while let Some(stored) = rows.event(at).filter(|stored| at < held.end && stored.key() == event.key()) {
                found(next, stored);
                at += 1;
            }
            if at == held.end {
                // The next block may have another part of it.
                break;
            }
            next += 1;
        }
        block += 1;
    }
    Ok(())
}

/// The first block from `block` on whose last event under `anchor` is not before `event`; `end` where there is none.
fn first_reaching(
    run: &mut RunCursor,
    anchor: u32,
    block: usize,
    end: usize,
    event: &Event<'_>,
) -> Result<usize, StoreError> {
    let mut failed = None;
    let reached = leap(block, end, |block| match run.read(block) {
        Ok(rows) => ends_before(rows, anchor, event),
        Err(error) => {
            failed = Some(error);
            false
        }
    });
    failed.map_or(Ok(reached), Err)
}

/// Whether all events of `anchor` in a block come before another.
fn ends_before(rows: &DecodedEvents, anchor: u32, event: &Event<'_>) -> bool {
    held(rows, anchor).last().is_none_or(|last| compare(rows, last, event) == Some(Ordering::Less))
}

/// The events of `anchor` in a block, if it has any.
fn held(rows: &DecodedEvents, anchor: u32) -> Range<usize> {
    let group = rows.find(anchor);
    if rows.anchor(group) == Some(anchor) { rows.range(group) } else { 0..0 }
}

/// The first place from `start` on that is not `before`, which those that are come first; `end` where all are. Costs the logarithm of how
/// far it is.
fn leap(start: usize, end: usize, mut before: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut step) = (start, 1);
    // All below `low` are before, and `high` is not, or is the end.
    let mut high = loop {
        let Some(probe) = Some(low + step - 1).filter(|&probe| probe < end) else { break end };
        if !before(probe) {
            break probe;
        }
        low = probe + 1;
        step *= 2;
    };
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// How the event at a place comes to stand to another. Nearly always the time tells.
#[inline]
fn compare(rows: &DecodedEvents, at: usize, event: &Event<'_>) -> Option<Ordering> {
    match rows.time(at)?.cmp(&event.time) {
        Ordering::Equal => Some(rows.event(at)?.key().cmp(&event.key())),
        decided => Some(decided),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_lands_on_the_first_that_is_not_before() {
        for end in 0..40 {
            for start in 0..=end {
                for first in start..=end {
                    let mut asked = 0;
                    let landed = leap(start, end, |place| {
                        assert!((start..end).contains(&place));
                        asked += 1;
                        place < first
                    });
                    assert_eq!(landed, first);
                    assert!(asked <= 2 * (first - start + 2).ilog2() + 2, "{start}..{end} to {first}: {asked}");
                }
            }
        }
    }
}
