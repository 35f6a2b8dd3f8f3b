//! `replay`: logs into the store.

use std::io;
use std::path::Path;

use backstitch::rows::CrowdedRow;
use backstitch::{Limits, Replay, Summary};

use crate::cli::Ended;
use crate::cli::args::{Common, ReplayArgs};
use crate::cli::bar::Bar;
use crate::cli::config::Config;
use crate::cli::diagnosis::{broken_links, no_event_at_all};
use crate::cli::failure::{self, Failure, has_no_folder, tell};
use crate::cli::interrupt;
use crate::cli::logs::{STDIN, some_log};
use crate::cli::one_heap;
use crate::cli::opening::open_or_make;
use crate::cli::output::Output;
use crate::cli::rejects;
use crate::cli::summary::{in_words, next_steps, place};
use crate::cli::text::{count, thousands};
use crate::cli::writable::Writable;

/// Sources that a note names; `--json` names all.
const NAMES_SHOWN: usize = 5;

/// Replays the logs, and tells what came of it.
pub fn run(common: &Common, replay: &ReplayArgs) -> Result<Ended, Failure> {
    some_log(&replay.logs)?;
    if replay.source.is_some() && !replay.logs.iter().any(|log| log == STDIN) {
        return Err(Failure::Usage("`--source` names standard input, which is not among the logs: add `-`".into()));
    }
    one_heap::ensure();
    let config = Config::load(common)?;
    let fields = replay.times.of(config.fields.clone());
    // A log that does not exist, or has a name that it cannot have, shall not leave a store behind.
    sources(replay).files()?;
    let mut rejects = None;
    if let Some(path) = &replay.rejects {
        rejects = Some(Writable::new(common, path, "rejected lines")?.beside_logs(&replay.logs)?);
        // Before a store is made for it.
        if has_no_folder(path) {
            return Err(Failure::of_new_file("rejected lines", path, &io::ErrorKind::NotFound.into()));
        }
    }
    // Before the store is opened, which may take a while: Ctrl-C then ends at a commit, not in the middle.
    let stop = interrupt::stop();
    let mut engine = open_or_make(&common.store, &config.asked.with_flags(replay))?;
    let limits = engine.limits()?;
    let asked = config.quarantine.or(limits.or(Some(Limits::default())).filter(|_| replay.quarantine));
    if asked.is_some() && asked != limits {
        engine.quarantine(asked)?;
    }
    let rejects = rejects.map(|file| rejects::open(&file.beside_sources(&engine)?, replay.force, common.quiet, stop));
    let mut rejects = rejects.transpose()?;
    let mut bar = Bar::new(common);
    let job = sources(replay).fields(fields.clone()).force(replay.force);
    let mut job = job.profiles(config.keep_profiles && !replay.no_profiles).stop(stop).progress(|at| bar.show(at));
    if let Some(threads) = replay.threads {
        job = job.threads(threads);
    }
    if let Some(events) = replay.batch_events {
        job = job.batch_events(events.get());
    }
    if let Some(file) = &mut rejects {
        job = job.rejects(file);
    }
    let summary = engine.replay(job);
    bar.clear();
    let summary = summary?;
    let mut out = Output::stdout();
    if common.json {
        out.json(&summary)?;
    } else if !common.quiet {
        out.text(&in_words(&summary))?;
        if !summary.stopped {
            out.text(&next_steps(&summary, common, replay, engine.settings()))?;
        }
    }
    out.finish()?;
    if let Some(note) = broken_links(&summary.tally.broken_links).filter(|_| !common.quiet) {
        tell(&note);
    }
    let note =
        no_event_at_all(summary.events.read - summary.events.rejected, &summary.rejects, &summary.tally, &fields);
    if let Some(note) = note.filter(|_| !common.quiet || summary.all_rejected()) {
        tell(&note);
    }
    if !common.quiet && !summary.crowded.is_empty() {
        tell(&crowded(&summary.crowded));
    }
    if !common.quiet && !summary.edited.is_empty() {
        tell(&edited(&summary.edited));
    }
    Ok(ended(&summary, replay.strict, replay.rejects.as_deref()))
}

/// The logs, with standard input by the name it was given.
fn sources<'a>(replay: &ReplayArgs) -> Replay<'a> {
    match &replay.source {
        None => Replay::of(&replay.logs),
        Some(name) => Replay::of(replay.logs.iter().filter(|log| *log != STDIN)).stdin(name),
    }
}

