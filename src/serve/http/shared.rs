//! What every request is served with.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use parking_lot::Mutex;
use tokio::sync::{RwLock, Semaphore, watch};

use crate::engine::Engine;
use crate::resolver::{Feed, Resolver};
use crate::serve::activities::Screen;
use crate::serve::follow::Hurry;
use crate::serve::keys::{Keys, Tokens};
use crate::serve::log::{ActivityLog, LogPosition};
use crate::serve::metrics::Metrics;

/// What every request is served with.
pub struct Shared {
    /// Who may send.
    pub keys: Keys,
    /// Who may ask; without them what runs on this machine.
    pub tokens: Option<Tokens>,
    /// Where activities go.
    pub log: Arc<ActivityLog>,
    /// What is an activity.
    pub screen: Screen,
    /// The store, for what is decided and for what was known earlier. A caller that holds it keeps events from being taken in.
    pub engine: Arc<Mutex<Engine>>,
    /// The people in the store.
    pub resolver: Resolver,
    /// What its commits changed.
    pub feed: Feed,
    /// How far the log is visible in the store.
    pub visible: watch::Receiver<LogPosition>,
    /// How far the log was when the collector began: the store is ready once it has that.
    pub ready_at: LogPosition,
    /// For those who wait until something is visible.
    pub hurry: Arc<Hurry>,
    /// What is counted.
    pub metrics: Metrics,
    /// Connections that are open.
    pub open_connections: AtomicUsize,
    /// Read while activities are looked at and queued for the log: who has it for writing knows that none are on their way which
    /// were looked at before.
    pub admission: RwLock<()>,
    /// Held while identities are erased, one request at a time.
    pub erasing: Mutex<()>,
    /// Whether the collector ends, for answers that have no end of their own.
    pub stopping: watch::Sender<bool>,
    /// Room for those.
    pub streams: Arc<Semaphore>,
    /// Room for bodies, a permit a kilobyte.
    pub body_room: Arc<Semaphore>,
}
