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
        self.kept()
    }

    /// How much there is in its graph; `None` as of [`totals`](Self::totals).
    ///
    /// # Errors
    /// As [`totals`](Self::totals).
    pub fn counts(&self) -> Result<Option<StoreCounts>, StoreError> {
        self.kept()
    }

    /// The only row of a kind that the last commit may have kept up.
    fn kept<R: TableRow + Default>(&self) -> Result<Option<R>, StoreError> {
        let held = self.ledger.manifest();
        if held.totals.identities == 0 {
            return Ok(Some(R::default()));
        }
        match table::<R>(self.backend(), held).collect() {
            Ok(mut rows) => Ok(rows.pop()),
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
            keep(transaction, Some(*totals))?;
            keep(transaction, Some(*counts))
        })
    }
}

/// Puts the only row of a kind in the place of the one that the last commit left; without any, it is to be counted.
pub(super) fn keep<R: TableRow>(transaction: &mut Transaction, row: Option<R>) -> Result<(), StoreError> {
    transaction.retire(|run| run.kind == R::KIND.number());
    row.map_or(Ok(()), |row| transaction.write_table(vec![row]))
}
