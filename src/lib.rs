//! An embedded identity-stitching engine.
#![forbid(unsafe_code)]

pub mod model;
