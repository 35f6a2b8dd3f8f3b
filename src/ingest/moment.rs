//! Times as logs write them: RFC 3339 text, or a number that counts from the Unix epoch.
//!
//! A text is read as RFC 3339, such as `2026-11-01T10:00:00.000Z`, unless it holds only a number; then it is that number.
//!
//! What a number counts is told by its magnitude, its sign left aside, unless the [unit](TimeUnit) is configured:
//!
//! | number | counts | which are the years |
//! |---|---|---|
//! | below 10^11 | seconds | up to 5138 |
//! | below 10^14 | milliseconds | 1973 to 5138 |
//! | below 10^17 | microseconds | 1973 to 5138 |
//! | from there on | nanoseconds | 1973 to 9999 |
//!
//! So a log of the last fifty years needs no configuration. A number may have a fraction and an exponent (`1762000000.25`,
//! `1.762e12`) and is read exactly, not as a float. Below zero it lies before the epoch. What is finer than a microsecond is cut to the one before. A time
//! outside the years -9999 to 9999 is not a time.

use crate::ingest::fields::TimeUnit;
use crate::model::time::Time;

/// Digits of a number that are kept: more than a time has, and their product with a power of ten fits a word.
const MAX_DIGITS: i64 = 25;

/// Reads a text as [`Time::parse`] does, only faster for the form that nearly every activity has; or the number that it holds.
///
/// The general parser would add a tenth to all decoding.
pub(super) fn parse(text: &str, unit: Option<TimeUnit>, last: &mut Minute) -> Option<Time> {
    common(text.as_bytes(), last).or_else(|| number(text, unit)).or_else(|| Time::parse(text))
}

/// The minute of the text that was read last: most lines of a log have that of the line before.
#[derive(Debug, Default)]
pub(super) struct Minute {
    /// All before its seconds; zeros where there is none yet.
    text: [u8; 17],
    /// When it begins, in seconds since the Unix epoch.
    start: i64,
}

/// Reads a number, spelled as in JSON.
pub(super) fn number(text: &str, unit: Option<TimeUnit>) -> Option<Time> {
    // Eighteen digits fit, and have nothing to be looked at but themselves.
    let decimal = match text.as_bytes() {
        plain @ [b'1'..=b'9', ..] if plain.len() <= 18 && plain.iter().all(u8::is_ascii_digit) => {
            let digits = plain.iter().fold(0, |all, &byte| all * 10 + i128::from(byte - b'0'));
            Decimal { negative: false, digits, count: plain.len() as i64, exponent: 0, more: false }
        }
        spelled => Decimal::parse(spelled)?,
    };
    let micros = decimal.floor(unit.unwrap_or_else(|| decimal.unit()).exponent_of_micros())?;
    Time::in_calendar(micros)
}

/// A number: `digits` times ten to the `exponent`, and something more behind them where `more` says so.
struct Decimal {
    negative: bool,
    digits: i128,
    /// How many there are; none for zero.
    count: i64,
    exponent: i64,
    more: bool,
}

impl Decimal {
    fn parse(text: &[u8]) -> Option<Self> {
        let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
        let (text, exponent) = match cut(text, |byte| matches!(byte, b'e' | b'E')) {
            Some((before, after)) => (before, exponent(after)?),
            None => (text, 0),
        };
        let (whole, fraction) = match cut(text, |byte| byte == b'.') {
            Some((_, [])) => return None,
            Some(parts) => parts,
            None => (text, &[][..]),
        };
        if matches!(whole, [] | [b'0', _, ..]) {
            return None;
        }
        let mut this = Self { negative, digits: 0, count: 0, exponent, more: false };
        for (byte, is_fraction) in
            whole.iter().map(|byte| (byte, false)).chain(fraction.iter().map(|byte| (byte, true)))
        {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            if this.count < MAX_DIGITS {
                this.digits = this.digits * 10 + i128::from(digit);
                this.count += i64::from(this.digits > 0);
                this.exponent -= i64::from(is_fraction);
            } else {
                this.more |= digit > 0;
                this.exponent += i64::from(!is_fraction);
            }
        }
        Some(this)
    }

