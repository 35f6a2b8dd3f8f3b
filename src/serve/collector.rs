//! The collector as a whole: what it is given, and how it runs and ends.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{RwLock, Semaphore, watch};

use crate::engine::{Engine, Forget, Forgotten};
use crate::model::error::Result;
use crate::serve::activities::Screen;
use crate::serve::error::ServeError;
use crate::serve::follow::{Follower, remember};
use crate::serve::http::body::PERMIT_BYTES;
use crate::serve::http::shared::Shared;
use crate::serve::http::{listen, routes};
use crate::serve::keys::{Keys, Tokens};
use crate::serve::limits::{CLOSE_TIME, MAX_HELD_BYTES, MAX_STREAMS, MAX_WORKERS, WAITING_CONNECTIONS};
use crate::serve::log::erase::LogErasure;
use crate::serve::log::{ActivityLog, erase, pack};
use crate::serve::metrics::Metrics;

/// A collector of activities over HTTP: it appends them to a log of its own, answers once they are on the disk, and follows that log
/// into a store, which it answers questions from.
///
/// ```no_run
/// # fn main() -> backstitch::Result<()> {
/// use std::sync::atomic::AtomicBool;
/// use backstitch::{Collector, Engine};
///
/// let collector = Collector::new("log", "keys")?.listen("127.0.0.1:8080")?;
/// println!("at {}", collector.address()?);
/// collector.run(Engine::open("people.store")?, &AtomicBool::new(false)) // until another thread sets it
/// # }
/// ```
pub struct Collector {
    log: PathBuf,
    keys: Keys,
    tokens: Option<Tokens>,
    listener: Option<TcpListener>,
    compress: bool,
}

impl Collector {
    /// A collector that appends to the log in the folder `log`, which is made where it is missing. The file `keys` holds a
    /// tracker key a line, each followed by the origins whose pages may send with it, if not all may.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no key or something else.
    pub fn new(log: impl AsRef<Path>, keys: impl AsRef<Path>) -> Result<Self> {
        let keys = Keys::read(keys.as_ref())?;
        Ok(Self { log: log.as_ref().to_owned(), keys, tokens: None, listener: None, compress: false })
    }

