//! Eight threads ask while a store is written to: replays, unlinked and linked pairs, logs taken back, a trimmed feed. Each answer was true
//! at some moment between its call and its return, and no question that was asked after an answer came is answered by an earlier commit.
//!
//! Each question is recorded with the moments of its call and its return; each state with those between which it may have been the
//! visible one. What a state answers is worked out by the oracle. For `BACKSTITCH_SECONDS` a store, or one.
//!
//! What it can miss: a wrong order of two commits that answer a question alike.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use backstitch::rows::ResolutionRef;
use backstitch::{Engine, Resolution, Resolver};
use xxhash_rust::xxh3::xxh3_64;

use crate::harness::{self, Chance, Manner, asked, options, text};
use crate::oracle::{Answer, Event, Id, Life, Reading, Rules};
use crate::side_by_side::events_of;

const THREADS: u64 = 8;
const SESSIONS: usize = 8;
const CUSTOMERS: usize = 4;
const FILES: usize = 12;

/// A round has so many acts: what it recorded is judged and forgotten before the next.
const ACTS_A_ROUND: usize = 60;

/// Answers that a thread may give in a round, so that a slow writer fills no memory.
const ANSWERS_A_ROUND: usize = 100_000;

/// Nanoseconds since the test began.
type Moment = u64;

/// An answer, by its hash.
type Told = u64;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Resolve(usize),
    Customer(usize),
    /// All sessions together.
    Many,
    /// The digest of a view, which is taken between call and return and read afterwards.
    Digest,
}

impl Question {
    fn all() -> impl Iterator<Item = Self> {
        let of_each = (0..SESSIONS).flat_map(|session| [Self::Resolve(session), Self::Customer(session)]);
        of_each.chain([Self::Many, Self::Digest])
    }

    /// Its place among all.
    fn number(self) -> usize {
        match self {
            Self::Resolve(session) => session * 2,
            Self::Customer(session) => session * 2 + 1,
            Self::Many => SESSIONS * 2,
            Self::Digest => SESSIONS * 2 + 1,
        }
    }

    /// Questions about sessions come far more often than those that read the store.
    fn drawn(chance: &mut Chance) -> Self {
        match chance.below(64) {
            0 => Self::Digest,
            1..=12 => Self::Many,
            13..=24 => Self::Customer(chance.below(SESSIONS)),
            _ => Self::Resolve(chance.below(SESSIONS)),
        }
    }
}

/// A question that was answered.
#[derive(Debug, Clone, Copy)]
struct Read {
    question: Question,
    begin: Moment,
    end: Moment,
    told: Told,
}

/// What a store was between two commits.
struct State {
    /// No sooner than this was it visible.
    since: Moment,
    /// No later than this was it.
    until: Moment,
    /// By the number of the question.
    answers: Vec<Told>,
}

fn hash(text: &str) -> Told {
    xxh3_64(text.as_bytes())
}

fn name(session: usize) -> String {
    format!("s{session}")
}

fn found(found: Option<&Resolution>) -> String {
    let Some(Resolution { person, since, group, .. }) = found else { return "unknown".to_owned() };
    let group: Vec<String> = group.iter().map(ToString::to_string).collect();
    format!("{person} {:?} {group:?}", since.map(|since| since.as_micros()))
}

fn expected(answer: Option<&Answer>) -> String {
    let Some(Answer { person, since, group, .. }) = answer else { return "unknown".to_owned() };
    let group: Vec<String> = group.iter().map(ToString::to_string).collect();
    format!("{person} {since:?} {group:?}")
}

/// What the oracle answers to all questions.
fn answers(life: &Life) -> Vec<Told> {
    let belief = life.belief(Reading::default());
    let of = |session: usize| belief.identities.get(&Id::session(&name(session)));
    let told = Question::all().map(|question| match question {
        Question::Resolve(session) => hash(&expected(of(session))),
        Question::Customer(session) => {
            let customer = of(session).filter(|answer| answer.person.is_customer());
            hash(customer.map_or("none", |answer| &answer.person.value))
        }
        Question::Many => hash(&(0..SESSIONS).map(|session| expected(of(session))).collect::<String>()),
        Question::Digest => hash(&belief.digest),
    });
    told.collect()
}

fn ask(resolver: &Resolver, question: Question, clock: Instant) -> Read {
    let now = || clock.elapsed().as_nanos() as Moment;
    let begin = now();
    let (end, told) = match question {
        Question::Resolve(session) => {
            let answer = resolver.resolve(&name(session));
            (now(), found(answer.as_ref()))
        }
        Question::Customer(session) => {
            let customer = resolver.customer_of(&name(session));
            (now(), customer.unwrap_or_else(|| "none".to_owned()))
        }
        Question::Many => {
            let answers = resolver.resolve_many((0..SESSIONS).map(name));
            (now(), answers.iter().map(|answer| found(answer.map(ResolutionRef::to_resolution).as_ref())).collect())
        }
        Question::Digest => {
            let view = resolver.view();
            let end = now();
            (end, view.totals().expect("a sound store").digest.to_string())
        }
    };
    Read { question, begin, end, told: hash(&told) }
}

