//! Text of a log, fit for a picture.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::time::Time;
use crate::model::writing::visible;

/// Signs of a value that are shown, about as many as a column can be wide; the whole is in the tooltip. A shortened UUID
/// keeps its first two parts and its end.
const SHOWN: usize = 24;

/// Signs that a shortened value keeps of its end.
const END_SHOWN: usize = 8;

/// Where others have the same beginning and end: signs that it keeps of the part in which they differ, and how many of these
/// lie before the first that differs; signs of its beginning and of its end.
const PART_SHOWN: usize = 10;
const PART_CONTEXT: usize = 2;
const SIDE_SHOWN: usize = 6;

/// Each value as it is shown: a long one by its beginning and its end and, where another has the same, by the part in which
/// they differ. No two values are shown alike.
pub fn labels<'v>(values: impl IntoIterator<Item = &'v str>) -> BTreeMap<&'v str, String> {
    let plain: BTreeMap<&str, Vec<char>> =
        values.into_iter().map(|value| (value, visible(value).chars().collect())).collect();
    let texts: BTreeSet<&[char]> = plain.values().map(Vec::as_slice).collect();
    let mut shown = BTreeMap::new();
    name_apart(texts.into_iter().collect(), &ends, &mut shown);
    // What is still alike by chance, and values that are alike once their control characters are written out, are numbered.
    let mut taken = BTreeSet::new();
    let numbered = |(value, text): (&'v str, &Vec<char>)| {
        let mut label = shown[text.as_slice()].clone();
        for number in 2.. {
            if taken.insert(label.clone()) {
                break;
            }
            label = format!("{} ({number})", shown[text.as_slice()]);
        }
        (value, label)
    };
    plain.iter().map(|(value, text)| (*value, text)).map(numbered).collect()
}

/// Shows texts, and those that look alike by where they differ.
fn name_apart<'t>(texts: Vec<&'t [char]>, show: &dyn Fn(&[char]) -> String, shown: &mut BTreeMap<&'t [char], String>) {
    let mut alike: BTreeMap<String, Vec<&[char]>> = BTreeMap::new();
    for text in texts {
        alike.entry(show(text)).or_default().push(text);
    }
    for (label, texts) in alike {
        match texts[..] {
            [text] => drop(shown.insert(text, label)),
            [first, ..] => {
                let equal = |other: &&[char]| first.iter().zip(*other).take_while(|(a, b)| a == b).count();
                let differ = texts[1..].iter().map(equal).min().unwrap_or(0);
                // Their parts are not all alike, so that fewer are left each time.
                name_apart(texts, &|text: &[char]| part(text, differ), shown);
            }
            [] => {}
        }
    }
}

/// The beginning and the end of a long text.
fn ends(text: &[char]) -> String {
    match text.len() > SHOWN {
        true => written([&text[..SHOWN - END_SHOWN - 1], &['…'], &text[text.len() - END_SHOWN..]]),
        false => written([text]),
    }
}

/// The beginning of a text, its part about `differ`, and its end.
fn part(text: &[char], differ: usize) -> String {
    let begin = SIDE_SHOWN.min(text.len());
    let from = differ.saturating_sub(PART_CONTEXT).clamp(begin, text.len());
    let to = (from + PART_SHOWN).min(text.len());
    let end = text.len().saturating_sub(SIDE_SHOWN);
    match to < end {
        true => written([&text[..begin], &['…'], &text[from..to], &['…'], &text[end..]]),
        false => written([&text[..begin], &['…'], &text[from..]]),
    }
}

fn written<const N: usize>(parts: [&[char]; N]) -> String {
    parts.into_iter().flatten().collect()
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
    for sign in visible(text).chars() {
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
        assert_eq!(visible("Zoë 1"), "Zoë 1");
        assert_eq!(visible("a\u{1b}[2J\n\u{202e}b\u{ffff}"), "a\\u{1b}[2J\\n\\u{202e}b\\u{ffff}");
        assert_eq!(xml("<a href='x'>&\"\0"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\\u{0}");
    }

    #[test]
    fn a_long_value_keeps_both_its_ends() {
        let short = |value: &str| labels([value])[value].clone();
        assert_eq!(short("f49c75a2-6994-41e2-875d-97ec4d19254b"), "f49c75a2-6994-4…4d19254b");
        let exactly = "x".repeat(SHOWN);
        assert_eq!(short(&exactly), exactly);
        assert_eq!(short(&"ä".repeat(SHOWN + 1)).chars().count(), SHOWN);
    }

    #[test]
    fn values_with_the_same_ends_are_shown_by_where_they_differ() {
        let value = |number: usize| format!("customer-of-the-reading-room-{number:04}-2026-member");
        let values: Vec<String> = (0..120).map(value).collect();
        let shown = labels(values.iter().map(String::as_str));
        assert_eq!(shown[&*values[7]], "custom…-0007-2026…member");
        let different: BTreeSet<&String> = shown.values().collect();
        assert_eq!(different.len(), values.len());
        assert!(different.iter().all(|label| label.chars().count() <= SHOWN), "{different:?}");
    }

    #[test]
    fn no_two_values_are_shown_alike() {
        let long = |parts: [&str; 3]| parts.join(&"-".repeat(60));
        let evil = [
            long(["a", "b", "c"]),
            long(["a", "b2", "c"]),
            long(["a", "c", "c"]),
            long(["a", "", "c"]),
            long(["a", "b", "c"]) + &"-".repeat(60),
            format!("{}…{}", "a--------------", "-------c"),
            "\u{1b}".to_owned(),
            "\\u{1b}".to_owned(),
            "\\u{1b} (2)".to_owned(),
            String::new(),
        ];
        let shown = labels(evil.iter().map(String::as_str));
        assert_eq!(shown.values().collect::<BTreeSet<_>>().len(), evil.len(), "{shown:?}");
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
