//! What a log is of which every line was rejected: why, and what to do about it.

use std::collections::BTreeMap;

use backstitch::rows::{BrokenLinks, LooksLike, Tally};
use backstitch::{Fields, Reason};

use crate::cli::summary::place;
use crate::cli::text::{count, thousands, visible};

/// Keys that are told of the lines; `MAX_KEYS_MET` are known.
const KEYS_SHOWN: usize = 12;

/// What is said of logs without a single event; nothing where there was one, or no line.
pub fn no_event_at_all(
    events: u64,
    rejects: &BTreeMap<&'static str, u64>,
    tally: &Tally,
    fields: &Fields,
) -> Option<String> {
    let lines: u64 = rejects.values().sum();
    if events > 0 || lines == 0 {
        return None;
    }
    let (reason, number) = rejects.iter().max_by_key(|&(_, number)| number)?;
    let rejected = match lines {
        1 => format!("the only line was rejected as {reason}"),
        _ if *number == lines => format!("all {} were rejected as {reason}", count(lines, "line")),
        _ => format!("all {} were rejected, {} of them as {reason}", count(lines, "line"), thousands(*number)),
    };
    let first = tally.first_reject.as_ref().filter(|first| first.reject.reason.word() == *reason);
    let detail = first.map(|first| format!("{}: {}", place(first), visible(&first.reject.detail)));
    let looks = tally.looks_like.map(|looks| format!("it looks like {looks}: {}", instead(looks)));
    let expected = || {
        (*reason == Reason::Malformed.word()).then(|| "JSON objects are expected, one by one or in arrays".to_owned())
    };
    let bounds = || (*reason == Reason::OutOfRange.word()).then(|| OTHER_BOUNDS.to_owned());
    let wrapper = name_wrapper(tally, fields);
    // Many objects without a time or an identity may be events that hold lists.
    let certain = wrapper.clone().filter(|_| lines == 1 || *reason == Reason::TooLong.word());
    let keys = || {
        let keys = name_keys(tally, reason, fields)?;
        Some(wrapper.map_or(keys.clone(), |wrapper| format!("{keys}; {wrapper}")))
    };
    let hint = looks.or(certain).or_else(keys).or_else(expected).or_else(bounds);
    let told: Vec<String> = detail.into_iter().chain(hint).collect();
    Some(if told.is_empty() { rejected } else { format!("{rejected}: {}", told.join("; ")) })
}

/// How events of other times are read.
const OTHER_BOUNDS: &str = "`--not-before` and `--not-after` say which times are meant, with `--force`, and fields.unit in backstitch.toml what a number counts";

/// What is said of links in folders of logs that were skipped; nothing where there is none.
pub fn broken_links(links: &BrokenLinks) -> Option<String> {
    let first = visible(links.first.as_deref()?);
    Some(match links.count {
        1 => format!("1 link was skipped, since it leads nowhere or in a circle: {first}"),
        many => format!(
            "{} links were skipped, since they lead nowhere or in a circle; the first is {first}",
            thousands(many)
        ),
    })
}

/// How a log of another format is read.
fn instead(looks: LooksLike) -> &'static str {
    match looks {
        LooksLike::Csv => "turn it into JSON first, such as by `mlr --icsv --ojsonl cat FILE | backstitch replay -`",
        LooksLike::Tsv => "turn it into JSON first, such as by `mlr --itsv --ojsonl cat FILE | backstitch replay -`",
        LooksLike::Utf16 => "`iconv -f UTF-16 -t UTF-8 FILE | backstitch replay -` reads it",
        LooksLike::Zip => "`unzip -p FILE | backstitch replay -` reads it",
        LooksLike::Bzip2 => "`bzip2 -dc FILE | backstitch replay -` reads it",
        LooksLike::Xz => "`xz -dc FILE | backstitch replay -` reads it",
        LooksLike::Lz4 => "`lz4 -dc FILE | backstitch replay -` reads it",
        LooksLike::Parquet => {
            "turn it into JSON first, such as by `duckdb -c \"COPY (FROM 'FILE') TO '/dev/stdout' (FORMAT json)\" | backstitch replay -`"
        }
        _ => "turn it into JSON first, one object a line",
    }
}

/// The key of the only objects that holds a list of others, and the line of a configuration that names it.
fn name_wrapper(tally: &Tally, fields: &Fields) -> Option<String> {
    let key = tally.wrapper.as_ref().filter(|_| fields.wrapper_path().is_none())?;
    let line = path_in_toml("wrapper", key);
    Some(format!(
        "{} holds a list of objects: if they are the events, name it in [fields] of backstitch.toml, as `{line}`",
        visible(key)
    ))
}

/// A line of a configuration that gives a field this key for its path.
fn path_in_toml(field: &str, key: &str) -> String {
    let path = key.replace('\\', r"\\").replace('.', r"\.");
    let quote = if path.contains('\\') { '\'' } else { '"' };
    format!("{field} = {quote}{}{quote}", visible(&path))
}

