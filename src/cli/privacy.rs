//! `opt-out` and `opt-in`: whose events are taken in?

use backstitch::{Consent, Engine, Identity, SESSION};

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::failure::Failure;
use crate::cli::identity::{Naming, meant, note_unknown, shown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::privacy_args::{OptInArgs, OptOutArgs};
use crate::cli::text::{Even, count, table};

/// Digits of a hash that are shown to people; `--json` has all.
const DIGITS_SHOWN: usize = 16;

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
