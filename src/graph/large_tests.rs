//! Groups so large that anything quadratic would not end.

use crate::graph::explain::{MAX_REFUSALS, WhyNot};
use crate::graph::{Delta, Graph};
use crate::model::digest::EventHash;
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Seen, Witness};
use crate::model::namespace::{Levels, NamespaceId, Namespaces};
use crate::model::person::Person;
use crate::model::time::Time;

/// `email`, which the tests intern first after those that every store has.
const EMAIL: NamespaceId = NamespaceId(2);
const ECOMMERCE: NamespaceId = NamespaceId(1);
/// Batches that a large history comes in.
const BATCHES: usize = 20;

/// The orders in which a history may arrive: as it happened, backwards, and with a stride that knows no order.
fn orders(len: u32) -> [Vec<u32>; 3] {
    const STRIDE: u64 = 7_919; // a prime that divides no `len` in use
    let stride = |at| (u64::from(at) * STRIDE % u64::from(len)) as u32;
    [(0..len).collect(), (0..len).rev().collect(), (0..len).map(stride).collect()]
}

/// Links (namespace, value) to (namespace, value) at a time, in batches.
fn replay(links: &[(u32, [(NamespaceId, u32); 2])], batch: usize) -> Graph {
    let mut namespaces = Namespaces::new(Levels::default());
    assert_eq!(namespaces.intern("email"), Some(EMAIL));
    let mut graph = Graph::new(namespaces);
    for links in links.chunks(batch) {
        let mut delta = Delta::new(graph.namespaces().clone());
        let before = graph.identities().len() as u32;
        for &(time, ends) in links {
            let time = Time::from_micros(i64::from(time));
            let [lower, higher] = ends.map(|(namespace, number)| {
                let value = number.to_string();
                let known = graph.identities().get(namespace, Value::new(&value));
                let id = known
                    .unwrap_or_else(|| IdentityId(before + delta.identities.intern(namespace, Value::new(&value)).0));
                delta.seen.push((id, Seen::at(time)));
                id
            });
            let witness = Witness { event: EventHash(0), anchor: lower };
            delta.links.observe(lower, higher, time, witness);
        }
        graph.apply(delta).unwrap();
    }
    graph
}

fn id(graph: &Graph, namespace: NamespaceId, number: u32) -> IdentityId {
    graph.identities().get(namespace, Value::new(&number.to_string())).unwrap()
}

#[test]
fn one_customer_with_200_000_sessions() {
    const SESSIONS: u32 = 200_000;
    for order in orders(SESSIONS) {
        let links: Vec<_> = order.into_iter().map(|at| (at, [(NamespaceId::SESSION, at), (ECOMMERCE, 0)])).collect();
        let graph = replay(&links, links.len() / BATCHES);
        let customer = id(&graph, ECOMMERCE, 0);
        assert_eq!(graph.group_size(customer), SESSIONS as usize + 1);
        for at in (0..SESSIONS).step_by(997) {
            let owner = graph.owner(id(&graph, NamespaceId::SESSION, at)).unwrap();
            assert_eq!((owner.customer, owner.since), (customer, Some(Time::from_micros(i64::from(at)))));
        }
    }
}

#[test]
fn one_session_with_20_000_customers() {
    const CUSTOMERS: u32 = 20_000;
    // Fewer where each is a batch by itself: 20,000 of these take longer than all other tests here.
    for (customers, batch) in [(4_000, 1), (CUSTOMERS, 100), (CUSTOMERS, CUSTOMERS as usize)] {
        for order in orders(customers) {
            let links: Vec<_> = order.iter().map(|&at| (at, [(NamespaceId::SESSION, 0), (ECOMMERCE, at)])).collect();
            let graph = replay(&links, batch);
            let session = id(&graph, NamespaceId::SESSION, 0);
            assert_eq!(graph.owner(session).unwrap().customer, id(&graph, ECOMMERCE, 0));
            assert_eq!(graph.group_size(session), 2);
            let refused = graph.links().ids().filter(|&link| graph.refused(link)).count();
            assert_eq!(refused, customers as usize - 1);
        }
    }
}

#[test]
fn single_late_sessions_of_a_large_group_do_not_take_it_apart() {
    const SESSIONS: u32 = 50_000;
    for order in orders(SESSIONS) {
        let links: Vec<_> = order.into_iter().map(|at| (at, [(NamespaceId::SESSION, at), (ECOMMERCE, 0)])).collect();
        let graph = replay(&links, 1);
        assert_eq!(graph.group_size(id(&graph, ECOMMERCE, 0)), SESSIONS as usize + 1);
        let owner = graph.owner(id(&graph, NamespaceId::SESSION, 7)).unwrap();
        assert_eq!(owner.since, Some(Time::from_micros(7)));
    }
}

