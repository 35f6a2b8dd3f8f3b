//! Why an identity belongs to its person, and why two are one person or not: links, each with the event that is its evidence.

use hashbrown::HashMap;
use serde::Serialize;

use crate::graph::Graph;
use crate::graph::explain::{Refusal, Refusals, WhyNot};
use crate::graph::links::LinkId;
use crate::model::digest::EventHash;
use crate::model::error::Result;
use crate::model::event::Event;
use crate::model::identity::{Identity, IdentityId};
use crate::model::link::Link;
use crate::model::person::{Owner, PersonKind};
use crate::model::time::Time;
use crate::resolver::view::View;
use crate::store::error::StoreError;

/// Why an identity belongs to its person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The identity that was asked for, and its person.
    #[serde(flatten)]
    pub party: Party,
    /// The shortest chain of links from the identity to the one that names its person; empty where that is the same.
    pub chain: Vec<Evidence>,
    /// The chain whose latest link is the moment that first connected the two; none where it is `chain`.
    pub decisive: Option<Vec<Evidence>>,
    /// The earliest of the refused links that touch the identity, in order of their keys.
    pub refused: Vec<Evidence>,
    /// How many more of them there are.
    pub more_refused: usize,
}

/// Why two identities are one person, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PairExplanation {
    /// The first.
    pub a: Party,
    /// The second.
    pub b: Party,
    /// Whether they are one person.
    pub same: bool,
    /// The moment that first connected the two, where they are one person; none for an identity and itself.
    #[serde(serialize_with = "crate::model::writing::text_or_null")]
    pub connected: Option<Time>,
    /// The shortest chain of links from the first to the second, where they are one person.
    pub chain: Vec<Evidence>,
    /// The chain whose latest link is the moment that first connected the two; none where it is `chain`.
    pub decisive: Option<Vec<Evidence>>,
    /// The earliest of the refused links between the groups of the two, in order of their keys.
    pub refused: Vec<Evidence>,
    /// How many more of them there are.
    pub more_refused: usize,
    /// Where they are not one person: the way from the first to the second that has the fewest refused links. Empty where
    /// no chain of links ties them.
    pub way: Vec<Evidence>,
}

impl PairExplanation {
    /// Whether nothing but the groups of the two tells it: they are one, or links between the two were refused, or one has no customer, so
    /// that no way leads out of it. Else those of others have to be searched for a way.
    pub(crate) fn is_told_by_two_groups(&self) -> bool {
        let is_anonymous = |party: &Party| party.kind == PersonKind::Anonymous;
        self.same || !self.refused.is_empty() || is_anonymous(&self.a) || is_anonymous(&self.b)
    }
}

/// An identity and its person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Party {
    /// The identity.
    pub identity: Identity,
    /// The identity that names the person: the customer or, of an anonymous group, its earliest identity.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub person: Identity,
    /// Whether the person is a customer.
    pub kind: PersonKind,
    /// The moment that first connected the identity to the customer; none for the customer itself and where it is anonymous.
    #[serde(serialize_with = "crate::model::writing::text_or_null")]
    pub since: Option<Time>,
    /// The identities that count as this one since they were renamed to it, or to one of these; sorted as they are written.
    #[serde(serialize_with = "crate::model::writing::texts", skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Identity>,
}

/// A link, with the event that is its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The end of the lower level.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub lower: Identity,
    /// The end of the higher level.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub higher: Identity,
    /// The first co-occurrence.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub first: Time,
    /// The last co-occurrence.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub last: Time,
    /// How many events carried both.
    pub count: u64,
    /// The event of the first co-occurrence; of several at that time, the one with the smallest hash.
    pub witness: WitnessRow,
    /// What stood in its way, where it was refused.
    pub obstacle: Option<Obstacle>,
}

/// The event that is the evidence of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WitnessRow {
    /// When it happened.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub time: Time,
    /// Its `id`; none where the line had none.
    pub id: Option<String>,
    /// Its hash: 32 hexadecimal digits.
    pub hash: String,
    /// The sources that delivered it.
    pub sources: Vec<String>,
}

/// What stood in the way of a refused link: both ends had an owner at its moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Obstacle {
    /// Whose the lower end was.
    pub lower: OwnerRow,
    /// Whose the higher end was.
    pub higher: OwnerRow,
}

/// A customer, and since when something is theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OwnerRow {
    /// The customer.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub customer: Identity,
    /// Since when; none for the customer itself.
    #[serde(serialize_with = "crate::model::writing::text_or_null")]
    pub since: Option<Time>,
}

/// Why `id` belongs to its person.
pub fn one(view: &View, id: IdentityId) -> Result<Explanation> {
    let graph = view.graph();
    let (chain, decisive) = chains(graph, id, graph.person(id).identity());
    let Refusals { first, more } = graph.refusals_of(id);
    let refused: Vec<LinkId> = first.iter().map(|refusal| refusal.link).collect();
    let found = GatheredEvidence::new(view, [&chain, &decisive, &refused])?;
    Ok(Explanation {
        party: party(graph, id),
        decisive: (decisive != chain).then(|| found.all(&decisive)),
        chain: found.all(&chain),
        refused: found.all(&refused),
        more_refused: more,
    })
}

