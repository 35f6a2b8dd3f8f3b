//! `explain` on journeys whose answers were worked out by hand.

use backstitch::graph::explain::MAX_REFUSALS;
use backstitch::rows::{Evidence, Explanation, PairExplanation};
use backstitch::{Engine, Identity, PersonKind};

use crate::harness::replayed;
use crate::oracle::Rules;
use crate::pictures::picture;

/// A store of events told as `minute namespace=value …`, a line each.
pub fn told(events: &str) -> Engine {
    told_by(&Rules { between: vec!["device".into(), "email".into()], ..Rules::default() }, events)
}

fn told_by(rules: &Rules, events: &str) -> Engine {
    let line = |event: &str| {
        let mut words = event.split_whitespace();
        let minute: i64 = words.next().expect("a minute").parse().expect("a number");
        let pairs = words.map(|word| word.split_once('=').expect("namespace=value"));
        let identities: serde_json::Map<_, _> = pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
        let id = format!("at-{minute}");
        serde_json::json!({"timestamp": minute * 60, "id": id, "user": {"identities": identities}}).to_string()
    };
    let lines: Vec<String> =
        events.lines().map(str::trim).filter(|event| !event.is_empty()).map(|event| line(event) + "\n").collect();
    replayed(rules, &lines.concat())
}

pub fn identity(text: &str) -> Identity {
    let (namespace, value) = text.split_once(':').expect("namespace:value");
    Identity::new(namespace, value)
}

fn one(engine: &Engine, id: &str) -> Explanation {
    let id = identity(id);
    engine.resolver().view().explain(&id.namespace, &id.value).expect("a sound store").expect("known")
}

fn pair(engine: &Engine, a: &str, b: &str) -> PairExplanation {
    engine.resolver().view().explain_pair(&identity(a), &identity(b)).expect("a sound store").expect("known")
}

/// Links as `lower higher minute`, with the minute of the first event, by its witness.
fn links(chain: &[Evidence]) -> Vec<String> {
    let link = |link: &Evidence| {
        let minute = link.first.as_micros() / 60_000_000;
        assert_eq!(link.witness.id, Some(format!("at-{minute}")));
        assert_eq!((link.witness.time, link.witness.sources.len()), (link.first, 1));
        format!("{} {} {minute}", link.lower, link.higher)
    };
    chain.iter().map(link).collect()
}

/// What stood in the way at both ends: `customer minute`.
fn obstacle(link: &Evidence) -> [String; 2] {
    let obstacle = link.obstacle.as_ref().expect("refused");
    [&obstacle.lower, &obstacle.higher].map(|owner| {
        let minute = owner.since.map_or("-".to_owned(), |since| (since.as_micros() / 60_000_000).to_string());
        format!("{} {minute}", owner.customer)
    })
}

#[test]
fn a_direct_login() {
    let engine = told("1 sessionId=s\n 5 sessionId=s ecommerceId=anna\n 9 sessionId=s ecommerceId=anna");
    let found = one(&engine, "sessionId:s");
    assert_eq!((found.party.person.to_string(), found.party.kind), ("ecommerceId:anna".into(), PersonKind::Customer));
    assert_eq!(links(&found.chain), ["sessionId:s ecommerceId:anna 5"]);
    let link = &found.chain[0];
    assert_eq!((found.party.since, link.count, link.last.as_micros()), (Some(link.first), 2, 9 * 60_000_000));
    assert_eq!((&found.decisive, found.refused.len(), &link.obstacle), (&None, 0, &None));

    let customer = one(&engine, "ecommerceId:anna");
    assert_eq!((customer.party.since, customer.chain.len()), (None, 0), "nothing is to be shown");
}

/// s - device - email - customer.
const THREE_HOPS: &str = "1 sessionId=s device=phone\n 2 device=phone email=a\n 3 email=a ecommerceId=anna";

#[test]
fn a_chain_of_three() {
    let engine = told(THREE_HOPS);
    let expected = ["sessionId:s device:phone 1", "device:phone email:a 2", "email:a ecommerceId:anna 3"];
    assert_eq!(links(&one(&engine, "sessionId:s").chain), expected);
    let back = pair(&engine, "ecommerceId:anna", "sessionId:s");
    assert_eq!(links(&back.chain), [expected[2], expected[1], expected[0]], "from the first to the second");
    assert_eq!(back.connected.map(|time| time.as_micros()), Some(3 * 60_000_000));
}

