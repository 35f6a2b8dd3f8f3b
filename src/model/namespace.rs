//! Namespaces and their levels.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::model::limits::{MAX_NAMESPACE_BYTES, MAX_NAMESPACES};

/// The lowest namespace, as the wire spells it.
pub const SESSION: &str = "sessionId";
/// The highest and only unique namespace of a store, as the wire spells it, unless the store was made without one.
pub const ECOMMERCE: &str = "ecommerceId";

/// A namespace of one store: its place in that store's [`Namespaces`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamespaceId(pub u16);

impl NamespaceId {
    /// `sessionId`, the lowest: the first of every store.
    pub const SESSION: Self = Self(0);
}

/// Which namespaces a store ranks, from low to high. A store remembers its levels and keeps them for life.
///
/// `sessionId` is always the lowest. What is named nowhere lies above `between` and below the unique one, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// Lower-case names between the session and the unique namespace, ascending.
    pub between: Vec<String>,
    /// Whether `ecommerceId` is unique (a person has at most one). Without it every link joins.
    pub unique: bool,
}

impl Default for Levels {
    fn default() -> Self {
        Self { between: Vec::new(), unique: true }
    }
}

/// The level of a namespace; compare two with `<`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Session,
    Configured(usize),
    Named(String),
    Unique,
}

/// The namespaces that a store has met, with their levels. Small (at most [`MAX_NAMESPACES`]); cloned freely.
///
/// Ids are handed out in the order of meeting and never change; ranks follow the levels. An id that these never gave panics, as an index would.
#[derive(Debug, Clone)]
pub struct Namespaces {
    levels: Levels,
    /// Lower-case names by id.
    names: Vec<String>,
    /// Rank by id: position in level order among the namespaces met so far.
    ranks: Vec<u16>,
    unique: Option<NamespaceId>,
    overflowed: bool,
}

impl Namespaces {
    /// The namespaces of an empty store: the session and, unless switched off, the unique one.
    pub fn new(levels: Levels) -> Self {
        let unique = levels.unique.then_some(NamespaceId(1));
        let mut names = vec![SESSION.to_ascii_lowercase()];
        if unique.is_some() {
            names.push(ECOMMERCE.to_ascii_lowercase());
        }
        let mut this = Self { levels, names, ranks: Vec::new(), unique, overflowed: false };
        this.rank_all();
        this
    }

    /// The levels these follow.
    pub fn levels(&self) -> &Levels {
        &self.levels
    }

    /// The id of `name`, in any case; `None` when it was never met.
    pub fn get(&self, name: &str) -> Option<NamespaceId> {
        let at = self.names.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Some(NamespaceId(at as u16))
    }

    /// The id of `name`, in any case, made when new; `None` when it can be no namespace
    /// (blank, with a colon, over a limit).
    pub fn intern(&mut self, name: &str) -> Option<NamespaceId> {
        if let Some(id) = self.get(name) {
            return Some(id);
        }
        if name.trim().is_empty() || name.contains(':') || name.len() > MAX_NAMESPACE_BYTES {
            return None;
        }
        if self.names.len() >= MAX_NAMESPACES {
            self.overflowed = true;
            return None;
        }
        self.names.push(name.to_ascii_lowercase());
        self.rank_all();
        Some(NamespaceId((self.names.len() - 1) as u16))
    }

    /// Whether there was a name more than [`MAX_NAMESPACES`]. Which names those are hangs on the order of the log, so no answer
    /// may follow from what is here then.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// The id that the namespace `id` of these has in `other`; `None` when it was never met there.
    pub fn get_in(&self, id: NamespaceId, other: &Namespaces) -> Option<NamespaceId> {
        let name = &self.names[usize::from(id.0)];
        match other.names.get(usize::from(id.0)) {
            Some(same) if same == name => Some(id),
            _ => other.get(name),
        }
    }

    /// How many there are; their ids are the numbers below it.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never: there is always the session.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The lower-case names by id, as the store keeps them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name as it is written to users: `sessionId`, `ecommerceId`, else in lower case.
    pub fn display(&self, id: NamespaceId) -> &str {
        let name = &self.names[usize::from(id.0)];
        [SESSION, ECOMMERCE].into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name)
    }

    /// The unique namespace, if the store has one.
    pub fn unique(&self) -> Option<NamespaceId> {
        self.unique
    }

    /// Whether `id` is the unique namespace.
    pub fn is_unique(&self, id: NamespaceId) -> bool {
        self.unique == Some(id)
    }

    /// Orders two namespaces by level, the lower first.
    pub fn cmp(&self, a: NamespaceId, b: NamespaceId) -> Ordering {
        self.ranks[usize::from(a.0)].cmp(&self.ranks[usize::from(b.0)])
    }

    fn level(&self, id: usize) -> Level {
        if id == usize::from(NamespaceId::SESSION.0) {
            return Level::Session;
        }
        if self.unique.is_some_and(|unique| usize::from(unique.0) == id) {
            return Level::Unique;
        }
        let name = &self.names[id];
        match self.levels.between.iter().position(|known| known.eq_ignore_ascii_case(name)) {
            Some(place) => Level::Configured(place),
            None => Level::Named(name.clone()),
        }
    }

    fn rank_all(&mut self) {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        order.sort_by_cached_key(|&id| self.level(id));
        self.ranks = vec![0; order.len()];
        for (rank, id) in order.into_iter().enumerate() {
            self.ranks[id] = rank as u16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_session_configured_by_name_unique() {
        let mut all = Namespaces::new(Levels { between: vec!["phone".into(), "email".into()], unique: true });
        let mut ids: Vec<_> = ["zeta", "ECommerceID", "Email", "alpha", "phone", "SESSIONID"]
            .iter()
            .map(|name| all.intern(name).unwrap())
            .collect();
        ids.sort_by(|&a, &b| all.cmp(a, b));
        let names: Vec<_> = ids.iter().map(|&id| all.display(id)).collect();
        assert_eq!(names, ["sessionId", "phone", "email", "alpha", "zeta", "ecommerceId"]);
    }

    #[test]
    fn without_a_unique_namespace_ecommerce_is_one_by_name() {
        let mut all = Namespaces::new(Levels { between: vec![], unique: false });
        let (shop, zip) = (all.intern("ecommerceid").unwrap(), all.intern("zip").unwrap());
        assert_eq!(all.cmp(shop, zip), Ordering::Less);
        assert!(!all.is_unique(shop));
    }

    #[test]
    fn what_can_be_no_namespace() {
        let mut all = Namespaces::new(Levels::default());
        assert_eq!(all.intern("a:b"), None);
        assert_eq!(all.intern("  "), None);
        assert_eq!(all.intern(&"n".repeat(MAX_NAMESPACE_BYTES + 1)), None);
        while all.len() < MAX_NAMESPACES {
            all.intern(&format!("n{}", all.len())).unwrap();
        }
        assert_eq!((all.intern("a:b"), all.overflowed()), (None, false));
        assert_eq!((all.intern("one more"), all.overflowed()), (None, true));
    }
}
