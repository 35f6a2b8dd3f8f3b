//! The embedded database. No other file names it.
//!
//! What was measured decides the settings: batches (which stop every reader while they are applied) gained nothing over putting
//! blocks in one by one, and a smaller segment or the other mode took more disk. In which order keys go in decides how often a block
//! is written: see `put_blocks`.

mod leaves;
mod reseal;
mod threads;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use crate::model::source::{STORE_MARKER, STORE_MARKER_TEXT};
use crate::store::backend::{Backend, Entry, FillBackend};
use crate::store::error::{BackendError, StoreError};
use crate::store::last_commit::LAST_COMMIT;
use crate::store::quiet;
use crate::store::sled::leaves::{LEAF_KEYS, touches};
use crate::store::slots::SlotFile;
use crate::store::swap::{self, OwnFiles};

/// A quarter of it is what a leaf may have before it becomes a file of its own; see `BLOCK_BYTES`.
const SEGMENT_BYTES: usize = 512 << 10;

/// A fraction of what the cache really takes: each of its 256 shards keeps at least one leaf.
const CACHE_BYTES: u64 = 1 << 20;

/// Keys that go in before those in front of them: half a leaf, which is what a leaf has after it was split.
const LAST_KEYS: usize = LEAF_KEYS / 2;

/// The database's own files.
const DATABASE: &str = "db";
const BLOBS: &str = "blobs";
const DATABASE_SETTINGS: &str = "conf";
const SNAPSHOT: &str = "snap.";
const HALF_WRITTEN: &str = ".generating";

/// The file beside the database that holds the records of the last commits, and so does not go back with it.
const LAST_COMMIT_FILE: &str = "last-commit";

/// How the database begins what it says of a lock that another process holds.
const LOCK_HELD: &str = "could not acquire lock";

/// How long an open waits for the lock. It is given up a moment after the store: a process that another thread is just
/// starting holds it with all other files until it runs.
const LOCK_PATIENCE: Duration = Duration::from_millis(400);

/// What a directory is before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folder {
    /// There is nothing there.
    Empty,
    /// There is nothing there, and it is in the folder of a store.
    InStore,
    /// A store that was not made to the end, or another database.
    Unmarked,
    /// A store.
    Store,
    /// Something else.
    Foreign,
}

/// Bytes that may be written before a closing takes a snapshot: an opening reads them in about a tenth of a second.
const BYTES_WITHOUT_SNAPSHOT: u64 = if cfg!(test) { 1 << 20 } else { 256 << 20 };

/// A store on the disk.
#[derive(Debug)]
pub struct SledBackend {
    path: PathBuf,
    /// There until the end, or until another is used in its place.
    db: RwLock<Option<sled::Db>>,
    last_commit: SlotFile,
    unsynced: Mutex<Unsynced>,
    /// Bytes of values that were put in since it was opened.
    written: AtomicU64,
}

/// What a sync has to do.
#[derive(Debug)]
struct Unsynced {
    /// Whether the database was written to. What it held when it was opened may be in the cache of the operating system alone.
    database: bool,
    /// Whether the records of the last commits were. A record that a kill left in that cache is one that may be lost.
    last_commit: bool,
    /// Files beside the database that were synced before.
    done: HashSet<PathBuf>,
}

/// Whether a key is that of a record of the last commits, which lie in a file of their own.
fn is_outside(key: &[u8]) -> bool {
    key.first() == Some(&LAST_COMMIT.number())
}

/// What a folder is in which there is nothing, or that is not there.
fn nothing_at(path: &Path) -> Folder {
    let there = path.ancestors().find_map(|path| match path.as_os_str().is_empty() {
        true => Path::new(".").canonicalize().ok(),
        false => path.canonicalize().ok(),
    });
    // By what it holds: the program itself, which has the same name, may lie in any folder.
    let is_store = |folder: &Path| {
        let marker = folder.join(STORE_MARKER);
        marker.is_file() && fs::read(marker).is_ok_and(|text| text == STORE_MARKER_TEXT)
    };
    if there.is_some_and(|there| there.ancestors().any(is_store)) { Folder::InStore } else { Folder::Empty }
}

fn failed(path: &Path, what: &'static str, error: io::Error) -> BackendError {
    BackendError::Io { store: path.display().to_string(), what, error }
}

