//! Where a line says what: the fields of an activity, or of another log's lines.
//!
//! Fields decide how lines are read, not what facts mean, so they are no setting of a store: logs with different ones may be
//! replayed into one store. Only a position remembers, by a [hash](Fields::hash), which fields a source was read with.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::ingest::bounds::TimeBounds;
use crate::model::limits::MAX_NAMESPACES;
use crate::model::namespace::name_fault;
use crate::model::source::FieldsHash;
use crate::model::time::Time;

/// Names within each other that a path may have. The lines of no log in use nest a tenth as deep, and reading descends once a name.
pub const MAX_PATH_NAMES: usize = 64;

/// The paths of an activity: of the identities, and of what stands beside them.
const IDENTITIES: &str = "user.identities";
const SEGMENTS: &str = "user.segments";
const TRAITS: &str = "user.traits";

/// Where the fields of a line lie. Default: those of an activity. Cheap to clone.
///
/// ```
/// use backstitch::Fields;
///
/// let segment = Fields::builder()
///     .timestamp("sentAt")
///     .id("messageId")
///     .namespace("sessionId", "anonymousId")
///     .namespace("ecommerceId", "userId")
///     .namespace("email", "context.traits.email")
///     .build()?;
/// # assert_ne!(segment, Fields::default());
/// # Ok::<(), backstitch::ingest::fields::FieldsError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// None for an activity, which has a reader of its own.
    pub(super) tree: Option<Arc<Tree>>,
    /// What numbers count that are times; told by their magnitude where it is not named.
    pub(super) unit: Option<TimeUnit>,
    /// The moments that an event may have.
    pub(super) bounds: TimeBounds,
    /// Where a wrapper holds its array.
    pub(super) wrapper: Option<Wrapper>,
}

/// Where an object holds the array of events that it is wrapped around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrapper {
    path: String,
    /// The names of the path.
    pub names: Arc<[String]>,
}

/// What a number counts that is a time, from the Unix epoch on. In a configuration `s`, `ms`, `us` or `ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
}

impl TimeUnit {
    /// The power of ten by which it is longer than a microsecond.
    pub(super) const fn exponent_of_micros(self) -> i64 {
        match self {
            Self::Seconds => 6,
            Self::Milliseconds => 3,
            Self::Microseconds => 0,
            Self::Nanoseconds => -3,
        }
    }
}

impl Fields {
    /// Fields, to be named where they differ from those of an activity.
    pub fn builder() -> FieldsBuilder {
        FieldsBuilder::default()
    }

    /// With events from this moment on alone; what is earlier is rejected. By default from 1970-01-01 on.
    pub fn not_before(mut self, time: Time) -> Self {
        self.bounds.not_before = time;
        self
    }

    /// With events up to this moment, itself included; what is later is rejected. By default up to 2100-01-01.
    pub fn not_after(mut self, time: Time) -> Self {
        self.bounds.not_after = time;
        self
    }

    /// The path of the time, where it is another than an activity's.
    pub fn timestamp_path(&self) -> Option<&str> {
        self.tree.as_deref()?.timestamp.as_deref()
    }

    /// The path of the array of events in an object that is wrapped around it.
    pub fn wrapper_path(&self) -> Option<&str> {
        Some(&self.wrapper.as_ref()?.path)
    }

    /// What tells them from other fields: equal fields, equal hash. `docs/format.md` says of what. The bounds of time are no part of
    /// it: they choose among events, and change none.
    pub fn hash(&self) -> FieldsHash {
        let Self { tree, unit, bounds: _, wrapper } = self;
        let mut lines = Vec::new();
        let mut tell = |name: &dyn fmt::Display, path: &str| lines.push(format!("{name} {path}\n"));
        if let Some(Tree { nodes: _, names, timestamp, id, identities, segments, traits }) = tree.as_deref() {
            if let Some(path) = timestamp {
                tell(&Field::Timestamp, path);
            }
            tell(&Field::Id, id);
            for (field, path) in [(Field::Segments, segments), (Field::Traits, traits)] {
                if let Some(path) = path {
                    tell(&field, path);
                }
            }
            for (at, path) in identities.iter().enumerate() {
                match names.get(at) {
                    Some(name) => tell(&Field::Namespace(name.to_ascii_lowercase()), path),
                    None => tell(&Field::Identities, path),
                }
            }
        }
        if let Some(wrapper) = wrapper {
            tell(&Field::Wrapper, &wrapper.path);
        }
        if let Some(unit) = unit {
            tell(&"unit", &unit.exponent_of_micros().to_string());
        }
        lines.sort();
        FieldsHash(xxh3_64(lines.concat().as_bytes()))
    }

