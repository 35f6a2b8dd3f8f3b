//! Whole lines to activities and rejects.

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128;

use crate::ingest::chunk::Chunk;
use crate::ingest::fields::Fields;
use crate::ingest::format::{Decoded, Line, Task};
use crate::ingest::json::marks::Marks;
use crate::ingest::json::members::Members;
use crate::ingest::json::scan::{Fault, Scanner, Token};
use crate::ingest::junk::NO_NAMESPACE;
use crate::ingest::moment;
use crate::ingest::reject::{Quoted, Reason, Reject};
use crate::model::event::{DecodedEvent, EventId};
use crate::model::identity::{Value, canonical_uuid};
use crate::model::limits::{MAX_EVENT_ID_BYTES, MAX_IDENTITIES_PER_EVENT, MAX_LINE_BYTES, MAX_REJECT_BYTES};
use crate::model::namespace::NamespaceId;
use crate::model::time::Time;

/// Bytes whose UTF-8 is checked at once, just before they are scanned: they stay in the first caches, and a broken byte
/// costs no more than this much its fast way.
const WINDOW_BYTES: usize = 32 << 10;

/// Spellings of namespaces that are known by their bytes. A log has two or three.
const MAX_SPELLINGS: usize = 16;

/// Decodes every line of a chunk.
pub(super) fn chunk(task: Task<'_>, chunk: &Chunk, mut each: impl FnMut(Line<'_>)) -> Decoded {
    if let Some(length) = chunk.overlong {
        each(Line { number: 0, text: shortened(&chunk.bytes), outcome: Err(too_long(length)) });
        let consumed = if chunk.unterminated { chunk.start } else { chunk.end };
        return Decoded { lines: u64::from(!chunk.unterminated), consumed };
    }
    let mut lines = Lines {
        members: task.fields.tree.as_deref().map_or_else(Members::new, Members::of),
        task,
        marks: Marks::default(),
        spellings: SmallVec::new(),
        number: 0,
        rejected_last: None,
    };
    let bytes = &chunk.bytes[..];
    let mut at = 0;
    while at < bytes.len() {
        let end = window_end(bytes, at);
        let window = &bytes[at..end];
        match simdutf8::basic::from_utf8(window) {
            Ok(text) => lines.text(text, at, &mut each),
            Err(_) => lines.mixed(window, at, &mut each),
        }
        at = end;
    }
    let unfinished = lines.rejected_last.filter(|_| chunk.unterminated);
    let consumed = unfinished.map_or(chunk.end, |start| chunk.start + start as u64);
    Decoded { lines: lines.number - u64::from(chunk.unterminated), consumed }
}

/// The end of the window that begins at `at`: after a line end, or the end of all.
fn window_end(bytes: &[u8], at: usize) -> usize {
    let full = at + WINDOW_BYTES;
    if full >= bytes.len() {
        return bytes.len();
    }
    if let Some(last) = memchr::memrchr(b'\n', &bytes[at..full]) {
        return at + last + 1;
    }
    memchr::memchr(b'\n', &bytes[full..]).map_or(bytes.len(), |next| full + next + 1)
}

fn too_long(length: u64) -> Reject {
    Reject::new(Reason::TooLong, format_args!("the line has {length} bytes, at most {MAX_LINE_BYTES} are read"))
}

fn shortened(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    &line[..line.len().min(MAX_REJECT_BYTES)]
}

/// What is kept from line to line within a chunk.
struct Lines<'c> {
    task: Task<'c>,
    members: Members,
    marks: Marks,
    /// Namespaces by their exact spelling.
    spellings: SmallVec<[(Box<str>, NamespaceId); 4]>,
    /// Line ends passed.
    number: u64,
    /// The start of the last line of the chunk so far, where it was rejected.
    rejected_last: Option<usize>,
}

/// A value to be an identity, before its namespace is looked up.
type Kept<'a> = SmallVec<[(NamespaceId, Value<'a>); 4]>;

