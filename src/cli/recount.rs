//! `rename`, `quarantine` and `release`: what identities count as.

use std::path::Path;

use backstitch::{Engine, Identity, Limits, SESSION, Undone};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::failure::Failure;
use crate::cli::identity::{meant, shown, unique_name};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::recount_args::{QuarantineArgs, ReleaseArgs, RenameArgs};
use crate::cli::text::{count, thousands, visible};
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

/// Sets identities aside, lists those that are, or lets the store do so by itself.
pub fn quarantine(common: &Common, quarantine: &QuarantineArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    if quarantine.list {
        return list_crowded(common, &engine);
    }
    if quarantine.on || quarantine.off {
        let defaults = Limits::default();
        let mut limits = Limits::default();
        limits.customers = quarantine.customers.unwrap_or(defaults.customers);
        limits.sessions = quarantine.sessions.unwrap_or(defaults.sessions);
        let limits = Some(limits).filter(|_| quarantine.on);
        let undone = engine.quarantine(limits)?;
        let done = match limits {
            Some(Limits { customers, sessions, .. }) => format!(
                "identities with more than {} or {} are set aside",
                count(customers, "customer"),
                count(sessions, "session")
            ),
            None => "no identity is set aside by itself".to_owned(),
        };
        return tell(common, &undone, &done, "");
    }
    let (ids, names) = identities(&engine, &quarantine.ids);
    let undone = engine.set_aside(ids)?;
    tell(common, &undone, &which(&names, if names.len() == 1 { "is set aside" } else { "are set aside" }), "")
}

/// An identity that is set aside, or over the limits, as it is printed for programs.
#[derive(Serialize)]
struct Listed {
    identity: String,
    /// Customers that it meets, or sessions that it has, where these are over the limits.
    met: Option<u64>,
    set_aside: bool,
}

fn list_crowded(common: &Common, engine: &Engine) -> Result<Ended, Failure> {
    let view = engine.resolver().view();
    let crowded = engine.crowded()?;
    let by_hand = view.set_aside().into_iter().filter(|identity| crowded.iter().all(|row| row.identity != *identity));
    let by_hand = by_hand.map(|identity| (identity, None, true));
    let over = crowded.iter().map(|row| (row.identity.clone(), Some(row.met), row.set_aside));
    let mut out = Output::stdout();
    for (identity, met, set_aside) in over.chain(by_hand) {
        if common.json {
            out.json(&Listed { identity: identity.to_string(), met, set_aside })?;
            continue;
        }
        let standing = if set_aside { "is set aside" } else { "counts" };
        let met = met.map(|met| format!(", met {}", thousands(met))).unwrap_or_default();
        out.text(&format!("{} {standing}{met}\n", shown(view.namespaces(), &identity)))?;
    }
    out.finish()
}

/// Lets identities count again.
pub fn release(common: &Common, release: &ReleaseArgs) -> Result<Ended, Failure> {
    let mut engine = opening::open(common)?;
    let (ids, names) = identities(&engine, &release.ids);
    let undone = engine.release(ids)?;
    tell(common, &undone, &which(&names, if names.len() == 1 { "counts again" } else { "count again" }), "")
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