    /// Whether a single field is an identity of the namespace `name`, in any case.
    pub(super) fn name_namespace(&self, name: &str) -> bool {
        self.tree.as_deref().is_some_and(|tree| tree.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// The paths where identities stand, for a reader.
    pub(super) fn identity_paths(&self) -> Vec<&str> {
        self.tree
            .as_deref()
            .map_or_else(|| vec![IDENTITIES], |tree| tree.identities.iter().map(String::as_str).collect())
    }
}

/// A field that can be given a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// When it happened.
    Timestamp,
    /// The `id` of the event.
    Id,
    /// The object that maps namespaces to values.
    Identities,
    /// A single field that is an identity of this namespace.
    Namespace(String),
    /// The list of the person's segments.
    Segments,
    /// The object of the person's traits.
    Traits,
    /// The array of events in an object that is wrapped around it.
    Wrapper,
}

/// As a configuration names it: `timestamp`, `namespaces.email`.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timestamp => f.write_str("timestamp"),
            Self::Id => f.write_str("id"),
            Self::Identities => f.write_str("identities"),
            Self::Namespace(name) => write!(f, "namespaces.{name}"),
            Self::Segments => f.write_str("segments"),
            Self::Traits => f.write_str("traits"),
            Self::Wrapper => f.write_str("wrapper"),
        }
    }
}

/// Why no lines can be read by these fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct FieldsError {
    /// The field to be mended.
    pub field: Field,
    /// What is wrong with it, and the remedy.
    pub why: String,
}

/// The paths of fields, as they are named. A path is names joined by dots, each a step into an object; `\.` is a dot in a name
/// and `\\` a backslash. Names are compared as they stand, case included.
///
/// What is not told is where an activity has it: `timestamp`, else `time`; `id`; `user.identities`. But where
/// [single fields](FieldsBuilder::namespace) are told and [`identities`](FieldsBuilder::identities) is not, they are all.
/// Segments and traits that are not told are `user.segments` and `user.traits` where the identities are an activity's, and
/// else there are none.
#[derive(Debug, Clone, Default)]
pub struct FieldsBuilder {
    timestamp: Option<String>,
    id: Option<String>,
    identities: Option<String>,
    namespaces: Vec<(String, String)>,
    segments: Option<String>,
    traits: Option<String>,
    unit: Option<TimeUnit>,
    wrapper: Option<String>,
}

impl FieldsBuilder {
    /// The path of the time, for which there is no second name then.
    pub fn timestamp(mut self, path: impl Into<String>) -> Self {
        self.timestamp = Some(path.into());
        self
    }

    /// What a time counts that is a number, in a text or by itself. Where it is not named, it is told by the magnitude of each: seconds
    /// below 10^11, milliseconds below 10^14, microseconds below 10^17, and then nanoseconds.
    pub fn unit(mut self, unit: TimeUnit) -> Self {
        self.unit = Some(unit);
        self
    }

    /// The path of the event's id.
    pub fn id(mut self, path: impl Into<String>) -> Self {
        self.id = Some(path.into());
        self
    }

    /// The path of the object that maps namespaces to values.
    pub fn identities(mut self, path: impl Into<String>) -> Self {
        self.identities = Some(path.into());
        self
    }

    /// The path of a single text or number that is an identity of `namespace`.
    pub fn namespace(mut self, namespace: impl Into<String>, path: impl Into<String>) -> Self {
        self.namespaces.push((namespace.into(), path.into()));
        self
    }

    /// The path of the list of the person's segments.
    pub fn segments(mut self, path: impl Into<String>) -> Self {
        self.segments = Some(path.into());
        self
    }

    /// The path of the object of the person's traits.
    pub fn traits(mut self, path: impl Into<String>) -> Self {
        self.traits = Some(path.into());
        self
    }

