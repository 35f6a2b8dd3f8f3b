//! Who an identity is, in full.

use std::convert::Infallible;

use serde::Serialize;

use crate::model::error::Result;
use crate::model::identity::{Identity, IdentityId};
use crate::model::person::{Person, PersonKind, Standing};
use crate::model::time::Time;
use crate::resolver::lookup::Lookup;
use crate::resolver::rows::held_by;
use crate::resolver::view::View;

/// Who an identity is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Resolution {
    /// The identity that was asked for.
    pub identity: Identity,
    /// The identity that names the person: the customer or, of an anonymous group, its earliest identity.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub person: Identity,
    /// Whether the person is a customer.
    pub kind: PersonKind,
    /// The customer's value, if the person is one.
    pub customer: Option<String>,
    /// The moment that first connected the identity to the customer; none for the customer itself and where it is anonymous.
    #[serde(serialize_with = "crate::model::writing::text_or_null")]
    pub since: Option<Time>,
    /// Every identity of the person, in identity order.
    #[serde(serialize_with = "crate::model::writing::texts")]
    pub group: Vec<Identity>,
}

/// Who an identity of a published view is. Its reading is the default one, for which nothing is read from the store.
pub(super) fn published(view: &View, id: IdentityId) -> Resolution {
    let Ok(found) = resolution::<Infallible>(view, id, |id| Ok(view.graph().standing(id)));
    found
}

/// Who an identity is, under the reading of its view.
pub(super) fn read(view: &View, id: IdentityId) -> Result<Resolution> {
    let mut lookup = Lookup::new(view);
    resolution(view, id, |id| lookup.standing(id))
}

fn resolution<E>(
    view: &View,
    id: IdentityId,
    mut standing: impl FnMut(IdentityId) -> Result<Standing, E>,
) -> Result<Resolution, E> {
    let graph = view.graph();
    let Standing { person, since } = standing(id)?;
    let group = group(view, person, &mut standing)?;
    let customer = match person {
        Person::Customer(customer) => Some(graph.identities().value(customer).to_text()),
        Person::Anonymous(_) => None,
    };
    Ok(Resolution {
        identity: graph.identity(id),
        person: graph.identity(person.identity()),
        kind: person.kind(),
        customer,
        since,
        group: group.into_iter().map(|member| graph.identity(member)).collect(),
    })
}

/// Every identity of a person, in identity order.
pub(super) fn group<E>(
    view: &View,
    person: Person,
    standing: &mut impl FnMut(IdentityId) -> Result<Standing, E>,
) -> Result<Vec<IdentityId>, E> {
    let mut group = held_by(view, person);
    // Where no session leaves its group, the group is the person, and its members need not be asked.
    if view.reading().policy.may_leave_group() {
        let mut kept = Vec::with_capacity(group.len());
        for member in group {
            if standing(member)?.person == person {
                kept.push(member);
            }
        }
        group = kept;
    }
    group.sort_by(|&a, &b| view.graph().compare(a, b));
    Ok(group)
}
