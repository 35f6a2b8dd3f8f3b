//! `replay`: logs into the store.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use backstitch::engine::{Engine, Progress, Summary};
use backstitch::ingest::inputs;
use backstitch::model::namespace::Levels;
use backstitch::model::settings::{Junk, Settings};

use crate::cli::Ended;
use crate::cli::args::{Common, Replay};
use crate::cli::bar::Bar;
use crate::cli::failure::{Failure, tell};
use crate::cli::interrupt;
use crate::cli::logs::{keep_logs, some_log};
use crate::cli::output::Output;
use crate::cli::summary::{Report, in_words, next_steps, no_event_at_all};
use crate::cli::text::{count, shell_word, visible};

/// Replays the logs, and tells what came of it.
pub fn run(common: &Common, replay: &Replay) -> Result<Ended, Failure> {
    some_log(&replay.logs)?;
    // A log that does not exist shall not leave a store behind.
    inputs::expand(&replay.logs)?;
    if let Some(path) = &replay.rejects {
        keep_logs(&replay.logs, path, "rejected lines")?;
    }
    let mut rejects = replay.rejects.as_deref().map(|path| open_rejects(path, replay.force)).transpose()?;
    // Before the store is opened, which may take a while: Ctrl-C then ends at a commit, not in the middle.
    let stop = interrupt::stop();
    let mut engine = open(&common.store, replay)?;
    let mut bar = Bar::new(common);
    let summary = engine.replay(backstitch::engine::Replay {
        force: replay.force,
        threads: replay.threads,
        batch_events: replay.batch_events,
        rejects: rejects.as_mut().map(|file| file as &mut (dyn Write + Send)),
        stop: Some(stop),
        progress: Some(&mut |at: Progress| bar.show(at.bytes, at.bytes_total, at.events)),
        ..backstitch::engine::Replay::of(&replay.logs)
    });
    bar.clear();
    let summary = summary?;
    let mut out = Output::stdout();
    if common.json {
        out.json(&Report::of(&summary))?;
    } else {
        out.write(in_words(&summary).as_bytes())?;
        if !common.quiet && !summary.stopped {
            out.write(next_steps(&summary, common, replay).as_bytes())?;
        }
    }
    out.finish()?;
    if let Some(note) = no_event_at_all(&summary).filter(|_| !common.quiet) {
        tell(&note);
    }
    Ok(ended(&summary, replay.strict, replay.rejects.as_deref()))
}

/// Tells what is not well, and how it ended.
fn ended(summary: &Summary, strict: bool, rejects: Option<&Path>) -> Ended {
    for error in &summary.failed {
        tell(&error.to_string());
    }
    if summary.stopped {
        tell("stopped at a commit: the same command goes on from there");
    }
    if summary.stopped || !summary.failed.is_empty() {
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

/// Opens the store, made when missing. One that exists keeps its settings, and need not be told them again.
fn open(path: &Path, replay: &Replay) -> Result<Engine, Failure> {
    let settings = settings(replay);
    let told = settings != Settings::default();
    Engine::open(path, told.then_some(&settings)).map_err(|error| match error.other_settings() {
        Some((stored, asked)) => Failure::Failed(format!(
            "the store {} was made with {}, not with {}: give the same, or none of them (a store keeps its own), or name a \
             new store (`--store`)",
            path.display(),
            flags(stored),
            flags(asked),
        )),
        None => error.into(),
    })
}

/// Settings as they are typed.
fn flags(settings: &Settings) -> String {
    let Settings { levels, junk } = settings;
    let mut flags = Vec::new();
    if !levels.between.is_empty() {
        flags.push(format!("--between {}", shell_word(&levels.between.join(","))));
    }
    flags.extend((!levels.unique).then(|| "--no-unique".to_owned()));
    flags.extend((!junk.builtin).then(|| "--keep-junk".to_owned()));
    flags.extend(junk.extra.iter().map(|value| format!("--junk {}", shell_word(value))));
    match &flags[..] {
        [] => "the default settings".to_owned(),
        flags => format!("`{}`", visible(&flags.join(" "))),
    }
}

fn settings(replay: &Replay) -> Settings {
    let between = replay.between.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    let mut extra: Vec<String> = replay.junk.iter().map(|value| value.trim().to_lowercase()).collect();
    extra.sort();
    extra.dedup();
    Settings { levels: Levels { between, unique: !replay.no_unique }, junk: Junk { builtin: !replay.keep_junk, extra } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_replay_ended() {
        let mut summary = Summary::default();
        assert_eq!(ended(&summary, true, None), Ended::Done);
        summary.events.rejected = 1;
        assert_eq!(ended(&summary, false, None), Ended::Done);
        assert_eq!(ended(&summary, true, None), Ended::Rejected);
        summary.stopped = true;
        assert_eq!(ended(&summary, true, None), Ended::Unwell);
    }

    #[test]
    fn settings_as_they_are_typed() {
        assert_eq!(flags(&Settings::default()), "the default settings");
        let extra = vec!["it's".to_owned(), "none".to_owned()];
        let all = Settings {
            levels: Levels { between: vec!["email".into(), "deviceid".into()], unique: false },
            junk: Junk { builtin: false, extra },
        };
        assert_eq!(flags(&all), r"`--between email,deviceid --no-unique --keep-junk --junk 'it'\''s' --junk none`");
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
