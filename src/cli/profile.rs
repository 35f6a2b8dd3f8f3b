//! `profile` and `profiles`: what segments and traits does a person have, and where do they come from?

use std::collections::BTreeMap;

#[cfg(feature = "parquet")]
use backstitch::Profiles;
use backstitch::rows::{ProfileRow, ProfileValue};
use backstitch::{Namespaces, Profile, Result, RowFormat, SESSION};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::config::Config;
use crate::cli::failure::Failure;
use crate::cli::identity::{alike, meant, shown, unknown};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::profile_args::{ProfileArgs, ProfilesArgs};
use crate::cli::reading::note;
use crate::cli::text::{Even, count, table, visible};

/// How the segments are named among the traits, for people.
const SEGMENTS: &str = "segments";

/// What is said where Parquet was left out.
#[cfg(not(feature = "parquet"))]
const NO_PARQUET: &str = "this program was built without Parquet: build it with `--features parquet`, or let another program make it of \
                          the JSON lines";

/// What is printed for programs of an identity that no event carries.
#[derive(Default, Serialize)]
struct NoProfile {
    person: Option<()>,
    kind: Option<()>,
    segments: Option<()>,
    traits: BTreeMap<String, ()>,
}

/// Tells the segments and traits of the person that the ID belongs to.
pub fn one(common: &Common, profile: &ProfileArgs) -> std::result::Result<Ended, Failure> {
    let rules = profile.rules.over(Config::load(common)?.rules);
    let engine = opening::open(common)?;
    let view = profile.read.view(&engine.resolver());
    let names = view.namespaces();
    let identity = meant(names, &profile.id, profile.naming.namespace.as_deref(), SESSION);
    let found = view.profile(&identity.namespace, &identity.value, &rules)?;
    let mut out = Output::stdout();
    match found {
        Some(found) if common.json => out.json(&found)?,
        None if common.json => out.json(&NoProfile::default())?,
        Some(found) => out.text(&in_words(names, &found))?,
        None => {
            let alike = alike(&identity, |value| view.find_value(value));
            out.text(&format!("{}\n  {}\n", shown(names, &identity), unknown(names, &alike)))?;
        }
    }
    out.finish()
}

/// Writes a row for each person of whom any event tells segments or traits.
pub fn all(common: &Common, profiles: &ProfilesArgs) -> std::result::Result<Ended, Failure> {
    #[cfg(not(feature = "parquet"))]
    if profiles.parquet {
        return Err(Failure::Usage(NO_PARQUET.into()));
    }
    let rules = profiles.rules.over(Config::load(common)?.rules);
    let engine = opening::open(common)?;
    let view = profiles.read.view(&engine.resolver());
    note(common.quiet, view.reading());
    let mut out = Output::about(common, &engine, profiles.rows.output.as_deref())?;
    let rows = view.profiles(&rules)?;
    #[cfg(feature = "parquet")]
    if profiles.parquet {
        parquet(rows, &mut out)?;
        return out.finish();
    }
    write(profiles.rows.format(), rows, &mut out)?;
    out.finish()
}

/// Writes rows as Parquet.
#[cfg(feature = "parquet")]
fn parquet(rows: Profiles, out: &mut Output) -> std::result::Result<(), Failure> {
    Ok(rows.write_parquet(out.writer()).map(drop)?)
}

/// Writes rows up to the first that cannot be had.
fn write(
    format: RowFormat,
    rows: impl Iterator<Item = Result<ProfileRow>>,
    out: &mut Output,
) -> std::result::Result<(), Failure> {
    let mut failed = None;
    let had = rows.map_while(|row| row.map_err(|error| failed = Some(error)).ok());
    out.with(|to| format.write_profiles(had, to))?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// The segments and traits for people: a line each, with where it comes from.
fn in_words(names: &Namespaces, profile: &Profile) -> String {
    let segments = profile.segments.iter().map(|value| (SEGMENTS, value));
    let traits = profile.traits.iter().map(|(name, value)| (&**name, value));
    let lines: Vec<[String; 6]> = segments.chain(traits).map(|(name, value)| columns(names, name, value)).collect();
    let person = shown(names, &profile.person);
    let number = count(profile.traits.len() as u64, "trait");
    let without = if profile.segments.is_none() { ", no segments" } else { "" };
    format!("{person}: {number}{without}\n{}", table([Even::Left; 6], &lines))
}

fn columns(names: &Namespaces, name: &str, value: &ProfileValue) -> [String; 6] {
    let held = value.held_before.as_ref();
    let held = held.map(|held| format!("held by {} until {}", shown(names, &held.identity), held.until));
    let before = value.before.as_ref();
    let before = before.map(|before| {
        format!("before: {} at {} from {}", visible(&before.value), before.at, shown(names, &before.from))
    });
    [
        visible(name).into_owned(),
        visible(&value.value).into_owned(),
        value.at.to_string(),
        value.attribution.word().to_owned(),
        shown(names, &value.from),
        held.into_iter().chain(before).collect::<Vec<_>>().join("; "),
    ]
}

#[cfg(test)]
mod tests {
    use backstitch::ProfileRules;

    use super::*;
    use crate::cli::testing::replayed;

    #[test]
    fn a_profile_in_words() {
        let line = |at: u8, user: &str| format!("{{\"timestamp\":{at},\"user\":{{{user}}}}}\n");
        let (view, _) = replayed(
            &(line(0, r#""identities":{"sessionId":"1"},"segments":["new"],"traits":{"age":44}"#)
                + &line(1, r#""identities":{"sessionId":"1"},"traits":{"age":45,"to\u0007ne":"\u001b"}"#)
                + &line(2, r#""identities":{"sessionId":"1","ecommerceId":"7"}"#)),
        );
        let profile = view.profile(SESSION, "1", &ProfileRules::new()).unwrap().unwrap();
        let expected = r#"ecommerceId:7: 2 traits
  segments    ["new"]      1970-01-01T00:00:00.000Z  retroactive  sessionId:1  held by sessionId:1 until 1970-01-01T00:00:02.000Z
  age         45           1970-01-01T00:00:01.000Z  retroactive  sessionId:1  held by sessionId:1 until 1970-01-01T00:00:02.000Z; before: 44 at 1970-01-01T00:00:00.000Z from sessionId:1
  to\u{7}ne   "\u001b"     1970-01-01T00:00:01.000Z  retroactive  sessionId:1  held by sessionId:1 until 1970-01-01T00:00:02.000Z
"#;
        let words = |text: &str| {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(words(&in_words(view.namespaces(), &profile)), words(expected));
    }
}
