//! Single rows, read from the disk by the indexes of their runs: for one question, which need not load everything.
//!
//! Each look-up costs a handful of blocks in each run: logarithmic in their number. A question has a budget of blocks, so that none costs
//! more than loading everything would.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::counting::Recount;
use crate::model::identity::{IdentityId, Value};
use crate::model::limits::MAX_BLOCKS_A_QUESTION;
use crate::model::link::{Link, Seen, Unlink};
use crate::model::namespace::NamespaceId;
use crate::model::source::{Source, SourceId};
use crate::store::block::{BlockKey, BlockKind};
use crate::store::error::StoreError;
use crate::store::index::{self, IndexRow, IndexSort, STARTS, Starts};
use crate::store::kinds::identities;
use crate::store::kinds::recounts::StoredRecount;
use crate::store::load::{numbered, table};
use crate::store::open::Store;
use crate::store::run::Run;
use crate::store::table::{self, TableRow};

/// That a question is to be answered from everything: a run has no index, a block cannot be read, or it would take too many. Whatever is
/// wrong, loading everything meets it again, and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered;

impl From<StoreError> for Unanswered {
    fn from(_: StoreError) -> Self {
        Self
    }
}

/// An identity as it is stored.
pub type StoredIdentity = (NamespaceId, String);

type Blocks<T> = HashMap<BlockKey, Arc<T>>;

/// Reads single rows of a store.
#[derive(Debug)]
pub struct PointReader<'s> {
    store: &'s Store,
    /// How many more blocks may be read.
    left: u32,
    identities: Blocks<Vec<StoredIdentity>>,
    starts: Blocks<Starts>,
    index: Blocks<Vec<IndexRow>>,
    links: Blocks<Vec<Link>>,
    seen: Blocks<Vec<(IdentityId, Seen)>>,
}

impl<'s> PointReader<'s> {
    /// One that may read [`MAX_BLOCKS_A_QUESTION`] blocks.
    ///
    /// # Errors
    /// When a run has no index.
    pub fn new(store: &'s Store) -> Result<Self, Unanswered> {
        let held = store.ledger.manifest();
        let has_index = |kind: BlockKind| held.of(kind).all(|run| index::is_indexed(run));
        if !has_index(identities::SPEC.kind) || !has_index(Link::KIND) {
            return Err(Unanswered);
        }
        Ok(Self {
            store,
            left: MAX_BLOCKS_A_QUESTION,
            identities: HashMap::new(),
            starts: HashMap::new(),
            index: HashMap::new(),
            links: HashMap::new(),
            seen: HashMap::new(),
        })
    }

    /// The id of an identity; `None` where the store holds no such.
    pub fn find(&mut self, namespace: NamespaceId, value: &str) -> Result<Option<IdentityId>, Unanswered> {
        let mut before = 0_u64;
        for run in self.runs(identities::SPEC.kind) {
            let starts = self.starts(&run, 0)?;
            let bits = index::hash_bits(run.rows);
            let key = index::kept_bits(index::hash(starts.seed, namespace, Value::new(value)), bits);
            let hashes = index::starts_blocks(&run)..run.directory;
            for block in self.places(&run, IndexSort::Hashes, hashes, key, Some(bits))? {
                let held = self.identities(&run, block)?;
                if let Some(at) = held.iter().position(|known| known.0 == namespace && known.1 == value) {
                    let id = before + u64::from(self.first_of(&run, block)?) + at as u64;
                    let is_held = id < self.store.ledger.manifest().totals.identities;
                    return u32::try_from(id).ok().filter(|_| is_held).map(|id| Some(IdentityId(id))).ok_or(Unanswered);
                }
            }
            before = before.checked_add(run.rows).ok_or(Unanswered)?;
        }
        Ok(None)
    }

