//! Adding to the identities whose events are not taken in.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use crate::model::barred::BAR_BYTES;
use crate::model::history::Overwritten;
use crate::model::identity::Value;
use crate::model::time::Time;
use crate::store::barred::{BarKey, BarRow, Barred, OptOut, hash};
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

    /// The key that new hashes are made with, and its row where it is drawn only now.
    fn own_key(&self) -> Result<(BarKey, Option<BarRow>), StoreError> {
        if let Some(key) = self.barred.keys.first() {
            return Ok((*key, None));
        }
        let key = BarKey(draw::<BAR_BYTES>()?);
        Ok((key, Some(BarRow::Key(0, key))))
    }
}
