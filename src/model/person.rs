//! People, and how an event came to one.

use serde::{Deserialize, Serialize};

use crate::model::identity::IdentityId;
use crate::model::time::Time;

/// Whom something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Person {
    /// A customer: an identity of the unique namespace.
    Customer(IdentityId),
    /// An anonymous group, named by its earliest identity.
    Anonymous(IdentityId),
}

impl Person {
    /// The identity that names the person.
    pub fn identity(self) -> IdentityId {
        match self {
            Self::Customer(id) | Self::Anonymous(id) => id,
        }
    }

    /// Whether it is a customer.
    pub fn kind(self) -> PersonKind {
        match self {
            Self::Customer(_) => PersonKind::Customer,
            Self::Anonymous(_) => PersonKind::Anonymous,
        }
    }
}

/// Whether a person is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PersonKind {
    /// The person is a customer.
    Customer,
    /// The person is an anonymous group: identities without a customer.
    Anonymous,
}

/// The owner of an identity: the customer of its group, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The customer.
    pub customer: IdentityId,
    /// The moment that first connected the identity to the customer: the latest link on their path.
    /// `None` for the customer itself.
    pub since: Option<Time>,
}

/// Whom an identity belongs to, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The person.
    pub person: Person,
    /// The moment that first connected the identity to its customer; `None` for the customer itself and where it is anonymous.
    pub since: Option<Time>,
}

/// How an event came to its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttributionKind {
    /// It carries the customer.
    Direct,
    /// It is earlier than the moment that connected its anchor to the customer.
    Retroactive,
    /// It is not earlier.
    Carried,
    /// Its anchor has no customer.
    Anonymous,
}

impl AttributionKind {
    /// All of them, in the order they are reported.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Retroactive, Self::Carried, Self::Anonymous];

    /// The word for it, as it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Retroactive => "retroactive",
            Self::Carried => "carried",
            Self::Anonymous => "anonymous",
        }
    }

    /// What events that came to their person like this have in common, in words: they …
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Direct => "carry their customer",
            Self::Retroactive => "came before the login that tells whose they are",
            Self::Carried => "came after it, without a customer of their own",
            Self::Anonymous => "have no known customer",
        }
    }
}
