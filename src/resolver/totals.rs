//! Counts and digest of everything stored.

use rayon::prelude::*;
use serde::Serialize;

use crate::graph::Graph;
use crate::model::digest::{Digest, EventHash, IdentityHash};
use crate::model::event::in_level_order;
use crate::model::identity::IdentityId;
use crate::model::person::Kind;
use crate::resolver::View;
use crate::resolver::attribution::AnchorRule;
use crate::store::error::StoreError;

/// Identities that one task of the tally takes: some ten thousand hashes, well above the cost of handing out a task.
const IDENTITIES_A_TASK: usize = 1 << 14;

/// How the stored events came to their people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Attribution {
    /// They carry the customer.
    pub direct: u64,
    /// They are earlier than the login that gave them their person.
    pub retroactive: u64,
    /// They follow such a login.
    pub carried: u64,
    /// Nobody yet.
    pub anonymous: u64,
}

impl Attribution {
    /// How many events came in the way of `kind`.
    pub fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Direct => self.direct,
            Kind::Retroactive => self.retroactive,
            Kind::Carried => self.carried,
            Kind::Anonymous => self.anonymous,
        }
    }

    /// How many events there are.
    pub fn events(&self) -> u64 {
        Kind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Direct => self.direct += 1,
            Kind::Retroactive => self.retroactive += 1,
            Kind::Carried => self.carried += 1,
            Kind::Anonymous => self.anonymous += 1,
        }
    }
}

/// Counts and digest of everything stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// The stored events.
    pub attribution: Attribution,
    /// Session IDs.
    pub sessions: u64,
    /// Customers.
    pub customers: u64,
    /// Sessions that belong to a customer.
    pub linked_sessions: u64,
    /// Sessions that met more than one customer.
    pub shared_sessions: u64,
    /// Set hash over every (identity, person) and (event, person, kind): equal facts, equal digest.
    #[serde(serialize_with = "digest_in_hex")]
    pub digest: Digest,
}

impl Totals {
    fn merge(mut self, other: Totals) -> Totals {
        self.attribution.direct += other.attribution.direct;
        self.attribution.retroactive += other.attribution.retroactive;
        self.attribution.carried += other.attribution.carried;
        self.attribution.anonymous += other.attribution.anonymous;
        self.sessions += other.sessions;
        self.customers += other.customers;
        self.linked_sessions += other.linked_sessions;
        self.shared_sessions += other.shared_sessions;
        self.digest.merge(other.digest);
        self
    }
}

fn digest_in_hex<S: serde::Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(digest)
}

/// Counts everything, in parallel pieces that add up.
pub fn tally(view: &View) -> Result<Totals, StoreError> {
    let identities = (0..view.graph.identities().len().div_ceil(IDENTITIES_A_TASK))
        .into_par_iter()
        .map(|task| tally_identities(&view.graph, task * IDENTITIES_A_TASK))
        .reduce(Totals::default, Totals::merge);
    let events = view
        .pieces()
        .into_par_iter()
        .map(|piece| tally_events(view, piece))
        .try_reduce(Totals::default, |a, b| Ok(a.merge(b)))?;
    Ok(identities.merge(events))
}

fn tally_identities(graph: &Graph, from: usize) -> Totals {
    let mut totals = Totals::default();
    let to = graph.identities().len().min(from + IDENTITIES_A_TASK);
    for id in (from..to).map(|index| IdentityId(index as u32)) {
        let rule = AnchorRule::new(graph, id);
        totals.digest.add_identity(graph.hash(id), graph.hash(rule.person().identity()));
        totals.customers += u64::from(graph.is_customer(id));
        if graph.is_session(id) {
            totals.sessions += 1;
            totals.linked_sessions += u64::from(rule.owner().is_some());
            let customers = graph.links_of(id).filter(|(_, link)| graph.is_customer(link.higher));
            totals.shared_sessions += u64::from(customers.take(2).count() == 2);
        }
    }
    totals
}

fn tally_events(view: &View, anchors: std::ops::Range<u32>) -> Result<Totals, StoreError> {
    let graph = &*view.graph;
    let mut totals = Totals::default();
    let mut scan = view.events.scan(anchors);
    // Within a session the identities and the person hardly change: their hashes are made again only when they do.
    let mut companions: Vec<IdentityId> = Vec::new();
    let mut identities: Vec<IdentityHash> = Vec::new();
    while let Some(group) = scan.next()? {
        let anchor = group.anchor();
        let (rule, is_session) = (AnchorRule::new(graph, anchor), graph.is_session(anchor));
        let mut person = None;
        identities.clear();
        for event in group.events() {
            if identities.is_empty() || companions != event.companions {
                companions.clear();
                companions.extend_from_slice(event.companions);
                identities.clear();
                identities.extend(in_level_order(anchor, is_session, &companions).map(|id| graph.hash(id)));
            }
            let attributed = rule.attribute(&event);
            let hash = match person {
                Some((known, hash)) if known == attributed.person => hash,
                _ => graph.hash(attributed.person.identity()),
            };
            person = Some((attributed.person, hash));
            totals.attribution.count(attributed.kind);
            let event = EventHash::new(event.time, event.id, identities.iter().copied());
            totals.digest.add_event(event, hash, attributed.kind);
        }
    }
    Ok(totals)
}
