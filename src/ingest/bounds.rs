//! Which moments can an event have?
//!
//! Anyone who knows a session ID can send an event for it, and the link with the earliest moment wins: an event from the year 0 would claim
//! the session from before its customer for good. So moments are bounded, by default by constants: the result is a function of the
//! events, and a clock is none of them.

use std::fmt;

use crate::model::time::Time;

/// The first moment that an event has unless told otherwise: the epoch. Before it there was no web.
const NOT_BEFORE: Time = Time::from_micros(0);

/// The last, 2100-01-01: what comes later is a mistake in the unit, or forged.
const NOT_AFTER: Time = Time::from_micros(4_102_444_800_000_000);

/// The moments that an event may have, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeBounds {
    pub not_before: Time,
    pub not_after: Time,
}

impl Default for TimeBounds {
    fn default() -> Self {
        Self { not_before: NOT_BEFORE, not_after: NOT_AFTER }
    }
}

impl TimeBounds {
    /// Why an event cannot have this moment; none where it can.
    #[inline(always)]
    pub fn fault(self, time: Time) -> Option<TimeFault> {
        let in_bounds = self.not_before <= time && time <= self.not_after;
        (!in_bounds).then_some(TimeFault { time, bounds: self })
    }
}

/// A moment that is out of bounds.
pub(super) struct TimeFault {
    time: Time,
    bounds: TimeBounds,
}

impl fmt::Display for TimeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, bounds: TimeBounds { not_before, not_after } } = self;
        match time < not_before {
            true => write!(f, "{time} is before {not_before}"),
            false => write!(f, "{time} is after {not_after}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_it() {
        let bounds = TimeBounds::default();
        let told = |text: &str| bounds.fault(Time::parse(text).unwrap()).map(|fault| fault.to_string());
        assert_eq!((told("1970-01-01T00:00:00Z"), told("2100-01-01T00:00:00Z")), (None, None));
        let before = "1969-12-31T23:59:59.999999Z is before 1970-01-01T00:00:00.000Z";
        assert_eq!(told("1969-12-31T23:59:59.999999Z").as_deref(), Some(before));
        let after = "9999-12-31T23:59:59.000Z is after 2100-01-01T00:00:00.000Z";
        assert_eq!(told("9999-12-31T23:59:59Z").as_deref(), Some(after));
    }
}
