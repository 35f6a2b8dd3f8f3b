//! What was asked for: the arguments, as plain values.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use backstitch::limits::MAX_THREADS;
use backstitch::{FeedPosition, Fields, Policy, RowFormat, Time, When};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::cli::examples;
use crate::cli::identity::Naming;
use crate::cli::privacy_args::{ForgetArgs, OptInArgs, OptOutArgs};
use crate::cli::profile_args::{ProfileArgs, ProfilesArgs};
use crate::cli::reading::{Bounds, ReadAs, moment, policies};
use crate::cli::recount_args::{QuarantineArgs, ReleaseArgs, RenameArgs};
use crate::cli::rows_args::{RowsArgs, csv_format};

/// Links every session of an event log to its customer, and gives the events before the login to the same person.
#[derive(Debug, Parser)]
#[command(name = "backstitch", version, after_help = examples::ALL, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
pub struct Common {
    /// The store: a folder, made by the first replay
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = DEFAULT_STORE,
        env = "BACKSTITCH_STORE",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        value_hint = ValueHint::DirPath
    )]
    pub store: PathBuf,
    /// A configuration: levels, junk and where the lines of a log say what [default: ./backstitch.toml, where there is one]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "BACKSTITCH_CONFIG",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        value_hint = ValueHint::FilePath
    )]
    pub config: Option<PathBuf>,
    /// Read a private copy of the store: beside a replay, or from a folder that cannot be written
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub read_only: bool,
    /// Print results as JSON, for programs
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// No progress bar, no notes and no reports of what was done: what was asked for and errors only
    #[arg(short, long, global = true, help_heading = EVERYWHERE)]
    pub quiet: bool,
}

/// Heading of what every command understands.
const EVERYWHERE: &str = "Everywhere";

