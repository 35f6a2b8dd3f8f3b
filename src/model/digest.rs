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

    fn clear(&mut self) {
        self.used = 0;
        self.many.clear();
    }

    /// Adds an event with the hashes of its identities in level order.
    #[inline(always)]
    fn add_event(&mut self, time: Time, id: EventId<'_>, identities: impl IntoIterator<Item = IdentityHash>) {
        self.add(&time.as_micros().to_le_bytes());
        match id {
            EventId::Line(hash) => {
                self.add(&[0]);
                self.add(&hash.to_le_bytes());
            }
            EventId::Uuid(uuid) => {
                self.add(&[1]);
                self.add(&uuid);
            }
            EventId::Text(text) => {
                self.add(&[2]);
                self.add(&(text.len() as u64).to_le_bytes());
                self.add(text.as_bytes());
            }
        }
        for identity in identities {
            self.add(&identity.0.to_le_bytes());
        }
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
        bytes.add_event(time, id, identities);
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
        let mut bytes = [0; ELEMENT];
        write_element(&mut bytes, b'i', identity.0, person.0, b'-');
        self.add(&bytes);
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

    #[inline(always)]
    fn add(&mut self, element: &[u8]) {
        self.0 = self.0.wrapping_add(xxh3_128(element));
    }
}

/// Bytes of an element, and of one with a profile part.
const ELEMENT: usize = 34;
const PROFILE_ELEMENT: usize = 50;

#[inline(always)]
fn write_element(bytes: &mut [u8; ELEMENT], sort: u8, what: u128, person: u128, kind: u8) {
    bytes[0] = sort;
    bytes[1] = kind;
    bytes[2..18].copy_from_slice(&what.to_le_bytes());
    bytes[18..].copy_from_slice(&person.to_le_bytes());
}

#[inline(always)]
fn write_profile_element(bytes: &mut [u8; PROFILE_ELEMENT], event: u128, part: u128, person: u128) {
    bytes[..2].copy_from_slice(b"p-");
    bytes[2..18].copy_from_slice(&event.to_le_bytes());
    bytes[18..34].copy_from_slice(&part.to_le_bytes());
    bytes[34..].copy_from_slice(&person.to_le_bytes());
}

/// Events that are hashed at once.
const AT_ONCE: usize = 16;

/// Events on their way into digests: that of the elements (event, person, kind) and that of the elements (event, profile part, person).
///
/// Bytes that have just been written in other pieces than they are read in make the processor wait, three times an event. So they are
/// written of some events first, and hashed then.
pub struct EventElements {
    events: [Gathered; AT_ONCE],
    attributed: [Option<(IdentityHash, AttributionKind)>; AT_ONCE],
    parts: [Option<ProfileHash>; AT_ONCE],
    used: usize,
    /// Room for the elements.
    elements: [[u8; ELEMENT]; AT_ONCE],
    with_parts: [[u8; PROFILE_ELEMENT]; AT_ONCE],
}

impl Default for EventElements {
    /// None.
    fn default() -> Self {
        Self {
            events: Default::default(),
            attributed: [None; AT_ONCE],
            parts: [None; AT_ONCE],
            used: 0,
            elements: [[0; ELEMENT]; AT_ONCE],
            with_parts: [[0; PROFILE_ELEMENT]; AT_ONCE],
        }
    }
}

impl EventElements {
    /// Whether those that were added must be hashed before another one is.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.used == AT_ONCE
    }

    /// Adds an event, with its profile part where it has one.
    #[inline(always)]
    pub fn add(
        &mut self,
        (time, id): (Time, EventId<'_>),
        identities: impl IntoIterator<Item = IdentityHash>,
        attributed: (IdentityHash, AttributionKind),
        part: Option<ProfileHash>,
    ) {
        let at = self.used;
        self.events[at].clear();
        self.events[at].add_event(time, id, identities);
        (self.attributed[at], self.parts[at]) = (Some(attributed), part);
        self.used += 1;
    }

    /// Adds the elements of all to the digests, and forgets them.
    pub fn hash_into(&mut self, all: &mut Digest, profiles: &mut Digest) {
        let used = std::mem::take(&mut self.used);
        for at in 0..used {
            let hash = self.events[at].hash();
            if let Some((person, kind)) = self.attributed[at] {
                write_element(&mut self.elements[at], b'e', hash, person.0, kind.word().as_bytes()[0]);
                if let Some(part) = self.parts[at] {
                    write_profile_element(&mut self.with_parts[at], hash, part.0, person.0);
                }
            }
        }
        for at in 0..used {
            all.add(&self.elements[at]);
            if self.parts[at].is_some() {
                profiles.add(&self.with_parts[at]);
            }
        }
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
    fn events_at_once_are_those_one_by_one() {
        let (mut all, mut profiles) = (Digest::default(), Digest::default());
        let (mut expected, mut expected_profiles) = (0_u128, 0_u128);
        let mut waiting = EventElements::default();
        let long = "x".repeat(ON_STACK);
        for number in 0..3 * AT_ONCE as u64 {
            let time = Time::from_micros(number as i64);
            let id = [EventId::Line(number.into()), EventId::Uuid([7; 16]), EventId::Text(&long)][number as usize % 3];
            let identities = (0..number % 8).map(|identity| IdentityHash((identity * number).into()));
            let (person, part) = (IdentityHash(number.into()), ProfileHash((number + 1).into()));
            let part = Some(part).filter(|_| number % 4 > 0);
            let event = EventHash::new(time, id, identities.clone());
            let (event, person_bytes) = (event.0.to_le_bytes(), person.0.to_le_bytes());
            expected = expected.wrapping_add(xxh3_128(&[b"ed", &event[..], &person_bytes].concat()));
            if let Some(part) = part {
                let bytes = [b"p-", &event[..], &part.0.to_le_bytes(), &person_bytes].concat();
                expected_profiles = expected_profiles.wrapping_add(xxh3_128(&bytes));
            }
            if waiting.is_full() {
                waiting.hash_into(&mut all, &mut profiles);
            }
            waiting.add((time, id), identities, (person, AttributionKind::Direct), part);
        }
        waiting.hash_into(&mut all, &mut profiles);
        waiting.hash_into(&mut all, &mut profiles);
        assert_eq!((all, profiles), (Digest(expected), Digest(expected_profiles)));
    }

    #[test]
    fn a_set_has_no_order_but_every_part_of_an_element_counts() {
        let id = |value| IdentityHash::new("sessionid", Value::new(value));
        let digest = |elements: &[(i64, &'static str, AttributionKind)]| {
            let (mut all, mut waiting) = (Digest::default(), EventElements::default());
            for &(micros, person, kind) in elements {
                let event = (Time::from_micros(micros), EventId::Line(7));
                waiting.add(event, [id("a")], (id(person), kind), None);
            }
            waiting.hash_into(&mut all, &mut Digest::default());
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
