//! `unlink` and `retract`: as if it had never been seen.

use std::fs;

use backstitch::{Engine, Identity, Retract, SESSION, Undone, View};

use crate::cli::Ended;
use crate::cli::args::{self, Common, UnlinkArgs};
use crate::cli::failure::{self, Failure};
use crate::cli::identity::{meant, shown, unique_name, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{count, visible};

/// Takes the link of a session and a customer back, or gives it back.
pub fn unlink(common: &Common, unlink: &UnlinkArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    let (session, customer, met) = {
        let resolver = engine.resolver();
        let view = resolver.view();
        let namespaces = view.namespaces();
        let unique = unique_name(namespaces);
        let session = meant(namespaces, &unlink.session, None, SESSION);
        let customer = meant(namespaces, &unlink.customer, None, unique);
        for (what, identity, namespace) in [("session", &session, SESSION), ("customer", &customer, unique)] {
            is_of(what, identity, namespace)?;
        }
        if !common.quiet {
            for identity in [&session, &customer] {
                note_unknown(&view, identity);
            }
        }
        let met = view.have_met(&session.value, &customer.value);
        (session, customer, met)
    };
    let undone = match unlink.revert {
        true => engine.relink(&session.value, &customer.value)?,
        false => engine.unlink(&session.value, &customer.value)?,
    };
    let done = match (unlink.revert, undone.changed) {
        (false, true) if met => "no longer count as seen together",
        (false, true) => "will not count as seen together, though no event carries both yet",
        (false, false) => "did not count as seen together before",
        (true, true) => "count as seen together where they are",
        (true, false) => "were not unlinked",
    };
    tell(common, &undone, &format!("{session} and {customer} {done}"))
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

/// Tells of an identity that no event carries, and of the one that may be meant: a slip of the hand, perhaps.
fn note_unknown(view: &View, identity: &Identity) {
    if view.find(&identity.namespace, &identity.value).is_some() {
        return;
    }
    let names = view.namespaces();
    let alike = match view.find_value(&identity.value) {
        found if found.is_empty() => Vec::from_iter(view.nearest(&identity.namespace, &identity.value)),
        found => found,
    };
    failure::tell(&format!("{} is {}", shown(names, identity), unknown(names, &alike)));
}

fn is_of(what: &str, identity: &Identity, namespace: &str) -> Result<(), Failure> {
    if identity.namespace.eq_ignore_ascii_case(namespace) {
        return Ok(());
    }
    Err(Failure::Usage(format!("{identity} is no {what}: name one of {namespace}")))
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

fn tell(common: &Common, undone: &Undone, done: &str) -> Result<Ended, Failure> {
    let mut out = Output::stdout();
    if common.json {
        out.json(undone)?;
    } else if !common.quiet {
        let rows = match undone.changes {
            0 => "no session changed".to_owned(),
            1 => format!("1 session changed: `backstitch changes --since {}`", undone.sequence.0 - 1),
            many => {
                format!(
                    "{}: `backstitch changes --since {}`",
                    count(many, "session") + " changed",
                    undone.sequence.0 - many
                )
            }
        };
        out.text(&format!("{}; {rows}\n", visible(done)))?;
    }
    out.finish()
}
