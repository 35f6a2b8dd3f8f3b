//! What did a commit change, for a reader who follows along?

pub mod changes;
pub mod records;
