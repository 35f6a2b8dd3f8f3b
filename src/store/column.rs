//! Columns of numbers: LEB128, and the ways in which times become small numbers.
//!
//! bincode's varint takes three bytes from 251 on and five from 65,536 on; LEB128 takes two and three.
//! Most numbers of a block are deltas in between.

/// Microseconds of a millisecond: logs are mostly kept to the millisecond.
pub(crate) const MILLI: i64 = 1_000;

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

/// Reads a column; every method gives `None` where the column ends too early or a number is too long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
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
        self.long()
    }

    fn long(&mut self) -> Option<u64> {
        let mut value = 0;
        for (at, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
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
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.u64(), reader.is_done()), (Some(value), true));
            assert_eq!(Reader::new(&bytes[..bytes.len() - 1]).u64(), None, "cut");
            let signed = value as i64;
            assert_eq!(unzigzag(zigzag(signed)), signed);
            let mut bytes = Vec::new();
            put_time(&mut bytes, signed);
            assert_eq!(Reader::new(&bytes).time(), Some(signed));
        }
        assert_eq!(Reader::new(&[0xff; 20]).u64(), None);
    }
}
