//! Laws over random histories, against the naive reference.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::graph::interner::IdentityColumn;
use crate::graph::links::{LinkId, Links};
use crate::graph::load::AllFacts;
use crate::graph::reference::{Happening, NAMESPACES, Name, Reference};
use crate::graph::sharing::Sharing;
use crate::graph::{Delta, Graph, GraphError};
use crate::model::digest::EventHash;
use crate::model::identity::{IdentityId, Value};
use crate::model::link::{Seen, Unlink, Witness};
use crate::model::namespace::{ECOMMERCE, Levels, Namespaces};
use crate::model::person::Person;
use crate::model::time::Time;

/// Times of random events: few, so that ties are many.
const TIMES: std::ops::Range<i64> = 0..9;

fn levels(unique: bool) -> Namespaces {
    Namespaces::new(Levels { between: Vec::new(), unique: unique.then(|| ECOMMERCE.to_owned()) })
}

/// What `events` add to `graph`, as an engine would say it.
fn delta(graph: &Graph, events: &[Happening]) -> Delta {
    let mut delta = Delta::new(graph.namespaces().clone());
    let before = graph.identities().len() as u32;
    for event in events {
        let time = Time::from_micros(event.time);
        let mut ids = Vec::new();
        for (level, value) in event.names.iter().rev() {
            let namespace = delta.namespaces.intern(NAMESPACES[*level]).unwrap();
            let id = match graph.identities().get(namespace, Value::new(value)) {
                Some(known) => known,
                None => IdentityId(before + delta.identities.intern(namespace, Value::new(value)).0),
            };
            delta.seen.push((id, Seen::at(time)));
            ids.push(id);
        }
        let witness = Witness { event: EventHash(event.time as u128), anchor: ids[ids.len() - 1] };
        for &lower in &ids[1..] {
            delta.links.observe(lower, ids[0], time, witness);
        }
    }
    delta
}

fn id(graph: &Graph, (level, value): &Name) -> IdentityId {
    let namespace = graph.namespaces().get(NAMESPACES[*level]).unwrap();
    graph.identities().get(namespace, Value::new(value)).unwrap()
}

/// Everything the graph says is what the reference says.
fn agree(graph: &Graph, events: &[Happening], unique: bool) {
    agree_without(&[], graph, events, unique);
}

/// The same, where some pairs count as never met.
fn agree_without(unlinked: &[(Name, Name)], graph: &Graph, events: &[Happening], unique: bool) {
    graph.forest.check(&graph.facts);
    let truth = Reference::without(unlinked, events, unique, i64::MAX);
    let ids: Vec<IdentityId> = truth.names.iter().map(|name| id(graph, name)).collect();
    assert_eq!(graph.identities().len(), ids.len());
    for (place, &id) in ids.iter().enumerate() {
        let mut members: Vec<IdentityId> = graph.members(id).collect();
        members.sort_by(|&a, &b| graph.compare(a, b));
        let group: Vec<IdentityId> = truth.group(place).into_iter().map(|member| ids[member]).collect();
        assert_eq!(members, group, "group of {:?}", truth.names[place]);
        assert_eq!(graph.group_size(id), group.len());
        let person = match truth.customer(place) {
            Some(customer) => Person::Customer(ids[customer]),
            None => Person::Anonymous(ids[truth.earliest(place)]),
        };
        assert_eq!(graph.person(id), person);
        let owner = graph.owner(id).map(|owner| (owner.customer, owner.since));
        let expected = truth.owner(place).map(|(at, since)| (ids[at], since.map(Time::from_micros)));
        assert_eq!(owner, expected, "owner of {:?}", truth.names[place]);
        for (other, &to) in ids.iter().enumerate() {
            let link = truth.connected.get(&(place.min(other), place.max(other)));
            let link = link.map(|&(low, high)| graph.links().find(ids[low], ids[high]).unwrap());
            assert_eq!(graph.connected_by(id, to), link, "{:?} to {:?}", truth.names[place], truth.names[other]);
        }
    }
    assert_eq!(graph.links().len(), truth.links.len());
    for (pair, &(first, last, count)) in &truth.links {
        let link = graph.links().find(ids[pair.0], ids[pair.1]).unwrap();
        let known = graph.links()[link];
        assert_eq!((known.first.as_micros(), known.last.as_micros(), known.count), (first, last, count));
        assert_eq!(graph.accepted(link), truth.accepted.contains(pair), "accepted {pair:?}");
        assert_eq!(graph.refused(link), truth.refused.contains(pair), "refused {pair:?}");
        assert!(graph.links_of(known.lower).any(|(at, _)| at == link));
        assert!(graph.links_of(known.higher).any(|(at, _)| at == link));
    }
    let touches: usize = ids.iter().map(|&id| graph.links_of(id).count()).sum();
    assert_eq!(touches, 2 * truth.links.len());
}

