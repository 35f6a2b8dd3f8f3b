//! Columns of numbers: LEB128, and the ways in which ids and times become small numbers.
//!
//! bincode's varint takes three bytes from 251 on and five from 65,536 on; LEB128 takes two and three.
//! Most numbers of a block are deltas in between.

use crate::model::identity::IdentityId;
use crate::model::time::Time;

/// Microseconds of a millisecond: logs are mostly kept to the millisecond.
pub(crate) const MILLI: i64 = 1_000;

/// In each of eight bytes the bit that says that another one follows.
const MORE_FOLLOWS: u64 = 0x8080_8080_8080_8080;

/// Says that a time follows in microseconds; times in milliseconds are even.
const MICROS_FOLLOW: u64 = 1;

/// Appends `value`, seven bits a byte, the lowest first.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`put`] takes for `value`.
pub(crate) fn width(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Small numbers of either sign become small numbers.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Takes [`zigzag`] back.
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Appends a difference of times in microseconds, shorter where it is whole milliseconds.
pub(crate) fn put_time(out: &mut Vec<u8>, micros: i64) {
    if micros % MILLI == 0 {
        put(out, zigzag(micros / MILLI) << 1);
    } else {
        put(out, MICROS_FOLLOW);
        put(out, zigzag(micros));
    }
}

/// Appends a time as its difference from one before it, which wraps: what matters is that it adds up again.
pub(crate) fn put_time_since(out: &mut Vec<u8>, time: Time, before: Option<Time>) {
    put_time(out, time.as_micros().wrapping_sub(before.map_or(0, Time::as_micros)));
}

/// Appends an id as its difference from that of the row before, which is lower.
pub(crate) fn put_step(out: &mut Vec<u8>, id: u32, before: Option<u32>) {
    put(out, u64::from(id.wrapping_sub(before.unwrap_or(0))));
}

/// Appends an id as its difference from another, either way.
pub(crate) fn put_jump(out: &mut Vec<u8>, id: IdentityId, from: IdentityId) {
    put(out, zigzag(i64::from(id.0) - i64::from(from.0)));
}

/// Pairs of a number and how many times in a row it occurs.
#[derive(Debug, Default)]
pub(crate) struct RunLength {
    current: u64,
    count: u64,
    bytes: Vec<u8>,
}

impl RunLength {
    /// Adds a number.
    #[inline]
    pub(crate) fn push(&mut self, number: u64) {
        if number != self.current {
            self.end();
            self.current = number;
        }
        self.count += 1;
    }

    /// Adds the last number once more.
    #[inline]
    pub(crate) fn push_again(&mut self) {
        self.count += 1;
    }

    /// The pairs so far; those of the numbers at hand are missing until [`end`](Self::end).
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Ends the run at hand.
    pub(crate) fn end(&mut self) {
        if self.count > 0 {
            put(&mut self.bytes, self.current);
            put(&mut self.bytes, self.count);
            self.count = 0;
        }
    }

    /// Begins again.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.current, self.count) = (0, 0);
    }
}

/// Reads a column; every method gives `None` where the column ends too early or a number is too long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnReader<'a> {
    rest: &'a [u8],
}

impl<'a> ColumnReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (&first, rest) = self.rest.split_first()?;
        if first < 0x80 {
            self.rest = rest;
            return Some(u64::from(first));
        }
        self.several()
    }

    /// A number of several bytes: eight of them are looked at together where there are as many, so that no branch depends on how many it has.
    #[inline]
    fn several(&mut self) -> Option<u64> {
        let word = self.rest.first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes));
        let ends = !word & MORE_FOLLOWS;
        if ends == 0 {
            return self.long();
        }
        let bytes = ends.trailing_zeros() as usize / 8 + 1;
        let bits = word & !MORE_FOLLOWS & (u64::MAX >> (64 - 8 * bytes));
        // Seven bits of each byte, put together by two, by four and by eight.
        let bits = bits & 0x007f_007f_007f_007f | (bits & 0x7f00_7f00_7f00_7f00) >> 1;
        let bits = bits & 0x0000_3fff_0000_3fff | (bits & 0x3fff_0000_3fff_0000) >> 2;
        let bits = bits & 0x0000_0000_0fff_ffff | (bits & 0x0fff_ffff_0000_0000) >> 4;
        self.rest = self.rest.get(bytes..)?;
        Some(bits)
    }

    /// One that is not among eight bytes.
    #[inline(never)]
    fn long(&mut self) -> Option<u64> {
        let mut value = 0;
        for (at, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.rest = self.rest.get(at + 1..)?;
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.u64()?.try_into().ok()
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    /// Reads what [`put_time`] wrote.
    pub(crate) fn time(&mut self) -> Option<i64> {
        match self.u64()? {
            MICROS_FOLLOW => Some(unzigzag(self.u64()?)),
            millis if millis & 1 == 0 => Some(unzigzag(millis >> 1).wrapping_mul(MILLI)),
            _ => None,
        }
    }

    /// Reads what [`put_time_since`] wrote.
    pub(crate) fn time_since(&mut self, before: Option<Time>) -> Option<Time> {
        Some(Time::from_micros(before.map_or(0, Time::as_micros).wrapping_add(self.time()?)))
    }

    /// Reads what [`put_step`] wrote.
    pub(crate) fn step(&mut self, before: Option<u32>) -> Option<u32> {
        before.unwrap_or(0).checked_add(self.u32()?)
    }

    /// Reads what [`put_jump`] wrote.
    pub(crate) fn jump(&mut self, from: IdentityId) -> Option<IdentityId> {
        let id = i64::from(from.0).checked_add(unzigzag(self.u64()?))?;
        Some(IdentityId(id.try_into().ok()?))
    }

    /// Reads a number that is 0 or 1.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.u64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_back() {
        let mut all = vec![0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        all.extend((0..64).map(|bit| 1 << bit));
        for value in all {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(bytes.len(), width(value), "{value}");
            let mut reader = ColumnReader::new(&bytes);
            assert_eq!((reader.u64(), reader.is_done()), (Some(value), true));
            assert_eq!(ColumnReader::new(&bytes[..bytes.len() - 1]).u64(), None, "cut");
            for behind in [[0; 8], [0xff; 8], *b"\x80\x01\x7f\x80\x80\x80\x01\x00"] {
                let followed = [&bytes[..], &behind].concat();
                let mut reader = ColumnReader::new(&followed);
                assert_eq!((reader.u64(), reader.rest), (Some(value), &behind[..]), "what follows is left alone");
            }
            let signed = value as i64;
            assert_eq!(unzigzag(zigzag(signed)), signed);
            let mut bytes = Vec::new();
            put_time(&mut bytes, signed);
            assert_eq!(ColumnReader::new(&bytes).time(), Some(signed));
        }
        assert_eq!(ColumnReader::new(&[0xff; 20]).u64(), None);
    }
}
