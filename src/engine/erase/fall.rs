//! What follows from the events that are left.

use std::collections::HashSet;

use crate::engine::check::derive::derive_carrying;
use crate::engine::erase::cuts::cuts;
use crate::engine::erase::targets::Targets;
use crate::engine::people::follows;
use crate::graph::Graph;
use crate::graph::links::Links;
use crate::model::counting::CountsAs;
use crate::model::error::Result;
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Unlink};
use crate::resolver::View;
use crate::store::erase::KeptEvent;

/// What follows from the events that are left, over the identities as they are numbered.
pub struct Fall {
    /// When each identity is seen.
    pub seen: Vec<(IdentityId, Seen)>,
    /// Links that must not count any more.
    pub cuts: Vec<Unlink>,
    /// The people.
    pub after: Graph,
}

impl Fall {
    /// What follows from the events of `over`, as they count, in so far as they are `kept`. Those alone are read that carry any of the
    /// `affected`: of others the same follows as before.
    pub fn of(over: &View, affected: &HashSet<IdentityId>, kept: KeptEvent<'_>) -> Result<Self> {
        let before = over.graph();
        let derived = derive_carrying(over, affected, kept)?;
        let seen = |id| if affected.contains(&id) { derived.seen(id) } else { before.seen(id) };
        let seen: Vec<(IdentityId, Seen)> = before.identities().ids().map(|id| (id, seen(id))).collect();
        let is_affected = |link: &Link| affected.contains(&link.lower) || affected.contains(&link.higher);
        let mut links = Links::new();
        links.reserve(before.links().as_slice().len());
        let same = before.links().as_slice().iter().filter(|link| !is_affected(link));
        let others = derived.links.as_slice().iter().filter(|link| is_affected(link));
        for &link in same.chain(others) {
            links.merge_link(link);
        }
        let cuts = cuts(before, &seen, &links)?;
        let after = follows(before, &seen, links, &cuts, &[])?;
        Ok(Self { seen, cuts, after })
    }

    /// The identities that the store is to hold no more, ascending: the targets, but for those of which later events stay, and others that no
    /// event carries any more, unless a decision names them that stays itself.
    pub fn gone(&self, before: &Graph, targets: &Targets, staying: &HashSet<IdentityId>) -> Vec<IdentityId> {
        let is_erased = |id: IdentityId| targets.is_one(id) && !staying.contains(&id);
        let named = self.after.counting().all().map(|recount| match recount.counts_as {
            CountsAs::Other(other) => [recount.id, other],
            CountsAs::Itself | CountsAs::Kept | CountsAs::Nothing | CountsAs::Crowded => [recount.id; 2],
        });
        let unlinked = self.after.unlinked_pairs().map(|(lower, higher)| [lower, higher]);
        let stays = |ids: &[IdentityId; 2]| !ids.iter().any(|&id| is_erased(id));
        let decided: HashSet<IdentityId> = unlinked.chain(named).filter(stays).flatten().collect();
        let has_nothing_left =
            |id: IdentityId| before.is_known(id) && !self.after.is_known(id) && !decided.contains(&id);
        let goes = |&id: &IdentityId| is_erased(id) || !targets.is_one(id) && has_nothing_left(id);
        before.identities().ids().filter(goes).collect()
    }

    /// Those of whom the feed and the history are to tell nothing, ascending: all targets, and who is gone with them.
    pub fn unnamed(before: &Graph, targets: &Targets, gone: &[IdentityId]) -> Vec<IdentityId> {
        before.identities().ids().filter(|id| targets.is_one(*id) || gone.binary_search(id).is_ok()).collect()
    }
}
