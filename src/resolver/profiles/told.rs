//! Who told what: the events of an anchor that tell the same of one person, taken together.

use crate::model::digest::EventHash;
use crate::model::identity::IdentityId;
use crate::model::person::Person;
use crate::model::profile::ProfilePart;
use crate::model::time::Time;
use crate::resolver::attribution::AnchorRule;
use crate::resolver::view::View;
use crate::store::scan::Group;

/// An event that told something, in the order of events: by time, then by hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Teller {
    /// When it happened.
    pub time: Time,
    /// Which one it is.
    pub event: EventHash,
    /// What it is grouped under.
    pub anchor: IdentityId,
}

/// The events that told one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tellers {
    /// How many there are.
    pub events: u64,
    /// The first of them.
    pub first: Teller,
    /// The last.
    pub last: Teller,
}

impl Tellers {
    /// One alone.
    fn of(teller: Teller) -> Self {
        Self { events: 1, first: teller, last: teller }
    }

    /// These and others.
    pub fn and(self, other: Self) -> Self {
        Self { events: self.events + other.events, first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// Calls `each` with what the events of a group tell, whom of, and how many in a row do: within a session that hardly changes.
pub fn each_told<E>(
    view: &View,
    group: &Group<'_>,
    mut each: impl FnMut(Person, ProfilePart<'_>, Tellers) -> Result<(), E>,
) -> Result<(), E> {
    let (anchor, until) = (group.anchor(), view.reading().until());
    let rule = AnchorRule::of_group(view, group);
    let mut run: Option<(Person, ProfilePart<'_>, Tellers)> = None;
    for event in group.events().take_while(|event| event.time <= until) {
        if event.profile.is_empty() {
            continue;
        }
        let person = rule.attribute(&event).person;
        let teller = Teller { time: event.time, event: view.graph().event_hash(anchor, &event), anchor };
        match &mut run {
            Some((whose, part, tellers)) if *whose == person && *part == event.profile => {
                *tellers = tellers.and(Tellers::of(teller));
            }
            _ => {
                if let Some((person, part, tellers)) = run.replace((person, event.profile, Tellers::of(teller))) {
                    each(person, part, tellers)?;
                }
            }
        }
    }
    run.map_or(Ok(()), |(person, part, tellers)| each(person, part, tellers))
}