/// Why `a` and `b` are one person, or why not.
pub fn pair(view: &View, a: IdentityId, b: IdentityId) -> Result<PairExplanation> {
    let graph = view.graph();
    let (chain, decisive) = chains(graph, a, b);
    let (Refusals { first, more }, way) = match graph.why_not(a, b) {
        None | Some(WhyNot::Strangers) => Default::default(),
        Some(WhyNot::Through(way)) => (Refusals::default(), way),
        Some(WhyNot::Refused { refusals, way }) => (refusals, way),
    };
    let refused: Vec<LinkId> = first.iter().map(|refusal| refusal.link).collect();
    let found = GatheredEvidence::new(view, [&chain, &decisive, &refused, &way])?;
    Ok(PairExplanation {
        a: party(graph, a),
        b: party(graph, b),
        same: graph.connected(a, b),
        connected: graph.connected_by(a, b).map(|link| graph.links()[link].first),
        decisive: (decisive != chain).then(|| found.all(&decisive)),
        chain: found.all(&chain),
        refused: found.all(&refused),
        more_refused: more,
        way: found.all(&way),
    })
}

/// The shortest chain and the decisive one; none between two groups.
fn chains(graph: &Graph, a: IdentityId, b: IdentityId) -> (Vec<LinkId>, Vec<LinkId>) {
    (graph.chain(a, b).unwrap_or_default(), graph.decisive_chain(a, b).unwrap_or_default())
}

fn party(graph: &Graph, id: IdentityId) -> Party {
    let owner = graph.owner(id);
    Party {
        identity: graph.identity(id),
        person: graph.identity(graph.person(id).identity()),
        kind: if owner.is_some() { PersonKind::Customer } else { PersonKind::Anonymous },
        since: owner.and_then(|owner| owner.since),
        renamed: renamed_to(graph, id),
    }
}

fn renamed_to(graph: &Graph, id: IdentityId) -> Vec<Identity> {
    let counting = graph.counting();
    let others = counting.all().filter(|recount| recount.id != id && counting.of(recount.id) == Some(id));
    let mut others: Vec<Identity> = others.map(|recount| graph.identity(recount.id)).collect();
    others.sort_by_cached_key(ToString::to_string);
    others
}

/// The evidence of the links of an answer.
struct GatheredEvidence(HashMap<LinkId, Evidence>);

impl GatheredEvidence {
    /// Finds the event of every link: a read for each anchor that holds any.
    fn new<const N: usize>(view: &View, links: [&[LinkId]; N]) -> Result<Self> {
        let graph = view.graph();
        let mut links = links.concat();
        let place = |&link: &LinkId| (graph.links()[link].witness.anchor, link);
        links.sort_unstable_by_key(place);
        links.dedup();
        let mut found = HashMap::with_capacity(links.len());
        let mut cursor = view.stored_events().cursor();
        for links in links.chunk_by(|a, b| place(a).0 == place(b).0) {
            let anchor = place(&links[0]).0;
            let mut wanted: HashMap<Time, Vec<LinkId>> = HashMap::new();
            for &link in links {
                wanted.entry(graph.links()[link].first).or_default().push(link);
            }
            for event in cursor.group(anchor)?.events() {
                let Some(wanted) = wanted.get(&event.time) else { continue };
                let hash = graph.event_hash(anchor, &event);
                for &link in wanted.iter().filter(|&&link| graph.links()[link].witness.event == hash) {
                    found.insert(link, evidence(view, link, hash, &event));
                }
            }
            if let Some(&link) = links.iter().find(|&link| !found.contains_key(link)) {
                let Link { lower, higher, .. } = graph.links()[link];
                let link = format!("{} - {}", graph.identity(lower), graph.identity(higher));
                return Err(StoreError::NoEvidence { store: view.stored_events().store(), link }.into());
            }
        }
        Ok(Self(found))
    }

    fn all(&self, links: &[LinkId]) -> Vec<Evidence> {
        links.iter().map(|link| self.0[link].clone()).collect()
    }
}

fn evidence(view: &View, link: LinkId, hash: EventHash, event: &Event<'_>) -> Evidence {
    let graph = view.graph();
    let Link { lower, higher, first, last, count, .. } = graph.links()[link];
    let owner = |Owner { customer, since }| OwnerRow { customer: graph.identity(customer), since };
    let obstacle = |Refusal { lower, higher, .. }| Obstacle { lower: owner(lower), higher: owner(higher) };
    Evidence {
        lower: graph.identity(lower),
        higher: graph.identity(higher),
        first,
        last,
        count,
        witness: WitnessRow {
            time: event.time,
            id: event.id.written(),
            hash: hash.to_string(),
            sources: event.sources.iter().map(|source| view.sources()[source.0 as usize].name.clone()).collect(),
        },
        obstacle: graph.refusal(link).map(obstacle),
    }
}
