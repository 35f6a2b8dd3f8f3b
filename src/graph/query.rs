//! What a graph answers. Nothing here changes anything.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::graph::forest::Climb;
use crate::graph::links::LinkId;
use crate::graph::{Graph, applied};
use crate::model::digest::{EventHash, IdentityHash};
use crate::model::event::{Event, in_level_order};
use crate::model::identity::{Identity, IdentityId};
use crate::model::link::Link;
use crate::model::namespace::NamespaceId;
use crate::model::person::{Owner, Person, Standing};
use crate::model::time::Time;

impl Graph {
    /// The customer that an identity belongs to, and since when. O(log n), in practice a step or two.
    pub fn owner(&self, id: IdentityId) -> Option<Owner> {
        self.owner_at(self.forest.climb(id))
    }

    /// The owner by the events up to and including `until` alone.
    pub fn owner_as_of(&self, id: IdentityId, until: Time) -> Option<Owner> {
        self.owner_at(self.forest.climb_as_of(id, until))
    }

    fn owner_at(&self, Climb { top, last }: Climb) -> Option<Owner> {
        self.forest.is_customer(top).then_some(Owner { customer: top, since: last.map(|key| key.first) })
    }

    /// Whom an identity belongs to: its customer, or an anonymous group named by its earliest identity.
    pub fn person(&self, id: IdentityId) -> Person {
        self.standing(id).person
    }

    /// The identities of the same group, `id` among them, in no order that means anything:
    /// sort by [`compare`](Self::compare) what is shown.
    pub fn members(&self, id: IdentityId) -> impl Iterator<Item = IdentityId> {
        self.forest.members(id)
    }

    /// Fetches what questions about the groups of some identities will read, step by step for all of them, so that no place in memory is
    /// waited for before the next is asked for. It answers nothing.
    pub fn visit_groups(&self, ids: impl Iterator<Item = IdentityId>) {
        let mut at: SmallVec<[IdentityId; 64]> = ids.collect();
        self.forest.visit(&mut at, |id| _ = std::hint::black_box(self.facts.identities.namespace(id)));
    }

    /// How many identities the group of `id` has.
    pub fn group_size(&self, id: IdentityId) -> usize {
        self.forest.size(self.forest.root(id))
    }

    /// Whether two identities are in one group.
    pub fn connected(&self, a: IdentityId, b: IdentityId) -> bool {
        self.forest.root(a) == self.forest.root(b)
    }

    /// The link that first connected two identities: the latest on the path between them.
    /// `None` when they are one, or not connected. O(log n).
    pub fn connected_by(&self, a: IdentityId, b: IdentityId) -> Option<LinkId> {
        self.forest.connected_by(a, b, &self.facts).map(|key| key.link)
    }

    /// Whether a link joined two groups. One that did not either closed a ring or was [refused](Self::refused).
    pub fn accepted(&self, link: LinkId) -> bool {
        self.forest.accepted(link)
    }

    /// Whether a link was refused, both groups holding a customer: then they are two still.
    pub fn refused(&self, link: LinkId) -> bool {
        let Link { lower, higher, .. } = self.facts.links[link];
        !self.connected(lower, higher) && !self.unlinked(link)
    }

    /// Whether a link counts as never seen, by a person's decision.
    pub fn unlinked(&self, link: LinkId) -> bool {
        self.facts.is_unlinked(link)
    }

    /// The pairs (lower, higher) whose link, seen or to come, counts as never seen; in no order that means anything.
    pub fn unlinked_pairs(&self) -> impl Iterator<Item = (IdentityId, IdentityId)> {
        self.facts.unlinked.iter().copied()
    }

    /// Whether any event carries an identity: one may be in the table without, since its events were retracted or it was only
    /// named.
    pub fn is_known(&self, id: IdentityId) -> bool {
        self.facts.seen.get(id).is_known()
    }

    /// Whom an identity belongs to, and since when. O(log n).
    pub fn standing(&self, id: IdentityId) -> Standing {
        applied::standing(id, &self.forest)
    }

    /// The links that touch an identity, accepted or not, in no order that means anything.
    pub fn links_of(&self, id: IdentityId) -> impl Iterator<Item = (LinkId, &Link)> {
        self.facts.touching.all(id, &self.facts.links)
    }

    /// The logins of a session: its links with customers, but for those that are [unlinked](Self::unlinked), in no order that
    /// means anything.
    pub fn logins_of(&self, session: IdentityId) -> impl Iterator<Item = (LinkId, &Link)> {
        self.links_of(session).filter(|&(id, link)| self.is_customer(link.higher) && !self.unlinked(id))
    }

    /// The login of a session as a customer, if there was one that counts.
    pub fn login(&self, session: IdentityId, customer: IdentityId) -> Option<&Link> {
        let link = self.facts.links.find(session, customer)?;
        (self.is_customer(customer) && !self.unlinked(link)).then(|| &self.facts.links[link])
    }

    /// The links in which an identity is the lower end, in no order that means anything.
    pub fn links_above(&self, id: IdentityId) -> impl Iterator<Item = (LinkId, &Link)> {
        self.facts.touching.above(id).map(|link| (link, &self.facts.links[link]))
    }

    /// Whether an identity is a session: of the lowest namespace.
    pub fn is_session(&self, id: IdentityId) -> bool {
        self.facts.identities.namespace(id) == NamespaceId::SESSION
    }

    /// Whether an identity is a customer: of the unique namespace.
    pub fn is_customer(&self, id: IdentityId) -> bool {
        self.forest.is_customer(id)
    }

    /// Identity order: by level, then by the bytes of the value.
    pub fn compare(&self, a: IdentityId, b: IdentityId) -> Ordering {
        self.facts.compare(a, b)
    }

    /// The order in which links are taken: by first co-occurrence, then higher, then lower identity.
    pub fn compare_links(&self, a: LinkId, b: LinkId) -> Ordering {
        self.facts.compare_keys(self.facts.key(a), self.facts.key(b))
    }

    /// An identity in full.
    pub fn identity(&self, id: IdentityId) -> Identity {
        let all = &self.facts.identities;
        let namespace = self.facts.namespaces.display(all.namespace(id)).to_owned();
        Identity { namespace, value: all.value(id).to_text() }
    }

    /// The hash of an identity, as digests take it.
    pub fn hash(&self, id: IdentityId) -> IdentityHash {
        let namespace = self.facts.identities.namespace(id);
        let name = &self.facts.namespaces.names()[usize::from(namespace.0)];
        IdentityHash::new(name, self.facts.identities.value(id))
    }

    /// The hash of an event that is grouped under `anchor`.
    pub fn event_hash(&self, anchor: IdentityId, event: &Event<'_>) -> EventHash {
        let identities = in_level_order(anchor, self.is_session(anchor), event.companions);
        EventHash::new(event.time, event.id, identities.map(|id| self.hash(id)))
    }
}
