//! The limits beyond which a store sets identities aside.

use crate::model::counting::Limits;
use crate::store::error::StoreError;
use crate::store::kinds::limits::StoredLimits;
use crate::store::load::table;
use crate::store::open::Store;

impl Store {
    /// The limits that stand; none where nothing is set aside by itself.
    ///
    /// # Errors
    /// When a block is damaged or cannot be read.
    pub fn limits(&self) -> Result<Option<Limits>, StoreError> {
        let rows = table::<StoredLimits>(self.backend(), self.ledger.manifest()).collect()?;
        Ok(rows.last().and_then(|row| row.limits))
    }

    /// Lets limits stand, or none, durably. Does nothing where they stand already.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn set_limits(&mut self, limits: Option<Limits>) -> Result<(), StoreError> {
        if self.limits()? == limits {
            return Ok(());
        }
        self.ledger.transact(|transaction| {
            let generation = transaction.next().generation;
            transaction.write_table(vec![StoredLimits { generation, limits }])
        })
    }
}
