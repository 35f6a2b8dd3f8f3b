//! How is it used by hand? The command line, through the library's public face only.
//!
//! Floor 4. Arguments become plain values first (`args`), then one command runs: results go to standard output,
//! progress and reasons to standard error, and how it ended becomes the exit code in one place.

mod args;
mod attribute;
mod bar;
mod changes;
mod commits;
mod config;
mod copies;
mod diagnosis;
mod diff;
mod events;
mod examples;
mod explain;
mod facts;
mod failure;
mod generate;
mod households;
mod identity;
mod interrupt;
mod logs;
mod one_heap;
mod opening;
mod output;
mod privacy;
mod privacy_args;
mod profile;
mod profile_args;
mod reading;
mod recount;
mod recount_args;
mod rejects;
mod replay;
mod resolve;
mod rows_args;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod serve_args;
mod sessions;
mod settings;
mod shared;
mod show;
mod stats;
mod summary;
#[cfg(test)]
mod testing;
mod text;
mod undo;
mod verify;
mod writable;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::args::{Arguments, Command};
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All is well.
    Done,
    /// What it did stands, but all is not well: it was stopped, or found what it was to look for. The reason has been told.
    Unwell,
    /// Done, but lines were rejected and `--strict` was given.
    Rejected,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let ended = match Arguments::try_parse() {
        Ok(arguments) => run(&arguments),
        Err(error) => Err(Failure::Arguments(error)),
    };
    if let Err(failure) = &ended {
        failure.tell();
    }
    ExitCode::from(match ended {
        Ok(Ended::Done) | Err(Failure::NobodyReads) => 0,
        Ok(Ended::Unwell) | Err(Failure::Failed(_)) => 1,
        Err(Failure::Usage(_)) => 2,
        Err(Failure::Arguments(error)) => u8::try_from(error.exit_code()).unwrap_or(2),
        Ok(Ended::Rejected) => 3,
    })
}

/// Whether a command is about nothing but writing to the store. Of the others the store tells where they come to that.
fn must_write(command: &Command) -> bool {
    match command {
        Command::Replay(_)
        | Command::ImportFacts { .. }
        | Command::Unlink(_)
        | Command::Retract(_)
        | Command::OptIn(_) => true,
        #[cfg(feature = "serve")]
        Command::Serve(_) => true,
        #[cfg(not(feature = "serve"))]
        Command::Serve { .. } => false,
        Command::Verify(verify) => verify.repair,
        Command::Changes(changes) => changes.trim.is_some(),
        Command::OptOut(out) => !out.list,
        // Also where it only says what would change: it is worked out on the store.
        Command::Rename(rename) => !rename.list,
        Command::Quarantine(quarantine) => !quarantine.list,
        Command::Release(_) => true,
        Command::Forget(forget) => !forget.list,
        Command::Resolve(_)
        | Command::Duplicates(_)
        | Command::Related(_)
        | Command::Explain(_)
        | Command::Events(_)
        | Command::Profile(_)
        | Command::Profiles(_)
        | Command::Show(_)
        | Command::Sessions(_)
        | Command::Attribute(_)
        | Command::Diff(_)
        | Command::Stats(_)
        | Command::Commits
        | Command::Backup { .. }
        | Command::ExportFacts { .. }
        | Command::Generate(_)
        | Command::Completions { .. } => false,
    }
}

fn run(arguments: &Arguments) -> Result<Ended, Failure> {
    let common = &arguments.common;
    if common.read_only && must_write(&arguments.command) {
        return Err(Failure::Usage("--read-only reads a copy of the store, and this command writes to it".to_owned()));
    }
    let _gone_at_the_end = common.read_only.then(copies::folder);
    match &arguments.command {
        Command::Replay(replay) => replay::run(common, replay),
        Command::Resolve(resolve) => resolve::run(common, resolve),
        Command::Changes(changes) => changes::run(common, changes),
        Command::Commits => commits::run(common),
        Command::Unlink(unlink) => undo::unlink(common, unlink),
        Command::Retract(retract) => undo::retract(common, retract),
        Command::Forget(forget) => privacy::forget(common, forget),
        Command::OptOut(out) => privacy::opt_out(common, out),
        Command::OptIn(opt_in) => privacy::opt_in(common, opt_in),
        Command::Rename(rename) => recount::rename(common, rename),
        Command::Quarantine(quarantine) => recount::quarantine(common, quarantine),
        Command::Release(release) => recount::release(common, release),
        Command::Duplicates(duplicates) => households::duplicates(common, duplicates),
        Command::Related(related) => households::related(common, related),
        Command::Explain(explain) => explain::run(common, explain),
        Command::Events(events) => events::run(common, events),
        Command::Profile(one) => profile::one(common, one),
        Command::Profiles(all) => profile::all(common, all),
        Command::Show(show) => show::run(common, show),
        Command::Sessions(sessions) => sessions::run(common, sessions),
        Command::Attribute(attribute) => attribute::run(common, attribute),
        Command::Diff(diff) => diff::run(common, diff),
        Command::Stats(stats) => stats::run(common, stats),
        Command::Verify(verify) => verify::run(common, verify),
        Command::Backup { to } => facts::backup(common, to),
        Command::ExportFacts { output } => facts::export(common, output.as_deref()),
        Command::ImportFacts { from } => facts::import(common, from),
        Command::Generate(generate) => generate::run(common, generate),
        #[cfg(feature = "serve")]
        Command::Serve(serve) => serve::run(common, serve),
        #[cfg(not(feature = "serve"))]
        Command::Serve { .. } => Err(Failure::Usage(
            "this program was built without `serve`: `cargo install --path . --features serve` builds one with it"
                .to_owned(),
        )),
        Command::Completions { shell } => completions(*shell),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<Ended, Failure> {
    // Into memory first: written straight to a closed pipe it would panic.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "backstitch", &mut script);
    let mut out = Output::stdout();
    out.write(&script)?;
    out.finish()
}

#[cfg(all(test, not(feature = "serve")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_serve_says_how_to_get_one() {
        let arguments = Arguments::try_parse_from(["backstitch", "serve", "--keys", "keys"]).unwrap();
        let Err(Failure::Usage(told)) = run(&arguments) else { panic!("no usage") };
        assert!(told.contains("cargo install --path . --features serve"), "{told}");
    }
}
