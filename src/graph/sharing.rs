//! Which sessions met several customers since a delta that did not before, and the other way round.
//!
//! [`Graph::met_by_all`] tells it of all sessions, by a pass over all links. This begins at what the delta changed, and goes on
//! downwards, to the identities that met what changed, as far as they met somebody else for it.

use hashbrown::{HashMap, HashSet};

use crate::graph::links::LinkId;
use crate::graph::{Applied, Graph};
use crate::model::identity::IdentityId;
use crate::model::link::Link;
use crate::model::person::{Person, Standing};

/// How many customers an identity met, as far as that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MetCustomers {
    Nobody,
    One(IdentityId),
    Several,
}

impl MetCustomers {
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nobody, met) | (met, Self::Nobody) => met,
            (Self::One(one), Self::One(other)) if one == other => self,
            _ => Self::Several,
        }
    }
}

/// How many sessions are shared that were not, and how many were that are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sharing {
    /// Those that are.
    pub gained: u64,
    /// Those that were.
    pub lost: u64,
}

impl Graph {
    /// What a delta, which was just applied, changed about the sessions that met several customers. Linear in what it changed, and in the
    /// links that lead upwards from there.
    pub fn sharing_since(&self, applied: &Applied) -> Sharing {
        let mut before = Acquaintances { graph: self, past: Some(applied), known: HashMap::new() };
        let mut after = Acquaintances { graph: self, past: None, known: HashMap::new() };
        let mut due = self.touched_by(applied);
        let mut visited: HashSet<IdentityId> = HashSet::new();
        let mut sharing = Sharing::default();
        while let Some(id) = due.pop() {
            if !visited.insert(id) {
                continue;
            }
            let (met, meets) = (before.company(id), after.company(id));
            if self.is_session(id) {
                sharing.lost += u64::from(met == MetCustomers::Several);
                sharing.gained += u64::from(meets == MetCustomers::Several);
            } else if met != meets {
                due.extend(self.links_of(id).filter(|(_, link)| link.higher == id).map(|(_, link)| link.lower));
            }
        }
        sharing
    }

    /// The identities that may have met others for what a delta changed at themselves.
    fn touched_by(&self, applied: &Applied) -> Vec<IdentityId> {
        let new = &self.links().as_slice()[applied.known_links..];
        let linked = new.iter().map(|link| link.lower).filter(|&id| !self.has_one_login_alone(id));
        let decided = applied.decided.keys().map(|pair| pair.0);
        let moved = applied.before.iter().filter(|&(&id, stood)| {
            let owner = self.owner(id).map(|owner| owner.customer);
            stood.and_then(customer) != owner
        });
        linked.chain(decided).chain(moved.map(|(&id, _)| id)).collect()
    }

    /// Whether an identity has one link upwards, and that is with a customer: such a session met no other, and did not before.
    fn has_one_login_alone(&self, id: IdentityId) -> bool {
        let mut links = self.links_above(id);
        let is_login = links.next().is_some_and(|(_, link)| self.is_customer(link.higher));
        is_login && links.next().is_none() && self.is_session(id)
    }
}

/// The customer that a standing is about, if it is.
pub(super) fn customer(standing: Standing) -> Option<IdentityId> {
    match standing.person {
        Person::Customer(customer) => Some(customer),
        Person::Anonymous(_) => None,
    }
}

/// Whom identities met, before a delta or after it.
struct Acquaintances<'g> {
    graph: &'g Graph,
    /// What the delta changed, where it is about the time before.
    past: Option<&'g Applied>,
    /// What was worked out on the way, but of sessions, which nobody meets.
    known: HashMap<IdentityId, MetCustomers>,
}

impl Acquaintances<'_> {
    fn company(&mut self, id: IdentityId) -> MetCustomers {
        if let Some(&known) = self.known.get(&id) {
            return known;
        }
        if self.past.is_some_and(|past| id.index() >= past.identities) {
            return MetCustomers::Nobody;
        }
        if self.graph.is_customer(id) {
            return MetCustomers::One(id);
        }
        let mut met = self.owner(id).map_or(MetCustomers::Nobody, MetCustomers::One);
        let graph = self.graph;
        // Each step goes up a level, of which there are no more than namespaces.
        for (link, ends) in graph.links_above(id) {
            if met == MetCustomers::Several {
                break;
            }
            if self.counts(link, ends) {
                met = met.with(self.company(ends.higher));
            }
        }
        if !graph.is_session(id) {
            self.known.insert(id, met);
        }
        met
    }

    fn owner(&self, id: IdentityId) -> Option<IdentityId> {
        match self.past.and_then(|past| past.before.get(&id)) {
            Some(stood) => stood.and_then(customer),
            None => self.graph.owner(id).map(|owner| owner.customer),
        }
    }

    /// Whether a link counts, or counted.
    fn counts(&self, link: LinkId, ends: &Link) -> bool {
        let Some(past) = self.past else { return !self.graph.unlinked(link) };
        let decided = past.decided.get(&(ends.lower, ends.higher)).copied();
        link.index() < past.known_links && !decided.unwrap_or_else(|| self.graph.unlinked(link))
    }
}
