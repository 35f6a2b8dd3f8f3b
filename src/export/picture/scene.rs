//! What is drawn: the identities nearest to the asked ones, and the links among them.

use std::cmp::Ordering;

use hashbrown::{HashMap, HashSet};

use crate::export::picture::label::labels;
use crate::export::picture::{DrawnIdentity, DrawnLink, DrawnPerson, Picture};
use crate::graph::Graph;
use crate::graph::explain::WhyNot;
use crate::graph::links::LinkId;
use crate::model::identity::{Identity, IdentityId};
use crate::model::limits::MAX_DRAWN;
use crate::model::link::Link;
use crate::model::writing::visible;
use crate::resolver::View;

impl Picture {
    /// The picture of `asked` (one identity, or two to compare) under a title, whose first line is written larger.
    ///
    /// Of one identity it shows the chain to the one that names its person; of two the chain between them or, where they
    /// are not one person, the way with the fewest refused links. Drawn are the groups that these go through, and the
    /// far ends of the refused links that touch them.
    ///
    /// An identity that no event carries is left out. Linear in the links of those groups, but for sorting the identities that are equally near.
    pub fn new(view: &View, asked: &[Identity], title: impl Into<String>) -> Self {
        let graph = view.graph();
        let find = |identity: &Identity| view.find(&identity.namespace, &identity.value);
        let asked = &asked.iter().filter_map(find).collect::<Vec<IdentityId>>()[..];
        let chain = chain(graph, asked);
        let near = Near::new(graph, asked, &chain);
        let mut drawn = near.drawn.clone();
        let people = near.people();
        let place: HashMap<IdentityId, usize> = people.iter().enumerate().map(|(at, &id)| (id, at)).collect();
        let person = |id: IdentityId| place[&graph.person(id).identity()];
        let level = |id: IdentityId| graph.identities().namespace(id);
        let ends = chain.iter().map(|&link| graph.links()[link]).flat_map(|link| [link.lower, link.higher]);
        let on_chain: HashSet<IdentityId> = ends.chain(asked.iter().copied()).collect();
        drawn.sort_by(|&a, &b| {
            let seen = || graph.seen(a).first.cmp(&graph.seen(b).first).then_with(|| graph.compare(a, b));
            let levels = graph.namespaces().cmp(level(a), level(b));
            let first = |id: IdentityId| (person(id), !on_chain.contains(&id));
            levels.then_with(|| first(a).cmp(&first(b))).then_with(seen)
        });
        let identity = |&id: &IdentityId| graph.identity(id);
        let identities: Vec<Identity> = drawn.iter().map(identity).collect();
        let labels = labels(identities.iter().map(|identity| &*identity.value));
        let mut columns = 0;
        let mut nodes: Vec<DrawnIdentity> = Vec::with_capacity(drawn.len());
        for (at, (&id, identity)) in drawn.iter().zip(&identities).enumerate() {
            columns += usize::from(at == 0 || level(drawn[at - 1]) != level(id));
            nodes.push(DrawnIdentity {
                identity: identity.clone(),
                namespace: visible(&identity.namespace).into_owned(),
                label: labels[&*identity.value].clone(),
                column: columns - 1,
                person: person(id),
                asked: asked.contains(&id),
                customer: graph.is_customer(id),
                seen: graph.seen(id),
            });
        }
        let drawn_person = |&id: &IdentityId| {
            let identity = graph.identity(id);
            DrawnPerson { label: labels[&*identity.value].clone(), identity, customer: graph.is_customer(id) }
        };
        Self {
            title: title.into(),
            people: people.iter().map(drawn_person).collect(),
            links: links(graph, &drawn, &chain),
            nodes,
            columns,
            left_out: near.left_out,
        }
    }
}

/// The chain to emphasise.
fn chain(graph: &Graph, asked: &[IdentityId]) -> Vec<LinkId> {
    let (a, b) = match *asked {
        [] => return Vec::new(),
        [a] => (a, graph.person(a).identity()),
        [a, b, ..] => (a, b),
    };
    match graph.why_not(a, b) {
        None => graph.chain(a, b).unwrap_or_default(),
        Some(WhyNot::Refused { way, .. } | WhyNot::Through(way)) => way,
        Some(WhyNot::Strangers) => Vec::new(),
    }
}

/// The links among those that are drawn, by their ends.
fn links(graph: &Graph, drawn: &[IdentityId], chain: &[LinkId]) -> Vec<DrawnLink> {
    let place: HashMap<IdentityId, usize> = drawn.iter().enumerate().map(|(at, &id)| (id, at)).collect();
    let chain: HashSet<LinkId> = chain.iter().copied().collect();
    let mut links = Vec::new();
    for (&id, &lower) in &place {
        for (link, &Link { higher, first, last, count, .. }) in graph.links_above(id) {
            if let Some(&higher) = place.get(&higher).filter(|_| graph.counts(link)) {
                let (refused, chain) = (graph.refused(link), chain.contains(&link));
                links.push(DrawnLink { lower, higher, first, last, count, refused, chain });
            }
        }
    }
    links.sort_unstable_by_key(|link| (link.lower, link.higher));
    links
}