/// As of any time, the graph says what the reference says over the links up to then.
fn agree_as_of(graph: &Graph, events: &[Happening], unique: bool) {
    for until in TIMES.start - 1..TIMES.end {
        let truth = Reference::new(events, unique, until);
        for (place, name) in truth.names.iter().enumerate() {
            let owner = graph.owner_as_of(id(graph, name), Time::from_micros(until));
            let owner = owner.map(|owner| (owner.customer, owner.since));
            let expected =
                truth.owner(place).map(|(at, since)| (id(graph, &truth.names[at]), since.map(Time::from_micros)));
            assert_eq!(owner, expected, "owner of {name:?} as of {until}");
        }
    }
}

/// A graph as of any time is that of the events up to then, and knows nobody else.
fn agree_in_the_past(unlinked: &[(Name, Name)], graph: &Graph, events: &[Happening], unique: bool) {
    for until in TIMES.start - 1..TIMES.end {
        let past = graph.as_of(Time::from_micros(until));
        past.forest.check(&past.facts);
        let then: Vec<Happening> = events.iter().filter(|event| event.time <= until).cloned().collect();
        let truth = Reference::without(unlinked, &then, unique, i64::MAX);
        let ids: Vec<IdentityId> = truth.names.iter().map(|name| id(graph, name)).collect();
        for id in past.identities().ids() {
            assert_eq!(past.identity(id), graph.identity(id), "ids stay");
            assert_eq!(past.is_known(id), ids.contains(&id), "{} as of {until}", graph.identity(id));
        }
        for (place, &id) in ids.iter().enumerate() {
            let mut members: Vec<IdentityId> = past.members(id).collect();
            members.sort_by(|&a, &b| past.compare(a, b));
            assert_eq!(members, truth.group(place).into_iter().map(|at| ids[at]).collect::<Vec<_>>());
            let owner = past.owner(id).map(|owner| (owner.customer, owner.since));
            assert_eq!(owner, truth.owner(place).map(|(at, since)| (ids[at], since.map(Time::from_micros))));
            if owner.is_none() {
                assert_eq!(past.person(id), Person::Anonymous(ids[truth.earliest(place)]));
            }
            if !past.is_session(id) {
                continue;
            }
            let mut logins: Vec<_> =
                past.logins_of(id).map(|(_, link)| (link.higher, link.first.as_micros())).collect();
            logins.sort_by(|a, b| past.compare(a.0, b.0));
            let met =
                truth.links.iter().filter(|&(&(low, high), _)| low == place && truth.customer(high) == Some(high));
            let counts = |&(&(low, high), _): &(&(usize, usize), _)| {
                !unlinked.contains(&(truth.names[low].clone(), truth.names[high].clone()))
            };
            let expected: Vec<_> = met.filter(counts).map(|(&(_, high), &(first, ..))| (ids[high], first)).collect();
            assert_eq!(logins, expected, "logins of {:?} as of {until}", truth.names[place]);
            for &(customer, _) in &expected {
                assert!(past.login(id, customer).is_some());
            }
        }
    }
}

/// Applies `delta`, and holds what is said of the change against the graph before.
fn note_and_apply(graph: &mut Graph, delta: Delta) {
    let before = graph.clone();
    let applied = graph.apply(delta).unwrap();
    assert_eq!(applied.identities, before.identities().len());
    for id in before.identities().ids() {
        let was = before.is_known(id).then(|| before.standing(id));
        let is = graph.is_known(id).then(|| graph.standing(id));
        match applied.before.get(&id) {
            Some(noted) => assert_eq!(*noted, was, "{}", graph.identity(id)),
            None => assert!(was == is || applied.identities == 0, "{}", graph.identity(id)),
        }
        let first = |graph: &Graph| graph.is_known(id).then(|| graph.seen(id).first);
        let noted = applied.seen.iter().find(|(seen, _)| *seen == id);
        assert_eq!(noted.map(|noted| noted.1), (first(graph) != first(&before)).then(|| first(&before)));
    }
    let Sharing { gained, lost } = graph.sharing_since(&applied);
    assert_eq!(shared(&before) + gained - lost, shared(graph), "sessions that met several customers");
    for link in graph.links().as_slice() {
        let first = before.links().get(link.lower, link.higher).map(|known| known.first);
        let noted = applied.links.iter().find(|noted| (noted.0, noted.1) == (link.lower, link.higher));
        assert_eq!(noted.map(|noted| noted.2), (first != Some(link.first)).then_some(first));
    }
}

