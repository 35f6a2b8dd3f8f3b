//! One contract for every backend, crashes at every write, damage in every block, and a model to compare with.

mod contract;
mod crash;
mod damage;
mod history;
mod index;
mod model;
mod older;
mod profiles;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::digest::EventHash;
use crate::model::event::{Event, EventId};
use crate::model::history::{Cause, Moved, Overwritten, StoredChange};
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Link, Seen, Unlink, Witness};
use crate::model::namespace::NamespaceId;
use crate::model::profile::ProfilePart;
use crate::model::source::{Source, SourceId};
use crate::model::time::Time;
use crate::store::decoded::KnownIds;
use crate::store::error::StoreError;
use crate::store::events::EventWriter;
use crate::store::load::IdentityPart;
use crate::store::scan::Events;
use crate::store::{Commit, Store};

/// The key of an event, owned.
pub(crate) type Key = (i64, Id, Vec<u32>);

/// The id of an event, owned; in the order of [`EventId`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Id {
    Line(u128),
    Uuid([u8; 16]),
    Text(String),
}

/// What a store should hold: the simplest thing that says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Model {
    pub namespaces: Vec<String>,
    pub identities: Vec<(u16, String)>,
    pub seen: BTreeMap<u32, (i64, i64)>,
    pub links: BTreeMap<(u32, u32), (i64, i64, u64)>,
    pub sources: Vec<String>,
    pub events: BTreeMap<(u32, Key), BTreeSet<u32>>,
    pub changes: Vec<StoredChange>,
    pub unlinked: BTreeSet<(u32, u32)>,
}

/// A commit, owned.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnedCommit {
    pub identities: Vec<(u16, String)>,
    pub seen: BTreeMap<u32, (i64, i64)>,
    pub links: BTreeMap<(u32, u32), (i64, i64, u64)>,
    pub source: Option<String>,
    pub events: BTreeMap<(u32, Key), BTreeSet<u32>>,
    pub changes: Vec<StoredChange>,
    /// Pairs whose decision turns.
    pub turned: BTreeSet<(u32, u32)>,
}

fn link(key: (u32, u32), row: (i64, i64, u64)) -> Link {
    let witness = Witness { event: EventHash(u128::from(row.2) << 99 | 7), anchor: IdentityId(key.0) };
    Link {
        lower: IdentityId(key.0),
        higher: IdentityId(key.1),
        first: Time::from_micros(row.0),
        witness,
        last: Time::from_micros(row.1),
        count: row.2,
    }
}

pub(crate) fn seen_rows(seen: &BTreeMap<u32, (i64, i64)>) -> Vec<(IdentityId, Seen)> {
    let row = |(&id, &(first, last)): (&u32, &(i64, i64))| {
        (
            IdentityId(id),
            Seen { first: Time::from_micros(first), last: Time::from_micros(last), events: 3 * u64::from(id) },
        )
    };
    seen.iter().map(row).collect()
}

pub(crate) fn link_rows(links: &BTreeMap<(u32, u32), (i64, i64, u64)>) -> Vec<Link> {
    links.iter().map(|(&key, &row)| link(key, row)).collect()
}

impl OwnedCommit {
    /// Encodes the events into blocks.
    fn encode(&self) -> Result<Vec<crate::store::events::EventBlock>, StoreError> {
        let mut writer = EventWriter::new();
        for ((anchor, (time, id, companions)), sources) in &self.events {
            let companions: Vec<_> = companions.iter().copied().map(IdentityId).collect();
            let sources: Vec<_> = sources.iter().copied().map(SourceId).collect();
            let id = match id {
                Id::Line(hash) => EventId::Line(*hash),
                Id::Uuid(uuid) => EventId::Uuid(*uuid),
                Id::Text(text) => EventId::Text(text),
            };
            let event = Event {
                time: Time::from_micros(*time),
                id,
                companions: &companions,
                sources: &sources,
                profile: ProfilePart::default(),
            };
            writer.push(IdentityId(*anchor), [event])?;
        }
        writer.finish()
    }

