//! What does a shop's log look like? A realistic one of any length, the same bytes for the same recipe everywhere.
//!
//! Floor 2: knows `model`, and `visitor`, who says what the `user` of a line is. Whole numbers only, one seeded generator and no clock, so that a recipe names
//! its log for good. Lines are filled from byte templates; memory is bounded by the sessions that are
//! open at a time and the lines that are late, not by the length of the log.

mod line;
mod random;
mod session;
mod user;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use crate::generate::random::Random;
use crate::generate::session::{Session, Shop};

/// When the log begins, in milliseconds since the Unix epoch: 2026-11-01T00:00:00Z.
const START_MILLIS: i64 = 1_793_491_200_000;

/// Mean milliseconds from one event to the next: about 3.5 million events fill ten days.
const MEAN_GAP_MILLIS: u32 = 250;

/// Visits that are open at a time: a visitor acts about every two minutes.
const BUSY_SESSIONS: usize = 512;

/// Sessions that go on over days, a page now and a page hours later; they keep a log's far ends tied together.
const SLOW_SESSIONS: usize = 2_048;

/// One event in so many is of a slow session.
const SLOW_IN: u32 = 16;

/// One event in so many is delivered late …
const LATE_IN: u32 = 100;
/// … by at least a minute …
const LATE_MIN_MILLIS: u32 = 60_000;
/// … and by less than four hours more: what bounds the lines that wait.
const LATE_SPREAD_MILLIS: u32 = 4 * 3_600_000;

/// One event in so many is delivered twice, as at-least-once deliveries are, the second time within five minutes of the first.
const REPEAT_IN: u32 = 200;
/// The most milliseconds between the two.
const REPEAT_SPREAD_MILLIS: u32 = 300_000;

/// Bytes that are gathered before they are written: few calls, and still in the processor's cache.
const WRITE_BYTES: usize = 128 << 10;

/// Which log to generate. Two equal recipes give the same bytes, on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// How many sessions; about 11.7 events and 4 KB each.
    pub sessions: u64,
    /// Which log of that length.
    pub seed: u64,
    /// Whether about one line in two hundred comes twice. Without repeats the log is the same but for them.
    pub repeats: bool,
}

/// What a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Generated {
    /// Lines, repeats included.
    pub lines: u64,
    /// Lines that repeat an earlier one, byte by byte.
    pub repeats: u64,
    /// Events that were delivered late, hence out of order.
    pub late: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Writes a [`Recipe`]'s log.
///
/// A third of the sessions log in; from then on their events carry a customer. Half of the logins are of
/// customers seen before, so that a customer has several sessions; some sessions log out again, and on some
/// a second customer logs in. Activities are as the web SDK sends them, without an `id`, and stamped when they were collected.
///
/// ```
/// use backstitch::{Generator, Recipe};
///
/// let mut log = Vec::new();
/// let generated = Generator::new(Recipe { sessions: 100, seed: 1, repeats: false }).write(&mut log)?;
/// assert_eq!(generated.bytes, log.len() as u64);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Generator {
    repeats: bool,
    random: Random,
    /// Milliseconds since the Unix epoch.
    clock: i64,
    shop: Shop,
    /// Sessions that have not begun.
    unborn: u64,
    busy: Vec<Session>,
    slow: Vec<Session>,
    /// Lines on their way, the next to arrive on top.
    waiting: BinaryHeap<Reverse<LateLine>>,
    generated: Generated,
}

/// A line that arrives at a later time; of several at one time, in the order of sending.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LateLine {
    arrives: i64,
    number: u64,
    line: Vec<u8>,
}

impl Generator {
    /// A generator for `recipe`.
    pub fn new(recipe: Recipe) -> Self {
        Self {
            repeats: recipe.repeats,
            random: Random::new(recipe.seed),
            clock: START_MILLIS,
            shop: Shop::default(),
            unborn: recipe.sessions,
            busy: Vec::new(),
            slow: Vec::new(),
            waiting: BinaryHeap::new(),
            generated: Generated::default(),
        }
    }

    /// Writes the whole log and says what it holds.
    ///
    /// # Errors
    /// The first that `out` gives.
    pub fn write(mut self, out: &mut dyn Write) -> io::Result<Generated> {
        let mut buffer = Vec::with_capacity(2 * WRITE_BYTES);
        loop {
            self.open_sessions()?;
            if self.busy.is_empty() && self.slow.is_empty() {
                break;
            }
            self.clock += i64::from(1 + self.random.below(2 * MEAN_GAP_MILLIS));
            self.deliver(self.clock, &mut buffer);
            self.happen(&mut buffer)?;
            if buffer.len() >= WRITE_BYTES {
                self.flush(&mut buffer, out)?;
            }
        }
        self.deliver(i64::MAX, &mut buffer);
        self.flush(&mut buffer, out)?;
        Ok(self.generated)
    }

    /// Visits first: a short log has no use for sessions that last for days.
    fn open_sessions(&mut self) -> io::Result<()> {
        while self.unborn > 0 {
            let room = if self.busy.len() < BUSY_SESSIONS {
                &mut self.busy
            } else if self.slow.len() < SLOW_SESSIONS {
                &mut self.slow
            } else {
                break;
            };
            room.push(Session::new(&mut self.random, &mut self.shop.users)?);
            self.unborn -= 1;
        }
        Ok(())
    }

    /// Lets one session act: the line goes out, or on its way, or both.
    fn happen(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let slow = self.busy.is_empty() || (self.random.one_in(SLOW_IN) && !self.slow.is_empty());
        let sessions = if slow { &mut self.slow } else { &mut self.busy };
        let at = self.random.below(sessions.len() as u32) as usize;
        let start = buffer.len();
        sessions[at].act(self.clock, &mut self.random, &mut self.shop, buffer)?;
        if sessions[at].is_over() {
            sessions.swap_remove(at);
        }
        let mut arrives = self.clock;
        let late = self.random.one_in(LATE_IN);
        if late {
            arrives += i64::from(LATE_MIN_MILLIS + self.random.below(LATE_SPREAD_MILLIS));
            self.generated.late += 1;
            self.send(arrives, buffer[start..].to_vec());
        }
        // Drawn in any case, so that a log without repeats differs in nothing else.
        if self.random.one_in(REPEAT_IN) {
            let again = arrives + i64::from(1 + self.random.below(REPEAT_SPREAD_MILLIS));
            if self.repeats {
                self.generated.repeats += 1;
                self.send(again, buffer[start..].to_vec());
            }
        }
        if late {
            buffer.truncate(start);
        } else {
            self.generated.lines += 1;
        }
        Ok(())
    }

    fn send(&mut self, arrives: i64, line: Vec<u8>) {
        let number = self.generated.late + self.generated.repeats;
        self.waiting.push(Reverse(LateLine { arrives, number, line }));
    }

    /// Appends the lines that have arrived by `now`.
    fn deliver(&mut self, now: i64, buffer: &mut Vec<u8>) {
        while self.waiting.peek().is_some_and(|Reverse(next)| next.arrives <= now) {
            if let Some(Reverse(next)) = self.waiting.pop() {
                buffer.extend_from_slice(&next.line);
                self.generated.lines += 1;
            }
        }
    }

    fn flush(&mut self, buffer: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
        self.generated.bytes += buffer.len() as u64;
        out.write_all(buffer)?;
        buffer.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
