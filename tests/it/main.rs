//! All integration tests, in one binary.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it expects by panicking")]

mod acts; // what is done to a store over its life, at random
mod asking; // what a service asks: many at once, one commit at a time, views of views
mod at_once; // eight threads ask while a store is written to: each answer was true between its call and its return
mod busy; // many chunks behind a slow commit, and questions while commits go on
mod cli_follow; // the feed followed while others write, and a taking back that is killed
mod cli_golden; // what the command prints, its exit codes, pipes and odd files
mod cli_history; // a table kept by the change feed, what is taken back, what is asked wrongly
mod config; // logs of another shape and stores of other levels, by configuration
mod crash; // processes that are killed or interrupted, and run again
mod crowds; // identities that tie too many together, set aside by the store itself
mod damage; // stores whose blocks went bad
mod docs; // what the README and the pages say, held against the program
mod docs_format; // a store, read by docs/format.md alone
mod erasure; // nothing brings the erased back, and no file holds a trace
mod erasure_laws; // a value in every spelling, segments and traits under erasures, kills in between
mod explain; // why two are one person or not, worked out by hand
mod explain_laws; // every link that explain names is the oracle's, every chain connects
mod faults; // a disk that fails at every write of a replay in turn
mod followers; // processes that follow the feed, killed at random: no gap, no repeat
mod following; // the change feed, followed from another thread while commits go on
mod formats; // what a log may look like, and what is said of one that is not read
mod harness; // the one place that knows how the engine is called
mod history; // random logs in which everything collides
mod households; // customers that share an identity and were not merged
mod idle; // runs that wait for something to read, and are stopped
mod journeys; // journeys as people make them, worked out by hand
mod kills; // processes that are killed in whatever they do
mod laws; // any order, files, batches, threads, repeats, restarts: one result, the oracle's
mod laws_history; // the change feed, what is undone, what was known once
mod laws_readings; // every policy, lookback and moment: the oracle's, and that of the log cut short
mod layouts; // arrays, objects over several lines, arrays in a wrapper: grown, killed, packed
mod locate; // the line that an event is, found again in its log
mod moments; // events outside of the bounds of time
mod moving; // a store moves: copies, and facts out and in
mod mutated; // mutated lines, read as by another parser
mod nasty; // logs as nobody should write them
mod opt_out; // whose events are not taken in, by whatever way they come
mod oracle; // what is true, worked out naively from the design: the judge of all below
mod oracle_checks; // the judge judged: true figures, worked examples, a second formulation
mod oracle_history; // likewise of its policies, moments, undoing and changes
mod outputs; // no output lands in a store, on a log or on a source
mod pages; // pages about a person: nothing of a log is markup in them
#[cfg(feature = "parquet")]
mod parquet; // segments and traits as Parquet, read back
mod pictures; // the pictures of explain: what is drawn can be read
mod place; // where the command and the files of the repository lie
mod profile_laws; // segments and traits: any order, split, reading, rule, undoing: the oracle's
mod push; // events that a program pushes, with its own position: exactly once, whatever dies
mod readers; // single answers from the disk: those of the opened store
mod readings; // the same facts under every policy, lookback and moment
mod real; // where the real log lies
mod real_data; // the real log through the engine
mod recounts; // identities that count as others, or as nothing: the store of the edited log
mod rot; // files of a store that rot, and what is said and kept of it
mod said; // what a line says, by the decoder and by the oracle
#[cfg(feature = "serve")]
mod serve; // the collector as a process: what it takes, answers, refuses and survives
mod shortage; // too little room, files, rights
mod side_by_side; // a store and the oracle's account of it, through the same acts
mod sizes; // devices of a whole town, customers with a thousand devices, sessions cut at ties
mod sources; // sources as they come, grow, change and break
mod steps; // what costs must not grow with, counted
mod tables; // a table in a file, kept up to date by the change feed
mod terminal; // nothing of a log steers a terminal or a spreadsheet
mod undo_faults; // taking back over a disk that fails, and commits while somebody reads
