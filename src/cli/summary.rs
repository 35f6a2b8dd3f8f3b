//! What a replay tells at its end, for programs and for people.

use backstitch::rows::{EventCounts, FirstReject, SourceCounts};
use backstitch::{AttributionKind, Digest, ECOMMERCE, Settings, Summary, Totals};

use crate::cli::args::{Common, DEFAULT_STORE, ReplayArgs};
use crate::cli::logs::STDIN;
use crate::cli::text::{Even, bytes, count, percent, rate, shell_word, span, table, thousands, visible};

/// Junk values that are named for people, the most frequent first; `--json` names all.
const JUNK_SHOWN: usize = 5;

/// A summary for people.
pub fn in_words(summary: &Summary) -> String {
    format!("{}\n{}", this_run(summary), holdings(&summary.totals))
}

/// What this replay read and what became of it.
fn this_run(summary: &Summary) -> String {
    let SourceCounts { read, skipped } = summary.sources;
    let them = if skipped == 1 { "it" } else { "them" };
    if read == 0 && skipped == 0 {
        return "No source was read\n".to_owned();
    }
    if read == 0 && summary.events.read == 0 {
        return format!("Nothing new in {}: --force reads {them} again\n", count(skipped, "source"));
    }
    let skipped = match skipped {
        0 => String::new(),
        _ => format!(" ({} had nothing new, --force reads {them} again)", thousands(skipped)),
    };
    let speed = format!(
        "{} in {}, {} events/s, {}/s",
        bytes(summary.bytes),
        span(summary.seconds),
        thousands(rate(summary.events.read, summary.seconds)),
        bytes(rate(summary.bytes, summary.seconds)),
    );
    let EventCounts { read: lines, accepted, duplicate, rejected, erased, suppressed } = summary.events;
    let row =
        |name: &str, number: u64, note: String| [name.to_owned(), thousands(number), percent(number, lines), note];
    let mut rows = vec![
        ["read".to_owned(), thousands(lines), String::new(), String::new()],
        row("accepted", accepted, String::new()),
        row("duplicate", duplicate, String::new()),
        row("rejected", rejected, named_counts(summary.rejects.iter().map(|(reason, number)| (*reason, *number)))),
    ];
    let refused =
        [("erased", erased, "carry an erased identity"), ("suppressed", suppressed, "carry one that opted out")];
    let refused = refused.into_iter().filter(|&(_, number, _)| number > 0);
    rows.extend(refused.map(|(name, number, why)| row(name, number, why.to_owned())));
    let rows = table([Even::Left, Even::Right, Even::Right, Even::Left], &rows);
    let heading = format!("Replayed {}{skipped}: {speed}\n", count(read, "source"));
    let span = summary.tally.span.map_or_else(String::new, |(first, last)| format!("  from {first} to {last}\n"));
    let (spellings, cut) = (spellings_note(summary.tally.spellings), profiles_note(summary.tally.profiles_cut));
    let first = summary.tally.first_reject.as_ref().map_or_else(String::new, first_note);
    format!("{heading}{rows}{span}{first}{}{spellings}{cut}", junk_note(summary))
}

fn first_note(first: &FirstReject) -> String {
    format!("\n  first rejected: {}, {}\n", place(first), visible(&first.reject.to_string()))
}

/// Where the first rejected line is: `line 17 of web.ndjson`.
pub fn place(first: &FirstReject) -> String {
    let source = if first.source == STDIN { "standard input".into() } else { visible(&first.source) };
    format!("line {} of {source}", first.line_number)
}

fn profiles_note(cut: u64) -> String {
    match cut {
        0 => String::new(),
        _ => format!("\n  {} left out: too long, too many, or of a wrong kind\n", count(cut, "segment or trait")),
    }
}

