//! `forget`, `opt-out` and `opt-in`: of whom is nothing kept, and whose events are taken in?

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use backstitch::rows::TombstoneRow;
use backstitch::{Consent, Engine, Forget, Forgotten, Identity, SESSION};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::failure::Failure;
use crate::cli::identity::{Naming, meant, note_unknown, shown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::privacy_args::{ForgetArgs, OptInArgs, OptOutArgs};
use crate::cli::text::{Even, count, table, thousands, visible};

/// Digits of a hash that are shown to people; `--json` has all.
const DIGITS_SHOWN: usize = 16;

/// Identities that are named for people, of those whose values contain an erased one.
const CONTAINING_SHOWN: usize = 5;

/// Erases identities, or lists what was erased.
pub fn forget(common: &Common, forget: &ForgetArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    if forget.list {
        return list_tombstones(common, &engine.tombstones());
    }
    let whom: Vec<(Identity, String)> = {
        let ids = ids(forget)?;
        let note = !common.quiet && !forget.revert;
        ids.iter().map(|id| typed(&engine, id, &forget.naming, note)).collect()
    };
    if forget.revert {
        return readmit(common, &mut engine, &whom);
    }
    let mut asked = Forget::default();
    for (identity, _) in &whom {
        asked = asked.and(&identity.namespace, &identity.value);
    }
    if forget.whole_person {
        asked = asked.whole_person();
    }
    if let Some(until) = forget.until {
        asked = asked.until(until);
    }
    #[cfg(feature = "serve")]
    if let Some(log) = &forget.log {
        return forget_with_log(common, &mut engine, log, &asked);
    }
    let forgotten = if forget.dry_run { engine.would_forget(&asked)? } else { engine.forget(&asked)? };
    let mut out = Output::stdout();
    if common.json {
        out.json(&forgotten)?;
    } else if forget.dry_run {
        out.text(&would_be_forgotten(&engine, &forgotten))?;
    } else if !common.quiet {
        out.text(&forgotten_in_words(&engine, &forgotten))?;
    }
    out.finish()
}

/// Erases from the log of a collector as well.
#[cfg(feature = "serve")]
fn forget_with_log(common: &Common, engine: &mut Engine, log: &Path, asked: &Forget) -> Result<Ended, Failure> {
    use backstitch::Collector;
    use backstitch::rows::LogErasure;

    #[derive(Serialize)]
    struct ErasedFromBoth<'a> {
        #[serde(flatten)]
        store: &'a Forgotten,
        log: LogErasure,
    }

    if !log.is_dir() {
        return Err(Failure::Failed(format!("{} is not a folder: name the log of a collector", log.display())));
    }
    let (store, log) = Collector::forget(engine, log, asked)?;
    let mut out = Output::stdout();
    if common.json {
        out.json(&ErasedFromBoth { store: &store, log })?;
    } else if !common.quiet {
        out.text(&forgotten_in_words(engine, &store))?;
        let (lines, files) = (count(log.lines, "line"), count(log.files, "file"));
        out.text(&format!(
            "  {lines} of the log went, and {} told a value; wrote {files} again\n",
            thousands(log.redacted)
        ))?;
    }
    out.finish()
}

/// The IDs that are named, and those of the file.
fn ids(forget: &ForgetArgs) -> Result<Vec<String>, Failure> {
    let mut ids = forget.ids.clone();
    let Some(file) = &forget.file else { return Ok(ids) };
    let name = file.display().to_string();
    let failed = |error: io::Error| {
        Failure::Failed(format!("cannot read {name}: {error}: name a file of IDs in UTF-8, one a line"))
    };
    let lines: Box<dyn BufRead> = match file == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(file).map_err(failed)?)),
    };
    for line in lines.lines() {
        let line = line.map_err(failed)?;
        if !line.trim().is_empty() {
            ids.push(line.trim().to_owned());
        }
    }
    match ids.is_empty() {
        true => Err(Failure::Failed(format!("{name} holds no ID: write one a line"))),
        false => Ok(ids),
    }
}

fn forgotten_in_words(engine: &Engine, forgotten: &Forgotten) -> String {
    let Forgotten { identities, events, texts, unlinked, changes, sequence, .. } = *forgotten;
    let rows = match changes {
        0 => "nothing changed in the feed".to_owned(),
        changes => {
            format!("{}: `backstitch changes --since {}`", count(changes, "change"), sequence.0 - changes)
        }
    };
    let mut told = format!("erased {} with {}; {rows}\n", count(identities, "identity"), count(events, "event"));
    if texts > 0 {
        told.push_str(&format!(
            "  {} told a value: they are gone, or have a mark in its place\n",
            count(texts, "text")
        ));
    }
    if unlinked > 0 {
        let links = count(unlinked, "link");
        told.push_str(&format!("  cut {links} to other customers: nobody else gets what is left\n"));
    }
    told + &what_stays(engine, forgotten)
}

/// What an erasure would do.
fn would_be_forgotten(engine: &Engine, forgotten: &Forgotten) -> String {
    let Forgotten { identities, events, texts, unlinked, changes, .. } = *forgotten;
    let mut told = format!(
        "would erase {} with {}; {} in the feed\n",
        count(identities, "identity"),
        count(events, "event"),
        count(changes, "change")
    );
    if texts > 0 {
        told.push_str(&format!("  {} tell a value: they would go, or get a mark in its place\n", count(texts, "text")));
    }
    if unlinked > 0 {
        let links = count(unlinked, "link");
        told.push_str(&format!("  would cut {links} to other customers: nobody else would get what is left\n"));
    }
    told + &what_stays(engine, forgotten)
}

