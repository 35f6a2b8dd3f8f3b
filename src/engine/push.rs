//! Events that a program has decoded itself, with a position of its own: one commit holds both.

use serde::Serialize;

use crate::engine::batch::decoded::DecodedChunk;
use crate::engine::batch::{Batch, Room};
use crate::engine::commit::{Committed, Committer};
use crate::engine::error::EngineError;
use crate::engine::source;
use crate::ingest::decode::Decoder;
use crate::ingest::fields::Fields;
use crate::ingest::junk::JunkCounts;
use crate::ingest::reject::Reject;
use crate::ingest::tally::Tally;
use crate::model::activity::Activity;
use crate::model::barred::Refused;
use crate::model::error::Error;
use crate::model::limits::MAX_POSITION_BYTES;
use crate::model::source::{Source, SourceId};
use crate::model::writing::is_zero;

/// What became of the activities of a [push](crate::engine::Engine::push).
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Pushed {
    /// Events that no one delivered before.
    pub accepted: u64,
    /// Events delivered before.
    pub duplicate: u64,
    /// Events that were not taken in because an identity that they carry was erased; left out as JSON where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub erased: u64,
    /// Events that were not taken in because an identity that they carry opted out; left out as JSON where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub suppressed: u64,
    /// The activities that were rejected, in their order.
    pub rejected: Vec<RejectedActivity>,
    /// Identity values that were ignored.
    pub junk: JunkCounts,
    /// How often a namespace was spelled in several ways on one activity, with different values, and a spelling gave way.
    pub spellings: u64,
    /// Segments and traits that were left out: too long, too many, or nested too deep.
    pub profiles_cut: u64,
}

/// An activity that was rejected, and why. As JSON it has `index`, `reason` and `detail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedActivity {
    /// Its place among those that were pushed, from 0.
    pub index: usize,
    /// Why.
    #[serde(flatten)]
    pub reject: Reject,
}

impl Committer<'_> {
    /// Commits activities together with the position of the source that they come from.
    pub fn push(
        &mut self,
        name: &str,
        activities: impl IntoIterator<Item = Activity>,
        position: &str,
    ) -> Result<Pushed, Error> {
        source::check_name(name)?;
        let name = &*self.store.barred().source_name(name);
        if position.len() > MAX_POSITION_BYTES {
            return Err(EngineError::Position { bytes: position.len() }.into());
        }
        let decoder = Decoder::new(&self.store.settings().junk, &Fields::default()).with_profiles(true);
        let mut chunk = DecodedChunk::new(self.resolver.read().graph().namespaces().clone());
        let rejected = chunk.take(&decoder, activities);
        let last = self.resolver.read();
        let (id, read) = match source::find(last.sources(), name) {
            Some((id, source)) => (id, source.position.clone()),
            None => (SourceId(last.sources().len() as u32), None),
        };
        let mut batch = Batch::new(last.graph(), Room::new());
        let Refused { erased, suppressed } = batch.absorb(last.graph(), &chunk, id, self.store.barred())?;
        let pushed = Some(position.to_owned());
        batch.read(id, Source { name: name.to_owned(), position: read, pushed, retracted: false });
        // Nobody may hold the graph that the commit is to change.
        drop(last);
        let Committed { accepted, duplicate, .. } = self.commit(batch, None)?;
        let rejected = rejected.into_iter().map(|(index, reject)| RejectedActivity { index, reject }).collect();
        let Tally { spellings, profiles_cut, .. } = chunk.tally;
        let junk = chunk.junk;
        Ok(Pushed { accepted, duplicate, erased, suppressed, rejected, junk, spellings, profiles_cut })
    }
}
