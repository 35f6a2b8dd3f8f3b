//! Pictures of people: who is tied to whom by which links, as an SVG that needs no other program, and for Graphviz.
//!
//! A [`Picture`] says what is drawn; `placement` says where, `svg` and `dot` write it. Its bytes depend on the facts alone.

mod colour;
mod dot;
mod frame;
mod label;
mod legend;
mod page;
mod pen;
mod placement;
mod scene;
mod svg;

pub use page::PersonPage;

use crate::model::identity::Identity;
use crate::model::link::Seen;
use crate::model::time::Time;

/// A picture of the groups of some identities: every identity in the colour of its person, every link, refused ones dashed, and
/// the chain that ties (or would tie) the asked identities.
///
/// It holds at most [`MAX_DRAWN`](crate::limits::MAX_DRAWN) identities and the links among them; [`svg`](Self::svg) and [`dot`](Self::dot) write it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Its first line says the most.
    title: String,
    /// By level, then by person, the chain first, then by first sight.
    nodes: Vec<DrawnIdentity>,
    links: Vec<DrawnLink>,
    /// Those of the asked identities first.
    people: Vec<DrawnPerson>,
    /// How many levels are drawn.
    columns: usize,
    left_out: usize,
}

/// An identity.
#[derive(Debug, Clone)]
struct DrawnIdentity {
    identity: Identity,
    /// Its namespace as it is shown.
    namespace: String,
    /// Its value as it is shown: no two values that are drawn have the same.
    label: String,
    /// Which of the levels that are drawn.
    column: usize,
    /// Place in `people`.
    person: usize,
    /// Whether it was asked for.
    asked: bool,
    /// Whether it is a customer.
    customer: bool,
    seen: Seen,
}

/// A link.
#[derive(Debug, Clone)]
struct DrawnLink {
    /// Place in `nodes`.
    lower: usize,
    /// Place in `nodes`.
    higher: usize,
    first: Time,
    last: Time,
    count: u64,
    refused: bool,
    /// Whether it is part of the chain.
    chain: bool,
}

/// A person of a picture, who has a number (the place, from 1) and a colour in it.
#[derive(Debug, Clone)]
struct DrawnPerson {
    /// What names the person; it is always drawn.
    identity: Identity,
    /// Its value as it is shown.
    label: String,
    customer: bool,
}

impl Picture {
    /// How many identities are drawn.
    pub fn drawn(&self) -> usize {
        self.nodes.len()
    }

    /// How many identities are left out: see [`MAX_DRAWN`](crate::limits::MAX_DRAWN).
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The number that stands on every identity of a person, so that people are told apart without colours too; none where
    /// there is one person only.
    fn mark(&self, person: usize) -> Option<String> {
        (self.people.len() > 1).then(|| (person + 1).to_string())
    }

    /// What is said of those that are left out.
    fn left_out_in_words(&self) -> Option<String> {
        let nearest = self.nodes.len();
        match self.left_out {
            0 => None,
            1 => Some(format!("1 more identity is left out: drawn are the {nearest} nearest")),
            more => Some(format!("{more} more identities are left out: drawn are the {nearest} nearest")),
        }
    }

    /// What is said of an identity to a reader who points at it: a line each.
    fn node_in_words(&self, node: &DrawnIdentity) -> Vec<String> {
        let DrawnPerson { identity: person, customer, .. } = &self.people[node.person];
        let whose = match (*person == node.identity, customer) {
            (true, true) => "a customer".to_owned(),
            (true, false) => "anonymous: the earliest identity of its group".to_owned(),
            (false, true) => format!("belongs to {person}"),
            (false, false) => format!("anonymous: of the group of {person}"),
        };
        let Seen { first, last, .. } = node.seen;
        vec![node.identity.to_string(), whose, format!("seen from {first} to {last}")]
    }

    /// What is said of a link, likewise.
    fn line_in_words(&self, line: &DrawnLink) -> Vec<String> {
        let [lower, higher] = [line.lower, line.higher].map(|place| &self.nodes[place]);
        let person = |node: &DrawnIdentity| self.people[node.person].identity.to_string();
        let events = if line.count == 1 { "1 event".to_owned() } else { format!("{} events", line.count) };
        let mut words = vec![
            format!("{} and {}", lower.identity, higher.identity),
            format!("{events} from {} to {}", line.first, line.last),
        ];
        if line.refused {
            words.push(format!("refused: it would merge {} and {}", person(lower), person(higher)));
        }
        words
    }
}
