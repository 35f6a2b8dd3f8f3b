//! The change feed, by sequence number: numbers are given once, over all commits.

use crate::model::digest::EventHash;
use crate::model::history::{Cause, Moved, Sequence, StoredChange};
use crate::model::identity::IdentityId;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
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
/// It named what was erased: nothing follows.
const ERASED: u64 = 64;

/// The session of the row before, or none.
fn session_of(before: Option<&Numbered>) -> IdentityId {
    before.and_then(|row| row.1.session).unwrap_or(IdentityId(0))
}

/// A record by the numbers that identities have in a store that is rewritten; `None` where it names one that goes. Evidence that goes is
/// not told.
pub(crate) fn renumbered(change: StoredChange, erased: &Erased<'_>) -> Option<StoredChange> {
    let new = |id: Option<IdentityId>| id.map_or(Some(None), |id| erased.id(id).map(Some));
    let cause = match change.cause.filter(|cause| !erased.events.contains(&cause.event)) {
        Some(Cause { lower, higher, event }) => {
            Some(Cause { lower: erased.id(lower)?, higher: erased.id(higher)?, event })
        }
        None => None,
    };
    let (session, from, to) = (new(change.session)?, new(change.from)?, new(change.to)?);
    Some(StoredChange { session, from, to, cause, ..change })
}

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

    fn without(self, erased: &Erased<'_>) -> Option<Self> {
        let (sequence, change) = self;
        let is_kept = !change.named().any(|id| erased.unnames(id));
        let change = is_kept.then(|| renumbered(change, erased)).flatten();
        // Numbers are never given again, so each record keeps its place.
        Some((sequence, change.unwrap_or(StoredChange::ERASED)))
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        let (sequence, change) = self;
        let Some(session) = change.session else {
            column::put(out, sequence.0 - before.map_or(0, |row| row.0.0));
            column::put(out, ERASED);
            return;
        };
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
        column::put_jump(out, session, session_of(before));
        column::put(out, change.events);
        if let Some(since) = change.since {
            column::put_time_since(out, since, None);
        }
        for person in [change.from, change.to.filter(|_| !same)].into_iter().flatten() {
            column::put_jump(out, person, session);
        }
        if let Some(moved) = change.moved {
            column::put(out, moved.events);
            column::put_time_since(out, moved.first, None);
            column::put_time_since(out, moved.last, Some(moved.first));
        }
        if let Some(cause) = change.cause {
            column::put_jump(out, cause.lower, session);
            column::put_jump(out, cause.higher, change.to.unwrap_or(session));
            out.extend_from_slice(&cause.event.0.to_le_bytes());
        }
    }

    fn read(before: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let sequence = before.map_or(0, |row| row.0.0).checked_add(from.u64()?)?;
        let flags = from.u64()?;
        if flags == ERASED {
            return Some((Sequence(sequence), StoredChange::ERASED));
        }
        let session = from.jump(session_of(before))?;
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
        let session = Some(session);
        Some((Sequence(sequence), StoredChange { session, events, since, from: old, to, moved, cause }))
    }
}
