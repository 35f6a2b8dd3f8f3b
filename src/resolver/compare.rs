//! What a choice of reading changes: two readings side by side, and how shared sessions are shared out under each policy.

use std::ops::Range;

use hashbrown::HashMap;
use rayon::prelude::*;
use serde::Serialize;

use crate::graph::Graph;
use crate::graph::met::Met;
use crate::model::error::Result;
use crate::model::identity::{Identity, IdentityId};
use crate::model::person::Person;
use crate::model::policy::{Policy, Reading};
use crate::resolver::attribution::{AnchorRule, carried_customer};
use crate::resolver::view::View;
use crate::store::scan::Group;

/// A session that two readings tell differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DiffRow {
    /// The session ID.
    pub session: String,
    /// The identity that names its person under the first reading; none where that does not know the session yet.
    #[serde(serialize_with = "crate::model::writing::text_or_null")]
    pub from: Option<Identity>,
    /// The same under the second.
    #[serde(serialize_with = "crate::model::writing::text_or_null")]
    pub to: Option<Identity>,
    /// How many events carry the session, under either.
    pub events: u64,
    /// How many of them belong to another person under the second than under the first.
    pub moved: u64,
}

/// A session that met more than one customer, and how each policy shares it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SharedRow {
    /// The session ID.
    pub session: String,
    /// The customers it met, in identity order: all who logged in on it and, of those that it met by way of an e-mail address or a
    /// device, the first.
    pub customers: Vec<Logins>,
    /// How many events carry the session.
    pub events: u64,
    /// How many of them carry no customer: those that the policies share out.
    pub anonymous: u64,
    /// Whom all its events belong to under each policy.
    pub shares: Vec<PolicyShares>,
}

/// A customer whom a session met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Logins {
    /// The customer.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub customer: Identity,
    /// Events that carry both; none where an e-mail address or a device stands between the two.
    pub logins: u64,
}

/// Whom the events of a session belong to under a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyShares {
    /// The policy.
    pub policy: Policy,
    /// Everybody with at least one, in identity order.
    pub people: Vec<PolicyShare>,
}

/// How many events of a session belong to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyShare {
    /// The identity that names the person.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub person: Identity,
    /// Events.
    pub events: u64,
}

/// Calls `row` for every session of the store, on all cores.
fn each_session<T: Send>(view: &View, row: impl Fn(IdentityId, &Group<'_>) -> Option<T> + Sync) -> Result<Vec<T>> {
    let of_piece = |piece: Range<u32>| {
        let mut rows = Vec::new();
        let mut scan = view.stored_events().scan(piece);
        while let Some(group) = scan.next()? {
            if view.graph().is_session(group.anchor()) {
                rows.extend(row(group.anchor(), &group));
            }
        }
        Ok(rows)
    };
    let pieces: Vec<Vec<T>> = view.pieces().into_par_iter().map(of_piece).collect::<Result<_>>()?;
    Ok(pieces.into_iter().flatten().collect())
}

/// Every session that two readings tell differently, sorted by session.
pub fn diff(view: &View, a: Reading, b: Reading) -> Result<Vec<DiffRow>> {
    let (a, b) = (view.under(a).for_many(), view.under(b).for_many());
    let mut rows = each_session(view, |session, group| diff_row(&a, &b, session, group))?;
    rows.par_sort_unstable_by(|a, b| a.session.cmp(&b.session));
    Ok(rows)
}

fn diff_row(a: &View, b: &View, session: IdentityId, group: &Group<'_>) -> Option<DiffRow> {
    let rules = [a, b].map(|view| AnchorRule::of_group(view, group));
    let [until_a, until_b] = [a, b].map(|view| view.reading().until());
    let (mut events, mut moved) = (0, 0);
    for event in group.events().take_while(|event| event.time <= until_a.max(until_b)) {
        events += 1;
        let [in_a, in_b] = rules.each_ref().map(|rule| rule.attribute(&event).person);
        moved += u64::from(event.time <= until_a.min(until_b) && in_a != in_b);
    }
    let person = |view: &View, rule: &AnchorRule<'_>| view.graph().is_known(session).then(|| rule.standing().person);
    let (from, to) = (person(a, &rules[0]), person(b, &rules[1]));
    let graph = a.graph();
    let named = |person: Option<Person>| person.map(|person| graph.identity(person.identity()));
    (from != to || moved > 0).then(|| DiffRow {
        session: graph.identities().value(session).to_string(),
        from: named(from),
        to: named(to),
        events,
        moved,
    })
}

/// Every session that met more than one customer, sorted by session.
pub fn shared(view: &View) -> Result<Vec<SharedRow>> {
    let view = &view.knowing_met();
    let views = Policy::ALL.map(|policy| view.policy(policy));
    let row = |session, group: &Group<'_>| {
        let met = view.met(session);
        met.several().then(|| shared_row(&views, session, met, group))
    };
    let mut rows = each_session(view, row)?;
    rows.par_sort_unstable_by(|a, b| a.session.cmp(&b.session));
    Ok(rows)
}

fn shared_row(views: &[View; Policy::ALL.len()], session: IdentityId, met: Met, group: &Group<'_>) -> SharedRow {
    let (graph, until) = (views[0].graph(), views[0].reading().until());
    let events = || group.events().take_while(|event| event.time <= until);
    let carried = |companions: &[IdentityId]| carried_customer(graph, session, companions);
    let logins = events()
        .filter_map(|event| carried(event.companions))
        .filter(|&customer| graph.login(session, customer).is_some())
        .map(|customer| (customer, 1));
    let logins = counted(logins.chain(met.first().map(|customer| (customer, 0))), graph);
    let shares = views.each_ref().map(|view| {
        let rule = AnchorRule::of_group(view, group);
        let people = counted(events().map(|event| (rule.attribute(&event).person.identity(), 1)), graph);
        let share = |(person, events)| PolicyShare { person: graph.identity(person), events };
        PolicyShares { policy: view.reading().policy, people: people.into_iter().map(share).collect() }
    });
    let customer = |(customer, logins)| Logins { customer: graph.identity(customer), logins };
    SharedRow {
        session: graph.identities().value(session).to_string(),
        customers: logins.into_iter().map(customer).collect(),
        events: events().count() as u64,
        anonymous: events().filter(|event| carried(event.companions).is_none()).count() as u64,
        shares: shares.into(),
    }
}

/// What the counts of each identity add up to, in identity order.
fn counted(all: impl Iterator<Item = (IdentityId, u64)>, graph: &Graph) -> Vec<(IdentityId, u64)> {
    let mut counts: HashMap<IdentityId, u64> = HashMap::new();
    for (id, count) in all {
        *counts.entry(id).or_default() += count;
    }
    let mut counts: Vec<(IdentityId, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| graph.compare(a.0, b.0));
    counts
}
