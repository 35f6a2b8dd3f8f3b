//! `backup`, `export-facts`, `import-facts`: how does a store move?

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use backstitch::rows::{FactCounts, Imported};
use backstitch::{Engine, ErrorKind};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::config::Config;
use crate::cli::failure::{Failure, in_words, tell};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{count, thousands, visible};

/// Copies the store.
pub fn backup(common: &Common, to: &Path) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    engine.backup(to)?;
    let copy = to.display().to_string();
    let mut out = Output::stdout();
    if common.json {
        out.json(&serde_json::json!({ "backup": copy, "generation": engine.generation() }))?;
    } else if !common.quiet {
        out.text(&format!("{}: a copy as of commit {}\n", visible(&copy), thousands(engine.generation())))?;
    }
    out.finish()
}

/// Writes the facts of the store.
pub fn export(common: &Common, output: Option<&Path>) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let mut out = Output::about(common, &engine, output)?;
    // The library tells of a failure to write as of any other.
    let exported = out.with(|to| Ok(engine.export_facts(to)))??;
    let ended = out.finish()?;
    if output.is_some() && !common.quiet {
        tell(&exported_in_words(&exported));
    }
    Ok(ended)
}

fn exported_in_words(exported: &FactCounts) -> String {
    let FactCounts { events, sources, unlinks, barred, digest, .. } = exported;
    let (events, sources) = (count(*events, "event"), count(*sources, "source"));
    let barred = match barred {
        0 => String::new(),
        barred => format!(", {}", count(*barred, "barred identity")),
    };
    format!("{events}, {sources}{barred} and {}; digest {digest}", count(*unlinks, "unlinked pair"))
}

#[derive(Serialize)]
struct ImportReport {
    #[serde(flatten)]
    imported: Imported,
    digest: String,
}

/// Takes facts in.
pub fn import(common: &Common, from: &Path) -> Result<Ended, Failure> {
    let config = Config::load(common)?;
    let name = from.display().to_string();
    let facts: Box<dyn Read + Send> = match from.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(from).map_err(|error| {
            Failure::Failed(format!("cannot read {name}: {error}: check that it exists and may be read"))
        })?),
    };
    let taken = match Engine::is_store(&common.store) {
        true => {
            let mut engine = opening::open_by(common, &config)?;
            engine.add_facts(facts).map(|imported| (engine, imported))
        }
        false => Engine::import_facts(&common.store, facts),
    };
    let (engine, imported) = taken.map_err(|error| match error.kind() {
        ErrorKind::Facts => Failure::Failed(format!("{name}: {}", in_words(&error))),
        _ => error.into(),
    })?;
    config.asked.hold(engine.settings(), &common.store)?;
    let digest = engine.resolver().view().totals()?.digest.to_string();
    let mut out = Output::stdout();
    if common.json {
        out.json(&ImportReport { imported, digest })?;
    } else if !common.quiet {
        out.text(&imported_in_words(&imported, &digest))?;
    }
    out.finish()
}

fn imported_in_words(imported: &Imported, digest: &str) -> String {
    let Imported { accepted, duplicate, sources, unlinked, erased, suppressed, barred, held, .. } = *imported;
    let known = match duplicate {
        0 => String::new(),
        known => format!(" ({} known before)", thousands(known)),
    };
    let (accepted, sources) = (count(accepted, "event"), count(sources, "source"));
    let mut text = format!("Imported {accepted}{known}, {sources} and {}\n", count(unlinked, "unlinked pair"));
    let notes = [
        (erased + suppressed, "event", "not taken in: an identity of theirs was erased, or opted out, here"),
        (barred, "barred identity", "whose events are not taken in from now on"),
        (held, "erased identity", "that this store holds: `backstitch forget` them here, too"),
    ];
    for (number, thing, what) in notes.into_iter().filter(|note| note.0 > 0) {
        text.push_str(&format!("  {} {what}\n", count(number, thing)));
    }
    format!("{text}  digest {digest}\n")
}
