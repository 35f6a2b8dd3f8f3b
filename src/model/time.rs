//! A moment: microseconds since the Unix epoch.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A moment, in microseconds since the Unix epoch (UTC). Serialised as that number.
///
/// What a log says more finely is cut to the microsecond below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(i64);

/// The epoch in UTC.
const EPOCH: DateTime = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// The first moment of the year -9999 and the last of the year 9999.
const CALENDAR: std::ops::RangeInclusive<i64> = -377_705_116_800_000_000..=253_402_300_799_999_999;

/// Digits behind a second that the general parser takes; what is finer is cut off anyway.
const MAX_FRACTION_DIGITS: usize = 9;

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
        CALENDAR.contains(&micros).then_some(Self(micros))
    }

    /// Reads RFC 3339 text, such as `2026-11-01T10:00:00.000Z`; `None` when it is not a moment, or outside the years -9999 to 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let text = with_few_digits(text);
        let pieces = Pieces::parse(&*text).ok()?;
        let offset = pieces.to_numeric_offset()?.seconds();
        // The general parser knows offsets of 25 hours, and of seconds.
        if offset.abs() >= 24 * 3_600 || offset % 60 != 0 {
            return None;
        }
        let since_epoch = pieces.date().to_datetime(pieces.time()?).duration_since(EPOCH);
        let nanos = since_epoch.as_nanos() - i128::from(offset) * 1_000_000_000;
        Self::in_calendar(i64::try_from(nanos.div_euclid(1_000)).ok()?)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The same moment as the standard library has it; `None` where the system's clock does not reach so far.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = Duration::from_micros(self.0.unsigned_abs());
        match self.0 < 0 {
            true => SystemTime::UNIX_EPOCH.checked_sub(distance),
            false => SystemTime::UNIX_EPOCH.checked_add(distance),
        }
    }
}

/// Cut to the microsecond below; what lies further away than `i64` reaches is the furthest that it does.
impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let micros = |distance: Duration, up: u128| i64::try_from((distance.as_nanos() + up) / 1_000);
        Self(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => micros(after, 0).unwrap_or(i64::MAX),
            Err(before) => micros(before.duration(), 999).map_or(i64::MIN, |micros| -micros),
        })
    }
}

/// RFC 3339 in UTC, with three decimals, or six where the moment needs them.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = if self.0 % 1000 == 0 { 3 } else { 6 };
        if let Ok(time) = Timestamp::from_microsecond(self.0) {
            return write!(f, "{time:.decimals$}");
        }
        // The first and the last day of the calendar, where it has no room for other zones.
        match EPOCH.checked_add(SignedDuration::from_micros(self.0)) {
            Ok(time) => write!(f, "{time:.decimals$}Z"),
            // Only a `from_micros` outside the calendar comes here.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// A text without the digits behind a second that are too many.
fn with_few_digits(text: &str) -> Cow<'_, str> {
    let Some(point) = text.find(['.', ',']) else { return text.into() };
    let fraction = &text[point + 1..];
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    match digits > MAX_FRACTION_DIGITS {
        true => format!("{}{}", &text[..point + 1 + MAX_FRACTION_DIGITS], &fraction[digits..]).into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in [
            "2026-11-01T10:00:00.000Z",
            "1969-12-31T23:59:59.999999Z",
            "0000-01-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999999Z",
            "-009999-01-01T00:00:00.000Z",
        ] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
        for edge in [CALENDAR.start(), CALENDAR.end()] {
            assert_eq!(Time::parse(&Time(*edge).to_string()), Some(Time(*edge)));
        }
        let offset = Time::parse("2026-11-01T12:00:00+02:00").unwrap();
        assert_eq!(offset.to_string(), "2026-11-01T10:00:00.000Z");
    }

    #[test]
    fn the_clock_of_the_system_and_back() {
        for micros in [0, 1, -1, 1_793_527_200_000_001, -1_000_001] {
            let time = Time(micros);
            assert_eq!(Time::from(time.to_system_time().unwrap()), time);
        }
        let before = SystemTime::UNIX_EPOCH - Duration::from_nanos(1_001);
        assert_eq!(Time::from(before), Time(-2), "cut to the microsecond below");
        assert_eq!(Time::from(SystemTime::UNIX_EPOCH + Duration::from_nanos(1_999)), Time(1));
    }

    #[test]
    fn cut_to_the_microsecond_below_on_both_sides_of_the_epoch() {
        assert_eq!(Time::parse("1970-01-01T00:00:00.0000019Z"), Some(Time(1)));
        assert_eq!(Time::parse("1969-12-31T23:59:59.9999991Z"), Some(Time(-1)));
        for digits in 7..40 {
            let text = format!("1969-12-31T23:59:59.{}+00:00", "9".repeat(digits));
            assert_eq!(Time::parse(&text), Some(Time(-1)), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-11-01T10:00:00",
            "2026-11-01T10:00:00.Z",
            "2026-11-01T10:00:00.1234567890",
            "2026-11-01T10:00:00+24:00",
            "2026-11-01T10:00:00-25:59:59",
            "2026-11-01T10:00:00+01:00:30",
            "2026-11-01T10:00:00+01:60",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
        assert_eq!(Time::parse("2026-11-01T10:00:00+23:59").unwrap().to_string(), "2026-10-31T10:01:00.000Z");
        assert_eq!((Time::from_millis(i64::MAX), Time::in_calendar(i64::MAX)), (None, None));
        assert_eq!(Time::from_millis(1_500), Some(Time(1_500_000)));
        assert_eq!(Time::in_calendar(1_500), Some(Time(1_500)));
    }

    #[test]
    fn it_is_read_as_the_general_parser_reads_it() {
        for text in [
            "2026-11-01T10:00:00Z",
            "2026-11-01t10:00:00z",
            "2026-11-01 10:00:00.5+05:30",
            "20261101T100000-0330",
            "2026-11-01T10:00+01[Europe/Berlin]",
            "2016-12-31T23:59:60Z",
            "+002026-11-01T10:00:00,25Z",
            "-000001-02-28T23:59:59.999999999Z",
        ] {
            let expected: Timestamp = text.parse().unwrap();
            assert_eq!(
                Time::parse(text).map(|time| time.0),
                Some(expected.as_nanosecond().div_euclid(1_000) as i64),
                "{text}"
            );
        }
    }
}
