//! What are the words? Identities and their levels, events, links, people, policies, times, limits.
//!
//! Floor 0: imports nothing of this crate. No I/O, no clock, no randomness but the seed of hash tables, on which no answer
//! depends.

pub mod activity;
pub mod barred;
pub mod counting;
pub mod digest;
pub mod error;
pub mod event;
pub mod history;
pub mod identity;
pub mod limits;
pub mod link;
pub mod namespace;
pub mod person;
pub(crate) mod places;
pub mod policy;
pub mod profile;
pub mod seed;
pub mod seen;
pub(crate) mod sets;
pub mod settings;
pub mod source;
pub(crate) mod texts;
pub mod time;
pub mod totals;
pub mod when;
pub(crate) mod writing;
