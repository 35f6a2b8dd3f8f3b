//! The totals that commits keep up, and the counts of the graph.

use crate::model::totals::{StoreCounts, Totals};
use crate::store::error::StoreError;
use crate::store::load::table;
use crate::store::open::Store;
use crate::store::table::TableRow;
use crate::store::transaction::Transaction;

impl Store {
    /// What the store holds, counted under the default reading; `None` where the last commit did not tell, or what it told cannot be
    /// read: then it is to be counted.
    ///
    /// # Errors
    /// When the backend fails otherwise.
    pub fn totals(&self) -> Result<Option<Totals>, StoreError> {
        let held = self.ledger.manifest();
        if held.totals.identities == 0 {
            return Ok(Some(Totals::default()));
        }
        match table::<Totals>(self.backend(), held).collect() {
            Ok(rows) => Ok(rows.last().copied()),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How much there is in its graph; `None` as of [`totals`](Self::totals).
    ///
    /// # Errors
    /// As [`totals`](Self::totals).
    pub fn counts(&self) -> Result<Option<StoreCounts>, StoreError> {
        let held = self.ledger.manifest();
        if held.totals.identities == 0 {
            return Ok(Some(StoreCounts::default()));
        }
        match table::<StoreCounts>(self.backend(), held).collect() {
            Ok(rows) => Ok(rows.last().copied()),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps totals and counts that were counted, durably. Does nothing where they are kept already.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn keep_totals(&mut self, totals: &Totals, counts: &StoreCounts) -> Result<(), StoreError> {
        if self.totals()?.as_ref() == Some(totals) && self.counts()?.as_ref() == Some(counts) {
            return Ok(());
        }
        self.ledger.transact(|transaction| {
            write(transaction, Some(totals))?;
            write_counts(transaction, Some(counts))
        })
    }
}

/// Puts counts in the place of those that the last commit left; without any, they are to be counted.
pub(super) fn write_counts(transaction: &mut Transaction, counts: Option<&StoreCounts>) -> Result<(), StoreError> {
    transaction.retire(|run| run.kind == StoreCounts::KIND.number());
    counts.map_or(Ok(()), |&counts| transaction.write_table(vec![counts]))
}

/// Puts totals in the place of those that the last commit left; without any, they are to be counted.
pub(super) fn write(transaction: &mut Transaction, totals: Option<&Totals>) -> Result<(), StoreError> {
    transaction.retire(|run| run.kind == Totals::KIND.number());
    totals.map_or(Ok(()), |&totals| transaction.write_table(vec![totals]))
}
