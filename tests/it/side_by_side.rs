//! A store and the oracle's account of it, side by side: what is done to the one is done to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use backstitch::Engine;
use backstitch::store::backend::{Backend, MemoryBackend};
use serde_json::Value;

use crate::acts::{Act, Course};
use crate::harness::{self, Manner, options, text};
use crate::oracle::{
    Belief, Change, Event, Life, Outcome, Reading, Refused, Rules, changes, changes_of_recount, judge,
};

/// A store in its life. Its pieces lie in a folder, a file each.
pub struct Pair {
    pub engine: Engine,
    backend: Arc<MemoryBackend>,
    rules: Rules,
    files: Vec<PathBuf>,
    folder: tempfile::TempDir,
    pieces: Vec<Vec<String>>,
    /// The events of each piece, repeats included.
    events: Vec<Vec<Event>>,
    /// The pieces that have a position.
    read: BTreeSet<usize>,
    pub life: Life,
}

/// What a commit changed, and what is true after it.
pub struct Commit {
    pub changes: Vec<Change>,
    pub life: Life,
    pub belief: Belief,
}

impl Pair {
    pub fn new(course: &Course) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = fs::canonicalize(folder.path()).expect("it is there");
        let files: Vec<PathBuf> = (0..course.pieces.len()).map(|at| path.join(format!("{at}.log"))).collect();
        for (file, lines) in files.iter().zip(&course.pieces) {
            fs::write(file, text(lines)).expect("written");
        }
        let backend = Arc::new(MemoryBackend::default());
        Self {
            engine: open(&backend, &course.rules),
            backend,
            rules: course.rules.clone(),
            files,
            folder,
            pieces: course.pieces.clone(),
            events: course.pieces.iter().map(|lines| events_of(&course.rules, lines)).collect(),
            read: BTreeSet::new(),
            life: Life::default(),
        }
    }

    /// What lies in the backend of the store.
    pub fn entries(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.backend.latest().entries()
    }

    /// The pieces that the store has read.
    pub fn pieces_read(&self) -> Vec<usize> {
        self.read.iter().copied().collect()
    }

    /// A store that never saw what was undone: it reads what is left, in one go, with the same decisions made beforehand.
    pub fn never_saw(&self) -> Engine {
        let mut engine = harness::in_memory(&self.rules);
        for (lower, higher) in &self.life.unlinked {
            harness::unlink(&mut engine, lower, higher);
        }
        self.life.aside.iter().for_each(|id| harness::set_aside(&mut engine, id));
        self.life.renamed.iter().for_each(|(old, new)| harness::rename(&mut engine, old, new));
        let left: Vec<&String> = self.pieces.iter().flatten().filter(|line| self.is_left(line)).collect();
        let file = self.folder.path().join("left");
        fs::write(&file, text(&left)).expect("written");
        harness::replay(&mut engine, &[file], Manner::default());
        engine
    }

    fn is_left(&self, line: &str) -> bool {
        events_of(&self.rules, &[line.to_owned()]).iter().all(|event| self.life.delivered.contains_key(event))
    }

    /// Does it to both, and says what each commit should have changed.
    pub fn act(&mut self, act: &Act) -> Vec<Commit> {
        let mut belief = self.life.belief(Reading::default());
        let mut commits = Vec::new();
        for life in self.act_on_both(act) {
            let after = life.belief(Reading::default());
            let changes = if act.is_recount() { changes_of_recount } else { changes }(&belief, &after);
            commits.push(Commit { changes, life: life.clone(), belief: after.clone() });
            (self.life, belief) = (life, after);
        }
        commits
    }

    /// Does it to the store; gives the life after each commit.
    fn act_on_both(&mut self, act: &Act) -> Vec<Life> {
        let mut life = self.life.clone();
        match act {
            Act::Replay { pieces, batch_events, force } => return self.replay(pieces, *batch_events, *force),
            Act::Unlink(lower, higher) => {
                harness::unlink(&mut self.engine, lower, higher);
                life.unlink(lower, higher);
            }
            Act::Relink(lower, higher) => {
                harness::relink(&mut self.engine, lower, higher);
                life.relink(lower, higher);
            }
            Act::Rename(old, new) => {
                harness::rename(&mut self.engine, old, new);
                life.renamed.insert(old.clone(), new.clone());
            }
            Act::RenameBack(old) => {
                harness::rename_back(&mut self.engine, old);
                life.renamed.remove(old);
            }
            Act::SetAside(id) => {
                harness::set_aside(&mut self.engine, id);
                life.aside.insert(id.clone());
            }
            Act::Release(id) => {
                harness::release(&mut self.engine, id);
                life.aside.remove(id);
            }
            Act::RetractSource(piece) => {
                harness::retract_source(&mut self.engine, &self.files[*piece]);
                life.retract_source(&piece.to_string());
                self.read.remove(piece);
            }
            Act::RetractEvent(id) => {
                harness::retract_event(&mut self.engine, id);
                life.retract_id(id);
            }
            Act::OptOut(id) => {
                harness::opt_out(&mut self.engine, id);
                life.opt_out(id);
            }
            Act::OptIn(id) => {
                harness::opt_in(&mut self.engine, id);
                life.opt_in(id);
            }
            Act::Forget { ids, whole_person, until } => {
                harness::forget(&mut self.engine, ids, *whole_person, *until);
                life.forget(ids, *whole_person, *until);
            }
            Act::Readmit(id) => {
                harness::readmit(&mut self.engine, id);
                life.readmit(id);
            }
            Act::Restart => {
                self.backend = self.backend.latest();
                self.engine = open(&self.backend, &self.rules);
            }
        }
        vec![life]
    }

    /// A batch is full with the file that reaches its number of events, and is committed then.
    fn replay(&mut self, pieces: &[usize], batch_events: usize, force: bool) -> Vec<Life> {
        let files: Vec<PathBuf> = pieces.iter().map(|piece| self.files[*piece].clone()).collect();
        let manner = Manner { batch_events, force, ..Manner::default() };
        let summary = harness::replay(&mut self.engine, &files, manner);
        let (mut life, mut lives, mut gathered) = (self.life.clone(), Vec::new(), 0);
        let mut all = Refused::default();
        for &piece in pieces {
            if self.read.insert(piece) || force {
                let refused = life.deliver(&piece.to_string(), self.events[piece].iter().cloned());
                gathered += self.events[piece].len() - (refused.erased + refused.suppressed) as usize;
                all.erased += refused.erased;
                all.suppressed += refused.suppressed;
            }
            if gathered >= batch_events {
                lives.push(life.clone());
                gathered = 0;
            }
        }
        let told = Refused { erased: summary.events.erased, suppressed: summary.events.suppressed };
        assert_eq!(told, all, "events that were not taken in");
        lives.push(life);
        lives
    }
}

