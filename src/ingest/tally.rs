//! What is noted of a log beside its events and rejects: what it spans, and what it is where it holds no events.

use serde::{Serialize, Serializer};

use crate::ingest::inputs::BrokenLinks;
use crate::ingest::looks::LooksLike;
use crate::ingest::reject::Reject;
use crate::model::limits::MAX_KEYS_MET;
use crate::model::time::Time;

/// What is noted of a chunk, or of all chunks of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How often a namespace was spelled in several ways on one event, with different values, and a spelling gave way.
    pub spellings: u64,
    /// Segments and traits that were left out: too long, too many, nested too deep, or none that can be one.
    pub profiles_cut: u64,
    /// The times of the earliest and the latest event.
    #[serde(serialize_with = "span_in_writing")]
    pub span: Option<(Time, Time)>,
    /// Rejected lines that may be half written: without a line end at the end of their source, they are read again when it has grown.
    #[serde(skip)]
    pub unfinished: u64,
    /// Links in folders of logs that were skipped, since they lead nowhere.
    pub broken_links: BrokenLinks,
    /// The first rejected line.
    #[serde(rename = "first_rejected")]
    pub first_reject: Option<FirstReject>,
    /// What the first rejected line shows the log to be.
    #[serde(skip)]
    pub looks_like: Option<LooksLike>,
    /// Keys of rejected objects, as they were met: at most [`MAX_KEYS_MET`].
    #[serde(skip)]
    pub keys: Vec<String>,
    /// The first key of a rejected object that holds a list of objects: the object may be wrapped around events.
    #[serde(skip)]
    pub wrapper: Option<String>,
}

/// The first rejected line of the sources. As JSON it has the names that a line of `--rejects` has, but for the line itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstReject {
    /// The source; empty in what is noted of a chunk.
    pub source: String,
    /// Which line of it, from 1; in what is noted of a chunk, which of the chunk.
    pub line_number: u64,
    /// Why it was rejected.
    #[serde(flatten)]
    pub reject: Reject,
}

impl FirstReject {
    /// Of a chunk, by its number there, from 0.
    pub(super) fn in_chunk(number: u64, reject: Reject) -> Self {
        Self { source: String::new(), line_number: number + 1, reject }
    }
}

impl Tally {
    /// Notes the time of an event.
    #[inline(always)]
    pub(super) fn at(&mut self, time: Time) {
        self.span = Some(match self.span {
            None => (time, time),
            Some((first, last)) => (first.min(time), last.max(time)),
        });
    }

    /// Notes a key of a rejected object; false when there is no room for more.
    pub(super) fn key(&mut self, key: &str) -> bool {
        let room = self.keys.len() < MAX_KEYS_MET;
        if room && !self.keys.iter().any(|known| known == key) {
            self.keys.push(key.to_owned());
        }
        room
    }

    /// Notes a key of a rejected object that holds a list of objects.
    pub(super) fn wraps(&mut self, key: &str) {
        self.wrapper.get_or_insert_with(|| key.to_owned());
    }

    /// Adds what was noted of the next chunk, which is of `source`, `lines` of which come before.
    pub fn merge(&mut self, next: &Self, source: &str, lines: u64) {
        self.spellings += next.spellings;
        self.profiles_cut += next.profiles_cut;
        self.unfinished += next.unfinished;
        if let Some((first, last)) = next.span {
            self.at(first);
            self.at(last);
        }
        if let (None, Some(first)) = (&self.first_reject, &next.first_reject) {
            let (source, line_number) = (source.to_owned(), lines + first.line_number);
            self.first_reject = Some(FirstReject { source, line_number, ..first.clone() });
        }
        self.looks_like = self.looks_like.or(next.looks_like);
        self.wrapper = self.wrapper.take().or_else(|| next.wrapper.clone());
        for key in &next.keys {
            self.key(key);
        }
    }
}

/// As `{"first":…,"last":…}`, in RFC 3339.
fn span_in_writing<S: Serializer>(span: &Option<(Time, Time)>, to: S) -> Result<S::Ok, S::Error> {
    let Some((first, last)) = span else { return to.serialize_none() };
    to.collect_map([("first", first.to_string()), ("last", last.to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::reject::Reason;

    #[test]
    fn what_is_noted_adds_up_and_is_bounded() {
        let time = Time::from_micros;
        let first = |number, why: &str| Some(FirstReject::in_chunk(number, Reject::new(Reason::NoTimestamp, why)));
        let mut all = Tally { keys: vec!["ts".into()], ..Tally::default() };
        let chunk = Tally {
            spellings: 2,
            profiles_cut: 3,
            unfinished: 1,
            broken_links: BrokenLinks::default(),
            span: Some((time(5), time(7))),
            looks_like: Some(LooksLike::Xz),
            keys: ["userId".into(), "ts".into()].into(),
            first_reject: first(2, "a"),
            wrapper: Some("items".into()),
        };
        all.merge(&chunk, "log", 10);
        let next = Tally { looks_like: Some(LooksLike::Csv), span: Some((time(-1), time(6))), ..chunk.clone() };
        all.merge(&next, "log", 20);
        assert_eq!((all.spellings, all.profiles_cut, all.unfinished), (4, 6, 2));
        assert_eq!((all.span, all.looks_like), (Some((time(-1), time(7))), Some(LooksLike::Xz)));
        assert_eq!(all.keys, ["ts", "userId"]);
        all.merge(&Tally { wrapper: Some("others".into()), ..Tally::default() }, "log", 30);
        assert_eq!(all.wrapper.as_deref(), Some("items"));
        all.merge(&Tally { first_reject: first(0, "b"), ..Tally::default() }, "other", 0);
        let FirstReject { source, line_number, reject } = all.first_reject.as_ref().unwrap();
        assert_eq!((&**source, *line_number, &*reject.detail), ("log", 13, "a"));
        all.merge(&Tally { keys: (0..1_000).map(|key| key.to_string()).collect(), ..Tally::default() }, "log", 40);
        assert_eq!(all.keys.len(), MAX_KEYS_MET);
    }
}
