//! How stored facts are read: the policy, the lookback, the moment.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use serde::{Serialize, Serializer};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::time::Time;

/// The policies, a line each: its name, its word, and which customer an event belongs to that carries none.
macro_rules! policies {
    ($($name:ident, $word:literal, $meaning:literal;)*) => {
        /// Which login an event without a customer follows. Facts are the same under all of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Policy {
            $(#[doc = concat!("The customer is ", $meaning, ".")] $name,)*
        }

        impl Policy {
            /// All of them, the default first.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$name),*];

            /// The word for it, as it is typed and printed.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Which customer an event belongs to that carries none, in words.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

policies! {
    FirstLogin, "first-login", "the one its session was first connected with";
    DeviceSplit, "device-split", "the last who had logged in on its session by then, else the first after it";
    LastLogin, "last-login", "the last who ever logged in on its session";
    Strict, "strict", "as first-login, but none where its session met several";
}

/// What the rest of the library asks of a policy. One that is new is asked here, and in `resolver/attribution.rs`, where its rule is.
impl Policy {
    /// Whether the events of a session follow the logins on it, so that it may belong to a customer of another group.
    pub const fn follows_logins(self) -> bool {
        match self {
            Self::FirstLogin | Self::Strict => false,
            Self::DeviceSplit | Self::LastLogin => true,
        }
    }

    /// Whether a session may belong to another person than the rest of its group: to a customer who logged in on it, or to none.
    pub const fn may_leave_group(self) -> bool {
        match self {
            Self::FirstLogin => false,
            Self::DeviceSplit | Self::LastLogin | Self::Strict => true,
        }
    }
}

/// `first-login`.
impl Default for Policy {
    fn default() -> Self {
        Self::ALL[0]
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// As its word.
impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

/// Why a text is not a [`Policy`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a policy: use one of {all}", all = Policy::ALL.map(Policy::word).join(", "))]
struct NoPolicy(String);

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|policy| policy.word() == text);
        found.ok_or_else(|| Error::new(ErrorKind::Argument, NoPolicy(text.to_owned())))
    }
}

/// How far back a retroactive attribution reaches: a positive duration, in microseconds. Exactly so far back still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookback(i64);

impl Lookback {
    /// A lookback of so many microseconds; `None` unless that is positive.
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros > 0 { Some(Self(micros)) } else { None }
    }

    /// Its length in microseconds.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whether an event at `time` lies too far before `moment` to be reached from there.
    pub fn ends_after(self, time: Time, moment: Time) -> bool {
        time.as_micros() < moment.as_micros().saturating_sub(self.0)
    }
}

/// Why a text is not a [`Lookback`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a lookback: write a positive duration, such as 30d, 12h, 90m, 45s or 2w (a day is 24 hours)")]
struct NoLookback(String);

impl From<NoLookback> for Error {
    fn from(error: NoLookback) -> Self {
        Self::new(ErrorKind::Argument, error)
    }
}

/// Reads `30d`, `12h`, `90m`, `45s`, `2w` and sums of them such as `1d12h`; a day is 24 hours. What is finer than a microsecond is cut.
impl FromStr for Lookback {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let span: Option<Span> = text.parse().ok();
        span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok())
            .and_then(|duration| i64::try_from(duration.as_micros()).ok())
            .and_then(Self::from_micros)
            .ok_or_else(|| NoLookback(text.to_owned()).into())
    }
}

/// What is finer than a microsecond is cut.
impl TryFrom<Duration> for Lookback {
    type Error = Error;

    fn try_from(duration: Duration) -> Result<Self> {
        let micros = i64::try_from(duration.as_micros()).ok();
        micros.and_then(Self::from_micros).ok_or_else(|| NoLookback(format!("{duration:?}")).into())
    }
}

/// Microseconds of each unit that is written, from the largest.
const UNITS: [(i64, &str); 6] =
    [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms"), (1, "us")];

/// As it is read: `30d`, `1h30m`.
impl fmt::Display for Lookback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0;
        for (micros, unit) in UNITS {
            if left >= micros {
                write!(f, "{}{unit}", left / micros)?;
                left %= micros;
            }
        }
        Ok(())
    }
}