    /// What it counts, by its magnitude.
    fn unit(&self) -> TimeUnit {
        // The power of ten above it; zero is zero in every unit.
        match self.count + self.exponent {
            ..=11 => TimeUnit::Seconds,
            12..=14 => TimeUnit::Milliseconds,
            15..=17 => TimeUnit::Microseconds,
            _ => TimeUnit::Nanoseconds,
        }
    }

    /// The whole number at or before this one times ten to the `shift`; `None` where it is beyond all times.
    fn floor(&self, shift: i64) -> Option<i64> {
        let exponent = self.exponent + shift;
        // Of so many digits is no time.
        if self.count > 0 && self.count + exponent > 19 {
            return None;
        }
        let (size, rest) = if self.count == 0 || self.count + exponent < 0 {
            (0, self.count > 0)
        } else if exponent >= 0 {
            (self.digits * 10i128.pow(exponent as u32), self.more)
        } else {
            // No further than there are digits: the power fits.
            let power = 10i128.pow(exponent.unsigned_abs() as u32);
            (self.digits / power, self.more || self.digits % power > 0)
        };
        i64::try_from(if self.negative { -size - i128::from(rest) } else { size }).ok()
    }
}

/// What lies before the first byte that `is` knows, and what lies behind it.
fn cut(text: &[u8], is: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(text.iter().position(|&byte| is(byte))?)?;
    Some((before, after.get(1..)?))
}

/// The exponent that follows an `e`. One that fits no time is as good as another.
fn exponent(text: &[u8]) -> Option<i64> {
    const ENOUGH: i64 = 1 << 40;
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0, |all, &byte| (all * 10 + i64::from(byte - b'0')).min(ENOUGH));
    Some(if negative { -size } else { size })
}

/// The moment, where `text` is of the form `YYYY-MM-DDTHH:MM:SS.mmmZ` and the day is one that every year has.
/// All else is left to the general parser.
#[inline]
fn common(text: &[u8], last: &mut Minute) -> Option<Time> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let (minute, &[s, s2, b'.', u, v, w, b'Z']) = text.split_first_chunk::<17>()? else { return None };
    let mut wrong = 0;
    let (second, milli) = (number_of([s, s2], &mut wrong), number_of([u, v, w], &mut wrong));
    if wrong != 0 || second > 59 {
        return None;
    }
    if *minute != last.text {
        *last = Minute { text: *minute, start: start_of(minute)? };
    }
    Some(Time::from_micros(((last.start + second) * 1_000 + milli) * 1_000))
}

/// When a minute begins that is spelled `YYYY-MM-DDTHH:MM:`, in seconds since the Unix epoch.
fn start_of(minute: &[u8; 17]) -> Option<i64> {
    let &[y, y2, y3, y4, b'-', m, m2, b'-', d, d2, b'T', h, h2, b':', n, n2, b':'] = minute else { return None };
    let mut wrong = 0u8;
    let (year, month, day) =
        (number_of([y, y2, y3, y4], &mut wrong), number_of([m, m2], &mut wrong), number_of([d, d2], &mut wrong));
    let (hour, minute) = (number_of([h, h2], &mut wrong), number_of([n, n2], &mut wrong));
    if wrong != 0 || !every_year_has(month, day) || hour > 23 || minute > 59 {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3_600 + minute * 60)
}

/// The number of so many digits; `wrong` where one of them is none.
#[inline(always)]
fn number_of<const N: usize>(digits: [u8; N], wrong: &mut u8) -> i64 {
    digits.into_iter().fold(0, |all, byte| {
        let digit = byte.wrapping_sub(b'0');
        *wrong |= u8::from(digit > 9);
        all * 10 + i64::from(digit)
    })
}

/// Whether every year has this day.
fn every_year_has(month: i64, day: i64) -> bool {
    let last = match month {
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=last).contains(&day)
}

