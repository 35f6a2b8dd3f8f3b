//! An event as a program hands it over.

use serde::Serialize;

use crate::model::profile::ProfilePart;
use crate::model::time::Time;

/// An event that a program has decoded itself, to be [pushed](crate::engine::Engine::push): when it happened, the identities
/// that it carried, and what it says of its person. It is held to the rules of a line of a log when it is pushed.
///
/// ```
/// use backstitch::{Activity, Time};
///
/// let time = Time::parse("2026-11-02T08:05:00Z").expect("RFC 3339");
/// let login = Activity::at(time).id("e-1").identity("sessionId", "f49c75a2").identity("ecommerceId", "anna");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Activity {
    time: Time,
    id: Option<String>,
    identities: Vec<(String, String)>,
    /// JSON values, or empty.
    segments: String,
    traits: String,
}

impl Activity {
    /// What happened at `time`, without an identity yet: it must carry one.
    pub fn at(time: Time) -> Self {
        Self { time, id: None, identities: Vec::new(), segments: String::new(), traits: String::new() }
    }

    /// The event's `id`, which tells it from others of its time and identities. White space around it does not count; one that is
    /// blank, or longer than [`MAX_EVENT_ID_BYTES`](crate::model::limits::MAX_EVENT_ID_BYTES), is none.
    ///
    /// Without one, all activities of one time and the same identities are one event, whatever their order, in whatever push:
    /// that of the line `{"timestamp":"2026-11-02T08:05:00.000Z","user":{"identities":{"sessionid":"f49c75a2"}}}`, without
    /// junk, namespaces in lower case and sorted.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds an identity. The case of the namespace and white space around the value do not count, and a value that is junk is
    /// ignored, as on a line.
    pub fn identity(mut self, namespace: impl Into<String>, value: impl Into<String>) -> Self {
        self.identities.push((namespace.into(), value.into()));
        self
    }

    /// The segments that its person is in: a list that is told as a whole. An empty one says that there are none.
    pub fn segments<S: AsRef<str>>(mut self, segments: impl IntoIterator<Item = S>) -> Self {
        let quoted = segments.into_iter().map(|segment| json(segment.as_ref()).unwrap_or_default());
        self.segments = format!("[{}]", quoted.collect::<Vec<_>>().join(","));
        self
    }

    /// Adds a trait of its person, whose value is any that JSON has; one that has been added counts where it was added last. A value
    /// that JSON does not have (a map whose keys are not texts) is `null`.
    ///
    /// ```
    /// # use backstitch::{Activity, Time};
    /// let time = Time::parse("2026-11-02T08:05:00Z").expect("RFC 3339");
    /// let view = Activity::at(time).identity("sessionId", "f49c75a2").segments(["new"]).with_trait("age", 45);
    /// ```
    pub fn with_trait(mut self, name: impl AsRef<str>, value: impl Serialize) -> Self {
        let name = json(name.as_ref()).unwrap_or_default();
        let value = json(&value).unwrap_or_else(|| "null".to_owned());
        let first = self.traits.pop().is_none();
        self.traits.push(if first { '{' } else { ',' });
        self.traits.push_str(&format!("{name}:{value}}}"));
        self
    }

    /// Its segments and traits as JSON, spelled in any way.
    pub(crate) fn profile(&self) -> ProfilePart<'_> {
        ProfilePart { segments: &self.segments, traits: &self.traits }
    }

    pub(crate) fn time(&self) -> Time {
        self.time
    }

    pub(crate) fn told_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Namespaces as they are spelled, with their values.
    pub(crate) fn identities(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.identities.iter().map(|(namespace, value)| (&**namespace, &**value))
    }

    /// Bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        let identities = self.identities.iter().map(|(namespace, value)| namespace.len() + value.len());
        self.id.as_ref().map_or(0, String::len) + identities.sum::<usize>() + self.segments.len() + self.traits.len()
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> Option<String> {
    serde_json::to_string(value).ok()
}
