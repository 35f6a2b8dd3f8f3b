//! A backend that fails when told to, and shows what a crash would have left. For tests, this crate's and others'.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::backend::{Backend, Entry, FillBackend, MemoryBackend};
use crate::store::error::{BackendError, StoreError};

/// Which of the writes since the last sync a crash keeps.
#[derive(Debug, Clone, Copy)]
pub enum Survivors {
    /// None of them.
    None,
    /// All of them.
    All,
    /// The first so many.
    First(usize),
    /// Each or not, and each whole or torn, as the seed has it.
    Random(u64),
}

/// Holds everything in memory, keeps what was synced apart from what was not, and fails for good from the
/// `n`-th write on (an entry put, a key deleted and a sync are a write each).
#[derive(Debug, Default)]
pub struct FaultyBackend {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    synced: BTreeMap<Vec<u8>, Vec<u8>>,
    current: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Writes since the last sync, deletions without a value.
    pending: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    writes: u64,
    fail_at: Option<u64>,
    /// Whether a sync is only said to be done.
    lies: bool,
}

impl State {
    fn write(&mut self) -> Result<(), BackendError> {
        if self.fail_at.is_some_and(|at| self.writes >= at) {
            return Err(BackendError::Failed("the disk has failed, as the test asked".into()));
        }
        self.writes += 1;
        Ok(())
    }
}

impl FaultyBackend {
    /// One that holds `entries`, synced, and never fails.
    pub fn holding(entries: BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        Self { state: Mutex::new(State { synced: entries.clone(), current: entries, ..State::default() }) }
    }

    /// Lets the next `writes` succeed, and none after them.
    pub fn fail_after(&self, writes: u64) {
        let mut state = self.state.lock();
        state.fail_at = Some(state.writes + writes);
    }

    /// Says from now on that it has synced, and has not.
    pub fn lie(&self) {
        self.state.lock().lies = true;
    }

    /// How many writes have succeeded.
    pub fn writes(&self) -> u64 {
        self.state.lock().writes
    }

    /// What would be left if the power went now.
    pub fn crash(&self, survivors: Survivors) -> MemoryBackend {
        let state = self.state.lock();
        let mut left = state.synced.clone();
        let mut random = match survivors {
            Survivors::Random(seed) => seed,
            _ => 0,
        };
        for (at, (key, value)) in state.pending.iter().enumerate() {
            let chance = splitmix(&mut random);
            let (kept, torn) = match survivors {
                Survivors::None => (false, false),
                Survivors::All => (true, false),
                Survivors::First(count) => (at < count, false),
                Survivors::Random(_) => (chance.is_multiple_of(2), chance.is_multiple_of(16)),
            };
            match value {
                _ if !kept => {}
                Some(value) => {
                    let cut = if torn { (chance >> 32) as usize % (value.len() + 1) } else { value.len() };
                    left.insert(key.clone(), value.iter().copied().take(cut).collect());
                }
                None => {
                    left.remove(key);
                }
            }
        }
        MemoryBackend::holding(left)
    }
}

/// The next number of a splitmix64 sequence: chance that can be repeated.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Backend for FaultyBackend {
    fn name(&self) -> String {
        "faulty".into()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.state.lock().current.get(key).cloned())
    }

    fn put(&self, entries: Vec<Entry>) -> Result<(), BackendError> {
        let mut state = self.state.lock();
        for (key, value) in entries {
            state.write()?;
            state.current.insert(key.clone(), value.clone());
            state.pending.push((key, Some(value)));
        }
        Ok(())
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Result<(), BackendError> {
        let mut state = self.state.lock();
        for key in keys {
            state.write()?;
            state.current.remove(key);
            state.pending.push((key.clone(), None));
        }
        Ok(())
    }

    fn keys(&self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, BackendError> {
        let state = self.state.lock();
        Ok(state.current.range(from.to_vec()..).map(|(key, _)| key.clone()).take_while(|key| &key[..] < to).collect())
    }

    fn sync(&self) -> Result<(), BackendError> {
        let mut state = self.state.lock();
        state.write()?;
        if !state.lies {
            state.synced = state.current.clone();
            state.pending.clear();
        }
        Ok(())
    }

    fn bytes_on_disk(&self) -> Result<u64, BackendError> {
        Ok(0)
    }

    /// In its place, and in one write: what the disk does of it is tried by killing processes.
    fn replace(&self, fill: FillBackend<'_>) -> Result<Arc<dyn Backend>, StoreError> {
        let next = Arc::new(MemoryBackend::default());
        fill(Arc::<MemoryBackend>::clone(&next))?;
        self.state.lock().write()?;
        let state = State { synced: next.entries(), current: next.entries(), ..State::default() };
        Ok(Arc::new(Self { state: Mutex::new(state) }))
    }
}
