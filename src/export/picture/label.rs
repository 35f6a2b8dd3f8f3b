//! Text of a log, fit for a picture.

use std::borrow::Cow;

use crate::model::time::Time;

/// Signs of a value that are shown, about as many as a column can be wide; the whole is in the tooltip. A shortened UUID
/// keeps its first two parts and its end.
const SHOWN: usize = 24;

/// Signs that a shortened value keeps of its end.
const END_SHOWN: usize = 8;

/// Text in which nothing is left that could steer a terminal, break a file or turn the writing around: control
/// characters are written out.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unfit) {
        return text.into();
    }
    let written = |sign: char| match is_unfit(sign) {
        true => sign.escape_default().to_string(),
        false => sign.to_string(),
    };
    text.chars().map(written).collect::<String>().into()
}

/// Control characters, what XML has no place for, and what changes the direction of writing.
fn is_unfit(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(sign, '\u{fffe}' | '\u{ffff}' | '\u{feff}')
}

/// A value as it is shown: the beginning and the end of a long one.
pub fn short(value: &str) -> String {
    let value = plain(value);
    let signs = value.chars().count();
    if signs <= SHOWN {
        return value.into_owned();
    }
    let begin: String = value.chars().take(SHOWN - END_SHOWN - 1).collect();
    let end: String = value.chars().skip(signs - END_SHOWN).collect();
    format!("{begin}…{end}")
}

/// A moment as it is written on a line, to the second: `2026-11-02 08:05:00`.
pub fn moment(time: Time) -> String {
    let text = time.to_string();
    match text.split_once('T').and_then(|(day, clock)| Some((day, clock.get(..8)?))) {
        Some((day, clock)) => format!("{day} {clock}"),
        None => text,
    }
}

/// Text within XML, in an element or an attribute.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in plain(text).chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// How wide a text is, in columns of a monospaced font: two for what East Asia writes, and for pictures.
pub fn columns(text: &str) -> usize {
    let wide = |sign: char| {
        matches!(sign, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}')
            || matches!(sign, '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}')
            || matches!(sign, '\u{20000}'..='\u{3fffd}')
    };
    text.chars().map(|sign| 1 + usize::from(wide(sign))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_or_breaks_the_file() {
        assert_eq!(plain("Zoë 1"), "Zoë 1");
        assert_eq!(plain("a\u{1b}[2J\n\u{202e}b\u{ffff}"), "a\\u{1b}[2J\\n\\u{202e}b\\u{ffff}");
        assert_eq!(xml("<a href='x'>&\"\0"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\\u{0}");
    }

    #[test]
    fn a_long_value_keeps_both_its_ends() {
        assert_eq!(short("f49c75a2-6994-41e2-875d-97ec4d19254b"), "f49c75a2-6994-4…4d19254b");
        let exactly = "x".repeat(SHOWN);
        assert_eq!(short(&exactly), exactly);
        assert_eq!(short(&"ä".repeat(SHOWN + 1)).chars().count(), SHOWN);
    }

    #[test]
    fn moments_to_the_second() {
        assert_eq!(moment(Time::parse("2016-05-06T04:45:00.868Z").unwrap()), "2016-05-06 04:45:00");
        assert_eq!(moment(Time::from_micros(i64::MAX)), format!("{}us", i64::MAX));
    }

    #[test]
    fn east_asian_signs_are_two_columns_wide() {
        assert_eq!(columns("anna"), 4);
        assert_eq!(columns("花子"), 4);
    }
}
