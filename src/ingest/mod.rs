//! How do bytes become events?
//!
//! Floor 1: knows the model alone. From the outside in: [`inputs`] finds the sources that the arguments name,
//! [`reader`] cuts one into chunks of whole lines, plain or compressed, and knows a source again by its position;
//! [`decode`] turns the lines of a chunk into activities and rejects, and [`pipeline`] lets many threads do so with
//! the chunks of a log, and gives what they made in its order. What a program has decoded itself comes in by `activities`. How a format is read and
//! written is in one place for each ([`format`](mod@format)): JSON in `json/`.
//!
//! What is read here comes from outside: nothing is indexed by it, which a lint holds.
#![deny(clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::string_slice))]

mod activities;
mod bounds;
pub mod chunk;
pub mod decode;
pub mod error;
pub mod fields;
pub mod format;
pub mod identities;
pub mod inputs;
mod json;
pub mod junk;
pub mod looks;
mod moment;
pub mod patient;
pub mod pipeline;
pub mod position;
pub mod profiles;
pub mod progress;
pub mod reader;
pub mod reject;
pub mod tally;

#[cfg(test)]
mod pipeline_tests;
#[cfg(all(feature = "gzip", feature = "zstd"))]
#[cfg(test)]
mod reader_tests;
