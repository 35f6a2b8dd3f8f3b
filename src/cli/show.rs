//! `show`: the line of a log that an event is.

use backstitch::rows::LocatedEvent;
use backstitch::{Error, ErrorKind, Locate};

use crate::cli::Ended;
use crate::cli::args::{Common, ShowArgs};
use crate::cli::config::Config;
use crate::cli::failure::{self, Failure, tell};
use crate::cli::interrupt;
use crate::cli::opening::open_by;
use crate::cli::output::Output;
use crate::cli::text::{count, visible};

/// What helps where a source does not give the line.
const NAME_THE_LOG: &str =
    "name the log that holds the line now: `backstitch show EVENT FILE`, or `-` for standard input";

/// Prints where the lines of the events lie, and the lines.
pub fn run(common: &Common, show: &ShowArgs) -> Result<Ended, Failure> {
    if show.event.trim().is_empty() {
        return Err(Failure::Usage("the event is blank: name one by its id or its hash".into()));
    }
    let config = Config::load(common)?;
    let engine = open_by(common, &config)?;
    let view = engine.resolver().view();
    let job = Locate::event(&show.event).logs(&show.logs).fields(config.fields).stop(interrupt::stop());
    let located = job.find(&view, engine.settings())?;
    let mut out = Output::stdout();
    if common.json {
        for event in &located.events {
            out.json(event)?;
        }
    } else if located.events.is_empty() {
        let event = visible(show.event.trim());
        out.text(&format!("{event}\n  unknown: no event has this id or hash\n"))?;
    } else {
        let found: Vec<String> = located.events.iter().filter_map(in_words).collect();
        out.text(&found.join("\n"))?;
    }
    out.finish()?;
    if located.more > 0 && !common.quiet {
        let more = count(located.more, "later event");
        tell(&format!("{more} of this id not looked for: `backstitch events` tells hashes, and each names one event"));
    }
    for error in &located.failed {
        tell(&why(error));
    }
    if located.stopped {
        tell("stopped before the line was found");
    }
    let missing = located.events.iter().any(|event| event.line.is_none());
    Ok(if missing { Ended::Unwell } else { Ended::Done })
}

/// Where the line of an event lies, and the line below it.
fn in_words(event: &LocatedEvent) -> Option<String> {
    let line = event.line.as_ref()?;
    Some(format!("{}:{}\n{}\n", visible(&line.source), line.line, line.text))
}

/// Why a source did not give a line, and what to do.
fn why(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Input => format!("{error:?}; {NAME_THE_LOG}"),
        _ => failure::in_words(error),
    }
}