#[test]
fn the_shortest_chain_need_not_be_the_one_that_connected_first() {
    let engine = told(&format!("{THREE_HOPS}\n 9 sessionId=s ecommerceId=anna"));
    let found = one(&engine, "sessionId:s");
    assert_eq!(links(&found.chain), ["sessionId:s ecommerceId:anna 9"]);
    let decisive = found.decisive.expect("it differs");
    assert_eq!(decisive.len(), 3);
    assert_eq!(decisive.iter().map(|link| link.first).max(), found.party.since);
}

#[test]
fn of_two_chains_as_short_the_earlier_links_are_told() {
    let events =
        ["1 sessionId=s email=b", "2 sessionId=s email=a", "3 email=a ecommerceId=anna", "3 email=b ecommerceId=anna"];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
        // Identities and links are numbered otherwise each time.
        let engine = told(&order.map(|at| events[at]).join("\n"));
        let found = one(&engine, "sessionId:s");
        let chain: Vec<String> = found.chain.iter().map(|link| format!("{} {}", link.lower, link.higher)).collect();
        assert_eq!(chain, ["sessionId:s email:a", "email:a ecommerceId:anna"], "the bridge with the earliest key");
    }
}

#[test]
fn of_many_chains_as_short_it_is_always_the_same_one() {
    // Two meshes, one on each side of the e-mail: one of them is decided before the two ends of the search meet.
    let events: Vec<String> = [("x", ["a", "b"]), ("y", ["c", "d"])]
        .into_iter()
        .flat_map(|(session, devices)| {
            let links = devices
                .map(|device| [format!("1 sessionId={session} device={device}"), format!("1 device={device} email=h")]);
            links.into_iter().flatten()
        })
        .collect();
    let expected = ["sessionId:x device:a", "device:a email:h", "device:c email:h", "sessionId:y device:c"];
    for turn in 0..events.len() {
        let mut events = events.clone();
        events.rotate_left(turn);
        let engine = told(&events.join("\n"));
        let name = |link: &Evidence| format!("{} {}", link.lower, link.higher);
        let chain = pair(&engine, "sessionId:x", "sessionId:y").chain;
        assert_eq!(chain.iter().map(name).collect::<Vec<_>>(), expected, "turned by {turn}");
        let back = pair(&engine, "sessionId:y", "sessionId:x").chain;
        assert!(back.iter().rev().eq(&chain), "the same from the other end");
    }
}

/// A tablet that Clara and then Dan use; Dan has a phone.
pub const TABLET: &str =
    "1 sessionId=tablet device=d\n 2 device=d ecommerceId=clara\n 5 sessionId=tablet ecommerceId=dan
    6 sessionId=tablet ecommerceId=dan\n 7 sessionId=phone ecommerceId=dan";

#[test]
fn a_refused_link_with_what_stood_in_its_way_since_when() {
    let engine = told(TABLET);
    let tablet = one(&engine, "sessionId:tablet");
    assert_eq!(links(&tablet.refused), ["sessionId:tablet ecommerceId:dan 5"]);
    assert_eq!(obstacle(&tablet.refused[0]), ["ecommerceId:clara 2", "ecommerceId:dan -"]);
    assert_eq!((tablet.more_refused, tablet.refused[0].count), (0, 2));
    assert_eq!(one(&engine, "device:d").refused, [], "it touches the tablet alone");

    let why_not = pair(&engine, "device:d", "sessionId:phone");
    assert!(!why_not.same && why_not.chain.is_empty() && why_not.connected.is_none());
    assert_eq!(links(&why_not.refused), ["sessionId:tablet ecommerceId:dan 5"]);
    let way =
        ["sessionId:tablet device:d 1", "sessionId:tablet ecommerceId:dan 5", "sessionId:phone ecommerceId:dan 7"];
    assert_eq!(links(&why_not.way), way);
    let refused: Vec<bool> = why_not.way.iter().map(|link| link.obstacle.is_some()).collect();
    assert_eq!(refused, [false, true, false]);
}

