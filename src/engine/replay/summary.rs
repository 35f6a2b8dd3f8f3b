//! What a replay reports.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::batch::decoded::DecodedChunk;
use crate::engine::quarantine::CrowdedRow;
use crate::ingest::junk::JunkCounts;
use crate::ingest::tally::Tally;
use crate::model::barred::Refused;
use crate::model::error::Error;
use crate::model::writing::is_zero;
use crate::resolver::Totals;

/// Lines of a replay. `read` is the sum of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct EventCounts {
    /// Lines that were read, blank ones left out.
    pub read: u64,
    /// Events that no one delivered before.
    pub accepted: u64,
    /// Events delivered before.
    pub duplicate: u64,
    /// Lines that are no events.
    pub rejected: u64,
    /// Events that were not taken in because an identity that they carry was erased; left out as JSON where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub erased: u64,
    /// Events that were not taken in because an identity that they carry opted out; left out as JSON where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub suppressed: u64,
}

/// Sources of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SourceCounts {
    /// Read, in whole or from where the last replay ended.
    pub read: u64,
    /// Skipped, since they hold nothing new.
    pub skipped: u64,
}

/// What a replay did, and what the store holds afterwards. As JSON its names are those of `replay --json`.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// The lines of this replay.
    pub events: EventCounts,
    /// The whole store after the replay.
    #[serde(flatten)]
    pub totals: Totals,
    /// Wall time.
    pub seconds: f64,
    /// Bytes of the log that were decoded, after decompression.
    pub bytes: u64,
    /// Rejected lines by reason.
    #[serde(rename = "rejected_by_reason")]
    pub rejects: BTreeMap<&'static str, u64>,
    /// Identity values that were ignored.
    pub junk: JunkCounts,
    /// What else was noted of the log: what its events span, and what it is where it holds none.
    #[serde(flatten)]
    pub tally: Tally,
    /// The sources of this replay.
    pub sources: SourceCounts,
    /// Sources that could not be read (any further), with the reason.
    pub failed: Vec<Error>,
    /// Whether it was stopped before the end. What it had read is committed; the same replay goes on from there.
    pub stopped: bool,
    /// Sources that were not read, because they were read with other [fields](crate::ingest::fields::Fields) before, and delivered
    /// events: with these, the same lines would be other events. [Retract](crate::engine::Engine::retract) such a source, or
    /// [force](crate::engine::Replay::force) it.
    pub other_fields: Vec<String>,
    /// Files that hold something else than when they delivered events before: cut, written over, or another file under the
    /// name. They were read from their start, and the events of their old version stay, unless they are
    /// [retracted](crate::engine::Engine::retract) first.
    pub edited: Vec<String>,
    /// The identities that meet the most of those over the limits of the store, or over the default ones: at most
    /// twenty. Left out as JSON where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crowded: Vec<CrowdedRow>,
}

/// Identities over the limits that a summary tells. `Engine::crowded` tells all.
pub(crate) const CROWDED_TOLD: usize = 20;

impl Summary {
    /// Whether lines were read, and none is an event; one that may be half written is left out of account.
    pub fn all_rejected(&self) -> bool {
        self.events.rejected == self.events.read && self.events.rejected > self.tally.unfinished
    }

    /// Adds the lines of a chunk of `source`, `lines` of which come before. Which of its events are new is known only when its batch is settled.
    pub(crate) fn absorb(&mut self, chunk: &DecodedChunk, refused: Refused, source: &str, lines: u64) {
        self.events.erased += refused.erased;
        self.events.suppressed += refused.suppressed;
        let rejected: u64 = chunk.rejected.values().sum();
        self.events.read += chunk.rows.all.len() as u64 + rejected;
        self.events.rejected += rejected;
        for (reason, count) in &chunk.rejected {
            *self.rejects.entry(reason).or_default() += count;
        }
        self.tally.merge(&chunk.tally, source, lines);
        self.junk.merge(&chunk.junk);
        self.bytes += chunk.bytes;
    }
}