/// Where the store is unless told otherwise.
pub const DEFAULT_STORE: &str = "./backstitch.store";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read event logs into the store and link their sessions
    #[command(after_help = examples::REPLAY)]
    Replay(ReplayArgs),
    /// Say who a session (or any other identity) is
    #[command(after_help = examples::RESOLVE)]
    Resolve(ResolveArgs),
    /// Say why an identity belongs to its person, or why two are one person or not
    #[command(after_help = examples::EXPLAIN)]
    Explain(ExplainArgs),
    /// List pairs of customers that share an e-mail address, a device or a session, the most telling first
    #[command(after_help = examples::DUPLICATES)]
    Duplicates(DuplicatesArgs),
    /// List the people who share an identity with this one and were not merged
    #[command(after_help = examples::RELATED)]
    Related(RelatedArgs),
    /// List the events of a person in time order
    #[command(after_help = examples::EVENTS)]
    Events(EventsArgs),
    /// Show the segments and traits of a person, and where each comes from
    #[command(after_help = examples::PROFILE)]
    Profile(ProfileArgs),
    /// List the segments and traits of everybody
    #[command(after_help = examples::PROFILES)]
    Profiles(ProfilesArgs),
    /// Print the line of a log that an event is, and where it lies
    #[command(after_help = examples::SHOW)]
    Show(ShowArgs),
    /// List sessions with their person
    #[command(after_help = examples::SESSIONS)]
    Sessions(SessionsArgs),
    /// Write a log again, with the person of every event
    #[command(after_help = examples::ATTRIBUTE)]
    Attribute(AttributeArgs),
    /// List the sessions that two policies tell differently
    #[command(after_help = examples::DIFF)]
    Diff(DiffArgs),
    /// List what each commit changed: the change feed, a record for every session whose row differs
    #[command(after_help = examples::CHANGES)]
    Changes(ChangesArgs),
    /// List the commits of the store, for `resolve --known-at`
    #[command(after_help = examples::COMMITS)]
    Commits,
    /// Let a session and a customer, or any two identities, count as never seen together
    #[command(after_help = examples::UNLINK)]
    Unlink(UnlinkArgs),
    /// Take a source or an event back, as if it had never been replayed
    #[command(after_help = examples::RETRACT)]
    Retract(RetractArgs),
    /// Erase identities, or whole persons, so that nothing brings them back
    #[command(after_help = examples::FORGET)]
    Forget(ForgetArgs),
    /// Take in no more events of a person, from now on
    #[command(after_help = examples::OPT_OUT)]
    OptOut(OptOutArgs),
    /// Take in events of a person again
    #[command(after_help = examples::OPT_IN)]
    OptIn(OptInArgs),
    /// Let a customer, or another identity, count as another, in events from the past and to come
    #[command(after_help = examples::RENAME)]
    Rename(RenameArgs),
    /// Set identities aside, as if their values were junk
    #[command(after_help = examples::QUARANTINE)]
    Quarantine(QuarantineArgs),
    /// Let identities count again that were set aside
    #[command(after_help = examples::RELEASE)]
    Release(ReleaseArgs),
    /// Show what the store holds
    #[command(after_help = examples::STATS)]
    Stats(StatsArgs),
    /// Work everything out a second time in another way, and compare
    #[command(after_help = examples::VERIFY)]
    Verify(VerifyArgs),
    /// Copy the store to a folder of its own, as of its last commit
    #[command(after_help = examples::BACKUP)]
    Backup {
        /// The folder, which is made
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        to: PathBuf,
    },
    /// Write all facts as lines of JSON, for a store of another version or machine
    #[command(after_help = examples::EXPORT_FACTS)]
    ExportFacts {
        /// Write to this file, which appears once it is complete
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Take facts in that `export-facts` wrote; the store is made where it is missing
    #[command(after_help = examples::IMPORT_FACTS)]
    ImportFacts {
        /// The file; `-` is standard input
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        from: PathBuf,
    },
    /// Write a realistic log to try things out with
    #[command(after_help = examples::GENERATE)]
    Generate(GenerateArgs),
    /// Take activities in over HTTP, and answer who is who
    #[cfg(feature = "serve")]
    #[command(after_help = examples::SERVE)]
    Serve(crate::cli::serve_args::ServeArgs),
    /// What a build without it says of `serve`
    #[cfg(not(feature = "serve"))]
    #[command(hide = true, disable_help_flag = true)]
    Serve {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Print the completions for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Files, folders, quoted globs, or `-` for standard input; plain, gzip or zstd
    #[arg(value_name = "LOG", value_hint = ValueHint::AnyPath)]
    pub logs: Vec<String>,
    /// Read again what was read before, also by another configuration; events that are stored already stay as they are
    #[arg(long)]
    pub force: bool,
    /// Keep no segments and traits of events
    #[arg(long)]
    pub no_profiles: bool,
    /// Give standard input a name, under which `stats` tells how far it was read
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Add rejected lines to this file, as JSON lines with source, line number and reason
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub rejects: Option<PathBuf>,
    /// Let the store set identities aside by itself that tie too many together, such as `guest-checkout`, from now on
    #[arg(long)]
    pub quarantine: bool,
    /// End with exit code 3 when lines were rejected
    #[arg(long)]
    pub strict: bool,
    /// Threads to decode with [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Events between two commits, about, which is the knob for memory and durability: fewer take less memory, and less is
    /// read again after a kill; more take less time [default: 524288, and up to
    /// 2097152 of a log in no order]
    #[arg(long, value_name = "N", value_parser = number::<NonZeroUsize>)]
    pub batch_events: Option<NonZeroUsize>,
    #[command(flatten)]
    pub times: EventTimes,
    /// The unique namespace, of which a person has at most one identity [default: ecommerceId]
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "no_unique", help_heading = NEW_STORE)]
    pub unique: Option<String>,
    /// Namespaces between sessionId and the unique one, lowest first
    #[arg(long, value_name = "NAMESPACES", value_delimiter = ',', help_heading = NEW_STORE)]
    pub between: Vec<String>,
    /// Let every link join, customers included (no namespace is unique)
    #[arg(long, help_heading = NEW_STORE)]
    pub no_unique: bool,
    /// Take `null`, `undefined`, `guest`, zeros and their like for identities
    #[arg(long, help_heading = NEW_STORE)]
    pub keep_junk: bool,
    /// A value that is no identity either; may be given several times
    #[arg(long, value_name = "VALUE", help_heading = NEW_STORE)]
    pub junk: Vec<String>,
}

/// Heading of what is settled when a store is made.
const NEW_STORE: &str = "For a new store, which remembers them";

#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// Session IDs, or `namespace:value` for other identities; `-` reads one a line from standard input
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub naming: Naming,
    #[command(flatten)]
    pub read: ReadAs,
    /// Answer what the store said right after a commit: that with this change of the feed (4171), that of this number (commit:7),
    /// or the last one up to this moment (2026-11-01T10:00:00Z)
    #[arg(long, value_name = "WHEN", value_parser = when, conflicts_with_all = ["policy", "lookback"])]
    pub known_at: Option<When>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A session ID, or `namespace:value` for another identity
    #[arg(value_name = "ID")]
    pub id: String,
    /// A second one: why are the two one person, or why not?
    #[arg(value_name = "ID2")]
    pub other: Option<String>,
    #[command(flatten)]
    pub naming: Naming,
    /// How it is told: in words, for programs, for Graphviz, or as a picture
    #[arg(long, value_name = "FORMAT", default_value = "text", conflicts_with = "json")]
    pub format: Telling,
    /// Write to this file, which appears once it is complete
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// How an explanation is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Telling {
    /// Words
    Text,
    /// A JSON object
    Json,
    /// The language of Graphviz
    Dot,
    /// A picture that needs no other program
    Svg,
    /// A page about the person of one ID, for a browser without a server
    Html,
}

