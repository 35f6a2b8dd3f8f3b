//! `stats --shared`: which sessions met several customers, and what each policy makes of them?

use std::collections::HashMap;

use backstitch::rows::SharedRow;
use backstitch::{Identity, Namespaces, Policy, View};

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::failure::Failure;
use crate::cli::identity::shown;
use crate::cli::output::Output;
use crate::cli::reading;
use crate::cli::text::{Even, count, table, thousands, visible};

/// People of a session that are listed for people; `--json` lists all.
const PEOPLE_SHOWN: usize = 20;

/// A person, their logins, and their events under each policy.
const COLUMNS: usize = 2 + Policy::ALL.len();

/// Lists the shared sessions of a view.
pub fn run(common: &Common, view: &View) -> Result<Ended, Failure> {
    let rows = view.shared()?;
    let mut out = Output::stdout();
    if common.json {
        for row in &rows {
            out.json(row)?;
        }
    } else {
        let under = reading::bounds_in_words(view.reading()).map(|words| words + "\n\n").unwrap_or_default();
        out.text(&format!("{under}{}", heading(&rows)))?;
        for row in &rows {
            out.text(&in_words(view.namespaces(), row))?;
        }
    }
    out.finish()
}

fn heading(rows: &[SharedRow]) -> String {
    let events = rows.iter().map(|row| row.events).sum();
    let anonymous = rows.iter().map(|row| row.anonymous).sum();
    let sessions = count(rows.len() as u64, "session");
    match rows.len() {
        0 => "No session met more than one customer\n".to_owned(),
        _ => format!("{sessions} met more than one customer: {}\n", of_which(events, anonymous)),
    }
}

fn of_which(events: u64, anonymous: u64) -> String {
    format!("{}, {} of them without a customer", count(events, "event"), thousands(anonymous))
}

/// A session for people: who logged in how often, and how many of its events are whose under each policy.
fn in_words(names: &Namespaces, row: &SharedRow) -> String {
    let title = format!("\n{}: {}\n", visible(&row.session), of_which(row.events, row.anonymous));
    let people = people(row);
    let heads = ["", "logins"].into_iter().chain(Policy::ALL.map(Policy::word));
    let mut lines = vec![array(heads.map(str::to_owned))];
    for (person, numbers) in people.iter().take(PEOPLE_SHOWN) {
        lines.push(array(std::iter::once(shown(names, person)).chain(numbers.map(thousands))));
    }
    let mut columns = [Even::Right; COLUMNS];
    columns[0] = Even::Left;
    let more = match people.len().checked_sub(PEOPLE_SHOWN) {
        None | Some(0) => String::new(),
        Some(more) => format!("  and {} more: --json lists all\n", thousands(more as u64)),
    };
    title + &table(columns, &lines) + &more
}

/// The cells of a line, of which there are as many as columns.
fn array(cells: impl Iterator<Item = String>) -> [String; COLUMNS] {
    let mut line = [const { String::new() }; COLUMNS];
    line.iter_mut().zip(cells).for_each(|(cell, text)| *cell = text);
    line
}

/// Everybody who has a part in a session, with their logins and their events under each policy: its customers, then others.
fn people(row: &SharedRow) -> Vec<(&Identity, [u64; COLUMNS - 1])> {
    let mut people = Vec::new();
    let mut places = HashMap::new();
    let logins = row.customers.iter().map(|met| (0, &met.customer, met.logins));
    let shares = row
        .shares
        .iter()
        .zip(1..)
        .flat_map(|(shares, column)| shares.people.iter().map(move |share| (column, &share.person, share.events)));
    for (column, person, number) in logins.chain(shares) {
        let place = *places.entry(person).or_insert_with(|| {
            people.push((person, [0; COLUMNS - 1]));
            people.len() - 1
        });
        people[place].1[column] += number;
    }
    people
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{line, replayed};

    /// A session on which so many customers log in, and then nobody does for a while.
    fn shared(customers: usize, after: usize) -> (View, SharedRow) {
        let logins = (0..customers).map(|at| line(at as u64, &format!("sessionId:s ecommerceId:{}", at + 1)));
        let rest = (0..after).map(|at| line((customers + at) as u64, "sessionId:s"));
        let (view, _) = replayed(&logins.chain(rest).collect::<String>());
        let row = view.shared().unwrap().remove(0);
        (view, row)
    }

    #[test]
    fn a_session_in_words() {
        let expected = "
s: 1,002 events, 1,000 of them without a customer
                 logins  first-login  device-split  last-login  strict
  ecommerceId:1       1        1,001             1           1       1
  ecommerceId:2       1            1         1,001       1,001       1
  sessionId:s         0            0             0           0   1,000
";
        let (view, row) = shared(2, 1_000);
        assert_eq!(in_words(view.namespaces(), &row), expected);
        assert_eq!(
            heading(&[row]),
            "1 session met more than one customer: 1,002 events, 1,000 of them without a customer\n"
        );
        assert_eq!(heading(&[]), "No session met more than one customer\n");
    }

    #[test]
    fn a_session_of_a_whole_town_is_cut() {
        let (view, row) = shared(30, 1);
        let text = in_words(view.namespaces(), &row);
        assert!(text.contains("ecommerceId:27 ") && !text.contains("ecommerceId:28 "), "{text}");
        assert!(text.ends_with("  and 11 more: --json lists all\n"), "{text}");
    }
}
