//! Bytes of a line: digits, times.

use crate::model::time::Time;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// Appends the decimal digits of `number`.
pub(super) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes times, and keeps the day between them: it seldom changes.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    day: i64,
    /// `2026-11-01T`; empty before the first.
    date: String,
}

impl Stamp {
    /// Appends the time as `2026-11-01T10:00:00.000Z`.
    pub(super) fn push(&mut self, millis: i64, out: &mut Vec<u8>) {
        let day = millis.div_euclid(MILLIS_PER_DAY);
        if day != self.day || self.date.is_empty() {
            self.date = Time::from_micros(day * MILLIS_PER_DAY * 1000).to_string();
            self.date.truncate("2026-11-01T".len());
            self.day = day;
        }
        let rest = millis.rem_euclid(MILLIS_PER_DAY) as u32;
        let (seconds, thousandths) = (rest / 1000, rest % 1000);
        let mut text = *b"00:00:00.000Z";
        put_two(&mut text, 0, seconds / 3600);
        put_two(&mut text, 3, seconds / 60 % 60);
        put_two(&mut text, 6, seconds % 60);
        put_two(&mut text, 9, thousandths / 10);
        text[11] = b'0' + (thousandths % 10) as u8;
        out.extend_from_slice(self.date.as_bytes());
        out.extend_from_slice(&text);
    }
}

fn put_two(text: &mut [u8], at: usize, number: u32) {
    text[at] = b'0' + (number / 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_back() {
        for number in [0, 7, 10, 18_278, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
        let mut stamp = Stamp::default();
        for millis in [0, 1_793_491_200_000, 1_793_577_599_999, 1_793_577_600_000, 1_793_577_599_090] {
            let mut out = Vec::new();
            stamp.push(millis, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), Time::from_millis(millis).unwrap().to_string());
        }
    }
}