    /// The path of an array, in objects that are each wrapped around one: its members are the events, as those of `{"items":[…],"next":7}` at
    /// `items`. An object without it is an event itself.
    pub fn wrapper(mut self, path: impl Into<String>) -> Self {
        self.wrapper = Some(path.into());
        self
    }

    /// The fields.
    ///
    /// # Errors
    /// When a path is blank, misspelled or too deep, a name cannot be a namespace, a namespace is named twice, two fields
    /// lie in one place or one inside the other, or there are more than [`MAX_NAMESPACES`] namespaces.
    pub fn build(mut self) -> Result<Fields, FieldsError> {
        let wrapper = self.wrapper.take().map(|path| match names(&path) {
            Ok(names) => Ok(Wrapper { path, names: names.into() }),
            Err(why) => Err(FieldsError { field: Field::Wrapper, why }),
        });
        let fields = Fields { unit: self.unit, wrapper: wrapper.transpose()?, ..Fields::default() };
        // The order in which they were told says nothing: equal paths, equal fields.
        self.namespaces.sort();
        let activity = self.timestamp.is_none()
            && self.id.as_deref().is_none_or(|path| path == "id")
            && self.identities.as_deref().is_none_or(|path| path == IDENTITIES)
            && self.namespaces.is_empty()
            && self.segments.as_deref().is_none_or(|path| path == SEGMENTS)
            && self.traits.as_deref().is_none_or(|path| path == TRAITS);
        if activity {
            return Ok(fields);
        }
        let mut tree = Tree::default();
        // Told ones first: a clash is then blamed on what was told, not on what was left as it is.
        for (place, (namespace, path)) in self.namespaces.iter().enumerate() {
            let field = || Field::Namespace(namespace.clone());
            let refuse = |why: String| Err(FieldsError { field: field(), why });
            if place == MAX_NAMESPACES {
                return refuse(format!("at most {MAX_NAMESPACES} namespaces are named: leave the others out"));
            }
            if let Some(fault) = name_fault(namespace) {
                return refuse(format!("{fault}: name another namespace"));
            }
            if self.namespaces.iter().take(place).any(|(other, _)| other.eq_ignore_ascii_case(namespace)) {
                return refuse("this namespace is named twice (case does not count): leave one out".to_owned());
            }
            tree.names.push(namespace.clone());
            tree.identities.push(path.clone());
            tree.plant(&field(), path, Target::Single(place))?;
        }
        match &self.timestamp {
            Some(path) => tree.plant(&Field::Timestamp, path, Target::Timestamp)?,
            None => {
                tree.plant(&Field::Timestamp, "timestamp", Target::Timestamp)?;
                tree.plant(&Field::Timestamp, "time", Target::Time)?;
            }
        }
        tree.id = self.id.unwrap_or_else(|| "id".to_owned());
        tree.plant(&Field::Id, &tree.id.clone(), Target::Id)?;
        if self.identities.is_some() || self.namespaces.is_empty() {
            let path = self.identities.unwrap_or_else(|| IDENTITIES.to_owned());
            tree.plant(&Field::Identities, &path, Target::Identities)?;
            tree.identities.push(path);
        }
        let all = [(Field::Segments, self.segments, Target::Segments), (Field::Traits, self.traits, Target::Traits)];
        let told = all
            .map(|(field, path, target)| path.map(|path| tree.plant(&field, &path, target).map(|()| path)).transpose());
        let [segments, traits] = told;
        (tree.segments, tree.traits) = (segments?, traits?);
        if tree.identities.last().is_some_and(|path| path == IDENTITIES) && tree.identities.len() > tree.names.len() {
            tree.plant_beside_identities();
        }
        tree.timestamp = self.timestamp;
        Ok(Fields { tree: Some(Arc::new(tree)), ..fields })
    }
}

/// What a key leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Timestamp,
    Time,
    Id,
    Identities,
    Segments,
    Traits,
    /// A single field, by its place among the names of the tree.
    Single(usize),
    /// An object with more of them: a node of the tree.
    Inside(usize),
}

