//! Namespaces and their levels.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::identity::Identity;
use crate::model::limits::{MAX_NAMESPACE_BYTES, MAX_NAMESPACES};

/// The lowest namespace, as the wire spells it.
pub const SESSION: &str = "sessionId";
/// The unique namespace of a store, as the wire spells it, unless the store was made with another or without one.
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
/// Two are equal when they differ in the case of names alone.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// Names between the session and the unique namespace, ascending.
    pub between: Vec<String>,
    /// The unique namespace, of which a person has at most one identity, spelled as users are to read it. Without one
    /// every link joins.
    #[serde(with = "stored_unique")]
    pub unique: Option<String>,
}

impl Default for Levels {
    fn default() -> Self {
        Self { between: Vec::new(), unique: Some(ECOMMERCE.to_owned()) }
    }
}

impl PartialEq for Levels {
    fn eq(&self, other: &Self) -> bool {
        let lower = |name: &String| name.to_ascii_lowercase();
        self.between.iter().map(lower).eq(other.between.iter().map(lower))
            && self.unique.as_ref().map(lower) == other.unique.as_ref().map(lower)
    }
}

/// Why a name cannot be a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameFault {
    /// It is blank.
    Blank,
    /// It holds a colon, which ends the namespace where an identity is written.
    Colon,
    /// It is longer than [`MAX_NAMESPACE_BYTES`].
    Long,
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("the name of a namespace is blank"),
            Self::Colon => f.write_str("the name of a namespace holds no colon"),
            Self::Long => write!(f, "the name of a namespace has at most {MAX_NAMESPACE_BYTES} bytes"),
        }
    }
}

/// Why `name` cannot be a namespace, if it cannot.
pub fn name_fault(name: &str) -> Option<NameFault> {
    if name.trim().is_empty() {
        return Some(NameFault::Blank);
    }
    if name.contains(':') {
        return Some(NameFault::Colon);
    }
    (name.len() > MAX_NAMESPACE_BYTES).then_some(NameFault::Long)
}

/// Why no store can have these levels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {why}")]
pub struct LevelsError {
    /// The setting to be mended: `unique` or `between`.
    pub setting: &'static str,
    /// What is wrong with it, and the remedy.
    pub why: String,
}

impl Levels {
    /// Checks that each name can be a namespace and stands on one level only.
    ///
    /// # Errors
    /// When a name is blank, too long or has a colon, is that of the session, or is named twice, or there are more than
    /// [`MAX_NAMESPACES`].
    pub fn check(&self) -> Result<(), LevelsError> {
        if let Some(name) = self.between.get(MAX_NAMESPACES) {
            let why = format!("{name:?} is one too many: at most {MAX_NAMESPACES} namespaces have levels of their own");
            return Err(LevelsError { setting: "between", why });
        }
        let all =
            self.between.iter().map(|name| ("between", name)).chain(self.unique.iter().map(|name| ("unique", name)));
        let mut known: Vec<(&str, &str)> = Vec::new();
        for (setting, name) in all {
            let refuse = |why: String| Err(LevelsError { setting, why });
            if let Some(fault) = name_fault(name) {
                return refuse(format!("{name:?} cannot be a namespace: {fault}"));
            }
            if name.eq_ignore_ascii_case(SESSION) {
                return refuse(format!("{name:?} is the lowest level of every store: name another namespace"));
            }
            match known.iter().find(|(_, other)| other.eq_ignore_ascii_case(name)) {
                Some(("between", _)) if setting == "unique" => {
                    return refuse(format!(
                        "{name:?} is among the levels below it, too (between): leave it out there, or name another \
                         namespace"
                    ));
                }
                Some(_) => return refuse(format!("{name:?} is named twice: leave one out")),
                None => known.push((setting, name)),
            }
        }
        Ok(())
    }
}

/// The unique namespace as a store keeps it: 0 for none, 1 for `ecommerceId` as it is, 2 before any other name. So the byte
/// of a store whose program knew no other name, and wrote a boolean, reads on. In writing for people it is the name, or null.
mod stored_unique {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::ECOMMERCE;

    #[derive(Serialize, Deserialize)]
    enum Stored {
        None,
        Ecommerce,
        Named(String),
    }

