//! `explain` on journeys whose answers were worked out by hand, and its pictures.

use backstitch::engine::Engine;
use backstitch::export::picture::{MAX_DRAWN, Picture};
use backstitch::graph::explain::MAX_REFUSALS;
use backstitch::model::identity::Identity;
use backstitch::model::person::PersonKind;
use backstitch::resolver::{Evidence, Explanation, PairExplanation};

use crate::harness::replayed;
use crate::oracle::Rules;

/// A store of events told as `minute namespace=value …`, a line each.
fn told(events: &str) -> Engine {
    told_by(&Rules { between: vec!["device".into(), "email".into()], ..Rules::default() }, events)
}

fn told_by(rules: &Rules, events: &str) -> Engine {
    let line = |event: &str| {
        let mut words = event.split_whitespace();
        let minute: i64 = words.next().expect("a minute").parse().expect("a number");
        let pairs = words.map(|word| word.split_once('=').expect("namespace=value"));
        let identities: serde_json::Map<_, _> = pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
        let id = format!("at-{minute}");
        serde_json::json!({"timestamp": minute * 60_000, "id": id, "user": {"identities": identities}}).to_string()
    };
    let lines: Vec<String> =
        events.lines().map(str::trim).filter(|event| !event.is_empty()).map(|event| line(event) + "\n").collect();
    replayed(rules, &lines.concat())
}