/// Days since the Unix epoch in the Gregorian calendar, for years from 0. Counts years from March, so that the leap day is the last:
/// then months begin at `(153 * m + 2) / 5` (H. Hinnant, "chrono-compatible low-level date algorithms", 2013).
fn days(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_FROM_MARCH_OF_YEAR_0: i64 = 719_468;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
        - 1
        - DAYS_FROM_MARCH_OF_YEAR_0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a text after none, after another one, and once more.
    fn parse(text: &str, unit: Option<TimeUnit>) -> Option<Time> {
        let read = super::parse(text, unit, &mut Minute::default());
        let mut last = Minute::default();
        super::parse("2026-11-01T10:59:59.999Z", None, &mut last);
        for _ in 0..2 {
            assert_eq!(super::parse(text, unit, &mut last), read, "{text}");
        }
        read
    }

    proptest! {
        #[test]
        fn agrees_with_the_general_parser(
            year in 0..=9999u32, month in 0..=13u32, day in 0..=32u32,
            hour in 0..=24u32, minute in 0..=60u32, second in 0..=61u32, milli in 0..=999u32,
            spoil in proptest::option::weighted(0.2, (0..24usize, 0x20..0x7Fu8)),
        ) {
            let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z").into_bytes();
            if let Some((at, byte)) = spoil {
                text[at] = byte;
            }
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(parse(&text, None), Time::parse(&text), "{}", text);
        }
    }

    #[test]
    fn days_of_the_calendar_take_the_fast_way_but_the_end_of_february() {
        let mut slow = 0;
        // Eleven has no factor in common with the days of 400 years: each of these comes in some year or other.
        for day in (-719_528..2_932_897_i64).step_by(11) {
            let text = Time::from_micros(day * 86_400_000_000).to_string();
            match common(text.as_bytes(), &mut Minute::default()) {
                Some(time) => assert_eq!(time.as_micros(), day * 86_400_000_000, "{text}"),
                None => {
                    assert_eq!(&text[5..10], "02-29", "{text}");
                    slow += 1;
                }
            }
        }
        assert!(slow > 200, "{slow} of 2,425 leap days");
    }

    fn micros(text: &str) -> Option<i64> {
        number(text, None).map(Time::as_micros)
    }

    #[test]
    fn what_a_number_counts_is_told_by_its_magnitude() {
        let moment = 1_762_000_000_250_000;
        for same in [
            "1762000000.25",
            "1762000000250",
            "1762000000250000",
            "1762000000250000000",
            "1762000000250.0",
            "1762000000250000.000999",
            "1762000000250000999",
            "1.76200000025e9",
            "1.76200000025E+12",
            "17620000002500000000e-1",
            "0.00000000000000000000000000000000000000176200000025e48",
        ] {
            assert_eq!(micros(same), Some(moment), "{same}");
            assert_eq!(parse(same, None), Some(Time::from_micros(moment)), "{same}");
            let before = if same.ends_with("999") { moment + 1 } else { moment };
            assert_eq!(micros(&format!("-{same}")), Some(-before), "{same}");
        }
        // The bounds: the last second that a number of seconds names, the first millisecond, and so on.
        let year = |text: &str| number(text, None).unwrap().to_string()[..4].to_owned();
        for (text, expected) in [
            ("99999999999", "5138"),
            ("99999999999.999999", "5138"),
            ("100000000000", "1973"),
            ("99999999999999", "5138"),
            ("100000000000000", "1973"),
            ("99999999999999999", "5138"),
            ("100000000000000000", "1973"),
            ("18446744073709551616", "2554"),
            ("1e11", "1973"),
            ("9.9999e10", "5138"),
        ] {
            assert_eq!(year(text), expected, "{text}");
        }
        assert_eq!(
            (micros("0"), micros("-0"), micros("0e99999999999999999999"), micros("1")),
            (Some(0), Some(0), Some(0), Some(1_000_000))
        );
        // Cut to the microsecond before, on both sides of the epoch.
        assert_eq!(
            (micros("0.0000019"), micros("-0.0000019"), micros("-1e-99999999999")),
            (Some(1), Some(-2), Some(-1))
        );
        assert_eq!(micros(&format!("-1.{}1", "0".repeat(100))), Some(-1_000_001));
        assert_eq!(micros(&format!("1{}e-100", "0".repeat(100))), Some(1_000_000));
    }

    #[test]
    fn a_configured_unit_counts_whatever_the_magnitude() {
        for (unit, text, expected) in [
            (TimeUnit::Seconds, "100000000000.5", 100_000_000_000_500_000),
            (TimeUnit::Milliseconds, "1", 1_000),
            (TimeUnit::Milliseconds, "-1.5", -1_500),
            (TimeUnit::Microseconds, "7", 7),
            (TimeUnit::Nanoseconds, "1999", 1),
            (TimeUnit::Nanoseconds, "-1999", -2),
        ] {
            assert_eq!(number(text, Some(unit)), Some(Time::from_micros(expected)), "{text}");
            assert_eq!(parse(text, Some(unit)), Some(Time::from_micros(expected)), "{text}");
        }
        let rfc = parse("2026-11-01T10:00:00Z", Some(TimeUnit::Nanoseconds));
        assert_eq!(rfc, Time::parse("2026-11-01T10:00:00Z"), "a text says its own unit");
    }

    #[test]
    fn what_is_no_number_or_no_time_is_refused() {
        for text in [
            "", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1e1.5", "1_000", " 1", "1 ", "0x1", "NaN",
            "Infinity", "1,5", "1.2.3", "--1", "1e5e5", "١",
        ] {
            assert_eq!(parse(text, None), None, "{text}");
        }
        for text in ["253402300800e9", "1e999999999", "-1e21", "9999999999999999999999", &"9".repeat(1 << 20)] {
            assert_eq!(parse(text, None), None);
        }
        assert_eq!(number("253402300800", Some(TimeUnit::Seconds)), None, "the year 10000");
    }

    proptest! {
        #[test]
        fn numbers_are_read_exactly(whole in 0..10_000_000_000_000_000_000_000u128, fraction in "[0-9]{0,12}", minus: bool, shift in -30..30i64) {
            // The same number with its point elsewhere.
            let plain = if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
            let all = format!("{whole}{fraction}");
            let sign = if minus { "-" } else { "" };
            let moved = format!("{sign}{}e{}", all.trim_start_matches('0').parse::<u128>().map_or("0".to_owned(), |n| n.to_string()), -(fraction.len() as i64));
            prop_assert_eq!(number(&format!("{sign}{plain}"), None), number(&moved, None));
            let shifted = format!("{sign}{plain}e{shift}");
            let by_hand = {
                let digits: i128 = all.parse().unwrap();
                let exponent = shift - fraction.len() as i64;
                // Of the number times 10^12, so that nothing is lost that matters; floats tell only the magnitude.
                let size = digits as f64 * 10f64.powi(exponent as i32);
                let power = if size < 1e11 { 6 } else if size < 1e14 { 3 } else if size < 1e17 { 0 } else { -3 };
                let exponent = exponent + power;
                let digits = if minus { -digits } else { digits };
                let near_bound = [1e11, 1e14, 1e17].iter().any(|bound| (size / bound - 1.0).abs() < 1e-9);
                let micros = match exponent {
                    0.. => 10i128.checked_pow(exponent as u32).and_then(|power| digits.checked_mul(power)),
                    _ => Some(10i128.checked_pow(exponent.unsigned_abs() as u32).map_or(-i128::from(digits < 0), |power| digits.div_euclid(power))),
                };
                (!near_bound).then(|| micros.and_then(|micros| i64::try_from(micros).ok()).and_then(Time::in_calendar))
            };
            if let Some(by_hand) = by_hand {
                prop_assert_eq!(number(&shifted, None), by_hand, "{}", shifted);
            }
        }
    }

    #[test]
    fn no_day_too_many_and_none_too_few() {
        for year in [0, 1900, 2000, 2023, 2024, 9998, 9999] {
            for (month, day) in (0..=13).flat_map(|month| (0..=32).map(move |day| (month, day))) {
                let text = format!("{year:04}-{month:02}-{day:02}T23:59:59.999Z");
                assert_eq!(parse(&text, None), Time::parse(&text), "{text}");
            }
        }
    }
}
