//! The rule that gives an event to a person (policy `first-login`).

use crate::graph::Graph;
use crate::model::event::{Activity, Event};
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::namespace::{NamespaceId, Namespaces};
use crate::model::person::{Kind, Owner, Person};
use crate::model::time::Time;

/// Whom an event belongs to, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributed {
    /// The person.
    pub person: Person,
    /// How the event came to the person.
    pub kind: Kind,
}

/// What the events of one anchor have in common: looked up once, asked for each.
pub struct AnchorRule<'g> {
    graph: &'g Graph,
    anchor: IdentityId,
    person: Person,
    owner: Option<Owner>,
}

impl<'g> AnchorRule<'g> {
    /// The rule for the events of `anchor`. Two O(log n) climbs.
    pub fn new(graph: &'g Graph, anchor: IdentityId) -> Self {
        let owner = graph.owner(anchor);
        let person = match owner {
            Some(owner) => Person::Customer(owner.customer),
            None => Person::Anonymous(graph.earliest(anchor)),
        };
        Self { graph, anchor, person, owner }
    }

    /// The person that the anchor belongs to.
    pub fn person(&self) -> Person {
        self.person
    }

    /// The owner of the anchor.
    pub fn owner(&self) -> Option<Owner> {
        self.owner
    }

    /// Whom one of its events belongs to.
    pub fn attribute(&self, event: &Event<'_>) -> Attributed {
        self.decide(event.time, carried_customer(self.graph, self.anchor, event.companions))
    }

    fn decide(&self, time: Time, carried: Option<IdentityId>) -> Attributed {
        if let Some(customer) = carried {
            return Attributed { person: Person::Customer(customer), kind: Kind::Direct };
        }
        let kind = match self.owner {
            None => Kind::Anonymous,
            Some(Owner { since: Some(since), .. }) if time < since => Kind::Retroactive,
            Some(_) => Kind::Carried,
        };
        Attributed { person: self.person, kind }
    }
}

/// The customer that an event carries: the highest of its identities, if that is unique.
fn carried_customer(graph: &Graph, anchor: IdentityId, companions: &[IdentityId]) -> Option<IdentityId> {
    let customer = |id: &IdentityId| graph.namespaces().is_unique(graph.identities().namespace(*id));
    companions.last().copied().filter(customer).or_else(|| Some(anchor).filter(customer))
}

/// Whom an activity of a log belongs to, and how. `namespaces` are those it was decoded with.
pub fn of_activity(graph: &Graph, namespaces: &Namespaces, activity: &Activity<'_>) -> (Identity, Kind) {
    let written = |(namespace, value): (NamespaceId, Value<'_>)| Identity {
        namespace: namespaces.display(namespace).to_owned(),
        value: value.to_string(),
    };
    let (lowest, highest) = (activity.identities[0], activity.identities[activity.identities.len() - 1]);
    if namespaces.is_unique(highest.0) {
        return (written(highest), Kind::Direct);
    }
    let anchor = if lowest.0 == NamespaceId::SESSION { lowest } else { highest };
    match namespaces
        .get_in(anchor.0, graph.namespaces())
        .and_then(|namespace| graph.identities().get(namespace, anchor.1))
        .filter(|&anchor| graph.is_known(anchor))
    {
        Some(anchor) => {
            let Attributed { person, kind } = AnchorRule::new(graph, anchor).decide(activity.time, None);
            (graph.identity(person.identity()), kind)
        }
        // No stored event carries it: it stays with its own earliest identity, which is its lowest.
        None => (written(lowest), Kind::Anonymous),
    }
}
