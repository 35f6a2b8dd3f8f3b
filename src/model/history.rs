//! What commits changed: the records of the change feed, and what a commit overwrote.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::digest::EventHash;
use crate::model::error::{Error, ErrorKind};
use crate::model::identity::IdentityId;
use crate::model::link::Unlink;
use crate::model::time::Time;

/// The number of a record of the change feed: from 1, one after the other over all commits. As a moment of the store it is
/// that right after the commit which wrote the record; 0 is before there was any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A life of a store: drawn at random when it is made, and again when it is taken for the latest one again although it may be an older
/// copy. Within an epoch a number of the feed names one record for good; across epochs it may have named another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// One that no other store has, but by a chance of one in 2^64.
    pub(crate) fn drawn() -> Self {
        // The standard library draws its keys from the operating system.
        Self(RandomState::new().hash_one(0_u8))
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let is_epoch = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_epoch);
        number.map(Self).ok_or_else(|| PositionError(text.to_owned()))
    }
}

/// The digits where people read it, else the number.
impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { to.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            return String::deserialize(from)?.parse().map_err(serde::de::Error::custom);
        }
        u64::deserialize(from).map(Self)
    }
}

/// How far a reader has followed the change feed: `EPOCH:4625`. The number alone, `4625`, is of whatever epoch the store is in.
///
/// ```
/// # fn main() -> backstitch::Result<()> {
/// use backstitch::{Engine, FeedPosition, Sequence};
///
/// let feed = Engine::in_memory().feed();
/// let kept: FeedPosition = feed.position().to_string().parse()?;
/// assert_eq!(feed.changes(kept)?.count(), 0);
/// assert_eq!(FeedPosition::from(Sequence(4_625)).to_string(), "4625");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeedPosition {
    pub(crate) epoch: Option<Epoch>,
    pub(crate) sequence: Sequence,
}

impl FeedPosition {
    /// The number of the last change that was read.
    pub fn sequence(self) -> Sequence {
        self.sequence
    }
}

impl From<Sequence> for FeedPosition {
    fn from(sequence: Sequence) -> Self {
        Self { epoch: None, sequence }
    }
}

impl fmt::Display for FeedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            Some(epoch) => write!(f, "{epoch}:{}", self.sequence),
            None => self.sequence.fmt(f),
        }
    }
}

impl FromStr for FeedPosition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = |text: &str| {
            let (epoch, sequence) = match text.split_once(':') {
                Some((epoch, sequence)) => (Some(epoch.parse().ok()?), sequence),
                None => (None, text),
            };
            let is_number = sequence.bytes().all(|byte| byte.is_ascii_digit());
            Some(Self { epoch, sequence: Sequence(sequence.parse().ok().filter(|_| is_number)?) })
        };
        Ok(read(text).ok_or_else(|| PositionError(text.to_owned()))?)
    }
}

/// A text that is not a position of the feed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a position of the change feed: expected a number, or an epoch and a number as in 00c0ffee00c0ffee:4625"
)]
pub struct PositionError(String);

impl From<PositionError> for Error {
    fn from(error: PositionError) -> Self {
        Self::new(ErrorKind::Argument, error)
    }
}

impl Serialize for FeedPosition {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A record of the change feed: a session whose row differs after a commit from before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredChange {
    /// The session; `None` of a record that named what was erased, which tells nothing else.
    pub session: Option<IdentityId>,
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

impl StoredChange {
    /// In the place of one that named what was erased.
    pub const ERASED: Self =
        Self { session: None, events: 0, since: None, from: None, to: None, moved: None, cause: None };

    /// The identities that it names, the evidence of its cause aside.
    pub fn named(&self) -> impl Iterator<Item = IdentityId> + use<> {
        let ends = self.cause.map(|cause| [cause.lower, cause.higher]);
        [self.session, self.from, self.to].into_iter().flatten().chain(ends.into_iter().flatten())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_back() {
        for text in ["0", "4625", "00c0ffee00c0ffee:4625", "ffffffffffffffff:18446744073709551615"] {
            let position: FeedPosition = text.parse().unwrap();
            assert_eq!(position.to_string(), text);
            assert_eq!(serde_json::to_value(position).unwrap(), text);
        }
        let epoch = Epoch(0xc0_ffee);
        assert_eq!(serde_json::from_str::<Epoch>(&serde_json::to_string(&epoch).unwrap()).unwrap(), epoch);
        assert_ne!(Epoch::drawn(), Epoch::drawn());
    }

    #[test]
    fn what_is_no_position() {
        for text in [
            "",
            "-1",
            "+1",
            "1.5",
            "abc",
            ":1",
            "c0ffee:1",
            "00c0ffee00c0ffee:",
            "+0c0ffee00c0ffee:1",
            "00c0ffee00c0ffee:1:2",
        ] {
            let told = text.parse::<FeedPosition>().unwrap_err();
            assert_eq!(told.kind(), ErrorKind::Argument);
            assert!(told.to_string().contains("expected a number, or an epoch and a number"), "{told}");
        }
    }
}
