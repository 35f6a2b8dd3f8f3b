//! `diff`: what would another policy change?

use backstitch::rows::DiffRow;
use backstitch::{Identity, Namespaces, Reading, RowFormat};

use crate::cli::Ended;
use crate::cli::args::{Common, DiffArgs};
use crate::cli::failure::Failure;
use crate::cli::identity::shown;
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
    let view = engine.resolver().view();
    let rows = view.diff(a, b)?;
    let mut out = Output::about(common, &engine, diff.rows.output.as_deref())?;
    match diff.rows.format() {
        RowFormat::Ndjson if !common.json => out.text(&in_words(view.namespaces(), &a, &b, &rows))?,
        format => out.with(|to| format.write_diff(&rows, to))?,
    }
    out.finish()
}

/// The rows for people, under a line that sums them up.
fn in_words(names: &Namespaces, a: &Reading, b: &Reading, rows: &[DiffRow]) -> String {
    if rows.is_empty() {
        return format!("Under {a} and under {b} every session and event belongs to the same person\n");
    }
    let person = |person: &Option<Identity>| match person {
        Some(person) => shown(names, person),
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
    use backstitch::Policy;

    use super::*;
    use crate::cli::testing::{line, replayed};

    #[test]
    fn rows_in_words() {
        let mut log: String = ["1", "2"].map(|who| line(1, &format!("sessionId:a ecommerceId:{who}"))).concat();
        log += &(0..1_000).map(|at| line(2 + at, "sessionId:a")).collect::<String>();
        log += &line(0, "sessionId:b");
        log += &line(1, "sessionId:b ecommerceId:1");
        let (view, _) = replayed(&log);
        let (first, last) = (Reading::default(), Reading::from(Policy::LastLogin));
        let expected = "\
From first-login to last-login: 1,000 of 1,002 events in 1 session change hands, 1 session goes to another person

  session  from           to             events  moved
  a        ecommerceId:1  ecommerceId:2   1,002  1,000
";
        let told = |rows: &[DiffRow]| in_words(view.namespaces(), &first, &last, rows);
        assert_eq!(told(&view.diff(first, last).unwrap()), expected);
        let none = "Under first-login and under last-login every session and event belongs to the same person\n";
        assert_eq!(told(&[]), none);
    }
}
