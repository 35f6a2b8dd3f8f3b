//! backstitch is an embedded identity-stitching engine. It replays event logs, links every session ID to the customer it
//! was first seen with, gives the events before that login to the same person, and answers
//! [`resolve`](Resolver::resolve) from memory.
//!
//! ```no_run
//! use backstitch::{Engine, Policy};
//!
//! fn main() -> backstitch::Result<()> {
//!     let mut engine = Engine::open("people.store")?; // or Engine::options().unique("userId").between(["email"]).open(..)
//!     engine.replay(["logs/"])?; // or Replay::of(["logs/"]).threads(2)
//!     let people = engine.resolver(); // Clone + Send + Sync: one for every thread
//!     if let Some(found) = people.resolve("f49c75a2") {
//!         println!("{} since {:?}", found.person, found.since);
//!     }
//!     let rows = people.view().policy(Policy::LastLogin).sessions()?;
//!     println!("{} sessions", rows.len());
//!     Ok(())
//! }
//! ```
//!
//! # Where to look
//! - [`Engine`] opens a store, [replays](Engine::replay) logs into it, [ingests](Engine::ingest) streams, takes events that are
//!   [pushed](Engine::push), takes facts back ([`unlink`](Engine::unlink), [`retract`](Engine::retract)), leaves people out
//!   ([`opt_out`](Engine::opt_out), [`forget`](Engine::forget)) and checks it ([`verify`](Engine::verify), [`repair`](Engine::repair)).
//! - [`Resolver`] answers who a session is, in any thread, while replays go on. A [`View`] is one commit, whole, read by a
//!   [`Policy`], with a lookback, as of a moment: sessions, people, events, [profiles](Profile), explanations, totals.
//! - [`Feed`] lists what each commit [changed](Change), for a table that is kept elsewhere; [`Engine::known_at`] answers as
//!   the store did right after an earlier [commit](When).
//! - [`Attribute`] writes a log again with its people; [`Locate`] finds the line that an event is; `Picture` and `PersonPage`, with the feature `picture`, draw them.
//!
//! # What to expect
//! - **The result** is a function of the *set* of events: not of their order, of files, batches, threads, restarts, or of
//!   how often the log is replayed. [`Totals::digest`] shows it: equal facts, equal digest.
//! - **Errors** are values ([`Error`]), and name the file or the store. A panic over what a log or a store holds is a defect.
//! - **Times** are microseconds since the Unix epoch ([`Time`]), sizes are bytes, and each says so where it stands.
//! - **Cost**: `resolve` reads memory alone; rows, events and totals read the store. Memory grows with identities and links,
//!   not with events.
//! - **Rows and summaries** are `serde::Serialize`, with the names that the command prints with `--json`.
//!
//! # How it is built
//! Data goes one way, and a module imports only from floors below its own; a test holds that.
//!
//! | floor | module | its question |
//! |---|---|---|
//! | 0 | `model` | what are the words? |
//! | 1 | `ingest` | how do bytes become events? |
//! | 1 | `graph` | who is the same person? |
//! | 1 | `store` | what survives a crash? |
//! | 1 | `visitor` | who acts, as a shop's page knows it? |
//! | 2 | `generate` | what does a shop's log look like? |
//! | 2 | `resolver` | who is this session? |
//! | 3 | `engine` | how does a batch become durable? |
//! | 3 | `export` | how does the answer leave? |
//! | 4 | `serve` | how do activities come in over the network? |
//!
//! The command `backstitch` stands on top of it (floor 4) and uses the names of this page alone. The feature `cli`, on by
//! default, brings it; a library user switches the default off, and adds what is needed of the rest:
//!
//! | feature | what it adds |
//! |---|---|
//! | `gzip`, `zstd` | sources compressed with them |
//! | `csv` | rows as CSV |
//! | `parquet` | profiles as Parquet |
//! | `picture` | people as pictures: SVG, the language of Graphviz, and pages for a browser |
//! | `generate` | the generator of logs |
//! | `visitor` | what the web SDK does for a page: visitors who make activities |
//! | `serve` | the collector: activities over HTTP |
#![forbid(unsafe_code)]

// Modules are hidden: their insides change as the engine grows. What stays is named below.
#[doc(hidden)]
pub mod engine;
#[doc(hidden)]
pub mod export;
#[doc(hidden)]
#[cfg(feature = "generate")]
pub mod generate;
#[doc(hidden)]
pub mod graph;
#[doc(hidden)]
pub mod ingest;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod resolver;
#[doc(hidden)]
#[cfg(feature = "serve")]
pub mod serve;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
#[cfg(feature = "visitor")]
pub mod visitor;

