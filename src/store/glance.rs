//! A look at a block of events that does not decode it: whom it names, and which texts it holds.
//!
//! What is erased stands in a few blocks of thousands. To tell that a block holds none of it takes the columns of anchors, sets and texts, in
//! which everything stands once; and a block without any of it is written again by new numbers in these columns alone.
#![deny(clippy::indexing_slicing)]

use hashbrown::HashSet;
use rayon::prelude::*;

use crate::model::event::{Event, EventId};
use crate::model::identity::IdentityId;
use crate::store::block::{self, BlockKey};
use crate::store::codec::{self, Bytes};
use crate::store::column::{self, ColumnReader};
use crate::store::decoded::DecodedEvents;
use crate::store::error::StoreError;
use crate::store::events::{EncodedSets, EventBlock, EventBody, LINE, TEXT, UUID, decode_body, kind_of};
use crate::store::profiles::EncodedProfiles;
use crate::store::run::{self, Run};
use crate::store::scan::{Events, read_block};

/// A block of events, of which nothing is decoded yet.
pub struct Glance<'a> {
    body: EventBody<'a>,
    profiles: Option<EncodedProfiles<'a>>,
}

/// What is asked of a block.
pub type Look<'a> = &'a (dyn Fn(&Glance<'_>) -> bool + Sync);

/// Blocks of events, by the number of their run and their place in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundBlocks(HashSet<(u32, usize)>);

impl FoundBlocks {
    /// Whether a block is among them.
    pub(crate) fn has(&self, run: &Run, block: usize) -> bool {
        self.0.contains(&(run.number, block))
    }
}

impl<'a> Glance<'a> {
    fn of(body: &'a [u8]) -> Result<Self, String> {
        let (body, profiles) = decode_body(body)?;
        Ok(Self { body, profiles })
    }

    /// Whether an anchor, or a companion of any event, is one that is wanted; also where its columns cannot be read: to decode it tells so.
    pub fn names(&self, is_wanted: impl Fn(IdentityId) -> bool) -> bool {
        self.find_named(is_wanted).unwrap_or(true)
    }

    fn find_named(&self, is_wanted: impl Fn(IdentityId) -> bool) -> Option<bool> {
        let (mut anchors, mut anchor) = (ColumnReader::new(self.body.anchors.0), 0_u32);
        while !anchors.is_done() {
            anchor = anchor.checked_add(anchors.u32()?)?;
            if is_wanted(IdentityId(anchor)) {
                return Some(true);
            }
        }
        let mut sets = ColumnReader::new(self.body.companions.sets.0);
        while !sets.is_done() {
            for _ in 0..sets.u64()? {
                if is_wanted(IdentityId(sets.u32()?)) {
                    return Some(true);
                }
            }
        }
        Some(false)
    }

    /// Whether the `id` of any event is one that is wanted, or any list of segments or object of traits; likewise.
    pub fn tells(&self, id: impl Fn(EventId<'_>) -> bool, profile: impl Fn(&str) -> bool) -> bool {
        self.find_told(id, profile).unwrap_or(true)
    }

    fn find_told(&self, id: impl Fn(EventId<'_>) -> bool, profile: impl Fn(&str) -> bool) -> Option<bool> {
        if let Some(profiles) = &self.profiles {
            let (mut lengths, mut texts) = (ColumnReader::new(profiles.lengths.0), ColumnReader::new(profiles.texts.0));
            while !lengths.is_done() {
                if profile(text(&mut texts, lengths.u64()?)?) {
                    return Some(true);
                }
            }
        }
        let (mut sorts, mut lengths) = (ColumnReader::new(self.body.sorts.0), ColumnReader::new(self.body.lengths.0));
        let (mut fixed, mut texts) = (ColumnReader::new(self.body.fixed.0), ColumnReader::new(self.body.texts.0));
        while !sorts.is_done() {
            let (sort, count) = (sorts.u64()?, sorts.u64()?);
            for _ in 0..count {
                let told = match sort {
                    // The hash of a line tells nothing.
                    LINE => fixed.take(16).map(|_| false)?,
                    UUID => id(EventId::Uuid(fixed.take(16)?.try_into().ok()?)),
                    TEXT => id(EventId::Text(text(&mut texts, lengths.u64()?)?)),
                    _ => return None,
                };
                if told {
                    return Some(true);
                }
            }
        }
        Some(false)
    }

    /// The block by other numbers for its identities, which keep their order and go to no higher ones; `None` where one has none any more.
    fn renumbered(self, number: impl Fn(IdentityId) -> Option<IdentityId>) -> Option<EventBlock> {
        let mut old = ColumnReader::new(self.body.anchors.0);
        let (mut anchor, mut anchors) = (0_u32, Vec::with_capacity(self.body.anchors.0.len()));
        let (mut first, mut last) = (None, IdentityId(0));
        while !old.is_done() {
            anchor = anchor.checked_add(old.u32()?)?;
            let new = number(IdentityId(anchor))?;
            column::put_step(&mut anchors, new.0, first.map(|_| last.0));
            first.get_or_insert(new);
            last = new;
        }
        let mut old = ColumnReader::new(self.body.companions.sets.0);
        let mut sets = Vec::with_capacity(self.body.companions.sets.0.len());
        while !old.is_done() {
            let members = old.u64()?;
            column::put(&mut sets, members);
            for _ in 0..members {
                column::put(&mut sets, u64::from(number(IdentityId(old.u32()?))?.0));
            }
        }
        let companions = EncodedSets { sets: Bytes(&sets), runs: self.body.companions.runs };
        let body = EventBody { anchors: Bytes(&anchors), companions, ..self.body };
        let (mut block, events) = (block::blank(), body.events);
        match self.profiles {
            None => codec::encode(&body, &mut block),
            Some(profiles) => codec::encode(&(body, profiles), &mut block),
        }
        .ok()?;
        block.shrink_to_fit();
        Some(EventBlock { first: first?, last, events, block })
    }
}

fn text<'a>(texts: &mut ColumnReader<'a>, length: u64) -> Option<&'a str> {
    simdutf8::basic::from_utf8(texts.take(usize::try_from(length).ok()?)?).ok()
}

/// A block of a run by other numbers for its identities.
pub(crate) fn renumbered(
    events: &Events,
    run: &Run,
    block: usize,
    number: impl Fn(IdentityId) -> Option<IdentityId>,
) -> Result<EventBlock, StoreError> {
    let key = key(run, block);
    run::read(&*events.backend, key, run.generation, |body| {
        let glance = Glance::of(body)?;
        let slot = run.slots().get(block);
        if slot.is_none_or(|slot| slot.events != glance.body.events) {
            return Err("it is not what the directory says".into());
        }
        glance.renumbered(number).ok_or_else(|| "its identities cannot be read".into())
    })
}

fn key(run: &Run, block: usize) -> BlockKey {
    BlockKey { kind: kind_of(run), run: run.number, index: block as u32 }
}

impl Events {
    /// Looks at every block, in parallel, and decodes those alone in which `look` finds anything: `each` is shown their events, one by one
    /// as the blocks have them, and gathers. Gives the blocks, and what each thread gathered.
    ///
    /// An event of several runs, or of several profile parts, is shown for each.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub(crate) fn sift<G: Default + Send>(
        &self,
        look: Look<'_>,
        each: impl Fn(IdentityId, &Event<'_>, &mut G) + Sync,
    ) -> Result<(FoundBlocks, Vec<G>), StoreError> {
        let places = self.runs.iter().flat_map(|run| (0..run.slots().len()).map(move |block| (run, block)));
        let places: Vec<(&Run, usize)> = places.collect();
        let part = |places: &[(&Run, usize)]| {
            let (mut found, mut gathered, mut rows) = (Vec::new(), G::default(), DecodedEvents::default());
            for &(run, block) in places {
                if !self.is_found(run, block, look)? {
                    continue;
                }
                found.push((run.number, block));
                rows.clear();
                read_block(&*self.backend, run, block, self.known, &mut rows)?;
                rows.each().for_each(|(anchor, event)| each(anchor, &event, &mut gathered));
            }
            Ok((found, gathered))
        };
        let parts: Result<Vec<(Vec<_>, G)>, StoreError> = places.par_chunks(BLOCKS_A_TASK).map(part).collect();
        let (found, gathered): (Vec<_>, Vec<G>) = parts?.into_iter().unzip();
        Ok((FoundBlocks(found.into_iter().flatten().collect()), gathered))
    }

    fn is_found(&self, run: &Run, block: usize, look: Look<'_>) -> Result<bool, StoreError> {
        run::read(&*self.backend, key(run, block), run.generation, |body| Ok(look(&Glance::of(body)?)))
    }
}

/// Blocks that one task looks at: about a millisecond, well above the cost of handing out a task.
const BLOCKS_A_TASK: usize = 128;