impl Lines<'_> {
    /// Decodes whole lines, which lie at `offset` of the chunk.
    fn text(&mut self, text: &str, offset: usize, each: &mut impl FnMut(Line<'_>)) {
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
            let mut read = match &self.task.fields.tree {
                None => members.read(text, &mut scanner),
                Some(tree) => members.read_by(tree, text, &mut scanner),
            };
            let last = scanner.at;
            if read.is_ok() && scanner.white() != b'\n' {
                read = Err(Fault::After);
            }
            let fault = scanner.at;
            if read.is_err() {
                let rest = &text.as_bytes()[fault..];
                scanner.at = memchr::memchr(b'\n', rest).map_or(text.len(), |end| fault + end);
            }
            let whole = &text.as_bytes()[start..scanner.at];
            let (line, outcome) = if whole.len() > MAX_LINE_BYTES {
                (shortened(whole), Err(too_long(whole.len() as u64)))
            } else if let Err(fault_kind) = read {
                let place = fault - start + 1;
                (
                    whole.trim_ascii(),
                    Err(Reject::new(Reason::Malformed, format_args!("{fault_kind} (at byte {place})"))),
                )
            } else {
                let line = &text[first..last];
                (line.as_bytes(), self.activity(text, line, &members))
            };
            // Only a line that is no JSON may be half of one; what else is wrong with it will not mend when the source grows.
            let rejected = matches!(&outcome, Err(reject) if reject.reason == Reason::Malformed);
            each(Line { number: self.number, text: line, outcome });
            self.end_line(&mut scanner, rejected.then_some(offset + start));
        }
        self.members = members;
        self.marks = marks;
    }

    /// Steps over the line end.
    #[inline(always)]
    fn end_line(&mut self, scanner: &mut Scanner<'_>, rejected: Option<usize>) {
        scanner.at += 1;
        self.number += 1;
        self.rejected_last = rejected;
    }

    /// Decodes whole lines of which one at least is no UTF-8.
    #[inline(never)]
    fn mixed(&mut self, window: &[u8], offset: usize, each: &mut impl FnMut(Line<'_>)) {
        let mut start = 0;
        while start < window.len() {
            let end = memchr::memchr(b'\n', &window[start..]).map_or(window.len(), |end| start + end + 1);
            let line = &window[start..end];
            match simdutf8::compat::from_utf8(line) {
                Ok(text) => self.text(text, offset + start, each),
                Err(error) => {
                    let (text, reject) = if line.trim_ascii_end().len() > MAX_LINE_BYTES {
                        (shortened(line), too_long(line.len() as u64))
                    } else {
                        let place = error.valid_up_to() + 1;
                        let detail = format_args!("the line is not UTF-8 (at byte {place})");
                        (line.trim_ascii(), Reject::new(Reason::Malformed, detail))
                    };
                    each(Line { number: self.number, text, outcome: Err(reject) });
                    self.number += 1;
                    self.rejected_last = Some(offset + start);
                }
            }
            start = end;
        }
    }

    /// The activity whose fields were read from `line`, which is a part of `text`.
    #[inline(always)]
    fn activity<'a>(&mut self, text: &'a str, line: &str, members: &'a Members) -> Result<DecodedEvent<'a>, Reject> {
        let time = time_of(self.task.fields, text, members)?;
        let identities = self.identities(text, members)?;
        let id = event_id(text, members).unwrap_or_else(|| EventId::Line(xxh3_128(line.as_bytes())));
        Ok(DecodedEvent { time, id, identities })
    }

    #[inline(always)]
    fn identities<'a>(&mut self, text: &'a str, members: &'a Members) -> Result<Kept<'a>, Reject> {
        let mut kept = Kept::new();
        for &(namespace, value) in &members.identities {
            let (Token::Text(span) | Token::Number(span)) = value else { continue };
            let value = trim(members.text(text, span));
            if self.task.junk_list.catches(value, self.task.junk) {
                continue;
            }
            let Some(namespace) = self.namespace(members.text(text, namespace)) else {
                self.task.junk.add(NO_NAMESPACE);
                continue;
            };
            let value = Value::new(value);
            match kept.iter().find(|(known, _)| *known == namespace) {
                None => kept.push((namespace, value)),
                Some((_, first)) if *first == value => {}
                Some((_, first)) => return Err(self.conflict(namespace, *first, value)),
            }
        }
        if kept.is_empty() || kept.len() > MAX_IDENTITIES_PER_EVENT {
            return Err(unusable(self.task.fields, members, kept.len()));
        }
        if kept.len() > 1 {
            kept.sort_unstable_by(|a, b| self.task.namespaces.cmp(a.0, b.0));
        }
        Ok(kept)
    }

    #[inline(always)]
    fn namespace(&mut self, spelling: &str) -> Option<NamespaceId> {
        match self.spellings.iter().find(|(known, _)| **known == *spelling) {
            Some(&(_, id)) => Some(id),
            None => self.new_spelling(spelling),
        }
    }

    #[inline(never)]
    fn new_spelling(&mut self, spelling: &str) -> Option<NamespaceId> {
        let id = self.task.namespaces.intern(spelling)?;
        if self.spellings.len() < MAX_SPELLINGS {
            self.spellings.push((spelling.into(), id));
        }
        Some(id)
    }

    #[cold]
    fn conflict(&self, namespace: NamespaceId, first: Value<'_>, second: Value<'_>) -> Reject {
        let (name, first, second) = (self.task.namespaces.display(namespace), first.to_string(), second.to_string());
        let detail = format_args!("{name} is both {} and {}", Quoted(&first), Quoted(&second));
        Reject::new(Reason::Conflict, detail)
    }
}

