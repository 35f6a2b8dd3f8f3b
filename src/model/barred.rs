//! Identities whose events are not taken in. A store knows them by keyed hashes alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::event::EventId;
use crate::model::time::Time;

/// Bytes of a hash, and of the key of one.
pub const BAR_BYTES: usize = 32;

/// The keyed hash of an identity: equal for equal identities of one store, and without the key of that store of no use for finding
/// out which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BarHash(pub [u8; BAR_BYTES]);

impl BarHash {
    /// The name of a source whose own tells the value of an erased identity.
    pub fn source_name(self) -> String {
        const DIGITS: usize = 16;
        format!("(erased {:.DIGITS$})", self.to_string())
    }

    /// The id of an event whose own tells the value of an erased identity.
    pub fn event_id(self) -> EventId<'static> {
        let half = self.0.iter().take(BAR_BYTES / 2);
        EventId::Line(half.fold(0, |number, &byte| number << 8 | u128::from(byte)))
    }
}

/// 64 hex digits.
impl fmt::Display for BarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for BarHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected 64 hex digits";
        if text.len() != 2 * BAR_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(EXPECTED);
        }
        let mut bytes = [0; BAR_BYTES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| EXPECTED)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for BarHash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BarHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why an event is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// An identity that it carries was erased.
    Erased,
    /// An identity that it carries opted out.
    Suppressed,
}

/// What keeps events of an identity from being taken in, if anything does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdentityBar {
    /// It was erased: its events up to and including this moment are not taken in.
    pub erased_until: Option<Time>,
    /// It opted out.
    pub opted_out: bool,
}

impl IdentityBar {
    /// The bound of an erasure without one.
    pub const FOR_GOOD: Time = Time::from_micros(i64::MAX);

    /// Whether nothing keeps them.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// What keeps an event that carries both.
    pub fn and(self, other: Self) -> Self {
        let Self { erased_until, opted_out } = self;
        Self { erased_until: erased_until.max(other.erased_until), opted_out: opted_out || other.opted_out }
    }

    /// Why an event of that time is not taken in; `None` where it is.
    pub fn refusal(self, time: Time) -> Option<NotTaken> {
        if self.erased_until.is_some_and(|until| time <= until) {
            return Some(NotTaken::Erased);
        }
        self.opted_out.then_some(NotTaken::Suppressed)
    }
}

/// Events that were not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refused {
    /// Because an identity that they carry was erased.
    pub erased: u64,
    /// Because an identity that they carry opted out.
    pub suppressed: u64,
}

impl Refused {
    /// Counts one.
    pub fn count(&mut self, refusal: NotTaken) {
        match refusal {
            NotTaken::Erased => self.erased += 1,
            NotTaken::Suppressed => self.suppressed += 1,
        }
    }

    /// Adds others.
    pub fn merge(&mut self, other: Self) {
        self.erased += other.erased;
        self.suppressed += other.suppressed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_in_writing_and_back() {
        let hash = BarHash(std::array::from_fn(|at| at as u8 * 8));
        let text = hash.to_string();
        assert!(text.starts_with("000810") && text.len() == 64, "{text}");
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(serde_json::from_str::<BarHash>(&serde_json::to_string(&hash).unwrap()).unwrap(), hash);
        for wrong in ["", &text[1..], &text.replace('0', "g"), &text.replace("00", "é")] {
            assert!(wrong.parse::<BarHash>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_wider_bar_counts_and_an_erasure_goes_before_an_opt_out() {
        let at = Time::from_micros;
        let erased = |until| IdentityBar { erased_until: Some(at(until)), opted_out: false };
        let out = IdentityBar { erased_until: None, opted_out: true };
        assert_eq!(erased(5).and(erased(7)).refusal(at(7)), Some(NotTaken::Erased));
        assert_eq!(erased(5).refusal(at(6)), None);
        assert_eq!(
            [5, 6].map(|time| erased(5).and(out).refusal(at(time))),
            [Some(NotTaken::Erased), Some(NotTaken::Suppressed)]
        );
        assert_eq!((out.refusal(at(0)), IdentityBar::default().refusal(at(0))), (Some(NotTaken::Suppressed), None));
        assert!(IdentityBar::default().is_none() && !out.is_none() && !erased(0).is_none());
    }
}