fn in_use(path: &Path) -> BackendError {
    let store = path.display();
    BackendError::Locked(format!("store {store} is in use, by another process or by another handle of this one"))
}

/// Takes the lock that the database takes, in a moment; nobody else has it where this process could not let go of it.
fn is_free(database: &File) -> bool {
    let start = Instant::now();
    while !quiet::has_panicked() && database.try_lock().is_err() {
        if start.elapsed() > LOCK_PATIENCE {
            return false;
        }
        thread::sleep(LOCK_PATIENCE / 20);
    }
    true
}

/// Runs `work`; a panic of the database over its own damaged files becomes an error. Nothing is shared
/// with it but the handle, and after an error no more is written through that.
fn guarded<T>(path: &Path, what: &'static str, work: impl FnOnce() -> sled::Result<T>) -> Result<T, BackendError> {
    let corrupt =
        |how: &str| BackendError::Corrupt { store: path.display().to_string(), how: format!("{what}: {how}") };
    match quiet::catch(work) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) if error.to_string().starts_with(LOCK_HELD) => Err(in_use(path)),
        Ok(Err(sled::Error::Io(error))) if error.kind() != ErrorKind::InvalidData => {
            // An error of the system that a thread of the database met comes as the text of its `Debug`.
            let is_debug = error.raw_os_error().is_none() && error.to_string().starts_with("Os {");
            Err(failed(path, what, if is_debug { error.kind().into() } else { error }))
        }
        // Its own text tells of the inside of the database.
        Ok(Err(sled::Error::Corruption { .. })) => Err(corrupt("a record in it is not as it was written")),
        Ok(Err(error)) => Err(corrupt(&error.to_string())),
        Err(()) => Err(corrupt("it stopped in the middle")),
    }
}

fn open_database(path: &Path) -> Result<sled::Db, BackendError> {
    threads::try_to_have().map_err(|(threads, error)| BackendError::Threads {
        store: path.display().to_string(),
        threads,
        error,
    })?;
    guarded(path, "cannot be opened", || {
        sled::Config::new()
            .path(path)
            .segment_size(SEGMENT_BYTES)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::LowSpace)
            .use_compression(false)
            // A commit says when: a thread that writes in between only writes twice.
            .flush_every_ms(None)
            .open()
    })
}

/// Puts blocks in, in the ascending order of their keys, so that each is written once.
///
/// The database appends to its log. It writes a leaf again whole when it has had ten additions, and in halves when it is full; and
/// once half of a segment of the log is outdated, it writes again all leaves of which anything lies there, so that the segment can be used
/// again. Blocks that were appended one by one were written four times. So:
/// 1. Keys go in with nothing first: leaves split while they are empty, and then take their half of values as additions.
/// 2. Of the keys, the last go in first, from behind. They part the others from the blocks behind all of them, of which each leaf that is
///    split off would else take half a leaf along.
/// 3. The others go in a leaf ahead of their values. The first parts of leaves, and the inner nodes that are replaced over and over, then lie
///    scattered among values. A segment full of them would soon be outdated, and every leaf that began there be written again, with its values.
///
/// Of a replay with 101 MB of blocks this writes 114 MB; with the first alone, 192 MB.
fn put_blocks(db: &sled::Db, entries: Vec<Entry>) -> sled::Result<()> {
    let (keys, values): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
    let put_key = |key: &Vec<u8>| db.insert(key, b"").map(drop);
    let (others, last) = keys.split_at(keys.len().saturating_sub(LAST_KEYS));
    last.iter().rev().try_for_each(put_key)?;
    let mut ahead = others.chunks(LEAF_KEYS);
    ahead.next().unwrap_or_default().iter().try_for_each(put_key)?;
    for (at, (key, value)) in keys.iter().zip(values).enumerate() {
        if at % LEAF_KEYS == 0 {
            ahead.next().unwrap_or_default().iter().try_for_each(put_key)?;
        }
        db.insert(key, value)?;
    }
    Ok(())
}

/// Opens the database, waiting a moment for a process that is just letting go of it.
fn open_unlocked(path: &Path) -> Result<sled::Db, BackendError> {
    let start = Instant::now();
    loop {
        match open_database(path) {
            Err(BackendError::Locked(_)) if start.elapsed() < LOCK_PATIENCE => thread::sleep(LOCK_PATIENCE / 20),
            opened => return opened,
        }
    }
}