    pub fn serialize<S: Serializer>(unique: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            return unique.serialize(to);
        }
        let stored = match unique.as_deref() {
            None => Stored::None,
            Some(ECOMMERCE) => Stored::Ecommerce,
            Some(name) => Stored::Named(name.to_owned()),
        };
        stored.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
        if from.is_human_readable() {
            return Option::deserialize(from);
        }
        Ok(match Stored::deserialize(from)? {
            Stored::None => None,
            Stored::Ecommerce => Some(ECOMMERCE.to_owned()),
            Stored::Named(name) => Some(name),
        })
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

/// The namespaces that a store has met, with their levels. Small (at most twice [`MAX_NAMESPACES`]); cloned freely.
///
/// Ids are handed out in the order of meeting and never change; ranks follow the levels. An id that these never gave panics, as an index would.
#[derive(Debug, Clone)]
pub struct Namespaces {
    levels: Levels,
    /// Lower-case names by id: what decides, is hashed, and stands in rows.
    names: Vec<String>,
    /// The same as they were first spelled, for people. Those that every store has are in lower case here: they are spelled as
    /// the wire or the settings do.
    spellings: Vec<String>,
    /// Rank by id: position in level order among the namespaces met so far.
    ranks: Vec<u16>,
    unique: Option<NamespaceId>,
}

impl Namespaces {
    /// The namespaces of an empty store: the session and, unless switched off, the unique one. No store is made with levels
    /// that [`Levels::check`] refuses; here they are taken as they come.
    pub fn new(levels: Levels) -> Self {
        let mut names = vec![SESSION.to_ascii_lowercase()];
        names.extend(levels.unique.as_deref().map(str::to_ascii_lowercase));
        let unique = levels.unique.is_some().then_some(NamespaceId(1));
        let spellings = names.clone();
        let mut this = Self { levels, names, spellings, ranks: Vec::new(), unique };
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

    /// The id of `name`, in any case, made when new and then spelled like this; `None` when it cannot be a namespace
    /// (blank, with a colon, too long), or there is no room for it, as there is for [`MAX_NAMESPACES`]
    /// that logs alone name, and as many again that [`Levels::between`] does.
    pub fn intern(&mut self, name: &str) -> Option<NamespaceId> {
        self.intern_within(name, if self.is_configured(name) { 2 * MAX_NAMESPACES } else { MAX_NAMESPACES })
    }

    /// The same of a name that the configuration of a log gives, which has a place kept, as those of the levels have.
    pub(crate) fn intern_configured(&mut self, name: &str) -> Option<NamespaceId> {
        self.intern_within(name, 2 * MAX_NAMESPACES)
    }

    fn intern_within(&mut self, name: &str, limit: usize) -> Option<NamespaceId> {
        if let Some(id) = self.get(name) {
            return Some(id);
        }
        if name_fault(name).is_some() || self.names.len() >= limit {
            return None;
        }
        let id = self.add(name);
        self.rank_all();
        Some(id)
    }

    /// Whether no name is added any more that a log alone gives. Forged names cannot crowd out a configured one.
    pub(crate) fn is_full(&self) -> bool {
        self.names.len() >= MAX_NAMESPACES
    }

    /// Whether all names of `other` are here, or would be if their log had been read after what these come from.
    pub(crate) fn have_room_for(&self, other: &Namespaces) -> bool {
        let new = other.names.iter().filter(|name| self.get(name).is_none()).count();
        !other.is_full() && self.names.len() + new <= MAX_NAMESPACES
    }

    /// Adds names that were interned elsewhere already, as they are spelled, where they are new; returns the id of each.
    pub(crate) fn take_over(&mut self, spellings: &[String]) -> Vec<NamespaceId> {
        let before = self.names.len();
        let ids = spellings.iter().map(|name| self.get(name).unwrap_or_else(|| self.add(name))).collect();
        if self.names.len() > before {
            self.rank_all();
        }
        ids
    }

    fn add(&mut self, name: &str) -> NamespaceId {
        self.names.push(name.to_ascii_lowercase());
        self.spellings.push(name.to_owned());
        NamespaceId((self.names.len() - 1) as u16)
    }

    fn is_configured(&self, name: &str) -> bool {
        self.levels.between.iter().any(|known| known.eq_ignore_ascii_case(name))
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

    /// The lower-case names by id.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The names by id as they were first spelled, as the store keeps them.
    pub fn spellings(&self) -> &[String] {
        &self.spellings
    }

    /// The name as rows and JSON have it: `sessionId`, the unique one as the store was made with it, `ecommerceId`, else in
    /// lower case. It does not depend on the order in which anything was read.
    pub fn display(&self, id: NamespaceId) -> &str {
        let name = &self.names[usize::from(id.0)];
        self.known_spelling(name).unwrap_or(name)
    }

    /// The name as people are shown it: as [`display`](Self::display), but any other as the levels of the store spell it or, where
    /// they do not name it, as the log did that the store read first.
    pub fn spelled(&self, id: NamespaceId) -> &str {
        let name = &self.names[usize::from(id.0)];
        let configured =
            || self.levels.between.iter().find(|level| level.eq_ignore_ascii_case(name)).map(String::as_str);
        self.known_spelling(name).or_else(configured).unwrap_or(&self.spellings[usize::from(id.0)])
    }

    /// An identity as people are shown it: its namespace [`spelled`](Self::spelled). To be asked for again it needs no spelling:
    /// names are matched in any case.
    pub fn shown(&self, identity: &Identity) -> Identity {
        let namespace = self.get(&identity.namespace).map_or(&*identity.namespace, |id| self.spelled(id));
        Identity { namespace: namespace.to_owned(), value: identity.value.clone() }
    }

    /// The name as rows have it, whether the store has met it or not.
    pub fn written(&self, name: &str) -> String {
        self.known_spelling(name).map_or_else(|| name.to_ascii_lowercase(), str::to_owned)
    }

    /// One of the names that are spelled the same everywhere.
    fn known_spelling(&self, name: &str) -> Option<&str> {
        let mut own = [Some(SESSION), self.levels.unique.as_deref(), Some(ECOMMERCE)].into_iter().flatten();
        own.find(|known| known.eq_ignore_ascii_case(name))
    }

    /// All of them from the lowest level to the highest.
    pub fn by_level(&self) -> Vec<NamespaceId> {
        let mut ids: Vec<NamespaceId> = (0..self.len()).map(|id| NamespaceId(id as u16)).collect();
        ids.sort_by(|&a, &b| self.cmp(a, b));
        ids
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
        let mut all = Namespaces::new(Levels { between: vec!["phone".into(), "email".into()], ..Levels::default() });
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
        let mut all = Namespaces::new(Levels { between: vec![], unique: None });
        let (shop, zip) = (all.intern("ecommerceid").unwrap(), all.intern("zip").unwrap());
        assert_eq!(all.cmp(shop, zip), Ordering::Less);
        assert!(!all.is_unique(shop));
    }

    #[test]
    fn the_unique_namespace_is_written_as_the_store_was_made_with_it() {
        let mut all = Namespaces::new(Levels { unique: Some("customerNumber".into()), ..Levels::default() });
        let ids = ["CUSTOMERNUMBER", "sessionid", "ECOMMERCEID", "Email"].map(|name| all.intern(name).unwrap());
        assert_eq!(ids.map(|id| all.display(id)), ["customerNumber", "sessionId", "ecommerceId", "email"]);
        assert_eq!(ids.map(|id| all.is_unique(id)), [true, false, false, false]);
        assert_eq!(all.cmp(ids[2], ids[0]), Ordering::Less);
        assert_eq!(["customernumber", "PHONE"].map(|name| all.written(name)), ["customerNumber", "phone"]);
    }

    #[test]
    fn rows_have_one_name_and_people_see_the_spelling() {
        let mut all = Namespaces::new(Levels { between: vec!["deviceId".into()], ..Levels::default() });
        let ids = ["DEVICEID", "eMail", "EMAIL", "SESSIONID", "ecommerceID"].map(|name| all.intern(name).unwrap());
        assert_eq!(ids[1], ids[2]);
        assert_eq!(ids.map(|id| all.display(id)), ["deviceid", "email", "email", "sessionId", "ecommerceId"]);
        assert_eq!(ids.map(|id| all.spelled(id)), ["deviceId", "eMail", "eMail", "sessionId", "ecommerceId"]);
        assert_eq!(all.spellings(), ["sessionid", "ecommerceid", "DEVICEID", "eMail"], "as they are stored");
        let shown =
            |namespace: &str| all.shown(&Identity { namespace: namespace.into(), value: "V:1".into() }).to_string();
        assert_eq!(["email", "never"].map(shown), ["eMail:V:1", "never:V:1"]);
        // Read back from a store in the order of their ids.
        let mut again = Namespaces::new(all.levels().clone());
        all.spellings().iter().for_each(|name| _ = again.intern(name));
        assert_eq!((again.spellings(), again.names()), (all.spellings(), all.names()));
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
        assert!(all.is_full() && all.intern("one more").is_none() && all.intern("N7").is_some());
    }

    #[test]
    fn forged_names_crowd_out_no_configured_one() {
        let full = |between: &[&str]| {
            let mut all = Namespaces::new(levels(between, Some("userId")));
            while all.intern(&format!("n{}", all.len())).is_some() {}
            all
        };
        let mut all = full(&["email", "phone"]);
        assert_eq!((all.intern("deviceId"), all.get("userid")), (None, Some(NamespaceId(1))));
        let ids = [all.intern("Email"), all.intern_configured("deviceId"), all.intern("phone")].map(Option::unwrap);
        assert_eq!(ids.map(|id| all.spelled(id)), ["email", "deviceId", "phone"]);
        assert_eq!(all.cmp(ids[0], ids[2]), Ordering::Less);
        // Those have an end, too: a configuration that changes every day fills no memory.
        while all.intern_configured(&format!("c{}", all.len())).is_some() {}
        assert_eq!(all.len(), 2 * MAX_NAMESPACES);
        assert_eq!(full(&[]).len(), MAX_NAMESPACES);
    }

    #[test]
    fn names_are_taken_over_where_they_would_have_been_interned() {
        let named = |names: std::ops::Range<usize>| {
            let mut all = Namespaces::new(Levels::default());
            names.for_each(|number| _ = all.intern(&format!("N{number}")));
            all
        };
        let most = MAX_NAMESPACES - 2;
        let (mut all, more) = (named(0..100), named(50..most));
        assert!(all.have_room_for(&more) && named(0..most).have_room_for(&named(0..50)));
        assert!(!named(0..100).have_room_for(&named(99..most + 1)), "one too many together");
        assert!(!named(0..100).have_room_for(&named(0..most)), "it may have left names out");
        let ids = all.take_over(more.spellings());
        assert_eq!((ids.len(), ids[2], ids[most - 50 + 1]), (more.len(), NamespaceId(52), NamespaceId(255)));
        assert_eq!((all.names(), all.spellings()), (named(0..most).names(), named(0..most).spellings()));
        assert_eq!(all.by_level(), named(0..most).by_level());
    }

    fn levels(between: &[&str], unique: Option<&str>) -> Levels {
        Levels { between: between.iter().map(|&name| name.to_owned()).collect(), unique: unique.map(str::to_owned) }
    }

    #[test]
    fn equal_but_for_the_case() {
        assert_eq!(levels(&["Email"], Some("userId")), levels(&["email"], Some("USERID")));
        assert_ne!(levels(&[], Some("userId")), levels(&[], None));
        assert_ne!(levels(&["a", "b"], None), levels(&["b", "a"], None));
        assert_ne!(levels(&["a"], None), levels(&["a", "b"], None));
    }

    #[test]
    fn each_name_stands_on_one_level() {
        let refused = |between: &[&str], unique: Option<&str>| levels(between, unique).check().unwrap_err().to_string();
        assert_eq!(levels(&["email", "deviceid"], Some("customerNumber")).check(), Ok(()));
        assert_eq!(levels(&["ecommerceId"], None).check(), Ok(()));
        let long = "n".repeat(MAX_NAMESPACE_BYTES + 1);
        for (unique, why) in [
            (" ", "the name of a namespace is blank"),
            ("a:b", "the name of a namespace holds no colon"),
            (long.as_str(), "has at most 64 bytes"),
            ("SESSIONID", "is the lowest level of every store"),
            ("EMAIL", "is among the levels below it, too (between)"),
        ] {
            let told = refused(&["email"], Some(unique));
            assert!(told.starts_with("unique: ") && told.contains(why), "{told}");
        }
        for (between, why) in [
            ("", "is blank"),
            ("a:b", "no colon"),
            (long.as_str(), "at most 64"),
            ("sessionId", "the lowest level"),
            ("phone", "named twice"),
        ] {
            let told = refused(&["Phone", between], None);
            assert!(told.starts_with("between: ") && told.contains(why), "{told}");
        }
        let many: Vec<String> = (0..=MAX_NAMESPACES).map(|number| format!("n{number}")).collect();
        let told = Levels { between: many, unique: None }.check().unwrap_err().to_string();
        assert!(told.starts_with("between: \"n256\" is one too many"), "{told}");
    }
}
