//! Identities whose events are not taken in: what is asked of them.
//!
//! They are known by keyed hashes (BLAKE3, of the namespace in lower case, a colon, and the value). So a store knows an identity again
//! that it must not hold, and what lies in it does not tell which that is: only who has the key, which lies beside it, can test a
//! value that he knows already.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use crate::model::barred::{BarHash, IdentityBar};
use crate::model::event::EventId;
use crate::model::identity::{IdentityId, Value};
use crate::model::limits::MAX_BAR_KEYS;
use crate::model::time::Time;

pub use crate::store::kinds::barred::{BarKey, BarRow, OptOut, Tombstone};

/// The identities of a store whose events are not taken in.
#[derive(Debug, Clone, Default)]
pub struct Barred {
    /// The store's own first.
    pub(super) keys: Vec<BarKey>,
    tombstones: HashMap<BarHash, Tombstone>,
    /// By act and identity.
    pub(super) opt_outs: BTreeMap<(u64, BarHash), OptOut>,
    texts: HashSet<BarHash>,
    /// Links that were cut, each by the number of the erasure, and whether they are still.
    cuts: BTreeMap<(u64, IdentityId, IdentityId), bool>,
    /// What counts, by identity.
    bars: HashMap<BarHash, BarCounts>,
}

/// What counts of an identity.
#[derive(Debug, Clone, Copy, Default)]
struct BarCounts {
    erased_until: Option<Time>,
    /// Acts of opting out.
    opt_outs: u32,
}

impl BarCounts {
    fn bar(self) -> IdentityBar {
        IdentityBar { erased_until: self.erased_until, opted_out: self.opt_outs > 0 }
    }
}

impl Barred {
    /// Those of some rows, of each key the latest.
    pub(crate) fn of(rows: impl IntoIterator<Item = BarRow>) -> Self {
        let mut this = Self::default();
        this.take(rows);
        this
    }

    /// Whether events of every identity are taken in: then nothing need be asked.
    pub fn is_empty(&self) -> bool {
        self.bars.is_empty()
    }

    /// What keeps events of an identity from being taken in. A hash for each key; `namespace` is in lower case.
    pub fn bar(&self, namespace: &str, value: Value<'_>) -> IdentityBar {
        if self.is_empty() {
            return IdentityBar::default();
        }
        let found = self.hashes(namespace, value).filter_map(|hash| self.bars.get(&hash));
        found.fold(IdentityBar::default(), |bar, other| bar.and(other.bar()))
    }

