//! How numbers, times and tables are written for people. The one home of it.

use std::borrow::Cow;

use backstitch::is_unseen;
pub use backstitch::visible;

/// A number with thousands separators: `18,025`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of a thing: `1 session`, `2,000 sessions`, `0 identities`.
pub fn count(number: u64, thing: &str) -> String {
    let number_of = thousands(number);
    match thing.strip_suffix('y') {
        _ if number == 1 => format!("{number_of} {thing}"),
        Some(stem) => format!("{number_of} {stem}ies"),
        None => format!("{number_of} {thing}s"),
    }
}

/// A size in decimal units: `812 bytes`, `3.1 MB`.
pub fn bytes(number: u64) -> String {
    if number < 1_000 {
        return count(number, "byte");
    }
    let mut scaled = number as f64;
    let mut unit = "";
    for larger in ["KB", "MB", "GB", "TB"] {
        // 999.95 would be written as 1000.0.
        if scaled < 999.95 && !unit.is_empty() {
            break;
        }
        scaled /= 1_000.0;
        unit = larger;
    }
    format!("{scaled:.1} {unit}")
}

/// A part of a whole in percent. Only nothing is written as 0.0 %, and only all as 100.0 %.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let share = part as f64 * 100.0 / whole as f64;
    if part > 0 && share < 0.05 {
        "< 0.1 %".into()
    } else if part < whole && share >= 99.95 {
        "> 99.9 %".into()
    } else {
        format!("{share:.1} %")
    }
}

/// A span of time: `0.21 s`, `1 min 05 s`, `2 h 03 min`.
pub fn span(seconds: f64) -> String {
    // 59.995 would be written as 60.00.
    if seconds < 59.995 {
        return format!("{seconds:.2} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3_600, whole / 60 % 60),
    }
}

/// So many a second; nothing is said of a time too short to tell.
pub fn rate(number: u64, seconds: f64) -> u64 {
    if seconds > 0.0 { (number as f64 / seconds) as u64 } else { 0 }
}

/// Lines for people: as [`visible`] but for the line ends, which are ours.
pub fn lines(text: &str) -> Cow<'_, str> {
    let steers = |sign: char| sign != '\n' && is_unseen(sign);
    match text.contains(steers) {
        true => text.split('\n').map(visible).collect::<Vec<_>>().join("\n").into(),
        false => text.into(),
    }
}

/// A word as a shell reads it back, quoted where it must be.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |sign: char| sign.is_alphanumeric() || "-_./:@%+=,~".contains(sign);
    match word {
        _ if !word.is_empty() && word.chars().all(plain) => word.into(),
        _ if word.contains(is_unseen) => format!("$'{}'", word.chars().map(ansi_c).collect::<String>()).into(),
        _ => format!("'{}'", word.replace('\'', r"'\''")).into(),
    }
}

/// A sign as it is written between `$'` and `'`.
fn ansi_c(sign: char) -> String {
    match (is_unseen(sign), u32::from(sign)) {
        (true, code @ ..0x80) => format!("\\x{code:02x}"),
        (true, code @ ..0x1_0000) => format!("\\u{code:04x}"),
        (true, code) => format!("\\U{code:08x}"),
        (false, _) if matches!(sign, '\'' | '\\') => format!("\\{sign}"),
        (false, _) => sign.to_string(),
    }
}

/// The side of a column that is even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Even {
    Left,
    Right,
}

/// Rows in columns, each as wide as its widest cell, two blanks before each, none at the end of a line. Columns without
/// a word in them are left out.
pub fn table<const N: usize>(columns: [Even; N], rows: &[[String; N]]) -> String {
    let mut widths = ColumnWidths::of(columns);
    rows.iter().for_each(|row| widths.fit(row));
    rows.iter().map(|row| widths.line(row)).collect()
}