fn identity(text: &str) -> Identity {
    let (namespace, value) = text.split_once(':').expect("namespace:value");
    Identity { namespace: namespace.into(), value: value.into() }
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
const TABLET: &str = "1 sessionId=tablet device=d\n 2 device=d ecommerceId=clara\n 5 sessionId=tablet ecommerceId=dan
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

fn picture(engine: &Engine, asked: &[&str]) -> Picture {
    let view = engine.resolver().view();
    let find = |text: &&str| view.find(&identity(text).namespace, &identity(text).value).expect("known");
    Picture::new(view.graph(), &asked.iter().map(find).collect::<Vec<_>>(), "A <title> & \"more\"\nand a note")
}

/// The names of the elements of an XML text, each opened and closed; every attribute quoted, every sign allowed.
#[track_caller]
pub fn elements(xml: &str) -> Vec<String> {
    let (mut open, mut all): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let text_is_sound = |text: &str| {
        assert!(!text.contains(['<', '>']), "{text}");
        assert!(text.chars().all(|sign| sign == '\n' || !sign.is_control()), "{text:?}");
        let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        for (at, _) in text.match_indices('&') {
            assert!(entities.iter().any(|entity| text[at..].starts_with(entity)), "{text}");
        }
    };
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        text_is_sound(&rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let pieces: Vec<&str> = attributes.split('"').collect();
        assert!(pieces.len() % 2 == 1 && pieces[pieces.len() - 1].trim().is_empty(), "{tag}");
        for attribute in pieces.chunks_exact(2) {
            let name = attribute[0].trim().strip_suffix('=').unwrap_or_else(|| panic!("{tag}"));
            assert!(!name.is_empty() && name.chars().all(|sign| sign.is_alphanumeric() || sign == '-'), "{tag}");
            text_is_sound(attribute[1]);
        }
        all.push(name.to_owned());
        if !closed {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    all
}

/// How many nodes and edges a text for Graphviz has; its quotes and braces are balanced.
#[track_caller]
pub fn nodes_and_edges(dot: &str) -> (usize, usize) {
    let (mut depth, mut quoted, mut escaped, mut bare) = (0, false, false, String::new());
    for sign in dot.chars() {
        assert!(sign == '\n' || !sign.is_control(), "{sign:?}");
        match sign {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' => depth += 1,
            '}' => depth -= 1,
            sign => bare.push(sign),
        }
        assert!(depth >= 0);
    }
    assert_eq!((depth, quoted), (0, false));
    let lines = || bare.lines().filter(|line| line.trim_start().starts_with(|sign: char| sign.is_ascii_digit()));
    let edges = lines().filter(|line| line.contains(" -- ")).count();
    (lines().count() - edges, edges)
}

#[test]
fn a_picture_shows_both_groups_the_way_and_what_was_refused() {
    let engine = told(TABLET);
    let picture = picture(&engine, &["device:d", "sessionId:phone"]);
    let svg = picture.svg();
    let all = elements(&svg);
    assert_eq!(all.iter().filter(|name| *name == "g").count(), 5, "an identity each");
    assert_eq!(svg.matches("<path class=\"chain\" stroke=\"#").count(), 3, "two, and one in the legend");
    assert_eq!(svg.matches("<path class=\"chain refused\"").count(), 2, "one, and one in the legend");
    assert_eq!(svg.matches("<path class=\"link\"").count(), 2, "one, and one in the legend");
    assert!(svg.contains("refused: it would merge ecommerceId:clara and ecommerceId:dan"), "{svg}");
    assert!(svg.contains(">1970-01-01 00:05:00</text>"), "the moment of a link of the way: {svg}");
    assert!(svg.contains(">A &lt;title&gt; &amp; &quot;more&quot;</text>"), "{svg}");
    assert_eq!(nodes_and_edges(&picture.dot()), (5, 4));
    assert_eq!(picture.dot().matches("style=dashed").count(), 1);
    assert_eq!(picture.dot().matches("penwidth=4").count(), 3);
}

#[test]
fn the_far_ends_of_refused_links_are_drawn_with_one_group() {
    let engine = told(TABLET);
    let picture = picture(&engine, &["device:d"]);
    assert_eq!((picture.drawn(), picture.left_out()), (4, 0), "Dan, but not his phone");
    assert_eq!(picture.svg().matches("<path class=\"link refused\"").count(), 2, "one, and one in the legend");
}

#[test]
fn what_a_log_says_does_not_break_a_picture() {
    let evil = "a\u{1b}[31m\"</text><script>\\ & ]]> {}\n\u{202e}\u{0}\u{ffff}--";
    let line = |identities: serde_json::Value| {
        serde_json::json!({"timestamp": 1, "user": {"identities": identities}}).to_string() + "\n"
    };
    let log = line(serde_json::json!({"sessionId": evil, "e\"<&'": evil}))
        + &line(serde_json::json!({"e\"<&'": evil, "ecommerceId": format!("{evil}花子")}));
    let engine = replayed(&Rules::default(), &log);
    let view = engine.resolver().view();
    let asked = [view.find("sessionId", evil).expect("known")];
    let picture = Picture::new(view.graph(), &asked, evil);
    let svg = picture.svg();
    assert!(!elements(&svg).contains(&"script".to_owned()));
    assert!(!svg.contains('\u{202e}') && !svg.contains('\u{ffff}'));
    assert_eq!(nodes_and_edges(&picture.dot()), (3, 2));
    assert_eq!(elements(&Picture::new(view.graph(), &[], "").svg())[0], "svg", "of nobody");
}

/// More identities than a picture draws: what was asked for, its chain and the nearest are there, whatever the order of the log.
#[test]
fn a_large_group_is_drawn_in_part_and_says_so() {
    const SESSIONS: usize = MAX_DRAWN + 60;
    let mut events: Vec<String> = (0..SESSIONS).map(|at| format!("{at} sessionId=s{at} ecommerceId=c")).collect();
    let asked = format!("sessionId:s{}", SESSIONS - 1);
    let forwards = picture(&told(&events.join("\n")), &[&asked]);
    events.reverse();
    let backwards = picture(&told(&events.join("\n")), &[&asked]);
    assert_eq!((forwards.drawn(), forwards.left_out()), (MAX_DRAWN, SESSIONS + 1 - MAX_DRAWN));
    let svg = forwards.svg();
    assert!(svg.contains(&format!("{} more identities are left out", SESSIONS + 1 - MAX_DRAWN)), "it says so");
    assert!(svg.contains(&format!(">s{}</text>", SESSIONS - 1)) && svg.contains(">s0</text>"), "asked, and earliest");
    assert!(!svg.contains(&format!(">s{}</text>", SESSIONS - 2)));
    elements(&svg);
    assert_eq!((svg, forwards.dot()), (backwards.svg(), backwards.dot()), "the facts alone make the bytes");
}
