//! The command `backstitch`.
fn main() {}
