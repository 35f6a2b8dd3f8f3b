//! Counts of what a store holds, and its digest.

use serde::Serialize;

use crate::model::counting::Limits;
use crate::model::digest::Digest;
use crate::model::person::AttributionKind;

/// How the stored events came to their people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct AttributionCounts {
    /// They carry the customer.
    pub direct: u64,
    /// They are earlier than the login that gave them their person.
    pub retroactive: u64,
    /// They follow such a login.
    pub carried: u64,
    /// Their anchor has no customer.
    pub anonymous: u64,
}

impl AttributionCounts {
    /// How many events came in the way of `kind`.
    pub fn of(&self, kind: AttributionKind) -> u64 {
        match kind {
            AttributionKind::Direct => self.direct,
            AttributionKind::Retroactive => self.retroactive,
            AttributionKind::Carried => self.carried,
            AttributionKind::Anonymous => self.anonymous,
        }
    }

    /// How many events there are.
    pub fn events(&self) -> u64 {
        AttributionKind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    pub(crate) fn count(&mut self, kind: AttributionKind) {
        match kind {
            AttributionKind::Direct => self.direct += 1,
            AttributionKind::Retroactive => self.retroactive += 1,
            AttributionKind::Carried => self.carried += 1,
            AttributionKind::Anonymous => self.anonymous += 1,
        }
    }
}

/// Counts and digest of everything stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// The stored events.
    pub attribution: AttributionCounts,
    /// Session IDs.
    pub sessions: u64,
    /// Customers.
    pub customers: u64,
    /// Sessions that belong to a customer.
    pub linked_sessions: u64,
    /// Sessions that met more than one customer, directly or by way of an e-mail address or a device.
    pub shared_sessions: u64,
    /// Set hash over every (identity, person) and (event, person, kind): equal facts, equal digest.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub digest: Digest,
    /// Set hash over every (event, its segments and traits, person), of the events that have any: zero where none has.
    #[serde(rename = "profiles_digest", serialize_with = "crate::model::writing::text")]
    pub profiles: Digest,
}

impl Totals {
    /// Those of these numbers, in the order of [`numbers`](Self::numbers), and with these digests.
    pub(crate) fn of(numbers: [u64; 8], [digest, profiles]: [Digest; 2]) -> Self {
        let [direct, retroactive, carried, anonymous, sessions, customers, linked_sessions, shared_sessions] = numbers;
        let attribution = AttributionCounts { direct, retroactive, carried, anonymous };
        Self { attribution, sessions, customers, linked_sessions, shared_sessions, digest, profiles }
    }

    /// The numbers, always in this order.
    pub(crate) fn numbers(&self) -> [u64; 8] {
        let AttributionCounts { direct, retroactive, carried, anonymous } = self.attribution;
        let Self { sessions, customers, linked_sessions, shared_sessions, .. } = *self;
        [direct, retroactive, carried, anonymous, sessions, customers, linked_sessions, shared_sessions]
    }

    /// Those of two disjoint parts together.
    pub(crate) fn with(self, other: Self) -> Self {
        self.joined(&other, u64::wrapping_add, Digest::merge)
    }

    /// Those of what is left without a part.
    pub(crate) fn without(self, part: Self) -> Self {
        self.joined(&part, u64::wrapping_sub, Digest::take)
    }

    fn joined(mut self, other: &Self, number: fn(u64, u64) -> u64, digest: fn(&mut Digest, Digest)) -> Self {
        let mut numbers = self.numbers();
        numbers.iter_mut().zip(other.numbers()).for_each(|(own, other)| *own = number(*own, other));
        digest(&mut self.digest, other.digest);
        digest(&mut self.profiles, other.profiles);
        Self::of(numbers, [self.digest, self.profiles])
    }
}

/// How many identities and links a view has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct GraphCounts {
    /// Identities that an event carries.
    pub identities: u64,
    /// Links, of which some are refused, and others close a ring.
    pub links: u64,
    /// Links that were refused: they would join two customers.
    pub refused_links: u64,
}

/// How far [`StoreCounts`] counts whom one identity met: beyond the limits that a quarantine has by default, and no walk over a million links at each
/// commit.
pub const MOST_COUNTED: u64 = 1 << 14;

/// How much there is in the graph of a store, as its commits keep it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// Identities and links.
    pub graph: GraphCounts,
    /// The customers that the identity which has a link with most has, as far as [`MOST_COUNTED`].
    pub most_customers: u64,
    /// The sessions that the customer with most has a link with, as far as [`MOST_COUNTED`].
    pub most_sessions: u64,
}

impl StoreCounts {
    /// Those of these numbers, in the order of [`numbers`](Self::numbers).
    pub(crate) fn of([identities, links, refused_links, most_customers, most_sessions]: [u64; 5]) -> Self {
        Self { graph: GraphCounts { identities, links, refused_links }, most_customers, most_sessions }
    }

    /// The numbers, always in this order.
    pub(crate) fn numbers(&self) -> [u64; 5] {
        let GraphCounts { identities, links, refused_links } = self.graph;
        [identities, links, refused_links, self.most_customers, self.most_sessions]
    }

    /// Whether no identity can be over these limits by its links.
    pub(crate) fn is_within(&self, limits: Limits) -> bool {
        let is_within = |most: u64, limit: u64| most <= limit && most < MOST_COUNTED;
        is_within(self.most_customers, limits.customers) && is_within(self.most_sessions, limits.sessions)
    }
}
