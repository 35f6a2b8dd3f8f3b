//! Does the store still hold what follows from its events, and what if not?

pub mod derive;
pub mod repair;
pub mod verify;