    /// Commits to the store.
    pub fn commit(&self, store: &mut Store, before: &Model) -> Result<u64, StoreError> {
        let after = before.clone().with(self);
        let identities: Vec<_> =
            self.identities.iter().map(|(namespace, text)| (NamespaceId(*namespace), Value::new(text))).collect();
        let source =
            |name: &String| (SourceId(before.sources.len() as u32), Source { name: name.clone(), ..Source::default() });
        let sources: Vec<_> = self.source.iter().map(source).collect();
        let (seen, links) = (seen_rows(&self.seen), link_rows(&self.links));
        let namespaces = &after.namespaces;
        let (events, changes) = (self.encode()?, &self.changes);
        let overwritten = self.overwritten(before);
        let (seen, links, sources) = (&seen, &links, &sources);
        store.commit(Commit {
            namespaces,
            identities,
            seen,
            links,
            events,
            sources,
            changes,
            overwritten,
            ..Commit::default()
        })
    }

    /// What the step overwrites of `before`.
    fn overwritten(&self, before: &Model) -> Overwritten {
        let mut all = Overwritten::default();
        for (id, now) in &self.seen {
            let first = before.seen.get(id).filter(|was| was.0 != now.0 && was.0 <= was.1);
            all.seen.extend(first.map(|was| (IdentityId(*id), Some(Time::from_micros(was.0)))));
        }
        for (key, now) in &self.links {
            let was = before.links.get(key).map(|was| was.0);
            if was != Some(now.0) {
                all.links.push((IdentityId(key.0), IdentityId(key.1), was.map(Time::from_micros)));
            }
        }
        for &(lower, higher) in &self.turned {
            let stands = !before.unlinked.contains(&(lower, higher));
            all.unlinks.push(Unlink { lower: IdentityId(lower), higher: IdentityId(higher), stands });
        }
        all
    }
}

/// Identities, in the order of their ids.
#[derive(Default)]
struct Named(Vec<(u16, String)>);

impl IdentityPart for Named {
    fn reserve(&mut self, _: usize) {}

    fn push(&mut self, namespace: NamespaceId, value: Value<'_>) {
        self.0.push((namespace.0, value.to_string()));
    }

    fn append(&mut self, next: &mut Self) {
        self.0.append(&mut next.0);
    }
}

impl Model {
    /// What is held after the step.
    pub fn with(mut self, step: &OwnedCommit) -> Self {
        self.namespaces = vec!["sessionid".into(), "ecommerceid".into()];
        self.identities.extend(step.identities.iter().cloned());
        self.seen.extend(&step.seen);
        self.links.extend(&step.links);
        self.sources.extend(step.source.clone());
        self.changes.extend(&step.changes);
        for pair in &step.turned {
            if !self.unlinked.remove(pair) {
                self.unlinked.insert(*pair);
            }
        }
        for (key, sources) in &step.events {
            self.events.entry(key.clone()).or_default().extend(sources);
        }
        self
    }

    /// What the store says it holds.
    pub fn of(store: &Store) -> Result<Self, StoreError> {
        let (Named(identities), loaded) = store.load::<Named>()?;
        let seen = loaded.seen.iter().map(|seen| (seen.first.as_micros(), seen.last.as_micros()));
        let mut links = BTreeMap::new();
        for row in &loaded.links {
            let (key, value) = ((row.lower.0, row.higher.0), (row.first.as_micros(), row.last.as_micros(), row.count));
            assert_eq!(*row, link(key, value));
            links.insert(key, value);
        }
        let mut changes = Vec::new();
        let mut feed = store.feed().changes(store.trimmed())?;
        while let Some((sequence, change)) = feed.next()? {
            assert_eq!(sequence.0, store.trimmed().0 + changes.len() as u64 + 1, "numbered one after the other");
            changes.push(change);
        }
        Ok(Self {
            changes,
            unlinked: loaded.unlinks.iter().map(|unlink| (unlink.lower.0, unlink.higher.0)).collect(),
            namespaces: loaded.namespaces.clone(),
            identities,
            seen: (0..).zip(seen).collect(),
            links,
            sources: loaded.sources.iter().map(|source| source.name.clone()).collect(),
            events: events_of(store)?,
        })
    }
}

