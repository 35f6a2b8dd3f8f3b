//! A session: who browses, what they do, when they log in.

use std::io;

use crate::generate::line::{Stamp, push_number};
use crate::generate::random::Random;
use crate::generate::user::{UserKind, Users};
use crate::visitor::uuid_text;

/// One session in so many logs in.
const LOGIN_IN: u32 = 3;
/// Of those, one in so many is logged in from its first event: the log-in was remembered.
const REMEMBERED_IN: u32 = 4;
/// Of those that log in, one in so many logs out again before the end …
const LOGOUT_IN: u32 = 6;
/// … and on one in so many a second customer logs in: a shared device.
const SHARED_IN: u32 = 25;
/// One login in so many is of a customer who was there before.
const RETURNING_IN: u32 = 2;

/// The first customer's number.
const FIRST_CUSTOMER: u64 = 10_000;
/// How many products the shop has.
const PRODUCTS: u32 = 60_000;
/// The first product's number.
const FIRST_PRODUCT: u64 = 100_000;
/// The first order's number.
const FIRST_ORDER: u64 = 700_000;

const TRACKERS: [&str; 3] = [
    "0c2f1be4-6f0a-4f0e-9c55-3f6d1d0a7b21",
    "5b7f9a30-21c4-4d8e-8a1b-9e04c6f2d713",
    "d41a6c58-90be-4c27-b3f5-72e8a90b1c64",
];
const CHANNELS: [&str; 4] = ["web", "web", "mobile", "app"];
const REFERRERS: [&str; 5] = ["search", "category", "newsletter", "recommendation", "direct"];
const QUERIES: [&str; 8] = [
    "red shoes",
    "winter jacket",
    "usb c cable",
    "coffee grinder",
    "running shorts",
    "desk lamp",
    "linen shirt",
    "hiking boots",
];

/// What is done.
#[derive(Debug, Clone, Copy)]
enum Action {
    View,
    Search,
    Cart,
    Purchase,
}

/// How often each is done: seven views to two searches, three changes of the cart and a purchase.
const ACTIONS: [Action; 13] = {
    use Action::{Cart, Purchase, Search, View};
    [View, View, View, View, View, View, View, Search, Search, Cart, Cart, Cart, Purchase]
};

/// Every customer so far; numbers are handed out in order.
#[derive(Debug, Default)]
struct Customers {
    met: u32,
}

impl Customers {
    /// Who logs in: a new customer, or one met before, the earliest most often.
    fn log_in(&mut self, random: &mut Random) -> u64 {
        let returning = self.met > 0 && random.one_in(RETURNING_IN);
        let place = if returning {
            let reach = 1 + random.below(self.met);
            random.below(reach)
        } else {
            self.met += 1;
            self.met - 1
        };
        FIRST_CUSTOMER + u64::from(place)
    }
}

/// What the lines of all sessions need.
#[derive(Debug, Default)]
pub(super) struct Shop {
    customers: Customers,
    pub users: Users,
    stamp: Stamp,
}

/// What happens to a logged-in session later on.
#[derive(Debug, Clone, Copy)]
enum Turn {
    LogOut,
    SecondCustomer,
}

/// A session under way.
#[derive(Debug)]
pub(super) struct Session {
    id: [u8; 36],
    /// How many events it will have, and how many it has had.
    length: u32,
    done: u32,
    /// Before which event it logs in, and what follows before which.
    login: Option<u32>,
    turn: Option<(u32, Turn)>,
    kind: UserKind,
    tracker: &'static str,
    /// The `user` object as it is now, with what follows it.
    user: Vec<u8>,
    channel: &'static str,
    product: u64,
}

impl Session {
    /// A session that is about to begin. Its length is 11.7 on average: many are short, some are long.
    pub(super) fn new(random: &mut Random, users: &mut Users) -> io::Result<Self> {
        let id = uuid_text(u128::from(random.bits()) << 64 | u128::from(random.bits()));
        let tail = if random.one_in(8) { random.below(60) } else { 0 };
        let length = 1 + random.below(8) + random.below(8) + tail;
        let (mut login, mut turn) = (None, None);
        if random.one_in(LOGIN_IN) {
            let at = if random.one_in(REMEMBERED_IN) { 0 } else { random.below(length) };
            login = Some(at);
            let later = at + 1 + random.below(length.saturating_sub(at + 1));
            if random.one_in(SHARED_IN) {
                turn = Some((later, Turn::SecondCustomer));
            } else if random.one_in(LOGOUT_IN) {
                turn = Some((later, Turn::LogOut));
            }
        }
        let kind = UserKind::new(random);
        let tracker = random.of(&TRACKERS);
        let channel = random.of(&CHANNELS);
        let product = product(random);
        let mut this = Self { id, length, done: 0, login, turn, kind, tracker, user: Vec::new(), channel, product };
        this.set_user(None, users)?;
        Ok(this)
    }

