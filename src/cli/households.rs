//! `duplicates` and `related`: who shares an identity and was not merged.

use backstitch::rows::CommonIdentity;
use backstitch::{Namespaces, SESSION};

use crate::cli::Ended;
use crate::cli::args::{Common, DuplicatesArgs, RelatedArgs};
use crate::cli::failure::{self, Failure};
use crate::cli::identity::{alike, meant, note_recounted, shown, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{count, thousands};

/// Lists pairs of customers that share an identity.
pub fn duplicates(common: &Common, duplicates: &DuplicatesArgs) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let view = engine.resolver().view();
    let found = view.duplicates(duplicates.namespace.as_deref(), duplicates.limit);
    let mut out = Output::stdout();
    if common.json {
        found.rows.iter().try_for_each(|row| out.json(row))?;
    } else {
        let names = view.namespaces();
        for row in &found.rows {
            let customers: Vec<String> = row.customers.iter().map(|customer| shown(names, customer)).collect();
            out.text(&format!("{}\n{}", customers.join(" and "), in_words(names, &row.common, row.more)))?;
        }
        if found.rows.is_empty() {
            out.text("No two customers share an identity\n")?;
        }
    }
    if !common.quiet {
        tell_rest(found.more, "pair", found.crowded);
    }
    out.finish()
}

/// Lists the people who share an identity with one.
pub fn related(common: &Common, related: &RelatedArgs) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let view = engine.resolver().view();
    let names = view.namespaces();
    let identity = meant(names, &related.id, related.naming.namespace.as_deref(), SESSION);
    if !common.quiet {
        note_recounted(&view, &identity);
    }
    let mut out = Output::stdout();
    let Some(found) = view.related(&identity.namespace, &identity.value, related.limit) else {
        if !common.json {
            let alike = alike(&identity, |value| view.find_value(value));
            out.text(&format!("{}\n  {}\n", shown(names, &identity), unknown(names, &alike)))?;
        }
        return out.finish();
    };
    if common.json {
        found.rows.iter().try_for_each(|row| out.json(row))?;
    } else {
        for row in &found.rows {
            out.text(&format!("{}\n{}", shown(names, &row.person), in_words(names, &row.common, row.more)))?;
        }
        if found.rows.is_empty() {
            out.text(&format!("{} shares an identity with no other customer\n", shown(names, &identity)))?;
        }
    }
    if !common.quiet {
        tell_rest(found.more, "customer", found.crowded);
    }
    out.finish()
}

/// What two share, a line each.
fn in_words(names: &Namespaces, common: &[CommonIdentity], more: usize) -> String {
    let mut text = String::new();
    for common in common {
        let others = match common.customers {
            2 => String::new(),
            many => format!(", which {} share", count(many as u64, "customer")),
        };
        text.push_str(&format!("  share {}{others}\n", shown(names, &common.identity)));
        for tie in &common.ties {
            let [lower, higher] = [&tie.lower, &tie.higher].map(|end| shown(names, end));
            text.push_str(&format!("    {lower} with {higher}, first at {} by {}\n", tie.first, tie.event));
        }
    }
    if more > 0 {
        text.push_str(&format!("  and {} more\n", thousands(more as u64)));
    }
    text
}

fn tell_rest(more: usize, thing: &str, crowded: usize) {
    if more > 0 {
        failure::tell(&format!("{} more: --limit lists them", count(more as u64, thing)));
    }
    if crowded > 0 {
        let identities = count(crowded as u64, "identity");
        failure::tell(&format!("{identities} that many customers share left out: they say little of any two"));
    }
}
