//! `explain` on random histories: every link it names is one of the oracle's, every chain connects, is as short as can be,
//! and says when; every refusal names the owners of its moment. All by brute force over the oracle's links.

use std::collections::{BTreeMap, VecDeque};

use backstitch::graph::explain::MAX_REFUSALS;
use backstitch::rows::{Evidence, OwnerRow};
use backstitch::{Identity, Picture};
use proptest::prelude::*;

use crate::harness::replayed;
use crate::history::{cases, history};
use crate::oracle::{Id, Link, Verdict, judge};
use crate::pictures::{elements, moments_can_be_read, nodes_and_edges, people_are_told_apart};

/// The oracle's links, and what follows from taking them in order.
struct Truth<'v> {
    verdict: &'v Verdict,
    /// By place in `verdict.links`.
    refused: Vec<bool>,
    /// The place of the link that first connected a pair; both orders.
    connected: BTreeMap<(&'v Id, &'v Id), usize>,
}

impl<'v> Truth<'v> {
    fn new(verdict: &'v Verdict) -> Self {
        let refused: Vec<bool> = verdict.links.iter().map(|link| verdict.refused.contains(link)).collect();
        let mut groups: Vec<Vec<&Id>> = verdict.identities.keys().map(|id| vec![id]).collect();
        let mut connected = BTreeMap::new();
        for (at, link) in verdict.links.iter().enumerate().filter(|(at, _)| !refused[*at]) {
            let group = |id: &Id| groups.iter().position(|group| group.contains(&id)).expect("known");
            let (low, high) = (group(&link.lower), group(&link.higher));
            if low == high {
                continue;
            }
            for &a in &groups[low] {
                for &b in &groups[high] {
                    connected.insert((a, b), at);
                    connected.insert((b, a), at);
                }
            }
            let moved = std::mem::take(&mut groups[low]);
            groups[high].extend(moved);
        }
        Self { verdict, refused, connected }
    }

    fn same(&self, a: &Id, b: &Id) -> bool {
        a == b || self.connected.contains_key(&(a, b))
    }

    /// The owner of an identity when the link at `place` was taken.
    fn owner(&self, id: &Id, place: usize) -> (String, Option<String>) {
        if id.is_customer() {
            return (id.to_string(), None);
        }
        let mut customers = self.verdict.identities.keys().filter(|other| other.is_customer());
        let of_then = customers.find_map(|customer| {
            let at = *self.connected.get(&(id, customer))?;
            (at < place).then(|| (customer.to_string(), Some(crate::oracle::rfc3339(self.verdict.links[at].first))))
        });
        of_then.expect("an owner, else it would not be refused")
    }

