//! `verify`: is the answer right? A second opinion.

use backstitch::{Repaired, Verification};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::{Common, VerifyArgs};
use crate::cli::failure::{Failure, tell};
use crate::cli::opening;
use crate::cli::output::Output;
use crate::cli::text::{count, thousands, visible};

/// A verification as it is printed for programs.
#[derive(Serialize)]
struct VerifyReport<'a> {
    sound: bool,
    repaired: Option<Repaired>,
    #[serde(flatten)]
    found: &'a Verification,
}

/// Verifies the store, repaired before where that was asked for.
pub fn run(common: &Common, verify: &VerifyArgs) -> Result<Ended, Failure> {
    let (engine, repaired) = match verify.repair {
        true => opening::repair(common, verify.accept_older).map(|(engine, repaired)| (engine, Some(repaired)))?,
        false => (opening::open(common)?, None),
    };
    let found = engine.verify()?;
    if let Some(repaired) = &repaired {
        lost_in_words(repaired).iter().for_each(|lost| tell(lost));
    }
    let mut out = Output::stdout();
    if common.json {
        out.json(&VerifyReport { sound: found.is_sound(), repaired, found: &found })?;
    } else if !common.quiet || !found.is_sound() {
        out.text(&in_words(&found))?;
    }
    let ended = out.finish()?;
    if found.is_sound() {
        return Ok(ended);
    }
    let remedy = match verify.repair {
        true => "make the store again from the logs",
        false => "run `backstitch verify --repair`, or make the store again from the logs",
    };
    tell(&format!("the store is not sound ({}): {remedy}", common.store.display()));
    Ok(Ended::Unwell)
}

/// What a repair had to give up, a sentence each.
fn lost_in_words(repaired: &Repaired) -> Vec<String> {
    const BACK: &str = "replay the logs again, which adds what is missing";
    let mut told = Vec::new();
    if repaired.rewritten {
        told.push("the database was beyond repair: what could be read of it is in a new one".to_owned());
    }
    if repaired.missing_commits > 0 {
        let commits = count(repaired.missing_commits, "commit");
        let changes = count(repaired.missing_changes, "change");
        told.push(format!("the store lacks its last {commits} ({changes} of the feed): {BACK}"));
    }
    if repaired.lost_events > 0 {
        let mut of = String::new();
        if let (Some(from), Some(until)) = (repaired.lost_from, repaired.lost_until) {
            of = format!(" (of {} at most, from {from} to {until})", count(repaired.lost_sessions, "session"));
        }
        told.push(format!("{}{of} could not be read: {BACK}", count(repaired.lost_events, "event")));
    }
    if repaired.lost_identities > 0 {
        let lost = count(repaired.lost_identities, "identity");
        told.push(format!("{lost} could not be read, nor events and decisions that name any: {BACK}"));
    }
    if repaired.lost_bars > 0 {
        let lost = count(repaired.lost_bars, "tombstone or opt-out");
        told.push(format!("{lost} could not be read: erase again, and opt out again, before the logs are replayed"));
    }
    told
}

/// What was found, for people.
fn in_words(found: &Verification) -> String {
    let mut text = String::new();
    for damaged in &found.damaged {
        text.push_str(&format!("damaged  {}\n", visible(damaged)));
    }
    for difference in &found.differences {
        text.push_str(&format!("differs  {}\n", visible(difference)));
    }
    let told = found.differences.len() as u64;
    if found.different > told {
        text.push_str(&format!("differs  {} more\n", thousands(found.different - told)));
    }
    if !found.damaged.is_empty() {
        let blocks = count(found.damaged.len() as u64, "damaged block");
        return format!("{text}{blocks}: nothing was compared\n");
    }
    let (events, links) = (count(found.events, "event"), count(found.links, "link"));
    let people = format!("the people of {}", count(found.identities, "identity"));
    let verdict = match found.different {
        0 => "nothing differs".to_owned(),
        different => count(different, "difference"),
    };
    format!("{text}{events}, {links} and {people} worked out a second time: {verdict}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_in_words() {
        let mut found = Verification { events: 17_997, identities: 17_055, links: 4_600, ..Verification::default() };
        let compared = "17,997 events, 4,600 links and the people of 17,055 identities worked out a second time";
        assert_eq!(in_words(&found), format!("{compared}: nothing differs\n"));
        found.different = 3;
        found.differences = vec!["a".into()];
        assert_eq!(in_words(&found), format!("differs  a\ndiffers  2 more\n{compared}: 3 differences\n"));
        let found = Verification { damaged: vec!["block 7".into()], ..Verification::default() };
        assert_eq!(in_words(&found), "damaged  block 7\n1 damaged block: nothing was compared\n");
    }
}