/// The graph that is made of all facts of another at once, the identities in parts of three.
fn loaded(graph: &Graph) -> Graph {
    let ids: Vec<IdentityId> = graph.identities().ids().collect();
    let (mut identities, mut part) = (IdentityColumn::default(), IdentityColumn::default());
    for ids in ids.chunks(3) {
        ids.iter().for_each(|&id| part.push(graph.identities().namespace(id), graph.identities().value(id)));
        identities.append(&mut part);
    }
    let unlink = |(lower, higher)| Unlink { lower, higher, stands: true };
    let all = AllFacts {
        namespaces: graph.namespaces().clone(),
        identities,
        seen: ids.iter().map(|&id| graph.seen(id)).collect(),
        links: graph.links().as_slice().to_vec(),
        unlinks: graph.unlinked_pairs().map(unlink).collect(),
        recounts: Vec::new(),
    };
    Graph::of(all).unwrap()
}

/// How many sessions met several customers.
fn shared(graph: &Graph) -> u64 {
    let met = graph.met_by_all();
    graph.identities().ids().filter(|&id| graph.is_session(id) && met[id.index()].several()).count() as u64
}

/// A value by number: some are UUIDs, and their order is not that of the numbers.
fn value(number: u8) -> String {
    match number % 3 {
        0 => format!("{:08x}-6994-41e2-875d-97ec4d19254b", u32::from(number).wrapping_mul(0x9e37_79b9)),
        1 => format!("{}", 97 - number),
        _ => format!("v{number}"),
    }
}

/// An event with one to four identities, of `width` values in each namespace.
fn happening(width: u8) -> impl Strategy<Value = Happening> {
    let names = vec(proptest::option::of(0..width), NAMESPACES.len());
    (TIMES, names).prop_filter_map("carries no identity", |(time, numbers)| {
        let names: Vec<Name> = numbers
            .into_iter()
            .enumerate()
            .filter_map(|(level, number)| number.map(|number| (level, value(number))))
            .collect();
        (!names.is_empty()).then_some(Happening { time, names })
    })
}

/// A history in batches; dense ones make rings and refusals, wide ones long paths.
fn batches() -> impl Strategy<Value = Vec<Vec<Happening>>> {
    (2u8..9).prop_flat_map(|width| vec(vec(happening(width), 0..14), 1..7))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn after_every_batch_the_graph_is_what_the_rule_says(batches in batches(), unique in prop::bool::weighted(0.8)) {
        let mut graph = Graph::new(levels(unique));
        let mut events = Vec::new();
        for batch in batches {
            let delta = delta(&graph, &batch);
            events.extend(batch);
            note_and_apply(&mut graph, delta);
            agree(&graph, &events, unique);
        }
        agree_as_of(&graph, &events, unique);
        agree_in_the_past(&[], &graph, &events, unique);
    }

    #[test]
    fn a_link_taken_back_is_as_one_never_seen(
        batches in batches(),
        unique in prop::bool::weighted(0.8),
        picks in vec((any::<prop::sample::Index>(), any::<bool>()), 0..12),
    ) {
        let mut graph = Graph::new(levels(unique));
        let (mut events, mut unlinked) = (Vec::new(), Vec::<(Name, Name)>::new());
        let mut picks = picks.into_iter();
        for batch in batches {
            let mut delta = delta(&graph, &batch);
            events.extend(batch);
            // Half of the decisions come with the events of a batch, half alone; each for a pair that met some time.
            for (pick, alone) in picks.by_ref().take(2) {
                let met = Reference::new(&events, unique, i64::MAX);
                let Some((&(low, high), _)) = met.links.iter().nth(pick.index(met.links.len().max(1))) else { continue };
                let pair = (met.names[low].clone(), met.names[high].clone());
                let known = unlinked.iter().position(|known| *known == pair);
                let stands = known.is_none();
                match known {
                    Some(at) => drop(unlinked.swap_remove(at)),
                    None => unlinked.push(pair.clone()),
                }
                if alone {
                    let nothing = Delta::new(delta.namespaces.clone());
                    note_and_apply(&mut graph, std::mem::replace(&mut delta, nothing));
                }
                let place = |name: &Name| {
                    let namespace = delta.namespaces.get(NAMESPACES[name.0]).unwrap();
                    let new = || IdentityId(graph.identities().len() as u32 + delta.identities.get(namespace, Value::new(&name.1)).unwrap().0);
                    graph.identities().get(namespace, Value::new(&name.1)).unwrap_or_else(new)
                };
                let unlink = Unlink { lower: place(&pair.0), higher: place(&pair.1), stands };
                delta.unlinks.push(unlink);
            }
            note_and_apply(&mut graph, delta);
            agree_without(&unlinked, &graph, &events, unique);
            agree_without(&unlinked, &loaded(&graph), &events, unique);
        }
        agree_in_the_past(&unlinked, &graph, &events, unique);
        for pair in std::mem::take(&mut unlinked) {
            let unlink = Unlink { lower: id(&graph, &pair.0), higher: id(&graph, &pair.1), stands: false };
            let delta = Delta { unlinks: vec![unlink], ..Delta::new(graph.namespaces().clone()) };
            note_and_apply(&mut graph, delta);
        }
        agree(&graph, &events, unique);
    }

    #[test]
    fn batches_of_one_event_and_one_batch_agree(events in vec(happening(5), 0..40)) {
        let mut graph = Graph::new(levels(true));
        for event in &events {
            graph.apply(delta(&graph, std::slice::from_ref(event))).unwrap();
        }
        agree(&graph, &events, true);
        let mut whole = Graph::new(levels(true));
        whole.apply(delta(&whole, &events)).unwrap();
        agree(&whole, &events, true);
    }

    #[test]
    fn shares_can_be_reduced_apart(ours in vec(happening(5), 0..30), theirs in vec(happening(5), 0..30)) {
        let all = [ours.clone(), theirs.clone()].concat();
        let mut empty = Graph::new(levels(true));
        let whole = delta(&empty, &all);
        empty.apply(Delta { links: Links::new(), ..whole.clone() }).unwrap(); // identities alone, so that ids agree
        let (mut reduced, mut accepted) = (delta(&empty, &ours).links, Links::new());
        for share in [&ours, &theirs] {
            let mut part = empty.clone();
            part.apply(delta(&empty, share)).unwrap();
            for link in part.links().ids().filter(|&link| part.accepted(link)) {
                accepted.merge_link(part.links()[link]);
            }
        }
        reduced.merge(delta(&empty, &theirs).links);
        prop_assert_eq!(sorted(&reduced), sorted(&whole.links), "links add up");
        let mut forest = empty.clone();
        forest.apply(Delta { links: accepted, ..Delta::new(empty.namespaces().clone()) }).unwrap();
        let mut graph = empty;
        graph.apply(Delta { links: whole.links, ..Delta::new(graph.namespaces().clone()) }).unwrap();
        for id in graph.identities().ids() {
            prop_assert_eq!(forest.owner(id), graph.owner(id));
            prop_assert_eq!(forest.person(id), graph.person(id));
        }
    }
}

