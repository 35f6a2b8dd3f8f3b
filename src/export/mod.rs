//! How does the answer leave? Rows to NDJSON and CSV, a log with its people written in, and pictures.
//!
//! Floor 3. Writes to any [`std::io::Write`]; files, names and renaming are the caller's business.

mod attribute;
#[cfg(feature = "csv")]
mod columns;
#[cfg(feature = "picture")]
pub mod picture;
mod rows;

pub use attribute::{Attribute, Exported};
pub use rows::RowFormat;
