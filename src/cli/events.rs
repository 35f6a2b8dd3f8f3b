//! `events`: what did this person do, and how do we know?

use backstitch::model::identity::Identity;
use backstitch::model::namespace::SESSION;
use backstitch::model::person::AttributionKind;
use backstitch::resolver::EventRow;

use crate::cli::Ended;
use crate::cli::args::{Common, EventsArgs};
use crate::cli::failure::Failure;
use crate::cli::identity::{meant, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{Even, count, table, thousands, visible};

/// Lists the events of the person that the ID belongs to.
pub fn run(common: &Common, events: &EventsArgs) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let view = events.read.view(&engine.resolver());
    let identity = meant(view.graph().namespaces(), &events.id, events.naming.namespace.as_deref(), SESSION);
    let rows = view.events(&identity.namespace, &identity.value)?;
    let mut out = Output::stdout();
    match rows {
        rows if common.json => out.with(|to| backstitch::export::ndjson(rows.into_iter().flatten(), to))?,
        Some(rows) => out.write(in_words(&identity, &rows).as_bytes())?,
        None => {
            let nobody = format!("{}\n  {}\n", visible(&identity.to_string()), unknown(view.graph(), &identity));
            out.write(nobody.as_bytes())?;
        }
    }
    out.finish()
}

/// The events for people: a line each, under a line that sums them up.
fn in_words(identity: &Identity, rows: &[EventRow]) -> String {
    let asked = visible(&identity.to_string()).into_owned();
    // A person may have identities and no event: every event of a shared session can be another customer's.
    let person = rows.first().map_or(asked, |row| visible(&row.person.to_string()).into_owned());
    let by_kind = AttributionKind::ALL.into_iter().filter_map(|kind| {
        let of_kind = rows.iter().filter(|row| row.attribution == kind).count() as u64;
        (of_kind > 0).then(|| format!("{} {}", thousands(of_kind), kind.word()))
    });
    let by_kind = by_kind.collect::<Vec<_>>().join(", ");
    let heading =
        format!("{person}: {}{}{by_kind}", count(rows.len() as u64, "event"), if rows.is_empty() { "" } else { ", " });
    let lines: Vec<[String; 5]> = rows.iter().map(columns).collect();
    format!("{heading}\n{}", table([Even::Left; 5], &lines))
}

fn columns(row: &EventRow) -> [String; 5] {
    let identities = row.identities.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    [
        row.time.to_string(),
        row.attribution.word().to_owned(),
        visible(&identities).into_owned(),
        visible(row.id.as_deref().unwrap_or_default()).into_owned(),
        visible(&row.sources.join(", ")).into_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use backstitch::model::time::Time;

    use super::*;

    #[test]
    fn events_in_words() {
        let identity = |text: &str| {
            let (namespace, value) = text.split_once(':').unwrap();
            Identity { namespace: namespace.into(), value: value.into() }
        };
        let row = |micros: i64, attribution: AttributionKind, id: Option<&str>, identities: &[&str]| EventRow {
            time: Time::from_micros(micros),
            person: identity("ecommerceId:7"),
            attribution,
            id: id.map(str::to_owned),
            identities: identities.iter().map(|text| identity(text)).collect(),
            sources: vec!["/logs/a".into()],
        };
        let rows = [
            row(0, AttributionKind::Retroactive, None, &["sessionId:1"]),
            row(1_000, AttributionKind::Direct, Some("e2"), &["sessionId:1", "ecommerceId:7"]),
        ];
        let expected = "\
ecommerceId:7: 2 events, 1 direct, 1 retroactive
  1970-01-01T00:00:00.000Z  retroactive  sessionId:1                    /logs/a
  1970-01-01T00:00:00.001Z  direct       sessionId:1 ecommerceId:7  e2  /logs/a
";
        assert_eq!(in_words(&identity("sessionId:1"), &rows), expected);
        assert_eq!(in_words(&identity("sessionId:1"), &[]), "sessionId:1: 0 events\n");
    }
}
