//! What an event says of its person beside identities: segments and traits.

/// The segments and traits of an event, each as JSON in its canonical spelling, or empty where the event has none.
///
/// They are facts of the event and do not tell it from others: of two deliveries of one event that differ in them the greater
/// one counts, by the bytes of the segments, then of the traits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfilePart<'a> {
    /// A list: `["new","prospect"]`.
    pub segments: &'a str,
    /// An object, its names ascending: `{"age":45,"buyer":true}`.
    pub traits: &'a str,
}

impl ProfilePart<'_> {
    /// Whether it says nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.traits.is_empty()
    }
}