/// The keys that are looked for, object by object. The root is the first node.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tree {
    nodes: Vec<Vec<Branch>>,
    /// Namespaces of the single fields.
    pub names: Vec<String>,
    /// The path of the time where it was told; else an activity's two names.
    pub timestamp: Option<String>,
    /// The path of the id.
    id: String,
    /// The paths of identities: of single fields, then of the object.
    pub identities: Vec<String>,
    /// The paths of segments and traits where they were told.
    segments: Option<String>,
    traits: Option<String>,
}

/// A key of a node.
#[derive(Debug, PartialEq, Eq)]
struct Branch {
    key: String,
    target: Target,
    /// The field that was first planted on it or below, for a clash.
    field: Field,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![Vec::new()],
            names: Vec::new(),
            timestamp: None,
            id: String::new(),
            identities: Vec::new(),
            segments: None,
            traits: None,
        }
    }
}

impl Tree {
    /// What `key` of a node leads to.
    #[inline]
    pub fn target(&self, node: usize, key: &[u8]) -> Option<Target> {
        self.nodes.get(node)?.iter().find(|branch| branch.key.as_bytes() == key).map(|branch| branch.target)
    }

    /// What the keys of a node lead to.
    pub fn targets(&self, node: usize) -> impl Iterator<Item = Target> {
        self.nodes.get(node).into_iter().flatten().map(|branch| branch.target)
    }

    /// Segments and traits of an activity, where they were not told. What was told goes before.
    fn plant_beside_identities(&mut self) {
        if self.segments.is_none() {
            let _ = self.plant(&Field::Segments, SEGMENTS, Target::Segments);
        }
        if self.traits.is_none() {
            let _ = self.plant(&Field::Traits, TRAITS, Target::Traits);
        }
    }

