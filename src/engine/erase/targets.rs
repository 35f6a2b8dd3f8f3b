//! Who is to be erased.

use std::collections::{BTreeSet, HashSet};

use crate::engine::consent::{everything_of, in_hashes, named};
use crate::engine::error::EngineError;
use crate::graph::Graph;
use crate::model::barred::IdentityBar;
use crate::model::error::Error;
use crate::model::event::Event;
use crate::model::identity::{IdentityId, Value};
use crate::model::limits::MAX_FORGOTTEN;
use crate::model::time::Time;

/// Whom to forget: [`Engine::forget`](crate::engine::Engine::forget).
#[derive(Debug, Clone, Default)]
#[must_use = "it does nothing until an engine forgets it"]
pub struct Forget {
    named: Vec<(String, String)>,
    whole_person: bool,
    pub(super) until: Option<Time>,
}

impl Forget {
    /// An identity: its namespace, in any case, and its value.
    pub fn identity(namespace: impl Into<String>, value: impl Into<String>) -> Self {
        Self::default().and(namespace, value)
    }

    /// Another one. A thousand at once cost little more than one.
    pub fn and(mut self, namespace: impl Into<String>, value: impl Into<String>) -> Self {
        self.named.push((namespace.into(), value.into()));
        self
    }

    /// With every identity that the person of each has at this moment: all sessions and all events of the person.
    pub fn whole_person(mut self) -> Self {
        self.whole_person = true;
        self
    }

    /// Only what was up to and including this moment.
    pub fn until(mut self, moment: Time) -> Self {
        self.until = Some(moment);
        self
    }
}

/// The identities that are to be erased.
pub struct Targets {
    /// As they are hashed: the namespace in lower case, and the value.
    pub named: BTreeSet<(String, String)>,
    /// Those that the store holds, ascending.
    pub ids: Vec<IdentityId>,
    /// Up to when.
    pub until: Time,
}

impl Targets {
    /// Those that are meant, by the people as they are.
    pub fn of(graph: &Graph, forget: &Forget) -> Result<Self, Error> {
        let mut targets =
            Self { named: BTreeSet::new(), ids: Vec::new(), until: forget.until.unwrap_or(IdentityBar::FOR_GOOD) };
        for (namespace, value) in &forget.named {
            let (name, value) = named(graph.namespaces(), namespace, value)?;
            let known = graph.namespaces().get(&name).and_then(|namespace| graph.identities().get(namespace, value));
            match known {
                Some(id) if forget.whole_person => targets.ids.extend(everything_of(graph, id)),
                known => targets.ids.extend(known),
            }
            targets.named.insert((name, value.to_string()));
        }
        // Events are not taken in as they are written: those that count as one of them are of them.
        let (counting, named) = (graph.counting(), targets.ids.clone());
        let named: HashSet<IdentityId> = named.into_iter().collect();
        let counts = |id: IdentityId| counting.chain(id).any(|other| named.contains(&other));
        targets.ids.extend(counting.all().map(|recount| recount.id).filter(|&id| counts(id)));
        targets.ids.sort_unstable();
        targets.ids.dedup();
        for &id in &targets.ids {
            let (name, value) = in_hashes(graph, id);
            targets.named.insert((name.to_owned(), value.to_string()));
        }
        match targets.named.len() > MAX_FORGOTTEN {
            true => Err(EngineError::TooManyForgotten { limit: MAX_FORGOTTEN }.into()),
            false => Ok(targets),
        }
    }

    /// All of them, as they are hashed.
    pub fn in_hashes(&self) -> Vec<(&str, Value<'_>)> {
        self.named.iter().map(|(name, value)| (&**name, Value::new(value))).collect()
    }

    /// Whether an identity is one of them.
    pub fn is_one(&self, id: IdentityId) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// Whether an event carries any of them, and is of the time.
    pub fn take(&self, anchor: IdentityId, event: &Event<'_>) -> bool {
        event.time <= self.until && self.carried(anchor, event).next().is_some()
    }

    /// Those that an event carries.
    pub fn carried(&self, anchor: IdentityId, event: &Event<'_>) -> impl Iterator<Item = IdentityId> {
        let all = std::iter::once(anchor).chain(event.companions.iter().copied());
        all.filter(|&id| self.is_one(id))
    }
}
