//! Rows: the identities of a person, each with when and how often.

use hashbrown::HashSet;
use serde::Serialize;

use crate::model::error::Result;
use crate::model::identity::{Identity, IdentityId};
use crate::model::time::Time;
use crate::resolver::lookup::Lookup;
use crate::resolver::person_events::PersonEvents;
use crate::resolver::resolution;
use crate::resolver::view::View;

/// An identity of a person, or of somebody else on an event of that person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemberRow {
    /// The identity.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub identity: Identity,
    /// Whether it is the person's; otherwise it is somebody else's, such as the session of a shared device on which this person
    /// logged in.
    pub own: bool,
    /// How many events of the person carry it.
    pub events: u64,
    /// The time of the first of them.
    #[serde(serialize_with = "crate::model::writing::text_or_null")]
    pub first: Option<Time>,
    /// The time of the last of them.
    #[serde(serialize_with = "crate::model::writing::text_or_null")]
    pub last: Option<Time>,
}

/// The identities of the person of `id`, and those of others on that person's events, in identity order.
pub(super) fn members_of(view: &View, id: IdentityId) -> Result<Vec<MemberRow>> {
    let graph = view.graph();
    let person = Lookup::new(view).standing(id)?.person;
    let carried = PersonEvents::of(view, person)?.identities();
    let own = resolution::read(view, id)?.group;
    let own: HashSet<IdentityId> = own.iter().filter_map(|own| view.find(&own.namespace, &own.value)).collect();
    let mut all: Vec<IdentityId> = own.iter().chain(carried.keys()).copied().collect();
    all.sort_unstable_by(|&a, &b| graph.compare(a, b));
    all.dedup();
    let row = |id: IdentityId| {
        let seen = carried.get(&id);
        MemberRow {
            identity: graph.identity(id),
            own: own.contains(&id),
            events: seen.map_or(0, |seen| seen.events),
            first: seen.map(|seen| seen.first),
            last: seen.map(|seen| seen.last),
        }
    };
    Ok(all.into_iter().map(row).collect())
}
