//! A second opinion on everything that is derived.
//!
//! 1. Every block of the store is read and its checksum compared, and indexes are compared with the rows that they are of.
//! 2. What events count as that carry a renamed identity, or one that is set aside, is worked out again and compared.
//! 3. Links and times are reduced again from the stored events, and compared with the stored ones.
//! 4. The people are worked out a second time from the stored links, by a way that shares no code with the graph: every customer
//!    is tied to a virtual root by an edge below all others, petgraph takes a minimum spanning forest of the whole, the
//!    root is dropped, and what hangs together is a person. By the theory in `docs/architecture.md` that is the same.
//! 5. The totals that commits kept up are counted from the beginning and compared.
//! 6. No event carries an identity that was erased.

use std::collections::{BTreeSet, HashMap};

use petgraph::algo::min_spanning_tree;
use petgraph::data::{Element, FromElements};
use petgraph::graph::{NodeIndex, UnGraph};
use petgraph::visit::EdgeRef;
use serde::Serialize;

use crate::engine::check::derive::derive;
use crate::engine::consent::in_hashes;
use crate::engine::count::counted;
use crate::graph::Graph;
use crate::model::digest::{EventHash, ProfileHash};
use crate::model::error::Error;
use crate::model::event::Event;
use crate::model::identity::IdentityId;
use crate::model::link::Link;
use crate::model::time::Time;
use crate::resolver::View;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::recount::CountedEvent;
use crate::store::scan::Events;

/// Differences that are told one by one; the rest are counted. A broken store has as many as it has identities.
const DIFFERENCES_TOLD: usize = 20;

/// What a verification found.
#[derive(Debug, Default, Serialize)]
pub struct Verification {
    /// Stored events that were read.
    pub events: u64,
    /// Identities whose person was worked out a second time.
    pub identities: u64,
    /// Links that were worked out a second time.
    pub links: u64,
    /// Blocks that cannot be read, with the reason.
    pub damaged: Vec<String>,
    /// What differs, the first in words: no more than tell what is wrong.
    pub differences: Vec<String>,
    /// How many differences there are.
    pub different: u64,
}

impl Verification {
    /// Whether nothing is damaged and nothing differs.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.different == 0
    }

    fn differs(&mut self, what: impl FnOnce() -> String) {
        self.different += 1;
        if self.differences.len() < DIFFERENCES_TOLD {
            self.differences.push(what());
        }
    }
}

/// Verifies a store and what was published from it.
pub(crate) fn run(store: &Store, view: &View) -> Result<Verification, Error> {
    let mut found =
        Verification { damaged: store.check()?.iter().map(ToString::to_string).collect(), ..Verification::default() };
    if found.damaged.is_empty() {
        compare_counted(view, &mut found)?;
        compare_facts(view, &mut found)?;
        compare_people(view.graph(), &mut found);
        compare_totals(view, &mut found)?;
        find_erased(store, view, &mut found)?;
    }
    Ok(found)
}

/// What commits kept of how much there is, counted again.
fn compare_totals(view: &View, found: &mut Verification) -> Result<(), Error> {
    if let Some(kept) = view.known_totals() {
        let counted = view.totals_counted()?;
        if kept != counted {
            found.differs(|| format!("the totals were kept as {kept:?}, a count says {counted:?}"));
        }
    }
    if let Some(kept) = view.known_counts() {
        let counted = view.graph().count_all();
        if kept != counted {
            found.differs(|| format!("counts were kept as {kept:?}, a count says {counted:?}"));
        }
    }
    Ok(())
}