/// What is said of files that hold something else than before.
fn edited(files: &[String]) -> String {
    let (were, is_not) = match files.len() {
        1 => ("was", "it is not the file"),
        _ => ("were", "they are not the files"),
    };
    format!(
        "{} {were} read from the start, since {is_not} of the last replay; events of the old content stay: \
         `backstitch retract --source FILE` takes all of them back, then replay again",
        some(files)
    )
}

/// What is said of identities that tie many together.
fn crowded(rows: &[CrowdedRow]) -> String {
    let names: Vec<String> = rows.iter().map(|row| format!("{} ({})", row.identity, thousands(row.met))).collect();
    let (free, what) = match rows.iter().filter(|row| !row.set_aside).count() {
        0 => (String::new(), "are set aside"),
        _ => (
            ": `backstitch quarantine ID` sets one aside, `replay --quarantine` all of them".to_owned(),
            "tie many together",
        ),
    };
    format!("identities with more customers, or sessions, than a person has {what}, {}{free}", some(&names))
}

/// What is said of sources that were read with other fields before.
fn other_fields(sources: &[String]) -> String {
    let (were, they) = if sources.len() == 1 { ("was", "it was") } else { ("were", "they were") };
    format!(
        "{} {were} not read: the configuration names other fields than when {they} read before, so the same lines would \
         become other events: take the old ones back first (`backstitch retract --source FILE`), or keep both (`--force`)",
        some(sources),
    )
}

/// Names, the first few of them.
fn some(names: &[String]) -> String {
    let mut told: Vec<String> = names.iter().take(NAMES_SHOWN).cloned().collect();
    if let Some(more) = names.len().checked_sub(NAMES_SHOWN).filter(|&more| more > 0) {
        told.push(format!("and {} more", thousands(more as u64)));
    }
    told.join(", ")
}

/// Tells what is not well, and how it ended.
fn ended(summary: &Summary, strict: bool, rejects: Option<&Path>) -> Ended {
    for error in &summary.failed {
        tell(&failure::in_words(error));
    }
    if !summary.other_fields.is_empty() {
        tell(&other_fields(&summary.other_fields));
    }
    if summary.stopped {
        tell("stopped at a commit: the same command goes on from there");
    }
    let incomplete = summary.stopped || !summary.failed.is_empty() || !summary.other_fields.is_empty();
    if incomplete || summary.all_rejected() {
        return Ended::Unwell;
    }
    if strict && summary.events.rejected > 0 {
        let remedy = match rejects {
            Some(path) => format!("see {}", path.display()),
            None => "`--force --rejects FILE` shows them".to_owned(),
        };
        let first = summary.tally.first_reject.as_ref();
        let first = first.map_or_else(String::new, |first| format!(", the first is {}", place(first)));
        tell(&format!("{} rejected (--strict){first}: {remedy}", count(summary.events.rejected, "line")));
        return Ended::Rejected;
    }
    Ended::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_replay_ended() {
        let mut summary = Summary::default();
        assert_eq!(ended(&summary, true, None), Ended::Done);
        (summary.events.read, summary.events.rejected) = (2, 1);
        assert_eq!(ended(&summary, false, None), Ended::Done);
        assert_eq!(ended(&summary, true, None), Ended::Rejected);
        summary.events.read = 1;
        assert_eq!(ended(&summary, true, None), Ended::Unwell, "no line is an event");
        summary.tally.unfinished = 1;
        assert_eq!(ended(&summary, false, None), Ended::Done, "it may be half written");
        summary.stopped = true;
        assert_eq!(ended(&summary, true, None), Ended::Unwell);
        let mut summary = Summary::default();
        summary.edited = vec!["a".into()];
        assert_eq!(ended(&summary, true, None), Ended::Done);
        summary.other_fields = vec!["a".into()];
        assert_eq!(ended(&summary, false, None), Ended::Unwell);
    }

    #[test]
    fn names_are_shown_and_cut() {
        let names = |count: usize| Vec::from_iter((0..count).map(|at| format!("log{at}")));
        assert_eq!(some(&names(1)), "log0");
        assert!(some(&names(6)).ends_with("log4, and 1 more"), "{}", some(&names(6)));
        assert!(edited(&names(2)).contains("were read") && other_fields(&names(1)).contains("was not read"));
    }
}
