//! Going back: the store as it was after an earlier commit, from what was overwritten since.

use hashbrown::HashMap;

use crate::model::digest::EventHash;
use crate::model::history::Sequence;
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Unlink};
use crate::model::time::Time;
use crate::model::when::{CommitStamp, When};
use crate::store::backend::Backend;
use crate::store::block::BlockKey;
use crate::store::error::StoreError;
use crate::store::kinds::history::{Overwrite, Past};
use crate::store::load::{self, Loaded};
use crate::store::manifest::Manifest;
use crate::store::open::Store;
use crate::store::run;
use crate::store::table::{Table, TableRow};

/// Commits, the oldest first: generation, moment and sequence ascend. Holds a block of each run of the history.
pub struct StoredCommits<'a> {
    rows: Table<'a, Past>,
    trimmed: Sequence,
}

impl<'a> StoredCommits<'a> {
    fn new(backend: &'a dyn Backend, held: &'a Manifest) -> Self {
        Self { rows: load::table(backend, held), trimmed: Sequence(held.totals.trimmed) }
    }

    /// The next commit that can be gone back to.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn next(&mut self) -> Result<Option<CommitStamp>, StoreError> {
        while let Some(Past { generation, what }) = self.rows.next()? {
            if let Overwrite::Commit { sequence, at, .. } = what
                && sequence >= self.trimmed
            {
                return Ok(Some(CommitStamp { generation, at, sequence }));
            }
        }
        Ok(None)
    }
}

impl Store {
    /// The commits that can be gone back to, but for the one that made the store: those after which everything that was overwritten
    /// is kept.
    ///
    /// Costs a read of what was overwritten, block by block.
    pub fn commits(&self) -> StoredCommits<'_> {
        StoredCommits::new(self.backend(), self.ledger.manifest())
    }

    /// Which commit is meant.
    ///
    /// Costs as [`commits`](Self::commits).
    ///
    /// # Errors
    /// [`StoreError::Ahead`] or [`StoreError::NoCommit`] where that was never given; [`StoreError::Forgotten`] where it can not be
    /// gone back to any more; and when a block is damaged.
    pub fn commit_at(&self, when: When) -> Result<CommitStamp, StoreError> {
        self.check_given(when)?;
        let trimmed = self.trimmed();
        let mut found = (trimmed == Sequence(0)).then_some(CommitStamp::MADE);
        let mut first = None;
        let mut commits = self.commits();
        while let Some(next) = commits.next()? {
            first = first.or(Some(next));
            let is_reached = match (when, found) {
                (When::Change(sequence), Some(found)) => found.sequence < sequence,
                (When::Change(sequence), None) => sequence >= trimmed,
                (When::Commit(number), _) => next.generation <= number,
                (When::Moment(moment), _) => next.at <= moment,
            };
            if !is_reached {
                break;
            }
            found = Some(next);
        }
        match (found, first) {
            (Some(found), _) => Ok(found),
            (None, Some(kept)) => Err(StoreError::Forgotten { store: self.backend().name(), asked: when, kept }),
            (None, None) => {
                let run = self.ledger.manifest().of(Past::KIND).last().map_or(0, |run| run.number);
                let key = BlockKey { kind: Past::KIND, run, index: 0 };
                Err(run::damaged(self.backend(), key, "it does not fit the manifest"))
            }
        }
    }

    /// Whether there is such a change, or commit.
    fn check_given(&self, when: When) -> Result<(), StoreError> {
        let store = || self.backend().name();
        match when {
            When::Change(asked) if asked > self.sequence() => {
                Err(StoreError::Ahead { store: store(), asked, last: self.sequence() })
            }
            When::Commit(asked) if asked == 0 || asked > self.generation() => {
                Err(StoreError::NoCommit { store: store(), asked, last: self.generation() })
            }
            When::Change(_) | When::Commit(_) | When::Moment(_) => Ok(()),
        }
    }

    /// Takes out of `loaded`, which [`load`](Self::load) gave, what was committed after `commit`, one that
    /// [`commit_at`](Self::commit_at) told: when identities were first seen, the first co-occurrences of links, and decisions are as
    /// they were. Counts and last times are not.
    ///
    /// Costs a read of what was overwritten.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn go_back(&self, commit: CommitStamp, loaded: &mut Loaded) -> Result<(), StoreError> {
        let kept = commit.generation;
        let mut identities = 0;
        // The oldest row of each that was overwritten since counts: it is what was known at `kept`.
        let (mut seen, mut links, mut unlinks) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut rows = load::table::<Past>(self.backend(), self.ledger.manifest());
        while let Some(row) = rows.next()? {
            match row.what {
                Overwrite::Commit { identities: held, .. } if row.generation <= kept => identities = held,
                _ if row.generation <= kept => {}
                Overwrite::Commit { .. } => {}
                Overwrite::Seen(id, first) => drop(seen.entry(id).or_insert(first)),
                Overwrite::Link(lower, higher, first) => drop(links.entry((lower, higher)).or_insert(first)),
                Overwrite::Unlink(unlink) => drop(unlinks.entry(unlink.key()).or_insert(!unlink.stands)),
            }
        }
        for at in 0..loaded.seen.len() {
            let id = IdentityId(at as u32);
            let first = if at < identities as usize { seen.get(&id).copied() } else { Some(None) };
            match first {
                Some(None) => loaded.seen.set(id, Seen::NEVER),
                Some(Some(first)) => {
                    let known = loaded.seen.get(id);
                    loaded.seen.set(id, Seen { first, last: known.last.max(first), ..known });
                }
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
        // What is left was retracted since. Its evidence and its count are gone; who is who does not depend on them.
        loaded.links.extend(links.into_iter().filter_map(|((lower, higher), first)| Some(bare(lower, higher, first?))));
        loaded.unlinks.retain(|unlink| unlinks.get(&unlink.key()) != Some(&false));
        let stood = unlinks.into_iter().filter(|&(_, stands)| stands);
        loaded.unlinks.extend(stood.map(|((lower, higher), stands)| Unlink { lower, higher, stands }));
        loaded.recounts = self.recounts_by(kept)?;
        Ok(())
    }
}

/// The commit that wrote the record `sequence` of the feed; `None` where the history does not tell.
pub(super) fn writer_of(
    backend: &dyn Backend,
    held: &Manifest,
    sequence: Sequence,
) -> Result<Option<CommitStamp>, StoreError> {
    let mut commits = StoredCommits::new(backend, held);
    while let Some(commit) = commits.next()? {
        if commit.sequence >= sequence {
            return Ok(Some(commit));
        }
    }
    Ok(None)
}

/// A link of which no more is known than when it was first seen.
fn bare(lower: IdentityId, higher: IdentityId, first: Time) -> Link {
    let witness = crate::model::link::Witness { event: EventHash(0), anchor: lower };
    Link { lower, higher, first, witness, last: first, count: 0 }
}