#[test]
fn the_owner_is_that_of_the_moment_of_the_link() {
    // The device was Clara's at 1, and the session through it at 2.
    let engine = told("1 device=d ecommerceId=clara\n 2 sessionId=s device=d\n 5 sessionId=s ecommerceId=dan");
    assert_eq!(obstacle(&one(&engine, "sessionId:s").refused[0]), ["ecommerceId:clara 2", "ecommerceId:dan -"]);
    let both = told("1 sessionId=s ecommerceId=clara\n 2 email=e ecommerceId=dan\n 5 sessionId=s email=e");
    assert_eq!(obstacle(&one(&both, "email:e").refused[0]), ["ecommerceId:clara 1", "ecommerceId:dan 2"]);
}

#[test]
fn two_groups_that_are_tied_through_a_third_alone() {
    let engine = told(
        "1 sessionId=a ecommerceId=anna\n 2 sessionId=b ecommerceId=ben\n 3 sessionId=c ecommerceId=clara
         4 sessionId=a ecommerceId=ben\n 5 sessionId=b ecommerceId=clara",
    );
    let found = pair(&engine, "ecommerceId:anna", "ecommerceId:clara");
    assert_eq!((found.refused.len(), found.more_refused), (0, 0));
    let way = [
        "sessionId:a ecommerceId:anna 1",
        "sessionId:a ecommerceId:ben 4",
        "sessionId:b ecommerceId:ben 2",
        "sessionId:b ecommerceId:clara 5",
    ];
    assert_eq!(links(&found.way), way);
}

#[test]
fn strangers_and_those_who_are_nobody_yet() {
    let engine =
        told("3 sessionId=b email=e\n 1 sessionId=a email=e\n 2 sessionId=z\n 2 sessionId=c ecommerceId=clara");
    for (a, b) in [("sessionId:z", "sessionId:a"), ("sessionId:a", "ecommerceId:clara"), ("sessionId:z", "sessionId:c")]
    {
        let found = pair(&engine, a, b);
        assert!(!found.same && found.refused.is_empty() && found.way.is_empty(), "{a} {b}");
    }
    let named = one(&engine, "sessionId:b");
    assert_eq!((named.party.kind, named.party.since), (PersonKind::Anonymous, None));
    assert_eq!(links(&named.chain), ["sessionId:b email:e 3", "sessionId:a email:e 1"], "to the one that names it");
    let same = pair(&engine, "sessionId:a", "sessionId:b");
    assert!(same.same && same.connected.map(|time| time.as_micros()) == Some(3 * 60_000_000));
    let itself = pair(&engine, "sessionId:a", "sessionId:a");
    assert_eq!((itself.same, itself.connected, itself.chain.len()), (true, None, 0));

    let view = engine.resolver().view();
    assert_eq!(view.explain("sessionId", "nobody").expect("sound"), None);
    assert_eq!(view.explain_pair(&identity("sessionId:a"), &identity("email:nobody")).expect("sound"), None);
}

#[test]
fn without_a_unique_namespace_nothing_is_refused() {
    let engine = told_by(&Rules { unique: false, ..Rules::default() }, TABLET);
    let found = pair(&engine, "ecommerceId:clara", "ecommerceId:dan");
    assert!(found.same && found.refused.is_empty() && found.way.is_empty());
    let chain = ["device:d ecommerceId:clara 2", "sessionId:tablet device:d 1", "sessionId:tablet ecommerceId:dan 5"];
    assert_eq!(links(&found.chain), chain);
}

/// A device of a whole town: the earliest refused links are told, the others counted.
#[test]
fn a_long_list_is_cut_at_the_earliest() {
    const CUSTOMERS: usize = 200;
    let events: String = (0..CUSTOMERS).rev().map(|at| format!("{at} sessionId=kiosk ecommerceId=c{at}\n")).collect();
    let engine = told(&events);
    let kiosk = one(&engine, "sessionId:kiosk");
    assert_eq!((kiosk.refused.len(), kiosk.more_refused), (MAX_REFUSALS, CUSTOMERS - 1 - MAX_REFUSALS));
    let expected: Vec<String> =
        (1..=MAX_REFUSALS).map(|at| format!("sessionId:kiosk ecommerceId:c{at} {at}")).collect();
    assert_eq!(links(&kiosk.refused), expected);

    let view = engine.resolver().view();
    let picture = picture(&engine, &["sessionId:kiosk"]);
    assert_eq!((picture.drawn(), picture.left_out()), (CUSTOMERS + 1, 0));
    assert!(view.graph().links().len() == CUSTOMERS);
}
