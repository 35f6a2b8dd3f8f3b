//! The change feed and what was overwritten: read from anywhere, gone back to, trimmed.

use std::sync::Arc;

use super::{Model, Step, changes, step};
use crate::model::history::Sequence;
use crate::model::settings::Settings;
use crate::store::Store;
use crate::store::backend::MemoryBackend;
use crate::store::error::StoreError;

/// A store of many commits, every third of which adds no record; what it held after each, and its sequence then.
fn filled(commits: u32) -> (Store, Vec<(Model, Sequence)>) {
    let mut store = Store::with_backend(Arc::new(MemoryBackend::default()), Some(&Settings::default())).unwrap();
    let mut states = vec![(Model::default(), Sequence(0))];
    for seed in 0..commits {
        let before = states[states.len() - 1].0.clone();
        let mut step: Step = step(&before, seed);
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

/// The same of the store as of `sequence`.
fn gone_back(store: &Store, sequence: Sequence) -> Result<impl PartialEq + std::fmt::Debug + use<>, StoreError> {
    let mut loaded = store.load(|_, _| ())?;
    store.go_back(sequence, &mut loaded)?;
    let seen = (0..).zip(&loaded.seen).filter(|(_, seen)| seen.is_known());
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
        // Of commits without a record the last one counts.
        if states.get(at + 1).is_some_and(|next| next.1 == *sequence) {
            continue;
        }
        let known = format!("{:?}", gone_back(&store, *sequence).unwrap());
        assert_eq!(known, format!("{:?}", deciding(model)), "after commit {at}");
        if sequence.0 > 0 {
            let within = format!("{:?}", gone_back(&store, Sequence(sequence.0 - 1)).unwrap());
            assert!(within == known || at == 0 || states[at].1 == states[at - 1].1, "any record names its commit");
        }
    }
}

#[test]
fn the_feed_is_read_from_any_record_on_and_trimmed_up_to_any() {
    let (mut store, states) = filled(20);
    let all = &states[20].0.changes;
    let read = |store: &Store, since: u64| {
        let mut changes = store.changes(Sequence(since)).unwrap();
        let mut read = Vec::new();
        while let Some((sequence, change)) = changes.next().unwrap() {
            assert_eq!(sequence.0, since + read.len() as u64 + 1);
            read.push(change);
        }
        read
    };
    let last = store.sequence().0;
    assert_eq!(last, all.len() as u64);
    for since in (0..last).step_by(613).chain([899, 900, 901, last - 1, last]) {
        assert_eq!(read(&store, since), all[since as usize..], "since {since}");
    }
    assert!(matches!(store.changes(Sequence(last + 1)), Err(StoreError::Ahead { .. })));
    assert!(matches!(store.trim(Sequence(last + 1)), Err(StoreError::Ahead { .. })));
    let bytes = |store: &Store| store.manifest.runs.iter().map(|run| run.bytes).sum::<u64>();
    for upto in [1, 900, 901, 5_000, last] {
        let before = bytes(&store);
        store.trim(Sequence(upto)).unwrap();
        store.trim(Sequence(upto - 1)).unwrap();
        assert_eq!(store.trimmed(), Sequence(upto));
        assert_eq!(read(&store, upto), all[upto as usize..]);
        assert!(matches!(store.changes(Sequence(upto - 1)), Err(StoreError::Trimmed { .. })));
        assert!(gone_back(&store, Sequence(upto)).is_ok() && gone_back(&store, Sequence(upto - 1)).is_err());
        assert!(upto < 900 || bytes(&store) < before + 1_000, "what is trimmed takes no room: {upto}");
    }
    let before = states[20].0.clone();
    let more = Step { changes: changes(99, 5, 97), ..step(&before, 20) };
    more.commit(&mut store, &before).unwrap();
    assert_eq!(read(&store, last), more.changes, "numbers go on");
    assert_eq!(format!("{:?}", gone_back(&store, Sequence(last)).unwrap()), format!("{:?}", deciding(&before)));
}