/// The widths of the columns of a [`table`], for rows that are too many to be held: each is fitted first, and written then.
pub struct ColumnWidths<const N: usize> {
    columns: [Even; N],
    widths: [usize; N],
}

impl<const N: usize> ColumnWidths<N> {
    /// Those of columns without a word in them.
    pub fn of(columns: [Even; N]) -> Self {
        Self { columns, widths: [0; N] }
    }

    /// Makes room for a row.
    pub fn fit(&mut self, row: &[String; N]) {
        for (width, cell) in self.widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }

    /// The line of a row.
    pub fn line(&self, row: &[String; N]) -> String {
        let mut line = String::new();
        for ((cell, width), even) in row.iter().zip(self.widths).zip(self.columns) {
            match even {
                _ if width == 0 => {}
                Even::Left => line.push_str(&format!("  {cell:<width$}")),
                Even::Right => line.push_str(&format!("  {cell:>width$}")),
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let written = [0, 7, 999, 1_000, 18_025, 1_234_567].map(thousands);
        assert_eq!(written, ["0", "7", "999", "1,000", "18,025", "1,234,567"]);
        assert_eq!([0, 1, 2_000].map(|number| count(number, "line")), ["0 lines", "1 line", "2,000 lines"]);
        assert_eq!([0, 1, 2].map(|number| count(number, "identity")), ["0 identities", "1 identity", "2 identities"]);
    }

    #[test]
    fn sizes_never_reach_a_thousand_of_their_unit() {
        let written = [1, 999, 1_000, 3_127_156, 999_949, 999_950, 1_275_733_547, u64::MAX].map(bytes);
        let expected = ["1 byte", "999 bytes", "1.0 KB", "3.1 MB", "999.9 KB", "1.0 MB", "1.3 GB", "18446744.1 TB"];
        assert_eq!(written, expected);
    }

    #[test]
    fn percentages_do_not_round_to_none_or_all() {
        assert_eq!(percent(0, 8), "0.0 %");
        assert_eq!(percent(1, 18_025), "< 0.1 %");
        assert_eq!(percent(6_701, 17_997), "37.2 %");
        assert_eq!(percent(18_024, 18_025), "> 99.9 %");
        assert_eq!(percent(8, 8), "100.0 %");
        assert_eq!(percent(0, 0), "");
    }

    #[test]
    fn spans() {
        let written = [0.0, 0.214, 59.99, 59.999, 65.2, 3_599.9, 7_385.0].map(span);
        let expected = ["0.00 s", "0.21 s", "59.99 s", "1 min 00 s", "1 min 05 s", "1 h 00 min", "2 h 03 min"];
        assert_eq!(written, expected);
        assert_eq!((rate(100, 0.5), rate(100, 0.0)), (200, 0));
    }

    #[test]
    fn a_terminal_is_not_steered_by_a_log() {
        assert_eq!(lines("Zoë 1\n"), "Zoë 1\n");
        assert_eq!(lines("a\u{1b}[2J\nb\u{202e}\n"), "a\\u{1b}[2J\nb\\u{202e}\n");
    }

    #[test]
    fn words_can_be_pasted() {
        assert_eq!(shell_word("logs/2026-11.ndjson"), "logs/2026-11.ndjson");
        assert_eq!(shell_word("it's *"), r"'it'\''s *'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("a'\\\n\u{1b}\u{9b}\u{202e}\u{e0041}"), r"$'a\'\\\x0a\x1b\u009b\u202e\U000e0041'");
    }

    #[test]
    fn columns_are_even() {
        let row = |a: &str, b: &str, c: &str| [a.to_owned(), b.to_owned(), c.to_owned()];
        let rows = [row("ä", "1", "x"), row("abc", "1,000", "")];
        assert_eq!(table([Even::Left, Even::Right, Even::Left], &rows), "  ä        1  x\n  abc  1,000\n");
        let rows = [row("a", "", "c")];
        assert_eq!(table([Even::Left; 3], &rows), "  a  c\n");
    }
}
