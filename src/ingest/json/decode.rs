//! Whole lines to activities and rejects.

use xxhash_rust::xxh3::xxh3_128;

use crate::ingest::bounds::TimeFault;
use crate::ingest::chunk::Chunk;
use crate::ingest::fields::Fields;
use crate::ingest::format::{Decoded, Line, Task};
use crate::ingest::identities::{Spellings, gather, usable_id};
use crate::ingest::json::frame::OPEN_ARRAY;
use crate::ingest::json::marks::Marks;
use crate::ingest::json::members::{self, Members};
use crate::ingest::json::recall::{CarriedPlace, Recall};
use crate::ingest::json::scan::{Fault, Scanner, Token};
use crate::ingest::json::shapes::Shapes;
use crate::ingest::looks::LooksLike;
use crate::ingest::moment::{self, Minute};
use crate::ingest::reject::{Quoted, Reason, Reject};
use crate::ingest::tally::FirstReject;
use crate::model::event::{DecodedEvent, EventId};
use crate::model::limits::{MAX_LINE_BYTES, MAX_REJECT_BYTES};
use crate::model::source::Within;
use crate::model::time::Time;

/// Bytes whose UTF-8 is checked at once, just before they are scanned: they stay in the first caches, and a broken byte
/// costs no more than this much its fast way.
const WINDOW_BYTES: usize = 32 << 10;

/// Rejects of a chunk whose keys are noted: the first show what all are like.
const NOTED_REJECTS: usize = 64;

/// What a time may be, for people.
const EXPECTED_TIME: &str = "an RFC 3339 text such as 2026-11-01T10:00:00Z or a number counted from 1970";

/// Decodes every value of a chunk, by the shapes of lines of earlier ones.
pub(super) fn chunk(task: Task<'_>, shapes: &mut Shapes, chunk: &Chunk, mut each: impl FnMut(Line<'_, '_>)) -> Decoded {
    let Some(cut) = &chunk.cut else { return lines(task, shapes, chunk, each) };
    // Called by its address, as it is by `array` and `mixed`: the decoder is not compiled once more for it.
    let moved: &mut dyn FnMut(Line<'_, '_>) = &mut |line| {
        // Each is a line of the chunk, and lies elsewhere in the source.
        let Some(place) = cut.places.get(line.number as usize) else { return };
        each(Line { number: place.line, at: (place.at - chunk.start) as usize, ..line });
    };
    let mut decoded = lines(task, shapes, chunk, moved);
    decoded.tally.unfinished = u64::from(cut.unfinished);
    if let Some(first) = &mut decoded.tally.first_reject
        && let Some(place) = cut.places.get(first.line_number as usize - 1)
    {
        first.line_number = place.line + 1;
    }
    Decoded { lines: cut.lines, consumed: cut.consumed, within: cut.within, tally: decoded.tally }
}

/// Decodes every line of a chunk.
fn lines(task: Task<'_>, shapes: &mut Shapes, chunk: &Chunk, mut each: impl FnMut(Line<'_, '_>)) -> Decoded {
    if let Some(length) = chunk.overlong {
        let mut tally = task.tally;
        tally.looks_like = LooksLike::of_start(&chunk.bytes).filter(|_| chunk.start == 0);
        tally.first_reject = Some(FirstReject::in_chunk(0, too_long(length)));
        each(Line { number: 0, at: 0, text: shortened(&chunk.bytes), outcome: Err(too_long(length)) });
        tally.unfinished += u64::from(chunk.unterminated);
        let consumed = if chunk.unterminated { chunk.start } else { chunk.end };
        return Decoded { lines: u64::from(!chunk.unterminated), consumed, within: Within::Lines, tally };
    }
    let mut lines = Lines {
        members: task.fields.tree.as_deref().map_or_else(Members::new, Members::of).with_profiles(task.profiles),
        task,
        marks: Marks::default(),
        shapes,
        recall: Recall::default(),
        events: 0,
        bytes: &chunk.bytes,
        spellings: Spellings::default(),
        minute: Minute::default(),
        number: 0,
        rejected_last: None,
        rejects: 0,
        is_start: chunk.start == 0,
        cut: chunk.cut.is_some(),
    };
    let bytes = &chunk.bytes[..];
    let mut at = 0;
    while at < bytes.len() {
        let end = window_end(bytes, at);
        let Some(window) = bytes.get(at..end) else { break };
        match simdutf8::basic::from_utf8(window) {
            Ok(text) => lines.text(text, at, &mut each),
            Err(_) => lines.mixed(window, at, &mut each),
        }
        at = end;
    }
    let unfinished = lines.rejected_last.filter(|_| chunk.unterminated);
    lines.task.tally.unfinished += u64::from(unfinished.is_some());
    let consumed = unfinished.map_or(chunk.end, |start| chunk.start + start as u64);
    let number = lines.number - u64::from(chunk.unterminated);
    Decoded { lines: number, consumed, within: Within::Lines, tally: lines.task.tally }
}

