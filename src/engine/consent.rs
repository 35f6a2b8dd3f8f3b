//! Opting out and in: whose events are taken in from now on.

use hashbrown::{HashMap, HashSet};
use serde::Serialize;

use crate::engine::commit::Committer;
use crate::engine::error::EngineError;
use crate::graph::Graph;
use crate::model::barred::BarHash;
use crate::model::error::{Error, Result};
use crate::model::identity::{Identity, IdentityId, Value};
use crate::model::limits::MAX_VALUE_BYTES;
use crate::model::namespace::{Namespaces, name_fault};
use crate::model::time::Time;
use crate::model::writing::{text, text_or_null};
use crate::resolver::View;
use crate::store::Store;
use crate::store::barred::Barred;

/// What an opt-out or an opt-in did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Consent {
    /// The identities that it is about: the one that was named, and those of its person.
    pub identities: u64,
    /// Whether anything differs from before.
    pub changed: bool,
}

/// An identity that opted out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OptOutRow {
    /// The identity, where an event that is stored carries it: of others the store knows the hash alone.
    #[serde(serialize_with = "text_or_null")]
    pub identity: Option<Identity>,
    /// Its keyed hash.
    pub hash: BarHash,
    /// When it opted out.
    #[serde(serialize_with = "text")]
    pub at: Time,
    /// The number of the act, in 16 hex digits: the identities of one act opted out together, and opt in together.
    pub act: String,
}

impl Committer<'_> {
    /// Lets an identity, and all that its person has, count as opted out.
    pub fn opt_out(&mut self, namespace: &str, value: &str) -> Result<Consent> {
        let view = self.resolver.view();
        let graph = view.graph();
        let (name, value) = named(graph.namespaces(), namespace, value)?;
        let known = graph.namespaces().get(&name).and_then(|namespace| graph.identities().get(namespace, value));
        let mut members: Vec<IdentityId> = known.map(|id| everything_of(graph, id)).unwrap_or_default();
        members.sort_by(|&a, &b| graph.compare(a, b));
        let mut identities: Vec<(&str, Value<'_>)> = members.into_iter().map(|id| in_hashes(graph, id)).collect();
        if identities.is_empty() {
            identities.push((&name, value));
        }
        let covered = identities.len() as u64;
        if is_covered(self.store.barred(), &identities) {
            return Ok(Consent { identities: covered, changed: false });
        }
        self.store.opt_out(&identities)?;
        Ok(Consent { identities: covered, changed: true })
    }

    /// Takes the acts of opting out back that an identity is of.
    pub fn opt_in(&mut self, namespace: &str, value: &str) -> Result<Consent> {
        let (name, value) = named(self.resolver.read().graph().namespaces(), namespace, value)?;
        let barred = self.store.barred();
        let hashes: Vec<BarHash> = barred.hashes(&name, value).collect();
        let of_it = barred.opt_outs().filter(|(_, hash, _)| hashes.contains(hash));
        let acts: HashSet<u64> = of_it.map(|(act, ..)| act).collect();
        if acts.is_empty() {
            return Ok(Consent::default());
        }
        let identities: HashSet<BarHash> =
            barred.opt_outs().filter(|(act, ..)| acts.contains(act)).map(|(_, hash, _)| hash).collect();
        let acts: Vec<u64> = acts.into_iter().collect();
        let covered = identities.len() as u64;
        self.store.opt_in(&acts)?;
        Ok(Consent { identities: covered, changed: true })
    }
}

/// Every identity of the person of an identity, those that count as one of them included: events are not taken in as they are written.
pub fn everything_of(graph: &Graph, id: IdentityId) -> Vec<IdentityId> {
    let counting = graph.counting();
    let mut all: HashSet<IdentityId> = graph.members(counting.of(id).unwrap_or(id)).collect();
    let renamed = counting.all().filter(|recount| counting.of(recount.id).is_some_and(|end| all.contains(&end)));
    let renamed: Vec<IdentityId> = renamed.map(|recount| recount.id).chain([id]).collect();
    all.extend(renamed);
    all.into_iter().collect()
}

/// The identities that opted out, by the moment and then as they are written; those that no stored event carries come last.
///
/// Costs a hash of every identity of the store for each key.
pub fn opt_outs(store: &Store, view: &View) -> Vec<OptOutRow> {
    let barred = store.barred();
    let mut names: HashMap<BarHash, Option<Identity>> = barred.opt_outs().map(|(_, hash, _)| (hash, None)).collect();
    if !names.is_empty() {
        for id in view.graph().identities().ids().filter(|&id| view.graph().is_known(id)) {
            let (name, value) = in_hashes(view.graph(), id);
            for hash in barred.hashes(name, value) {
                names.entry(hash).and_modify(|known| *known = Some(view.graph().identity(id)));
            }
        }
    }
    let row = |(act, hash, at)| {
        let identity = names.get(&hash).cloned().flatten();
        OptOutRow { identity, hash, at, act: format!("{act:016x}") }
    };
    let mut rows: Vec<OptOutRow> = barred.opt_outs().map(row).collect();
    rows.sort_by_cached_key(|row| {
        (row.at, row.act.clone(), row.identity.is_none(), row.identity.as_ref().map(ToString::to_string), row.hash)
    });
    rows
}

/// An identity as it is named, in the form that hashes are made of.
pub fn named<'v>(namespaces: &Namespaces, namespace: &str, value: &'v str) -> Result<(String, Value<'v>), Error> {
    let (name, value) = (namespace.trim().to_ascii_lowercase(), value.trim());
    if name_fault(&name).is_some() {
        return Err(EngineError::Namespace { name }.into());
    }
    match value.is_empty() || value.len() > MAX_VALUE_BYTES {
        true => Err(EngineError::Value { namespace: namespaces.written(&name) }.into()),
        false => Ok((name, Value::new(value))),
    }
}

/// An identity of a graph, in the form that hashes are made of.
pub fn in_hashes(graph: &Graph, id: IdentityId) -> (&str, Value<'_>) {
    let all = graph.identities();
    (&graph.namespaces().names()[usize::from(all.namespace(id).0)], all.value(id))
}

/// Whether one act that stands is for all of these.
fn is_covered(barred: &Barred, identities: &[(&str, Value<'_>)]) -> bool {
    let places = (0..).zip(identities);
    let wanted: HashMap<BarHash, usize> =
        places.flat_map(|(place, &(name, value))| barred.hashes(name, value).map(move |hash| (hash, place))).collect();
    let mut covered: HashMap<u64, HashSet<usize>> = HashMap::new();
    for (act, hash, _) in barred.opt_outs() {
        if let Some(&place) = wanted.get(&hash) {
            covered.entry(act).or_default().insert(place);
        }
    }
    covered.values().any(|places| places.len() == identities.len())
}
