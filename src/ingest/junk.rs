//! Which values are no identities, and how many of each there were.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use serde::{Serialize, Serializer};

use crate::model::limits::{MAX_JUNK_COUNTED, MAX_VALUE_BYTES};
use crate::model::settings::Junk;

/// What broken trackers write where an identity belongs, in lower case: no value at all, or the name of the variable that was to give it. Zeros and dashes (the nil UUID, `0`) are known by their look.
const BUILTIN: [&str; 19] = [
    "null",
    "undefined",
    "anonymous",
    "guest",
    "none",
    "n/a",
    "nan",
    "-1",
    "[object object]",
    "true",
    "false",
    "unknown",
    "invalid",
    "{}",
    "distinctid",
    "distinct_id",
    "id",
    "not_authenticated",
    "email",
];

/// The count of blank values.
pub const BLANK: &str = "(blank)";
/// The count of values longer than [`MAX_VALUE_BYTES`].
pub const TOO_LONG: &str = "(value too long)";
/// The count of values whose namespace cannot be one: blank, with a colon, or too long.
pub const NO_NAMESPACE: &str = "(impossible namespace)";
/// The count of values whose namespace is beyond [`MAX_NAMESPACES`](crate::model::limits::MAX_NAMESPACES).
pub const BEYOND_LIMIT: &str = "(namespace beyond the limit)";
/// The count of values that are lists.
pub const LIST: &str = "(list)";
/// The count of values that are objects.
pub const OBJECT: &str = "(object)";
/// The count of values that are booleans.
pub const BOOLEAN: &str = "(boolean)";
/// The count of junk values beyond [`MAX_JUNK_COUNTED`] distinct ones.
pub const OTHERS: &str = "(others)";

/// The values that are junk, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct JunkList {
    builtin: bool,
    /// In lower case.
    values: HashSet<Box<str>>,
    /// Which first bytes (in lower case) and which lengths occur: nearly every good value is let through by these.
    firsts: [bool; 256],
    lengths: [bool; LENGTHS],
    /// Whether a value must be lowered by the rules of Unicode, which change its length.
    beyond_ascii: bool,
}

/// Whether a value counts as none.
pub fn is_junk(junk: &Junk, value: &str) -> bool {
    JunkList::new(junk).catches(value.trim(), &mut JunkCounts::new())
}

/// Lengths told apart; the last stands for all from there on.
const LENGTHS: usize = 64;

impl JunkList {
    pub fn new(junk: &Junk) -> Self {
        let builtin = if junk.builtin { &BUILTIN[..] } else { &[] };
        let extra = junk.extra.iter().map(|value| value.trim().to_lowercase());
        let values: HashSet<Box<str>> =
            builtin.iter().map(|&value| value.into()).chain(extra.map(Into::into)).collect();
        let mut this = Self {
            builtin: junk.builtin,
            firsts: [false; 256],
            lengths: [false; LENGTHS],
            beyond_ascii: values.iter().any(|value| !value.is_ascii()),
            values,
        };
        for value in &this.values {
            let first = value.as_bytes().first().and_then(|&first| this.firsts.get_mut(usize::from(first)));
            [first, this.lengths.get_mut(value.len().min(LENGTHS - 1))].into_iter().flatten().for_each(|is| *is = true);
        }
        this
    }

    /// Counts `value` (trimmed) where it is junk, and tells whether it is.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "there is a place for each byte, and none behind the last length")]
    pub fn catches(&self, value: &str, counts: &mut JunkCounts) -> bool {
        let first = value.as_bytes().first().copied().unwrap_or(b' ');
        let listed = self.firsts[usize::from(first.to_ascii_lowercase())] && self.lengths[value.len().min(LENGTHS - 1)];
        if listed
            || value.len() > MAX_VALUE_BYTES
            || matches!(first, b' ' | b'0' | b'-' | b'\'' | b'"')
            || self.beyond_ascii && !value.is_ascii()
        {
            return self.catches_rest(value, counts);
        }
        false
    }

    #[inline(never)]
    fn catches_rest(&self, value: &str, counts: &mut JunkCounts) -> bool {
        if value.is_empty() {
            counts.add(BLANK);
            return true;
        }
        if value.len() > MAX_VALUE_BYTES {
            counts.add(TOO_LONG);
            return true;
        }
        let bare = unquoted(value);
        if bare.is_empty() && self.builtin {
            counts.add(BLANK);
            return true;
        }
        // Zeros and dashes need no lower case, and are many.
        if self.builtin && bare.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
            counts.add(bare);
            return true;
        }
        let lower = bare.to_lowercase();
        let junk = self.values.contains(lower.as_str());
        if junk {
            counts.add(&lower);
        }
        junk
    }
}

