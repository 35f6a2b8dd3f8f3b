//! The change feed, followed from another thread while commits go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backstitch::rows::SessionRow;
use backstitch::{Change, Engine, ErrorKind, Feed, Sequence};

use crate::busy::{Moody, files, line};
use crate::harness::{Manner, in_memory, replay};
use crate::oracle::Rules;

/// Rows of `sessions`, kept by the feed alone.
#[derive(Default)]
struct Table {
    rows: BTreeMap<String, (String, Option<i64>, u64)>,
    applied: Sequence,
    /// How often something came.
    rounds: usize,
}

impl Table {
    fn apply(&mut self, change: Change) {
        assert_eq!(change.sequence.0, self.applied.0 + 1, "each change comes once, in its turn");
        self.applied = change.sequence;
        let session = change.session.expect("nothing was erased");
        let before = self.rows.get(&session).map(|row| row.0.clone());
        assert_eq!(before, change.from.map(|person| person.to_string()), "{session}");
        match change.to {
            None => self.rows.remove(&session),
            Some(person) => {
                let since = change.since.map(|since| since.as_micros());
                self.rows.insert(session, (person.to_string(), since, change.events))
            }
        };
    }

    fn catch_up(&mut self, feed: &Feed) {
        for change in feed.changes(self.applied).expect("nothing was trimmed") {
            self.apply(change.expect("a sound store"));
        }
        self.rounds += 1;
    }

    /// Follows until `stop` is set and nothing is left.
    fn follow(mut self, feed: &Feed, stop: &AtomicBool) -> Self {
        loop {
            let ending = stop.load(Ordering::Relaxed);
            if feed.wait(self.applied, Duration::from_millis(5)) {
                self.catch_up(feed);
            } else if ending {
                return self;
            }
        }
    }
}

fn rows(sessions: Vec<SessionRow>) -> BTreeMap<String, (String, Option<i64>, u64)> {
    let row =
        |row: SessionRow| (row.session, (row.person.to_string(), row.since.map(|since| since.as_micros()), row.events));
    sessions.into_iter().map(row).collect()
}

#[test]
fn a_table_is_kept_from_another_thread_while_a_replay_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let contents: Vec<Vec<String>> = (0..80)
        .map(|at| {
            (0..10).map(|session| line(session * at % 50, at, (session % 3 == 0).then_some(session * at % 9))).collect()
        })
        .collect();
    let files = files(folder.path(), &contents);
    let slow = Moody { nap: Duration::from_millis(2), ..Moody::default() };
    let mut engine = Engine::options().over(Arc::new(slow)).expect("a store");
    let (feed, stop) = (engine.feed(), AtomicBool::new(false));
    let table = std::thread::scope(|threads| {
        let follower = threads.spawn(|| Table::default().follow(&feed, &stop));
        replay(&mut engine, &files, Manner { batch_events: 1, ..Manner::default() });
        engine.unlink("s0", "c0").expect("written");
        let source = files[7].to_str().expect("UTF-8");
        engine.retract(backstitch::engine::Retract::Source(source)).expect("a source of the store");
        stop.store(true, Ordering::Relaxed);
        follower.join().expect("no panic")
    });
    assert!(table.rounds > 10, "it was followed as it went on: {} times", table.rounds);
    assert_eq!(table.applied, engine.feed().sequence());
    assert_eq!(table.rows, rows(engine.resolver().view().sessions().expect("a sound store")));
}

#[test]
fn a_handle_sees_what_came_after_it_and_outlives_its_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(folder.path(), &[vec![line(1, 1, None)], vec![line(1, 2, Some(1)), line(2, 3, None)]]);
    let mut engine = in_memory(&Rules::default());
    let feed = engine.feed();
    assert!(!feed.wait(Sequence(0), Duration::ZERO), "there is nothing yet");
    assert_eq!((feed.sequence(), feed.changes(Sequence(0)).expect("empty").count()), (Sequence(0), 0));
    replay(&mut engine, &files[..1], Manner::default());
    assert!(feed.wait(Sequence(0), Duration::MAX), "longer than any clock tells");
    let begun = feed.changes(Sequence(0)).expect("kept");
    replay(&mut engine, &files[1..], Manner::default());
    engine.trim(Sequence(1)).expect("written");
    assert_eq!(begun.count(), 1, "what was begun is that of its commit, whatever came since");
    assert_eq!((feed.trimmed(), feed.sequence()), (Sequence(1), Sequence(3)));
    let refused = |since| feed.changes(Sequence(since)).err().map(|error| error.kind());
    assert_eq!((refused(0), refused(1), refused(4)), (Some(ErrorKind::Trimmed), None, Some(ErrorKind::Ahead)));
    drop(engine);
    let left: Vec<String> =
        feed.changes(Sequence(1)).expect("kept").filter_map(|change| change.expect("sound").session).collect();
    assert_eq!(left, ["s1", "s2"]);
}
