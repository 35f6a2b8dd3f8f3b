//! Erasing identities from the log.
//!
//! A line that goes is overwritten with blanks, so that all others keep their places: how far the store has read stays true, and so do the
//! numbers of lines. A line that is longer without a value than with it, because its `id` became a mark, is appended to the log
//! instead, and goes where it stood.
//!
//! Each file that changes is written again beside the old one, synced, and put in its place; a file that grows is [closed](ActivityLog::close_segment)
//! first. What is being erased stands in the file `.forget` from before the store is touched until all files are done:
//! the next process that opens the log after a kill finds it there and does it again, which costs a look at every line and changes nothing that
//! was done.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::erase::texts::TellTale;
use crate::engine::{Engine, Forget, Forgotten};
use crate::ingest::chunk::Chunk;
use crate::ingest::decode::Decoder;
use crate::ingest::fields::Fields;
use crate::ingest::format::Line;
use crate::ingest::junk::JunkCounts;
use crate::model::barred::IdentityBar;
use crate::model::error::{ErrorKind, Result};
use crate::model::identity::Value;
use crate::model::namespace::Namespaces;
use crate::model::time::Time;
use crate::serve::log::files::{replace, sync_folder};
use crate::serve::log::pack;
use crate::serve::log::redact::{LineFate, LogTargets, LoggedIdentity};
use crate::serve::log::{ActivityLog, LogError, segments};

/// The file that says what is being erased. It is hidden, so that a replay of the folder skips it.
const INTENT: &str = ".forget";

/// Bytes of lines that are decoded at once.
const PIECE_BYTES: usize = 4 << 20;

/// Bytes of lines that are appended at once, in the place of those that became longer.
const MOVED_BYTES: usize = 1 << 20;

/// What an erasure did to the log of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct LogErasure {
    /// Lines that went.
    pub lines: u64,
    /// Lines of others that told an erased value: they are kept without it.
    pub redacted: u64,
    /// Files that were written again.
    pub files: u64,
}

/// What is being erased, as the file says it.
#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    /// Namespaces in lower case, and values.
    identities: BTreeSet<(String, String)>,
    /// The bound, in microseconds.
    until: Option<i64>,
}

/// An erasure that a process which died has left to be done, in the log in `folder`.
///
/// # Errors
/// When the file cannot be read.
pub fn pending(folder: &Path) -> Result<Option<Forget>> {
    let path = folder.join(INTENT);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(of_log(&path)(error).into()),
    };
    let Intent { identities, until } = serde_json::from_slice(&bytes).map_err(|error| of_log(&path)(error.into()))?;
    let all = identities.into_iter().fold(Forget::default(), |all, (namespace, value)| all.and(namespace, value));
    Ok(Some(match until {
        Some(until) => all.until(Time::from_micros(until)),
        None => all,
    }))
}

/// Erases identities from the store, and prepares the same for the log in `folder`: from here on it is done whatever happens.
///
/// # Errors
/// As [`Engine::forget`], or when the folder cannot be written.
pub fn from_store(engine: &mut Engine, folder: &Path, forget: &Forget) -> Result<(Forgotten, LogSearch)> {
    let named = engine.forgotten_by(forget)?;
    let until = forget.moment();
    let intent = Intent { identities: named.clone(), until: until.map(Time::as_micros) };
    let path = folder.join(INTENT);
    let bytes = serde_json::to_vec(&intent).map_err(|error| of_log(&path)(error.into()))?;
    replace(&path, |file| file.write_all(&bytes)).map_err(of_log(&path))?;
    let of_named = named.iter().fold(Forget::default(), |all, (namespace, value)| all.and(namespace, value));
    let forgotten = engine.forget(&match until {
        Some(until) => of_named.until(until),
        None => of_named,
    });
    if forgotten.as_ref().is_err_and(|error| error.kind() == ErrorKind::Argument) {
        // It cannot be done the next time either.
        done(folder)?;
    }
    let forgotten = forgotten?;
    let settings = engine.settings();
    let until = until.unwrap_or(IdentityBar::FOR_GOOD);
    let targets = LogTargets::new(&named, until, settings.levels.clone(), Arc::clone(engine.barred()));
    let view = engine.resolver().view();
    let mut staying = HashSet::new();
    for (namespace, value) in targets.all() {
        if view.resolve_in(&targets.namespaces.names()[usize::from(namespace.0)], &value)?.is_some() {
            staying.insert((namespace, value));
        }
    }
    let decoder = Decoder::new(&settings.junk, &Fields::default());
    Ok((forgotten, LogSearch { targets, staying, decoder }))
}

/// Nothing is to be erased any more.
fn done(folder: &Path) -> Result<(), LogError> {
    let intent = folder.join(INTENT);
    fs::remove_file(&intent).and_then(|()| sync_folder(&intent)).map_err(of_log(&intent))
}

/// What is looked for in a log.
#[derive(Debug)]
pub struct LogSearch {
    targets: LogTargets,
    /// Those of which later events are left.
    staying: HashSet<LoggedIdentity>,
    decoder: Decoder,
}