fn junk_note(summary: &Summary) -> String {
    let mut junk: Vec<(&str, u64)> = summary.junk.iter().collect();
    junk.sort_by_key(|&(value, number)| (std::cmp::Reverse(number), value));
    if junk.is_empty() {
        return String::new();
    }
    let total = junk.iter().map(|(_, number)| number).sum();
    let more = if junk.len() > JUNK_SHOWN { ", …" } else { "" };
    // Many of them are numbers: `2 × 0`, not `2 0`.
    let named = junk.into_iter().take(JUNK_SHOWN);
    let named: Vec<String> =
        named.map(|(value, number)| format!("{} × {}", thousands(number), visible(value))).collect();
    format!("\n  {} ignored as junk: {}{more}\n", count(total, "identity value"), named.join(", "))
}

fn spellings_note(number: u64) -> String {
    let events = match number {
        0 => return String::new(),
        1 => "1 event spells a namespace".to_owned(),
        _ => format!("{} events spell a namespace", thousands(number)),
    };
    format!("\n  {events} in two ways: the value of the spelling that is not all lower case was taken\n")
}

/// `10 malformed, 2 no_timestamp`.
fn named_counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    counts.map(|(name, number)| format!("{} {}", thousands(number), visible(name))).collect::<Vec<_>>().join(", ")
}

/// What the store holds: events by how they came to their person, sessions and customers.
pub fn holdings(totals: &Totals) -> String {
    let events = totals.attribution.events();
    let by_kind = AttributionKind::ALL.map(|kind| (kind.word(), totals.attribution.of(kind), events, kind.meaning()));
    let by_session = [
        ("linked", totals.linked_sessions, totals.sessions, "sessions that belong to a customer"),
        ("shared", totals.shared_sessions, totals.sessions, "sessions that met more than one"),
    ];
    let row = |(name, number, whole, meaning): (&str, u64, u64, &str)| {
        [name.to_owned(), thousands(number), percent(number, whole), meaning.to_owned()]
    };
    // One table, so that both halves are even; then cut in two.
    let rows: Vec<[String; 4]> = by_kind.into_iter().chain(by_session).map(row).collect();
    let text = table([Even::Left, Even::Right, Even::Right, Even::Left], &rows);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (kinds, sessions) = lines.split_at(by_kind.len());
    format!(
        "The store holds {}\n{}\nof {} and {}\n{}\n  digest {}\n{}",
        count(events, "event"),
        kinds.concat(),
        count(totals.sessions, "session"),
        count(totals.customers, "customer"),
        sessions.concat(),
        totals.digest,
        profiles_in_words(totals),
    )
}

/// The digest of segments and traits, where an event has any.
fn profiles_in_words(totals: &Totals) -> String {
    match totals.profiles == Digest::default() {
        true => String::new(),
        false => format!("  profiles {}\n", totals.profiles),
    }
}

/// What to try next.
pub fn next_steps(summary: &Summary, common: &Common, replay: &ReplayArgs, settings: &Settings) -> String {
    let mut store = match common.store.to_str() {
        Some(DEFAULT_STORE) => String::new(),
        _ => format!(" --store {}", shell_word(&common.store.to_string_lossy())),
    };
    if let Some(config) = &common.config {
        store.push_str(&format!(" --config {}", shell_word(&config.to_string_lossy())));
    }
    let mut steps = Vec::new();
    let mut step = |why: &str, command: String| steps.push([why.to_owned(), command]);
    if summary.events.rejected > 0 && replay.rejects.is_none() {
        let logs: Vec<_> = replay.logs.iter().map(|log| shell_word(log)).collect();
        let name = replay.source.as_ref().map_or_else(String::new, |name| format!(" --source {}", shell_word(name)));
        let command = format!("backstitch replay {}{name}{store} --force --rejects rejected.ndjson", logs.join(" "));
        step("see the rejected lines", command);
    }
    if summary.totals.sessions > 0 {
        step("who is who", format!("backstitch sessions{store} --csv | head"));
    }
    if summary.totals.customers > 0 {
        let customer = format!("{}:ID", settings.levels.unique.as_deref().unwrap_or(ECOMMERCE));
        step("what a customer did", format!("backstitch events{store} {}", shell_word(&customer)));
    }
    step("a second opinion", format!("backstitch verify{store}"));
    format!("\nNext\n{}", table([Even::Left, Even::Left], &steps))
}