impl Serialize for Lookback {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One way to read the stored facts. The default is what is said where nothing else is asked for: `first-login`, everything stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Reading {
    /// Which login an event without a customer follows.
    pub policy: Policy,
    /// How far back a retroactive attribution reaches; without one, to the first event. What lies further back stays with its anchor, anonymous.
    /// Of events alone: whom a session or another identity belongs to does not hang on it.
    pub lookback: Option<Lookback>,
    /// What is said of the events up to and including this moment, as if there were no others; without one, of all.
    #[serde(serialize_with = "crate::model::writing::text_or_null")]
    pub as_of: Option<Time>,
}

impl Reading {
    /// The last moment whose events count.
    pub fn until(&self) -> Time {
        self.as_of.unwrap_or(Time::from_micros(i64::MAX))
    }
}

impl From<Policy> for Reading {
    fn from(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }
}

/// In words: `device-split, lookback 30d, as of 2026-11-02T09:00:00.000Z`.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.policy)?;
        if let Some(lookback) = self.lookback {
            write!(f, ", lookback {lookback}")?;
        }
        if let Some(time) = self.as_of {
            write!(f, ", as of {time}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn policies_are_read_as_they_are_written() {
        for policy in Policy::ALL {
            assert_eq!(policy.word().parse::<Policy>().unwrap(), policy);
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.word());
        }
        let error = "firstlogin".parse::<Policy>().unwrap_err().to_string();
        for policy in Policy::ALL {
            assert!(error.contains(policy.word()), "{error}");
        }
    }

    #[test]
    fn lookbacks_are_read_and_written() {
        let hours = [("30d", 720), ("12h", 12), ("2w", 336), ("1d12h", 36), ("1d 12h", 36), ("P1D", 24)];
        for (text, hours) in hours {
            assert_eq!(text.parse::<Lookback>().unwrap(), Lookback(hours * HOUR), "{text}");
        }
        assert_eq!("90m".parse::<Lookback>().unwrap(), Lookback(HOUR / 2 * 3));
        assert_eq!("45s".parse::<Lookback>().unwrap(), Duration::from_secs(45).try_into().unwrap());
        let written = [720 * HOUR, HOUR / 2 * 3, 45_000_000, 1_001_001, HOUR * 24 + 1].map(Lookback);
        let texts = written.map(|lookback| lookback.to_string());
        assert_eq!(texts, ["30d", "1h30m", "45s", "1s1ms1us", "1d1us"]);
        for (lookback, text) in written.into_iter().zip(texts) {
            assert_eq!(text.parse::<Lookback>().unwrap(), lookback, "{text}");
        }
    }

    #[test]
    fn what_is_no_lookback() {
        for text in ["", "30", "d", "0s", "-1d", "1d ago", "1y", "1mo", "999999999999d", "1ns"] {
            let error = text.parse::<Lookback>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument);
            assert_eq!(error.to_string(), NoLookback(text.to_owned()).to_string());
        }
        for duration in [Duration::ZERO, Duration::from_nanos(999), Duration::MAX] {
            assert!(Lookback::try_from(duration).is_err(), "{duration:?}");
        }
        assert_eq!((Lookback::from_micros(0), Lookback::from_micros(-1)), (None, None));
    }

    #[test]
    fn a_lookback_reaches_exactly_so_far() {
        let hour = Lookback(HOUR);
        let reached = |micros: i64| !hour.ends_after(Time::from_micros(micros), Time::from_micros(HOUR));
        assert_eq!([reached(-1), reached(0), reached(1)], [false, true, true]);
        let earliest = Time::from_micros(i64::MIN);
        assert!(!hour.ends_after(earliest, earliest), "there is no earlier time to fall to");
    }

    #[test]
    fn a_reading_in_words() {
        assert_eq!(Reading::default().to_string(), "first-login");
        let reading =
            Reading { policy: Policy::Strict, lookback: Some(Lookback(HOUR)), as_of: Some(Time::from_micros(0)) };
        assert_eq!(reading.to_string(), "strict, lookback 1h, as of 1970-01-01T00:00:00.000Z");
        let json = serde_json::to_string(&reading).unwrap();
        assert_eq!(json, r#"{"policy":"strict","lookback":"1h","as_of":"1970-01-01T00:00:00.000Z"}"#);
    }
}
