//! The `user` of a line: the complete user that a shop which keeps its own session IDs gives a
//! [`Visitor`](crate::visitor::Visitor) with each action, filled in with who it is.
//!
//! To write one for each line would cost more than all the rest of it. So each kind of user is written once, about placeholders,
//! and these are replaced.

use std::io;

use crate::generate::line::push_number;
use crate::generate::random::Random;
use crate::visitor::VisitorUser;

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

/// Stand for the session and the customer: what JSON writes as it is, and no other part of a user contains.
const SESSION: &str = "5151515151";
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

/// A user of a kind.
fn user(kind: UserKind, session: &str, customer: Option<&str>) -> VisitorUser {
    let UserKind { segments, age, is_buyer } = kind;
    let user =
        VisitorUser::new().identity("sessionId", session).attribute("age", YOUNGEST + age).attribute("buyer", is_buyer);
    let user = SEGMENTS[segments].iter().fold(user, |user, &segment| user.segment(segment));
    customer.into_iter().fold(user, |user, customer| user.identity("ecommerceId", customer))
}

fn template(kind: UserKind) -> io::Result<UserTemplate> {
    let written = |customer| serde_json::to_string(&user(kind, SESSION, customer)).map_err(io::Error::from);
    let anonymous = split(&written(None)?, [SESSION]);
    let logged_in = split(&written(Some(CUSTOMER))?, [CUSTOMER, SESSION]);
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
    use serde_json::Value;

    use super::*;
    use crate::visitor::{Visitor, VisitorAction, VisitorMemory};

    #[test]
    fn a_user_is_what_a_visitor_sends() {
        let (mut random, mut users) = (Random::new(9), Users::default());
        let mut visitor = Visitor::open(VisitorMemory::default()).unwrap();
        for number in 0..300 {
            let kind = UserKind::new(&mut random);
            let session = format!("f49c75a2-6994-41e2-875d-{number:012}");
            for customer in [None, Some(10_000 + number)] {
                let mut out = Vec::new();
                users.push(kind, session.as_bytes(), customer, &mut out).unwrap();
                let name = customer.map(|customer| customer.to_string());
                let action = VisitorAction::new("view").user(user(kind, &session, name.as_deref()));
                let sent: Value = serde_json::from_str(&visitor.activity(&action).unwrap().unwrap()).unwrap();
                assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), sent["user"]);
            }
        }
    }
}