#[cfg(test)]
mod tests {
    use backstitch::{Reason, Reject, Time};

    use super::*;

    fn totals() -> Totals {
        let mut totals = Totals::default();
        let kinds = &mut totals.attribution;
        (kinds.direct, kinds.retroactive, kinds.carried, kinds.anonymous) = (6_701, 51, 75, 11_170);
        (totals.sessions, totals.customers) = (12_630, 4_425);
        (totals.linked_sessions, totals.shared_sessions) = (4_585, 8);
        totals
    }

    fn summary() -> Summary {
        let mut summary = Summary::default();
        summary.events =
            EventCounts { read: 18_037, accepted: 17_997, duplicate: 28, rejected: 12, ..EventCounts::default() };
        summary.rejects = [("malformed", 10), ("no_timestamp", 2)].into();
        summary.sources = SourceCounts { read: 1, skipped: 2 };
        summary.tally.spellings = 3;
        let reject = Reject { reason: Reason::Malformed, detail: "a colon is missing".into() };
        summary.tally.first_reject = Some(FirstReject { source: "-".into(), line_number: 1_017, reject });
        summary.tally.span = Some((Time::from_micros(0), Time::from_micros(1_000_000)));
        (summary.totals, summary.seconds, summary.bytes) = (totals(), 0.25, 3_127_156);
        summary
    }

    #[test]
    fn programs_read_the_names_that_do_not_change() {
        let expected = concat!(
            r#"{"events":{"read":18037,"accepted":17997,"duplicate":28,"rejected":12},"#,
            r#""attribution":{"direct":6701,"retroactive":51,"carried":75,"anonymous":11170},"#,
            r#""sessions":12630,"customers":4425,"linked_sessions":4585,"shared_sessions":8,"#,
            r#""digest":"00000000000000000000000000000000","#,
            r#""profiles_digest":"00000000000000000000000000000000","seconds":0.25,"bytes":3127156,"#,
            r#""rejected_by_reason":{"malformed":10,"no_timestamp":2},"junk":{},"spellings":3,"profiles_cut":0,"#,
            r#""span":{"first":"1970-01-01T00:00:00.000Z","last":"1970-01-01T00:00:01.000Z"},"#,
            r#""broken_links":0,"first_rejected":{"source":"-","line_number":1017,"reason":"malformed","detail":"a colon is missing"},"#,
            r#""sources":{"read":1,"skipped":2},"failed":[],"stopped":false,"other_fields":[],"edited":[]}"#,
        );
        assert_eq!(serde_json::to_string(&summary()).unwrap(), expected);
    }

    #[test]
    fn people_read_aligned_figures() {
        let expected = "\
Replayed 1 source (2 had nothing new, --force reads them again): 3.1 MB in 0.25 s, 72,148 events/s, 12.5 MB/s
  read       18,037
  accepted   17,997  99.8 %
  duplicate      28   0.2 %
  rejected       12   0.1 %  10 malformed, 2 no_timestamp
  from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:01.000Z

  first rejected: line 1017 of standard input, malformed: a colon is missing

  3 events spell a namespace in two ways: the value of the spelling that is not all lower case was taken

The store holds 17,997 events
  direct        6,701  37.2 %  carry their customer
  retroactive      51   0.3 %  came before the login that tells whose they are
  carried          75   0.4 %  came after it, without a customer of their own
  anonymous    11,170  62.1 %  have no known customer

of 12,630 sessions and 4,425 customers
  linked        4,585  36.3 %  sessions that belong to a customer
  shared            8   0.1 %  sessions that met more than one

  digest 00000000000000000000000000000000
";
        assert_eq!(in_words(&summary()), expected);
    }

    #[test]
    fn a_replay_of_nothing_new_says_so() {
        let mut summary = Summary::default();
        summary.sources.skipped = 1;
        assert_eq!(this_run(&summary), "Nothing new in 1 source: --force reads it again\n");
        assert_eq!(this_run(&Summary::default()), "No source was read\n");
    }
}
