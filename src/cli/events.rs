//! `events`: what did this person do, and how do we know?

use std::collections::HashMap;

use backstitch::rows::EventRow;
use backstitch::{AttributionKind, Identity, Namespaces, RowFormat, SESSION};

use crate::cli::Ended;
use crate::cli::args::{Common, EventsArgs};
use crate::cli::failure::Failure;
use crate::cli::identity::{alike, meant, shown, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{Even, count, table, thousands, visible};

/// Lists the events of the person that the ID belongs to.
pub fn run(common: &Common, events: &EventsArgs) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let view = events.read.view(&engine.resolver());
    let identity = meant(view.namespaces(), &events.id, events.naming.namespace.as_deref(), SESSION);
    let found = view.events(&identity.namespace, &identity.value)?;
    let mut out = Output::about(common, &engine, events.rows.output.as_deref())?;
    if common.json || events.rows.format() != RowFormat::Ndjson {
        let rows = found.unwrap_or_default();
        out.with(|to| events.rows.format().write_events(&rows, to))?;
        return out.finish();
    }
    let names = view.namespaces();
    let text = match found {
        Some(rows) => in_words(names, &identity, &rows),
        None => {
            let alike = alike(&identity, |value| view.find_value(value));
            format!("{}\n  {}\n", shown(names, &identity), unknown(names, &alike))
        }
    };
    out.text(&text)?;
    out.finish()
}

/// The events for people: a line each, under a line that sums them up, over their sources.
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
    let sources = SourceNames::of(rows);
    let lines: Vec<[String; 5]> = rows.iter().map(|row| columns(names, row, &sources)).collect();
    format!("{heading}\n{}{}", table([Even::Left; 5], &lines), sources.in_words())
}

/// The sources of events: each is named once, and marked in the lines where there are several.
struct SourceNames<'r> {
    all: Vec<&'r str>,
    marks: HashMap<&'r str, usize>,
}

impl<'r> SourceNames<'r> {
    fn of(rows: &'r [EventRow]) -> Self {
        let mut sources = Self { all: Vec::new(), marks: HashMap::new() };
        for source in rows.iter().flat_map(|row| &row.sources) {
            sources.marks.entry(source).or_insert_with(|| {
                sources.all.push(source);
                sources.all.len()
            });
        }
        sources
    }

    fn marks(&self, row: &EventRow) -> String {
        let marks = row.sources.iter().filter(|_| self.all.len() > 1).map(|source| self.marks[&**source]);
        marks.map(|mark| format!("[{mark}]")).collect::<Vec<_>>().join(" ")
    }

    fn in_words(&self) -> String {
        match &self.all[..] {
            [] => String::new(),
            [source] => format!("\nfrom {}\n", visible(source)),
            all => {
                let line = |(source, mark): (&&str, usize)| [format!("[{mark}]"), visible(source).into_owned()];
                let lines: Vec<[String; 2]> = all.iter().zip(1..).map(line).collect();
                format!("\n{}", table([Even::Left; 2], &lines))
            }
        }
    }
}

fn columns(names: &Namespaces, row: &EventRow, sources: &SourceNames<'_>) -> [String; 5] {
    let identities = row.identities.iter().map(|identity| shown(names, identity)).collect::<Vec<_>>().join(" ");
    [
        row.time.to_string(),
        row.attribution.word().to_owned(),
        identities,
        visible(row.id.as_deref().unwrap_or_default()).into_owned(),
        sources.marks(row),
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
        let mut rows = view.events(SESSION, "1").unwrap().unwrap();
        let expected = "\
ecommerceId:7: 2 events, 1 direct, 1 retroactive
  1970-01-01T00:00:00.000Z  retroactive  sessionId:1
  1970-01-01T00:00:01.000Z  direct       sessionId:1 deviceId:d ecommerceId:7  e2

from /logs/a
";
        let told = |rows: &[EventRow]| in_words(view.namespaces(), &identity("1"), rows).replace(&source, "/logs/a");
        assert_eq!(told(&rows), expected);
        assert_eq!(told(&[]), "sessionId:1: 0 events\n");

        rows[1].sources.insert(0, "/logs/b".into());
        let expected = "\
ecommerceId:7: 2 events, 1 direct, 1 retroactive
  1970-01-01T00:00:00.000Z  retroactive  sessionId:1                               [1]
  1970-01-01T00:00:01.000Z  direct       sessionId:1 deviceId:d ecommerceId:7  e2  [2] [1]

  [1]  /logs/a
  [2]  /logs/b
";
        assert_eq!(told(&rows), expected, "a path stands once");
    }
}