fn open(backend: &Arc<MemoryBackend>, rules: &Rules) -> Engine {
    let backend: Arc<dyn Backend> = backend.clone();
    options(rules).over(backend).expect("the store that was closed")
}

/// The events of some lines, repeats included.
pub fn events_of(rules: &Rules, lines: &[String]) -> Vec<Event> {
    let mut judged = judge(rules, &[(String::new(), lines.to_vec())]);
    let outcomes = judged.outcomes.remove(0).into_iter();
    outcomes
        .filter_map(|outcome| match outcome {
            Outcome::Accepted(event) | Outcome::Duplicate(event) => Some(event),
            Outcome::Blank | Outcome::Rejected(_) => None,
        })
        .collect()
}

/// The lines of `sessions --json`, by session: someone's own table, kept up by the change feed alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table(pub BTreeMap<String, String>, bool);

impl Table {
    /// Where something was erased: drops the rows of sessions that the store does not list.
    pub fn settle(&mut self, engine: &Engine) {
        if self.1 {
            let listed: BTreeSet<String> =
                harness::sessions(engine).iter().map(|row| row["session"].to_string()).collect();
            self.0.retain(|session, _| listed.contains(&Value::from(session.as_str()).to_string()));
        }
    }

    /// Takes in a record, whose session is told by its name alone.
    pub fn apply(&mut self, record: &Value) {
        if record["session"].is_null() {
            self.1 = true;
            return;
        }
        let session = record["session"].as_str().expect("a session").to_owned();
        if record["to"].is_null() {
            assert!(self.0.remove(&session).is_some() || self.1, "a session is gone that was not there: {record}");
            return;
        }
        // What went before may not be told any more.
        assert!(self.1 || self.0.contains_key(&session) != record["from"].is_null(), "new, or not: {record}");
        let row = ["session", "to", "since", "events"].map(|name| record[name].to_string());
        let [name, person, since, events] = row;
        self.0.insert(
            session,
            format!(r#"{{"session":{name},"person":{person},"since":{since},"events":{events}}}"#) + "\n",
        );
    }
}
