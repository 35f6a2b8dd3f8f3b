//! `events`: what did this person do, and how do we know?

use std::collections::HashMap;

use backstitch::rows::EventRow;
use backstitch::{AttributionKind, Identity, Namespaces, RowFormat, SESSION, View};

use crate::cli::Ended;
use crate::cli::args::{Common, EventsArgs};
use crate::cli::failure::Failure;
use crate::cli::identity::{alike, meant, shown, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{ColumnWidths, Even, count, table, thousands, visible};

/// Lists the events of the person that the ID belongs to.
pub fn run(common: &Common, events: &EventsArgs) -> Result<Ended, Failure> {
    let meant = |names: &Namespaces| meant(names, &events.id, events.naming.namespace.as_deref(), SESSION);
    let reader = if events.rows.output.is_none() { opening::reader(common)? } else { None };
    if let Some(reader) = reader {
        let identity = meant(reader.namespaces());
        let view = reader.view_to_list(&identity, events.read.reading())?;
        return list(common, events, &identity, &view, Output::stdout());
    }
    let engine = opening::open(common)?;
    let view = events.read.view(&engine.resolver());
    let out = Output::about(common, &engine, events.rows.output.as_deref())?;
    list(common, events, &meant(view.namespaces()), &view, out)
}

fn list(
    common: &Common,
    events: &EventsArgs,
    identity: &Identity,
    view: &View,
    mut out: Output,
) -> Result<Ended, Failure> {
    let found = view.each_event(&identity.namespace, &identity.value)?;
    if common.json || events.rows.format() != RowFormat::Ndjson {
        out.with(|to| events.rows.format().write_events(found.into_iter().flatten(), to))?;
        return out.finish();
    }
    let names = view.namespaces();
    match found {
        Some(rows) => tell(names, identity, rows, |text| out.text(text))?,
        None => {
            let alike = alike(identity, |value| view.find_value(value));
            out.text(&format!("{}\n  {}\n", shown(names, identity), unknown(names, &alike)))?;
        }
    }
    out.finish()
}

/// Tells the events for people: a line each, under a line that sums them up, over their sources. They are gone through twice, since
/// all of them may be too many to be held.
fn tell<E>(
    names: &Namespaces,
    identity: &Identity,
    rows: impl ExactSizeIterator<Item = EventRow> + Clone,
    mut text: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let (mut sources, mut widths) = (SourceNames::default(), ColumnWidths::of([Even::Left; 5]));
    let mut of_kind = AttributionKind::ALL.map(|kind| (kind, 0));
    let mut person = None;
    for row in rows.clone() {
        sources.meet(&row);
        widths.fit(&columns(names, &row, &sources));
        of_kind.iter_mut().filter(|(kind, _)| *kind == row.attribution).for_each(|(_, count)| *count += 1);
        person.get_or_insert(row.person);
    }
    let by_kind = of_kind.into_iter().filter(|(_, count)| *count > 0);
    let by_kind: String = by_kind.map(|(kind, count)| format!(", {} {}", thousands(count), kind.word())).collect();
    // A person may have identities and no event: every event of a shared session can be another customer's.
    let person = shown(names, person.as_ref().unwrap_or(identity));
    text(&format!("{person}: {}{by_kind}\n", count(rows.len() as u64, "event")))?;
    for row in rows {
        text(&widths.line(&columns(names, &row, &sources)))?;
    }
    text(&sources.in_words())
}

/// The sources of events: each is named once, and marked in the lines where there are several.
#[derive(Default)]
struct SourceNames {
    all: Vec<String>,
    marks: HashMap<String, usize>,
}

impl SourceNames {
    fn meet(&mut self, row: &EventRow) {
        for source in &row.sources {
            if !self.marks.contains_key(source) {
                self.all.push(source.clone());
                self.marks.insert(source.clone(), self.all.len());
            }
        }
    }

    fn marks(&self, row: &EventRow) -> String {
        let marks = row.sources.iter().filter(|_| self.all.len() > 1).map(|source| self.marks[source]);
        marks.map(|mark| format!("[{mark}]")).collect::<Vec<_>>().join(" ")
    }

    fn in_words(&self) -> String {
        match &self.all[..] {
            [] => String::new(),
            [source] => format!("\nfrom {}\n", visible(source)),
            all => {
                let line = |(source, mark): (&String, usize)| [format!("[{mark}]"), visible(source).into_owned()];
                let lines: Vec<[String; 2]> = all.iter().zip(1..).map(line).collect();
                format!("\n{}", table([Even::Left; 2], &lines))
            }
        }
    }
}

fn columns(names: &Namespaces, row: &EventRow, sources: &SourceNames) -> [String; 5] {
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
    use std::convert::Infallible;

    use super::*;
    use crate::cli::testing::{line, replayed};

    #[test]
    fn events_in_words() {
        let login =
            r#"{"timestamp":1,"id":"e2","user":{"identities":{"ecommerceId":"7","sessionId":"1","deviceId":"d"}}}"#;
        let (view, source) = replayed(&(line(0, "sessionId:1") + login));
        let identity = |value: &str| Identity::new(SESSION, value);
        let mut rows = view.events(SESSION, "1").unwrap().unwrap();
        let expected = "\
ecommerceId:7: 2 events, 1 direct, 1 retroactive
  1970-01-01T00:00:00.000Z  retroactive  sessionId:1
  1970-01-01T00:00:01.000Z  direct       sessionId:1 deviceId:d ecommerceId:7  e2

from /logs/a
";
        let told = |rows: &[EventRow]| {
            let mut told = String::new();
            tell(view.namespaces(), &identity("1"), rows.iter().cloned(), |text| -> Result<(), Infallible> {
                told.push_str(text);
                Ok(())
            })
            .unwrap();
            told.replace(&source, "/logs/a")
        };
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