fn own(event: &Event<'_>) -> (Key, BTreeSet<u32>) {
    let id = match event.id {
        EventId::Line(hash) => Id::Line(hash),
        EventId::Uuid(uuid) => Id::Uuid(uuid),
        EventId::Text(text) => Id::Text(text.into()),
    };
    let companions = event.companions.iter().map(|id| id.0).collect();
    ((event.time.as_micros(), id, companions), event.sources.iter().map(|id| id.0).collect())
}

/// The events, whatever they name: the steps name what they like.
pub(crate) fn all_events(store: &Store) -> Events {
    Events { known: KnownIds::ALL, ..store.events() }
}

/// Every event by scan, in three pieces; the order and that none occurs twice are checked on the way.
pub(crate) fn events_of(store: &Store) -> Result<BTreeMap<(u32, Key), BTreeSet<u32>>, StoreError> {
    let events = all_events(store);
    let mut found = BTreeMap::new();
    for piece in events.pieces(3) {
        let mut scan = events.scan(piece.clone());
        while let Some(group) = scan.next()? {
            assert!(piece.contains(&group.anchor().0));
            assert_eq!(group.len(), group.events().count());
            for event in group.events() {
                let (key, sources) = own(&event);
                let key = (group.anchor().0, key);
                assert!(found.last_key_value().is_none_or(|(last, _)| *last < key), "ascending, once");
                found.insert(key, sources);
            }
        }
    }
    Ok(found)
}

/// Records of the feed, of every shape, about the first `identities`.
pub(crate) fn changes(seed: u32, count: u32, identities: u32) -> Vec<StoredChange> {
    let id = |n: u32| IdentityId(n % identities);
    let time = |n: u32| Time::from_micros(i64::from(n) * 1_000_003 - 5_000_000);
    let one = |n: u32| StoredChange {
        session: Some(id(n)),
        events: u64::from(n % 300),
        since: n.is_multiple_of(3).then(|| time(n)),
        from: (!n.is_multiple_of(4)).then(|| id(n / 2)),
        to: (!n.is_multiple_of(7)).then(|| if n.is_multiple_of(5) { id(n / 2) } else { id(n / 3) }),
        moved: (n % 6 == 1).then(|| Moved { events: u64::from(n), first: time(n), last: time(n + 9) }),
        cause: (n % 8 == 1).then(|| Cause { lower: id(n), higher: id(n + 5), event: EventHash(u128::from(n) << 77) }),
    };
    (seed * count..(seed + 1) * count).map(one).collect()
}

/// A step that adds a few of everything, and touches what `before` holds; different for each `seed`.
pub(crate) fn step(before: &Model, seed: u32) -> OwnedCommit {
    let (at, source) = (before.identities.len() as u32, before.sources.len() as u32);
    let time = |n: u32| i64::from(seed) * 1_000_000 + i64::from(n) * 1_000;
    let mut step = OwnedCommit { source: Some(format!("/logs/{seed}")), ..OwnedCommit::default() };
    for n in 0..5 {
        let text = if n == 0 { format!("f49c75a2-6994-41e2-875d-{:012x}", at) } else { format!("v{}", at + n) };
        step.identities.push(((n % 2) as u16, text));
        step.seen.insert(at + n, (time(n), time(n + 1)));
    }
    step.changes = changes(seed, 11, at + 5);
    step.turned = BTreeSet::from([(0, 1), (seed, 3)]);
    step.seen.insert(0, (time(0).min(0), time(9)));
    step.links.insert((at, at + 1), (time(0), time(1), 1));
    step.links.insert((0, 1), (0, time(2), u64::from(seed) + 2));
    for n in 0..40 {
        let id = match n % 3 {
            0 => Id::Line(u128::from(seed) << 64 | u128::from(n)),
            1 => Id::Uuid([n as u8; 16]),
            _ => Id::Text(format!("é{n}")),
        };
        let companions = if n % 4 == 0 { vec![at + 1] } else { vec![] };
        let sources = BTreeSet::from([source, source.saturating_sub(n % 2)]);
        step.events.insert((at + n % 3, (time(n), id, companions)), sources);
        // The same event in every step, from another source.
        step.events.insert((0, (5, Id::Text("again".into()), vec![1])), BTreeSet::from([source]));
    }
    step
}
