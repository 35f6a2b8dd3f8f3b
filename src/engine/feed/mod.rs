//! What did a commit change, for a reader who follows along?

pub mod change;
pub mod changes;
pub mod handle;