fn sorted(links: &Links) -> Vec<crate::model::link::Link> {
    let mut links = links.as_slice().to_vec();
    links.sort_by_key(|link| (link.lower, link.higher));
    links
}

fn event(time: i64, names: &[(usize, &str)]) -> Happening {
    Happening { time, names: names.iter().map(|&(level, value)| (level, value.to_owned())).collect() }
}

#[test]
fn an_earlier_login_in_a_later_batch_moves_the_session() {
    let mut graph = Graph::new(levels(true));
    let (p, q, s) = ((3, "p"), (3, "q"), (0, "s"));
    graph.apply(delta(&graph, &[event(5, &[s, p])])).unwrap();
    let owner =
        |graph: &Graph| graph.owner(id(graph, &(0, "s".to_owned()))).map(|owner| graph.identity(owner.customer));
    assert_eq!(owner(&graph).unwrap().to_string(), "ecommerceId:p");
    graph.apply(delta(&graph, &[event(3, &[s, q])])).unwrap();
    assert_eq!(owner(&graph).unwrap().to_string(), "ecommerceId:q");
    assert!(graph.refused(LinkId(0)) && graph.accepted(LinkId(1)));
}

#[test]
fn a_delta_that_does_not_fit_changes_nothing() {
    let mut graph = Graph::new(levels(true));
    graph.apply(delta(&graph, &[event(5, &[(0, "s"), (3, "p")])])).unwrap();
    let fresh = Graph::new(levels(true));
    let again = delta(&fresh, &[event(1, &[(0, "new"), (3, "p")])]);
    assert_eq!(graph.apply(again).err(), Some(GraphError::Known(IdentityId(0))));
    let mut unknown = Delta::new(levels(true));
    unknown.seen.push((IdentityId(2), Seen::at(Time::from_micros(0))));
    assert_eq!(graph.apply(unknown).err(), Some(GraphError::Unknown(IdentityId(2))));
    assert_eq!(graph.apply(Delta::new(levels(false))).err(), Some(GraphError::Namespaces));
    let mut foreign = Delta::new(levels(true));
    foreign.identities.intern(crate::model::namespace::NamespaceId(9), Value::new("x"));
    assert_eq!(graph.apply(foreign).err(), Some(GraphError::Namespaces));
    agree(&graph, &[event(5, &[(0, "s"), (3, "p")])], true);
}

#[test]
fn the_hash_is_that_of_the_lower_case_name() {
    let mut graph = Graph::new(levels(true));
    graph.apply(delta(&graph, &[event(5, &[(3, "18278")])])).unwrap();
    let expected = crate::model::digest::IdentityHash::new("ecommerceid", Value::new("18278"));
    assert_eq!(graph.hash(IdentityId(0)), expected);
}
