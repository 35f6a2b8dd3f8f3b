//! The change feed and what was overwritten: read from anywhere, gone back to, trimmed.

use std::sync::Arc;

use super::{Model, OwnedCommit, changes, step};
use crate::model::history::{Sequence, StoredChange};
use crate::model::settings::Settings;
use crate::model::time::Time;
use crate::model::when::{CommitStamp, When};
use crate::store::Store;
use crate::store::backend::MemoryBackend;
use crate::store::error::StoreError;
use crate::store::feed::StoredFeed;

/// A store of many commits, every third of which adds no record; what it held after each, and its sequence then.
fn filled(commits: u32) -> (Store, Vec<(Model, Sequence)>) {
    let mut store = Store::with_backend(Arc::new(MemoryBackend::default()), Some(&Settings::default())).unwrap();
    let mut states = vec![(Model::default(), Sequence(0))];
    for seed in 0..commits {
        let before = states[states.len() - 1].0.clone();
        let mut step: OwnedCommit = step(&before, seed);
        // Backwards in time: links and identities turn out to be earlier than was known.
        step.links.insert((0, 1), (-i64::from(seed) * 1_000, 7_000, u64::from(seed) + 2));
        step.changes = changes(seed, if seed % 3 == 1 { 0 } else { 900 }, 5 * seed + 5);
        step.commit(&mut store, &before).unwrap();
        states.push((before.with(&step), store.sequence()));
    }
    (store, states)
}

/// What decides who is who: identities with their first times, links with theirs, and decisions.
fn deciding(model: &Model) -> impl PartialEq + std::fmt::Debug + use<> {
    let seen: Vec<(u32, i64)> = model.seen.iter().map(|(id, seen)| (*id, seen.0)).collect();
    let links: Vec<_> = model.links.iter().map(|(pair, link)| (*pair, link.0)).collect();
    (seen, links, model.unlinked.clone())
}

/// The same of the store right after a commit.
fn gone_back(store: &Store, when: When) -> Result<impl PartialEq + std::fmt::Debug + use<>, StoreError> {
    let (_, mut loaded) = store.load::<()>()?;
    store.go_back(store.commit_at(when)?, &mut loaded)?;
    let seen = (0..).zip(loaded.seen.iter()).filter(|(_, seen)| seen.is_known());
    let mut seen: Vec<(u32, i64)> = seen.map(|(id, seen)| (id, seen.first.as_micros())).collect();
    seen.sort_unstable();
    let mut links: Vec<_> =
        loaded.links.iter().map(|link| ((link.lower.0, link.higher.0), link.first.as_micros())).collect();
    links.sort_unstable();
    let unlinked: std::collections::BTreeSet<_> =
        loaded.unlinks.iter().map(|unlink| (unlink.lower.0, unlink.higher.0)).collect();
    Ok((seen, links, unlinked))
}

#[test]
fn the_store_of_every_commit_can_be_had_again() {
    let (store, states) = filled(30);
    for (at, (model, sequence)) in states.iter().enumerate() {
        let expected = format!("{:?}", deciding(model));
        // The first one made the store.
        let known = format!("{:?}", gone_back(&store, When::Commit(at as u64 + 1)).unwrap());
        assert_eq!(known, expected, "after commit {at}");
        // A commit without a record is not known by that of the one before it.
        if at > 0 && states[at - 1].1 == *sequence {
            continue;
        }
        for number in [sequence.0, sequence.0.saturating_sub(1)] {
            let known = gone_back(&store, When::Change(Sequence(number))).unwrap();
            assert_eq!(format!("{known:?}"), expected, "any record names its commit, {at}: {number}");
        }
    }
}

#[test]
fn commits_are_listed_and_found_by_their_moments() {
    let (mut store, states) = filled(20);
    let listed = |store: &Store| {
        let (mut rows, mut commits) = (Vec::new(), store.commits());
        while let Some(row) = commits.next().unwrap() {
            rows.push(row);
        }
        rows
    };
    let all = listed(&store);
    let expected: Vec<_> = (2..).zip(states.iter().skip(1)).map(|(generation, state)| (generation, state.1)).collect();
    assert_eq!(all.iter().map(|row| (row.generation, row.sequence)).collect::<Vec<_>>(), expected);
    assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at), "the clock of a store never goes back");
    let last_until = |rows: &[CommitStamp], moment| rows.iter().rfind(|row| row.at <= moment).copied();
    for row in &all {
        assert_eq!(store.commit_at(When::Commit(row.generation)).unwrap(), *row);
        assert_eq!(Some(store.commit_at(When::Moment(row.at)).unwrap()), last_until(&all, row.at));
        let before = Time::from_micros(row.at.as_micros() - 1);
        let expected = last_until(&all, before).map_or(1, |row| row.generation);
        assert_eq!(store.commit_at(When::Moment(before)).unwrap().generation, expected);
    }
    assert_eq!(store.commit_at(When::Moment(Time::from_micros(i64::MAX))).unwrap(), all[19]);
    assert_eq!(store.commit_at(When::Moment(Time::from_micros(0))).unwrap().generation, 1);
    for number in [0, 22, u64::MAX] {
        assert!(matches!(store.commit_at(When::Commit(number)), Err(StoreError::NoCommit { last: 21, .. })));
    }
    // Commit 12 wrote no change: the one before it is the first that is kept.
    let upto = states[11].1;
    assert_eq!(upto, states[10].1);
    store.trim(upto).unwrap();
    let kept = listed(&store);
    assert_eq!(kept[..10], all[9..19]);
    assert_eq!((kept.len(), kept[11].generation), (12, 22), "a trim is a commit, too");
    let early = [When::Commit(10), When::Change(Sequence(upto.0 - 1)), When::Moment(Time::from_micros(0))];
    for when in early {
        let told = store.commit_at(when).unwrap_err();
        assert!(matches!(&told, StoreError::Forgotten { kept, .. } if *kept == all[9]), "{told}");
        assert!(told.to_string().contains("not kept any more: the history begins with commit 11, of 20"), "{told}");
    }
    assert_eq!(store.commit_at(When::Change(upto)).unwrap(), all[9]);
}