    /// The hashes of an identity, by the store's own key first.
    pub fn hashes<'s>(&'s self, namespace: &'s str, value: Value<'s>) -> impl Iterator<Item = BarHash> + 's {
        self.keys.iter().map(move |key| hash(key, namespace, value))
    }

    /// The acts of opting out that stand: by number, the hashes of all identities that each was for, and when.
    pub fn opt_outs(&self) -> impl Iterator<Item = (u64, BarHash, Time)> {
        let standing = self.opt_outs.iter().filter(|(_, opt_out)| opt_out.stands);
        standing.map(|(&(act, hash), opt_out)| (act, hash, opt_out.at))
    }

    /// The rows that say all that stands.
    pub fn rows(&self) -> impl Iterator<Item = BarRow> {
        let keys = (0..).zip(&self.keys).map(|(number, &key)| BarRow::Key(number, key));
        let tombstones = self.tombstones.iter().filter(|(_, tombstone)| tombstone.stands);
        let tombstones = tombstones.map(|(&hash, &tombstone)| BarRow::Tombstone(hash, tombstone));
        let opt_outs = self.opt_outs.iter().filter(|(_, opt_out)| opt_out.stands);
        let opt_outs = opt_outs.map(|(&(act, hash), &opt_out)| BarRow::OptOut(act, hash, opt_out));
        keys.chain(tombstones).chain(opt_outs).chain(self.texts.iter().copied().map(BarRow::Text))
    }

    /// The links that were cut by erasures of which no tombstone stands any more.
    pub fn healed(&self) -> Vec<(u64, IdentityId, IdentityId)> {
        let standing: HashSet<u64> = self.tombstones().map(|(_, tombstone)| tombstone.act).collect();
        let cuts = || self.cuts.iter().filter(|(_, stands)| **stands).map(|(&cut, _)| cut);
        // An erasure that became another's left its cuts there under both numbers.
        let held: HashSet<(IdentityId, IdentityId)> =
            cuts().filter(|(act, ..)| standing.contains(act)).map(|(_, lower, higher)| (lower, higher)).collect();
        cuts().filter(|(act, lower, higher)| !standing.contains(act) && !held.contains(&(*lower, *higher))).collect()
    }

    /// The rows that let the erasures of these hashes, and what was cut by them, be of another number: one that erases again what was erased.
    pub fn moved_to(&self, act: u64, hashes: &HashSet<BarHash>) -> Vec<BarRow> {
        let again = self.tombstones().filter(|(hash, _)| hashes.contains(hash));
        let acts: HashSet<u64> = again.map(|(_, tombstone)| tombstone.act).collect();
        let others =
            self.tombstones().filter(|(hash, tombstone)| acts.contains(&tombstone.act) && !hashes.contains(hash));
        let others = others.map(|(hash, tombstone)| BarRow::Tombstone(hash, Tombstone { act, ..tombstone }));
        let cuts = self.cuts.iter().filter(|(cut, stands)| **stands && acts.contains(&cut.0));
        others.chain(cuts.map(|(&(_, lower, higher), _)| BarRow::Cut(act, lower, higher, true))).collect()
    }

    /// Whether a mark takes the place of any text.
    pub fn hides_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    /// The hash that stands for a text which told the value of an erased identity; `None` of any other. A hash for each key.
    pub fn hidden(&self, text: &str) -> Option<BarHash> {
        if self.texts.is_empty() {
            return None;
        }
        self.keys.iter().map(|key| hash_text(key, text)).find(|hash| self.texts.contains(hash))
    }

    /// The name that a source is stored under.
    pub fn source_name(&self, name: &str) -> String {
        self.hidden(name).map_or_else(|| name.to_owned(), BarHash::source_name)
    }

    /// The id that an event is stored with.
    pub fn event_id<'i>(&self, id: EventId<'i>) -> EventId<'i> {
        let hash = match (self.texts.is_empty(), id) {
            (true, _) | (_, EventId::Line(_)) => None,
            (false, EventId::Text(text)) => self.hidden(text),
            (false, EventId::Uuid(bytes)) => self.hidden(&Value::Uuid(bytes).to_string()),
        };
        match hash {
            Some(hash) => hash.event_id(),
            None => id,
        }
    }

    /// What stands for an id that tells the value of an erased identity, also where no event is stored with it; `None` before the first erasure.
    pub fn mark(&self, id: &str) -> Option<EventId<'static>> {
        let first = || self.keys.first().map(|key| hash_text(key, id));
        self.hidden(id).or_else(first).map(BarHash::event_id)
    }

    /// The identities that were erased, and may not come again: the hash of each, up to when, and when that was.
    pub fn tombstones(&self) -> impl Iterator<Item = (BarHash, Tombstone)> {
        self.tombstones.iter().filter(|(_, tombstone)| tombstone.stands).map(|(&hash, &tombstone)| (hash, tombstone))
    }

    /// The rows that another store's rows add to these: what is known here stays as it is.
    ///
    /// # Errors
    /// When there would be more keys than [`MAX_BAR_KEYS`].
    pub fn missing(&self, rows: &[BarRow]) -> Result<Vec<BarRow>, String> {
        let mut keys = self.keys.clone();
        let mut missing = Vec::new();
        for row in rows {
            match *row {
                BarRow::Key(_, key) if !keys.contains(&key) => {
                    missing.push(BarRow::Key(keys.len() as u32, key));
                    keys.push(key);
                }
                BarRow::Tombstone(hash, _) if !self.tombstones.contains_key(&hash) => missing.push(*row),
                BarRow::OptOut(act, hash, _) if !self.opt_outs.contains_key(&(act, hash)) => missing.push(*row),
                BarRow::Text(hash) if !self.texts.contains(&hash) => missing.push(*row),
                BarRow::Key(..) | BarRow::Tombstone(..) | BarRow::OptOut(..) | BarRow::Text(_) | BarRow::Cut(..) => {}
            }
        }
        match keys.len() > MAX_BAR_KEYS {
            true => Err(format!("the store would have more than {MAX_BAR_KEYS} keys of barred identities")),
            false => Ok(missing),
        }
    }

    /// Takes rows in that were committed.
    pub(crate) fn take(&mut self, rows: impl IntoIterator<Item = BarRow>) {
        for row in rows {
            match row {
                BarRow::Key(_, key) => self.keys.push(key),
                BarRow::Tombstone(hash, tombstone) => {
                    self.tombstones.insert(hash, tombstone);
                    self.change(hash, |standing| {
                        standing.erased_until = tombstone.stands.then_some(tombstone.until);
                    });
                }
                BarRow::Text(hash) => drop(self.texts.insert(hash)),
                BarRow::Cut(act, lower, higher, stands) => drop(self.cuts.insert((act, lower, higher), stands)),
                BarRow::OptOut(act, hash, opt_out) => {
                    let before = self.opt_outs.insert((act, hash), opt_out).is_some_and(|before| before.stands);
                    self.change(hash, |standing| {
                        standing.opt_outs = standing.opt_outs + u32::from(opt_out.stands) - u32::from(before);
                    });
                }
            }
        }
    }

    fn change(&mut self, hash: BarHash, change: impl FnOnce(&mut BarCounts)) {
        let standing = self.bars.entry(hash).or_default();
        change(standing);
        if standing.bar().is_none() {
            self.bars.remove(&hash);
        }
    }
}

/// The hash of an identity; `namespace` is in lower case.
pub(crate) fn hash(key: &BarKey, namespace: &str, value: Value<'_>) -> BarHash {
    let mut room = [0; 36];
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(namespace.as_bytes()).update(b":").update(value.text_into(&mut room).as_bytes());
    BarHash(*hasher.finalize().as_bytes())
}

/// The hash of a text that may tell an identity: no namespace is blank, so it is that of no identity.
pub fn hash_text(key: &BarKey, text: &str) -> BarHash {
    hash(key, "", Value::Text(text))
}