/// Asks until told to stop, with naps, so that the writer has its share of few cores.
fn ask_on(resolver: &Resolver, clock: Instant, seed: u64, stop: &AtomicBool) -> Vec<Read> {
    let mut chance = Chance(seed);
    let mut reads = Vec::new();
    while !stop.load(Ordering::Relaxed) && reads.len() < ANSWERS_A_ROUND {
        reads.push(ask(resolver, Question::drawn(&mut chance), clock));
        if chance.below(8) == 0 {
            thread::sleep(Duration::from_micros(100));
        }
    }
    reads
}

/// The first answer, by its call, that no state explains: none that may have been visible then gives it, or only one before a state that
/// an answer which came before the call was of. Each answer is taken to be of the earliest state that it can be of: if any
/// choice explains all of them, this one does.
fn unexplained(states: &[State], reads: &mut [Read]) -> Option<Read> {
    reads.sort_unstable_by_key(|read| read.begin);
    let mut by_end: Vec<usize> = (0..reads.len()).collect();
    by_end.sort_unstable_by_key(|at| reads[*at].end);
    let mut ended = by_end.into_iter().peekable();
    let mut of = vec![0; reads.len()];
    let mut earliest = 0;
    for (at, read) in reads.iter().enumerate() {
        while let Some(before) = ended.next_if(|before| reads[*before].end < read.begin) {
            earliest = earliest.max(of[before]);
        }
        let first = earliest.max(states.partition_point(|state| state.until < read.begin));
        let mut visible = (first..states.len()).take_while(|state| states[*state].since <= read.end);
        match visible.find(|state| states[*state].answers[read.question.number()] == read.told) {
            Some(state) => of[at] = state,
            None => return Some(*read),
        }
    }
    None
}

/// A store that is written to, and the oracle's account of it.
struct Written {
    engine: Engine,
    life: Life,
    files: Vec<PathBuf>,
    events: Vec<Vec<Event>>,
    /// The files that have a position.
    read: BTreeSet<usize>,
    _folder: tempfile::TempDir,
}

impl Written {
    fn new(engine: Engine, chance: &mut Chance) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = fs::canonicalize(folder.path()).expect("it is there");
        let logs: Vec<Vec<String>> = (0..FILES).map(|_| (0..6).map(|_| line(chance)).collect()).collect();
        let files: Vec<PathBuf> = (0..FILES).map(|at| path.join(format!("{at}.log"))).collect();
        for (file, lines) in files.iter().zip(&logs) {
            fs::write(file, text(lines)).expect("written");
        }
        let events = logs.iter().map(|lines| events_of(&Rules::default(), lines)).collect();
        Self { engine, life: Life::default(), files, events, read: BTreeSet::new(), _folder: folder }
    }

    /// Does something; gives the life after each commit.
    fn act(&mut self, chance: &mut Chance) -> Vec<Life> {
        let mut life = self.life.clone();
        let session = Id::session(&name(chance.below(SESSIONS)));
        let customer = Id::customer(&format!("c{}", chance.below(CUSTOMERS)));
        match chance.below(10) {
            0..=3 => return self.replay(chance),
            4 | 5 => {
                harness::unlink(&mut self.engine, &session, &customer);
                life.unlink(&session, &customer);
            }
            6 => {
                harness::relink(&mut self.engine, &session, &customer);
                life.relink(&session, &customer);
            }
            7 | 8 => {
                let Some(file) = self.read.iter().nth(chance.below(self.read.len())).copied() else {
                    return vec![life];
                };
                harness::retract_source(&mut self.engine, &self.files[file]);
                life.retract_source(&file.to_string());
                self.read.remove(&file);
            }
            _ => {
                let sequence = self.engine.feed().sequence();
                self.engine.trim(sequence).expect("a store that can be written");
            }
        }
        self.life = life.clone();
        vec![life]
    }

    /// Replays some files, each in a commit of its own.
    fn replay(&mut self, chance: &mut Chance) -> Vec<Life> {
        let from = chance.below(FILES);
        let numbers: Vec<usize> = (0..=chance.below(3)).map(|at| (from + at) % FILES).collect();
        let files: Vec<PathBuf> = numbers.iter().map(|number| self.files[*number].clone()).collect();
        harness::replay(&mut self.engine, &files, Manner { threads: 2, batch_events: 1, force: true });
        let after = |number: usize| {
            self.read.insert(number);
            self.life.deliver(&number.to_string(), self.events[number].iter().cloned());
            self.life.clone()
        };
        numbers.into_iter().map(after).collect()
    }
}

