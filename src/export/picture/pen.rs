//! What the picture and its legend are both drawn with.

use std::fmt::Write;

/// Around everything.
pub(super) const MARGIN: f64 = 30.0;

/// The red of refused links, which is nobody's colour.
pub(super) const REFUSED: &str = "#c81e4a";

/// A length with at most one decimal.
pub(super) fn number(length: f64) -> String {
    format!("{}", (length * 10.0).round() / 10.0 + 0.0)
}

/// Appends to the picture.
pub(super) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
}
