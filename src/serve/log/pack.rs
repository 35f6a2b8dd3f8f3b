//! Files of the log that are closed, compressed with zstd.
//!
//! A file is compressed beside the plain one, synced, put in its place under a name of its own, and only then the plain one goes. Whenever it is
//! killed, the plain one or both are there: the next start removes the plain one. Its frame says how long it is unpacked, so
//! that nothing need be unpacked to know.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;
use zstd::zstd_safe;

use crate::serve::log::files::{replace, sync_folder};
use crate::serve::log::{ActivityLog, Durable, LogPosition, segments};

/// The extension of a compressed file, behind that of a plain one.
pub const PACKED: &str = "zst";

/// How hard it compresses: that is what zstd does unless told otherwise, and about a second for a file.
const LEVEL: i32 = 3;

/// Bytes of a frame in which its length stands.
const HEAD_BYTES: u64 = 18;

/// How long it waits before it looks again whether the log is closed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether a file is compressed.
pub fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == PACKED)
}

/// The lines of a file, compressed or not.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = File::open(path)?;
    Ok(match is_packed(path) {
        true => Box::new(BufReader::new(zstd::Decoder::new(file)?)),
        false => Box::new(BufReader::new(file)),
    })
}

/// How many bytes its lines have.
pub fn bytes(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    if !is_packed(path) {
        return Ok(file.metadata()?.len());
    }
    let mut head = Vec::new();
    file.take(HEAD_BYTES).read_to_end(&mut head)?;
    match zstd_safe::get_frame_content_size(&head) {
        Ok(Some(bytes)) => Ok(bytes),
        // Somebody else compressed it.
        _ => io::copy(&mut open(path)?, &mut io::sink()),
    }
}

/// Writes lines of so many bytes, compressed.
pub fn write(to: &mut File, bytes: u64, lines: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(to, LEVEL)?;
    encoder.set_pledged_src_size(Some(bytes))?;
    encoder.include_checksum(true)?;
    lines(&mut encoder)?;
    encoder.finish().map(drop)
}

/// Compresses a file.
pub fn pack(plain: &Path) -> io::Result<()> {
    let (mut lines, bytes) = (File::open(plain)?, bytes(plain)?);
    replace(&packed(plain), |to| write(to, bytes, |to| io::copy(&mut lines, to).map(drop)))?;
    fs::remove_file(plain)?;
    sync_folder(plain)
}

/// Where a file lies once it is compressed.
pub fn packed(plain: &Path) -> PathBuf {
    let mut name = plain.as_os_str().to_owned();
    name.push(".");
    name.push(PACKED);
    name.into()
}

/// Compresses files as they are closed and the store has them, until the log is closed. One that cannot be compressed stays as it is.
///
/// # Errors
/// When there can be no further thread.
pub fn start(log: Arc<ActivityLog>, visible: watch::Receiver<LogPosition>) -> io::Result<JoinHandle<()>> {
    let work = move || {
        let durable: Arc<Durable> = log.durable();
        let mut done = 0;
        loop {
            let seen = LogPosition { segment: done + 1, bytes: u64::MAX };
            let (_, closed) = durable.wait_beyond(seen, PATIENCE);
            let has = visible.borrow().segment.saturating_sub(1);
            if has > done {
                let _files = log.files.lock();
                for (_, path) in
                    segments(log.folder()).unwrap_or_default().into_iter().filter(|(number, _)| *number <= has)
                {
                    if !is_packed(&path) && !closed {
                        // The disk may be full: then it is tried again after the next file.
                        let _ = pack(&path);
                    }
                }
                done = has;
            }
            if closed {
                return;
            }
            if durable.position().segment > done + 1 {
                // The store is behind.
                thread::sleep(PATIENCE);
            }
        }
    };
    thread::Builder::new().name("pack".to_owned()).spawn(work)
}