#[derive(Debug, Args)]
pub struct EventsArgs {
    /// A session ID, or `namespace:value` for another identity of the person
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub naming: Naming,
    #[command(flatten)]
    pub rows: RowsArgs,
    #[command(flatten)]
    pub read: ReadAs,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The `id` of an event, or its hash (32 hex digits, as `explain`, `events --json` and `changes` tell it)
    #[arg(value_name = "EVENT")]
    pub event: String,
    /// Look here instead of in the sources that delivered it: files, folders, quoted globs, or `-` for standard input
    #[arg(value_name = "LOG", value_hint = ValueHint::AnyPath)]
    pub logs: Vec<String>,
}

#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// Only the sessions of this customer (or of whom `namespace:value` belongs to)
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    #[command(flatten)]
    pub rows: RowsArgs,
    #[command(flatten)]
    pub read: ReadAs,
}

#[derive(Debug, Args)]
pub struct AttributeArgs {
    /// Files, folders, quoted globs, or `-` for standard input; plain, gzip or zstd
    #[arg(value_name = "LOG", value_hint = ValueHint::AnyPath)]
    pub logs: Vec<String>,
    #[command(flatten)]
    pub times: EventTimes,
    #[command(flatten)]
    pub rows: RowsArgs,
    #[command(flatten)]
    pub read: ReadAs,
}

/// The moments that an event may have.
#[derive(Debug, Args)]
pub struct EventTimes {
    /// Reject events before this moment, such as 2020-01-01T00:00:00Z [default: 1970-01-01T00:00:00Z]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub not_before: Option<Time>,
    /// Reject events after this moment [default: 2100-01-01T00:00:00Z]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub not_after: Option<Time>,
}

impl EventTimes {
    /// `fields` within these moments, where they are told.
    pub fn of(&self, fields: Fields) -> Fields {
        let fields = self.not_before.into_iter().fold(fields, Fields::not_before);
        self.not_after.into_iter().fold(fields, Fields::not_after)
    }
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The two policies, the one in use first
    #[arg(long, required = true, value_name = "POLICY", value_parser = policies())]
    pub policy: Vec<Policy>,
    #[command(flatten)]
    pub bounds: Bounds,
    #[command(flatten)]
    pub rows: RowsArgs,
}

#[derive(Debug, Args)]
pub struct StatsArgs {
    /// List the sessions that met more than one customer instead, and how each policy shares out their events
    #[arg(long, conflicts_with = "policy")]
    pub shared: bool,
    #[command(flatten)]
    pub read: ReadAs,
}

#[derive(Debug, Args)]
pub struct ChangesArgs {
    /// Only the records after this one: the position, or the number, of the last one that was applied [default: all that are kept]
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub since: Option<FeedPosition>,
    /// Go on with each commit that comes, until Ctrl-C
    #[arg(long)]
    pub follow: bool,
    /// Forget the records up to this one instead, and what was known before it
    #[arg(long, value_name = "SEQUENCE", value_parser = sequence, conflicts_with_all = ["since", "follow", "output"])]
    pub trim: Option<u64>,
    /// Write to this file, which appears once it is complete
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "follow")]
    pub output: Option<PathBuf>,
    /// Bring a table of sessions up to date instead, or make it: which change FILE is at stands in FILE.sequence or, of a table
    /// that `sessions` wrote, in --since
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with_all = ["follow", "trim", "output"]
    )]
    pub apply: Option<PathBuf>,
    /// Make that table as CSV; one that is there stays as it is
    #[arg(long, requires = "apply")]
    pub csv: bool,
    /// Make it as CSV for a spreadsheet: an apostrophe stands before what it would take for a formula
    #[arg(long, requires = "apply", conflicts_with = "csv")]
    pub csv_safe: bool,
}

impl ChangesArgs {
    /// The format of the table that was asked for.
    pub fn format(&self) -> Option<RowFormat> {
        csv_format(self.csv, self.csv_safe)
    }
}

#[derive(Debug, Args)]
pub struct UnlinkArgs {
    /// A session ID, or `namespace:value` for another identity
    #[arg(value_name = "ID")]
    pub id: String,
    /// A customer, or `namespace:value` for another identity
    #[arg(value_name = "ID2")]
    pub other: String,
    /// Take an earlier unlink back
    #[arg(long)]
    pub revert: bool,
    /// Decide it also where no event links the two yet
    #[arg(long, conflicts_with = "revert")]
    pub anyway: bool,
    /// Say what would change, and change nothing
    #[arg(long, conflicts_with = "revert")]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct RetractArgs {
    /// The events that no other source delivered, and how far it was read
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub source: Option<String>,
    /// The events with this `id`, or the one with this hash (32 hex digits, as `explain` and `changes` show it)
    #[arg(long, value_name = "ID")]
    pub event: Option<String>,
}