/// The records after `since`, which are numbered one after the other.
fn read(feed: &StoredFeed, since: u64) -> Vec<StoredChange> {
    let mut changes = feed.changes(Sequence(since)).unwrap();
    let mut read = Vec::new();
    while let Some((sequence, change)) = changes.next().unwrap() {
        assert_eq!(sequence.0, since + read.len() as u64 + 1);
        read.push(change);
    }
    read
}

#[test]
fn the_feed_is_read_from_any_record_on_and_trimmed_up_to_any() {
    let (mut store, states) = filled(20);
    let all = &states[20].0.changes;
    let read = |store: &Store, since: u64| read(&store.feed(), since);
    let last = store.sequence().0;
    assert_eq!(last, all.len() as u64);
    for since in (0..last).step_by(613).chain([899, 900, 901, last - 1, last]) {
        assert_eq!(read(&store, since), all[since as usize..], "since {since}");
    }
    assert!(matches!(store.feed().changes(Sequence(last + 1)), Err(StoreError::Ahead { .. })));
    assert!(matches!(store.trim(Sequence(last + 1)), Err(StoreError::Ahead { .. })));
    let bytes = |store: &Store| store.ledger.manifest().runs.iter().map(|run| run.bytes).sum::<u64>();
    for upto in [1, 900, 901, 5_000, last] {
        let before = bytes(&store);
        store.trim(Sequence(upto)).unwrap();
        store.trim(Sequence(upto - 1)).unwrap();
        assert_eq!(store.trimmed(), Sequence(upto));
        assert_eq!(read(&store, upto), all[upto as usize..]);
        assert!(matches!(store.feed().changes(Sequence(upto - 1)), Err(StoreError::Trimmed { .. })));
        assert!(gone_back(&store, When::Change(Sequence(upto))).is_ok());
        assert!(gone_back(&store, When::Change(Sequence(upto - 1))).is_err());
        assert!(upto < 900 || bytes(&store) < before + 1_000, "what is trimmed takes no room: {upto}");
    }
    let before = states[20].0.clone();
    let more = OwnedCommit { changes: changes(99, 5, 97), ..step(&before, 20) };
    more.commit(&mut store, &before).unwrap();
    assert_eq!(read(&store, last), more.changes, "numbers go on");
    // The last commit of those at first wrote no record.
    for (when, expected) in [(When::Change(Sequence(last)), &states[19].0), (When::Commit(21), &before)] {
        assert_eq!(format!("{:?}", gone_back(&store, when).unwrap()), format!("{:?}", deciding(expected)));
    }
}

#[test]
fn a_feed_stays_readable_while_its_runs_are_merged_trimmed_and_deleted() {
    let (mut store, states) = filled(6);
    let mut model = states[6].0.clone();
    let (feed, before) = (store.feed(), model.changes.clone());
    let mut begun = feed.changes(Sequence(0)).unwrap();
    assert_eq!(begun.next().unwrap(), Some((Sequence(1), before[0])));
    let mut commit = |store: &mut Store, seed| {
        let step = OwnedCommit { changes: changes(seed, 300, 31), ..step(&model, seed) };
        step.commit(store, &model).unwrap();
        model = model.clone().with(&step);
    };
    (6..30).for_each(|seed| commit(&mut store, seed));
    store.trim(store.sequence()).unwrap();
    (30..33).for_each(|seed| commit(&mut store, seed));
    let named = |store: &Store| {
        let retired = store.ledger.manifest().retired.iter().map(|(_, run)| run);
        store.ledger.manifest().runs.iter().chain(retired).map(|run| run.number).collect::<Vec<_>>()
    };
    let old: Vec<u32> = feed.runs.iter().map(|run| run.number).collect();
    assert!(old.iter().all(|run| named(&store).contains(run)), "they are read, so they lie there");
    assert_eq!(read(&feed, 0), before);
    for (at, change) in before.iter().enumerate().skip(1) {
        assert_eq!(begun.next().unwrap(), Some((Sequence(at as u64 + 1), *change)));
    }
    assert_eq!(begun.next().unwrap(), None, "what was committed since is another feed's");
    drop((feed, begun));
    commit(&mut store, 33);
    assert!(!old.iter().any(|run| named(&store).contains(run)), "and then they are deleted");
}

#[test]
fn a_feed_is_followed_from_another_thread() {
    let (mut store, states) = filled(3);
    let mut model = states[3].0.clone();
    let shared = parking_lot::RwLock::new(store.feed());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut read_so_far, mut rounds) = (Vec::new(), 0);
            loop {
                let last = done.load(std::sync::atomic::Ordering::Acquire);
                let feed = shared.read().clone();
                read_so_far.extend(read(&feed, read_so_far.len() as u64));
                rounds += 1;
                if last {
                    return (read_so_far, rounds);
                }
            }
        });
        for seed in 3..40 {
            let step = step(&model, seed);
            step.commit(&mut store, &model).unwrap();
            model = model.clone().with(&step);
            *shared.write() = store.feed();
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        let (read, rounds) = reader.join().unwrap();
        assert_eq!(read, model.changes, "each once, in {rounds} rounds");
    });
}
