//! Opening the store that a command is about, held against what is asked of its settings.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use backstitch::{Engine, Error, ErrorKind, Options, Repaired, StoreReader};

use crate::cli::args::Common;
use crate::cli::config::Config;
use crate::cli::failure::Failure;
use crate::cli::settings::Asked;

/// Opens the store that a command reads, which must exist and be as the configuration says.
pub fn open(common: &Common) -> Result<Engine, Failure> {
    open_by(common, &Config::load(common)?)
}

/// The same, by a configuration that was read before.
pub fn open_by(common: &Common, config: &Config) -> Result<Engine, Failure> {
    let engine = patiently(|| options(common).open(&common.store))?;
    config.asked.hold(engine.settings(), &common.store)?;
    Ok(engine)
}

/// Opens the store for a question or two about single identities, without loading it; `None` where a copy is to be read, which is loaded in any
/// case.
pub fn reader(common: &Common) -> Result<Option<StoreReader>, Failure> {
    if common.read_only {
        return Ok(None);
    }
    let config = Config::load(common)?;
    let reader = patiently(|| StoreReader::open(&common.store))?;
    config.asked.hold(reader.settings(), &common.store)?;
    Ok(Some(reader))
}

/// Opens the store to tell what it holds as a whole.
pub fn teller(common: &Common) -> Result<Engine, Failure> {
    if common.read_only {
        return open(common);
    }
    let config = Config::load(common)?;
    let engine = patiently(|| StoreReader::teller(&common.store))?;
    config.asked.hold(engine.settings(), &common.store)?;
    Ok(engine)
}

fn options(common: &Common) -> Options {
    let options = Engine::options().existing_only();
    if common.read_only { options.read_only() } else { options }
}

/// Why a store could not be opened right now.
pub enum Opening {
    /// Another process has it open.
    InUse,
    /// Anything else.
    Failed(Failure),
}

/// The same, without waiting for another process that has it open.
pub fn open_now(common: &Common) -> Result<Engine, Opening> {
    let config = Config::load(common).map_err(Opening::Failed)?;
    match options(common).open(&common.store) {
        Err(error) if error.kind() == ErrorKind::InUse => Err(Opening::InUse),
        Err(error) => Err(Opening::Failed(error.into())),
        Ok(engine) => {
            config.asked.hold(engine.settings(), &common.store).map_err(Opening::Failed)?;
            Ok(engine)
        }
    }
}

/// How long a store that is in use is waited for: a follower has it open for a moment after each commit.
const WAIT_FOR_STORE: Duration = Duration::from_secs(2);

/// Between two tries.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Opens a store as soon as it is free, within reason.
fn patiently<T>(open: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        match open() {
            Err(error) if error.kind() == ErrorKind::InUse && start.elapsed() < WAIT_FOR_STORE => {
                thread::sleep(TRY_EVERY)
            }
            opened => return opened,
        }
    }
}

/// The same, mended where it is damaged and, where that was asked for, taken as it is although it may be older than its last commit.
pub fn repair(common: &Common, accept_older: bool) -> Result<(Engine, Repaired), Failure> {
    let config = Config::load(common)?;
    let (engine, repaired) = match accept_older {
        true => Engine::accept_older(&common.store)?,
        false => Engine::repair(&common.store)?,
    };
    config.asked.hold(engine.settings(), &common.store)?;
    Ok((engine, repaired))
}

/// Opens the store that a replay writes, made when missing.
pub fn open_or_make(store: &Path, asked: &Asked) -> Result<Engine, Failure> {
    match patiently(|| Engine::options().existing_only().open(store)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(asked.new_store()?.open(store)?),
        opened => {
            let engine = opened?;
            asked.hold(engine.settings(), store)?;
            Ok(engine)
        }
    }
}