    /// An identity in full.
    pub fn identity(&mut self, id: IdentityId) -> Result<StoredIdentity, Unanswered> {
        let mut place = id.0;
        for run in self.runs(identities::SPEC.kind) {
            if u64::from(place) >= run.rows {
                place -= run.rows as u32;
                continue;
            }
            // The part, then the block, that begins last of those that begin no later.
            let (mut low, mut high) = (0, index::starts_blocks(&run));
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                let begins = self.starts(&run, middle)?.first.first().is_some_and(|&first| first <= place);
                (low, high) = if begins { (middle, high) } else { (low, middle) };
            }
            let part = self.starts(&run, low)?;
            let in_part = part.first.partition_point(|&first| first <= place).checked_sub(1).ok_or(Unanswered)?;
            let first = *part.first.get(in_part).ok_or(Unanswered)?;
            let block =
                low.checked_mul(STARTS).and_then(|block| block.checked_add(in_part as u32)).ok_or(Unanswered)?;
            let held = self.identities(&run, block)?;
            return held.get((place - first) as usize).cloned().ok_or(Unanswered);
        }
        Err(Unanswered)
    }

    /// When an identity was seen.
    pub fn seen(&mut self, id: IdentityId) -> Result<Seen, Unanswered> {
        // Of several rows the latest counts.
        for run in self.runs(<(IdentityId, Seen)>::KIND).into_iter().rev() {
            let reaches = |rows: &[(IdentityId, Seen)]| rows.last().is_some_and(|row| row.0 >= id);
            let block = self.first_block(&run, |reader, run, at| Ok(reaches(&reader.seen_block(run, at)?)))?;
            if block < run.blocks {
                let rows = self.seen_block(&run, block)?;
                if let Some(row) = rows.binary_search_by_key(&id, |row| row.0).ok().and_then(|at| rows.get(at)) {
                    return Ok(row.1);
                }
            }
        }
        Err(Unanswered)
    }

    /// The links in which an identity is the lower end.
    pub fn links_above(&mut self, lower: IdentityId) -> Result<Vec<Link>, Unanswered> {
        let mut found: BTreeMap<IdentityId, Link> = BTreeMap::new();
        for run in self.runs(Link::KIND) {
            let reaches = |rows: &[Link]| rows.last().is_some_and(|row| row.lower >= lower);
            let first = self.first_block(&run, |reader, run, at| Ok(reaches(&reader.link_block(run, at)?)))?;
            for at in first..run.blocks {
                let rows = self.link_block(&run, at)?;
                let from = rows.partition_point(|row| row.lower < lower);
                let own = rows.iter().skip(from).take_while(|row| row.lower == lower);
                // Of several rows the latest counts.
                found.extend(own.map(|&row| (row.higher, row)));
                if rows.last().is_none_or(|row| row.lower > lower) {
                    break;
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// The lower ends of the links in which an identity is the higher one.
    pub fn lower_ends(&mut self, higher: IdentityId) -> Result<BTreeSet<IdentityId>, Unanswered> {
        let mut found = BTreeSet::new();
        for run in self.runs(Link::KIND) {
            let ends = self.places(&run, IndexSort::Ends, 0..run.directory, higher.0, None)?;
            found.extend(ends.into_iter().map(IdentityId));
            // Each of them is to be looked at.
            if found.len() > self.left as usize {
                return Err(Unanswered);
            }
        }
        Ok(found)
    }

    /// The pairs whose link counts as never seen.
    pub fn unlinks(&mut self) -> Result<Vec<Unlink>, Unanswered> {
        self.take_table(Unlink::KIND)?;
        let rows = table::<Unlink>(self.store.backend(), self.store.ledger.manifest()).collect()?;
        Ok(rows.into_iter().filter(|unlink| unlink.stands).collect())
    }

    /// What identities count as about which that was decided.
    pub fn recounts(&mut self) -> Result<Vec<Recount>, Unanswered> {
        self.take_table(StoredRecount::KIND)?;
        Ok(self.store.recounts_by(u64::MAX)?)
    }

    /// The sources, by id.
    pub fn sources(&mut self) -> Result<Vec<Source>, Unanswered> {
        type Row = (SourceId, Source);
        self.take_table(<Row as TableRow>::KIND)?;
        let held = self.store.ledger.manifest();
        let split = |row: Row| (u64::from(row.0.0), row.1);
        Ok(numbered::<Row, _>(self.store.backend(), held, held.totals.sources, split)?)
    }

    fn runs(&self, kind: BlockKind) -> Vec<Run> {
        self.store.ledger.manifest().of(kind).cloned().collect()
    }

    fn take(&mut self, blocks: u32) -> Result<(), Unanswered> {
        self.left = self.left.checked_sub(blocks).ok_or(Unanswered)?;
        Ok(())
    }

    /// Takes the blocks of a whole table from the budget.
    fn take_table(&mut self, kind: BlockKind) -> Result<(), Unanswered> {
        let blocks = self.runs(kind).iter().fold(0_u32, |sum, run| sum.saturating_add(run.blocks));
        self.take(blocks)
    }

    /// The first block of a run for which `reaches` is true, as it is for all after it; the number of blocks where there is none.
    fn first_block(
        &mut self,
        run: &Run,
        mut reaches: impl FnMut(&mut Self, &Run, u32) -> Result<bool, Unanswered>,
    ) -> Result<u32, Unanswered> {
        let (mut low, mut high) = (0, run.blocks);
        while low < high {
            let middle = low + (high - low) / 2;
            (low, high) = if reaches(self, run, middle)? { (low, middle) } else { (middle + 1, high) };
        }
        Ok(low)
    }

    /// What an index says of a key. Where the keys are hashes of so many bits, the place of one is nearly told by itself.
    fn places(
        &mut self,
        run: &Run,
        sort: IndexSort,
        blocks: std::ops::Range<u32>,
        key: u32,
        bits: Option<u32>,
    ) -> Result<Vec<u32>, Unanswered> {
        let (mut low, mut high) = (blocks.start, blocks.end);
        if low > high {
            return Err(Unanswered);
        }
        let mut guess = bits.map(|bits| {
            let share = (u64::from(key) * u64::from(high - low)) >> bits;
            low + share as u32
        });
        // Twice the distance from the guess at each step, until the block lies between two that were looked at.
        let mut step = 1;
        while low < high {
            let middle = guess.take().filter(|guess| (low..high).contains(guess)).unwrap_or(low + (high - low) / 2);
            let rows = self.index_block(run, sort, middle)?;
            let reaches = rows.last().is_some_and(|row| row.0 >= key);
            let begins_before = rows.first().is_some_and(|row| row.0 < key);
            if reaches && begins_before {
                (low, high) = (middle, middle);
            } else if reaches {
                high = middle;
                guess = bits.and_then(|_| middle.checked_sub(step));
            } else {
                low = middle + 1;
                guess = bits.and_then(|_| middle.checked_add(step));
            }
            step = step.saturating_mul(2);
        }
        let mut found = Vec::new();
        for at in low..blocks.end {
            let rows = self.index_block(run, sort, at)?;
            let from = rows.partition_point(|row| row.0 < key);
            found.extend(rows.iter().skip(from).take_while(|row| row.0 == key).map(|row| row.1));
            if rows.last().is_none_or(|row| row.0 > key) {
                break;
            }
        }
        Ok(found)
    }

    /// The place in its run of the first identity of a block.
    fn first_of(&mut self, run: &Run, block: u32) -> Result<u32, Unanswered> {
        let part = self.starts(run, block / STARTS)?;
        part.first.get((block % STARTS) as usize).copied().ok_or(Unanswered)
    }

    fn starts(&mut self, run: &Run, part: u32) -> Result<Arc<Starts>, Unanswered> {
        let key = run.index_key(part);
        if let Some(known) = self.starts.get(&key) {
            return Ok(Arc::clone(known));
        }
        self.take(1)?;
        let read = Arc::new(Starts::read(self.store.backend(), run, part)?);
        self.starts.insert(key, Arc::clone(&read));
        Ok(read)
    }

    fn identities(&mut self, run: &Run, block: u32) -> Result<Arc<Vec<StoredIdentity>>, Unanswered> {
        let key = BlockKey { kind: identities::SPEC.kind, run: run.number, index: block };
        if let Some(known) = self.identities.get(&key) {
            return Ok(Arc::clone(known));
        }
        self.take(1)?;
        let mut held = Vec::new();
        identities::read_block(self.store.backend(), run, block, &mut |namespace, value| {
            held.push((namespace, value.to_string()));
            Ok(())
        })?;
        let read = Arc::new(held);
        self.identities.insert(key, Arc::clone(&read));
        Ok(read)
    }

    fn index_block(&mut self, run: &Run, sort: IndexSort, index: u32) -> Result<Arc<Vec<IndexRow>>, Unanswered> {
        let key = run.index_key(index);
        if let Some(known) = self.index.get(&key) {
            return Ok(Arc::clone(known));
        }
        self.take(1)?;
        let read = Arc::new(sort.read_block(self.store.backend(), run, index)?);
        self.index.insert(key, Arc::clone(&read));
        Ok(read)
    }

    fn link_block(&mut self, run: &Run, index: u32) -> Result<Arc<Vec<Link>>, Unanswered> {
        let key = BlockKey { kind: Link::KIND, run: run.number, index };
        if let Some(known) = self.links.get(&key) {
            return Ok(Arc::clone(known));
        }
        self.take(1)?;
        let read = Arc::new(table::read_block::<Link>(self.store.backend(), run, index)?);
        self.links.insert(key, Arc::clone(&read));
        Ok(read)
    }

    fn seen_block(&mut self, run: &Run, index: u32) -> Result<Arc<Vec<(IdentityId, Seen)>>, Unanswered> {
        let key = BlockKey { kind: <(IdentityId, Seen)>::KIND, run: run.number, index };
        if let Some(known) = self.seen.get(&key) {
            return Ok(Arc::clone(known));
        }
        self.take(1)?;
        let read = Arc::new(table::read_block::<(IdentityId, Seen)>(self.store.backend(), run, index)?);
        self.seen.insert(key, Arc::clone(&read));
        Ok(read)
    }
}
