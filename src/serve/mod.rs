//! How do activities come in over the network, and how is the store asked there? The collector.
//!
//! An activity that is accepted is appended to a log of the collector's own (`log/`), which is synced before the answer goes
//! out. A thread follows that log into the store (`follow.rs`), so that questions (`http/`) see it within a second. The log is the
//! truth: the store can be rebuilt from it by a replay, digest for digest.

mod activities;
pub mod collector;
mod error;
mod explorer;
mod follow;
mod http;
mod keys;
pub mod limits;
pub mod log;
mod metrics;
mod open_files;
mod segment;
mod snowplow;
