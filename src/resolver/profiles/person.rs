//! The segments and traits of one person, each with the event that told it and what was before.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::model::digest::EventHash;
use crate::model::error::Result;
use crate::model::identity::Identity;
use crate::model::person::{AttributionKind, Person, PersonKind};
use crate::model::profile::{ProfileRule, ProfileRules};
use crate::model::time::Time;
use crate::model::writing::is_zero;
use crate::resolver::attribution::AnchorRule;
use crate::resolver::profiles::fold::{Keeping, ProfileFold, ToldValues};
use crate::resolver::profiles::told::{Teller, each_told};
use crate::resolver::rows::{self, EventRow, anchors_of};
use crate::resolver::view::View;
use crate::store::scan::Cursor;

/// The segments and traits of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Profile {
    /// The identity that names the person.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub person: Identity,
    /// Whether the person is a customer.
    pub kind: PersonKind,
    /// The segments: a list. None where no event of the person tells any.
    pub segments: Option<ProfileValue>,
    /// The traits, by name.
    pub traits: BTreeMap<String, ProfileValue>,
}

/// A value, and where it comes from: the event that told it last or, by the rule `first`, first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProfileValue {
    /// The value, as JSON.
    #[serde(serialize_with = "raw")]
    pub value: String,
    /// The rule that chose it.
    pub rule: ProfileRule,
    /// How many events told it.
    pub events: u64,
    /// When that event happened.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub at: Time,
    /// The hash of that event, by which it is found again.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub event: EventHash,
    /// Its `id`; none where the line had none.
    pub id: Option<String>,
    /// What it is grouped under: its session or, without one, its highest identity.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub from: Identity,
    /// How it came to the person.
    pub attribution: AttributionKind,
    /// The sources that delivered it.
    pub sources: Vec<String>,
    /// Who held it before it came to the person, where that was by a later login.
    pub held_before: Option<Holder>,
    /// The last value before it that differs. By the rule `latest` alone.
    pub before: Option<EarlierValue>,
    /// Events that told values among which the rule did not choose, since the person has more than
    /// [`MAX_COUNTED_VALUES`](crate::model::limits::MAX_COUNTED_VALUES). By the rule `most-frequent` alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// Who held a value until a login gave it to the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Holder {
    /// What the event is grouped under, which was anonymous.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub identity: Identity,
    /// The moment of the login.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub until: Time,
}

/// A value that another one took the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EarlierValue {
    /// The value, as JSON.
    #[serde(serialize_with = "raw")]
    pub value: String,
    /// When it was told last.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub at: Time,
    /// The hash of the event that did.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub event: EventHash,
    /// What that event is grouped under.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub from: Identity,
}

/// As the JSON that it is.
pub(super) fn raw<S: Serializer>(json: &str, to: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<&RawValue>(json) {
        Ok(raw) => raw.serialize(to),
        Err(_) => to.serialize_str(json),
    }
}

impl Profile {
    /// That of `person`, under the reading of `view`.
    pub fn of(view: &View, person: Person, rules: &ProfileRules) -> Result<Self> {
        let mut fold = ProfileFold::default();
        let mut cursor = view.stored_events().cursor();
        for anchor in anchors_of(view, person) {
            each_told(view, &cursor.group(anchor)?, |whose, part, tellers| {
                if whose == person {
                    fold.add(part, tellers, rules, Keeping::All);
                }
                Ok::<_, crate::store::error::StoreError>(())
            })?;
        }
        let mut told = ToldBy { view, cursor };
        let mut traits = BTreeMap::new();
        for (name, values) in fold.traits {
            let rule = rules.rule_of(&name);
            traits.extend(told.value(&values, rule)?.map(|value| (name, value)));
        }
        Ok(Self {
            person: view.graph().identity(person.identity()),
            kind: person.kind(),
            segments: told.value(&fold.segments, rules.rule_of_segments())?,
            traits,
        })
    }
}

/// Looks the events up that told values.
struct ToldBy<'v> {
    view: &'v View,
    cursor: Cursor,
}

impl ToldBy<'_> {
    fn value(&mut self, values: &ToldValues, rule: ProfileRule) -> Result<Option<ProfileValue>> {
        let Some((value, tellers)) = values.value(rule) else { return Ok(None) };
        let teller = if rule == ProfileRule::First { tellers.first } else { tellers.last };
        let Some((row, held_before)) = self.event(teller)? else { return Ok(None) };
        let graph = self.view.graph();
        let earlier = values.before_latest().filter(|_| rule == ProfileRule::Latest);
        let before = earlier.map(|(value, tellers)| EarlierValue {
            value: value.to_owned(),
            at: tellers.last.time,
            event: tellers.last.event,
            from: graph.identity(tellers.last.anchor),
        });
        Ok(Some(ProfileValue {
            value: value.into_owned(),
            rule,
            events: tellers.events,
            at: teller.time,
            event: teller.event,
            id: row.id,
            from: graph.identity(teller.anchor),
            attribution: row.attribution,
            sources: row.sources,
            held_before,
            before,
            left_out: values.left_out(rule),
        }))
    }

    /// The row of an event, and who held what it told before its person did.
    fn event(&mut self, teller: Teller) -> Result<Option<(EventRow, Option<Holder>)>> {
        let (view, graph) = (self.view, self.view.graph());
        let group = self.cursor.group(teller.anchor)?;
        let rule = AnchorRule::of_group(view, &group);
        let is_it = |event: &crate::model::event::Event<'_>| {
            event.time == teller.time && graph.event_hash(teller.anchor, event) == teller.event
        };
        let Some(event) = group.events().find(is_it) else { return Ok(None) };
        let attributed = rule.attribute(&event);
        let login = rule.moments().first().filter(|_| attributed.kind == AttributionKind::Retroactive);
        let holder = login.map(|&(until, _)| Holder { identity: graph.identity(teller.anchor), until });
        Ok(Some((rows::event(view, teller.anchor, &event, attributed), holder)))
    }
}
