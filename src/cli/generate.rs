//! `generate`: a log to try things out with.

use backstitch::{Generator, Recipe};

use crate::cli::Ended;
use crate::cli::args::{Common, GenerateArgs};
use crate::cli::failure::{Failure, tell};
use crate::cli::output::Output;
use crate::cli::text::{bytes, count};
use crate::cli::writable::Writable;

/// Writes the log.
pub fn run(common: &Common, generate: &GenerateArgs) -> Result<Ended, Failure> {
    let recipe = Recipe { sessions: generate.sessions, seed: generate.seed, repeats: !generate.no_repeats };
    let mut out = match &generate.output {
        Some(path) => Output::to(Writable::new(common, path, "the log")?)?,
        None => Output::stdout(),
    };
    let generated = out.with(|to| Generator::new(recipe).write(to))?;
    let name = out.name().to_owned();
    let ended = out.finish()?;
    if !common.quiet && generate.output.is_some() {
        tell(&format!("{} of {} in {name}", count(generated.lines, "line"), bytes(generated.bytes)));
    }
    Ok(ended)
}
