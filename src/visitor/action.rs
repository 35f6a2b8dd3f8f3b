//! What a visitor did, and as whom.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::time::Time;

/// A complete user: what [`Visitor::set_user`](crate::visitor::Visitor::set_user) puts in the place of everything, or what one
/// action is done as.
///
/// Read from JSON, it is the `user` of an activity.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisitorUser {
    pub(super) identities: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) segments: Vec<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) traits: Map<String, Value>,
}

impl VisitorUser {
    /// One without anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an identity, its namespace as it is spelled.
    pub fn identity(mut self, namespace: impl Into<String>, value: impl Into<String>) -> Self {
        self.identities.insert(namespace.into(), value.into());
        self
    }

    /// Adds a segment.
    pub fn segment(mut self, segment: impl Into<String>) -> Self {
        self.segments.push(segment.into());
        self
    }

    /// Adds a trait.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.traits.insert(name.into(), value.into());
        self
    }
}

/// Something that a visitor did: an activity but for who did it.
///
/// It is built step by step, or read from JSON, where it is an activity in which `user`, `id` and `timestamp` may be left out:
///
/// ```
/// use backstitch::VisitorAction;
/// use serde_json::json;
///
/// let view = VisitorAction::new("view").target("product", "123").metadata("page", "/product/123").segment("web");
/// let read: VisitorAction = serde_json::from_value(json!({
///     "action": "view", "target": {"product": "123"}, "metadata": {"page": "/product/123"}, "segments": ["web"]
/// }))?;
/// assert_eq!(view, read);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VisitorAction {
    pub(super) action: String,
    pub(super) target: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) opposite: Option<bool>,
    #[serde(default)]
    pub(super) source_id: Option<String>,
    #[serde(default)]
    pub(super) metadata: Map<String, Value>,
    #[serde(default)]
    pub(super) segments: Vec<String>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) timestamp: Option<String>,
    #[serde(default)]
    pub(super) user: Option<VisitorUser>,
}

impl VisitorAction {
    /// What is called `action`, such as `view`, without a target.
    pub fn new(action: impl Into<String>) -> Self {
        let (target, metadata, segments) = Default::default();
        let action = action.into();
        let (opposite, source_id, id, timestamp, user) = (None, None, None, None, None);
        Self { action, target, opposite, source_id, metadata, segments, id, timestamp, user }
    }

    /// Says what it was done to: a `product`, a `query`.
    pub fn target(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.target.insert(name.into(), value.into());
        self
    }

    /// Says that it takes an earlier one back.
    pub fn opposite(mut self, opposite: bool) -> Self {
        self.opposite = Some(opposite);
        self
    }

    /// Says which tracker sends it.
    pub fn source_id(mut self, id: impl Into<String>) -> Self {
        self.source_id = Some(id.into());
        self
    }

    /// Adds a fact about it: a text, a number, true or false, or a list.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Adds a segment of the activity, such as `web`; those of the user are the visitor's.
    pub fn segment(mut self, segment: impl Into<String>) -> Self {
        self.segments.push(segment.into());
        self
    }

    /// Gives it an id, instead of a new one: one that is delivered twice must have the same.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Says when it happened, instead of now.
    pub fn at(mut self, time: Time) -> Self {
        self.timestamp = Some(time.to_string());
        self
    }

    /// Says who did it. Nothing of the visitor is added, the session ID neither.
    pub fn user(mut self, user: VisitorUser) -> Self {
        self.user = Some(user);
        self
    }
}
