//! `unlink` and `retract`: as if it had never been seen.

use std::fs;

use backstitch::{Engine, Identity, Namespaces, Retract, SESSION, Undone, View};

use crate::cli::Ended;
use crate::cli::args::{self, Common, UnlinkArgs};
use crate::cli::failure::Failure;
use crate::cli::identity::{meant, note_recounted, note_unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{count, visible};

/// Takes the link of two identities back, or gives it back.
pub fn unlink(common: &Common, unlink: &UnlinkArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    let (pair, met) = {
        let resolver = engine.resolver();
        let view = resolver.view();
        let pair = pair_meant(view.namespaces(), unlink)?;
        if !common.quiet {
            pair.iter().for_each(|identity| note_recounted(&view, identity));
            pair.iter().for_each(|identity| note_unknown(&view, identity));
        }
        let pair = as_they_count(&view, pair, unlink.revert);
        let met = view.have_met(&pair[0], &pair[1]);
        (pair, met)
    };
    let [a, b] = &pair;
    if !met && !unlink.revert && !unlink.anyway {
        let refused = format!(
            "no event links {a} and {b}: none carries both, the higher of them as its highest identity; add --anyway to decide it \
             for events to come"
        );
        return Err(Failure::Failed(visible(&refused).into_owned()));
    }
    if unlink.dry_run {
        return would(common, &engine.would_unlink(a, b)?);
    }
    let undone = match unlink.revert {
        true => engine.relink_pair(a, b)?,
        false => engine.unlink_pair(a, b)?,
    };
    let done = match (unlink.revert, undone.changed) {
        (false, true) if met => "no longer count as seen together",
        (false, true) => "will not count as seen together, though no event carries both yet",
        (false, false) => "did not count as seen together before",
        (true, true) => "count as seen together where they are",
        (true, false) => "were not unlinked",
    };
    tell(common, &undone, &format!("{a} and {b} {done}"))
}

/// Takes events back.
pub fn retract(common: &Common, retract: &args::RetractArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    let (undone, of) = match (&retract.source, &retract.event) {
        (Some(source), _) => {
            let name = source_name(&engine, source);
            (engine.retract(Retract::Source(&name))?, format!("of the source {name}"))
        }
        (None, Some(event)) if event.trim().is_empty() => {
            return Err(Failure::Usage("`--event` is blank: name an event by its id or its hash".into()));
        }
        (None, Some(event)) => (engine.retract(Retract::Event(event))?, format!("with the id or hash {event}")),
        (None, None) => return Err(Failure::Usage("name what to take back: `--source FILE` or `--event ID`".into())),
    };
    let done = match (undone.changed, retract.event.is_some()) {
        (false, true) => format!("took back nothing: there is no event {of}"),
        (false, false) => format!("took back nothing {of}"),
        (true, _) => format!("took back {} {of}", count(undone.events, "event")),
    };
    tell(common, &undone, &done)
}

/// The two identities that are meant: of plain values the first is a session and the second a customer.
fn pair_meant(namespaces: &Namespaces, unlink: &UnlinkArgs) -> Result<[Identity; 2], Failure> {
    let unique = namespaces.unique().map(|unique| namespaces.display(unique));
    let first = meant(namespaces, &unlink.id, None, SESSION);
    let other = meant(namespaces, &unlink.other, None, unique.unwrap_or_default());
    if other.namespace.is_empty() {
        let why = "no namespace of this store is unique, so it knows no customers: name the second identity as namespace:value";
        return Err(Failure::Failed(why.to_owned()));
    }
    Ok([first, other])
}

/// The two that the typed ones count as, of which the links are; but for a pair that was unlinked before it was renamed.
fn as_they_count(view: &View, pair: [Identity; 2], revert: bool) -> [Identity; 2] {
    let [a, b] = pair.each_ref();
    if revert && view.unlinked().iter().any(|[lower, higher]| [a, b] == [lower, higher] || [b, a] == [lower, higher]) {
        return pair;
    }
    pair.map(|identity| view.counts_as(&identity).unwrap_or(identity))
}

/// The name under which the store knows a file: as it was typed, or its full path.
fn source_name(engine: &Engine, typed: &str) -> String {
    let resolver = engine.resolver();
    if resolver.view().sources().iter().any(|source| source.name == typed) {
        return typed.to_owned();
    }
    // A file that is gone has no full path any more: its folder may have.
    let path = std::path::Path::new(typed);
    let folder = path.parent().map(|folder| if folder.as_os_str().is_empty() { ".".as_ref() } else { folder });
    let gone = || Some(fs::canonicalize(folder?).ok()?.join(path.file_name()?));
    let full = fs::canonicalize(path).ok().or_else(gone);
    full.map_or_else(|| typed.to_owned(), |full| full.display().to_string())
}

/// What an unlink would do.
fn would(common: &Common, undone: &Undone) -> Result<Ended, Failure> {
    let mut out = Output::stdout();
    if common.json {
        out.json(undone)?;
    } else if !common.quiet {
        let (events, sessions) = (count(undone.events, "event"), count(undone.changes, "session"));
        out.text(&format!("{events} would go to somebody else, and the rows of {sessions} would change\n"))?;
    }
    out.finish()
}

fn tell(common: &Common, undone: &Undone, done: &str) -> Result<Ended, Failure> {
    let mut out = Output::stdout();
    if common.json {
        out.json(undone)?;
    } else if !common.quiet {
        out.text(&format!("{}; {}\n", visible(done), rows_changed(undone)))?;
    }
    out.finish()
}

/// How many rows changed, and how to list them.
pub fn rows_changed(undone: &Undone) -> String {
    match undone.changes {
        0 => "no session changed".to_owned(),
        many => {
            let since = undone.sequence.0.saturating_sub(many);
            format!("{} changed: `backstitch changes --since {since}`", count(many, "session"))
        }
    }
}
