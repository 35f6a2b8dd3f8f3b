//! The part of a graph that one question is about, read by the indexes of the store.
//!
//! Whom an identity belongs to follows from few links. Every customer hangs on a virtual root by an edge below all links (`docs/architecture.md`),
//! so a way through a customer decides nothing that the root does not. What hangs together without ways through customers, with its
//! links to these, is a *region*: the forest of all links, within a region, is the forest of the links of the region. The group of a
//! customer lies in the regions of the identities that it stands on an event with.
//!
//! So a part holds whole regions, and customers at their edge: of these it knows who they are, and of those that are *expanded*, all else.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::engine::quarantine::is_nobody_over;
use crate::graph::Graph;
use crate::graph::interner::IdentityColumn;
use crate::graph::load::AllFacts;
use crate::model::counting::{Counting, CountsAs, Recount};
use crate::model::error::Error;
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::link::{Link, Unlink, Witness};
use crate::model::namespace::{NamespaceId, Namespaces};
use crate::model::person::Person;
use crate::model::policy::Reading;
use crate::model::seen::SeenColumn;
use crate::model::source::Source;
use crate::resolver::{Published, Resolver, View};
use crate::store::Store;
use crate::store::excerpt::Excerpt;
use crate::store::point::{PointReader, StoredIdentity, Unanswered};

/// How often a part may turn out too small: for the customers of its identities, for what their events name, and for others on the way from one
/// to another, of whom a long way leads past many.
const ROUNDS: usize = 32;

/// A question about a few identities.
pub struct Question<'q> {
    /// They.
    pub asked: &'q [Identity],
    /// How facts are read.
    pub reading: Reading,
    /// Asks it of a view, and says whether the view can tell the whole answer.
    pub ask: &'q dyn Fn(&View) -> Result<bool, Error>,
}

/// A view of the part of a store that a question is about, which answers it as one of the whole store does.
pub fn view(store: &Store, namespaces: &Namespaces, question: &Question<'_>) -> Result<View, Unanswered> {
    let mut part = Part::new(store, namespaces)?;
    let asked = part.begin(question)?;
    for _ in 0..ROUNDS {
        let (view, excerpt) = part.build(question.reading)?;
        let mut grown = false;
        for &id in &asked {
            let person = excerpt.own(id).map(|own| view.person_of(own)).transpose();
            if let Ok(Some(Person::Customer(customer))) = person {
                grown |= part.expand(excerpt.stored(customer)?)?;
            }
        }
        let answered = (question.ask)(&view);
        // Of a person that is not known in full, events are not either.
        for id in excerpt.missing() {
            part.add(id)?;
            grown = true;
        }
        match answered {
            _ if grown => {}
            Ok(true) => return Ok(view),
            // Where nobody else is tied to them, that is the whole answer.
            Ok(false) if !part.expand_all()? => return Ok(view),
            Ok(false) => {}
            Err(_) => return Err(Unanswered),
        }
    }
    Err(Unanswered)
}

/// The people of what was decided about links alone, with totals and counts of everything: what is told of a store as a whole.
pub fn told_of_all(store: &Store, namespaces: &Namespaces) -> Result<Resolver, Unanswered> {
    let mut part = Part::new(store, namespaces)?;
    let (Some(totals), Some(counts)) = (store.totals()?, store.counts()?) else { return Err(Unanswered) };
    let ends: BTreeSet<IdentityId> = part.unlinks.iter().flat_map(|unlink| [unlink.lower, unlink.higher]).collect();
    ends.into_iter().try_for_each(|id| part.add(id))?;
    let (published, _) = part.published()?;
    let resolver = Resolver::new(Published { totals: Some(totals), counts: Some(counts), ..published });
    // Who is over the limits, and what counts otherwise, else follows from everything.
    let limits = store.limits()?.unwrap_or_default();
    if is_nobody_over(&resolver.view(), limits) && part.counting.is_empty() { Ok(resolver) } else { Err(Unanswered) }
}

