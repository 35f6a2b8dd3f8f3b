//! What a delta changed: noted while it is applied, where it costs nothing to know.

use hashbrown::{HashMap, HashSet};

use crate::graph::forest::{Climb, Forest};
use crate::model::identity::IdentityId;
use crate::model::person::{Person, Standing};
use crate::model::time::Time;

/// What a delta changed about what the graph held before. About what is new it says nothing.
#[derive(Debug, Default)]
pub struct Applied {
    /// Where identities of the table as it was stood before whose standing may have changed since; `None` for one that no event carried.
    pub before: HashMap<IdentityId, Option<Standing>>,
    /// Links that are new or have an earlier first co-occurrence, as (lower, higher), with the one they had before.
    pub links: Vec<(IdentityId, IdentityId, Option<Time>)>,
    /// Identities of the table as it was that were seen earlier than was known, with when they were first seen by then; `None`
    /// for one that no event carried.
    pub seen: Vec<(IdentityId, Option<Time>)>,
    /// How many identities the table held; those that follow are new.
    pub identities: usize,
    /// How many links there were, whose ids are the numbers below; those that follow are new.
    pub known_links: usize,
    /// Pairs about which was decided otherwise than before, with whether their link counted as never seen by then.
    pub decided: HashMap<(IdentityId, IdentityId), bool>,
    /// Roots of groups whose members are all noted: a batch may change a large group once for each of its links.
    noted: HashSet<IdentityId>,
}

impl Applied {
    /// Nothing yet, on top of a table of `identities` and so many links.
    pub(super) fn over(identities: usize, known_links: usize) -> Self {
        Self { identities, known_links, ..Self::default() }
    }

    /// Notes that an identity is seen earlier than was known.
    pub(super) fn see(&mut self, id: IdentityId, before: Option<Time>) {
        self.seen.push((id, before));
        if before.is_none() {
            self.before.insert(id, None);
        }
    }

    /// Notes where the members of a group stand that is about to change. Only the first note of each counts.
    pub(super) fn note(&mut self, root: IdentityId, forest: &Forest) {
        // Into an empty graph, as at every opening, all is new.
        if self.identities == 0 || !self.noted.insert(root) {
            return;
        }
        for id in forest.members(root) {
            if id.index() < self.identities {
                self.before.entry(id).or_insert_with(|| Some(standing(id, forest)));
            }
        }
    }
}

impl Applied {
    /// Keeps the account of what is noted where two groups are to be one.
    ///
    /// What is noted of the larger stays so, if need be by a note of the smaller; what is noted of the smaller is given up. So each member
    /// is walked over O(log n) times, whatever the links.
    pub(super) fn join(&mut self, a: IdentityId, b: IdentityId, forest: &Forest) {
        if self.noted.is_empty() {
            return;
        }
        for (one, other) in [(a, b), (b, a)] {
            if !self.noted.contains(&one) || self.noted.contains(&other) {
                continue;
            }
            if forest.size(other) <= forest.size(one) {
                self.note(other, forest);
            } else {
                self.noted.remove(&one);
            }
        }
    }
}

/// Whom an identity belongs to, and since when. O(log n).
pub(super) fn standing(id: IdentityId, forest: &Forest) -> Standing {
    let Climb { top, last } = forest.climb(id);
    if forest.is_customer(top) {
        Standing { person: Person::Customer(top), since: last.map(|key| key.first) }
    } else {
        Standing { person: Person::Anonymous(forest.earliest(top)), since: None }
    }
}