/// Deletes what a killed process had begun to write for the database's own use, and says whether there was any.
///
/// The database writes its snapshots under a passing name, and renames them; but when it opens, it takes a half-written one
/// for the latest snapshot and gives up over it. Without it, the snapshot before is there, and all data is in the log.
/// Likewise its settings, which it writes in two steps before anything else is there. Only what could not be opened is
/// looked at, so that no other process has it open and is writing such a file right now.
fn clear_half_written(path: &Path) -> Result<bool, BackendError> {
    remove_files(path, |name| {
        let half_snapshot = name.starts_with(SNAPSHOT) && name.ends_with(HALF_WRITTEN);
        half_snapshot || name == DATABASE_SETTINGS && !path.join(DATABASE).exists()
    })
}

/// Deletes files by their names, and says whether there were any.
fn remove_files(path: &Path, is_one: impl Fn(&str) -> bool) -> Result<bool, BackendError> {
    let removed = || {
        let mut any = false;
        for entry in fs::read_dir(path)? {
            let file = entry?.path();
            if is_one(&file.file_name().unwrap_or_default().to_string_lossy()) {
                fs::remove_file(&file)?;
                any = true;
            }
        }
        Ok(any)
    };
    removed().map_err(|error: io::Error| failed(path, "cannot be cleared of files that it can do without", error))
}

