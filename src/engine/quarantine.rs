//! Identities that tie too many together: found by the events as they were written, and set aside where the store has limits.

use hashbrown::{HashMap, HashSet};
use serde::Serialize;

use crate::engine::commit::Committer;
use crate::engine::undo::Undone;
use crate::graph::{Delta, Graph};
use crate::model::counting::{CountsAs, Limits, Recount};
use crate::model::error::Error;
use crate::model::event::in_level_order;
use crate::model::identity::{Identity, IdentityId};
use crate::resolver::View;
use crate::store::error::StoreError;

/// An identity that is over the limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CrowdedRow {
    /// The identity.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub identity: Identity,
    /// How many customers it stands on an event with; of a customer, how many sessions.
    pub met: u64,
    /// Whether it is set aside.
    pub set_aside: bool,
}

/// The identities that are over `limits`, those that meet the most first, then in identity order.
pub fn crowded(view: &View, limits: Limits) -> Result<Vec<CrowdedRow>, Error> {
    let graph = view.graph();
    if is_nobody_over(view, limits) {
        return Ok(Vec::new());
    }
    let mut over: Vec<(IdentityId, u64)> = over(view, limits)?.into_iter().collect();
    over.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| graph.compare(a.0, b.0)));
    let row =
        |(id, met)| CrowdedRow { identity: graph.identity(id), met, set_aside: graph.counting().of(id).is_none() };
    Ok(over.into_iter().map(row).collect())
}

/// Whether the counts that commits keep up say that nobody is over the limits. Where anything counts otherwise than it was written, they do not tell.
pub(super) fn is_nobody_over(view: &View, limits: Limits) -> bool {
    let is_written = view.graph().counting().is_empty() && view.stored_events().written_only().is_empty();
    is_written && view.known_counts().is_some_and(|counts| counts.is_within(limits))
}

/// How many customers the identities meet that are over the limits, and sessions the customers: by the events as they were written, renames
/// followed, whatever is set aside. So the order in which anything came plays no part.
///
/// A pass over all links, and over the events that count otherwise than they were written.
fn over(view: &View, limits: Limits) -> Result<HashMap<IdentityId, u64>, StoreError> {
    let graph = view.graph();
    let mut met = vec![0_u32; graph.identities().len()];
    let logins = graph.links().as_slice().iter().map(|link| (link.lower, link.higher));
    for pair in logins.filter(|pair| graph.is_customer(pair.1)).chain(set_aside_logins(view)?) {
        met[pair.0.index()] += 1;
        if graph.is_session(pair.0) {
            met[pair.1.index()] += 1;
        }
    }
    let limit = |id| if graph.is_customer(id) { limits.sessions } else { limits.customers };
    let met = graph.identities().ids().zip(met).map(|(id, met)| (id, u64::from(met)));
    Ok(met.filter(|&(id, met)| met > limit(id)).collect())
}

/// Pairs of an identity and a customer that no counted event carries, since either is set aside.
fn set_aside_logins(view: &View) -> Result<HashSet<(IdentityId, IdentityId)>, StoreError> {
    let (graph, counting) = (view.graph(), view.graph().counting());
    let mut pairs = HashSet::new();
    let mut scan = view.stored_events().written_only().scan(0..u32::MAX);
    while let Some(group) = scan.next()? {
        let anchor = group.anchor();
        for event in group.events() {
            let ids = in_level_order(anchor, graph.is_session(anchor), event.companions);
            let ids: Vec<IdentityId> = ids.map(|id| counting.renamed(id)).collect();
            let Some((&highest, lowers)) = ids.split_last().filter(|(highest, _)| graph.is_customer(**highest)) else {
                continue;
            };
            let is_new = |&&lower: &&IdentityId| graph.links().get(lower, highest).is_none();
            pairs.extend(lowers.iter().filter(is_new).map(|&lower| (lower, highest)));
        }
    }
    Ok(pairs)
}

/// What has to be decided for the limits to be held; none where nothing is set aside by itself.
fn due(graph: &Graph, over: &HashMap<IdentityId, u64>) -> Vec<Recount> {
    let counting = graph.counting();
    let held = counting.all().filter(|recount| recount.counts_as == CountsAs::Crowded);
    let released = held.filter(|recount| !over.contains_key(&recount.id));
    let released = released.map(|recount| Recount { counts_as: CountsAs::Itself, ..recount });
    let new = over.keys().filter(|&&id| counting.decided(id) == CountsAs::Itself);
    let mut due: Vec<Recount> = released.chain(new.map(|&id| Recount { id, counts_as: CountsAs::Crowded })).collect();
    due.sort_unstable_by_key(|recount| recount.id);
    due
}

impl Committer<'_> {
    /// What a change ends with, once it is durable: the limits are held, and the totals kept. Says what holding the limits changed.
    pub fn conclude(&mut self) -> Result<Undone, Error> {
        let held = self.hold_limits()?;
        self.keep_totals();
        Ok(held)
    }

    /// Sets those aside that are over the limits of the store, and lets those count again that are not any more.
    pub fn hold_limits(&mut self) -> Result<Undone, Error> {
        let limits = self.store.limits()?;
        let due = {
            let view = self.resolver.view();
            let held = view.graph().counting().all().any(|recount| recount.counts_as == CountsAs::Crowded);
            match limits {
                Some(limits) if is_nobody_over(&view, limits) => Vec::new(),
                Some(limits) => due(view.graph(), &over(&view, limits)?),
                None if held => due(view.graph(), &HashMap::new()),
                None => Vec::new(),
            }
        };
        if due.is_empty() {
            return Ok(Undone { sequence: self.store.sequence(), ..Undone::default() });
        }
        let namespaces = self.resolver.read().graph().namespaces().clone();
        self.recount_by(Delta { recounts: due, ..Delta::new(namespaces) }, false)
    }
}