/// `text` without white space around it. Most has none, and shows it in its first and last byte.
#[inline(always)]
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

#[cold]
fn unusable(fields: &Fields, members: &Members, kept: usize) -> Reject {
    let reject = |detail: &dyn std::fmt::Display| Reject::new(Reason::NoIdentity, detail);
    let paths = fields.identity_paths();
    let hold = if paths.len() == 1 { "holds" } else { "hold" };
    let paths = paths.join(" and ");
    match members.identities.len() {
        0 => reject(&format_args!("{paths} {hold} no text or number")),
        _ if kept == 0 => reject(&format_args!("every value of {paths} is junk")),
        _ => reject(&format_args!(
            "it has {kept} identities, and none is taken of more than {MAX_IDENTITIES_PER_EVENT}: so many are a mistake upstream"
        )),
    }
}

#[inline(always)]
fn time_of(fields: &Fields, text: &str, members: &Members) -> Result<Time, Reject> {
    let (first, token) = match members.timestamp {
        Token::Absent => (false, members.time),
        token => (true, token),
    };
    let (time, seen) = match token {
        Token::Text(span) => {
            let seen = members.text(text, span);
            (moment::parse(seen), seen)
        }
        Token::Number(span) => {
            let seen = members.text(text, span);
            (seen.parse().ok().and_then(Time::from_millis), seen)
        }
        Token::Other => (None, "neither"),
        Token::Absent => return Err(no_moment(fields)),
    };
    time.ok_or_else(|| unreadable(fields, first, seen))
}

#[cold]
fn no_moment(fields: &Fields) -> Reject {
    Reject::new(
        Reason::NoTimestamp,
        match fields.timestamp_path() {
            None => "there is neither timestamp nor time".to_owned(),
            Some(path) => format!("there is no {path}"),
        },
    )
}

#[cold]
fn unreadable(fields: &Fields, first: bool, seen: &str) -> Reject {
    let name = if first { fields.timestamp_path().unwrap_or("timestamp") } else { "time" };
    let detail = format_args!("{name} is no RFC 3339 text and no whole number of milliseconds: {}", Quoted(seen));
    Reject::new(Reason::NoTimestamp, detail)
}

/// The `id`, where there is one that can be kept.
#[inline(always)]
fn event_id<'a>(text: &'a str, members: &'a Members) -> Option<EventId<'a>> {
    let (Token::Text(span) | Token::Number(span)) = members.id else { return None };
    let id = trim(members.text(text, span));
    if id.is_empty() || id.len() > MAX_EVENT_ID_BYTES {
        return None;
    }
    Some(canonical_uuid(id).map_or(EventId::Text(id), EventId::Uuid))
}
