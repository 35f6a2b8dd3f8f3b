//! The change feed as it is read: in full writing.

use serde::Serialize;

use crate::model::digest::EventHash;
use crate::model::error::{Error, Result};
use crate::model::history::{FeedPosition, Sequence, StoredChange};
use crate::model::identity::{Identity, IdentityId};
use crate::model::time::Time;
use crate::resolver::view::View;
use crate::store::feed::{StoredChanges, StoredFeed};

/// A change of the feed: a session whose row in `sessions` a commit changed, and its new row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Its number: from 1, one after the other.
    pub sequence: Sequence,
    /// The same with the epoch: where a reader goes on that has applied it.
    pub position: FeedPosition,
    /// The session ID; none of a record that named an identity which was [erased](crate::engine::Engine::forget) since, and of one that tells of an
    /// erasure: sessions that [`View::sessions`] does not list are gone.
    pub session: Option<String>,
    /// How many events carry it now; 0 where it is gone.
    pub events: u64,
    /// The moment that first connected it to its customer, as it is now.
    #[serde(serialize_with = "in_writing")]
    pub since: Option<Time>,
    /// The identity that named its person before; none where the session is new.
    #[serde(serialize_with = "in_writing")]
    pub from: Option<Identity>,
    /// The identity that names its person now; none where the session is gone: its events were retracted.
    #[serde(serialize_with = "in_writing")]
    pub to: Option<Identity>,
    /// How many events that were stored before, and still are, went from one person to the other.
    pub moved: u64,
    /// The time of the first of them.
    #[serde(serialize_with = "in_writing")]
    pub first: Option<Time>,
    /// The time of the last of them.
    #[serde(serialize_with = "in_writing")]
    pub last: Option<Time>,
    /// The link that made its person or its moment what they are, lower end first; none where no other identity is involved.
    #[serde(serialize_with = "link_in_writing")]
    pub link: Option<[Identity; 2]>,
    /// The event that is evidence for that link, by its hash.
    #[serde(serialize_with = "in_writing")]
    pub event: Option<EventHash>,
}

/// Changes of the feed, in the order of their numbers. Read block by block.
pub struct Changes {
    changes: StoredChanges,
    /// The feed that they are of.
    feed: StoredFeed,
    view: View,
}

impl Changes {
    pub(crate) fn new(changes: StoredChanges, feed: StoredFeed, view: View) -> Self {
        Self { changes, feed, view }
    }

    fn change(&self, sequence: Sequence, change: &StoredChange) -> Change {
        let graph = self.view.graph();
        let identity = |id: IdentityId| graph.identity(id);
        Change {
            sequence,
            position: self.feed.position_at(sequence),
            session: change.session.map(|id| graph.identities().value(id).to_string()),
            events: change.events,
            since: change.since,
            from: change.from.map(identity),
            to: change.to.map(identity),
            moved: change.moved.map_or(0, |moved| moved.events),
            first: change.moved.map(|moved| moved.first),
            last: change.moved.map(|moved| moved.last),
            link: change.cause.map(|cause| [identity(cause.lower), identity(cause.higher)]),
            event: change.cause.map(|cause| cause.event),
        }
    }
}

impl Iterator for Changes {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.changes.next().transpose()?;
        Some(next.map(|(sequence, change)| self.change(sequence, &change)).map_err(Error::from))
    }
}

fn in_writing<T: std::fmt::Display, S: serde::Serializer>(what: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match what {
        Some(what) => to.collect_str(what),
        None => to.serialize_none(),
    }
}

fn link_in_writing<S: serde::Serializer>(link: &Option<[Identity; 2]>, to: S) -> Result<S::Ok, S::Error> {
    match link {
        Some(ends) => to.collect_seq(ends.iter().map(ToString::to_string)),
        None => to.serialize_none(),
    }
}