/// Identities of a group that is searched for the chain from a far end to the one that names its person. In a larger one that
/// search may look at many links, and a picture has room for few chains.
const GROUP_SEARCHED: usize = 1_000;

/// What is near to the asked identities.
struct Near<'g> {
    graph: &'g Graph,
    /// The nearest: the asked ones and the chain, then what is fewest links away; of equally near ones those that the earliest
    /// links lead to. Each stands before the one that names its person, which is always there.
    drawn: Vec<IdentityId>,
    is_drawn: HashSet<IdentityId>,
    /// Whether one did not fit: then those that are farther away are left out too.
    full: bool,
    left_out: usize,
}

impl<'g> Near<'g> {
    fn new(graph: &'g Graph, asked: &[IdentityId], chain: &[LinkId]) -> Self {
        let mut near = Self { graph, drawn: Vec::new(), is_drawn: HashSet::new(), full: false, left_out: 0 };
        let ends = chain.iter().map(|&link| graph.links()[link]).flat_map(|link| [link.lower, link.higher]);
        // A chain may be longer than a picture is large: then what is near to its two ends is drawn.
        for id in asked.iter().copied().chain(ends) {
            near.draw(&[id]);
        }
        let shown: HashSet<IdentityId> = near.drawn.iter().map(|&id| graph.person(id).identity()).collect();
        let met = near.spread(asked, &shown);
        near.left_out = met.iter().filter(|id| !near.is_drawn.contains(*id)).count();
        near.tie(&shown);
        near
    }

    /// Draws identities of one person and the one that names it, where there is room for them all.
    fn draw(&mut self, of_one: &[IdentityId]) {
        let named_by = of_one.iter().map(|&id| self.graph.person(id).identity()).take(1);
        let mut new: Vec<IdentityId> = Vec::with_capacity(of_one.len() + 1);
        for id in of_one.iter().copied().chain(named_by) {
            if !self.is_drawn.contains(&id) && !new.contains(&id) {
                new.push(id);
            }
        }
        self.full |= self.drawn.len() + new.len() > MAX_DRAWN;
        if !self.full {
            self.is_drawn.extend(&new);
            self.drawn.extend(new);
        }
    }

    /// Goes on from the asked identities, a level of links at a time, through the groups of the people `shown`. Returns what it met.
    fn spread(&mut self, asked: &[IdentityId], shown: &HashSet<IdentityId>) -> HashSet<IdentityId> {
        let graph = self.graph;
        let mut met: HashSet<IdentityId> = asked.iter().copied().collect();
        let mut level: Vec<IdentityId> = asked.to_vec();
        while !level.is_empty() {
            let mut next: HashMap<IdentityId, LinkId> = HashMap::new();
            let inside = level.iter().filter(|&&id| shown.contains(&graph.person(id).identity()));
            for (link, &Link { lower, higher, .. }) in inside.flat_map(|&id| graph.links_of(id)) {
                for end in [lower, higher] {
                    if !met.contains(&end) && graph.counts(link) {
                        let known = next.entry(end).or_insert(link);
                        if graph.compare_links(link, *known) == Ordering::Less {
                            *known = link;
                        }
                    }
                }
            }
            let mut nearest: Vec<(LinkId, IdentityId)> = next.into_iter().map(|(id, link)| (link, id)).collect();
            nearest.sort_unstable_by(|a, b| graph.compare_links(a.0, b.0));
            level = nearest.into_iter().map(|(_, id)| id).collect();
            met.extend(&level);
            for &id in &level {
                self.draw(&[id]);
            }
        }
        met
    }

    /// Draws what ties far ends to those that name their people, where there is room for it.
    fn tie(&mut self, shown: &HashSet<IdentityId>) {
        for id in self.drawn.clone() {
            let named_by = self.graph.person(id).identity();
            if self.full {
                return;
            }
            if shown.contains(&named_by) || id == named_by || self.graph.group_size(id) > GROUP_SEARCHED {
                continue;
            }
            let chain = self.graph.chain(id, named_by).unwrap_or_default();
            let ends =
                chain.into_iter().map(|link| self.graph.links()[link]).flat_map(|link| [link.lower, link.higher]);
            self.draw(&ends.collect::<Vec<_>>());
        }
    }

    /// The people of those that are drawn, the nearest first.
    fn people(&self) -> Vec<IdentityId> {
        let mut met = HashSet::new();
        self.drawn.iter().map(|&id| self.graph.person(id).identity()).filter(|&person| met.insert(person)).collect()
    }
}