// The engine: opening a store, replaying logs into it, taking back, checking.
pub use engine::{Consent, Forget, Forgotten, Pushed, Repaired, Retract, Undone, Verification};
pub use engine::{Engine, Options, Replay, StoreReader, Summary};
pub use ingest::progress::Progress;
pub use ingest::reject::{Reason, Reject};

// Questions: who is who, in one commit, read in one way.
pub use model::policy::{Lookback, Policy, Reading};
pub use resolver::{KnownAt, Resolver, View};

// The change feed.
pub use model::history::{FeedPosition, Sequence};
pub use model::when::When;
pub use resolver::{Change, Changes, Feed};

// Who is it?
pub use resolver::{Resolution, Resolutions, Totals};

// What is known of them beside that.
pub use model::profile::{ProfileRule, ProfileRules};
pub use resolver::{Profile, Profiles};

/// The rows that questions are answered with, and the parts of rows and summaries. A caller seldom needs their names.
pub mod rows {
    pub use crate::engine::{CommitRow, CrowdedRow};
    pub use crate::engine::{EventCounts, FactCounts, Imported, RejectedActivity, SourceCounts};
    pub use crate::engine::{OptOutRow, TombstoneRow};
    pub use crate::export::{Exported, TableUpdate};
    pub use crate::export::{Located, LocatedEvent, LogLine};
    #[cfg(feature = "generate")]
    pub use crate::generate::Generated;
    pub use crate::ingest::inputs::BrokenLinks;
    pub use crate::ingest::junk::JunkCounts;
    pub use crate::ingest::looks::LooksLike;
    pub use crate::ingest::tally::{FirstReject, Tally};
    pub use crate::resolver::{AttributionCounts, GraphCounts};
    pub use crate::resolver::{CommonIdentity, DuplicateRow, RelatedRow, Shares, Tie};
    pub use crate::resolver::{DiffRow, EventRow, MemberRow, PersonRow, SessionRow};
    pub use crate::resolver::{EarlierValue, Holder, ProfileRow, ProfileValue};
    pub use crate::resolver::{Evidence, Explanation, Obstacle, OwnerRow, PairExplanation, Party, WitnessRow};
    pub use crate::resolver::{IdentityRef, ResolutionRef};
    pub use crate::resolver::{Logins, PolicyShare, PolicyShares, SharedRow};
    #[cfg(feature = "serve")]
    pub use crate::serve::log::erase::LogErasure;
}

// Words.
pub use model::activity::Activity;
pub use model::barred::BarHash;
pub use model::counting::Limits;
pub use model::digest::{Digest, EventHash};
pub use model::identity::Identity;
pub use model::namespace::{ECOMMERCE, Namespaces, SESSION};
pub use model::person::{AttributionKind, PersonKind};
pub use model::source::{Position, Source};
pub use model::time::Time;
pub use model::writing::{is_unseen, visible};

// Every limit, with its reason.
pub use model::limits;

// Configuration: what a store is made with, and where the lines of a log say what.
pub use ingest::fields::{Field, Fields, FieldsBuilder, FieldsError, TimeUnit};
pub use model::namespace::{Levels, LevelsError};
pub use model::settings::{Junk, Settings};

// Errors.
pub use model::error::{Error, ErrorKind, Result};

// Answers that leave: rows in a file, a log with its people, pictures.
#[cfg(feature = "picture")]
pub use export::picture::{PersonPage, Picture};
pub use export::{Attribute, Locate, NewFile, RowFormat, SessionTable};

// Activities that come in over HTTP.
#[cfg(feature = "serve")]
pub use serve::collector::Collector;

// Logs to try things out with.
#[cfg(feature = "generate")]
pub use generate::{Generator, Recipe};

// Activities, made as a page makes them.
#[cfg(feature = "visitor")]
pub use visitor::{Visitor, VisitorAction, VisitorFile, VisitorMemory, VisitorStore, VisitorUser};

// What is shared by threads.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<(Engine, Options, StoreReader, Summary, Undone, Verification)>();
    shared::<(Resolver, View, KnownAt, Feed, Changes)>();
    shared::<(Error, Fields, Settings)>();
};

/// The Rust of the README and of the library's page, compiled and run with the doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/library.md")]
struct Pages;