/// A batch that changes the owner, or the name, of a large group once for each of its links.
#[test]
fn a_large_group_that_each_link_of_a_batch_changes() {
    const SESSIONS: u32 = 100_000;
    let group = (0..SESSIONS).map(|at| (5 * SESSIONS + at, [(NamespaceId::SESSION, at), (EMAIL, 0)]));
    let forgers = 1..SESSIONS + 1;
    let owners = forgers.clone().map(|at| (SESSIONS - at, [(EMAIL, 0), (ECOMMERCE, at)]));
    let graph = replay(&group.clone().chain(owners).collect::<Vec<_>>(), SESSIONS as usize);
    let owner = graph.owner(id(&graph, NamespaceId::SESSION, 7)).unwrap();
    assert_eq!(owner.customer, id(&graph, ECOMMERCE, SESSIONS));
    // Sessions of the first batch, each alone and seen before all of the group, that join it in the order in which they were not seen.
    let alone = forgers.clone().map(|at| (SESSIONS - at, [(NamespaceId::SESSION, SESSIONS + at), (EMAIL, at)]));
    let join = forgers.map(|at| (9 * SESSIONS + at, [(NamespaceId::SESSION, SESSIONS + at), (EMAIL, 0)]));
    let graph = replay(&group.chain(alone).chain(join).collect::<Vec<_>>(), 2 * SESSIONS as usize);
    let (first, last) = (id(&graph, NamespaceId::SESSION, 7), id(&graph, NamespaceId::SESSION, 2 * SESSIONS));
    assert_eq!(graph.person(first), Person::Anonymous(last));
}

#[test]
fn a_chain_that_grows_backwards_link_by_link_stays_low() {
    const PAIRS: u32 = 500;
    // session 0 - email 0 - session 1 - email 1 - …, each link earlier than the one before it
    let links: Vec<_> =
        (0..2 * PAIRS).map(|at| (2 * PAIRS - at, [(NamespaceId::SESSION, at.div_ceil(2)), (EMAIL, at / 2)])).collect();
    let graph = replay(&links, 1);
    assert_eq!(graph.group_size(IdentityId(0)), 2 * PAIRS as usize + 1);
    graph.forest.check(&graph.facts);
}

#[test]
fn what_a_customer_with_200_000_sessions_is_asked_about() {
    const SESSIONS: u32 = 200_000;
    let links: Vec<_> = (0..SESSIONS).map(|at| (at, [(NamespaceId::SESSION, at), (ECOMMERCE, 0)])).collect();
    let graph = replay(&links, links.len());
    let customer = id(&graph, ECOMMERCE, 0);
    // Each from its own end: all of them in the time that one takes from the other.
    for at in 0..SESSIONS {
        let session = id(&graph, NamespaceId::SESSION, at);
        let link = graph.links().find(session, customer).unwrap();
        assert_eq!(graph.chain(session, customer), Some(vec![link]));
        assert_eq!(graph.decisive_chain(customer, session), Some(vec![link]));
    }
    let ends = [7, SESSIONS - 1].map(|at| id(&graph, NamespaceId::SESSION, at));
    let expected = ends.map(|session| graph.links().find(session, customer).unwrap());
    assert_eq!(graph.chain(ends[0], ends[1]), Some(expected.to_vec()));
}

#[test]
fn what_a_session_with_100_000_customers_is_asked_about() {
    const CUSTOMERS: u32 = 100_000;
    // Every customer has a session of their own beside the shared one.
    let shared = (0..CUSTOMERS).map(|at| (at, [(NamespaceId::SESSION, CUSTOMERS), (ECOMMERCE, at)]));
    let own = (0..CUSTOMERS).map(|at| (at, [(NamespaceId::SESSION, at), (ECOMMERCE, at)]));
    let links: Vec<_> = shared.chain(own).collect();
    let graph = replay(&links, links.len());
    let session = |at| id(&graph, NamespaceId::SESSION, at);
    let (kiosk, link) =
        (session(CUSTOMERS), |session, at| graph.links().find(session, id(&graph, ECOMMERCE, at)).unwrap());
    assert_eq!(graph.chain(kiosk, session(0)), Some(vec![link(kiosk, 0), link(session(0), 0)]));

    let refusals = graph.refusals_of(kiosk);
    let first: Vec<_> = refusals.first.iter().map(|refusal| refusal.link).collect();
    assert_eq!(first, (1..=MAX_REFUSALS as u32).map(|at| link(kiosk, at)).collect::<Vec<_>>());
    assert_eq!(refusals.more, CUSTOMERS as usize - 1 - MAX_REFUSALS);

    // From the side of those who have a handful of links: all of them in the time that one takes from the other.
    for at in 1..CUSTOMERS {
        let Some(WhyNot::Refused { refusals, way }) = graph.why_not(session(at), kiosk) else { panic!("tied") };
        assert_eq!((refusals.first.len(), refusals.more), (1, 0));
        assert_eq!(way, [link(session(at), at), link(kiosk, at)]);
    }
    let through = [link(session(7), 7), link(kiosk, 7), link(kiosk, 9), link(session(9), 9)];
    assert_eq!(graph.why_not(session(7), session(9)), Some(WhyNot::Through(through.to_vec())));
    assert_eq!(graph.why_not(kiosk, session(0)), None, "one person");
}
