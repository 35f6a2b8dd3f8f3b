//! Who may be one person after all, and who lives together: customers that share an identity and were not merged.

use std::cmp::Ordering;

use hashbrown::{HashMap, HashSet};
use serde::Serialize;

use crate::graph::Graph;
use crate::graph::shared::Sharer;
use crate::model::digest::EventHash;
use crate::model::identity::{Identity, IdentityId};
use crate::model::link::Link;
use crate::model::time::Time;
use crate::resolver::view::View;

/// Customers of an identity whose pairs are told. One that more share, such as the device of a shop, says little of any two, and has as
/// many pairs as the square of them: it is counted as crowded.
pub const MAX_SHARERS: usize = 20;

/// Identities that are told of a pair, those with the fewest customers first; the rest is counted.
pub const MAX_COMMON: usize = 10;

/// Two customers that share identities and were not merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DuplicateRow {
    /// The two, in identity order.
    #[serde(serialize_with = "crate::model::writing::texts")]
    pub customers: Vec<Identity>,
    /// What they share, those with the fewest customers first: at most 10.
    pub common: Vec<CommonIdentity>,
    /// How many more identities they share.
    pub more: usize,
}

/// A person who shares identities with another and was not merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RelatedRow {
    /// The customer.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub person: Identity,
    /// What the two share, those with the fewest customers first: at most 10.
    pub common: Vec<CommonIdentity>,
    /// How many more identities they share.
    pub more: usize,
}

/// An identity that two customers share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CommonIdentity {
    /// The identity: an e-mail address, a device or a session.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub identity: Identity,
    /// How many customers share it.
    pub customers: usize,
    /// What ties each of the two to it, the first one's first.
    pub ties: [Tie; 2],
}

/// The link that ties a customer to an identity: of the owner that which first connected them, of another the earliest one that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Tie {
    /// The end of the lower level.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub lower: Identity,
    /// The end of the higher level.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub higher: Identity,
    /// The first co-occurrence.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub first: Time,
    /// The hash of its event.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub event: EventHash,
    /// How many events carried both.
    pub count: u64,
}

/// Rows of pairs, the most telling first, and what is not among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Shares<R> {
    /// The rows.
    pub rows: Vec<R>,
    /// How many more there are.
    pub more: usize,
    /// Identities that more than 20 customers share, which are no evidence here.
    pub crowded: usize,
}

/// What a pair of customers shares.
#[derive(Default)]
struct Pair {
    /// With the number of customers of each, and what ties the two to it.
    common: Vec<(usize, IdentityId, [Sharer; 2])>,
}

impl Pair {
    /// The most telling first: the one with the fewest customers, then in identity order.
    fn sort(&mut self, graph: &Graph) {
        self.common.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| graph.compare(a.1, b.1)));
    }

    /// Two pairs that are sorted: fewest customers on what they share, then the more they share.
    fn compare(&self, other: &Self) -> Ordering {
        let fewest = |pair: &Self| pair.common.first().map(|common| common.0);
        fewest(self).cmp(&fewest(other)).then_with(|| other.common.len().cmp(&self.common.len()))
    }

    fn told(&self, graph: &Graph) -> (Vec<CommonIdentity>, usize) {
        let common = |&(customers, id, ties): &(usize, IdentityId, [Sharer; 2])| CommonIdentity {
            identity: graph.identity(id),
            customers,
            ties: ties.map(|(_, link)| tie(graph, &graph.links()[link])),
        };
        let told: Vec<CommonIdentity> = self.common.iter().take(MAX_COMMON).map(common).collect();
        let more = self.common.len() - told.len();
        (told, more)
    }
}

fn tie(graph: &Graph, link: &Link) -> Tie {
    Tie {
        lower: graph.identity(link.lower),
        higher: graph.identity(link.higher),
        first: link.first,
        event: link.witness.event,
        count: link.count,
    }
}

/// The most telling `most` pairs of customers that share an identity of `namespace`, or of any where that is `None`.
pub fn duplicates(view: &View, namespace: Option<&str>, most: usize) -> Shares<DuplicateRow> {
    let graph = view.graph();
    let wanted = namespace.map(|name| graph.namespaces().get(name.trim()));
    let mut pairs: HashMap<[IdentityId; 2], Pair> = HashMap::new();
    let mut crowded = 0;
    for (shared, sharers) in graph.all_sharers() {
        if wanted.is_some_and(|wanted| wanted != Some(graph.identities().namespace(shared))) {
            continue;
        }
        if sharers.len() > MAX_SHARERS {
            crowded += 1;
            continue;
        }
        for (at, &one) in sharers.iter().enumerate() {
            for &other in sharers.iter().skip(at + 1) {
                pairs.entry([one.0, other.0]).or_default().common.push((sharers.len(), shared, [one, other]));
            }
        }
    }
    let mut pairs: Vec<([IdentityId; 2], Pair)> = pairs.into_iter().collect();
    pairs.iter_mut().for_each(|(_, pair)| pair.sort(graph));
    pairs.sort_unstable_by(|(a, one), (b, other)| {
        one.compare(other).then_with(|| graph.compare(a[0], b[0])).then_with(|| graph.compare(a[1], b[1]))
    });
    let more = pairs.len().saturating_sub(most);
    let row = |(customers, pair): &([IdentityId; 2], Pair)| {
        let (common, more) = pair.told(graph);
        DuplicateRow { customers: customers.map(|id| graph.identity(id)).into(), common, more }
    };
    Shares { rows: pairs.iter().take(most).map(row).collect(), more, crowded }
}

/// The most telling `most` people who share an identity with the person of `id`.
pub fn related(view: &View, id: IdentityId, most: usize) -> Shares<RelatedRow> {
    let graph = view.graph();
    let nobody = Shares { rows: Vec::new(), more: 0, crowded: 0 };
    let Some(owner) = graph.owner(id).map(|owner| owner.customer) else { return nobody };
    let links = graph.members(id).flat_map(|member| graph.links_of(member));
    let shared: HashSet<IdentityId> = links.filter_map(|(link, _)| Some(graph.share(link)?.shared)).collect();
    let mut people: HashMap<IdentityId, Pair> = HashMap::new();
    let mut crowded = 0;
    for shared in shared {
        let sharers = graph.sharers(shared);
        if sharers.len() > MAX_SHARERS {
            crowded += 1;
            continue;
        }
        let Some(&own) = sharers.iter().find(|sharer| sharer.0 == owner) else { continue };
        for &other in sharers.iter().filter(|sharer| sharer.0 != owner) {
            people.entry(other.0).or_default().common.push((sharers.len(), shared, [own, other]));
        }
    }
    let mut people: Vec<(IdentityId, Pair)> = people.into_iter().collect();
    people.iter_mut().for_each(|(_, pair)| pair.sort(graph));
    people.sort_unstable_by(|(a, one), (b, other)| one.compare(other).then_with(|| graph.compare(*a, *b)));
    let more = people.len().saturating_sub(most);
    let row = |(person, pair): &(IdentityId, Pair)| {
        let (common, more) = pair.told(graph);
        RelatedRow { person: graph.identity(*person), common, more }
    };
    Shares { rows: people.iter().take(most).map(row).collect(), more, crowded }
}
