//! What bounds the collector: sizes, numbers and times, each with its reason.

use std::time::Duration;

use crate::model::limits::MAX_NAMESPACES;

/// Connections at once, where so many files may be open. One that says nothing takes about 2 KB, one that speaks about 20 KB. So ten thousand idle
/// clients keep nobody out; beyond these, others wait to be accepted.
pub const MAX_CONNECTIONS: usize = 10_240;

/// Connections that wait to be accepted, in the queue of the system: as many as Linux lets wait by itself.
pub const WAITING_CONNECTIONS: i32 = 4_096;

/// Files that are open besides connections: those of the store and of the log.
pub const RESERVED_FILES: usize = 124;

/// Requests of one tracker key at once. Each takes a few milliseconds, so these are tens of thousands a second; one page that goes wild leaves room
/// for the others.
pub const MAX_KEY_REQUESTS: usize = 450;

/// Namespaces that one tracker key may bring, since the start, which the store does not have yet. A shop has a handful, and a key lies open in the page.
pub const MAX_KEY_NAMESPACES: usize = 16;

/// Namespaces of a store up to which keys may bring more, however often the collector starts: half of those that it has room for. The others are
/// left for logs that are replayed.
pub const MAX_BROUGHT_NAMESPACES: usize = MAX_NAMESPACES / 2;

/// Bytes of the head of a request. Browsers send cookies of the page's domain with it, which may be 16 KB.
pub const MAX_HEAD_BYTES: usize = 32 << 10;

/// Headers of a request.
pub const MAX_HEADERS: usize = 100;

/// Bytes of a body as it is sent. The SDKs that are known send 500 KB at most, pages that close 64 KB.
pub const MAX_BODY_BYTES: usize = 4 << 20;

/// Bytes of a body once it is unpacked. Activities of a page pack about tenfold; what is so large is more likely a bomb.
pub const MAX_UNPACKED_BYTES: usize = 8 << 20;

/// Values of an array. The SDKs that are known send 2,500 at most, and each that is not an activity is named in the answer.
pub const MAX_ACTIVITIES: usize = 10_000;

/// Bytes of all bodies that are held at once, packed and unpacked.
pub const MAX_HELD_BYTES: usize = 128 << 20;

/// Bodies up to this size are decoded at once, in well under a millisecond; larger ones by a thread that may take its time.
pub const SHORT_BODY_BYTES: usize = 64 << 10;

/// How long the head of a request may take, and how long a connection may be idle before it.
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long a body may take: at 4 MB that is a slow line of a phone.
pub const BODY_TIME: Duration = Duration::from_secs(20);

/// How long a connection lives, also that of a client that reads its answer too slowly. Clients open another.
pub const CONNECTION_TIME: Duration = Duration::from_secs(600);

/// How long a connection may take to end: after a stop, or at the end of its life.
pub const CLOSE_TIME: Duration = Duration::from_secs(10);

/// How often it is looked whether to stop.
pub const STOP_LOOK: Duration = Duration::from_millis(50);

/// How long `?wait=1` waits for the store.
pub const VISIBLE_TIME: Duration = Duration::from_secs(10);

/// How long events gather before a commit, which costs two syncs and a row of the history. Shorter than the second within which
/// an event is promised to be visible, by as much as a commit may take.
pub const GATHER_TIME: Duration = Duration::from_millis(300);

/// Seconds after which a client that was refused should try again.
pub const RETRY_AFTER: &str = "1";

/// Seconds for which a browser need not ask again whether it may send: the most that browsers keep.
pub const PREFLIGHT_SECONDS: &str = "7200";

/// Events whose `id` is remembered with the time that was stamped on them, so that a retry is given the same. About 60 bytes each.
pub const MAX_STAMPS: usize = 200_000;

/// Bytes of the end of the log from which those are read again at the start.
pub const STAMPS_BYTES: u64 = 64 << 20;

/// Rows of an answer where the request does not say, and where it asks for more than the most.
pub const DEFAULT_ROWS: usize = 1_000;

/// The most rows of an answer: it is held in memory, at up to about a kilobyte a row.
pub const MAX_ROWS: usize = 10_000;

/// Identities of one request.
pub const MAX_IDS: usize = 10_000;

/// Clients that follow the changes at once: each holds a connection for as long as that lives.
pub const MAX_STREAMS: usize = 64;

/// Changes that are read at once for such a client, at up to about a kilobyte each.
pub const MAX_STREAMED_CHANGES: usize = 200;

/// How often it is looked for changes. Shorter than the second within which an event is to be visible.
pub const STREAM_LOOK: Duration = Duration::from_millis(200);

/// How long nothing is sent on such a connection at most: proxies take one for dead after a minute or so.
pub const HEARTBEAT_TIME: Duration = Duration::from_secs(15);

/// Characters of a token: shorter ones are guessed.
pub const MIN_TOKEN_CHARS: usize = 16;

/// Threads for what takes its time: long bodies, questions, decisions. More would not be faster, and each may hold a graph of its own.
pub const MAX_WORKERS: usize = 8;