impl LogSearch {
    /// Erases from a log what was erased from the store.
    ///
    /// # Errors
    /// When the log cannot be read or written: then it is done when it is opened the next time.
    pub fn from_log(mut self, log: &ActivityLog) -> Result<LogErasure> {
        let _files = log.files.lock();
        let growing = log.close_segment().map_err(LogError::Append)?.segment;
        let closed = segments(log.folder()).map_err(of_log(log.folder()))?;
        let closed: Vec<PathBuf> =
            closed.into_iter().filter(|(number, _)| *number < growing).map(|(_, path)| path).collect();
        if self.targets.until != IdentityBar::FOR_GOOD {
            for path in &closed {
                self.note_staying(path).map_err(of_log(path))?;
            }
        }
        let going: Vec<LoggedIdentity> =
            self.targets.all().filter(|identity| !self.staying.contains(identity)).collect();
        let tale = TellTale::of(going.iter().map(|(_, value)| Value::new(value)))?;
        let mut erasure = LogErasure::default();
        for path in &closed {
            let edits = self.edits(path, &tale, log, &mut erasure)?;
            if !edits.is_empty() {
                rewrite(path, &edits).map_err(of_log(path))?;
                erasure.files += 1;
            }
        }
        done(log.folder())?;
        Ok(erasure)
    }

    /// Notes those that later events carry.
    fn note_staying(&mut self, path: &Path) -> io::Result<()> {
        let Self { targets, staying, decoder } = self;
        pieces(path, |_, piece| {
            lines(decoder, &targets.namespaces, piece, |line| {
                if let Ok(event) = line.outcome
                    && event.time > targets.until
                {
                    staying.extend(targets.carried(event));
                }
            });
            Ok(())
        })
    }

    /// What is to be overwritten in a file. Lines that do not fit in their places are appended to the log, and durable, when it returns.
    fn edits(&self, path: &Path, tale: &TellTale, log: &ActivityLog, erasure: &mut LogErasure) -> Result<Vec<Edit>> {
        let (mut edits, mut moved) = (Vec::new(), Vec::new());
        let append = |moved: &mut Vec<u8>| match moved.is_empty() {
            true => Ok(()),
            false => log.append_and_wait(std::mem::take(moved)).map(drop),
        };
        let mut failed = Ok(());
        let read = pieces(path, |start, piece| {
            lines(&self.decoder, &self.targets.namespaces, piece, |line| {
                let text = whole(piece, line.at);
                let fate = match (&line.outcome, std::str::from_utf8(text)) {
                    (Ok(event), Ok(text)) => self.targets.fate(tale, event, text.trim()),
                    // It never was an event: a file was edited by hand.
                    (_, text) => match text.is_ok_and(|text| !tale.is_in(text)) {
                        true => LineFate::Stays,
                        false => LineFate::Goes,
                    },
                };
                let edit = |with| Edit { at: start + line.at as u64, bytes: text.len(), with };
                match fate {
                    LineFate::Stays => {}
                    LineFate::Goes => {
                        erasure.lines += 1;
                        edits.push(edit(String::new()));
                    }
                    LineFate::Redacted(line) => {
                        erasure.redacted += 1;
                        if line.len() <= text.len() {
                            edits.push(edit(line));
                        } else {
                            moved.extend_from_slice(line.as_bytes());
                            moved.push(b'\n');
                            edits.push(edit(String::new()));
                        }
                    }
                }
            });
            if moved.len() >= MOVED_BYTES && failed.is_ok() {
                failed = append(&mut moved);
            }
            Ok(())
        });
        read.map_err(of_log(path))?;
        failed.and_then(|()| append(&mut moved)).map_err(LogError::Append)?;
        Ok(edits)
    }
}

/// A piece of a file that is to be overwritten: with a text that is not longer, and blanks behind it.
#[derive(Debug)]
struct Edit {
    at: u64,
    bytes: usize,
    with: String,
}

/// Shows the whole lines of a file in pieces, each with its place.
fn pieces(path: &Path, mut each: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = pack::open(path)?;
    let (mut at, mut piece) = (0, Vec::new());
    loop {
        let read = file.read_until(b'\n', &mut piece)?;
        if read == 0 || piece.len() >= PIECE_BYTES {
            each(at, &piece)?;
            at += piece.len() as u64;
            piece.clear();
        }
        if read == 0 {
            return Ok(());
        }
    }
}

fn lines(decoder: &Decoder, namespaces: &Namespaces, piece: &[u8], mut each: impl FnMut(Line<'_, '_>)) {
    decoder.chunk(&Chunk::whole(piece), &mut namespaces.clone(), &mut JunkCounts::new(), &mut each);
}

/// The line that begins at a place; a reject does not have all of it.
fn whole(piece: &[u8], at: usize) -> &[u8] {
    let rest = piece.get(at..).unwrap_or_default();
    rest.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Writes a file of the log again, with what is to be overwritten, in ascending order.
fn rewrite(path: &Path, edits: &[Edit]) -> io::Result<()> {
    let mut old = pack::open(path)?;
    let mut lines = |new: &mut dyn Write| {
        let mut at = 0;
        for edit in edits {
            io::copy(&mut old.by_ref().take(edit.at - at), new)?;
            io::copy(&mut old.by_ref().take(edit.bytes as u64), &mut io::sink())?;
            new.write_all(edit.with.as_bytes())?;
            io::copy(&mut io::repeat(b' ').take((edit.bytes - edit.with.len()) as u64), new)?;
            at = edit.at + edit.bytes as u64;
        }
        io::copy(&mut old, new).map(drop)
    };
    let bytes = pack::bytes(path)?;
    replace(path, |file| match pack::is_packed(path) {
        true => pack::write(file, bytes, lines),
        false => {
            let mut new = BufWriter::new(file);
            lines(&mut new).and_then(|()| new.flush())
        }
    })
}

fn of_log(path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let file = path.display().to_string();
    move |source| LogError::Erase(file, source)
}
