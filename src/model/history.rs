//! What commits changed: the records of the change feed, and what a commit overwrote.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::digest::EventHash;
use crate::model::identity::IdentityId;
use crate::model::link::Unlink;
use crate::model::time::Time;

/// The number of a record of the change feed: from 1, one after the other over all commits. As a moment of the store it is
/// that after the commit which wrote the record, and after those that followed it and wrote none; 0 is while there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record of the change feed: a session whose row differs after a commit from before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredChange {
    /// The session.
    pub session: IdentityId,
    /// How many events are grouped under it now.
    pub events: u64,
    /// Since when it belongs to its customer.
    pub since: Option<Time>,
    /// The identity that named its person before; `None` where the session is new.
    pub from: Option<IdentityId>,
    /// The identity that names its person now; `None` where the session is gone.
    pub to: Option<IdentityId>,
    /// Its events that went from one person to the other, if any did.
    pub moved: Option<Moved>,
    /// The link that made its person or its moment what they are; `None` where it stands alone.
    pub cause: Option<Cause>,
}

/// Events that went from one person to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// How many.
    pub events: u64,
    /// The time of the first.
    pub first: Time,
    /// The time of the last.
    pub last: Time,
}

/// A link, and the event that is its evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The end of the lower level.
    pub lower: IdentityId,
    /// The end of the higher level.
    pub higher: IdentityId,
    /// The event of their first co-occurrence.
    pub event: EventHash,
}

/// What a commit overwrote, in so far as it decides who is who: enough to go back to before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overwritten {
    /// Identities that the store held before, with when they were first seen by then; `None` where no event carried them.
    pub seen: Vec<(IdentityId, Option<Time>)>,
    /// Links as (lower, higher), with their first co-occurrence by then; `None` where there was none.
    pub links: Vec<(IdentityId, IdentityId, Option<Time>)>,
    /// Decisions, each of which changed what stood before.
    pub unlinks: Vec<Unlink>,
}
