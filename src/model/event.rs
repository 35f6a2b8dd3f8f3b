//! What the index keeps of an event.

use std::ptr;

use smallvec::SmallVec;

use crate::model::identity::{IdentityId, Value};
use crate::model::namespace::NamespaceId;
use crate::model::profile::ProfilePart;
use crate::model::source::SourceId;
use crate::model::time::Time;

/// What tells two events of one time and the same identities apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventId<'a> {
    /// The line had no `id`: the XXH3-128 hash of the line, white space around it left out.
    Line(u128),
    /// The `id`, where it is a canonical UUID.
    Uuid([u8; 16]),
    /// Any other `id`.
    Text(&'a str),
}

/// How the id of an event begins that stands for the hash of a line which is not there any more as it was: 32 hex digits and a parenthesis
/// follow.
const HASH_MARK: &str = "(event ";

impl EventId<'_> {
    /// The hash of a line as an `id`: for a line that is written again in another way, and is to be the same event.
    pub fn hash_as_text(hash: u128) -> String {
        format!("{HASH_MARK}{hash:032x})")
    }

    /// The event of a line whose `id` is [such a text](Self::hash_as_text).
    pub fn of_hash_text(id: &str) -> Option<Self> {
        let digits = id.strip_prefix(HASH_MARK)?.strip_suffix(')')?;
        let is_hash = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(digits, 16).ok().filter(|_| is_hash).map(Self::Line)
    }

    /// The `id` as the line had it; `None` where it had none.
    pub fn written(self) -> Option<String> {
        match self {
            Self::Line(_) => None,
            Self::Uuid(bytes) => Some(uuid::Uuid::from_bytes(bytes).to_string()),
            Self::Text(text) => Some(text.to_owned()),
        }
    }
}

/// An activity as it was decoded from a line: only what identity needs.
#[derive(Debug, Clone)]
pub struct DecodedEvent<'a> {
    /// When it happened.
    pub time: Time,
    /// Its `id`, or the hash of its line.
    pub id: EventId<'a>,
    /// Its identities in level order, lowest first; each namespace once; never empty but for one that is recalled.
    pub identities: SmallVec<[(NamespaceId, Value<'a>); 4]>,
    /// Its segments and traits as they are spelled, each a JSON value whole, or empty.
    pub profile: ProfilePart<'a>,
    /// Where that was asked for: the last event of the chunk, by its place from 0, that carries the same identities, segments and traits.
    /// They are left out here then.
    pub recalled: Option<u32>,
}

/// An event as the index holds it, under its anchor. Two with the same time, id and identities are one event,
/// whatever sources delivered it, and whatever its segments and traits are.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// When it happened.
    pub time: Time,
    /// What tells it apart.
    pub id: EventId<'a>,
    /// Its identities besides the anchor, in level order.
    pub companions: &'a [IdentityId],
    /// The sources that delivered it, ascending, each once.
    pub sources: &'a [SourceId],
    /// Its segments and traits: of those that the sources delivered, the greatest.
    pub profile: ProfilePart<'a>,
}

impl<'a> Event<'a> {
    /// What makes the event that event (beside its anchor); the order of events within an anchor.
    pub fn key(&self) -> (Time, EventId<'a>, &'a [IdentityId]) {
        (self.time, self.id, self.companions)
    }

    /// What it carries beside its anchor.
    #[inline]
    pub fn carried(&self) -> CarriedParts<'a> {
        CarriedParts { companions: self.companions, profile: self.profile }
    }
}

/// What an event carries beside its anchor.
#[derive(Debug, Clone, Copy)]
pub struct CarriedParts<'a> {
    /// Its other identities, in level order.
    pub companions: &'a [IdentityId],
    /// Its segments and traits.
    pub profile: ProfilePart<'a>,
}

impl CarriedParts<'_> {
    /// Whether what another event carries lies where this does, and so is the same. That is told without looking at it.
    #[inline]
    pub fn lies_with(&self, other: &Self) -> bool {
        ptr::eq(self.companions, other.companions)
            && ptr::eq(self.profile.segments, other.profile.segments)
            && ptr::eq(self.profile.traits, other.profile.traits)
    }
}

/// The anchor among the identities of an event, which are in level order, and the rest; `None` where there are none.
pub fn anchored(
    ids: &[IdentityId],
    is_session: impl FnOnce(IdentityId) -> bool,
) -> Option<(IdentityId, &[IdentityId])> {
    match ids.split_first() {
        Some((&first, rest)) if is_session(first) => Some((first, rest)),
        _ => ids.split_last().map(|(&last, rest)| (last, rest)),
    }
}

/// The identities of an event in level order: its anchor, where that is a session, is the lowest, and else the highest.
pub fn in_level_order<'c>(
    anchor: IdentityId,
    is_session: bool,
    companions: &'c [IdentityId],
) -> impl Iterator<Item = IdentityId> + use<'c> {
    let lowest = is_session.then_some(anchor);
    let highest = (!is_session).then_some(anchor);
    lowest.into_iter().chain(companions.iter().copied()).chain(highest)
}
