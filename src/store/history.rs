//! The change feed, and what commits overwrote: rows that are only ever added, and forgotten from the old end.
//!
//! Records of the feed are numbered over all commits, and lie in the order of their numbers. For each commit lies one row
//! with the number of its last record, and beside it what the commit overwrote: whoever takes these back, the newest first,
//! has the store as it was.

use hashbrown::HashMap;

use crate::model::digest::EventHash;
use crate::model::history::{Cause, Moved, Overwritten, Sequence, StoredChange};
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Unlink};
use crate::model::time::Time;
use crate::store::Store;
use crate::store::block::Kind;
use crate::store::column::{self, Reader};
use crate::store::error::StoreError;
use crate::store::load::Loaded;
use crate::store::table::Row;

/// A record of the feed, with its number.
pub type Numbered = (Sequence, StoredChange);

// What a record of the feed holds beside its session and its count.
const SINCE: u64 = 1;
const FROM: u64 = 2;
const TO: u64 = 4;
/// The person is who it was.
const SAME: u64 = 8;
const MOVED: u64 = 16;
const CAUSE: u64 = 32;

/// The difference of two ids that may go either way.
fn jump(id: IdentityId, before: IdentityId) -> u64 {
    column::zigzag(i64::from(id.0) - i64::from(before.0))
}

fn jumped(before: IdentityId, from: &mut Reader<'_>) -> Option<IdentityId> {
    let id = i64::from(before.0).checked_add(column::unzigzag(from.u64()?))?;
    Some(IdentityId(id.try_into().ok()?))
}

impl Row for Numbered {
    const KIND: Kind = Kind::Changes;
    type Key = Sequence;

    fn key(&self) -> Sequence {
        self.0
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        let (sequence, change) = self;
        let same = change.from.is_some() && change.from == change.to;
        let mut flags = if same { SAME } else { 0 };
        for (flag, holds) in [
            (SINCE, change.since.is_some()),
            (FROM, change.from.is_some()),
            (TO, change.to.is_some() && !same),
            (MOVED, change.moved.is_some()),
            (CAUSE, change.cause.is_some()),
        ] {
            flags |= if holds { flag } else { 0 };
        }
        column::put(out, sequence.0 - before.map_or(0, |row| row.0.0));
        column::put(out, flags);
        column::put(out, jump(change.session, before.map_or(IdentityId(0), |row| row.1.session)));
        column::put(out, change.events);
        if let Some(since) = change.since {
            column::put_time(out, since.as_micros());
        }
        for person in [change.from, change.to.filter(|_| !same)].into_iter().flatten() {
            column::put(out, jump(person, change.session));
        }
        if let Some(moved) = change.moved {
            column::put(out, moved.events);
            column::put_time(out, moved.first.as_micros());
            column::put_time(out, moved.last.as_micros().wrapping_sub(moved.first.as_micros()));
        }
        if let Some(cause) = change.cause {
            column::put(out, jump(cause.lower, change.session));
            column::put(out, jump(cause.higher, change.to.unwrap_or(change.session)));
            out.extend_from_slice(&cause.event.0.to_le_bytes());
        }
    }

    fn read(before: Option<&Self>, from: &mut Reader<'_>) -> Option<Self> {
        let sequence = before.map_or(0, |row| row.0.0).checked_add(from.u64()?)?;
        let flags = from.u64()?;
        let session = jumped(before.map_or(IdentityId(0), |row| row.1.session), from)?;
        let events = from.u64()?;
        let has = |flag| flags & flag != 0;
        let since = if has(SINCE) { Some(Time::from_micros(from.time()?)) } else { None };
        let old = if has(FROM) { Some(jumped(session, from)?) } else { None };
        let to = match (has(SAME), has(TO)) {
            (true, _) => old,
            (false, true) => Some(jumped(session, from)?),
            (false, false) => None,
        };
        let moved = if has(MOVED) {
            let (events, first) = (from.u64()?, from.time()?);
            let last = Time::from_micros(first.wrapping_add(from.time()?));
            Some(Moved { events, first: Time::from_micros(first), last })
        } else {
            None
        };
        let cause = if has(CAUSE) {
            let (lower, higher) = (jumped(session, from)?, jumped(to.unwrap_or(session), from)?);
            let event = EventHash(u128::from_le_bytes(from.take(16)?.try_into().ok()?));
            Some(Cause { lower, higher, event })
        } else {
            None
        };
        Some((Sequence(sequence), StoredChange { session, events, since, from: old, to, moved, cause }))
    }
}