/// What contains an erased value and is not erased.
fn what_stays(engine: &Engine, forgotten: &Forgotten) -> String {
    let mut told = String::new();
    if forgotten.containing_count > 0 {
        let view = engine.resolver().view();
        let named = forgotten.containing.iter().take(CONTAINING_SHOWN);
        let named: Vec<String> = named.map(|identity| shown(view.namespaces(), identity)).collect();
        let more = if forgotten.containing_count > named.len() as u64 { ", …" } else { "" };
        let others = thousands(forgotten.containing_count);
        told.push_str(&format!(
            "  {others} with a value that contains an erased one stay: {}{more}\n",
            named.join(", ")
        ));
    }
    for setting in &forgotten.settings {
        told.push_str(&format!("  a setting contains an erased value, and stays: {}\n", visible(setting)));
    }
    told
}

/// What became of one of the IDs.
#[derive(Serialize)]
struct Readmitted<'a> {
    identity: String,
    changed: bool,
    #[serde(skip)]
    name: &'a str,
}

fn readmit(common: &Common, engine: &mut Engine, whom: &[(Identity, String)]) -> Result<Ended, Failure> {
    let mut out = Output::stdout();
    for (identity, name) in whom {
        let changed = engine.readmit(&identity.namespace, &identity.value)?;
        let done = Readmitted { identity: identity.to_string(), changed, name };
        if common.json {
            out.json(&done)?;
        } else if !common.quiet {
            out.text(&match done.changed {
                true => format!(
                    "{} is not barred any more: a replay with --force brings back what the logs hold\n",
                    done.name
                ),
                false => format!("{} was not erased\n", done.name),
            })?;
        }
    }
    out.finish()
}

fn list_tombstones(common: &Common, rows: &[TombstoneRow]) -> Result<Ended, Failure> {
    let mut out = Output::stdout();
    if common.json {
        rows.iter().try_for_each(|row| out.json(row))?;
        return out.finish();
    }
    let line = |row: &TombstoneRow| {
        let until = row.until.map_or_else(|| "for good".to_owned(), |until| format!("until {until}"));
        [row.at.to_string(), until, row.hash.to_string()]
    };
    let lines: Vec<[String; 3]> = rows.iter().map(line).collect();
    match lines.is_empty() {
        true => out.text("nothing was erased\n")?,
        false => out.text(&table([Even::Left; 3], &lines))?,
    }
    out.finish()
}

/// Lets a person opt out, or lists who did.
pub fn opt_out(common: &Common, out: &OptOutArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    let Some(id) = &out.id else { return list_opt_outs(common, &engine) };
    let (identity, name) = typed(&engine, id, &out.naming, !common.quiet);
    let consent = engine.opt_out(&identity.namespace, &identity.value)?;
    let done = match (consent.changed, consent.identities) {
        (false, _) => format!("{name} opted out before"),
        (true, 1) => format!("{name} opted out: events that carry it are no longer taken in"),
        (true, identities) => {
            format!(
                "{name} opted out, with all {identities} identities of its person: events that carry any are no longer taken in"
            )
        }
    };
    tell(common, consent, &done)
}

/// Lets a person opt in again.
pub fn opt_in(common: &Common, opt_in: &OptInArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    let (identity, name) = typed(&engine, &opt_in.id, &opt_in.naming, false);
    let consent = engine.opt_in(&identity.namespace, &identity.value)?;
    let done = match consent.changed {
        false => format!("{name} had not opted out"),
        true => format!(
            "{name} opted in: events of {} are taken in again from now on, and those that were not do not come back by themselves",
            count(consent.identities, "identity")
        ),
    };
    tell(common, consent, &done)
}

/// The identity that an ID means, and how it is shown.
fn typed(engine: &Engine, id: &str, naming: &Naming, note: bool) -> (Identity, String) {
    let view = engine.resolver().view();
    let identity = meant(view.namespaces(), id, naming.namespace.as_deref(), SESSION);
    if note {
        note_unknown(&view, &identity);
    }
    let name = shown(view.namespaces(), &identity);
    (identity, name)
}

fn list_opt_outs(common: &Common, engine: &Engine) -> Result<Ended, Failure> {
    let rows = engine.opt_outs();
    let mut out = Output::stdout();
    if common.json {
        rows.iter().try_for_each(|row| out.json(row))?;
        return out.finish();
    }
    let view = engine.resolver().view();
    let lines: Vec<[String; 2]> = rows
        .iter()
        .map(|row| {
            let name = match &row.identity {
                Some(identity) => shown(view.namespaces(), identity),
                None => format!("an identity that no event carries (hash {:.DIGITS_SHOWN$}…)", row.hash.to_string()),
            };
            [row.at.to_string(), name]
        })
        .collect();
    match lines.is_empty() {
        true => out.text("nobody opted out\n")?,
        false => out.text(&table([Even::Left, Even::Left], &lines))?,
    }
    out.finish()
}

fn tell(common: &Common, consent: Consent, done: &str) -> Result<Ended, Failure> {
    let mut out = Output::stdout();
    if common.json {
        out.json(&consent)?;
    } else if !common.quiet {
        out.text(&format!("{done}\n"))?;
    }
    out.finish()
}