    /// Whether it has had all its events.
    pub(super) fn is_over(&self) -> bool {
        self.done >= self.length
    }

    /// Appends its next event, at `millis`, as a line. Its lines differ, since no two are of one time.
    pub(super) fn act(
        &mut self,
        millis: i64,
        random: &mut Random,
        shop: &mut Shop,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let Shop { customers, users, stamp } = shop;
        if self.login == Some(self.done) {
            self.set_user(Some(customers.log_in(random)), users)?;
        }
        match self.turn {
            Some((at, Turn::LogOut)) if at == self.done => self.set_user(None, users)?,
            Some((at, Turn::SecondCustomer)) if at == self.done => {
                self.set_user(Some(customers.log_in(random)), users)?;
            }
            _ => {}
        }
        self.done += 1;
        out.extend_from_slice(br#"{"timestamp":""#);
        stamp.push(millis, out);
        out.extend_from_slice(br#"","action":""#);
        let action = random.of(&ACTIONS);
        self.push_target(action, random, out);
        out.extend_from_slice(&self.user);
        self.push_metadata(action, random, out);
        Ok(())
    }

    /// The action's name and its target; a view moves on to another product.
    fn push_target(&mut self, action: Action, random: &mut Random, out: &mut Vec<u8>) {
        let name = match action {
            Action::View => "view",
            Action::Search => "search",
            Action::Cart if random.one_in(4) => "removeFromCart",
            Action::Cart => "addToCart",
            Action::Purchase => "purchase",
        };
        out.extend_from_slice(name.as_bytes());
        if let Action::Search = action {
            out.extend_from_slice(br#"","target":{"query":""#);
            out.extend_from_slice(random.of(&QUERIES).as_bytes());
        } else {
            if let Action::View = action {
                self.product = product(random);
            }
            out.extend_from_slice(br#"","target":{"product":""#);
            push_number(out, self.product);
        }
        out.extend_from_slice(b"\"},");
    }

    fn push_metadata(&mut self, action: Action, random: &mut Random, out: &mut Vec<u8>) {
        match action {
            Action::View => {
                out.extend_from_slice(br#"{"page":"/product/"#);
                push_number(out, self.product);
                out.extend_from_slice(br#"","referrer":""#);
                out.extend_from_slice(random.of(&REFERRERS).as_bytes());
                out.push(b'"');
            }
            Action::Search => {
                out.extend_from_slice(br#"{"page":"/search","results":"#);
                push_number(out, u64::from(random.below(400)));
            }
            Action::Cart => {
                out.extend_from_slice(br#"{"page":"/cart","quantity":"#);
                push_number(out, u64::from(1 + random.below(3)));
            }
            Action::Purchase => {
                out.extend_from_slice(br#"{"page":"/checkout","orderId":""#);
                push_number(out, FIRST_ORDER + (random.bits() >> 40));
                out.extend_from_slice(br#"","cents":"#);
                push_number(out, u64::from(500 + random.below(20_000)));
            }
        }
        out.extend_from_slice(br#"},"segments":[""#);
        out.extend_from_slice(self.channel.as_bytes());
        out.extend_from_slice(b"\"]}\n");
    }

    /// Who its events belong to from now on, written once for all of them. A log-out is a page on which the shop adds no customer: the
    /// session ID alone is still there. (One that clears the visitor begins a session, which shows in no log.)
    fn set_user(&mut self, customer: Option<u64>, users: &mut Users) -> io::Result<()> {
        let user = &mut self.user;
        user.clear();
        user.extend_from_slice(br#""user":"#);
        users.push(self.kind, &self.id, customer, user)?;
        user.extend_from_slice(br#","sourceId":""#);
        user.extend_from_slice(self.tracker.as_bytes());
        user.extend_from_slice(br#"","metadata":"#);
        Ok(())
    }
}

fn product(random: &mut Random) -> u64 {
    FIRST_PRODUCT + u64::from(random.below(PRODUCTS))
}
