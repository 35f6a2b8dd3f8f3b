//! `stats`: what does the store hold?

use backstitch::FeedPosition;
use backstitch::rows::{CrowdedRow, GraphCounts};
use backstitch::{Limits, Reading, Sequence, Settings, Source, Totals};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::{self, Common};
use crate::cli::failure::Failure;
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::summary::holdings;
use crate::cli::text::{Even, bytes, count, table, thousands, visible};
use crate::cli::{reading, shared};

/// Characters of the position of a push that are shown to people.
const POSITION_SHOWN: usize = 40;

/// Sources that are listed for people; `--json` lists all.
const SOURCES_SHOWN: usize = 20;

/// What a store holds, as it is printed for programs.
#[derive(Serialize)]
struct Stats {
    events: u64,
    #[serde(flatten)]
    totals: Totals,
    #[serde(flatten)]
    counts: GraphCounts,
    bytes_on_disk: u64,
    generation: u64,
    /// The last change of the feed, and the last one that was trimmed.
    sequence: Sequence,
    trimmed: Sequence,
    /// The last change, for a reader of the feed to go on from.
    position: FeedPosition,
    /// Pairs whose link counts as never seen.
    unlinked: Vec<[String; 2]>,
    /// Identities that count as others.
    renamed: Vec<[String; 2]>,
    /// Identities that count as nothing.
    set_aside: Vec<String>,
    /// The limits beyond which it sets identities aside by itself.
    limits: Option<Limits>,
    /// Identities that are over them, or over the default ones.
    crowded: Vec<CrowdedRow>,
    /// Namespaces from the lowest level to the highest.
    levels: Vec<String>,
    settings: Settings,
    sources: Vec<SourceStats>,
    reading: Reading,
}

#[derive(Serialize)]
struct SourceStats {
    name: String,
    bytes: Option<u64>,
    lines: Option<u64>,
    complete: Option<bool>,
    /// Events that it delivered.
    events: Option<u64>,
    /// The position that came with the last push.
    pushed: Option<String>,
    /// What more is said of it for people.
    #[serde(skip)]
    note: String,
}

/// Tells what the store holds.
pub fn run(common: &Common, stats: &args::StatsArgs) -> Result<Ended, Failure> {
    // Of another reading, and of shared sessions, everything has to be counted.
    let is_kept = stats.read.reading() == Reading::default() && !stats.shared;
    let engine = if is_kept { opening::teller(common)? } else { opening::open(common)? };
    let view = stats.read.view(&engine.resolver());
    if stats.shared {
        return shared::run(common, &view);
    }
    let namespaces = view.namespaces();
    let totals = view.totals()?;
    let stats = Stats {
        events: totals.attribution.events(),
        totals,
        counts: view.graph_counts(),
        bytes_on_disk: engine.bytes_on_disk()?,
        generation: engine.generation(),
        sequence: engine.feed().sequence(),
        trimmed: engine.feed().trimmed(),
        position: engine.feed().position(),
        unlinked: view.unlinked().iter().map(|pair| pair.each_ref().map(ToString::to_string)).collect(),
        renamed: view.renamed().iter().map(|pair| pair.each_ref().map(ToString::to_string)).collect(),
        set_aside: view.set_aside().iter().map(ToString::to_string).collect(),
        limits: engine.limits()?,
        crowded: engine.crowded()?,
        levels: namespaces.by_level().into_iter().map(|id| namespaces.display(id).to_owned()).collect(),
        settings: engine.settings().clone(),
        sources: view.sources().iter().filter(|source| !source.retracted).map(SourceStats::of).collect(),
        reading: *view.reading(),
    };
    let mut out = Output::stdout();
    if common.json {
        out.json(&stats)?;
    } else {
        let levels: Vec<&str> = namespaces.by_level().into_iter().map(|id| namespaces.spelled(id)).collect();
        out.text(&format!("{}\n{}", visible(&common.store.display().to_string()), in_words(&stats, &levels)))?;
    }
    out.finish()
}

/// The change feed, for people.
fn changes(stats: &Stats) -> String {
    match stats.trimmed {
        Sequence(0) => thousands(stats.sequence.0),
        trimmed => format!("{}, of which those up to {trimmed} are trimmed", thousands(stats.sequence.0)),
    }
}

