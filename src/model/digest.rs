//! The digest: a 128-bit set hash over every (identity, person) and every (event, person, kind). A second one is over every (event,
//! profile part, person).
//!
//! Elements are hashed alone (XXH3-128) and added modulo 2^128, so the digest of a set does not depend on
//! the order in which it is visited, and parts can be added up by different threads. It proves equality
//! against accident, not against an attacker. `docs/format.md` fixes the bytes.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::model::event::EventId;
use crate::model::identity::Value;
use crate::model::person::AttributionKind;
use crate::model::profile::ProfilePart;
use crate::model::time::Time;

/// Hash of an identity in full: `namespace:value`, the namespace in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityHash(pub u128);

/// Hash of an event: its time, id and identities. Of its alignment a link would else have eight bytes that hold nothing.
#[repr(Rust, packed(8))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventHash(pub u128);

/// Hash of the segments and traits of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProfileHash(pub u128);

/// Bytes of an event or identity that are hashed without an allocation: an event with six identities.
const ON_STACK: usize = 128;

/// Bytes to be hashed.
struct Gathered {
    bytes: [u8; ON_STACK],
    used: usize,
    /// All of them, where they are more.
    many: Vec<u8>,
}

impl Default for Gathered {
    #[inline(always)]
    fn default() -> Self {
        Self { bytes: [0; ON_STACK], used: 0, many: Vec::new() }
    }
}

impl Gathered {
    #[inline(always)]
    fn add(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        if self.many.is_empty() && end <= ON_STACK {
            self.bytes[self.used..end].copy_from_slice(bytes);
            self.used = end;
        } else {
            self.add_to_many(bytes);
        }
    }

    #[inline(never)]
    fn add_to_many(&mut self, bytes: &[u8]) {
        if self.many.is_empty() {
            self.many.extend_from_slice(&self.bytes[..self.used]);
        }
        self.many.extend_from_slice(bytes);
    }

    #[inline(always)]
    fn hash(&self) -> u128 {
        xxh3_128(if self.many.is_empty() { &self.bytes[..self.used] } else { &self.many })
    }
}

impl IdentityHash {
    /// Hashes an identity; `namespace` in lower case.
    pub fn new(namespace: &str, value: Value<'_>) -> Self {
        let mut room = [0; 36];
        let mut bytes = Gathered::default();
        bytes.add(namespace.as_bytes());
        bytes.add(b":");
        bytes.add(value.text_into(&mut room).as_bytes());
        Self(bytes.hash())
    }
}

/// 32 hex digits.
impl fmt::Display for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(hash) = *self;
        write!(f, "{hash:032x}")
    }
}

impl EventHash {
    /// Hashes an event with the hashes of its identities in level order.
    pub fn new(time: Time, id: EventId<'_>, identities: impl IntoIterator<Item = IdentityHash>) -> Self {
        let mut bytes = Gathered::default();
        bytes.add(&time.as_micros().to_le_bytes());
        match id {
            EventId::Line(hash) => {
                bytes.add(&[0]);
                bytes.add(&hash.to_le_bytes());
            }
            EventId::Uuid(uuid) => {
                bytes.add(&[1]);
                bytes.add(&uuid);
            }
            EventId::Text(text) => {
                bytes.add(&[2]);
                bytes.add(&(text.len() as u64).to_le_bytes());
                bytes.add(text.as_bytes());
            }
        }
        for identity in identities {
            bytes.add(&identity.0.to_le_bytes());
        }
        Self(bytes.hash())
    }
}

impl ProfileHash {
    /// Hashes segments and traits.
    pub fn new(part: ProfilePart<'_>) -> Self {
        let mut bytes = Gathered::default();
        bytes.add(&(part.segments.len() as u64).to_le_bytes());
        bytes.add(part.segments.as_bytes());
        bytes.add(part.traits.as_bytes());
        Self(bytes.hash())
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
    pub fn add_event(&mut self, event: EventHash, person: IdentityHash, kind: AttributionKind) {
        self.add(b'e', event.0, person.0, kind.word().as_bytes()[0]);
    }

    /// Adds the element (event, profile part, person).
    pub fn add_profile(&mut self, event: EventHash, part: ProfileHash, person: IdentityHash) {
        let mut bytes = [0; 50];
        bytes[..2].copy_from_slice(b"p-");
        bytes[2..18].copy_from_slice(&event.0.to_le_bytes());
        bytes[18..34].copy_from_slice(&part.0.to_le_bytes());
        bytes[34..].copy_from_slice(&person.0.to_le_bytes());
        self.0 = self.0.wrapping_add(xxh3_128(&bytes));
    }

    /// Adds all elements of a disjoint set.
    pub fn merge(&mut self, other: Digest) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// Takes all elements of a subset away.
    pub(crate) fn take(&mut self, part: Digest) {
        self.0 = self.0.wrapping_sub(part.0);
    }

    /// Its sixteen bytes, little endian.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The one of these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
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
    fn many_bytes_hash_as_few_do() {
        for length in [0, 1, 100, ON_STACK - 16, ON_STACK, ON_STACK + 1, 1000] {
            let text = "x".repeat(length);
            let whole = [b"namespace:", text.as_bytes()].concat();
            assert_eq!(IdentityHash::new("namespace", Value::new(&text)).0, xxh3_128(&whole), "{length}");
        }
        let identities = [IdentityHash(7); 20];
        let mut whole = 5_i64.to_le_bytes().to_vec();
        whole.push(0);
        whole.extend_from_slice(&9_u128.to_le_bytes());
        whole.extend(identities.iter().flat_map(|hash| hash.0.to_le_bytes()));
        assert_eq!({ EventHash::new(Time::from_micros(5), EventId::Line(9), identities).0 }, xxh3_128(&whole));
    }

    #[test]
    fn a_set_has_no_order_but_every_part_of_an_element_counts() {
        let id = |value| IdentityHash::new("sessionid", Value::new(value));
        let event = |micros| EventHash::new(Time::from_micros(micros), EventId::Line(7), [id("a")]);
        let digest = |elements: &[(i64, &'static str, AttributionKind)]| {
            let mut all = Digest::default();
            for &(micros, person, kind) in elements {
                all.add_event(event(micros), id(person), kind);
            }
            all.to_string()
        };
        let base = digest(&[(1, "p", AttributionKind::Direct), (2, "q", AttributionKind::Carried)]);
        assert_eq!(base, digest(&[(2, "q", AttributionKind::Carried), (1, "p", AttributionKind::Direct)]));
        for other in [
            digest(&[(1, "q", AttributionKind::Direct), (2, "p", AttributionKind::Carried)]),
            digest(&[(1, "p", AttributionKind::Carried), (2, "q", AttributionKind::Direct)]),
            digest(&[(1, "p", AttributionKind::Direct), (2, "q", AttributionKind::Retroactive)]),
            digest(&[(1, "p", AttributionKind::Direct)]),
        ] {
            assert_ne!(base, other);
        }
    }
}
