//! Adding to the identities whose events are not taken in.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use crate::model::barred::{BAR_BYTES, BarHash};
use crate::model::history::Overwritten;
use crate::model::identity::Value;
use crate::model::link::Unlink;
use crate::model::time::Time;
use crate::store::barred::{BarKey, BarRow, Barred, OptOut, Tombstone, hash};
use crate::store::compact::compact;
use crate::store::error::StoreError;
use crate::store::feed;
use crate::store::open::Store;
use crate::store::table::TableRow;

/// Draws bytes from the operating system.
fn draw<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Invalid(format!("no random number can be had: {error}")))?;
    Ok(bytes)
}

/// An identity in lower case and the value.
pub type Named<'a> = (&'a str, Value<'a>);

impl Store {
    /// The identities whose events are not taken in.
    pub fn barred(&self) -> &Arc<Barred> {
        &self.barred
    }

    /// Lets these identities count as opted out, in one act, durably.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), or when the system gives no random numbers.
    pub fn opt_out(&mut self, identities: &[Named<'_>]) -> Result<(), StoreError> {
        let (key, new) = self.own_key()?;
        let act = u64::from_le_bytes(draw()?);
        self.bar(|at| {
            let opt_out = OptOut { at, stands: true };
            let rows = identities.iter().map(|&(name, value)| BarRow::OptOut(act, hash(&key, name, value), opt_out));
            rows.chain(new).collect()
        })
    }

    /// Takes acts of opting out back, durably.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn opt_in(&mut self, acts: &[u64]) -> Result<(), StoreError> {
        let of_acts = self.barred.opt_outs.iter().filter(|((act, _), _)| acts.contains(act));
        let rows: Vec<BarRow> = of_acts
            .map(|(&(act, hash), &opt_out)| BarRow::OptOut(act, hash, OptOut { stands: false, ..opt_out }))
            .collect();
        self.bar(|_| rows)
    }

    /// Adds rows, durably.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn bar(&mut self, rows: impl FnOnce(Time) -> Vec<BarRow>) -> Result<(), StoreError> {
        let rows = self.ledger.transact(|transaction| {
            compact(transaction)?;
            let mut rows = rows(transaction.next().at);
            rows.sort_unstable_by_key(TableRow::key);
            transaction.write_table(rows.clone())?;
            feed::write(transaction, &[], &Overwritten::default())?;
            Ok(rows)
        })?;
        Arc::make_mut(&mut self.barred).take(rows);
        Ok(())
    }

    /// The key that new hashes are made with: drawn where there is none yet, and a store's own once a row of it is committed.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn key(&self) -> Result<BarKey, StoreError> {
        Ok(self.own_key()?.0)
    }

    /// The rows that erase identities up to and including a moment, beside those that there are: of two bounds the later counts.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn bars_of(
        &self,
        key: &BarKey,
        identities: &[Named<'_>],
        cuts: &[Unlink],
        (until, at): (Time, Time),
    ) -> Result<Vec<BarRow>, StoreError> {
        let act = u64::from_le_bytes(draw()?);
        let tombstone = |&(name, value): &Named<'_>| {
            let hash = hash(key, name, value);
            let before = self.barred.bar(name, value).erased_until;
            BarRow::Tombstone(
                hash,
                Tombstone { act, until: before.map_or(until, |before| before.max(until)), at, stands: true },
            )
        };
        let new = self.barred.keys.is_empty().then_some(BarRow::Key(0, *key));
        let tombstones = identities.iter().map(tombstone);
        let hashes = identities.iter().flat_map(|&(name, value)| self.barred.hashes(name, value)).collect();
        let before = self.barred.moved_to(act, &hashes);
        let cuts = cuts.iter().map(|cut| BarRow::Cut(act, cut.lower, cut.higher, true));
        Ok(new.into_iter().chain(tombstones).chain(before).chain(cuts).collect())
    }

    /// Takes the tombstones of an identity back, durably; says whether there were any.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn lift(&mut self, name: &str, value: Value<'_>) -> Result<bool, StoreError> {
        let hashes: Vec<BarHash> = self.barred.hashes(name, value).collect();
        let of_it = self.barred.tombstones().filter(|(hash, _)| hashes.contains(hash));
        let rows: Vec<BarRow> =
            of_it.map(|(hash, tombstone)| BarRow::Tombstone(hash, Tombstone { stands: false, ..tombstone })).collect();
        if rows.is_empty() {
            return Ok(false);
        }
        self.bar(|_| rows)?;
        Ok(true)
    }

    /// The key that new hashes are made with, and its row where it is drawn only now.
    fn own_key(&self) -> Result<(BarKey, Option<BarRow>), StoreError> {
        if let Some(key) = self.barred.keys.first() {
            return Ok((*key, None));
        }
        let key = BarKey(draw::<BAR_BYTES>()?);
        Ok((key, Some(BarRow::Key(0, key))))
    }
}