impl SledBackend {
    /// What a copy of the store at `path` is made of that is to be opened, in this order: the record of the last commit first, so that the
    /// database is not older; then the snapshot, without which what the log holds behind a record that a kill left torn never was.
    /// The log is newer than it then, as after a kill.
    pub(crate) fn files_to_copy(path: &Path) -> io::Result<Vec<String>> {
        let mut snapshots = Vec::new();
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with(SNAPSHOT) && !name.ends_with(HALF_WRITTEN) {
                snapshots.push(name);
            }
        }
        let [first, rest @ ..] = [LAST_COMMIT_FILE, DATABASE_SETTINGS, DATABASE, BLOBS].map(str::to_owned);
        Ok([first].into_iter().chain(snapshots).chain(rest).collect())
    }

    /// What lies at `path`.
    pub(crate) fn look(path: &Path) -> Result<Folder, StoreError> {
        // Joined with the name of a file it would be that file in the folder at hand.
        if path.as_os_str().is_empty() {
            return Err(StoreError::NoPath);
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(nothing_at(path)),
            Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(Folder::Foreign),
            Err(error) => return Err(failed(path, "cannot be listed", error).into()),
        };
        // Made to the end: without the marker, a database that was cut to nothing would pass for a new one.
        if path.join(STORE_MARKER).is_file() {
            return Ok(Folder::Store);
        }
        if path.join(DATABASE).is_file() {
            return Ok(Folder::Unmarked);
        }
        let mut found = nothing_at(path);
        for entry in entries {
            let name = entry.map_err(|error| failed(path, "cannot be listed", error))?.file_name();
            // The first things that the database makes, before the file of that name.
            if name != BLOBS && name != DATABASE_SETTINGS {
                return Ok(Folder::Foreign);
            }
            found = Folder::Unmarked;
        }
        Ok(found)
    }

    /// The program that wrote the last commit of the store at `path`, as it says itself.
    pub(crate) fn writer(path: &Path) -> Option<String> {
        SlotFile::at(path.join(LAST_COMMIT_FILE)).writer()
    }

    /// Opens the database at `path` although its own files may be damaged: what it can do without is deleted.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_broken(path: &Path) -> Result<Self, BackendError> {
        let is_damaged = |opened: &Result<Self, BackendError>| matches!(opened, Err(BackendError::Corrupt { .. }));
        let mut opened = Self::open(path);
        // Settings are always the same.
        if is_damaged(&opened) && remove_files(path, |name| name == DATABASE_SETTINGS)? {
            opened = Self::open(path);
        }
        if is_damaged(&opened)
            && reseal::reseal(path).map_err(|error| failed(path, "has records that cannot be sealed again", error))?
        {
            opened = Self::open(path);
        }
        // Last, since the log is read from its start then, up to where it is damaged: that may be an older state, as the record of the last
        // commit tells.
        if is_damaged(&opened) && remove_files(path, |name| name.starts_with(SNAPSHOT))? {
            opened = Self::open(path);
        }
        opened
    }

    /// Deletes what is left in the folder for [the next](swap::next).
    pub(crate) fn clear_next(path: &Path) -> Result<(), BackendError> {
        swap::clear(path).map_err(|error| failed(path, "cannot be cleared of a new one that was not finished", error))
    }

    /// What the file of the last commits holds.
    pub(crate) fn last_commits(path: &Path) -> Option<Vec<u8>> {
        fs::read(path.join(LAST_COMMIT_FILE)).ok()
    }

    /// Lets the whole store in the folder for [the next](swap::next) take the place of the one at `path`, whose file of the last commits
    /// held `made_of` when the next one was made of it.
    ///
    /// # Errors
    /// When another process has opened the store since, or has written to it: what it was told is durable must not go.
    pub(crate) fn swap(path: &Path, made_of: Option<&[u8]>) -> Result<(), BackendError> {
        let not_swapped = |error| failed(path, "cannot be swapped for the new one", error);
        let database = File::open(path.join(DATABASE)).map_err(not_swapped)?;
        if !is_free(&database) || !quiet::has_panicked() && Self::last_commits(path).as_deref() != made_of {
            return Err(in_use(path));
        }
        swap::begin(path, OWN).map_err(not_swapped)
    }

    /// Opens the database at `path`, making it where there is none.
    ///
    /// # Errors
    /// When another process holds it, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, BackendError> {
        if swap::is_under_way(path) {
            swap::finish(path, OWN).map_err(|error| failed(path, "cannot be swapped for the new one", error))?;
        }
        if path.join(STORE_MARKER).is_file() && !path.join(DATABASE).is_file() {
            let text =
                format!("store {}: the file {DATABASE} is missing; replay the logs into a new store", path.display());
            return Err(BackendError::Gone(text));
        }
        let db = match open_unlocked(path) {
            Err(BackendError::Corrupt { .. }) if clear_half_written(path)? => open_unlocked(path)?,
            opened => opened?,
        };
        let last_commit = SlotFile::at(path.join(LAST_COMMIT_FILE));
        let unsynced = Unsynced { database: true, last_commit: false, done: HashSet::new() };
        let (db, unsynced, written) = (RwLock::new(Some(db)), Mutex::new(unsynced), AtomicU64::new(0));
        Ok(Self { path: path.to_owned(), db, last_commit, unsynced, written })
    }

    /// Marks the directory as a store that was made to the end.
    pub(crate) fn mark(&self) -> Result<(), BackendError> {
        let written = || {
            let mut file = File::create(self.path.join(STORE_MARKER))?;
            file.write_all(STORE_MARKER_TEXT)?;
            file.sync_all()?;
            sync_directory(&self.path)?;
            // The directory itself may be new.
            self.path.canonicalize()?.parent().map_or(Ok(()), sync_directory)
        };
        written().map_err(|error: io::Error| failed(&self.path, "cannot be marked", error))
    }

    /// Runs `work` on the database.
    fn with<T>(&self, what: &'static str, work: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, BackendError> {
        let db = self.db.read();
        let db = db.as_ref().ok_or_else(|| BackendError::Replaced(self.name()))?;
        guarded(&self.path, what, || work(db))
    }

    /// The database's own flush ends in the cache of the operating system.
    fn sync_files(&self, done: &mut HashSet<PathBuf>) -> io::Result<()> {
        File::open(self.path.join(DATABASE))?.sync_all()?;
        let mut appeared = false;
        for directory in [self.path.clone(), self.path.join(BLOBS)] {
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries {
                let path = entry?.path();
                if path.is_file() && !done.contains(&path) {
                    File::open(&path)?.sync_all()?;
                    done.insert(path);
                    appeared = true;
                }
            }
            if appeared {
                sync_directory(&directory)?;
            }
        }
        Ok(())
    }
}

/// Bytes that a file takes: the database leaves holes.
#[cfg(unix)]
fn taken(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(file) * 512
}

#[cfg(not(unix))]
fn taken(file: &fs::Metadata) -> u64 {
    file.len()
}