    fn plant(&mut self, field: &Field, path: &str, target: Target) -> Result<(), FieldsError> {
        let refuse = |why: String| Err(FieldsError { field: field.clone(), why });
        let names = match names(path) {
            Ok(names) => names,
            Err(why) => return refuse(why),
        };
        let mut node = 0;
        for (place, key) in names.iter().enumerate() {
            let last = place + 1 == names.len();
            let next = self.nodes.len();
            // Each was made before it was gone to.
            let Some(branches) = self.nodes.get_mut(node) else { break };
            match branches.iter().find(|branch| branch.key == *key) {
                Some(Branch { target: Target::Inside(next), .. }) if !last => node = *next,
                Some(branch) => {
                    return refuse(format!(
                        "{path:?} clashes with {}: two fields lie neither in one place nor one inside the other; change one \
                         of the two",
                        branch.field
                    ));
                }
                None => {
                    let target = if last { target } else { Target::Inside(next) };
                    branches.push(Branch { key: key.clone(), target, field: field.clone() });
                    if !last {
                        self.nodes.push(Vec::new());
                        node = next;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The names of a path.
fn names(path: &str) -> Result<Vec<String>, String> {
    if path.trim().is_empty() {
        return Err("the path is blank: name a key of the line".to_owned());
    }
    let mut names = vec![String::new()];
    let mut signs = path.chars();
    while let Some(sign) = signs.next() {
        let plain = match (sign, signs.as_str().chars().next()) {
            ('.', _) => {
                names.push(String::new());
                continue;
            }
            ('\\', Some(itself @ ('.' | '\\'))) => {
                signs.next();
                itself
            }
            ('\\', _) => {
                return Err(format!(
                    r"{path:?} has a lone backslash: write \. for a dot in a name, \\ for a backslash"
                ));
            }
            _ => sign,
        };
        if let Some(name) = names.last_mut() {
            name.push(plain);
        }
    }
    if names.iter().any(String::is_empty) {
        return Err(format!(
            r"{path:?} has an empty name in it: one dot stands between two names, \. is a dot in a name"
        ));
    }
    if names.len() > MAX_PATH_NAMES {
        return Err(format!("the path has {} names, at most {MAX_PATH_NAMES} are followed", names.len()));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(builder: FieldsBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn a_path_is_names_joined_by_dots() {
        assert_eq!(names("a.b c.é").unwrap(), ["a", "b c", "é"]);
        assert_eq!(names(r"a\.b.c\\.d").unwrap(), ["a.b", r"c\", "d"]);
        assert_eq!(names(&vec!["x"; MAX_PATH_NAMES].join(".")).unwrap().len(), MAX_PATH_NAMES);
        for (path, why) in [
            ("", "blank"),
            (" \t", "blank"),
            (".", "empty name"),
            ("a..b", "empty name"),
            (".a", "empty name"),
            ("a.", "empty name"),
            ("a\\", "lone backslash"),
            (r"a\n", "lone backslash"),
            (&vec!["x"; MAX_PATH_NAMES + 1].join("."), "at most 64"),
        ] {
            let told = names(path).unwrap_err();
            assert!(told.contains(why), "{path}: {told}");
        }
    }

    #[test]
    fn what_says_nothing_else_is_an_activity() {
        let same = Fields::builder().id("id").identities("user.identities");
        assert_eq!(same.build().unwrap(), Fields::default());
        assert_eq!(Fields::builder().build().unwrap(), Fields::default());
        // No second name for the time then.
        assert_ne!(Fields::builder().timestamp("timestamp").build().unwrap(), Fields::default());
        assert_ne!(Fields::builder().namespace("email", "email").build().unwrap(), Fields::default());
    }

    #[test]
    fn the_order_of_telling_says_nothing() {
        let one = Fields::builder().namespace("a", "x").namespace("b", "y").id("z").build();
        assert_eq!(one, Fields::builder().id("z").namespace("b", "y").namespace("a", "x").build());
    }

    #[test]
    fn other_fields_have_another_hash() {
        let build = Fields::builder;
        let all = [
            build(),
            build().unit(TimeUnit::Seconds),
            build().unit(TimeUnit::Milliseconds),
            build().wrapper("at"),
            build().wrapper("a.at"),
            build().wrapper("at").unit(TimeUnit::Seconds),
            build().timestamp("at").wrapper("at"),
            build().timestamp("at"),
            build().timestamp("at").id("x"),
            build().id("at"),
            build().identities("at"),
            build().namespace("email", "at"),
            build().namespace("e", "at"),
            build().namespace("e", "at").identities("x"),
            build().namespace("e", "at").namespace("f", "x"),
            build().namespace("e", "x").namespace("f", "at"),
        ];
        let hash = |builder: &FieldsBuilder| builder.clone().build().unwrap().hash().0;
        let hashes: std::collections::BTreeSet<u64> = all.iter().map(hash).collect();
        assert_eq!(hashes.len(), all.len());
        assert_eq!(hash(&build().id("id")), Fields::default().hash().0);
        assert_eq!(hash(&build().namespace("E", "at")), hash(&build().namespace("e", "at")), "case does not count");
    }

    #[test]
    fn identities_are_looked_for_unless_single_fields_are_all() {
        let identities = |builder: FieldsBuilder| builder.build().unwrap().tree.unwrap().identities.clone();
        assert_eq!(identities(Fields::builder().timestamp("at")), ["user.identities"]);
        assert_eq!(identities(Fields::builder().namespace("email", "mail")), ["mail"]);
        assert_eq!(identities(Fields::builder().namespace("email", "mail").identities("ids")), ["mail", "ids"]);
    }

    #[test]
    fn fields_that_cannot_be_told_apart_are_refused() {
        let build = Fields::builder;
        assert!(told(build().timestamp(" ")).starts_with("timestamp: the path is blank"));
        assert!(told(build().namespace("email", "a..b")).starts_with("namespaces.email: \"a..b\" has an empty name"));
        assert!(told(build().namespace("a:b", "x")).contains("no colon"));
        assert!(
            told(build().namespace("Email", "a").namespace("EMAIL", "b"))
                .starts_with("namespaces.Email: this namespace is")
        );
        for clash in [
            build().timestamp("at").id("at"),
            build().timestamp("at").id("at.x"),
            build().timestamp("at.x").id("at"),
            build().identities("user").id("user.id"),
            build().namespace("email", "id"),
            build().namespace("email", "time"),
            build().id("user.identities.id"),
        ] {
            assert!(told(clash.clone()).contains("clashes with"), "{clash:?}");
        }
        assert!(build().timestamp("at.x").id("at.y").namespace("email", "at.z.x").build().is_ok());
    }
}
