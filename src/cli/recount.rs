//! `rename`, `quarantine` and `release`: what identities count as.

use std::path::Path;

use backstitch::{Engine, Identity, SESSION, Undone, View};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::failure::{self, Failure};
use crate::cli::identity::{meant, shown, unique_name};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::recount_args::{QuarantineArgs, ReleaseArgs, RenameArgs};
use crate::cli::text::{count, visible};
use crate::cli::undo::rows_changed;

/// Lets customers, or other identities, count as others; or takes that back.
pub fn rename(common: &Common, rename: &RenameArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    if rename.list {
        return list_renames(common, &engine);
    }
    if rename.revert {
        let old = olds(&engine, rename)?;
        let names: Vec<String> = old.iter().map(ToString::to_string).collect();
        let undone = engine.rename_back(old)?;
        let (one, many) = ("counts as itself", "count as themselves");
        return tell(common, &undone, &which(&names, if names.len() == 1 { one } else { many }), "");
    }
    let pairs = pairs(&engine, rename)?;
    let names: Vec<String> = pairs.iter().map(|(old, _)| old.to_string()).collect();
    let done = match &pairs[..] {
        [(old, new)] => format!("{old} counts as {new}"),
        _ => which(&names, "count as others"),
    };
    match rename.dry_run {
        true => tell(common, &engine.would_rename(pairs)?, &done, "would "),
        false => tell(common, &engine.rename(pairs)?, &done, ""),
    }
}

/// Sets identities aside, or lists those that are.
pub fn quarantine(common: &Common, quarantine: &QuarantineArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    if quarantine.list {
        let view = engine.resolver().view();
        let mut out = Output::stdout();
        for identity in view.set_aside() {
            match common.json {
                true => out.json(&identity)?,
                false => out.text(&format!("{}\n", shown(view.namespaces(), &identity)))?,
            }
        }
        return out.finish();
    }
    let (ids, names) = identities(&engine, &quarantine.ids);
    let undone = engine.set_aside(ids)?;
    tell(common, &undone, &which(&names, if names.len() == 1 { "is set aside" } else { "are set aside" }), "")
}

/// Lets identities count again.
pub fn release(common: &Common, release: &ReleaseArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    let (ids, names) = identities(&engine, &release.ids);
    let undone = engine.release(ids)?;
    tell(common, &undone, &which(&names, if names.len() == 1 { "counts again" } else { "count again" }), "")
}

/// What there is to know of an identity that does not count as itself.
pub fn note(view: &View, identity: &Identity) {
    let names = view.namespaces();
    match view.counts_as(identity) {
        None => failure::tell(&format!("{} is set aside: it counts as nothing", shown(names, identity))),
        Some(other)
            if (&*other.value, names.get(&other.namespace)) != (&*identity.value, names.get(&identity.namespace)) =>
        {
            failure::tell(&format!("{} counts as {}: it was renamed", shown(names, identity), shown(names, &other)));
        }
        Some(_) => {}
    }
}

/// A rename that stands, as it is printed for programs.
#[derive(Serialize)]
struct Renamed {
    old: String,
    new: String,
}

fn list_renames(common: &Common, engine: &Engine) -> Result<Ended, Failure> {
    let view = engine.resolver().view();
    let mut out = Output::stdout();
    for [old, new] in view.renamed() {
        match common.json {
            true => out.json(&Renamed { old: old.to_string(), new: new.to_string() })?,
            false => {
                let [old, new] = [old, new].map(|identity| shown(view.namespaces(), &identity));
                out.text(&format!("{old} counts as {new}\n"))?;
            }
        }
    }
    out.finish()
}

/// Identities as they are typed: plain values are sessions.
fn identities(engine: &Engine, ids: &[String]) -> (Vec<Identity>, Vec<String>) {
    let view = engine.resolver().view();
    let ids: Vec<Identity> = ids.iter().map(|id| meant(view.namespaces(), id, None, SESSION)).collect();
    let names = ids.iter().map(ToString::to_string).collect();
    (ids, names)
}

/// A customer, where nothing else is said.
fn customer(engine: &Engine, id: &str) -> Identity {
    let view = engine.resolver().view();
    meant(view.namespaces(), id, None, unique_name(view.namespaces()))
}

fn pairs(engine: &Engine, rename: &RenameArgs) -> Result<Vec<(Identity, Identity)>, Failure> {
    match (&rename.old, &rename.new, &rename.file) {
        (Some(old), Some(new), None) => Ok(vec![(customer(engine, old), customer(engine, new))]),
        (None, None, Some(file)) => {
            let cells = cells(file, 2, "OLD,NEW")?;
            let pair = |cells: &Vec<String>| Some((customer(engine, cells.first()?), customer(engine, cells.get(1)?)));
            Ok(cells.iter().filter_map(pair).collect())
        }
        _ => Err(Failure::Usage("name what to rename: `OLD NEW`, or `--file PAIRS`".into())),
    }
}

fn olds(engine: &Engine, rename: &RenameArgs) -> Result<Vec<Identity>, Failure> {
    match (&rename.old, &rename.new, &rename.file) {
        (Some(old), None, None) => Ok(vec![customer(engine, old)]),
        (None, None, Some(file)) => {
            let cells = cells(file, 1, "OLD")?;
            Ok(cells.iter().filter_map(|cells| Some(customer(engine, cells.first()?))).collect())
        }
        _ => Err(Failure::Usage("name what to take back: `--revert OLD`, or `--revert --file PAIRS`".into())),
    }
}

/// The cells of a file of CSV, at least so many a line.
fn cells(file: &Path, least: usize, belong: &str) -> Result<Vec<Vec<String>>, Failure> {
    let name = file.display();
    let failed = |why: String| Failure::Failed(visible(&format!("{name}: {why}")).into_owned());
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_path(file);
    let mut rows = Vec::new();
    for record in reader.map_err(|error| failed(error.to_string()))?.records() {
        let record = record.map_err(|error| failed(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Vec<String> = record.iter().map(str::to_owned).collect();
        if row.len() < least || row.len() > 2 || row.iter().take(least).any(String::is_empty) {
            return Err(failed(format!("line {line} is not `{belong}`: write one pair a line, separated by a comma")));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// `ecommerceId:a counts again`, `3 identities count again`.
fn which(names: &[String], what: &str) -> String {
    match names {
        [one] => format!("{one} {what}"),
        many => format!("{} {what}", count(many.len() as u64, "identity")),
    }
}

fn tell(common: &Common, undone: &Undone, done: &str, would: &str) -> Result<Ended, Failure> {
    let mut out = Output::stdout();
    if common.json {
        out.json(undone)?;
    } else if !common.quiet {
        let text = match (undone.changed, would) {
            (false, _) => format!("{done} already, as it did before\n"),
            (true, "") => format!("{done}; {} otherwise; {}\n", counts(undone.events), rows_changed(undone)),
            (true, _) => format!(
                "{} would count otherwise, and the rows of {} would change\n",
                count(undone.events, "event"),
                count(undone.changes, "session")
            ),
        };
        out.text(&visible_line(&text))?;
    }
    out.finish()
}

fn counts(events: u64) -> String {
    match events {
        1 => "1 event counts".to_owned(),
        many => format!("{} count", count(many, "event")),
    }
}

fn visible_line(text: &str) -> String {
    format!("{}\n", visible(text.trim_end()))
}
