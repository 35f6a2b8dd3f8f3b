//! A link: two identities that were seen in one event.

use crate::model::digest::EventHash;
use crate::model::identity::IdentityId;
use crate::model::time::Time;

/// The event that is the evidence of a link, and where it is stored: under `anchor`, at the time of the link's first co-occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Witness {
    /// The event's hash.
    pub event: EventHash,
    /// The identity it is grouped under.
    pub anchor: IdentityId,
}

/// Everything known of one pair of identities: a lower one and the highest one of the events they share.
///
/// A link is a reduction of its events: merging two is commutative and associative. Times are exact;
/// `count` adds up, so an event must be counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The end of the lower level.
    pub lower: IdentityId,
    /// The end of the higher level.
    pub higher: IdentityId,
    /// The first co-occurrence.
    pub first: Time,
    /// The event of the first co-occurrence; of several at that time, the one with the smallest hash.
    pub witness: Witness,
    /// The last co-occurrence.
    pub last: Time,
    /// How many events carried both.
    pub count: u64,
}

impl Link {
    /// Adds what `other` knows of the same pair.
    pub fn merge(&mut self, other: &Link) {
        debug_assert_eq!((self.lower, self.higher), (other.lower, other.higher));
        if (other.first, other.witness.event) < (self.first, self.witness.event) {
            self.first = other.first;
            self.witness = other.witness;
        }
        self.last = self.last.max(other.last);
        self.count += other.count;
    }
}

/// A decision about a pair of identities, made by a person and not by an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlink {
    /// The end of the lower level.
    pub lower: IdentityId,
    /// The end of the higher level.
    pub higher: IdentityId,
    /// Whether their link, seen or to come, counts as never seen; taken back where false.
    pub stands: bool,
}

/// When an identity was first and last seen, in any event, and how many events are grouped under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The earliest event.
    pub first: Time,
    /// The latest event.
    pub last: Time,
    /// How many events have it for their anchor.
    pub events: u64,
}

impl Seen {
    /// Seen in no event: what any other is merged into without a trace.
    pub const NEVER: Self = Self { first: Time::from_micros(i64::MAX), last: Time::from_micros(i64::MIN), events: 0 };

    /// Seen once, at `time`, in an event that is grouped under another.
    pub const fn at(time: Time) -> Self {
        Self { first: time, last: time, events: 0 }
    }

    /// Whether any event carries the identity. One may be known to none: its events were retracted, or it was only named.
    pub fn is_known(&self) -> bool {
        self.first <= self.last
    }

    /// Adds what `other` knows of the same identity.
    pub fn merge(&mut self, other: Seen) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.events += other.events;
    }
}
