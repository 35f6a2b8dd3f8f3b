//! What a repair had to give up, in the words of a caller.

use serde::Serialize;

use crate::model::identity::IdentityId;
use crate::model::time::Time;
use crate::store::Missing;
use crate::store::salvage::LostEvents;

/// What a repair did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Repaired {
    /// Events that could not be read any more. They come back when the logs are replayed: every source is read again.
    pub lost_events: u64,
    /// Sessions that they may have been of, at most.
    pub lost_sessions: u64,
    /// The first and the last moment that they may have been of.
    pub lost_from: Option<Time>,
    /// See there.
    pub lost_until: Option<Time>,
    /// Identities that could not be read any more. They come back with their events.
    pub lost_identities: u64,
    /// Tombstones and opt-outs that could not be read any more, at most: events that they kept out come back with the logs.
    pub lost_bars: u64,
    /// Whether the database was beyond repair, and what could be read of it was put into a new one.
    pub rewritten: bool,
    /// Commits that an older store lacks, as far as is known. Replaying the same logs brings back what they held.
    pub missing_commits: u64,
    /// Records of the change feed that it lacks, as far as is known.
    pub missing_changes: u64,
}

impl Repaired {
    /// The same of a store that lacked its last commits.
    pub(crate) fn without(self, missing: Missing) -> Self {
        let missing_commits = self.missing_commits.max(missing.commits);
        Self { missing_commits, missing_changes: self.missing_changes.max(missing.changes), ..self }
    }
}

/// What it means that events are lost: which sessions they may have been of, and of which span of time. `seen` says of an identity whether it
/// is a session, and when it was seen.
pub(crate) fn told(lost: &LostEvents, seen: impl Fn(IdentityId) -> Option<(bool, Time, Time)>) -> Repaired {
    let mut repaired = Repaired { lost_events: lost.events, ..Repaired::default() };
    let mut next = 0;
    let mut ranges = lost.anchors.clone();
    ranges.sort_unstable();
    for (first, last) in ranges {
        for id in (first.max(next)..=last).map(IdentityId) {
            let Some((is_session, first, last)) = seen(id) else { continue };
            repaired.lost_sessions += u64::from(is_session);
            repaired.lost_from = Some(repaired.lost_from.map_or(first, |known: Time| known.min(first)));
            repaired.lost_until = Some(repaired.lost_until.map_or(last, |known: Time| known.max(last)));
        }
        next = next.max(last.saturating_add(1));
    }
    repaired
}
