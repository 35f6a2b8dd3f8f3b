//! How the stored facts are to be read: the flags that choose it, and how the choice is told.

use backstitch::{Lookback, Policy, Reading, Resolver, Time, View};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::cli::failure::tell;

/// Heading of what chooses a reading.
const HEADING: &str = "How facts are read (nothing is stored by it)";

/// The flags that choose a reading.
#[derive(Debug, Args)]
pub struct ReadAs {
    /// Which customer an event belongs to that carries none
    #[arg(long, value_name = "POLICY", value_parser = policies(), default_value = Policy::default().word(), help_heading = HEADING)]
    pub policy: Policy,
    #[command(flatten)]
    pub bounds: Bounds,
    /// Answer from the events up to and including this moment, such as 2026-11-01T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment, help_heading = HEADING)]
    pub as_of: Option<Time>,
}

/// The flag that bounds a reading.
#[derive(Debug, Args)]
pub struct Bounds {
    /// How far back a login reaches, such as 30d, 12h or 90m: earlier events stay with their session, anonymous. It touches
    /// events only, not whom a session belongs to [default: to the first event]
    #[arg(long, value_name = "DURATION", help_heading = HEADING)]
    pub lookback: Option<Lookback>,
}

impl ReadAs {
    /// The reading that was asked for.
    pub fn reading(&self) -> Reading {
        Reading { policy: self.policy, lookback: self.bounds.lookback, as_of: self.as_of }
    }

    /// What was published last, under that reading.
    pub fn view(&self, resolver: &Resolver) -> View {
        resolver.view().under(self.reading())
    }
}

/// Policies by their words, which help and completions list.
pub fn policies() -> impl TypedValueParser<Value = Policy> {
    let values = Policy::ALL.map(|policy| PossibleValue::new(policy.word()).help(policy.meaning()));
    PossibleValuesParser::new(values).try_map(|word| word.parse::<Policy>())
}

/// A moment as it is typed.
pub fn moment(text: &str) -> Result<Time, &'static str> {
    Time::parse(text).ok_or("write a date, a time and a zone, such as 2026-11-01T10:00:00Z")
}

/// What is said of a reading that is not the default one: `Read under strict`.
pub fn in_words(reading: &Reading) -> Option<String> {
    (*reading != Reading::default()).then(|| format!("Read under {reading}"))
}

/// What is said of the bounds of a reading, where every policy is told of: `Read with lookback 30d`.
pub fn bounds_in_words(reading: &Reading) -> Option<String> {
    let lookback = reading.lookback.map(|lookback| format!("with lookback {lookback}"));
    let as_of = reading.as_of.map(|time| format!("as of {time}"));
    let bounds: Vec<String> = lookback.into_iter().chain(as_of).collect();
    (!bounds.is_empty()).then(|| format!("Read {}", bounds.join(", ")))
}

/// Tells, beside results that cannot say it themselves, which reading they are under.
pub fn note(quiet: bool, reading: &Reading) {
    if let Some(words) = in_words(reading).filter(|_| !quiet) {
        tell(&words);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        read: ReadAs,
    }

    fn parse(line: &str) -> Result<Reading, String> {
        let parsed = Flags::try_parse_from(line.split_whitespace());
        parsed.map(|flags| flags.read.reading()).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_are_a_reading() {
        assert_eq!(parse("stats"), Ok(Reading::default()));
        let reading = parse("stats --policy device-split --lookback 30d --as-of 2026-11-02T09:00:00+01:00").unwrap();
        assert_eq!(reading.to_string(), "device-split, lookback 30d, as of 2026-11-02T08:00:00.000Z");
        assert_eq!(in_words(&reading), Some(format!("Read under {reading}")));
        assert_eq!(bounds_in_words(&reading).unwrap(), "Read with lookback 30d, as of 2026-11-02T08:00:00.000Z");
        assert_eq!((in_words(&Reading::default()), bounds_in_words(&Reading::default())), (None, None));
    }

    #[test]
    fn what_is_refused_says_what_is_meant() {
        for (flags, remedy) in [
            ("--policy latest", "device-split"),
            ("--lookback 30", "such as 30d"),
            ("--lookback 0s", "a positive duration"),
            ("--as-of yesterday", "2026-11-01T10:00:00Z"),
            ("--as-of 2026-11-01", "2026-11-01T10:00:00Z"),
        ] {
            let error = parse(&format!("stats {flags}")).unwrap_err();
            assert!(error.contains(remedy), "{flags}: {error}");
        }
    }
}
