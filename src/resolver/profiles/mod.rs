//! What is known of a person beside who they are: their segments and traits, as their events tell them.
//!
//! Segments and traits are facts of events, so a person's follow from the attribution of events, under every reading.

mod all;
mod fold;
mod person;
mod spill;
mod told;

pub use all::{ProfileRow, Profiles};
pub use person::{EarlierValue, Holder, Profile, ProfileValue};