    /// The least cost from `a` to every identity it can reach, where a link costs what `cost` says, or cannot be used.
    fn costs(&self, a: &'v Id, cost: impl Fn(usize) -> Option<usize>) -> BTreeMap<&'v Id, usize> {
        let mut costs = BTreeMap::from([(a, 0)]);
        let mut due = VecDeque::from([a]);
        while let Some(id) = due.pop_front() {
            for (place, link) in self.verdict.links.iter().enumerate() {
                let Some(cost) = cost(place) else { continue };
                for (from, to) in [(&link.lower, &link.higher), (&link.higher, &link.lower)] {
                    let sum = costs[id] + cost;
                    if from == id && costs.get(to).is_none_or(|&known| sum < known) {
                        costs.insert(to, sum);
                        due.push_back(to);
                    }
                }
            }
        }
        costs
    }

    /// The place of a link that was told, every figure of which is the oracle's.
    fn place(&self, told: &Evidence) -> usize {
        let all = &self.verdict.links;
        let is = |link: &Link| {
            (link.lower.to_string(), link.higher.to_string()) == (told.lower.to_string(), told.higher.to_string())
        };
        let place = all.iter().position(is).expect("a link that is stored");
        let link = &all[place];
        assert_eq!((told.first.as_micros(), told.last.as_micros(), told.count), (link.first, link.last, link.count));
        let shown = |event: &&crate::oracle::Event| {
            event.time == link.first && event.ids.contains(&link.lower) && event.ids.last() == Some(&link.higher)
        };
        let witness = self.verdict.events.keys().filter(shown).map(|event| event.hash()).min().expect("a witness");
        assert_eq!(told.witness.hash, format!("{witness:032x}"));
        assert_eq!((told.witness.time, told.witness.sources.len()), (told.first, 1));
        match (&told.obstacle, self.refused[place]) {
            (None, false) => {}
            (Some(obstacle), true) => {
                let row = |owner: &OwnerRow| (owner.customer.to_string(), owner.since.map(|since| since.to_string()));
                assert_eq!(row(&obstacle.lower), self.owner(&link.lower, place));
                assert_eq!(row(&obstacle.higher), self.owner(&link.higher, place));
            }
            (_, refused) => panic!("{told:?} refused: {refused}"),
        }
        place
    }

    /// The places of a chain, which leads from `a` to `b` link by link.
    fn chain(&self, told: &[Evidence], a: &Id, b: &Id) -> Vec<usize> {
        let places: Vec<usize> = told.iter().map(|link| self.place(link)).collect();
        let mut at = a;
        for &place in &places {
            let Link { lower, higher, .. } = &self.verdict.links[place];
            assert!(at == lower || at == higher, "{at} is no end of {lower} {higher}");
            at = if at == lower { higher } else { lower };
        }
        assert_eq!(at, b, "where it ends");
        places
    }

    /// The chains between two of one group: the shortest, and the one that connected them first.
    fn chains(&self, told: &[Evidence], decisive: Option<&[Evidence]>, a: &Id, b: &Id, shortest: usize) {
        assert_eq!(self.chain(told, a, b).len(), shortest);
        assert!(told.iter().all(|link| link.obstacle.is_none()));
        let decisive = self.chain(decisive.unwrap_or(told), a, b);
        assert_eq!(decisive.iter().max(), self.connected.get(&(a, b)), "the moment that connected them");
    }

    /// Refused links that were told, of all that satisfy `which`.
    fn refusals(&self, told: &[Evidence], more: usize, which: impl Fn(&Link) -> bool) {
        let all: Vec<usize> =
            (0..self.refused.len()).filter(|&at| self.refused[at] && which(&self.verdict.links[at])).collect();
        let told: Vec<usize> = told.iter().map(|link| self.place(link)).collect();
        assert_eq!(told, all[..all.len().min(MAX_REFUSALS)]);
        assert_eq!(more, all.len() - told.len());
    }
}

fn identity(id: &Id) -> Identity {
    Identity { namespace: id.namespace.clone(), value: id.value.clone() }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn explain_names_what_is_stored_and_its_chains_connect(history in history(60)) {
        let verdict = judge(&history.rules, &[(String::new(), history.lines.clone())]);
        let engine = replayed(&history.rules, &history.lines.join("\n"));
        let view = engine.resolver().view();
        let truth = Truth::new(&verdict);
        for (a, answer) in &verdict.identities {
            let steps = truth.costs(a, |place| (!truth.refused[place]).then_some(1));
            let refused = truth.costs(a, |place| Some(usize::from(truth.refused[place])));
            let found = view.explain(&a.namespace, &a.value).expect("a sound store").expect("known");
            prop_assert_eq!(found.party.person.to_string(), answer.person.to_string());
            prop_assert_eq!(found.party.since.map(|since| since.as_micros()), answer.since);
            truth.chains(&found.chain, found.decisive.as_deref(), a, &answer.person, steps[&answer.person]);
            truth.refusals(&found.refused, found.more_refused, |link| &link.lower == a || &link.higher == a);

            for b in verdict.identities.keys() {
                let found = view.explain_pair(&identity(a), &identity(b)).expect("a sound store").expect("known");
                prop_assert_eq!(found.same, truth.same(a, b));
                let connected = truth.connected.get(&(a, b)).map(|&at| verdict.links[at].first);
                prop_assert_eq!(found.connected.map(|time| time.as_micros()), connected);
                let ties = |link: &Link| {
                    (truth.same(a, &link.lower) && truth.same(b, &link.higher))
                        || (truth.same(b, &link.lower) && truth.same(a, &link.higher))
                };
                truth.refusals(&found.refused, found.more_refused, |link| !found.same && ties(link));
                if found.same {
                    truth.chains(&found.chain, found.decisive.as_deref(), a, b, steps[b]);
                    prop_assert!(found.way.is_empty());
                } else {
                    prop_assert!(found.chain.is_empty() && found.decisive.is_none());
                    match refused.get(b) {
                        None => prop_assert!(found.way.is_empty()),
                        Some(&least) => {
                            truth.chain(&found.way, a, b);
                            prop_assert_eq!(found.way.iter().filter(|link| link.obstacle.is_some()).count(), least);
                        }
                    }
                }
            }
        }
    }

    /// The words of an answer and the bytes of a picture hang on the facts, not on the order they came in.
    #[test]
    fn explain_and_its_pictures_do_not_know_the_order_of_the_log(
        (history, shuffled) in history(60).prop_flat_map(|history| {
            let lines = Just(history.lines.clone()).prop_shuffle();
            (Just(history), lines)
        }),
    ) {
        let verdict = judge(&history.rules, &[(String::new(), history.lines.clone())]);
        let engines = [&history.lines, &shuffled].map(|lines| replayed(&history.rules, &lines.join("\n")));
        let ids: Vec<&Id> = verdict.identities.keys().collect();
        for pair in ids.windows(2) {
            let [told, other] = engines.each_ref().map(|engine| {
                let view = engine.resolver().view();
                let mut found = view.explain_pair(&identity(pair[0]), &identity(pair[1])).expect("sound").expect("known");
                // Each store read a file of its own.
                let links = found.chain.iter_mut().chain(&mut found.refused).chain(&mut found.way);
                links.chain(found.decisive.iter_mut().flatten()).for_each(|link| link.witness.sources.clear());
                let picture = Picture::new(&view, &[pair[0], pair[1]].map(identity), "title");
                (found, picture.svg(), picture.dot(), picture.drawn())
            });
            elements(&told.1);
            moments_can_be_read(&told.1);
            people_are_told_apart(&told.1);
            prop_assert_eq!(nodes_and_edges(&told.2).0, told.3);
            prop_assert_eq!(told, other);
        }
    }
}
