//! An embedded identity-stitching engine.
#![forbid(unsafe_code)]

pub mod generate;
pub mod graph;
pub mod ingest;
pub mod model;
pub mod store;