/// Events that carry, as they were written, an identity that was erased: one that is erased may be renamed to, or unlinked. Costs a hash of
/// every identity where any was erased and, where the store holds such a one, a read of the events.
fn find_erased(store: &Store, view: &View, found: &mut Verification) -> Result<(), StoreError> {
    let (barred, graph) = (store.barred(), view.graph());
    if barred.tombstones().next().is_none() {
        return Ok(());
    }
    let until = |id| {
        let (name, value) = in_hashes(graph, id);
        Some((id, barred.bar(name, value).erased_until?))
    };
    let erased: HashMap<IdentityId, Time> = graph.identities().ids().filter_map(until).collect();
    if erased.is_empty() {
        return Ok(());
    }
    let mut carried: BTreeSet<IdentityId> = BTreeSet::new();
    let mut scan = view.stored_events().as_written().scan(0..u32::MAX);
    while let Some(group) = scan.next()? {
        for event in group.events() {
            let ids = std::iter::once(group.anchor()).chain(event.companions.iter().copied());
            carried.extend(ids.filter(|id| erased.get(id).is_some_and(|&until| event.time <= until)));
        }
    }
    for id in carried {
        found.differs(|| format!("{} was erased, and an event carries it", graph.identity(id)));
    }
    Ok(())
}

/// An event, and the segments and traits that it has.
type CountedHash = (EventHash, ProfileHash);

/// What events count as that were written otherwise, worked out again, with their segments and traits: of several that count as one event
/// any may have told what it has. Thirty-two bytes for each of them.
fn compare_counted(view: &View, found: &mut Verification) -> Result<(), Error> {
    let (graph, events) = (view.graph(), view.stored_events());
    let mut misplaced = 0;
    let hashes = |events: Events, hash: &mut dyn FnMut(IdentityId, &Event<'_>) -> Option<EventHash>| {
        let mut hashes: Vec<CountedHash> = Vec::new();
        let mut scan = events.scan(0..u32::MAX);
        while let Some(group) = scan.next()? {
            let of = |event: Event<'_>| Some((hash(group.anchor(), &event)?, ProfileHash::new(event.profile)));
            hashes.extend(group.events().filter_map(of));
        }
        hashes.sort_unstable();
        hashes.dedup();
        Ok::<_, StoreError>(hashes)
    };
    let expected =
        hashes(events.written_only(), &mut |anchor, event| match counted(graph, graph.counting(), anchor, event) {
            CountedEvent::As(anchor, ids) => Some(graph.event_hash(anchor, &Event { companions: &ids, ..*event })),
            CountedEvent::Nothing => None,
            CountedEvent::AsWritten => {
                misplaced += 1;
                None
            }
        })?;
    let stored = hashes(events.counted(), &mut |anchor, event| Some(graph.event_hash(anchor, event)))?;
    let once = |all: &[CountedHash]| all.chunk_by(|a, b| a.0 == b.0).map(|same| same[0].0).collect::<Vec<_>>();
    let (stored_once, expected_once) = (once(&stored), once(&expected));
    if stored_once != expected_once {
        let (stored, expected) = (stored_once.len(), expected_once.len());
        found.differs(|| format!("{stored} events are stored as counted, the decisions say {expected}"));
    }
    let untold = stored.iter().filter(|event| expected.binary_search(event).is_err()).count();
    if stored_once == expected_once && untold > 0 {
        found.differs(|| {
            format!("{untold} events are stored as counted with other segments or traits than were written")
        });
    }
    if !graph.counting().is_empty() {
        hashes(events.plain(), &mut |anchor, event| {
            misplaced += usize::from(graph.counting().touches(anchor, event.companions));
            None
        })?;
    }
    if misplaced > 0 {
        found.differs(|| format!("{misplaced} events lie where those lie that are counted otherwise"));
    }
    Ok(())
}

/// Links and times, reduced again from the stored events.
fn compare_facts(view: &View, found: &mut Verification) -> Result<(), Error> {
    let graph = view.graph();
    let derived = derive(view)?;
    found.events = derived.events;
    found.links = graph.links().as_slice().len() as u64;
    for link in derived.links.as_slice() {
        let ends = || format!("{} and {}", graph.identity(link.lower), graph.identity(link.higher));
        match graph.links().get(link.lower, link.higher) {
            Some(stored) if stored == link => {}
            Some(stored) => found.differs(|| format!("link of {}: stored {stored:?}, events say {link:?}", ends())),
            None => found.differs(|| format!("link of {}: not stored, events say {link:?}", ends())),
        }
    }
    if derived.links.as_slice().len() != graph.links().as_slice().len() {
        found.differs(|| "there are stored links that no stored event is evidence of".to_owned());
    }
    for id in graph.identities().ids() {
        let (stored, seen) = (graph.seen(id), derived.seen(id));
        if stored != seen {
            found.differs(|| format!("{}: stored as seen {stored:?}, events say {seen:?}", graph.identity(id)));
        }
    }
    Ok(())
}

