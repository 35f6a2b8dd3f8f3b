//! What did commits change, for a reader who follows along?

pub mod change;
pub mod handle;
