//! Tests of the package itself: its sources, its manifests, its public face. All that runs is tested by `tests/it`.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it expects by panicking")]

mod circles; // no circle of imports inside a folder
mod dependencies; // where dependencies come from, and the advisories that are let pass
mod face; // the public face: its names, and that the command uses no other
mod floors; // rules that prose cannot hold
