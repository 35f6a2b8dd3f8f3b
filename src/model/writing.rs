//! How fields of rows are serialised: as the text that is shown, `ecommerceId:18278` or `2026-11-02T09:00:00.000Z`.

use std::fmt::Display;

use serde::{Serialize, Serializer};

/// As text.
pub fn text<T: Display, S: Serializer>(what: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(what)
}

/// What is serialised as text.
pub struct Text<'a, T>(pub &'a T);

impl<T: Display> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self.0)
    }
}

/// As text, or null.
pub fn text_or_null<T: Display, S: Serializer>(what: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match what {
        Some(what) => to.collect_str(what),
        None => to.serialize_none(),
    }
}

/// As a list of texts.
pub fn texts<T: Display, S: Serializer>(all: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().map(ToString::to_string))
}
