//! What the picture and its legend are both drawn with.

use std::fmt::Write;

/// Around everything.
pub(super) const MARGIN: f64 = 30.0;

/// The red of refused links, which is the colour of no person.
pub(super) const REFUSED: &str = "#c81e4a";

/// Widths of a sign of a value and of a namespace: those fonts are monospaced.
pub(super) const VALUE_SIGN: f64 = 7.23;
pub(super) const NAMESPACE_SIGN: f64 = 6.03;

/// Height of the number of a person.
const MARK: f64 = 15.0;

/// Draws the number of a person: left edge, middle from the top and width; colour behind it and of it.
pub(super) fn draw_mark(mark: &str, (left, y, width): (f64, f64, f64), (fill, ink): (&str, &str), out: &mut String) {
    put(
        out,
        format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{MARK}\" rx=\"{}\" fill=\"{fill}\"/>\
             <text class=\"mark\" x=\"{}\" y=\"{}\" fill=\"{ink}\">{mark}</text>",
            number(left),
            number(y - MARK / 2.0),
            number(width),
            number(MARK / 2.0),
            number(left + width / 2.0),
            number(y + 3.6),
        ),
    );
}

/// A length with at most one decimal.
pub(super) fn number(length: f64) -> String {
    format!("{}", (length * 10.0).round() / 10.0 + 0.0)
}

/// Appends to the picture.
pub(super) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
}
