//! The digest: a 128-bit set hash over every (identity, person) and every (event, person, kind).
//!
//! Elements are hashed alone (XXH3-128) and added modulo 2^128, so the digest of a set does not depend on
//! the order in which it is visited, and parts can be added up by different threads. It proves equality
//! against accident, not against an attacker. `docs/format.md` fixes the bytes.

use std::fmt;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128;

use crate::model::event::EventId;
use crate::model::identity::Value;
use crate::model::person::Kind;
use crate::model::time::Time;

/// Hash of an identity in full: `namespace:value`, the namespace in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityHash(pub u128);

/// Hash of an event: its time, id and identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventHash(pub u128);

/// Bytes of an event or identity that are hashed without an allocation.
const INLINE: usize = 256;

impl IdentityHash {
    /// Hashes an identity; `namespace` in lower case.
    pub fn new(namespace: &str, value: Value<'_>) -> Self {
        let mut room = [0; 36];
        let mut bytes = SmallVec::<[u8; INLINE]>::new();
        bytes.extend_from_slice(namespace.as_bytes());
        bytes.push(b':');
        bytes.extend_from_slice(value.text_into(&mut room).as_bytes());
        Self(xxh3_128(&bytes))
    }
}

impl EventHash {
    /// Hashes an event with the hashes of its identities in level order.
    pub fn new(time: Time, id: EventId<'_>, identities: impl IntoIterator<Item = IdentityHash>) -> Self {
        let mut bytes = SmallVec::<[u8; INLINE]>::new();
        bytes.extend_from_slice(&time.as_micros().to_le_bytes());
        match id {
            EventId::Line(hash) => {
                bytes.push(0);
                bytes.extend_from_slice(&hash.to_le_bytes());
            }
            EventId::Uuid(uuid) => {
                bytes.push(1);
                bytes.extend_from_slice(&uuid);
            }
            EventId::Text(text) => {
                bytes.push(2);
                bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        for identity in identities {
            bytes.extend_from_slice(&identity.0.to_le_bytes());
        }
        Self(xxh3_128(&bytes))
    }
}

/// A set hash; printed as 32 hex digits. That of the empty set is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(u128);

impl Digest {
    /// Adds the element (identity, person).
    pub fn add_identity(&mut self, identity: IdentityHash, person: IdentityHash) {
        self.add(b'i', identity.0, person.0, b'-');
    }

    /// Adds the element (event, person, kind).
    pub fn add_event(&mut self, event: EventHash, person: IdentityHash, kind: Kind) {
        self.add(b'e', event.0, person.0, kind.word().as_bytes()[0]);
    }

    /// Adds all elements of a disjoint set.
    pub fn merge(&mut self, other: Digest) {
        self.0 = self.0.wrapping_add(other.0);
    }

    fn add(&mut self, sort: u8, what: u128, person: u128, kind: u8) {
        let mut bytes = [0; 34];
        bytes[0] = sort;
        bytes[1] = kind;
        bytes[2..18].copy_from_slice(&what.to_le_bytes());
        bytes[18..34].copy_from_slice(&person.to_le_bytes());
        self.0 = self.0.wrapping_add(xxh3_128(&bytes));
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_no_order_but_every_part_of_an_element_counts() {
        let id = |value| IdentityHash::new("sessionid", Value::new(value));
        let event = |micros| EventHash::new(Time::from_micros(micros), EventId::Line(7), [id("a")]);
        let digest = |elements: &[(i64, &'static str, Kind)]| {
            let mut all = Digest::default();
            for &(micros, person, kind) in elements {
                all.add_event(event(micros), id(person), kind);
            }
            all.to_string()
        };
        let base = digest(&[(1, "p", Kind::Direct), (2, "q", Kind::Carried)]);
        assert_eq!(base, digest(&[(2, "q", Kind::Carried), (1, "p", Kind::Direct)]));
        for other in [
            digest(&[(1, "q", Kind::Direct), (2, "p", Kind::Carried)]),
            digest(&[(1, "p", Kind::Carried), (2, "q", Kind::Direct)]),
            digest(&[(1, "p", Kind::Direct), (2, "q", Kind::Retroactive)]),
            digest(&[(1, "p", Kind::Direct)]),
        ] {
            assert_ne!(base, other);
        }
    }
}
