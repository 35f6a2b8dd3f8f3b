//! What can be asked and sent over HTTP.

mod ask;
pub mod body;
mod collect;
mod cors;
mod decide;
mod explore;
mod gate;
mod intake;
pub mod listen;
mod probes;
mod refusal;
pub mod routes;
pub mod shared;
mod stream;
mod vendors;
