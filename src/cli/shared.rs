//! `stats --shared`: which sessions met several customers, and what each policy makes of them?

use std::collections::HashMap;

use backstitch::export;
use backstitch::model::identity::Identity;
use backstitch::model::policy::Policy;
use backstitch::resolver::{SharedRow, View};

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::reading;
use crate::cli::text::{Even, count, table, thousands, visible};

/// People of a session that are listed for people; `--json` lists all.
const PEOPLE_SHOWN: usize = 20;

/// Lists the shared sessions of a view.
pub fn run(common: &Common, view: &View) -> Result<Ended, Failure> {
    let rows = view.shared()?;
    let mut out = Output::stdout();
    if common.json {
        out.with(|to| export::ndjson(&rows, to))?;
    } else {
        let under = reading::bounds_in_words(view.reading()).map(|words| words + "\n\n").unwrap_or_default();
        out.write(format!("{under}{}", heading(&rows)).as_bytes())?;
        for row in &rows {
            out.write(in_words(row).as_bytes())?;
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
fn in_words(row: &SharedRow) -> String {
    let title = format!("\n{}: {}\n", visible(&row.session), of_which(row.events, row.anonymous));
    let people = people(row);
    let [first, split, last, strict] = Policy::ALL.map(|policy| policy.to_string());
    let mut lines = vec![[String::new(), "logins".to_owned(), first, split, last, strict]];
    for (person, numbers) in people.iter().take(PEOPLE_SHOWN) {
        let [logins, first, split, last, strict] = numbers.map(thousands);
        lines.push([visible(&person.to_string()).into_owned(), logins, first, split, last, strict]);
    }
    let columns = [Even::Left, Even::Right, Even::Right, Even::Right, Even::Right, Even::Right];
    let more = match people.len().checked_sub(PEOPLE_SHOWN) {
        None | Some(0) => String::new(),
        Some(more) => format!("  and {} more: --json lists all\n", thousands(more as u64)),
    };
    title + &table(columns, &lines) + &more
}

/// Everybody who has a part in a session, with their logins and their events under each policy: its customers, then others.
fn people(row: &SharedRow) -> Vec<(&Identity, [u64; 1 + Policy::ALL.len()])> {
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
            people.push((person, [0; 1 + Policy::ALL.len()]));
            people.len() - 1
        });
        people[place].1[column] += number;
    }
    people
}

#[cfg(test)]
mod tests {
    use backstitch::resolver::{Logins, PolicyShare, PolicyShares};

    use super::*;

    fn identity(namespace: &str, value: &str) -> Identity {
        Identity { namespace: namespace.into(), value: value.into() }
    }

    fn row(customers: usize) -> SharedRow {
        let customer = |at: usize| identity("ecommerceId", &at.to_string());
        let logins = |at| Logins { customer: customer(at), logins: 1 };
        let share = |person, events| PolicyShare { person, events };
        let session = identity("sessionId", "s");
        let people = |policy| match policy {
            Policy::Strict => vec![share(session.clone(), 7), share(customer(0), 1), share(customer(1), 1)],
            _ => vec![share(customer(0), 1_000), share(customer(1), 1)],
        };
        SharedRow {
            session: "s".into(),
            customers: (0..customers).map(logins).collect(),
            events: 1_001,
            anonymous: 7,
            shares: Policy::ALL.map(|policy| PolicyShares { policy, people: people(policy) }).into(),
        }
    }

    #[test]
    fn a_session_in_words() {
        let expected = "
s: 1,001 events, 7 of them without a customer
                 logins  first-login  device-split  last-login  strict
  ecommerceId:0       1        1,000         1,000       1,000       1
  ecommerceId:1       1            1             1           1       1
  sessionId:s         0            0             0           0       7
";
        assert_eq!(in_words(&row(2)), expected);
        assert_eq!(
            heading(&[row(2)]),
            "1 session met more than one customer: 1,001 events, 7 of them without a customer\n"
        );
        assert_eq!(heading(&[]), "No session met more than one customer\n");
    }

    #[test]
    fn a_session_of_a_whole_town_is_cut() {
        let text = in_words(&row(30));
        assert!(text.contains("ecommerceId:19 ") && !text.contains("ecommerceId:20 "), "{text}");
        assert!(text.ends_with("  and 11 more: --json lists all\n"), "{text}");
    }
}
