//! `diff`: what would another policy change?

use backstitch::export::{self, Format};
use backstitch::model::identity::Identity;
use backstitch::model::policy::Reading;
use backstitch::resolver::DiffRow;

use crate::cli::Ended;
use crate::cli::args::{Common, DiffArgs};
use crate::cli::failure::Failure;
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{Even, count, table, thousands, visible};

/// Lists the sessions that two policies tell differently.
pub fn run(common: &Common, diff: &DiffArgs) -> Result<Ended, Failure> {
    let &[a, b] = &diff.policy[..] else {
        return Err(Failure::Usage(
            "two policies are compared: name them as `--policy first-login --policy device-split`".into(),
        ));
    };
    let reading = |policy| Reading { policy, lookback: diff.bounds.lookback, as_of: None };
    let (a, b) = (reading(a), reading(b));
    let engine = opening::open(common)?;
    let rows = engine.resolver().view().diff(a, b)?;
    let mut out = Output::to(diff.rows.output.as_deref())?;
    match diff.rows.format() {
        Format::Ndjson if !common.json => out.write(in_words(&a, &b, &rows).as_bytes())?,
        format => out.with(|to| export::diff(&rows, format, to))?,
    }
    out.finish()
}

/// The rows for people, under a line that sums them up.
fn in_words(a: &Reading, b: &Reading, rows: &[DiffRow]) -> String {
    if rows.is_empty() {
        return format!("Under {a} and under {b} every session and event belongs to the same person\n");
    }
    let person = |person: &Option<Identity>| match person {
        Some(person) => visible(&person.to_string()).into_owned(),
        None => "unknown".to_owned(),
    };
    let cells = |row: &DiffRow| {
        let session = visible(&row.session).into_owned();
        [session, person(&row.from), person(&row.to), thousands(row.events), thousands(row.moved)]
    };
    let mut lines = vec![["session", "from", "to", "events", "moved"].map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let events = rows.iter().map(|row| row.events).sum();
    let moved = rows.iter().map(|row| row.moved).sum();
    let people = rows.iter().filter(|row| row.from != row.to).count() as u64;
    format!(
        "From {a} to {b}: {} of {} in {} change hands, {} to another person\n\n{}",
        thousands(moved),
        count(events, "event"),
        count(rows.len() as u64, "session"),
        if people == 1 { "1 session goes".to_owned() } else { format!("{} go", count(people, "session")) },
        table([Even::Left, Even::Left, Even::Left, Even::Right, Even::Right], &lines),
    )
}

#[cfg(test)]
mod tests {
    use backstitch::model::policy::Policy;

    use super::*;

    #[test]
    fn rows_in_words() {
        let person = |value: &str| Some(Identity { namespace: "ecommerceId".into(), value: value.into() });
        let row = |session: &str, from, to, events, moved| DiffRow { session: session.into(), from, to, events, moved };
        let rows = [row("a", person("1"), person("2"), 1_000, 7), row("b", person("1"), person("1"), 3, 1)];
        let (first, last) = (Reading::default(), Reading::from(Policy::LastLogin));
        let expected = "\
From first-login to last-login: 8 of 1,003 events in 2 sessions change hands, 1 session goes to another person

  session  from           to             events  moved
  a        ecommerceId:1  ecommerceId:2   1,000      7
  b        ecommerceId:1  ecommerceId:1       3      1
";
        assert_eq!(in_words(&first, &last, &rows), expected);
        let none = in_words(&first, &last, &[]);
        assert_eq!(none, "Under first-login and under last-login every session and event belongs to the same person\n");
    }
}