/// What a swap has to know of the files here.
const OWN: OwnFiles = OwnFiles {
    is_own: |name| [DATABASE, BLOBS, DATABASE_SETTINGS, LAST_COMMIT_FILE].contains(&name) || name.starts_with(SNAPSHOT),
    sync_directory,
};

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a directory cannot be opened as a file, and its entries are durable with the files.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Closing writes, too, and may fail over damaged files; what was committed is durable by then. After much was written the database is opened
/// once more, which lets it take a snapshot: else the next opening, which may be for a single question, had to read all of that.
impl Drop for SledBackend {
    fn drop(&mut self) {
        let Some(db) = self.db.get_mut().take() else { return };
        let closed = quiet::catch(|| drop(db));
        if closed.is_ok() && *self.written.get_mut() > BYTES_WITHOUT_SNAPSHOT {
            let _ = quiet::catch(|| open_unlocked(&self.path).map(drop));
        }
    }
}

impl Backend for SledBackend {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BackendError> {
        if is_outside(key) {
            return self.last_commit.get(key).map_err(|error| failed(&self.path, "cannot be read", error));
        }
        self.with("cannot be read", |db| {
            let Some(value) = db.get(key)? else { return Ok(None) };
            for _ in 0..touches(key) {
                db.contains_key(key)?;
            }
            Ok(Some(value.to_vec()))
        })
    }

    fn put(&self, mut entries: Vec<Entry>) -> Result<(), BackendError> {
        for (key, value) in entries.extract_if(.., |(key, _)| is_outside(key)) {
            self.unsynced.lock().last_commit = true;
            self.last_commit.put(&key, &value).map_err(|error| failed(&self.path, "cannot be written", error))?;
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.unsynced.lock().database = true;
        let bytes: u64 = entries.iter().map(|(_, value)| value.len() as u64).sum();
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.with("cannot be written", |db| {
            if entries.len() > LAST_KEYS {
                return put_blocks(db, entries);
            }
            entries.into_iter().try_for_each(|(key, value)| db.insert(key, value).map(drop))
        })
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Result<(), BackendError> {
        self.unsynced.lock().database = true;
        self.with("cannot be written", |db| {
            for key in keys {
                db.remove(key)?;
            }
            Ok(())
        })
    }

    fn keys(&self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, BackendError> {
        if from >= to {
            return Ok(Vec::new());
        }
        self.with("cannot be read", |db| db.range(from..to).keys().map(|key| key.map(|key| key.to_vec())).collect())
    }

    fn sync(&self) -> Result<(), BackendError> {
        let mut unsynced = self.unsynced.lock();
        let not_synced = |error| failed(&self.path, "cannot be synced", error);
        if unsynced.database {
            self.with("cannot be flushed", |db| db.flush())?;
            self.sync_files(&mut unsynced.done).map_err(not_synced)?;
            unsynced.database = false;
        }
        if unsynced.last_commit {
            self.last_commit.sync().map_err(not_synced)?;
            unsynced.last_commit = false;
        }
        Ok(())
    }

    fn bytes_on_disk(&self) -> Result<u64, BackendError> {
        let count = |directory: &Path| -> io::Result<u64> {
            let mut bytes = 0;
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                // A file may go between the listing and the look.
                bytes += entry.metadata().map_or(0, |file| if file.is_file() { taken(&file) } else { 0 });
            }
            Ok(bytes)
        };
        let blobs = self.path.join(BLOBS);
        let blobs = if blobs.is_dir() { count(&blobs) } else { Ok(0) };
        count(&self.path)
            .and_then(|own| Ok(own + blobs?))
            .map_err(|error| failed(&self.path, "cannot be listed", error))
    }

    fn replace(&self, fill: FillBackend<'_>) -> Result<Arc<dyn Backend>, StoreError> {
        Self::clear_next(&self.path)?;
        let made_of = Self::last_commits(&self.path);
        let next = Arc::new(Self::open(&swap::next(&self.path))?);
        fill(Arc::<Self>::clone(&next))?;
        // It is closed, and this one too: both let go of their files.
        drop(next);
        let mut db = self.db.write();
        let old = db.take();
        let _ = quiet::catch(|| drop(old));
        if let Err(error) = Self::swap(&self.path, made_of.as_deref()) {
            // Another process was quicker, perhaps: then nothing has begun. What has is taken to its end by the next opening.
            if !swap::is_under_way(&self.path) {
                *db = open_unlocked(&self.path).ok();
            }
            return Err(error.into());
        }
        Ok(Arc::new(Self::open(&self.path)?))
    }
}

#[cfg(test)]
mod tests;
