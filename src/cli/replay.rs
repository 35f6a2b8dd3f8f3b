//! `replay`: logs into the store.

use std::fs::{File, OpenOptions};
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
use crate::cli::logs::{keep_logs, keep_sources, some_log};
use crate::cli::opening::open_or_make;
use crate::cli::output::Output;
use crate::cli::summary::{in_words, next_steps};
use crate::cli::text::count;

/// Replays the logs, and tells what came of it.
pub fn run(common: &Common, replay: &ReplayArgs) -> Result<Ended, Failure> {
    some_log(&replay.logs)?;
    let config = Config::load(common)?;
    // A log that does not exist shall not leave a store behind.
    Replay::of(&replay.logs).files()?;
    if let Some(path) = &replay.rejects {
        keep_logs(&replay.logs, path, "rejected lines")?;
        // Before a store is made for it.
        if has_no_folder(path) {
            return Err(Failure::of_new_file("rejected lines", path, &io::ErrorKind::NotFound.into()));
        }
    }
    // Before the store is opened, which may take a while: Ctrl-C then ends at a commit, not in the middle.
    let stop = interrupt::stop();
    let mut engine = open_or_make(&common.store, &config.asked.with_flags(replay))?;
    if let Some(path) = &replay.rejects {
        keep_sources(common, &engine, path, "rejected lines")?;
    }
    let mut rejects = replay.rejects.as_deref().map(|path| open_rejects(path, replay.force)).transpose()?;
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
        out.write(in_words(&summary).as_bytes())?;
        if !summary.stopped {
            out.write(next_steps(&summary, common, replay, engine.settings()).as_bytes())?;
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

/// A file for rejected lines, added to: a replay that goes on must not lose those from before it was stopped.
fn open_rejects(path: &Path, anew: bool) -> Result<File, Failure> {
    let mut how = OpenOptions::new();
    if anew {
        how.write(true).truncate(true);
    } else {
        how.append(true);
    }
    how.create(true).open(path).map_err(|error| Failure::of_new_file("rejected lines", path, &error))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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

    #[test]
    fn rejected_lines_are_added_unless_the_log_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.ndjson");
        for (anew, expected) in [(false, "a\n"), (false, "a\na\n"), (true, "a\n")] {
            open_rejects(&path, anew).unwrap().write_all(b"a\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        }
    }
}