/// The end of the window that begins at `at`: after a line end, or the end of all.
fn window_end(bytes: &[u8], at: usize) -> usize {
    let full = at + WINDOW_BYTES;
    let (Some(window), Some(rest)) = (bytes.get(at..full), bytes.get(full..)) else { return bytes.len() };
    if let Some(last) = memchr::memrchr(b'\n', window) {
        return at + last + 1;
    }
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |next| full + next + 1)
}

fn too_long(length: u64) -> Reject {
    Reject::new(Reason::TooLong, format_args!("the line has {length} bytes, at most {MAX_LINE_BYTES} are read"))
}

/// What is wrong with a value that was cut out.
fn of_cut(fault: Fault, text: &[u8]) -> Fault {
    match fault {
        Fault::NoObject if text == OPEN_ARRAY => Fault::OpenArray,
        Fault::NoObject => Fault::NoElement,
        fault => fault,
    }
}

fn shortened(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    line.get(..MAX_REJECT_BYTES).unwrap_or(line)
}

/// What is kept from line to line within a chunk.
struct Lines<'c> {
    task: Task<'c>,
    members: Members,
    marks: Marks,
    shapes: &'c mut Shapes,
    /// What earlier events of the chunk carry, and how many there are.
    recall: Recall,
    events: u32,
    spellings: Spellings,
    /// The minute of the last event.
    minute: Minute,
    /// Line ends passed.
    number: u64,
    /// The start of the last line of the chunk so far, where it was rejected.
    rejected_last: Option<usize>,
    /// Rejects so far.
    rejects: usize,
    /// The chunk, and whether it is the first of its source.
    bytes: &'c [u8],
    is_start: bool,
    /// Whether its lines are values that were cut out.
    cut: bool,
}

