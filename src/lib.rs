//! backstitch is an identity-stitching engine: it replays event logs, links every session ID to the customer it was
//! first seen with, gives the events that came before that login to the same person, keeps the graph in an
//! embedded store, and answers [`resolve`](resolver::Resolver::resolve) from memory.
//!
//! ```
//! use backstitch::engine::Engine;
//!
//! # fn main() -> backstitch::engine::Result<()> {
//! let mut engine = Engine::in_memory(); // or Engine::open(path)?
//! let summary = engine.replay(["fixtures/journeys.ndjson"])?;
//! assert!(summary.totals.attribution.retroactive > 0);
//!
//! let resolver = engine.resolver(); // Clone + Send + Sync: one for every thread
//! let anna = resolver.resolve("sess-anna-phone").expect("the log has that session");
//! assert_eq!(anna.person.to_string(), "ecommerceId:anna");
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//! Data goes one way, and a module imports only from floors below its own; a test holds that.
//!
//! | floor | module | its question |
//! |---|---|---|
//! | 0 | [`model`] | what are the words? |
//! | 1 | [`ingest`] | how do bytes become events? |
//! | 1 | [`graph`] | who is the same person? |
//! | 1 | [`store`] | what survives a crash? |
//! | 1 | `generate` | what does a shop's log look like? |
//! | 2 | [`resolver`] | who is this session? |
//! | 3 | [`engine`] | how does a batch become durable? |
//! | 3 | [`export`] | how does the answer leave? |
//!
//! The command `backstitch` stands on top of it (floor 4) and uses this public face alone. The feature `cli`, on by
//! default, brings it; a library user switches the default off, and adds what is needed of the rest:
//!
//! | feature | what it adds |
//! |---|---|
//! | `gzip`, `zstd` | sources compressed with them |
//! | `csv` | rows as CSV |
//! | `picture` | people as pictures: SVG, and the language of Graphviz |
//! | `generate` | the generator of logs |
//!
//! The result of a replay is a function of the *set* of events: not of their order, of files, batches, threads,
//! restarts, or of how often the log is replayed. [`Totals::digest`](resolver::Totals::digest) shows it: equal facts, equal digest.
//!
//! Facts are stored, and read in many ways: [`View::under`](resolver::View::under) takes a policy, a lookback, a moment. Each
//! commit tells what it [changed](engine::Engine::changes), what was [known](engine::Engine::known_at) before it can be had
//! again, and a link or events can be taken back ([`unlink`](engine::Engine::unlink), [`retract`](engine::Engine::retract)).
//!
//! # What to expect
//! - **Errors** are values, and their texts name the file or store and the remedy. A panic over what a log or a store
//!   holds is a defect. Ids ([`IdentityId`](model::identity::IdentityId), [`LinkId`](graph::links::LinkId), …) are places
//!   in the table that gave them: one of another graph panics as an index would.
//! - **Times** are microseconds since the Unix epoch ([`Time`](model::time::Time)), sizes are bytes, and each says so where it stands.
//! - **Cost**: `resolve` reads memory alone; rows, events and totals read the store. Memory grows with identities and links, not with events.
//! - **Limits** are constants with their reasons, in [`model::limits`].
#![forbid(unsafe_code)]

pub mod engine;
pub mod export;
#[cfg(feature = "generate")]
pub mod generate;
pub mod graph;
pub mod ingest;
pub mod model;
pub mod resolver;
pub mod store;

/// The Rust of the README and of the library's page, compiled and run with the doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/library.md")]
struct Pages;
