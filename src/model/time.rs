//! A moment: microseconds since the Unix epoch.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment, in microseconds since the Unix epoch (UTC). Serialised as that number.
///
/// What a log says more finely is cut to the microsecond below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(i64);

impl Time {
    /// The moment `micros` microseconds after the Unix epoch (before it, when negative).
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment `millis` milliseconds after the Unix epoch; `None` outside the years -9999 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        Self::in_calendar(millis.checked_mul(1_000)?)
    }

    /// As [`Time::from_micros`]; `None` outside the years -9999 to 9999.
    pub fn in_calendar(micros: i64) -> Option<Self> {
        jiff::Timestamp::from_microsecond(micros).ok().map(|_| Self(micros))
    }

    /// Reads RFC 3339 text, such as `2026-11-01T10:00:00.000Z`; `None` when it is not a moment.
    pub fn parse(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.parse().ok()?;
        let nanos = time.as_nanosecond().div_euclid(1000);
        i64::try_from(nanos).ok().map(Self)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

/// RFC 3339 in UTC, with three decimals, or six where the moment needs them.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) if self.0 % 1000 == 0 => write!(f, "{time:.3}"),
            Ok(time) => write!(f, "{time:.6}"),
            // Only a `from_micros` outside the calendar comes here.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["2026-11-01T10:00:00.000Z", "1969-12-31T23:59:59.999999Z"] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
        let offset = Time::parse("2026-11-01T12:00:00+02:00").unwrap();
        assert_eq!(offset.to_string(), "2026-11-01T10:00:00.000Z");
    }

    #[test]
    fn cut_to_the_microsecond_below_on_both_sides_of_the_epoch() {
        assert_eq!(Time::parse("1970-01-01T00:00:00.0000019Z"), Some(Time(1)));
        assert_eq!(Time::parse("1969-12-31T23:59:59.9999991Z"), Some(Time(-1)));
    }

    #[test]
    fn what_is_no_moment() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-01T10:00:00"] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
        assert_eq!((Time::from_millis(i64::MAX), Time::in_calendar(i64::MAX)), (None, None));
        assert_eq!(Time::from_millis(1_500), Some(Time(1_500_000)));
        assert_eq!(Time::in_calendar(1_500), Some(Time(1_500)));
    }
}
