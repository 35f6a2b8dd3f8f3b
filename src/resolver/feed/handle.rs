//! The handle that a reader holds, in whatever thread.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::model::error::Result;
use crate::model::history::{FeedPosition, Sequence};
use crate::resolver::Resolver;
use crate::resolver::feed::change::Changes;
use crate::resolver::rows::{self, RowChange};
use crate::resolver::view::View;
use crate::store::feed::StoredFeed;

/// How long the feed is behind the resolvers at most.
const MOMENT: Duration = Duration::from_secs(1);

/// The change feed, to be followed from any thread, also while a replay runs. Cheap to clone; all clones see the same commits.
///
/// A reader that keeps the position of the last change it applied gets each change exactly once, and applying them all to the rows
/// of [`View::sessions`](crate::resolver::View::sessions) as they were gives them as they are.
///
/// While somebody holds one, as while somebody holds a [`Resolver`], commits are worked out on a second graph in memory.
#[derive(Clone)]
pub struct Feed {
    last: Arc<LastFeed>,
    resolver: Resolver,
}

/// Rows of `sessions` that changed.
pub(crate) struct RowsSince {
    /// The last change that they hold.
    pub at: FeedPosition,
    /// The rows, sorted by session, each once.
    pub rows: Vec<RowChange>,
    /// Where something was erased since: what is known now. Sessions that it does not know are gone, and are not told.
    pub erased: Option<View>,
}

/// The feed as the last commit left it.
pub struct LastFeed {
    feed: Mutex<StoredFeed>,
    grew: Condvar,
}

impl LastFeed {
    /// What a store holds when it is opened.
    pub fn new(feed: StoredFeed) -> Self {
        Self { feed: Mutex::new(feed), grew: Condvar::new() }
    }

    /// Lets readers see a commit that the resolvers know already: they name the identities of its changes.
    pub fn publish(&self, feed: StoredFeed) {
        *self.feed.lock() = feed;
        self.grew.notify_all();
    }
}

impl Feed {
    pub(crate) fn new(last: Arc<LastFeed>, resolver: Resolver) -> Self {
        Self { last, resolver }
    }

    /// The number of the last change; 0 before the first.
    pub fn sequence(&self) -> Sequence {
        self.last.feed.lock().sequence()
    }

    /// Where a reader goes on that has all changes.
    pub fn position(&self) -> FeedPosition {
        let feed = self.last.feed.lock();
        feed.position_at(feed.sequence())
    }

    /// The position of a reader who has all changes up to `sequence`.
    pub(crate) fn position_at(&self, sequence: Sequence) -> FeedPosition {
        self.last.feed.lock().position_at(sequence)
    }

    /// Where a reader begins that has only those changes which were [trimmed](crate::engine::Engine::trim).
    pub fn start(&self) -> FeedPosition {
        let feed = self.last.feed.lock();
        feed.position_at(feed.trimmed())
    }

    /// The number of the last change that was [trimmed](crate::engine::Engine::trim): those after it are kept.
    pub fn trimmed(&self) -> Sequence {
        self.last.feed.lock().trimmed()
    }

    /// The changes after `since`, the oldest first, up to the last commit. A [`Sequence`] is of the epoch that the store is in.
    ///
    /// Costs a read of the blocks that hold them.
    ///
    /// # Errors
    /// When some of them were trimmed ([`Trimmed`](crate::model::error::ErrorKind::Trimmed)), or `since` is not reached yet, or of
    /// another epoch ([`OtherEpoch`](crate::model::error::ErrorKind::OtherEpoch)), or the store cannot be read.
    pub fn changes(&self, since: impl Into<FeedPosition>) -> Result<Changes> {
        // In this order: a caller who sees a commit here sees it, or a later one, there.
        let (feed, view) = loop {
            let feed = self.last.feed.lock().clone();
            let view = self.resolver.view();
            if feed.is_beside(view.stored_events()) {
                break (feed, view);
            }
        };
        Ok(Changes::new(feed.changes(since)?, feed, view))
    }

    /// The rows of `sessions` that differ from those after the change `since`, as they are now, and the number of the last change that they
    /// hold.
    ///
    /// Costs a read of the changes, and the memory of the rows.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub(crate) fn rows_since(&self, since: FeedPosition) -> Result<RowsSince> {
        let (feed, view) = loop {
            let view = self.resolver.view();
            // The feed has every commit a moment after the resolvers, and may have further ones by then.
            self.wait(Sequence(view.sequence().0.saturating_sub(1)), MOMENT);
            let feed = self.last.feed.lock().clone();
            if feed.is_beside(view.stored_events()) {
                break (feed, view);
            }
        };
        let (rows, erased) = rows::changed(&view, feed.changes(since)?)?;
        let at = feed.position_at(feed.sequence().min(view.sequence()));
        Ok(RowsSince { at, rows, erased: erased.then_some(view) })
    }

    /// The last commit.
    pub(crate) fn view(&self) -> View {
        self.resolver.view()
    }

    /// Waits until there are changes after `since`, for no longer than `patience`, and says whether there are any. Dropping the engine
    /// ends no wait, although no change comes any more.
    pub fn wait(&self, since: Sequence, patience: Duration) -> bool {
        // Beyond what a clock can tell is for good.
        let end = Instant::now().checked_add(patience);
        let mut feed = self.last.feed.lock();
        while feed.sequence() <= since {
            match end {
                None => self.last.grew.wait(&mut feed),
                Some(end) if self.last.grew.wait_until(&mut feed, end).timed_out() => break,
                Some(_) => {}
            }
        }
        feed.sequence() > since
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("sequence", &self.sequence()).finish_non_exhaustive()
    }
}