#[derive(Debug, Args)]
pub struct DuplicatesArgs {
    /// How many pairs to list at most
    #[arg(long, value_name = "N", value_parser = number::<usize>, default_value_t = ROWS_LISTED)]
    pub limit: usize,
    /// Only those that share an identity of this namespace, such as email
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
}

#[derive(Debug, Args)]
pub struct RelatedArgs {
    /// A session ID, or `namespace:value` for another identity of the person
    #[arg(value_name = "ID")]
    pub id: String,
    /// How many people to list at most
    #[arg(long, value_name = "N", value_parser = number::<usize>, default_value_t = ROWS_LISTED)]
    pub limit: usize,
    #[command(flatten)]
    pub naming: Naming,
}

/// Pairs, or people, that are listed unless told otherwise: what a person looks through. Others are counted.
const ROWS_LISTED: usize = 100;

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Rebuild what is derived from what is sound, then verify
    #[arg(long)]
    pub repair: bool,
    /// Take a store that is older than its last commit for the latest, as after a backup was put back; the change feed begins
    /// anew
    #[arg(long, requires = "repair")]
    pub accept_older: bool,
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// How many sessions: about twelve events and 4 KB each
    #[arg(long, value_name = "N", value_parser = number::<u64>, default_value_t = 1_000)]
    pub sessions: u64,
    /// Which log; the same seed gives the same bytes
    #[arg(long, value_name = "S", value_parser = number::<u64>, default_value_t = 1)]
    pub seed: u64,
    /// Leave out the lines that come twice (about one in two hundred)
    #[arg(long)]
    pub no_repeats: bool,
    /// Write to this file, which appears once it is complete
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "write a whole number, such as 1000")
}

fn sequence(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "write the number of a change, such as 4171: `backstitch stats` shows the last one")
}

fn when(text: &str) -> Result<When, &'static str> {
    text.parse().map_err(|_| {
        "write the number of a change, such as 4171, a commit, such as commit:7, or a moment, such as 2026-11-01T10:00:00Z: \
         `backstitch commits` lists them"
    })
}

fn position(text: &str) -> Result<FeedPosition, &'static str> {
    text.parse().map_err(|_| {
        "write the number of a change, such as 4171, or a position, such as 00c0ffee00c0ffee:4171: `backstitch stats --json` shows \
         the last one"
    })
}

/// More than any machine has cores are a slip of the hand.
fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads) if (1..=MAX_THREADS).contains(&threads) => Ok(threads),
        _ => Err(format!("write a number from 1 to {MAX_THREADS}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_arguments_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_is_common_may_stand_anywhere() {
        for line in ["backstitch --json --store s stats", "backstitch stats --json --store s"] {
            let arguments = parse(line).unwrap();
            assert!(arguments.common.json, "{line}");
            assert_eq!(arguments.common.store, PathBuf::from("s"), "{line}");
        }
    }

    #[test]
    fn what_is_refused() {
        for line in [
            "backstitch",
            "backstitch resolve",
            "backstitch sessions --csv --json",
            "backstitch explain",
            "backstitch explain a b c",
            "backstitch explain a --format svg --json",
            "backstitch replay a --threads 0",
            "backstitch replay a --threads 513",
            "backstitch replay a --batch-events 0",
            "backstitch replay a --unique x --no-unique",
            "backstitch generate --sessions -1",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_no_number_is_told_what_was_expected() {
        for (line, expected) in [
            ("changes --since abc", "write the number of a change, such as 4171"),
            ("changes --trim -", "write the number of a change"),
            ("resolve s --known-at 2026-11-02", "a moment, such as 2026-11-01T10:00:00Z"),
            ("resolve s --known-at commit:", "a commit, such as commit:7"),
            ("resolve s --known-at=-1", "the number of a change, such as 4171"),
            ("replay a --batch-events many", "write a whole number"),
            ("replay a --threads all", "write a number from 1 to 512"),
            ("generate --sessions 1e6", "write a whole number"),
            ("generate --seed x", "write a whole number"),
        ] {
            let told = parse(&format!("backstitch {line}")).unwrap_err().to_string();
            assert!(told.contains(expected), "{line}: {told}");
        }
    }

    #[test]
    fn lists_of_a_replay() {
        let line = "backstitch replay a b --between email,deviceid --junk n/k --junk x";
        let Command::Replay(replay) = parse(line).unwrap().command else { panic!("not a replay") };
        assert_eq!(replay.logs, ["a", "b"]);
        assert_eq!(replay.between, ["email", "deviceid"]);
        assert_eq!(replay.junk, ["n/k", "x"]);
    }
}