/// `value` without the quotes around it, however many.
fn unquoted(value: &str) -> &str {
    let mut bare = value;
    loop {
        let inner = ['\'', '"'].iter().find_map(|&quote| bare.strip_prefix(quote)?.strip_suffix(quote));
        match inner {
            Some(inner) => bare = inner.trim(),
            None => return bare,
        }
    }
}

/// How often each junk value was met, in lower case and without quotes; what is no value stands in parentheses.
///
/// At most [`MAX_JUNK_COUNTED`] values are told apart: which ones, beyond that many, depends on the order of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JunkCounts {
    by_value: BTreeMap<Box<str>, u64>,
    others: u64,
}

impl JunkCounts {
    /// Nothing counted.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn add(&mut self, value: &str) {
        self.add_many(value, 1);
    }

    fn add_many(&mut self, value: &str, count: u64) {
        if let Some(sum) = self.by_value.get_mut(value) {
            *sum += count;
        } else if self.by_value.len() < MAX_JUNK_COUNTED {
            self.by_value.insert(value.into(), count);
        } else {
            self.others += count;
        }
    }

    /// Adds all that `other` counted.
    pub fn merge(&mut self, other: &JunkCounts) {
        for (value, &count) in &other.by_value {
            self.add_many(value, count);
        }
        self.others += other.others;
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.by_value.is_empty() && self.others == 0
    }

    /// Each value with its count, by value; then `(others)`, if there were any.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let others = (self.others > 0).then_some((OTHERS, self.others));
        self.by_value.iter().map(|(value, &count)| (&**value, count)).chain(others)
    }
}

/// A map from values to counts.
impl Serialize for JunkCounts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(junk: &Junk, value: &str) -> Option<String> {
        let mut counts = JunkCounts::new();
        let is_junk = JunkList::new(junk).catches(value, &mut counts);
        let label = counts.iter().next().map(|(label, _)| label.to_string());
        assert_eq!(is_junk, label.is_some(), "{value}");
        label
    }

    #[test]
    fn builtin_values_in_any_case_and_quotes() {
        let on = Junk::default();
        for value in BUILTIN {
            let spellings = [
                value.to_string(),
                value.to_uppercase(),
                format!("'{value}'"),
                format!("\"{value}\""),
                format!("'\" {value} \"'"),
            ];
            for spelling in spellings {
                assert_eq!(caught(&on, &spelling).as_deref(), Some(value), "{spelling}");
            }
        }
        let nil = "00000000-0000-0000-0000-000000000000";
        for value in ["0", "000", "-", "-0", nil] {
            assert_eq!(caught(&on, value).as_deref(), Some(value));
        }
        for value in ["", "''", "\" \""] {
            assert_eq!(caught(&on, value).as_deref(), Some(BLANK), "{value}");
        }
        assert_eq!(caught(&on, &"x".repeat(MAX_VALUE_BYTES + 1)).as_deref(), Some(TOO_LONG));
    }

    #[test]
    fn what_only_looks_like_junk() {
        for value in ["1", "18278", "01", "null1", "nullnull", "'null", "o'neill", "nän", "f49c", "falsey", "-2", "'"]
        {
            assert_eq!(caught(&Junk::default(), value), None, "{value}");
        }
        let longest = "x".repeat(MAX_VALUE_BYTES);
        assert_eq!(caught(&Junk::default(), &longest), None);
    }

    #[test]
    fn switched_off_and_extended() {
        let off = Junk { builtin: false, extra: vec![] };
        for value in ["null", "0", "''", "{}"] {
            assert_eq!(caught(&off, value), None, "{value}");
        }
        assert_eq!(caught(&off, "").as_deref(), Some(BLANK));
        let more = Junk { builtin: false, extra: vec!["Test-User".into(), "ÄRGER".into()] };
        assert_eq!(caught(&more, "'TEST-user'").as_deref(), Some("test-user"));
        assert_eq!(caught(&more, "Ärger").as_deref(), Some("ärger"));
        assert_eq!(caught(&more, "null"), None);
    }

    #[test]
    fn counts_add_up_and_are_capped() {
        let mut all = JunkCounts::new();
        for i in 0..MAX_JUNK_COUNTED + 5 {
            all.add(&format!("junk {i}"));
        }
        let mut more = JunkCounts::new();
        more.add("junk 0");
        more.add("new");
        all.merge(&more);
        let counts: Vec<_> = all.iter().collect();
        assert_eq!(counts.len(), MAX_JUNK_COUNTED + 1);
        assert_eq!(counts[0], ("junk 0", 2));
        assert_eq!(counts[MAX_JUNK_COUNTED], (OTHERS, 6));
    }
}
