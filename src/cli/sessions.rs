//! `sessions`: who is who?

use std::collections::BTreeSet;
use std::io::{IsTerminal, stdout};

use backstitch::rows::SessionRow;
use backstitch::{Namespaces, RowFormat};

use crate::cli::Ended;
use crate::cli::args::{Common, SessionsArgs};
use crate::cli::failure::{Failure, tell};
use crate::cli::identity::{alike, meant, shown, unique_name, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::reading::note;
use crate::cli::text::{Even, count, table, thousands, visible};

/// Writes a row a session.
pub fn run(common: &Common, sessions: &SessionsArgs) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let view = sessions.read.view(&engine.resolver());
    note(common.quiet, view.reading());
    let rows = match &sessions.customer {
        None => view.sessions()?,
        Some(customer) => {
            let identity = meant(view.namespaces(), customer, None, unique_name(view.namespaces()));
            let rows = view.sessions_of(&identity.namespace, &identity.value)?;
            if rows.is_none() && !common.quiet {
                let (names, alike) = (view.namespaces(), alike(&identity, |value| view.find_value(value)));
                tell(&format!("{} is {}", shown(names, &identity), unknown(names, &alike)));
            }
            rows.unwrap_or_default()
        }
    };
    let mut out = Output::about(common, &engine, sessions.rows.output.as_deref())?;
    match sessions.rows.format() {
        // A table for the eye, lines for a program.
        RowFormat::Ndjson if !common.json && sessions.rows.output.is_none() && stdout().is_terminal() => {
            out.text(&in_words(view.namespaces(), &rows))?;
        }
        format => out.with(|to| format.write_sessions(&rows, to))?,
    }
    out.finish()
}

/// The sessions for people, under a line that sums them up.
fn in_words(names: &Namespaces, rows: &[SessionRow]) -> String {
    let sessions = count(rows.len() as u64, "session");
    if rows.is_empty() {
        return format!("{sessions}\n");
    }
    let customers: BTreeSet<&str> = rows.iter().filter_map(SessionRow::customer).collect();
    let linked = rows.iter().filter(|row| row.customer().is_some()).count() as u64;
    let heading = format!("{sessions}, {} linked to {}", thousands(linked), count(customers.len() as u64, "customer"));
    let mut lines = vec![["session", "person", "since", "events"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let since = row.since.map(|since| since.to_string()).unwrap_or_default();
        [visible(&row.session).into_owned(), shown(names, &row.person), since, thousands(row.events)]
    }));
    format!("{heading}\n\n{}", table([Even::Left, Even::Left, Even::Left, Even::Right], &lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{line, replayed};

    #[test]
    fn sessions_in_words() {
        let (view, _) =
            replayed(&(line(0, "sessionId:a ecommerceId:7") + &line(1, "sessionId:a") + &line(2, "sessionId:b")));
        let expected = "\
2 sessions, 1 linked to 1 customer

  session  person         since                     events
  a        ecommerceId:7  1970-01-01T00:00:00.000Z       2
  b        sessionId:b                                   1
";
        assert_eq!(in_words(view.namespaces(), &view.sessions().unwrap()), expected);
        assert_eq!(in_words(view.namespaces(), &[]), "0 sessions\n");
    }
}
