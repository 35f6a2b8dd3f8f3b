//! `serve`: activities over HTTP into a log and a store, and answers from it.

use std::path::Path;

use backstitch::Collector;

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::config::Config;
use crate::cli::failure::{Failure, tell};
use crate::cli::interrupt;
use crate::cli::one_heap;
use crate::cli::opening::open_or_make;
use crate::cli::serve_args::ServeArgs;

/// Serves until it is interrupted.
pub fn run(common: &Common, serve: &ServeArgs) -> Result<Ended, Failure> {
    if is_within(&serve.log, &common.store) || is_within(&common.store, &serve.log) {
        let why = "the log and the store are folders of their own, side by side: name another with --log";
        return Err(Failure::Usage(why.to_owned()));
    }
    one_heap::ensure();
    let stop = interrupt::stop();
    let config = Config::load(common)?;
    // Keys and tokens before anything else: a slip of the hand in a file shall not leave a store behind.
    let mut collector = Collector::new(&serve.log, &serve.keys)?;
    if let Some(file) = &serve.token_file {
        collector = collector.tokens(file)?;
    }
    if serve.compress {
        collector = collector.compress();
    }
    let collector = collector.listen(&serve.listen)?;
    let engine = open_or_make(&common.store, &config.asked)?;
    if !common.quiet {
        tell(&format!("serving at http://{}; Ctrl-C stops it", collector.address()?));
    }
    collector.run(engine, stop)?;
    Ok(Ended::Done)
}

/// Whether a folder is another one, or in it.
fn is_within(folder: &Path, other: &Path) -> bool {
    let full = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or(path.to_owned());
    full(folder).starts_with(full(other))
}
