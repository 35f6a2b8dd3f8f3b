//! The `user` of a line: what a [`Visitor`] says of a visitor of this kind, filled in with who it is.
//!
//! A visitor for each session would cost more than all the rest of its lines. So one for each kind of user writes it once, about
//! placeholders, and these are replaced.

use std::io;

use serde_json::{Map, Value};

use crate::generate::line::push_number;
use crate::generate::random::Random;
use crate::model::error::Result;
use crate::model::time::Time;
use crate::visitor::{Visitor, VisitorMemory};

const SEGMENTS: [&[&str]; 6] = [
    &["new", "prospect"],
    &["new", "newsletter"],
    &["returning"],
    &["returning", "loyal"],
    &["returning", "discount-seeker"],
    &["new", "mobile-first", "prospect"],
];

/// The youngest, and how many years there are.
const YOUNGEST: u32 = 18;
const AGES: u32 = 60;

/// One visitor in so many is a buyer.
const BUYER_IN: u32 = 3;

/// Stands for the customer; digits, which JSON writes as they are.
const CUSTOMER: &str = "4141414141";

/// What a shop knows of a visitor beside who it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserKind {
    segments: usize,
    age: u32,
    is_buyer: bool,
}

impl UserKind {
    pub(super) fn new(random: &mut Random) -> Self {
        let segments = random.below(SEGMENTS.len() as u32) as usize;
        let age = random.below(AGES);
        Self { segments, age, is_buyer: random.one_in(BUYER_IN) }
    }

    fn place(self) -> usize {
        (self.segments * AGES as usize + self.age as usize) * 2 + usize::from(self.is_buyer)
    }
}

/// Of a session ID, all of which are of one length, and of a customer, what comes before and after.
#[derive(Debug, Default)]
struct UserTemplate {
    anonymous: [Vec<u8>; 2],
    logged_in: [Vec<u8>; 3],
}

/// The users of all kinds, each made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Users {
    made: Vec<Option<UserTemplate>>,
}

impl Users {
    /// Appends the `user` of a visitor.
    pub(super) fn push(
        &mut self,
        kind: UserKind,
        session: &[u8],
        customer: Option<u64>,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let place = kind.place();
        if self.made.len() <= place {
            self.made.resize_with(place + 1, || None);
        }
        let template = match &mut self.made[place] {
            Some(made) => made,
            empty => empty.insert(template(kind)?),
        };
        match customer {
            None => {
                let [before, after] = &template.anonymous;
                out.extend_from_slice(before);
                out.extend_from_slice(session);
                out.extend_from_slice(after);
            }
            Some(customer) => {
                let [before, between, after] = &template.logged_in;
                out.extend_from_slice(before);
                push_number(out, customer);
                out.extend_from_slice(between);
                out.extend_from_slice(session);
                out.extend_from_slice(after);
            }
        }
        Ok(())
    }
}

/// A page that a visitor of a kind has opened.
fn page(kind: UserKind) -> Result<Visitor> {
    let mut visitor = Visitor::with(VisitorMemory::default(), || 0, || Time::from_micros(0))?;
    let UserKind { segments, age, is_buyer } = kind;
    visitor.set_segments(SEGMENTS[segments].iter().copied());
    let traits = [("age", Value::from(YOUNGEST + age)), ("buyer", Value::from(is_buyer))];
    visitor.set_traits(Map::from_iter(traits.map(|(name, value)| (name.to_owned(), value))));
    Ok(visitor)
}

fn user(visitor: &Visitor) -> io::Result<String> {
    let mut out = Vec::new();
    visitor.write_user(&mut out)?;
    String::from_utf8(out).map_err(io::Error::other)
}

fn template(kind: UserKind) -> io::Result<UserTemplate> {
    let mut visitor = page(kind).map_err(io::Error::other)?;
    let anonymous = split(&user(&visitor)?, [visitor.session()]);
    visitor.set_identities([("ecommerceId", CUSTOMER)]).map_err(io::Error::other)?;
    let logged_in = split(&user(&visitor)?, [CUSTOMER, visitor.session()]);
    Ok(UserTemplate { anonymous, logged_in })
}

/// What stands before, between and behind the placeholders, which occur in this order.
fn split<const N: usize, const M: usize>(text: &str, placeholders: [&str; N]) -> [Vec<u8>; M] {
    let mut parts: [Vec<u8>; M] = std::array::from_fn(|_| Vec::new());
    let mut rest = text;
    for (part, placeholder) in parts.iter_mut().zip(placeholders) {
        if let Some((before, after)) = rest.split_once(placeholder) {
            *part = before.into();
            rest = after;
        }
    }
    if let Some(last) = parts.last_mut() {
        *last = rest.into();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_what_the_visitor_itself_would_say() {
        let (mut random, mut users) = (Random::new(9), Users::default());
        for number in 0..300 {
            let kind = UserKind::new(&mut random);
            let mut visitor = page(kind).unwrap();
            let session = format!("f49c75a2-6994-41e2-875d-{number:012}");
            visitor.add_identity("sessionId", &*session).unwrap();
            for customer in [None, Some(10_000 + number)] {
                if let Some(customer) = customer {
                    visitor.set_identities([("ecommerceId", customer.to_string())]).unwrap();
                }
                let mut out = Vec::new();
                users.push(kind, session.as_bytes(), customer, &mut out).unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), user(&visitor).unwrap());
            }
        }
    }
}
