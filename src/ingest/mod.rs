//! How do bytes become events?
//!
//! Floor 1: knows the model alone. From the outside in: [`inputs`] finds the sources that the arguments name,
//! [`reader`] cuts one into chunks of whole lines, plain or compressed, and knows a source again by its position;
//! [`decode`] turns the lines of a chunk into activities and rejects, any number of chunks at once.
//!
//! Decoding reads only what identity needs and has its own JSON scanner, because that is where a replay spends its time:
//! `benches/decode.rs` holds it against `serde_json` with a visitor that ignores all else.

pub mod chunk;
pub mod decode;
pub mod error;
mod fields;
pub mod inputs;
pub mod junk;
pub mod layout;
mod marks;
pub mod position;
pub mod reader;
pub mod reject;
mod scan;
mod stamp;

#[cfg(test)]
mod layout_tests;
#[cfg(test)]
mod reader_tests;
#[cfg(test)]
mod tests;