impl Lines<'_> {
    /// Decodes whole lines, which lie at `offset` of the chunk.
    fn text(&mut self, text: &str, offset: usize, each: &mut impl FnMut(Line<'_, '_>)) {
        let mut marks = std::mem::take(&mut self.marks);
        marks.make(text.as_bytes());
        let mut scanner = Scanner::new(text, &marks);
        let mut members = std::mem::replace(&mut self.members, Members::new());
        while scanner.at < text.len() {
            let start = scanner.at;
            if scanner.white() == b'\n' {
                self.end_line(&mut scanner, None);
                continue;
            }
            let first = scanner.at;
            let known = self.shapes.read(text, &mut scanner, &mut members);
            let mut read = match known {
                Some(_) => Ok(()),
                None => members.read(self.task.fields.tree.as_deref(), text, &mut scanner),
            };
            let last = known.unwrap_or(scanner.at);
            if read.is_ok() && scanner.white() != b'\n' {
                read = Err(Fault::After);
            }
            if read == Err(Fault::NoObject) && text.as_bytes().get(first) == Some(&b'[') && !self.cut {
                let rejected = self.array(text, offset, start, &mut scanner, &mut members, each);
                self.end_line(&mut scanner, rejected.then_some(offset + start));
                continue;
            }
            let fault = scanner.at;
            if read.is_err() {
                let rest = text.as_bytes().get(fault..).unwrap_or_default();
                scanner.at = memchr::memchr(b'\n', rest).map_or(text.len(), |end| fault + end);
            }
            let whole = text.as_bytes().get(start..scanner.at).unwrap_or_default();
            let (rejected, teaches) = {
                // Each in its place, and not as a pair: an activity is 200 bytes, which are not to be moved about.
                let line;
                let outcome = if whole.len() > MAX_LINE_BYTES {
                    line = shortened(whole);
                    Err(self.too_long(whole))
                } else if let Err(fault_kind) = read {
                    let fault_kind = if self.cut { of_cut(fault_kind, whole) } else { fault_kind };
                    let place = fault - start + 1;
                    line = whole.trim_ascii();
                    Err(Reject::new(Reason::Malformed, format_args!("{fault_kind} (at byte {place})")))
                } else {
                    let text_of_line = text.get(first..last).unwrap_or_default();
                    line = text_of_line.as_bytes();
                    self.activity(text, offset, text_of_line, &members)
                };
                let outcome = match outcome {
                    Ok(ref event) => Ok(event),
                    Err(reject) => Err(reject),
                };
                self.noted(line, &outcome);
                // Only a line that is not valid JSON may be half of one; anything else stays wrong when the source grows.
                let rejected = matches!(&outcome, Err(reject) if reject.reason == Reason::Malformed);
                let teaches = known.is_none() && outcome.is_ok();
                each(Line { number: self.number, at: offset + first, text: line, outcome });
                (rejected, teaches)
            };
            if teaches {
                let behind = text.get(first..scanner.at).unwrap_or_default();
                self.shapes.learn(behind, last - first, self.task.fields.tree.as_deref(), &mut members);
            }
            self.end_line(&mut scanner, rejected.then_some(offset + start));
        }
        self.members = members;
        self.marks = marks;
    }

    /// Decodes a line that is an array, at whose bracket the scanner stands, and leaves it at the line end; says whether the line, or
    /// what was left of it, was rejected as malformed.
    #[cold]
    fn array(
        &mut self,
        text: &str,
        offset: usize,
        start: usize,
        scanner: &mut Scanner<'_>,
        members: &mut Members,
        each: &mut dyn FnMut(Line<'_, '_>),
    ) -> bool {
        let bytes = text.as_bytes();
        let rest = bytes.get(start..).unwrap_or_default();
        let whole = memchr::memchr(b'\n', rest).and_then(|end| rest.get(..end)).unwrap_or(rest);
        let end = start + whole.len();
        let mut from = scanner.at;
        let fault = if whole.len() > MAX_LINE_BYTES {
            None
        } else {
            self.values(text, offset, scanner, members, each, &mut from)
        };
        let (line, reject) = match fault {
            _ if whole.len() > MAX_LINE_BYTES => (shortened(whole), self.too_long(whole)),
            None => return false,
            Some(fault) => {
                let detail = format_args!("{fault} (at byte {})", scanner.at - start + 1);
                let value = bytes.get(from..end).unwrap_or_default();
                (value.trim_ascii(), Reject::new(Reason::Malformed, detail))
            }
        };
        scanner.at = end;
        self.note(line, &reject);
        let malformed = reject.reason == Reason::Malformed;
        each(Line { number: self.number, at: offset + from, text: line, outcome: Err(reject) });
        malformed
    }

    /// Decodes the values of an array up to the line end; a fault comes with the start of the value that has it, `from`.
    fn values(
        &mut self,
        text: &str,
        offset: usize,
        scanner: &mut Scanner<'_>,
        members: &mut Members,
        each: &mut dyn FnMut(Line<'_, '_>),
        from: &mut usize,
    ) -> Option<Fault> {
        // Once: before the array stands white space alone, before its values all that comes first.
        let line = text.get(..scanner.at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
        scanner.at += 1;
        let mut more = scanner.white() != b']';
        while more {
            let object = scanner.white() == b'{';
            *from = scanner.at;
            let read = match (&self.task.fields.tree, object) {
                (_, false) => scanner.skip(1),
                (tree, true) => members.scan(tree.as_deref(), text, scanner),
            };
            if let Err(fault) = read {
                return Some(fault);
            }
            let value = text.get(*from..scanner.at).unwrap_or_default();
            // Where it ends is known: what follows is whole.
            let broken = if object { members.finish(text).err() } else { None };
            let outcome = match broken {
                Some(place) => {
                    let detail = format_args!("{} (at byte {})", Fault::Surrogate, place - line + 1);
                    Err(Reject::new(Reason::Malformed, detail))
                }
                None if object => self.activity(text, offset, value, members),
                None => Err(Reject::new(Reason::Malformed, Fault::NoElement)),
            };
            let outcome = match outcome {
                Ok(ref event) => Ok(event),
                Err(reject) => Err(reject),
            };
            self.noted(value.as_bytes(), &outcome);
            each(Line { number: self.number, at: offset + *from, text: value.as_bytes(), outcome });
            more = match scanner.white() {
                b',' => true,
                b']' => false,
                _ => {
                    *from = scanner.at;
                    return Some(Fault::NotInList);
                }
            };
            scanner.at += usize::from(more);
        }
        scanner.at += 1;
        *from = scanner.at;
        (scanner.white() != b'\n').then_some(Fault::After)
    }

    fn too_long(&self, text: &[u8]) -> Reject {
        if !self.cut {
            return too_long(text.len() as u64);
        }
        let detail = format_args!("the value has more than {MAX_LINE_BYTES} bytes, and so many are read at most");
        Reject::new(Reason::TooLong, detail)
    }

    /// Steps over the line end.
    #[inline(always)]
    fn end_line(&mut self, scanner: &mut Scanner<'_>, rejected: Option<usize>) {
        scanner.at += 1;
        self.number += 1;
        self.rejected_last = rejected;
    }

    /// Decodes whole lines of which at least one is not UTF-8.
    #[inline(never)]
    fn mixed(&mut self, window: &[u8], offset: usize, mut each: &mut dyn FnMut(Line<'_, '_>)) {
        let mut start = 0;
        for line in window.split_inclusive(|&byte| byte == b'\n') {
            let end = start + line.len();
            match simdutf8::compat::from_utf8(line) {
                Ok(text) => self.text(text, offset + start, &mut each),
                Err(error) => {
                    let (text, reject) = if line.trim_ascii_end().len() > MAX_LINE_BYTES {
                        (shortened(line), self.too_long(line))
                    } else {
                        let place = error.valid_up_to() + 1;
                        let detail = format_args!("the line is not UTF-8 (at byte {place})");
                        (line.trim_ascii(), Reject::new(Reason::Malformed, detail))
                    };
                    self.note(text, &reject);
                    each(Line { number: self.number, at: offset + start, text, outcome: Err(reject) });
                    self.number += 1;
                    self.rejected_last = Some(offset + start);
                }
            }
            start = end;
        }
    }

    /// Notes what became of a line.
    #[inline(always)]
    fn noted(&mut self, line: &[u8], outcome: &Result<&DecodedEvent<'_>, Reject>) {
        match outcome {
            Ok(event) => self.task.tally.at(event.time),
            Err(reject) => self.note(line, reject),
        }
    }

    /// Notes what a rejected line shows of the log.
    #[cold]
    fn note(&mut self, line: &[u8], reject: &Reject) {
        let reason = reject.reason;
        self.rejects += 1;
        if self.rejects == 1 {
            let by_start = Some(self.bytes).filter(|_| self.is_start).and_then(LooksLike::of_start);
            let by_line = || LooksLike::of_line(line).filter(|_| reason == Reason::Malformed);
            self.task.tally.looks_like = by_start.or_else(by_line);
            self.task.tally.first_reject = Some(FirstReject::in_chunk(self.number, reject.clone()));
        }
        let keys = matches!(reason, Reason::NoTimestamp | Reason::NoIdentity);
        if (keys || reason == Reason::TooLong) && self.rejects <= NOTED_REJECTS {
            let tally = &mut self.task.tally;
            members::keys(line, |key, objects| {
                if objects {
                    tally.wraps(key);
                }
                !keys || tally.key(key)
            });
        }
    }

    /// The activity whose fields were read from `line`, which is a part of `text`, which lies at `offset` of the chunk.
    #[inline(always)]
    fn activity<'a>(
        &mut self,
        text: &'a str,
        offset: usize,
        line: &str,
        members: &'a Members,
    ) -> Result<DecodedEvent<'a>, Reject> {
        let time = time_of(self.task.fields, text, members, &mut self.minute)?;
        let id = event_id(text, members).unwrap_or_else(|| EventId::Line(xxh3_128(line.as_bytes())));
        let place = if self.task.recall && !self.cut { CarriedPlace::of(text, offset, members) } else { None };
        let event = self.events;
        if let Some(recalled) = place.and_then(|place| self.recall.recall(self.bytes, &place, event)) {
            self.events += 1;
            let (identities, profile) = Default::default();
            return Ok(DecodedEvent { time, id, identities, profile, recalled: Some(recalled) });
        }
        let identities = gather(&mut self.task, &mut self.spellings, members.found(text))?;
        self.events += 1;
        // Where something was left out, it is to be counted each time.
        if let Some(place) = place.filter(|_| identities.len() == members.identities.len()) {
            self.recall.note(place, event);
        }
        Ok(DecodedEvent { time, id, identities, profile: members.profile(text), recalled: None })
    }
}

