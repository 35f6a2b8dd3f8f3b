//! An event as a program hands it over.

use crate::model::time::Time;

/// An event that a program has decoded itself, to be [pushed](crate::engine::Engine::push): when it happened, and the identities
/// that it carried. It is held to the rules of a line of a log when it is pushed.
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
}

impl Activity {
    /// What happened at `time`, without an identity yet: it must carry one.
    pub fn at(time: Time) -> Self {
        Self { time, id: None, identities: Vec::new() }
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
        self.id.as_ref().map_or(0, String::len) + identities.sum::<usize>()
    }
}