/// A row of what a commit did and overwrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Past {
    /// The commit.
    pub generation: u64,
    /// What.
    pub entry: Entry,
}

/// What a commit did or overwrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The commit itself: the number of the last record by then, and how many identities the store held.
    Commit { sequence: Sequence, identities: u32 },
    /// When an identity was first seen by what was known before.
    Seen(IdentityId, Option<Time>),
    /// The first co-occurrence of a pair by what was known before.
    Link(IdentityId, IdentityId, Option<Time>),
    /// A decision.
    Unlink(Unlink),
}

impl Entry {
    fn sort(&self) -> u64 {
        match self {
            Self::Commit { .. } => 0,
            Self::Seen(..) => 1,
            Self::Link(..) => 2,
            Self::Unlink(_) => 3,
        }
    }

    fn ids(&self) -> (u32, u32) {
        match self {
            Self::Commit { .. } => (0, 0),
            Self::Seen(id, _) => (id.0, 0),
            Self::Link(lower, higher, _) => (lower.0, higher.0),
            Self::Unlink(unlink) => (unlink.lower.0, unlink.higher.0),
        }
    }
}

/// A time that may be missing: a number before it says which.
fn put_maybe(out: &mut Vec<u8>, time: Option<Time>) {
    column::put(out, u64::from(time.is_some()));
    if let Some(time) = time {
        column::put_time(out, time.as_micros());
    }
}

fn maybe(from: &mut Reader<'_>) -> Option<Option<Time>> {
    match from.u64()? {
        0 => Some(None),
        1 => Some(Some(Time::from_micros(from.time()?))),
        _ => None,
    }
}

impl Row for Past {
    const KIND: Kind = Kind::History;
    type Key = (u64, u64, u32, u32);

    fn key(&self) -> Self::Key {
        let (a, b) = self.entry.ids();
        (self.generation, self.entry.sort(), a, b)
    }

    fn write(&self, before: Option<&Self>, out: &mut Vec<u8>) {
        column::put(out, self.generation - before.map_or(0, |row| row.generation));
        column::put(out, self.entry.sort());
        let last = before.map_or((0, 0), |row| row.entry.ids());
        let (a, b) = self.entry.ids();
        match self.entry {
            Entry::Commit { sequence, identities } => {
                column::put(out, sequence.0);
                column::put(out, u64::from(identities));
            }
            Entry::Seen(_, time) => {
                column::put(out, jump(IdentityId(a), IdentityId(last.0)));
                put_maybe(out, time);
            }
            Entry::Link(_, _, time) => {
                column::put(out, jump(IdentityId(a), IdentityId(last.0)));
                column::put(out, jump(IdentityId(b), IdentityId(last.1)));
                put_maybe(out, time);
            }
            Entry::Unlink(unlink) => {
                column::put(out, u64::from(a));
                column::put(out, u64::from(b));
                column::put(out, u64::from(unlink.stands));
            }
        }
    }

    fn read(before: Option<&Self>, from: &mut Reader<'_>) -> Option<Self> {
        let generation = before.map_or(0, |row| row.generation).checked_add(from.u64()?)?;
        let last = before.map_or((0, 0), |row| row.entry.ids());
        let entry = match from.u64()? {
            0 => Entry::Commit { sequence: Sequence(from.u64()?), identities: from.u32()? },
            1 => Entry::Seen(jumped(IdentityId(last.0), from)?, maybe(from)?),
            2 => Entry::Link(jumped(IdentityId(last.0), from)?, jumped(IdentityId(last.1), from)?, maybe(from)?),
            3 => {
                let (lower, higher) = (IdentityId(from.u32()?), IdentityId(from.u32()?));
                let stands = [false, true].get(from.u32()? as usize).copied()?;
                Entry::Unlink(Unlink { lower, higher, stands })
            }
            _ => return None,
        };
        Some(Self { generation, entry })
    }
}

impl Row for Unlink {
    const KIND: Kind = Kind::Unlinks;
    type Key = (IdentityId, IdentityId);

    fn key(&self) -> Self::Key {
        (self.lower, self.higher)
    }

    fn write(&self, _: Option<&Self>, out: &mut Vec<u8>) {
        column::put(out, u64::from(self.lower.0));
        column::put(out, u64::from(self.higher.0));
        column::put(out, u64::from(self.stands));
    }

