//! Which identities must not come to belong to another customer when what tied them to their own is erased.
//!
//! A link between the identities of two customers is refused because both had a customer when it was seen. Where an erasure takes
//! what gave one of them its customer, or lets that be later than it was, the refused link would count, and give what was done
//! there to somebody else. So refused links at such identities count as never seen from then on, as after an unlink.
//!
//! Without them nobody changes hands: every other identity keeps the very link that first connected it to its customer, so that
//! at the moment of each refused link both ends have one, as before.

use std::collections::HashSet;

use crate::engine::people::follows;
use crate::graph::Graph;
use crate::graph::links::Links;
use crate::model::error::Error;
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Unlink};
use crate::model::time::Time;

/// The links that must not count, of those that are left.
pub fn cuts(before: &Graph, seen: &[(IdentityId, Seen)], links: &Links) -> Result<Vec<Unlink>, Error> {
    let unlinked: HashSet<(IdentityId, IdentityId)> = before.unlinked_pairs().collect();
    let owner = |id| before.owner(id).map(|owner| owner.customer);
    let was_refused = |link: &Link| {
        let both = (owner(link.lower), owner(link.higher));
        matches!(both, (Some(a), Some(b)) if a != b) && !unlinked.contains(&(link.lower, link.higher))
    };
    let all = links.as_slice();
    let refused: Vec<&Link> = all.iter().filter(|link| was_refused(link)).collect();
    if refused.is_empty() {
        return Ok(Vec::new());
    }
    let mut kept = Links::new();
    for &link in all.iter().filter(|link| !was_refused(link)) {
        kept.merge_link(link);
    }
    let alone = follows(before, seen, kept, &[], &[])?;
    let falls = |id: IdentityId| {
        owner(id).is_some_and(|customer| connection(before, id, customer) != connection(&alone, id, customer))
    };
    let cut = refused.into_iter().filter(|link| falls(link.lower) || falls(link.higher));
    Ok(cut.map(|link| Unlink { lower: link.lower, higher: link.higher, stands: true }).collect())
}

/// The link that first connected an identity to a customer: when, and its ends; a customer has none to itself.
fn connection(graph: &Graph, id: IdentityId, customer: IdentityId) -> Option<Option<CutKey>> {
    if !graph.is_known(customer) || !graph.connected(id, customer) {
        return None;
    }
    let link = graph.connected_by(id, customer).map(|link| &graph.links()[link]);
    Some(link.map(|link| (link.first, link.lower, link.higher)))
}

/// When, and its ends.
type CutKey = (Time, IdentityId, IdentityId);
