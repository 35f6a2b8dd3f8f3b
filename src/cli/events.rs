//! `events`: what did this person do, and how do we know?

use backstitch::model::identity::Identity;
use backstitch::model::namespace::{Namespaces, SESSION};
use backstitch::model::person::AttributionKind;
use backstitch::resolver::EventRow;

use crate::cli::Ended;
use crate::cli::args::{Common, EventsArgs};
use crate::cli::failure::Failure;
use crate::cli::identity::{meant, shown, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{Even, count, table, thousands, visible};

/// Lists the events of the person that the ID belongs to.
pub fn run(common: &Common, events: &EventsArgs) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let view = events.read.view(&engine.resolver());
    let identity = meant(view.namespaces(), &events.id, events.naming.namespace.as_deref(), SESSION);
    let rows = view.events(&identity.namespace, &identity.value)?;
    let mut out = Output::stdout();
    match rows {
        rows if common.json => out.with(|to| backstitch::export::ndjson(rows.into_iter().flatten(), to))?,
        Some(rows) => out.write(in_words(view.namespaces(), &identity, &rows).as_bytes())?,
        None => {
            let (names, same_value) = (view.namespaces(), view.find_value(&identity.value));
            let text = format!("{}\n  {}\n", shown(names, &identity), unknown(names, &same_value));
            out.write(text.as_bytes())?;
        }
    }
    out.finish()
}

/// The events for people: a line each, under a line that sums them up.
fn in_words(names: &Namespaces, identity: &Identity, rows: &[EventRow]) -> String {
    // A person may have identities and no event: every event of a shared session can be another customer's.
    let person = shown(names, rows.first().map_or(identity, |row| &row.person));
    let by_kind = AttributionKind::ALL.into_iter().filter_map(|kind| {
        let of_kind = rows.iter().filter(|row| row.attribution == kind).count() as u64;
        (of_kind > 0).then(|| format!("{} {}", thousands(of_kind), kind.word()))
    });
    let by_kind = by_kind.collect::<Vec<_>>().join(", ");
    let heading =
        format!("{person}: {}{}{by_kind}", count(rows.len() as u64, "event"), if rows.is_empty() { "" } else { ", " });
    let lines: Vec<[String; 5]> = rows.iter().map(|row| columns(names, row)).collect();
    format!("{heading}\n{}", table([Even::Left; 5], &lines))
}

fn columns(names: &Namespaces, row: &EventRow) -> [String; 5] {
    let identities = row.identities.iter().map(|identity| shown(names, identity)).collect::<Vec<_>>().join(" ");
    [
        row.time.to_string(),
        row.attribution.word().to_owned(),
        identities,
        visible(row.id.as_deref().unwrap_or_default()).into_owned(),
        visible(&row.sources.join(", ")).into_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{line, replayed};

    #[test]
    fn events_in_words() {
        let login =
            r#"{"timestamp":1,"id":"e2","user":{"identities":{"ecommerceId":"7","sessionId":"1","deviceId":"d"}}}"#;
        let (view, source) = replayed(&(line(0, "sessionId:1") + login));
        let identity = |value: &str| Identity { namespace: SESSION.into(), value: value.into() };
        let rows = view.events(SESSION, "1").unwrap().unwrap();
        let expected = "\
ecommerceId:7: 2 events, 1 direct, 1 retroactive
  1970-01-01T00:00:00.000Z  retroactive  sessionId:1                               /logs/a
  1970-01-01T00:00:00.001Z  direct       sessionId:1 deviceId:d ecommerceId:7  e2  /logs/a
";
        let told = |rows: &[EventRow]| in_words(view.namespaces(), &identity("1"), rows).replace(&source, "/logs/a");
        assert_eq!(told(&rows), expected);
        assert_eq!(told(&[]), "sessionId:1: 0 events\n");
    }
}
