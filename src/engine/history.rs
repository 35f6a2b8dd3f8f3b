//! The past of a store: its commits, and what was known after each.

use serde::{Serialize, Serializer};

use crate::engine::{Engine, people};
use crate::model::error::Result;
use crate::model::history::Sequence;
use crate::model::time::Time;
use crate::model::when::When;
use crate::resolver::KnownAt;

/// A commit of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CommitRow {
    /// Its number: from 1, one after the other.
    pub commit: u64,
    /// When it was made, by the clock of the machine; never before the one before it.
    #[serde(serialize_with = "in_writing")]
    pub at: Time,
    /// The number of the last change of the feed after it.
    pub sequence: Sequence,
    /// How many changes it wrote to the feed, of those that are kept.
    pub changes: u64,
}

impl Engine {
    /// The commits of which it is kept what was [known](Self::known_at) after them, the oldest first; but for the first one of all,
    /// which made the store.
    ///
    /// Costs a read of what was overwritten since, block by block.
    ///
    /// # Errors
    /// A row is an error when the store cannot be read; it is the last one then.
    pub fn commits(&self) -> impl Iterator<Item = Result<CommitRow>> + use<'_> {
        let mut commits = Some(self.store.commits());
        let mut last = self.store.trimmed();
        std::iter::from_fn(move || {
            let next = commits.as_mut()?.next().transpose();
            if !matches!(next, Some(Ok(_))) {
                commits = None;
            }
            let row = next?.map(|commit| {
                let before = std::mem::replace(&mut last, commit.sequence);
                let changes = commit.sequence.0.saturating_sub(before.0);
                CommitRow { commit: commit.generation, at: commit.at, sequence: commit.sequence, changes }
            });
            Some(row.map_err(Into::into))
        })
    }

    /// What the store had published right after a commit: that of this [number](When::Commit), that which wrote a
    /// [change](Sequence) of the feed, or the last one up to a [moment](Time).
    ///
    /// ```
    /// # fn main() -> backstitch::Result<()> {
    /// use backstitch::{Engine, When};
    ///
    /// let mut engine = Engine::in_memory();
    /// engine.replay(["fixtures/journeys.ndjson"])?;
    /// let commit = engine.generation();
    /// engine.unlink("sess-family-tablet", "clara")?;
    /// let known = engine.known_at(When::Commit(commit))?;
    /// assert_eq!(known.resolve("sess-family-tablet").unwrap().customer.as_deref(), Some("clara"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Costs a read of all identities and links, as an opening does, and of what was overwritten.
    ///
    /// # Errors
    /// When that is not kept any more ([`Forgotten`](crate::model::error::ErrorKind::Forgotten)), or there is no such change or
    /// commit ([`Ahead`](crate::model::error::ErrorKind::Ahead)), or the store cannot be read.
    pub fn known_at(&self, when: impl Into<When>) -> Result<KnownAt> {
        let commit = self.store.commit_at(when.into())?;
        let graph = people::graph_known_at(&self.store, commit)?;
        Ok(KnownAt::new(graph, commit.generation, commit.sequence, &self.resolver.view()))
    }
}

fn in_writing<S: Serializer>(time: &Time, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(time)
}