fn unlinked_in_words(stats: &Stats) -> String {
    match stats.unlinked.len() {
        0 => "no pair".to_owned(),
        pairs => count(pairs as u64, "pair") + ": --json lists them",
    }
}

impl SourceStats {
    fn of(source: &Source) -> Self {
        let position = source.position.as_ref();
        Self {
            name: source.name.clone(),
            bytes: position.map(|position| position.bytes),
            lines: position.map(|position| position.lines),
            complete: position.map(|position| position.complete),
            events: position.map(|position| position.events),
            pushed: source.pushed.clone(),
            note: note(source),
        }
    }

    fn columns(&self) -> [String; 4] {
        [
            visible(&self.name).into_owned(),
            self.lines.map(|lines| count(lines, "line")).unwrap_or_default(),
            self.bytes.map(bytes).unwrap_or_default(),
            self.note.clone(),
        ]
    }
}

/// What is said of a source beside how much was read of it.
fn note(source: &Source) -> String {
    let read = source.position.as_ref().map(|position| match (position.file.is_some(), position.complete) {
        (true, true) => "",
        (true, false) => "read in part: replay it again to go on",
        (false, true) => "a stream",
        (false, false) => "a stream, not read to its end",
    });
    let pushed = source.pushed.as_ref().map(|position| {
        let cut = position.char_indices().nth(POSITION_SHOWN).map(|(end, _)| format!("{}…", &position[..end]));
        format!("pushed up to {}", visible(cut.as_ref().unwrap_or(position)))
    });
    match (read, pushed) {
        (None, None) => "has no position, and is read again each time".to_owned(),
        (read, pushed) => read.map(str::to_owned).into_iter().chain(pushed).collect::<Vec<_>>().join("; "),
    }
}

/// What the store holds, for people.
fn in_words(stats: &Stats, levels: &[&str]) -> String {
    let per_event = match stats.bytes_on_disk.checked_div(stats.events) {
        Some(each) => format!(", {} an event", count(each, "byte")),
        None => String::new(),
    };
    let refused = match stats.counts.refused_links {
        0 => String::new(),
        1 => ", 1 of them refused (it would merge two customers)".to_owned(),
        refused => format!(", {} of them refused (they would merge two customers)", thousands(refused)),
    };
    let unique = if stats.settings.levels.unique.is_some() { " (unique)" } else { "" };
    let mut junk = vec![if stats.settings.junk.builtin { "the built-in list" } else { "nothing" }];
    junk.extend(stats.settings.junk.extra.iter().map(String::as_str));
    let rows = [
        ("on disk", format!("{}{per_event}", bytes(stats.bytes_on_disk))),
        ("generation", thousands(stats.generation)),
        ("changes", changes(stats)),
        ("unlinked", unlinked_in_words(stats)),
        ("identities", thousands(stats.counts.identities)),
        ("links", format!("{}{refused}", thousands(stats.counts.links))),
        ("levels", format!("{}{unique}", visible(&levels.join(" < ")))),
        ("junk", visible(&junk.join(", ")).into_owned()),
    ];
    let decided =
        [("renamed", stats.renamed.len()), ("set aside", stats.set_aside.len()), ("crowded", stats.crowded.len())];
    let decided = decided.into_iter().filter(|&(_, number)| number > 0);
    let decided = decided.map(|(name, number)| (name, count(number as u64, "identity") + ": --json lists them"));
    let rows: Vec<[String; 2]> = rows.into_iter().chain(decided).map(|(name, text)| [name.to_owned(), text]).collect();
    let listed: Vec<[String; 4]> = stats.sources.iter().take(SOURCES_SHOWN).map(SourceStats::columns).collect();
    let mut sources = table([Even::Left, Even::Right, Even::Right, Even::Left], &listed);
    if stats.sources.len() > SOURCES_SHOWN {
        let more = thousands((stats.sources.len() - SOURCES_SHOWN) as u64);
        sources.push_str(&format!("  and {more} more: --json lists all\n"));
    }
    let under = reading::in_words(&stats.reading).map(|words| words + "\n\n").unwrap_or_default();
    format!(
        "{}\n{under}{}\nRead from {}\n{sources}",
        table([Even::Left, Even::Left], &rows),
        holdings(&stats.totals),
        count(stats.sources.len() as u64, "source"),
    )
}
