//! What an identity and an event add to the totals.

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::graph::Graph;
use crate::model::digest::{EventElements, IdentityHash, ProfileHash};
use crate::model::event::{CarriedParts, Event, in_level_order};
use crate::model::identity::IdentityId;
use crate::model::person::Person;
use crate::model::profile::ProfilePart;
use crate::model::totals::Totals;
use crate::resolver::attribution::AnchorRule;

/// The hashes of identities: those from one on were made beforehand, the others are made when they are asked for.
pub struct IdentityHashes<'h> {
    graph: &'h Graph,
    from: usize,
    made: &'h [IdentityHash],
    asked: HashMap<IdentityId, IdentityHash>,
}

impl<'h> IdentityHashes<'h> {
    /// Made beforehand: those of the last identities of a graph, or of all.
    pub fn of_last(graph: &'h Graph, made: &'h [IdentityHash]) -> Self {
        Self { graph, from: graph.identities().len() - made.len(), made, asked: HashMap::new() }
    }

    fn of(&mut self, id: IdentityId) -> IdentityHash {
        match id.index().checked_sub(self.from) {
            Some(at) => self.made[at],
            None => *self.asked.entry(id).or_insert_with(|| self.graph.hash(id)),
        }
    }
}

/// Adds up identities and events.
pub struct TotalsCounter<'h> {
    graph: &'h Graph,
    hashes: IdentityHashes<'h>,
    /// The sum so far.
    pub totals: Totals,
    /// Room for events, empty between calls.
    elements: EventElements,
}

impl<'h> TotalsCounter<'h> {
    /// Nothing yet.
    pub fn new(hashes: IdentityHashes<'h>) -> Self {
        let (totals, elements) = Default::default();
        Self { graph: hashes.graph, hashes, totals, elements }
    }

    /// Counts an identity that an event carries; but not whether it is a shared session.
    pub fn identity(&mut self, id: IdentityId, person: Person) {
        let (hash, of_person) = (self.hashes.of(id), self.hashes.of(person.identity()));
        self.totals.digest.add_identity(hash, of_person);
        self.totals.customers += u64::from(self.graph.is_customer(id));
        if self.graph.is_session(id) {
            self.totals.sessions += 1;
            self.totals.linked_sessions += u64::from(matches!(person, Person::Customer(_)));
        }
    }

    /// Counts events of an anchor.
    pub fn events<'e>(
        &mut self,
        anchor: IdentityId,
        rule: &AnchorRule<'_>,
        events: impl IntoIterator<Item = Event<'e>>,
    ) {
        let is_session = self.graph.is_session(anchor);
        let mut identities: SmallVec<[IdentityHash; 4]> = SmallVec::new();
        let mut part = ProfileHash::new(ProfilePart { segments: "", traits: "" });
        // Not the event whole, which takes long to copy.
        let mut last: Option<CarriedParts<'e>> = None;
        for event in events {
            let carried = event.carried();
            if !last.is_some_and(|last| carried.lies_with(&last)) {
                identities.clear();
                identities.extend(in_level_order(anchor, is_session, event.companions).map(|id| self.hashes.of(id)));
                if last.is_none_or(|last| event.profile != last.profile) {
                    part = ProfileHash::new(event.profile);
                }
            }
            last = Some(carried);
            let attributed = rule.attribute(&event);
            self.totals.attribution.count(attributed.kind);
            let person = self.hashes.of(attributed.person.identity());
            if self.elements.is_full() {
                self.elements.hash_into(&mut self.totals.digest, &mut self.totals.profiles);
            }
            let profile = Some(part).filter(|_| !event.profile.is_empty());
            let identities = identities.iter().copied();
            self.elements.add((event.time, event.id), identities, (person, attributed.kind), profile);
        }
        self.elements.hash_into(&mut self.totals.digest, &mut self.totals.profiles);
    }
}
