//! What a line says: by the decoder, and by the oracle, which is built on another JSON parser. `fuzz/` compares them as well.

use std::collections::BTreeMap;

use backstitch::ingest::chunk::Chunk;
use backstitch::ingest::decode::Decoder;
use backstitch::model::event::EventId;
use backstitch::{Fields, Junk, Levels, Namespaces, Time};

use crate::oracle::{Outcome, Rules, Tag, judge};

/// Levels of lists and objects that a line may have: as many as serde_json reads into a value.
const MAX_DEPTH: usize = 127;

/// What is compared: microseconds, the id or the hash of the line, identities in their order; or the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Blank,
    Event(i64, String, Vec<String>),
    Rejected(&'static str),
}

/// By the decoder: all lines together.
pub fn decoded(lines: &[Vec<u8>]) -> Vec<Said> {
    let mut namespaces = Namespaces::new(Levels::default());
    let mut found = vec![Said::Blank; lines.len()];
    let mut named = BTreeMap::new();
    let chunk = Chunk::whole(lines.iter().flat_map(|line| [&line[..], b"\n"].concat()).collect::<Vec<u8>>());
    let of_all_times = Fields::default().not_before(Time::from_micros(i64::MIN)).not_after(Time::from_micros(i64::MAX));
    Decoder::new(&Junk::default(), &of_all_times).chunk(
        &chunk,
        &mut namespaces,
        &mut Default::default(),
        &mut |line| {
            let number = line.number as usize;
            match line.outcome {
                Err(reject) => found[number] = Said::Rejected(reject.reason.word()),
                Ok(event) => {
                    let id = match event.id {
                        EventId::Line(hash) => format!("line {hash:032x}"),
                        EventId::Uuid(_) | EventId::Text(_) => event.id.written().expect("an id"),
                    };
                    let identities = event.identities.iter().map(|(name, value)| (*name, value.to_string()));
                    named.insert(number, (event.time.as_micros(), id, identities.collect::<Vec<_>>()));
                }
            }
        },
    );
    for (number, (time, id, identities)) in named {
        let name = |(name, value)| format!("{}:{value}", namespaces.display(name));
        found[number] = Said::Event(time, id, identities.into_iter().map(name).collect());
    }
    found
}

/// By the oracle.
pub fn judged(line: &[u8]) -> Said {
    let Ok(text) = std::str::from_utf8(line) else { return Said::Rejected("malformed") };
    let mut verdict = judge(&Rules::default(), &[(String::new(), vec![text])]);
    match verdict.outcomes.remove(0).remove(0) {
        Outcome::Blank => Said::Blank,
        // It skips what it does not look at, however deep that is.
        Outcome::Accepted(_) | Outcome::Duplicate(_) if depth(line) > MAX_DEPTH => Said::Rejected("malformed"),
        Outcome::Rejected(_) if depth(line) > MAX_DEPTH => Said::Rejected("malformed"),
        Outcome::Accepted(event) | Outcome::Duplicate(event) => {
            let id = match &event.tag {
                Tag::Line(hash) => format!("line {hash:032x}"),
                Tag::Id(text) => text.clone(),
            };
            Said::Event(event.time, id, event.ids.iter().map(ToString::to_string).collect())
        }
        Outcome::Rejected(reason) => Said::Rejected(reason),
    }
}

/// How deep lists and objects lie in each other.
fn depth(line: &[u8]) -> usize {
    let (mut depth, mut most, mut in_text, mut escaped) = (0usize, 0, false, false);
    for byte in line {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (true | false, _) => {}
        }
        most = most.max(depth);
    }
    most
}