    /// Lets only those ask and decide who have a token of this file, which holds one a line. Without it only programs on the same
    /// machine are answered.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no token or a short one.
    pub fn tokens(self, file: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { tokens: Some(Tokens::read(file.as_ref())?), ..self })
    }

    /// Compresses the files of the log with zstd as they are closed, each about 256 MiB of activities. A replay reads them as it does plain ones.
    pub fn compress(self) -> Self {
        Self { compress: true, ..self }
    }

    /// Listens at `address`, such as `127.0.0.1:8080`; port 0 is any that is free.
    ///
    /// # Errors
    /// When it is not an address of this machine, or is in use.
    pub fn listen(self, address: &str) -> Result<Self> {
        let fail = |source| ServeError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).map_err(fail)?;
        // The standard library lets 128 connections wait: of a crowd the others would try again after a second only.
        #[cfg(unix)]
        rustix::net::listen(&listener, WAITING_CONNECTIONS).map_err(|error| fail(error.into()))?;
        listener.set_nonblocking(true).map_err(fail)?;
        Ok(Self { listener: Some(listener), ..self })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When it does not [listen](Self::listen) yet.
    pub fn address(&self) -> Result<SocketAddr> {
        let not_yet = || Err(std::io::ErrorKind::NotConnected.into());
        let address = self.listener.as_ref().map_or_else(not_yet, TcpListener::local_addr);
        Ok(address.map_err(|source| ServeError::Listen { address: "nowhere".to_owned(), source })?)
    }

    /// Erases identities from a store and from the log that a collector wrote, in the folder `log`, while none runs on either: what
    /// `POST /v1/forget` does where one runs. Says what went of the store, and of the log.
    ///
    /// Every byte search in log and store for an erased value of 5 bytes or more finds nothing then, but for what
    /// [`Engine::forget`] says that it keeps. Killed at any moment, it is done or has not begun, or is completed by the next call or
    /// [`run`](Self::run). Costs as [`Engine::forget`], and a read of the whole log.
    ///
    /// # Errors
    /// As [`Engine::forget`], or when the log is in use, or cannot be read or written.
    pub fn forget(engine: &mut Engine, log: impl AsRef<Path>, forget: &Forget) -> Result<(Forgotten, LogErasure)> {
        let log = ActivityLog::open(log.as_ref())?;
        if let Some(pending) = erase::pending(log.folder())? {
            let (_, search) = erase::from_store(engine, log.folder(), &pending)?;
            search.from_log(&log)?;
        }
        let (forgotten, search) = erase::from_store(engine, log.folder(), forget)?;
        Ok((forgotten, search.from_log(&log)?))
    }

    /// Serves, and follows the log into the store of `engine`, until another thread sets `stop`: then it takes no further
    /// request, and returns when all that was acknowledged is in the log and in the store.
    ///
    /// # Errors
    /// When the log cannot be opened, or the store cannot be written any more: then it ends by itself, and what was acknowledged
    /// is in the log.
    pub fn run(self, engine: Engine, stop: &AtomicBool) -> Result<()> {
        let Some(listener) = self.listener else {
            return Err(self.address().err().unwrap_or(ServeError::Thread.into()));
        };
        let log = Arc::new(ActivityLog::open(&self.log)?);
        let mut engine = engine;
        if let Some(pending) = erase::pending(log.folder())? {
            let (_, search) = erase::from_store(&mut engine, log.folder(), &pending)?;
            search.from_log(&log)?;
        }
        engine.tidy(true)?;
        let screen = Screen::new(engine.settings());
        screen.bar(engine.barred());
        remember(log.folder(), &screen)?;
        let (resolver, feed) = (engine.resolver(), engine.feed());
        let engine = Arc::new(Mutex::new(engine));
        let follower = Follower::start(Arc::clone(&engine), log.folder().to_owned(), log.durable())?;
        let packer = match self.compress {
            true => Some(pack::start(Arc::clone(&log), follower.visible.clone()).map_err(ServeError::Threads)?),
            false => None,
        };
        let shared = Arc::new(Shared {
            keys: self.keys,
            tokens: self.tokens,
            screen,
            engine,
            resolver,
            feed,
            visible: follower.visible.clone(),
            ready_at: log.durable().position(),
            hurry: Arc::clone(&follower.hurry),
            metrics: Metrics::default(),
            open_connections: AtomicUsize::new(0),
            admission: RwLock::default(),
            erasing: Mutex::default(),
            stopping: watch::Sender::new(false),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            body_room: Arc::new(Semaphore::new(MAX_HELD_BYTES / PERMIT_BYTES)),
            log,
        });
        let served = serve(listener, &shared, || stop.load(Ordering::Relaxed) || follower.has_ended());
        // What was acknowledged is in the log; the follower ends when the store has all of it.
        shared.log.close();
        shared.hurry.ask();
        let followed = follower.join();
        if let Some(packer) = packer {
            packer.join().map_err(|_| ServeError::Thread)?;
        }
        served.and(followed)
    }
}

fn serve(listener: TcpListener, shared: &Arc<Shared>, stop: impl Fn() -> bool) -> Result<()> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let threads = threads.enable_all().max_blocking_threads(MAX_WORKERS).thread_name("serve").build();
    let threads = threads.map_err(ServeError::Threads)?;
    let router = routes::router(Arc::clone(shared));
    let served = threads.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(ServeError::Threads)?;
        listen::serve(listener, router, Arc::clone(shared), stop).await;
        Ok(())
    });
    threads.shutdown_timeout(CLOSE_TIME);
    served
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("log", &self.log).field("listener", &self.listener).finish_non_exhaustive()
    }
}