#[inline(always)]
fn time_of(fields: &Fields, text: &str, members: &Members, minute: &mut Minute) -> Result<Time, Reject> {
    let (first, token) = match members.timestamp {
        Token::Absent => (false, members.time),
        token => (true, token),
    };
    let (time, seen) = match token {
        Token::Text(span) => {
            let seen = members.text(text, span);
            (moment::parse(seen, fields.unit, minute), seen)
        }
        Token::Number(span) => {
            let seen = members.text(text, span);
            (moment::number(seen, fields.unit), seen)
        }
        Token::Boolean => return Err(wrong_kind(fields, first, "a boolean")),
        Token::List => return Err(wrong_kind(fields, first, "a list")),
        Token::Object => return Err(wrong_kind(fields, first, "an object")),
        Token::Absent => return Err(no_time(fields)),
    };
    let time = time.ok_or_else(|| unreadable(fields, first, seen))?;
    match fields.bounds.fault(time) {
        None => Ok(time),
        Some(fault) => Err(out_of_range(&fault)),
    }
}

#[cold]
fn out_of_range(fault: &TimeFault) -> Reject {
    Reject::new(Reason::OutOfRange, fault)
}

#[cold]
fn no_time(fields: &Fields) -> Reject {
    Reject::new(
        Reason::NoTimestamp,
        match fields.timestamp_path() {
            None => "there is neither timestamp nor time".to_owned(),
            Some(path) => format!("there is no {path}"),
        },
    )
}

/// The name of the field that held the time.
fn time_name(fields: &Fields, first: bool) -> &str {
    if first { fields.timestamp_path().unwrap_or("timestamp") } else { "time" }
}

#[cold]
fn wrong_kind(fields: &Fields, first: bool, kind: &str) -> Reject {
    let name = time_name(fields, first);
    let detail = format_args!("{name} is {kind}, where {EXPECTED_TIME} is expected");
    Reject::new(Reason::NoTimestamp, detail)
}

#[cold]
fn unreadable(fields: &Fields, first: bool, seen: &str) -> Reject {
    let name = time_name(fields, first);
    let detail = format_args!("{name} is not {EXPECTED_TIME}: {}", Quoted(seen));
    Reject::new(Reason::NoTimestamp, detail)
}

/// The `id`, where there is one that can be kept.
#[inline(always)]
fn event_id<'a>(text: &'a str, members: &'a Members) -> Option<EventId<'a>> {
    let (Token::Text(span) | Token::Number(span)) = members.id else { return None };
    usable_id(members.text(text, span))
}
