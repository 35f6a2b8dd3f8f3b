//! Segments and traits as they are kept: in their canonical spelling, within bounds.

use std::collections::BTreeMap;

use crate::ingest::json::canonical;
use crate::model::limits::{
    MAX_SEGMENT_BYTES, MAX_SEGMENTS_PER_EVENT, MAX_TRAIT_BYTES, MAX_TRAIT_NAME_BYTES, MAX_TRAITS_PER_EVENT,
};

/// Times as many bytes as it may have at most that a value is looked at for: white space and escapes are not kept. A longer one is
/// left out without a look, so that what a line costs is bounded by its length.
const SPELLING_FACTOR: usize = 8;

/// Segments or traits as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptPart {
    /// The canonical spelling; empty where there are none.
    pub text: String,
    /// How many values were left out: too long, too many, nested too deep, or none that can be segments or traits.
    pub cut: u64,
}

impl KeptPart {
    fn nothing(cut: u64) -> Self {
        Self { text: String::new(), cut }
    }
}

/// The list of segments that `raw` is, a JSON value. An empty list is kept: the person has no segments then.
pub fn segments(raw: &str) -> KeptPart {
    if is_absent(raw) {
        return KeptPart::nothing(0);
    }
    let (mut text, mut kept, mut cut) = ("[".to_owned(), 0, 0);
    let is_list = canonical::elements(raw, |element| match within(element, MAX_SEGMENT_BYTES) {
        Some(value) if kept < MAX_SEGMENTS_PER_EVENT => {
            if kept > 0 {
                text.push(',');
            }
            text.push_str(&value);
            kept += 1;
        }
        _ => cut += 1,
    });
    if !is_list {
        return KeptPart::nothing(1);
    }
    text.push(']');
    KeptPart { text, cut }
}

/// The traits that `raw` is, a JSON value.
pub fn traits(raw: &str) -> KeptPart {
    if is_absent(raw) {
        return KeptPart::nothing(0);
    }
    let mut spelled = BTreeMap::new();
    let is_object = canonical::members(raw, |name, value| {
        spelled.insert(name, value);
    });
    if !is_object {
        return KeptPart::nothing(1);
    }
    let all = spelled.len();
    let fits = |name: &String| canonical::quoted(name).len() <= MAX_TRAIT_NAME_BYTES;
    let kept = spelled.into_iter().filter(|(name, _)| fits(name));
    let kept = kept.filter_map(|(name, value)| Some((name, within(value, MAX_TRAIT_BYTES)?)));
    let kept: BTreeMap<String, String> = kept.take(MAX_TRAITS_PER_EVENT).collect();
    let cut = (all - kept.len()) as u64;
    let mut text = String::new();
    if !kept.is_empty() {
        canonical::write_object(&kept, &mut text);
    }
    KeptPart { text, cut }
}

fn is_absent(raw: &str) -> bool {
    matches!(raw.trim(), "" | "null")
}

/// The canonical spelling, where it has no more than so many bytes.
fn within(raw: &str, bytes: usize) -> Option<String> {
    Some(raw)
        .filter(|raw| raw.len() <= SPELLING_FACTOR * bytes)
        .and_then(canonical::value)
        .filter(|value| value.len() <= bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str, cut: u64) -> KeptPart {
        KeptPart { text: text.into(), cut }
    }

    #[test]
    fn what_can_be_kept_is() {
        assert_eq!(segments(r#"[ "new", "VIP" ,1.0,"new"]"#), kept(r#"["new","VIP",1,"new"]"#, 0));
        assert_eq!(segments("[]"), kept("[]", 0));
        assert_eq!(traits(r#"{"b":null, "a":{"y":1,"x":[1e0]}}"#), kept(r#"{"a":{"x":[1],"y":1},"b":null}"#, 0));
        assert_eq!(traits("{}"), kept("", 0));
        for absent in ["", "null"] {
            assert_eq!((segments(absent), traits(absent)), (kept("", 0), kept("", 0)));
        }
        for other in ["7", "\"vip\"", "true", "{\"a\":1}"] {
            assert_eq!(segments(other), kept("", 1), "{other}");
        }
        assert_eq!(traits("[1]"), kept("", 1));
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let long = "x".repeat(MAX_SEGMENT_BYTES - 1);
        assert_eq!(segments(&format!("[\"{long}\",\"a\"]")), kept("[\"a\"]", 1));
        assert_eq!(segments(&format!("[\"{}\"]", &long[1..])).cut, 0);
        let many: Vec<String> = (0..MAX_SEGMENTS_PER_EVENT + 3).map(|number| number.to_string()).collect();
        let found = segments(&format!("[{}]", many.join(",")));
        assert_eq!((found.cut, found.text.matches(',').count()), (3, MAX_SEGMENTS_PER_EVENT - 1));

        let long = "x".repeat(MAX_TRAIT_BYTES);
        assert_eq!(traits(&format!("{{\"a\":\"{long}\",\"b\":1}}")), kept("{\"b\":1}", 1));
        assert_eq!(traits(&format!("{{\"{long}\":1,\"b\":1}}")), kept("{\"b\":1}", 1));
        assert_eq!(
            traits(&format!("{{\"a\":{}1,\"b\":1}}", " ".repeat(3 * MAX_TRAIT_BYTES))),
            kept("{\"a\":1,\"b\":1}", 0)
        );
        let many: Vec<String> = (0..MAX_TRAITS_PER_EVENT + 2).map(|number| format!("\"{number:03}\":0")).collect();
        let mut others = many.clone();
        others.reverse();
        let found = traits(&format!("{{{}}}", many.join(",")));
        assert_eq!((found.cut, found.text.matches(':').count()), (2, MAX_TRAITS_PER_EVENT));
        assert_eq!(traits(&format!("{{{}}}", others.join(","))), found, "the order of names says nothing");
    }
}