struct Part<'s> {
    store: &'s Store,
    namespaces: &'s Namespaces,
    reader: PointReader<'s>,
    identities: BTreeMap<IdentityId, StoredIdentity>,
    links: BTreeMap<(IdentityId, IdentityId), Link>,
    unlinks: Vec<Unlink>,
    counting: Counting,
    sources: Vec<Source>,
    /// Those whose links are all known.
    explored: HashSet<IdentityId>,
}

impl<'s> Part<'s> {
    fn new(store: &'s Store, namespaces: &'s Namespaces) -> Result<Self, Unanswered> {
        let mut reader = PointReader::new(store)?;
        let unlinks = reader.unlinks()?;
        let mut counting = Counting::default();
        reader.recounts()?.into_iter().for_each(|recount| counting.decide(recount));
        let (sources, explored) = (reader.sources()?, HashSet::new());
        let (identities, links) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { store, namespaces, reader, identities, links, unlinks, counting, sources, explored })
    }

    /// Adds the regions of what is asked about. Returns those that the store holds, as they count.
    fn begin(&mut self, question: &Question<'_>) -> Result<Vec<IdentityId>, Unanswered> {
        let mut found = Vec::new();
        for identity in question.asked {
            let namespace = [&*identity.namespace, identity.namespace.trim()].into_iter();
            let namespace = namespace.filter_map(|name| self.namespaces.get(name)).next();
            let value = identity.value.trim();
            let id = match namespace {
                Some(namespace) => self.meet(namespace, value)?,
                None => None,
            };
            let is_known = match id {
                Some(id) => self.reader.seen(id)?.is_known(),
                None => false,
            };
            if let Some(id) = id {
                self.explore(id)?;
                found.push(id);
                self.add_renamed_to(id)?;
            }
            // By an earlier moment it may be as unknown as one that nobody ever saw.
            if !is_known || question.reading.as_of.is_some() {
                self.add_alike(value)?;
            }
        }
        Ok(found)
    }

    /// Adds an identity and all that it was renamed to, if the store holds it. Returns what it counts as.
    fn meet(&mut self, namespace: NamespaceId, value: &str) -> Result<Option<IdentityId>, Unanswered> {
        let Some(id) = self.reader.find(namespace, value)? else { return Ok(None) };
        let chain: Vec<IdentityId> = self.counting.chain(id).collect();
        chain.into_iter().try_for_each(|id| self.add(id))?;
        Ok(self.counting.of(id))
    }

    /// Adds those that count as an identity since they were renamed.
    fn add_renamed_to(&mut self, id: IdentityId) -> Result<(), Unanswered> {
        let counts_as_it = |recount: &Recount| self.counting.of(recount.id) == Some(id);
        let renamed: Vec<IdentityId> = self.counting.all().filter(counts_as_it).map(|recount| recount.id).collect();
        let chains: BTreeSet<IdentityId> = renamed.into_iter().flat_map(|id| self.counting.chain(id)).collect();
        chains.into_iter().try_for_each(|id| self.add(id))
    }

    /// Adds the identities of any namespace that have a value, or what stands in it after the first colon.
    fn add_alike(&mut self, value: &str) -> Result<(), Unanswered> {
        let behind = value.split_once(':').map(|(_, value)| value.trim());
        for value in std::iter::once(value).chain(behind) {
            for namespace in 0..self.namespaces.len() {
                self.meet(NamespaceId(namespace as u16), value)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, id: IdentityId) -> Result<(), Unanswered> {
        if !self.identities.contains_key(&id) {
            let stored = self.reader.identity(id)?;
            if usize::from(stored.0.0) >= self.namespaces.len() {
                return Err(Unanswered);
            }
            self.identities.insert(id, stored);
        }
        Ok(())
    }

    fn namespace(&mut self, id: IdentityId) -> Result<NamespaceId, Unanswered> {
        self.add(id)?;
        self.identities.get(&id).map(|stored| stored.0).ok_or(Unanswered)
    }

    /// Adds the region of an identity; of a customer, itself.
    fn explore(&mut self, id: IdentityId) -> Result<(), Unanswered> {
        let mut due = vec![id];
        while let Some(id) = due.pop() {
            let namespace = self.namespace(id)?;
            if self.namespaces.is_unique(namespace) || !self.explored.insert(id) {
                continue;
            }
            for link in self.reader.links_above(id)? {
                due.push(link.higher);
                self.add(link.witness.anchor)?;
                self.links.insert((link.lower, link.higher), link);
            }
            // A session is the lowest of all that an event carries.
            if namespace != NamespaceId::SESSION {
                due.extend(self.reader.lower_ends(id)?);
            }
        }
        Ok(())
    }

    /// Adds the regions in which the group of a customer lies. Returns whether that is news.
    fn expand(&mut self, customer: IdentityId) -> Result<bool, Unanswered> {
        if !self.explored.insert(customer) {
            return Ok(false);
        }
        for lower in self.reader.lower_ends(customer)? {
            self.explore(lower)?;
        }
        Ok(true)
    }

    /// Does so for all customers that are known. Returns whether that is news.
    fn expand_all(&mut self) -> Result<bool, Unanswered> {
        let unique = self.namespaces.unique();
        let customers = self.identities.iter().filter(|(_, stored)| Some(stored.0) == unique).map(|(&id, _)| id);
        let customers: Vec<IdentityId> = customers.collect();
        let mut grown = false;
        for customer in customers {
            grown |= self.expand(customer)?;
        }
        Ok(grown)
    }

    /// A view of what is known so far.
    fn build(&mut self, reading: Reading) -> Result<(View, Arc<Excerpt>), Unanswered> {
        let (published, excerpt) = self.published()?;
        Ok((Resolver::new(published).view().under(reading), excerpt))
    }

    fn published(&mut self) -> Result<(Published, Arc<Excerpt>), Unanswered> {
        let excerpt = Arc::new(Excerpt::of(self.identities.keys().copied().collect()));
        let own = |id: IdentityId| excerpt.own(id).ok_or(Unanswered);
        let mut identities = IdentityColumn::default();
        let mut seen = SeenColumn::with_capacity(self.identities.len());
        for (&id, (namespace, value)) in &self.identities {
            identities.push(*namespace, Value::new(value));
            seen.push(self.reader.seen(id)?);
        }
        let link = |link: &Link| {
            let witness = Witness { anchor: own(link.witness.anchor)?, ..link.witness };
            Ok(Link { lower: own(link.lower)?, higher: own(link.higher)?, witness, ..*link })
        };
        let links: Vec<Link> = self.links.values().map(link).collect::<Result<_, Unanswered>>()?;
        let unlinks = self.unlinks.iter().filter_map(|unlink| {
            Some(Unlink { lower: excerpt.own(unlink.lower)?, higher: excerpt.own(unlink.higher)?, ..*unlink })
        });
        let recounts = self.counting.all().filter_map(|Recount { id, counts_as }| {
            let counts_as = match counts_as {
                CountsAs::Other(other) => CountsAs::Other(excerpt.own(other)?),
                same @ (CountsAs::Itself | CountsAs::Nothing | CountsAs::Crowded | CountsAs::Kept) => same,
            };
            Some(Recount { id: excerpt.own(id)?, counts_as })
        });
        let all = AllFacts {
            namespaces: self.namespaces.clone(),
            identities,
            seen,
            links,
            unlinks: unlinks.collect(),
            recounts: recounts.collect(),
        };
        let graph = Graph::of(all).map_err(|_| Unanswered)?;
        let events = self.store.events().over(Arc::clone(&excerpt));
        let (sources, sequence) = (self.sources.clone(), self.store.sequence());
        Ok((Published { graph, events, sources, sequence, totals: None, counts: None }, excerpt))
    }
}
