//! Rows: people, with what belongs to each.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use crate::model::error::Result;
use crate::model::identity::{Identity, IdentityId};
use crate::model::person::{Person, PersonKind};
use crate::resolver::attribution::AnchorRule;
use crate::resolver::lookup::Lookup;
use crate::resolver::view::View;

/// A person, and how much belongs to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PersonRow {
    /// The identity that names the person: the customer or, of an anonymous group, its earliest identity.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub person: Identity,
    /// Whether the person is a customer.
    pub kind: PersonKind,
    /// How many session IDs belong to the person.
    pub sessions: u64,
    /// How many identities do, sessions and the customer among them.
    pub identities: u64,
    /// How many events do, whatever they carry.
    pub events: u64,
}

/// Identities that one task takes: some ten thousand look-ups, well above the cost of handing out a task.
const IDENTITIES_A_TASK: usize = 1 << 14;

/// Counts by identity, added to from all threads: a person's are those at the place of the identity that names it.
struct Counts(Vec<AtomicU64>);

impl Counts {
    fn new(len: usize) -> Self {
        Self((0..len).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, id: IdentityId) {
        self.0[id.index()].fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, id: IdentityId) -> u64 {
        self.0[id.index()].load(Ordering::Relaxed)
    }
}

/// A row a person, in identity order.
pub(super) fn people(view: &View) -> Result<Vec<PersonRow>> {
    let view = &view.for_many();
    let graph = view.graph();
    let [sessions, identities, events] = [(); 3].map(|()| Counts::new(graph.identities().len()));
    let ids: Vec<IdentityId> = graph.identities().ids().filter(|&id| graph.is_known(id)).collect();
    let found = ids.par_chunks(IDENTITIES_A_TASK).map(|ids| {
        let mut lookup = Lookup::new(view);
        let mut found = Vec::new();
        for &id in ids {
            let person = lookup.standing(id)?.person;
            identities.add(person.identity());
            if graph.is_session(id) {
                sessions.add(person.identity());
            }
            if person.identity() == id {
                found.push(person);
            }
        }
        Ok(found)
    });
    let mut found: Vec<Person> = found.collect::<Result<Vec<_>>>()?.concat();
    view.pieces().into_par_iter().try_for_each(|piece| count_events(view, piece, &events))?;
    found.par_sort_unstable_by(|a, b| graph.compare(a.identity(), b.identity()));
    let row = |person: Person| PersonRow {
        person: graph.identity(person.identity()),
        kind: person.kind(),
        sessions: sessions.of(person.identity()),
        identities: identities.of(person.identity()),
        events: events.of(person.identity()),
    };
    Ok(found.into_par_iter().map(row).collect())
}

fn count_events(view: &View, anchors: std::ops::Range<u32>, events: &Counts) -> Result<()> {
    let until = view.reading().until();
    let mut scan = view.stored_events().scan(anchors);
    while let Some(group) = scan.next()? {
        let rule = AnchorRule::of_group(view, &group);
        for event in group.events().take_while(|event| event.time <= until) {
            events.add(rule.attribute(&event).person.identity());
        }
    }
    Ok(())
}
