//! Activities that a program hands over, held to the rules of a line.

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::ingest::decode::Decoder;
use crate::ingest::format::Task;
use crate::ingest::identities::{Found, Spellings, gather, usable_id};
use crate::ingest::junk::JunkCounts;
use crate::ingest::reject::{Reason, Reject};
use crate::ingest::tally::Tally;
use crate::model::activity::Activity;
use crate::model::event::{DecodedEvent, EventId};
use crate::model::identity::Value;
use crate::model::limits::MAX_LINE_BYTES;
use crate::model::namespace::{NamespaceId, Namespaces};
use crate::model::profile::ProfilePart;
use crate::model::time::Time;

/// Where a reject says that identities are missing.
const PLACE: &str = "the activity";

impl Decoder {
    /// Decodes activities: `each` is called once for each, in order, with its number from 0. New namespaces are interned, junk values
    /// counted; what else was noted is returned.
    pub fn activities(
        &self,
        activities: impl IntoIterator<Item = Activity>,
        namespaces: &mut Namespaces,
        junk: &mut JunkCounts,
        mut each: impl FnMut(usize, Result<DecodedEvent<'_>, Reject>),
    ) -> Tally {
        let mut task = self.task(namespaces, junk, vec![PLACE]);
        let mut spellings = Spellings::default();
        for (number, activity) in activities.into_iter().enumerate() {
            let outcome = event(&mut task, &mut spellings, &activity);
            if let Ok(event) = &outcome {
                task.tally.at(event.time);
            }
            each(number, outcome);
        }
        task.tally
    }
}

fn event<'a>(
    task: &mut Task<'_>,
    spellings: &mut Spellings,
    activity: &'a Activity,
) -> Result<DecodedEvent<'a>, Reject> {
    let bytes = activity.bytes();
    if bytes > MAX_LINE_BYTES {
        let detail = format_args!("the activity has {bytes} bytes, at most {MAX_LINE_BYTES} are read");
        return Err(Reject::new(Reason::TooLong, detail));
    }
    let time = Time::in_calendar(activity.time().as_micros())
        .ok_or_else(|| Reject::new(Reason::NoTimestamp, "the time is not within the years -9999 to 9999"))?;
    if let Some(fault) = task.fields.bounds.fault(time) {
        return Err(Reject::new(Reason::OutOfRange, fault));
    }
    let found = activity.identities().map(|(namespace, value)| (namespace, Found::Text(value)));
    let identities = gather(task, spellings, found)?;
    let id = activity.told_id().and_then(usable_id);
    let id = id.unwrap_or_else(|| EventId::Line(xxh3_128(line(task.namespaces, time, &identities).as_bytes())));
    let profile = if task.profiles { activity.profile() } else { ProfilePart::default() };
    Ok(DecodedEvent { time, id, identities, profile, recalled: None })
}

