//! `attribute`: a log with its people written in.

use backstitch::rows::Exported;
use backstitch::{Attribute, Time};

use crate::cli::Ended;
use crate::cli::args::{AttributeArgs, Common};
use crate::cli::bar::Bar;
use crate::cli::config::Config;
use crate::cli::diagnosis::{broken_links, no_event_at_all};
use crate::cli::failure::{Failure, tell};
use crate::cli::interrupt;
use crate::cli::logs::some_log;
use crate::cli::opening::open_by;
use crate::cli::output::Output;
use crate::cli::reading::note;
use crate::cli::summary::place;
use crate::cli::text::{count, thousands};
use crate::cli::writable::Writable;

/// Writes the line of every event with its person.
pub fn run(common: &Common, attribute: &AttributeArgs) -> Result<Ended, Failure> {
    some_log(&attribute.logs)?;
    let output = attribute.rows.output.as_deref();
    let output = output.map(|path| Writable::new(common, path, "the results")?.beside_logs(&attribute.logs));
    let output = output.transpose()?;
    let config = Config::load(common)?;
    let fields = attribute.times.of(config.fields.clone());
    let engine = open_by(common, &config)?;
    let view = attribute.read.view(&engine.resolver());
    note(common.quiet, view.reading());
    let mut out = match output {
        Some(file) => Output::to(file.beside_sources(&engine)?)?,
        None => Output::stdout(),
    };
    let mut bar = Bar::new(common);
    let job = Attribute::of(&attribute.logs).fields(fields.clone()).format(attribute.rows.format());
    let job = job.stop(interrupt::stop()).progress(|at| bar.show(at));
    let exported = job.write(&view, engine.settings(), out.writer());
    bar.clear();
    let exported = exported?;
    if exported.stopped {
        tell("stopped before the end of the log: what was written is not complete");
        return Ok(Ended::Unwell);
    }
    if !common.quiet && !exported.rejected.is_empty() && !exported.all_rejected() {
        tell(&left_out(&exported));
    }
    if let Some(until) = attribute.read.as_of.filter(|_| !common.quiet && exported.later > 0) {
        tell(&later(&exported, until));
    }
    if let Some(note) = broken_links(&exported.tally.broken_links).filter(|_| !common.quiet) {
        tell(&note);
    }
    let ended = out.finish()?;
    if !exported.all_rejected() {
        return Ok(ended);
    }
    if let Some(note) = no_event_at_all(exported.events, &exported.rejected, &exported.tally, &fields) {
        tell(&note);
    }
    Ok(Ended::Unwell)
}

fn later(exported: &Exported, until: Time) -> String {
    let (number, it) = (exported.later, if exported.later == 1 { "it is" } else { "they are" });
    let lie = if number == 1 { "lies" } else { "lie" };
    format!(
        "{} of {} {lie} after {until}: {it} written too, by what is known from the events up to then",
        thousands(number),
        count(exported.events, "event")
    )
}

fn left_out(exported: &Exported) -> String {
    let number = exported.rejected.values().sum();
    let (lines, event) = (count(number, "line"), if number == 1 { "no event" } else { "no events" });
    let reasons: Vec<String> =
        exported.rejected.iter().map(|(reason, number)| format!("{} {reason}", thousands(*number))).collect();
    let first = exported.tally.first_reject.as_ref();
    let first = first.map_or_else(String::new, |first| format!("; the first is {}", place(first)));
    format!("{lines} left out, being {event}: {}{first}", reasons.join(", "))
}