/// People, worked out a second time from the stored links.
fn compare_people(graph: &Graph, found: &mut Verification) {
    let people = people_by_spanning_forest(graph);
    found.identities = graph.identities().ids().filter(|&id| graph.is_known(id)).count() as u64;
    for (index, (name, since)) in people.into_iter().enumerate() {
        let id = IdentityId(index as u32);
        let person = graph.person(id).identity();
        let owner_since = graph.owner(id).and_then(|owner| owner.since);
        if (person, owner_since) != (name, since) {
            found.differs(|| {
                let (identity, person, name) = (graph.identity(id), graph.identity(person), graph.identity(name));
                format!("{identity}: answered {person} since {owner_since:?}, the spanning forest says {name} since {since:?}")
            });
        }
    }
}

/// The identity that names the person of each identity, and since when it is a customer's.
fn people_by_spanning_forest(graph: &Graph) -> Vec<(IdentityId, Option<Time>)> {
    let count = graph.identities().len();
    let counts = graph.links().ids().filter(|&id| !graph.unlinked(id));
    let mut links: Vec<&Link> = counts.map(|id| &graph.links()[id]).collect();
    links.sort_by(|a, b| {
        let ends = |x, y| graph.compare(x, y);
        a.first.cmp(&b.first).then_with(|| ends(a.higher, b.higher)).then_with(|| ends(a.lower, b.lower))
    });
    // Node `count` is the root. Weights are the places in key order, from 1; the root's edges weigh 0.
    let mut rooted = UnGraph::<(), usize>::with_capacity(count + 1, links.len() + count);
    for _ in 0..=count {
        rooted.add_node(());
    }
    for customer in graph.identities().ids().filter(|&id| graph.is_customer(id)) {
        rooted.add_edge(NodeIndex::new(customer.index()), NodeIndex::new(count), 0);
    }
    for (place, link) in links.iter().enumerate() {
        rooted.add_edge(NodeIndex::new(link.lower.index()), NodeIndex::new(link.higher.index()), place + 1);
    }
    let without_root = min_spanning_tree(&rooted).filter(
        |element| !matches!(element, Element::Edge { source, target, .. } if *source == count || *target == count),
    );
    let forest = UnGraph::<(), usize>::from_elements(without_root);
    people_of_forest(graph, &forest, &links)
}

/// Walks each tree from its customer or, without one, from any member, noting the latest link on the way.
fn people_of_forest(graph: &Graph, forest: &UnGraph<(), usize>, links: &[&Link]) -> Vec<(IdentityId, Option<Time>)> {
    let mut people: Vec<Option<(IdentityId, Option<Time>)>> = vec![None; graph.identities().len()];
    let (customers, others): (Vec<_>, Vec<_>) = graph.identities().ids().partition(|&id| graph.is_customer(id));
    for start in customers.into_iter().chain(others) {
        if people[start.index()].is_some() {
            continue;
        }
        let owned = graph.is_customer(start);
        people[start.index()] = Some((start, None));
        let mut tree = vec![(start, 0)];
        let mut next = 0;
        while let Some(&(id, latest)) = tree.get(next) {
            next += 1;
            for edge in forest.edges(NodeIndex::new(id.index())) {
                let neighbour = IdentityId(edge.target().index() as u32);
                let latest = latest.max(*edge.weight());
                if people[neighbour.index()].is_none() {
                    people[neighbour.index()] = Some((start, owned.then(|| links[latest - 1].first)));
                    tree.push((neighbour, latest));
                }
            }
        }
        if !owned {
            let by_first_seen = |a: IdentityId, b: IdentityId| {
                graph.seen(a).first.cmp(&graph.seen(b).first).then_with(|| graph.compare(a, b))
            };
            let name = tree.iter().map(|&(id, _)| id).min_by(|&a, &b| by_first_seen(a, b)).unwrap_or(start);
            for (id, _) in tree {
                people[id.index()] = Some((name, None));
            }
        }
    }
    people.into_iter().flatten().collect()
}
