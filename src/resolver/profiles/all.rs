//! The segments and traits of everybody.
//!
//! The events of a person lie under many anchors, so one scan is not enough to go through the people one by one. People are
//! parted by their place in identity order; the scan writes what is told to a temporary file a part, and one part after the
//! other is read back and folded. So time is linear in what is stored, and memory holds the people of a part.

use std::collections::BTreeMap;
use std::vec;

use hashbrown::HashMap;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::model::error::Result;
use crate::model::identity::{Identity, IdentityId};
use crate::model::person::PersonKind;
use crate::model::profile::ProfileRules;
use crate::resolver::profiles::fold::{Keeping, ProfileFold};
use crate::resolver::profiles::person::raw;
use crate::resolver::profiles::spill::{Spill, SpillReader};
use crate::resolver::profiles::told::each_told;
use crate::resolver::view::View;

/// People that are folded at a time, unless there are too many parts: some 40 MB of a dozen traits each.
const PEOPLE_A_PART: usize = 1 << 16;

/// Parts, at most: each is a file that is open.
const PARTS: usize = 256;

/// The segments and traits of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProfileRow {
    /// The identity that names the person.
    #[serde(serialize_with = "crate::model::writing::text")]
    pub person: Identity,
    /// Whether the person is a customer.
    pub kind: PersonKind,
    /// The segments, as JSON; none where no event of the person tells any.
    #[serde(serialize_with = "raw_or_null")]
    pub segments: Option<String>,
    /// The traits by name, each as JSON.
    #[serde(serialize_with = "raw_by_name")]
    pub traits: BTreeMap<String, String>,
}

impl ProfileRow {
    /// The names of its fields, as it is serialised; others may be added at their end.
    pub const NAMES: [&'static str; 4] = ["person", "kind", "segments", "traits"];

    /// The traits as one JSON object.
    pub fn traits_as_json(&self) -> String {
        let mut out = Vec::new();
        // Writing to memory does not fail, and names are texts.
        let _ = raw_by_name(&self.traits, &mut serde_json::Serializer::new(&mut out));
        String::from_utf8(out).unwrap_or_default()
    }
}

/// What is serialised as the JSON that it is.
struct Raw<'a>(&'a str);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        raw(self.0, to)
    }
}

fn raw_or_null<S: Serializer>(json: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    json.as_deref().map(Raw).serialize(to)
}

fn raw_by_name<S: Serializer>(all: &BTreeMap<String, String>, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(all.len()))?;
    for (name, json) in all {
        map.serialize_entry(name, &Raw(json))?;
    }
    map.end()
}

/// A row for each person of whom any event tells segments or traits, in identity order: [`View::profiles`].
pub struct Profiles {
    view: View,
    rules: ProfileRules,
    /// Who may be a person, in identity order.
    order: Vec<IdentityId>,
    /// What was told of the people of each part that is still to come.
    parts: vec::IntoIter<SpillReader>,
    rows: vec::IntoIter<ProfileRow>,
}

impl Profiles {
    /// Scans all events.
    pub(in crate::resolver) fn of(view: &View, rules: ProfileRules) -> Result<Self> {
        let graph = view.graph();
        let mut order: Vec<IdentityId> = graph.identities().ids().filter(|&id| graph.is_known(id)).collect();
        rayon::slice::ParallelSliceMut::par_sort_unstable_by(&mut order[..], |&a, &b| graph.compare(a, b));
        let mut ranks = vec![0_u32; graph.identities().len()];
        for (rank, id) in order.iter().enumerate() {
            ranks[id.index()] = rank as u32;
        }
        let people = PEOPLE_A_PART.max(order.len().div_ceil(PARTS));
        let mut spill = Spill::new(order.len().div_ceil(people).max(1))?;
        let mut scan = view.stored_events().scan(0..u32::MAX);
        while let Some(group) = scan.next()? {
            each_told(view, &group, |person, part, tellers| {
                let rank = ranks[person.identity().index()];
                spill.add(rank as usize / people, rank, part, tellers)
            })?;
        }
        let parts = spill.into_readers()?.into_iter();
        Ok(Self { view: view.clone(), rules, order, parts, rows: Vec::new().into_iter() })
    }

    /// The rows of a part.
    fn folded(&self, mut part: SpillReader) -> Result<Vec<ProfileRow>> {
        let mut people: HashMap<u32, ProfileFold> = HashMap::new();
        part.each(|rank, part, tellers| {
            people.entry(rank).or_default().add(part, tellers, &self.rules, Keeping::Needed);
        })?;
        let mut people: Vec<(u32, ProfileFold)> = people.into_iter().collect();
        people.sort_unstable_by_key(|(rank, _)| *rank);
        Ok(people.into_iter().filter_map(|(rank, fold)| self.row(rank, &fold)).collect())
    }

    fn row(&self, rank: u32, fold: &ProfileFold) -> Option<ProfileRow> {
        let (graph, id) = (self.view.graph(), *self.order.get(rank as usize)?);
        let value = |values: &super::fold::ToldValues, rule| values.value(rule).map(|(value, _)| value.into_owned());
        let traits = fold.traits.iter();
        let traits = traits.filter_map(|(name, all)| Some((name.clone(), value(all, self.rules.rule_of(name))?)));
        let row = ProfileRow {
            person: graph.identity(id),
            kind: if graph.is_customer(id) { PersonKind::Customer } else { PersonKind::Anonymous },
            segments: value(&fold.segments, self.rules.rule_of_segments()),
            traits: traits.collect(),
        };
        Some(row).filter(|row| row.segments.is_some() || !row.traits.is_empty())
    }
}

impl Iterator for Profiles {
    type Item = Result<ProfileRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            let part = self.parts.next()?;
            match self.folded(part) {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