/// The line that says the same as an activity without an `id`, in the one way there is: its hash tells the activity from others.
fn line(namespaces: &Namespaces, time: Time, identities: &[(NamespaceId, Value<'_>)]) -> String {
    #[derive(Serialize)]
    struct CanonicalLine<'a> {
        timestamp: String,
        user: CanonicalUser<'a>,
    }
    #[derive(Serialize)]
    struct CanonicalUser<'a> {
        identities: BTreeMap<&'a str, String>,
    }
    let names = namespaces.names();
    let identities = identities
        .iter()
        .filter_map(|(namespace, value)| Some((&**names.get(usize::from(namespace.0))?, value.to_string())));
    let line = CanonicalLine { timestamp: time.to_string(), user: CanonicalUser { identities: identities.collect() } };
    // Texts always serialise.
    serde_json::to_string(&line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::chunk::Chunk;
    use crate::ingest::fields::Fields;
    use crate::model::limits::{MAX_EVENT_ID_BYTES, MAX_IDENTITIES_PER_EVENT};
    use crate::model::namespace::Levels;
    use crate::model::settings::Junk;

    /// Time, id and identities of each, or the word of its reject.
    type Told = Vec<String>;

    fn told(outcome: Result<&DecodedEvent<'_>, &Reject>) -> String {
        match outcome {
            Ok(event) => format!("{event:?}"),
            Err(reject) => reject.to_string(),
        }
    }

    fn pushed(activities: Vec<Activity>) -> (Told, Tally) {
        let mut namespaces = Namespaces::new(Levels::default());
        let mut all = Vec::new();
        let decoder = Decoder::new(&Junk::default(), &Fields::default());
        let tally = decoder.activities(activities, &mut namespaces, &mut JunkCounts::new(), |number, outcome| {
            assert_eq!(number, all.len());
            all.push(told(outcome.as_ref()));
        });
        (all, tally)
    }

    fn read(lines: &str) -> Told {
        let mut namespaces = Namespaces::new(Levels::default());
        let mut all = Vec::new();
        let decoder = Decoder::new(&Junk::default(), &Fields::default());
        decoder.chunk(&Chunk::whole(lines), &mut namespaces, &mut JunkCounts::new(), &mut |line| {
            all.push(told(line.outcome.as_ref().map(|event| *event)));
        });
        all
    }

    fn at(micros: i64) -> Activity {
        Activity::at(Time::from_micros(micros))
    }

    #[test]
    fn an_activity_is_what_its_line_is() {
        let activities = vec![
            at(1_000).id(" e-1 ").identity("SessionID", " s ").identity("email", "undefined"),
            at(1_000)
                .id("f49c75a2-6994-41e2-875d-97ec4d19254b")
                .identity("sessionid", "default")
                .identity("sessionId", "mine"),
            at(0).identity("A", "x").identity("b", "\"\n2").identity("ecommerceId", "guest"),
            at(0).id("x".repeat(MAX_EVENT_ID_BYTES + 1)).identity("b", " \"\n2").identity("a", "x"),
        ];
        let lines = [
            r#"{"timestamp":"1970-01-01T00:00:00.001Z","id":"e-1","user":{"identities":{"sessionId":"s","email":"undefined"}}}"#,
            r#"{"timestamp":0.001,"id":"f49c75a2-6994-41e2-875d-97ec4d19254b","user":{"identities":{"sessionId":"mine"}}}"#,
            r#"{"timestamp":"1970-01-01T00:00:00.000Z","user":{"identities":{"a":"x","b":"\"\n2"}}}"#,
        ];
        let ((pushed, tally), read) = (pushed(activities), read(&lines.join("\n")));
        assert_eq!(pushed[..3], read[..]);
        assert_eq!(pushed[3], pushed[2], "an id that is too long is none, and order does not count");
        assert_eq!((tally.spellings, tally.span), (1, Some((Time::from_micros(0), Time::from_micros(1_000)))));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let many = (0..=MAX_IDENTITIES_PER_EVENT).fold(at(0), |all, number| all.identity(format!("n{number}"), "x"));
        let activities = vec![
            at(0),
            at(0).identity("sessionId", "undefined"),
            at(0).identity("ecommerceId", "a").identity("eCommerceID", "b"),
            at(i64::MAX).identity("sessionId", "s"),
            at(-1).identity("sessionId", "s"),
            many,
            at(0).identity("sessionId", "x".repeat(MAX_LINE_BYTES)),
        ];
        let expected = [
            "no_identity: the activity holds no text or number",
            "no_identity: every value of the activity is junk",
            "conflicting_identities: ecommerceId is both \"a\" and \"b\"",
            "no_timestamp: the time is not within the years -9999 to 9999",
            "time_out_of_range: 1969-12-31T23:59:59.999999Z is before 1970-01-01T00:00:00.000Z",
            "no_identity: it has 65 identities, and none is taken of more than 64: so many are a mistake upstream",
            "too_long: the activity has 1048585 bytes, at most 1048576 are read",
        ];
        assert_eq!(pushed(activities).0, expected);
    }
}
