//! How does the answer leave? Rows to NDJSON, CSV and Parquet, a log with its people written in, the line that an event is,
//! and pictures.
//!
//! Floor 3. Rows are written to any [`std::io::Write`]; a table that is kept up to date is a file.

mod attribute;
#[cfg(feature = "csv")]
mod columns;
mod locate;
mod new_file;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "picture")]
pub mod picture;
mod rows;
mod table;

pub use attribute::{Attribute, Exported};
pub use locate::{Locate, Located, LocatedEvent, LogLine};
pub use new_file::NewFile;
pub use rows::RowFormat;
pub use table::{SessionTable, TableUpdate};
