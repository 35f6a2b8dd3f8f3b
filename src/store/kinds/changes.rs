//! The change feed, by sequence number: numbers are given once, over all commits.

use crate::model::digest::EventHash;
use crate::model::history::{Cause, Moved, Sequence, StoredChange};
use crate::model::identity::IdentityId;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::{self, TableRow};

/// A record of the feed, with its number.
pub type Numbered = (Sequence, StoredChange);

// What a record of the feed holds beside its session and its count.
const SINCE: u64 = 1;
const FROM: u64 = 2;
const TO: u64 = 4;
/// The person is who it was.
const SAME: u64 = 8;
const MOVED: u64 = 16;
const CAUSE: u64 = 32;

impl TableRow for Numbered {
    const KIND: BlockKind = BlockKind::new(9, "changes", Loss::FeedBegunAgain);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = table::all_rows;
    type Key = Sequence;

    fn key(&self) -> Sequence {
        self.0
    }

    fn merge(self, later: Self) -> Self {
        later
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        let (sequence, change) = self;
        let same = change.from.is_some() && change.from == change.to;
        let mut flags = if same { SAME } else { 0 };
        for (flag, holds) in [
            (SINCE, change.since.is_some()),
            (FROM, change.from.is_some()),
            (TO, change.to.is_some() && !same),
            (MOVED, change.moved.is_some()),
            (CAUSE, change.cause.is_some()),
        ] {
            flags |= if holds { flag } else { 0 };
        }
        column::put(out, sequence.0 - before.map_or(0, |row| row.0.0));
        column::put(out, flags);
        column::put_jump(out, change.session, before.map_or(IdentityId(0), |row| row.1.session));
        column::put(out, change.events);
        if let Some(since) = change.since {
            column::put_time_since(out, since, None);
        }
        for person in [change.from, change.to.filter(|_| !same)].into_iter().flatten() {
            column::put_jump(out, person, change.session);
        }
        if let Some(moved) = change.moved {
            column::put(out, moved.events);
            column::put_time_since(out, moved.first, None);
            column::put_time_since(out, moved.last, Some(moved.first));
        }
        if let Some(cause) = change.cause {
            column::put_jump(out, cause.lower, change.session);
            column::put_jump(out, cause.higher, change.to.unwrap_or(change.session));
            out.extend_from_slice(&cause.event.0.to_le_bytes());
        }
    }

    fn read(before: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let sequence = before.map_or(0, |row| row.0.0).checked_add(from.u64()?)?;
        let flags = from.u64()?;
        let session = from.jump(before.map_or(IdentityId(0), |row| row.1.session))?;
        let events = from.u64()?;
        let has = |flag| flags & flag != 0;
        let since = if has(SINCE) { Some(from.time_since(None)?) } else { None };
        let old = if has(FROM) { Some(from.jump(session)?) } else { None };
        let to = match (has(SAME), has(TO)) {
            (true, _) => old,
            (false, true) => Some(from.jump(session)?),
            (false, false) => None,
        };
        let moved = if has(MOVED) {
            let (events, first) = (from.u64()?, from.time_since(None)?);
            Some(Moved { events, first, last: from.time_since(Some(first))? })
        } else {
            None
        };
        let cause = if has(CAUSE) {
            let (lower, higher) = (from.jump(session)?, from.jump(to.unwrap_or(session))?);
            let event = EventHash(u128::from_le_bytes(from.take(16)?.try_into().ok()?));
            Some(Cause { lower, higher, event })
        } else {
            None
        };
        Some((Sequence(sequence), StoredChange { session, events, since, from: old, to, moved, cause }))
    }
}