/// The keys of the lines, and the line of a configuration that names the one that is missing.
fn name_keys(tally: &Tally, reason: &str, fields: &Fields) -> Option<String> {
    let (field, paths) = match (reason, fields.timestamp_path()) {
        ("no_timestamp", Some(path)) => ("timestamp", vec![path]),
        ("no_timestamp", None) => ("timestamp", vec!["timestamp", "time"]),
        ("no_identity", _) => ("namespaces.sessionId", Vec::new()),
        _ => return None,
    };
    let first = tally.keys.first()?;
    let shown = tally.keys.iter().take(KEYS_SHOWN).map(|key| visible(key).into_owned()).collect::<Vec<_>>().join(", ");
    let more = if tally.keys.len() > KEYS_SHOWN { ", …" } else { "" };
    let mut told = format!("the lines have {shown}{more}");
    // Where the field is there, its value is at fault, and the detail has said so.
    if tally.keys.iter().any(|key| paths.contains(&key.as_str())) {
        return Some(told);
    }
    let like: &[&str] = if field == "timestamp" {
        &["time", "Time", "date", "Date", "_ts", "At", "_at"]
    } else {
        &["ession", "nonymous", "evice", "isitor", "lient"]
    };
    let exact = tally.keys.iter().find(|key| *key == "ts" && field == "timestamp");
    let alike = || like.iter().find_map(|part| tally.keys.iter().find(|key| key.contains(part)));
    let key = exact.or_else(alike).unwrap_or(first);
    told.push_str(&format!(": name them in [fields] of backstitch.toml, such as `{}`", path_in_toml(field, key)));
    Some(told)
}

#[cfg(test)]
mod tests {
    use backstitch::Reject;
    use backstitch::rows::FirstReject;

    use super::*;

    fn told(rejects: &[(Reason, u64)], tally: &Tally) -> Option<String> {
        let rejects = rejects.iter().map(|(reason, number)| (reason.word(), *number)).collect();
        no_event_at_all(0, &rejects, tally, &Fields::default())
    }

    fn keys(keys: &[&str]) -> Tally {
        Tally { keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..Tally::default() }
    }

    #[test]
    fn a_log_with_events_or_without_lines_is_not_diagnosed() {
        let rejects = [(Reason::Malformed.word(), 1)].into();
        assert_eq!(no_event_at_all(1, &rejects, &Tally::default(), &Fields::default()), None);
        assert_eq!(told(&[], &Tally::default()), None);
    }

    #[test]
    fn another_format_is_named_with_the_way_to_read_it() {
        let looks = |looks| {
            told(&[(Reason::Malformed, 2_000)], &Tally { looks_like: Some(looks), ..Tally::default() }).unwrap()
        };
        let text = "all 2,000 lines were rejected as malformed: it looks like a zip archive: `unzip -p FILE | backstitch replay -` reads it";
        assert_eq!(looks(LooksLike::Zip), text);
        assert!(
            looks(LooksLike::Csv).contains("it looks like CSV: turn it into JSON first"),
            "{}",
            looks(LooksLike::Csv)
        );
        assert!(looks(LooksLike::Utf16).contains("it looks like UTF-16: `iconv"), "{}", looks(LooksLike::Utf16));
        let plain = told(&[(Reason::Malformed, 1)], &Tally::default());
        let text = "the only line was rejected as malformed: JSON objects are expected, one by one or in arrays";
        assert_eq!(plain.as_deref(), Some(text));
    }

    #[test]
    fn the_keys_that_were_met_are_told_with_the_line_that_names_one() {
        let mut met = keys(&["id", "ts", "userId", "sessionId"]);
        let reject = Reject { reason: Reason::NoTimestamp, detail: "there is neither timestamp nor time".into() };
        met.first_reject = Some(FirstReject { source: "a\u{1b}.ndjson".into(), line_number: 1_002, reject });
        let text = "all 3 lines were rejected, 2 of them as no_timestamp: line 1002 of a\\u{1b}.ndjson: there is neither timestamp nor time; the lines have id, ts, \
                    userId, sessionId: name them in [fields] of backstitch.toml, such as `timestamp = \"ts\"`";
        assert_eq!(told(&[(Reason::Malformed, 1), (Reason::NoTimestamp, 2)], &met).as_deref(), Some(text));
        let identity = told(&[(Reason::NoIdentity, 2)], &met).unwrap();
        assert!(identity.ends_with("such as `namespaces.sessionId = \"sessionId\"`"), "{identity}");
        let odd = told(&[(Reason::NoTimestamp, 2)], &keys(&["a.b", "\u{1b}"])).unwrap();
        assert!(odd.ends_with(r"such as `timestamp = 'a\.b'`") && !odd.contains('\u{1b}'), "{odd}");
        let wraps = Tally { wrapper: Some("a.b".into()), ..keys(&["next", "a.b"]) };
        let text = told(&[(Reason::TooLong, 1)], &wraps).unwrap();
        assert!(text.contains(r"a.b holds a list of objects") && text.ends_with(r"as `wrapper = 'a\.b'`"), "{text}");
        let there = told(&[(Reason::NoTimestamp, 2)], &keys(&["timestamp", "user"])).unwrap();
        assert!(there.ends_with("the lines have timestamp, user"), "{there}");
        let many = told(&[(Reason::NoTimestamp, 2)], &keys(&["k"; 20])).unwrap();
        assert!(many.contains("k, …: name"), "{many}");
    }
}
