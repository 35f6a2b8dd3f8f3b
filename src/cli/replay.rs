//! `replay`: logs into the store.

use std::io;
use std::path::Path;

use backstitch::{Replay, Summary};

use crate::cli::Ended;
use crate::cli::args::{Common, ReplayArgs};
use crate::cli::bar::Bar;
use crate::cli::config::Config;
use crate::cli::diagnosis::no_event_at_all;
use crate::cli::failure::{self, Failure, has_no_folder, tell};
use crate::cli::interrupt;
use crate::cli::logs::some_log;
use crate::cli::opening::open_or_make;
use crate::cli::output::Output;
use crate::cli::rejects;
use crate::cli::summary::{in_words, next_steps};
use crate::cli::text::count;
use crate::cli::writable::Writable;

/// Replays the logs, and tells what came of it.
pub fn run(common: &Common, replay: &ReplayArgs) -> Result<Ended, Failure> {
    some_log(&replay.logs)?;
    let config = Config::load(common)?;
    // A log that does not exist shall not leave a store behind.
    Replay::of(&replay.logs).files()?;
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
    let rejects = rejects.map(|file| rejects::open(&file.beside_sources(&engine)?, replay.force));
    let mut rejects = rejects.transpose()?;
    let mut bar = Bar::new(common);
    let job =
        Replay::of(&replay.logs).fields(config.fields.clone()).force(replay.force).batch_events(replay.batch_events);
    let mut job = job.stop(stop).progress(|at| bar.show(at));
    if let Some(threads) = replay.threads {
        job = job.threads(threads);
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
    let note = no_event_at_all(
        summary.events.read - summary.events.rejected,
        &summary.rejects,
        &summary.tally,
        &config.fields,
    );
    if let Some(note) = note.filter(|_| !common.quiet || summary.all_rejected()) {
        tell(&note);
    }
    Ok(ended(&summary, replay.strict, replay.rejects.as_deref()))
}

/// Tells what is not well, and how it ended.
fn ended(summary: &Summary, strict: bool, rejects: Option<&Path>) -> Ended {
    for error in &summary.failed {
        tell(&failure::in_words(error));
    }
    if summary.stopped {
        tell("stopped at a commit: the same command goes on from there");
    }
    if summary.stopped || !summary.failed.is_empty() || summary.all_rejected() {
        return Ended::Unwell;
    }
    if strict && summary.events.rejected > 0 {
        let remedy = match rejects {
            Some(path) => format!("see {}", path.display()),
            None => "`--force --rejects FILE` shows them".to_owned(),
        };
        tell(&format!("{} rejected (--strict): {remedy}", count(summary.events.rejected, "line")));
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
    }
}
