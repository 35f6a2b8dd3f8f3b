//! `changes`: what did each commit change?

use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use backstitch::rows::TableUpdate;
use backstitch::{Engine, FeedPosition, Sequence, SessionTable};

use crate::cli::Ended;
use crate::cli::args::{ChangesArgs, Common};
use crate::cli::failure::{Failure, tell};
use crate::cli::interrupt;
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{count, thousands, visible};
use crate::cli::writable::Writable;

/// Between two looks at a store that is followed: soon enough for a person, seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Writes the changes of the feed, or trims it.
pub fn run(common: &Common, changes: &ChangesArgs) -> Result<Ended, Failure> {
    if let Some(sequence) = changes.trim {
        opening::open(common)?.trim(Sequence(sequence))?;
        return Ok(Ended::Done);
    }
    if let Some(path) = &changes.apply {
        return apply(common, changes, path);
    }
    let mut since = changes.since;
    if !changes.follow {
        let engine = opening::open(common)?;
        let mut out = Output::about(common, &engine, changes.output.as_deref())?;
        write(&engine, &mut since, &mut out)?;
        return out.finish();
    }
    let mut out = Output::stdout();
    let stop = interrupt::stop();
    // The last commit at the last look: a store without another is not opened.
    let mut seen = None;
    while !stop.load(Ordering::Relaxed) {
        // Read before the opening: what is committed after that is seen at the next look.
        let now = last_commit(&common.store);
        if seen.is_none() || now != seen {
            match opening::open_now(common) {
                Ok(engine) => {
                    write(&engine, &mut since, &mut out)?;
                    out.flush()?;
                    seen = now;
                }
                // The process that has it open is writing what comes next.
                Err(opening::Opening::InUse) => {}
                Err(opening::Opening::Failed(failure)) => return Err(failure),
            }
        }
        thread::sleep(LOOK_EVERY);
    }
    if let Some(since) = since.filter(|_| !common.quiet) {
        tell(&format!("the last change was {since}: go on with --since {since}"));
    }
    out.finish()
}

/// Brings a table up to date.
fn apply(common: &Common, changes: &ChangesArgs, path: &Path) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let mut table = SessionTable::at(path);
    if let Some(format) = changes.format() {
        table = table.format(format);
    }
    if let Some(since) = changes.since {
        table = table.since(since);
    }
    for path in [path, &table.beside()] {
        Writable::new(common, path, "the table")?.beside_sources(&engine)?.replaceable()?;
    }
    let applied = table.apply(&engine.feed()).map_err(Failure::of_table)?;
    let mut out = Output::stdout();
    if common.json {
        out.json(&applied)?;
    } else if !common.quiet {
        out.text(&format!("{}: {}\n", visible(&path.display().to_string()), in_words(&applied)))?;
    }
    out.finish()
}

fn in_words(applied: &TableUpdate) -> String {
    let TableUpdate { changed, added, removed, sequence, .. } = *applied;
    let what = match (applied.made, changed + added + removed) {
        (true, _) => format!("made with {}", count(added, "row")),
        (false, 0) => "nothing new".to_owned(),
        (false, _) => {
            format!("{} changed, {} added, {} removed", count(changed, "row"), thousands(added), thousands(removed))
        }
    };
    format!("{what}; it is at change {}", thousands(sequence.0))
}

/// Writes the changes after `since`, or all that are kept, and moves it on.
fn write(engine: &Engine, since: &mut Option<FeedPosition>, out: &mut Output) -> Result<(), Failure> {
    let feed = engine.feed();
    let since = since.get_or_insert(feed.start());
    for change in feed.changes(*since)? {
        let change = change?;
        out.json(&change)?;
        *since = change.position;
    }
    Ok(())
}

/// What the store records of its last commits. Times of files would not do: an opening changes them, so that followers would wake each
/// other, and two commits within one tick of the clock would pass for one.
fn last_commit(store: &Path) -> Option<Vec<u8>> {
    std::fs::read(store.join("last-commit")).ok()
}
