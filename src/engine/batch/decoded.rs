//! What one thread makes of one chunk of a log.

use std::collections::{BTreeMap, HashMap};

use smallvec::SmallVec;

use crate::engine::batch::profiles::SpelledProfiles;
use crate::engine::batch::rows::{BatchRows, Carried};
use crate::graph::interner::Interner;
use crate::ingest::chunk::Chunk;
use crate::ingest::decode::Decoder;
use crate::ingest::junk::JunkCounts;
use crate::ingest::pipeline::BufferedChunk;
use crate::ingest::reject::Reject;
use crate::ingest::tally::Tally;
use crate::model::activity::Activity;
use crate::model::event::DecodedEvent;
use crate::model::identity::IdentityId;
use crate::model::limits::MAX_REJECT_BYTES;
use crate::model::namespace::{NamespaceId, Namespaces};
use crate::model::source::{SourceId, Within};

/// What one thread makes of one chunk: its events over identities of its own, and the lines that are none.
pub struct DecodedChunk {
    /// Those it was given, and the ones it met.
    pub namespaces: Namespaces,
    /// The identities that its rows speak of.
    pub identities: Interner,
    /// Its events; their source is filled in later.
    pub rows: BatchRows,
    /// How many lines are no events, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// These lines, where somebody wants them: a chunk of garbage has two million.
    pub rejects: Vec<RejectedLine>,
    /// Identity values that were ignored.
    pub junk: JunkCounts,
    /// What else was noted.
    pub tally: Tally,
    /// Lines of the chunk.
    pub lines: u64,
    /// Where in the source it ends.
    pub consumed: u64,
    /// What that place stands in.
    pub within: Within,
    /// Bytes of the chunk.
    pub bytes: u64,
    /// How segments and traits were spelled.
    spelled: SpelledProfiles,
    /// By row, how many segments and traits were left out of it, where some were.
    cut: HashMap<u32, u64>,
    /// The chunk itself, where it may have to be decoded once more, or so many of its lines are rejected that fewer chunks are to be read ahead.
    pub kept: Option<BufferedChunk>,
}

/// A line that is no event.
pub struct RejectedLine {
    /// Its number within the chunk, from 0.
    pub number: u64,
    /// Why.
    pub reject: Reject,
    /// The line, cut at [`MAX_REJECT_BYTES`].
    pub text: Vec<u8>,
}

impl DecodedChunk {
    /// A chunk of nothing, among whose identities will be those of `namespaces`.
    pub fn new(namespaces: Namespaces) -> Self {
        Self {
            namespaces,
            identities: Interner::new(),
            rows: BatchRows::new(),
            rejected: BTreeMap::new(),
            rejects: Vec::new(),
            junk: JunkCounts::default(),
            tally: Tally::default(),
            lines: 0,
            consumed: 0,
            within: Within::Lines,
            bytes: 0,
            spelled: SpelledProfiles::default(),
            cut: HashMap::new(),
            kept: None,
        }
    }

    /// Decodes `chunk`, in the room of what was decoded before: fresh memory would cost a tenth of a replay. Rejected lines are
    /// counted, and kept where they are `wanted`.
    pub fn decode(&mut self, decoder: &Decoder, chunk: &Chunk, wanted: bool) {
        self.clear();
        let Self { namespaces, identities, rows, rejected, rejects, junk, spelled, cut, .. } = self;
        let mut all_cut = 0;
        let decoded = decoder.chunk_inline(chunk, namespaces, junk, |line| match line.outcome {
            Ok(activity) => all_cut += push(identities, rows, spelled, cut, activity),
            Err(reject) => {
                *rejected.entry(reject.reason.word()).or_default() += 1;
                if !wanted {
                    return;
                }
                let text = line.text[..line.text.len().min(MAX_REJECT_BYTES)].to_vec();
                rejects.push(RejectedLine { number: line.number, reject, text });
            }
        });
        self.tally = Tally { profiles_cut: all_cut, ..decoded.tally };
        self.lines = decoded.lines;
        self.consumed = decoded.consumed;
        self.within = decoded.within;
        self.bytes = chunk.end - chunk.start;
    }

    /// Takes activities that a program decoded, and returns those that were rejected, by their index.
    pub fn take(&mut self, decoder: &Decoder, activities: impl IntoIterator<Item = Activity>) -> Vec<(usize, Reject)> {
        let Self { namespaces, identities, rows, junk, spelled, cut, .. } = self;
        let (mut rejected, mut all_cut) = (Vec::new(), 0);
        let tally = decoder.activities(activities, namespaces, junk, |number, outcome| match outcome {
            Ok(activity) => all_cut += push(identities, rows, spelled, cut, &activity),
            Err(reject) => rejected.push((number, reject)),
        });
        self.tally = Tally { profiles_cut: all_cut, ..tally };
        rejected
    }

    /// Forgets everything but the namespaces, which the next chunk is likely to name too.
    fn clear(&mut self) {
        self.identities.clear();
        self.rows.clear();
        self.rejected.clear();
        // Not their room: of a chunk of garbage it is a hundred times that of the chunk.
        self.rejects = Vec::new();
        self.spelled.clear();
        self.cut.clear();
        self.junk = JunkCounts::default();
    }
}

/// Adds an activity under its anchor: its session or, without one, its highest identity. Says how many of its segments and traits were
/// left out, which is noted in `cut`.
#[inline]
fn push(
    identities: &mut Interner,
    rows: &mut BatchRows,
    spelled: &mut SpelledProfiles,
    cut: &mut HashMap<u32, u64>,
    activity: &DecodedEvent<'_>,
) -> u64 {
    if let Some(earlier) = activity.recalled {
        let left_out = cut.get(&earlier).copied().unwrap_or(0);
        if left_out > 0 {
            cut.insert(rows.all.len() as u32, left_out);
        }
        rows.push_like(earlier, activity.time, &activity.id, SourceId(0));
        return left_out;
    }
    let ids: SmallVec<[IdentityId; 4]> =
        activity.identities.iter().map(|&(namespace, value)| identities.intern(namespace, value)).collect();
    let (anchor, companions) = if activity.identities[0].0 == NamespaceId::SESSION {
        (ids[0], &ids[1..])
    } else {
        (ids[ids.len() - 1], &ids[..ids.len() - 1])
    };
    let companions = rows.sets.intern(companions);
    let (profile, left_out) = spelled.part(&mut rows.profiles, activity.profile);
    if left_out > 0 {
        cut.insert(rows.all.len() as u32, left_out);
    }
    rows.push(Carried { anchor, companions, profile }, activity.time, &activity.id, SourceId(0));
    left_out
}