/// A line of a few sessions and customers, at one of a few moments: everything collides.
fn line(chance: &mut Chance) -> String {
    let (time, session) = (chance.below(500), chance.below(SESSIONS));
    let other = match chance.below(5) {
        0 | 1 => format!(r#","ecommerceId":"c{}""#, chance.below(CUSTOMERS)),
        2 => format!(r#","email":"e{}""#, chance.below(CUSTOMERS)),
        _ => String::new(),
    };
    format!(r#"{{"timestamp":{time}.5,"user":{{"identities":{{"sessionId":"s{session}"{other}}}}}}}"#)
}

/// Writes and asks at once for one round; gives the states and the answers.
fn round(written: &mut Written, chance: &mut Chance, clock: Instant) -> (Vec<State>, Vec<Read>) {
    let stop = AtomicBool::new(false);
    let now = || clock.elapsed().as_nanos() as Moment;
    // The life after each commit, and the moments of the act that made it.
    let mut lives = vec![(written.life.clone(), 0, 0)];
    let reads = thread::scope(|threads| {
        let readers: Vec<_> = (0..THREADS)
            .map(|_| {
                let (resolver, seed, stop) = (written.engine.resolver(), chance.next(), &stop);
                threads.spawn(move || ask_on(&resolver, clock, seed, stop))
            })
            .collect();
        for _ in 0..ACTS_A_ROUND {
            let begin = now();
            let after = written.act(chance);
            let end = now();
            lives.extend(after.into_iter().map(|life| (life, begin, end)));
        }
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().flat_map(|reader| reader.join().expect("no panic")).collect()
    });
    let ends = lives.iter().skip(1).map(|(_, _, end)| *end).chain([Moment::MAX]).collect::<Vec<_>>();
    let state = |((life, since, _), until): (&(Life, Moment, Moment), Moment)| State {
        since: *since,
        until,
        answers: answers(life),
    };
    (lives.iter().zip(ends).map(state).collect(), reads)
}

fn asked_at_once(of: &str, engine: Engine) {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let seed = asked("BACKSTITCH_SEED").unwrap_or_else(now);
    let mut chance = Chance(seed);
    let mut written = Written::new(engine, &mut chance);
    let clock = Instant::now();
    let span = Duration::from_secs(asked("BACKSTITCH_SECONDS").unwrap_or(1));
    let (mut answers, mut commits, mut rounds) = (0, 0, 0);
    while rounds == 0 || clock.elapsed() < span {
        let (states, mut reads) = round(&mut written, &mut chance, clock);
        if let Some(read) = unexplained(&states, &mut reads) {
            let visible = |state: &&State| state.since <= read.end && state.until >= read.begin;
            let visible = states.iter().filter(visible).count();
            panic!("seed {seed}, round {rounds}: {read:?} is the answer of none of {visible} states of that time");
        }
        (answers, commits, rounds) = (answers + reads.len(), commits + states.len() - 1, rounds + 1);
    }
    assert_eq!(harness::totals(&written.engine).1, written.life.belief(Reading::default()).digest);
    assert!(answers > commits, "hardly anything was asked: {answers} answers, {commits} commits");
    writeln!(std::io::stderr(), "at once, {of}: {answers} answers over {commits} commits, each of its time")
        .expect("a standard error");
}

#[test]
fn each_answer_in_memory_was_true_between_call_and_return() {
    asked_at_once("in memory", harness::in_memory(&Rules::default()));
}

#[test]
fn each_answer_on_disk_was_true_between_call_and_return() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = options(&Rules::default()).open(folder.path().join("store")).expect("a store");
    asked_at_once("on disk", engine);
}

/// The judge itself: a question and its answer are of a state, or they are not.
#[test]
fn an_answer_out_of_its_time_is_found_out() {
    // Three states, told apart by every answer: visible up to 20, from 10 up to 40, from 30 on.
    let states: Vec<State> = [(0, 20), (10, 40), (30, Moment::MAX)]
        .into_iter()
        .zip(100..)
        .map(|((since, until), told)| State { since, until, answers: vec![told; SESSIONS * 2 + 2] })
        .collect();
    let read = |begin, end, told| Read { question: Question::Many, begin, end, told };
    let is_explained = |reads: &[Read]| unexplained(&states, &mut reads.to_vec()).is_none();
    assert!(is_explained(&[read(0, 5, 100), read(15, 16, 101), read(35, 36, 101), read(50, 60, 102)]));
    assert!(is_explained(&[read(12, 18, 101), read(12, 19, 100)]), "both at once, in either order");
    assert!(!is_explained(&[read(0, 9, 101)]), "before it was written");
    assert!(!is_explained(&[read(21, 22, 100)]), "after another took its place");
    assert!(!is_explained(&[read(12, 13, 101), read(14, 19, 100)]), "back to an earlier one");
    assert!(!is_explained(&[read(0, 60, 103)]), "of no state");
    let all = Question::all().collect::<Vec<_>>();
    assert!(all.iter().enumerate().all(|(at, question)| question.number() == at));
}
