//! Counts and digest of everything stored.

use rayon::prelude::*;
use serde::Serialize;

use crate::model::digest::{Digest, EventHash, IdentityHash, ProfileHash};
use crate::model::error::Result;
use crate::model::event::in_level_order;
use crate::model::identity::IdentityId;
use crate::model::person::{AttributionKind, Person};
use crate::model::profile::ProfilePart;
use crate::resolver::attribution::AnchorRule;
use crate::resolver::lookup::Lookup;
use crate::resolver::view::View;

/// Identities that one task of the tally takes: some ten thousand hashes, well above the cost of handing out a task.
const IDENTITIES_A_TASK: usize = 1 << 14;

/// How the stored events came to their people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct AttributionCounts {
    /// They carry the customer.
    pub direct: u64,
    /// They are earlier than the login that gave them their person.
    pub retroactive: u64,
    /// They follow such a login.
    pub carried: u64,
    /// Their anchor has no customer.
    pub anonymous: u64,
}

impl AttributionCounts {
    /// How many events came in the way of `kind`.
    pub fn of(&self, kind: AttributionKind) -> u64 {
        match kind {
            AttributionKind::Direct => self.direct,
            AttributionKind::Retroactive => self.retroactive,
            AttributionKind::Carried => self.carried,
            AttributionKind::Anonymous => self.anonymous,
        }
    }

    /// How many events there are.
    pub fn events(&self) -> u64 {
        AttributionKind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    fn count(&mut self, kind: AttributionKind) {
        match kind {
            AttributionKind::Direct => self.direct += 1,
            AttributionKind::Retroactive => self.retroactive += 1,
            AttributionKind::Carried => self.carried += 1,
            AttributionKind::Anonymous => self.anonymous += 1,
        }
    }
}

/// Counts and digest of everything stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// The stored events.
    pub attribution: AttributionCounts,
    /// Session IDs.
    pub sessions: u64,
    /// Customers.
    pub customers: u64,
    /// Sessions that belong to a customer.
    pub linked_sessions: u64,
    /// Sessions that met more than one customer, directly or by way of an e-mail address or a device.
    pub shared_sessions: u64,
    /// Set hash over every (identity, person) and (event, person, kind): equal facts, equal digest.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub digest: Digest,
    /// Set hash over every (event, its segments and traits, person), of the events that have any: zero where none has.
    #[serde(rename = "profiles_digest", serialize_with = "crate::model::writing::text")]
    pub profiles: Digest,
}

/// How many identities and links a view has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct GraphCounts {
    /// Identities that an event carries.
    pub identities: u64,
    /// Links, of which some are refused, and others close a ring.
    pub links: u64,
    /// Links that were refused: they would join two customers.
    pub refused_links: u64,
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
        self.profiles.merge(other.profiles);
        self
    }
}

/// The hash of each identity, by id: made once, 16 bytes each while it is counted.
type Hashes<'h> = &'h [IdentityHash];

/// Counts everything, in parallel pieces that add up.
pub fn tally(view: &View) -> Result<Totals> {
    let view = &view.knowing_met();
    let graph = view.graph();
    let count = graph.identities().len() as u32;
    let hashes: Vec<IdentityHash> = (0..count).into_par_iter().map(|id| graph.hash(IdentityId(id))).collect();
    let identities = (0..hashes.len().div_ceil(IDENTITIES_A_TASK))
        .into_par_iter()
        .map(|task| tally_identities(view, &hashes, task * IDENTITIES_A_TASK))
        .try_reduce(Totals::default, |a, b| Ok(a.merge(b)))?;
    let events = view
        .pieces()
        .into_par_iter()
        .map(|piece| tally_events(view, &hashes, piece))
        .try_reduce(Totals::default, |a, b| Ok(a.merge(b)))?;
    Ok(identities.merge(events))
}

fn tally_identities(view: &View, hashes: Hashes<'_>, from: usize) -> Result<Totals> {
    let graph = view.graph();
    let mut totals = Totals::default();
    let mut lookup = Lookup::new(view);
    let to = hashes.len().min(from + IDENTITIES_A_TASK);
    let ids = (from..to).map(|index| IdentityId(index as u32));
    for id in ids.filter(|&id| graph.is_known(id)) {
        let person = lookup.standing(id)?.person;
        totals.digest.add_identity(hashes[id.index()], hashes[person.identity().index()]);
        totals.customers += u64::from(graph.is_customer(id));
        if graph.is_session(id) {
            totals.sessions += 1;
            totals.linked_sessions += u64::from(matches!(person, Person::Customer(_)));
            totals.shared_sessions += u64::from(view.met(id).several());
        }
    }
    Ok(totals)
}

fn tally_events(view: &View, hashes: Hashes<'_>, anchors: std::ops::Range<u32>) -> Result<Totals> {
    let (graph, until) = (view.graph(), view.reading().until());
    let mut totals = Totals::default();
    let mut scan = view.stored_events().scan(anchors);
    while let Some(group) = scan.next()? {
        let anchor = group.anchor();
        let (rule, is_session) = (AnchorRule::of_group(view, &group), graph.is_session(anchor));
        let mut last: Option<(ProfilePart<'_>, ProfileHash)> = None;
        for event in group.events().take_while(|event| event.time <= until) {
            let attributed = rule.attribute(&event);
            totals.attribution.count(attributed.kind);
            let identities = in_level_order(anchor, is_session, event.companions).map(|id| hashes[id.index()]);
            let hash = EventHash::new(event.time, event.id, identities);
            let person = hashes[attributed.person.identity().index()];
            totals.digest.add_event(hash, person, attributed.kind);
            if !event.profile.is_empty() {
                let part = match last {
                    Some((known, part)) if known == event.profile => part,
                    _ => ProfileHash::new(event.profile),
                };
                last = Some((event.profile, part));
                totals.profiles.add_profile(hash, part, person);
            }
        }
    }
    Ok(totals)
}