    fn read(_: Option<&Self>, from: &mut Reader<'_>) -> Option<Self> {
        let (lower, higher) = (IdentityId(from.u32()?), IdentityId(from.u32()?));
        Some(Self { lower, higher, stands: [false, true].get(from.u32()? as usize).copied()? })
    }
}

/// The rows of what a commit did, in order.
pub(crate) fn rows_of(overwritten: &Overwritten, generation: u64, sequence: Sequence, identities: u32) -> Vec<Past> {
    let entries = std::iter::once(Entry::Commit { sequence, identities })
        .chain(overwritten.seen.iter().map(|&(id, time)| Entry::Seen(id, time)))
        .chain(overwritten.links.iter().map(|&(lower, higher, time)| Entry::Link(lower, higher, time)))
        .chain(overwritten.unlinks.iter().map(|&unlink| Entry::Unlink(unlink)));
    let mut rows: Vec<Past> = entries.map(|entry| Past { generation, entry }).collect();
    rows.sort_unstable_by_key(Row::key);
    rows
}

impl Store {
    /// The commit after which the store was as `sequence` says: the one that wrote the record, or the last one after it that
    /// wrote no record. 0 is before the first.
    pub(super) fn generation_of(&self, sequence: Sequence) -> Result<u64, StoreError> {
        let mut found = if sequence.0 == 0 { Some((sequence, 0)) } else { None };
        let mut rows = self.table::<Past>();
        while let Some(row) = rows.next()? {
            let Entry::Commit { sequence: last, .. } = row.entry else { continue };
            match found {
                Some((known, _)) if last > known => break,
                _ if last >= sequence => found = Some((last, row.generation)),
                _ => {}
            }
        }
        Ok(found.map_or(self.manifest.generation, |found| found.1))
    }

    /// Takes out of `loaded`, which [`load`](Self::load) gave, what was committed after `sequence`: when identities were first seen,
    /// the first co-occurrences of links, and decisions are as they were. Counts and last times are not.
    ///
    /// Costs a read of what was overwritten since.
    ///
    /// # Errors
    /// As [`StoredFeed::changes`](crate::store::feed::StoredFeed::changes), and when a block is damaged.
    pub fn go_back(&self, sequence: Sequence, loaded: &mut Loaded) -> Result<(), StoreError> {
        self.feed().check(sequence)?;
        let kept = self.generation_of(sequence)?;
        let mut identities = 0;
        // The oldest row of each that was overwritten since counts: it is what was known at `kept`.
        let (mut seen, mut links, mut unlinks) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut rows = self.table::<Past>();
        while let Some(row) = rows.next()? {
            match row.entry {
                Entry::Commit { identities: held, .. } if row.generation <= kept => identities = held,
                _ if row.generation <= kept => {}
                Entry::Commit { .. } => {}
                Entry::Seen(id, first) => drop(seen.entry(id).or_insert(first)),
                Entry::Link(lower, higher, first) => drop(links.entry((lower, higher)).or_insert(first)),
                Entry::Unlink(unlink) => drop(unlinks.entry(unlink.key()).or_insert(!unlink.stands)),
            }
        }
        for (at, known) in loaded.seen.iter_mut().enumerate() {
            let first = if at < identities as usize { seen.get(&IdentityId(at as u32)).copied() } else { Some(None) };
            match first {
                Some(None) => *known = Seen::NEVER,
                Some(Some(first)) => *known = Seen { first, last: known.last.max(first), ..*known },
                None => {}
            }
        }
        let went = |link: &Link| links.get(&link.key()) == Some(&None);
        loaded.links.retain(|link| !went(link));
        for link in &mut loaded.links {
            if let Some(Some(first)) = links.remove(&link.key()) {
                link.first = first;
                link.last = link.last.max(first);
            }
        }
        // What is left was retracted since: its witness and its count are gone, but that is not asked here.
        loaded.links.extend(links.into_iter().filter_map(|((lower, higher), first)| Some(bare(lower, higher, first?))));
        loaded.unlinks.retain(|unlink| unlinks.get(&unlink.key()) != Some(&false));
        let stood = unlinks.into_iter().filter(|&(_, stands)| stands);
        loaded.unlinks.extend(stood.map(|((lower, higher), stands)| Unlink { lower, higher, stands }));
        Ok(())
    }
}

/// A link of which no more is known than when it was first seen.
fn bare(lower: IdentityId, higher: IdentityId, first: Time) -> Link {
    let witness = crate::model::link::Witness { event: EventHash(0), anchor: lower };
    Link { lower, higher, first, witness, last: first, count: 0 }
}
