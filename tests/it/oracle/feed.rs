//! What a commit changes: one record for each session whose row differs from the one before.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Belief, Id, Link, SessionRow, rfc3339};

/// What a record of the change feed says, but for its sequence number.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub session: String,
    /// Session to last, as the record is printed.
    pub record: Value,
    pub cause: Cause,
}

/// The link that a record must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// None: only the count changed, or the session is gone.
    Nobody,
    /// The one that first connected the session to its customer.
    Joined(Link),
    /// Any inside the group of nobody yet that the session came to.
    Within(Id),
    /// Likewise, or none: the session gives the group its name.
    Perhaps(Id),
}

/// The records of a commit between two beliefs, by session.
pub fn changes(before: &Belief, after: &Belief) -> Vec<Change> {
    changes_by(false, before, after)
}

/// The same of a decision about what an identity counts as. Its events are others afterwards, so those have moved that the
/// session has then and that carry no customer.
pub fn changes_of_recount(before: &Belief, after: &Belief) -> Vec<Change> {
    changes_by(true, before, after)
}

fn changes_by(recounted: bool, before: &Belief, after: &Belief) -> Vec<Change> {
    let rows = |belief: &Belief| -> BTreeMap<Id, SessionRow> {
        belief.rows.iter().map(|row| (Id::session(&row.session), row.clone())).collect()
    };
    let (old, new) = (rows(before), rows(after));
    let mut sessions: Vec<&Id> = old.keys().chain(new.keys()).collect();
    sessions.sort();
    sessions.dedup();
    let changed = sessions.into_iter().filter(|session| old.get(session) != new.get(session));
    changed.map(|session| change(session, [old.get(session), new.get(session)], recounted, before, after)).collect()
}

fn change(
    session: &Id,
    [old, new]: [Option<&SessionRow>; 2],
    recounted: bool,
    before: &Belief,
    after: &Belief,
) -> Change {
    let from = old.map(|_| &before.identities[session].person);
    let to = new.map(|_| &after.identities[session].person);
    // The times of the events that went from the one to the other, one after another.
    let mut moved: Vec<i64> = Vec::new();
    if recounted && from.is_some() && to.is_some() && from != to {
        let here = after.events.keys().filter(|event| event.anchor() == session && !event.highest().is_customer());
        moved.extend(here.map(|event| event.time));
    }
    for (event, (was, _)) in before.events.iter().filter(|(event, _)| event.anchor() == session) {
        let Some((is, _)) = after.events.get(event) else { continue };
        if !recounted && was != is && Some(was) == from && Some(is) == to {
            moved.push(event.time);
        }
    }
    let since = new.and_then(|row| row.since.clone());
    let same = from == to && since == old.and_then(|row| row.since.clone());
    let cause = match to {
        None => Cause::Nobody,
        Some(_) if same => Cause::Nobody,
        Some(to) if to.is_customer() => {
            Cause::Joined(after.identities[session].joined.clone().expect("a session is joined to its customer"))
        }
        Some(to) if to == session => Cause::Perhaps(to.clone()),
        Some(to) => Cause::Within(to.clone()),
    };
    let record = json!({
        "session": session.value,
        "events": new.map_or(0, |row| row.events),
        "since": since,
        "from": from.map(Id::to_string),
        "to": to.map(Id::to_string),
        "moved": moved.len(),
        "first": moved.iter().min().copied().map(rfc3339),
        "last": moved.iter().max().copied().map(rfc3339),
    });
    Change { session: session.value.clone(), record, cause }
}

impl Change {
    /// Asserts that a printed record (with its sequence number) says this, and that its link and its event exist in `after`.
    pub fn assert_printed(&self, printed: &Value, after: &Belief) {
        let mut rest = printed.clone();
        let members = rest.as_object_mut().expect("a record is an object");
        members.remove("sequence");
        let link = members.remove("link").expect("a record has a link, or null");
        let event = members.remove("event").expect("a record has an event, or null");
        assert_eq!(rest, self.record, "{printed}");
        let inside = match &self.cause {
            Cause::Nobody => {
                assert_eq!((&link, &event), (&Value::Null, &Value::Null), "nobody else is involved: {printed}");
                return;
            }
            Cause::Perhaps(_) if link.is_null() => {
                assert!(event.is_null(), "an event without a link: {printed}");
                return;
            }
            Cause::Joined(joined) => {
                assert_eq!(link, json!([joined.lower.to_string(), joined.higher.to_string()]), "{printed}");
                joined
            }
            Cause::Within(person) | Cause::Perhaps(person) => {
                let named = |known: &&Link| link == json!([known.lower.to_string(), known.higher.to_string()]);
                let known = after.links.iter().find(named).unwrap_or_else(|| panic!("no such link: {printed}"));
                let group = &after.identities[person].group;
                assert!(group.contains(&known.lower) && group.contains(&known.higher), "of another group: {printed}");
                known
            }
        };
        let hash = event.as_str().unwrap_or_else(|| panic!("a link without an event: {printed}"));
        let witness = after.events.keys().find(|known| format!("{:032x}", known.hash()) == hash);
        let witness = witness.unwrap_or_else(|| panic!("no such event: {printed}"));
        assert_eq!(witness.time, inside.first, "not their first event: {printed}");
        assert!(witness.ids.contains(&inside.lower) && witness.highest() == &inside.higher, "of others: {printed}");
    }
}
