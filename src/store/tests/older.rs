//! Stores that went back: found out by the record that lies outside of the database, and accepted only when told to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Model, step};
use crate::model::settings::Settings;
use crate::store::Store;
use crate::store::backend::MemoryBackend;
use crate::store::error::{BackendError, StoreError};
use crate::store::fault::{FaultyBackend, Survivors};
use crate::store::last_commit::{self, LAST_COMMIT, Vouched};
use crate::store::manifest;
use crate::store::salvage::Successor;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

const COMMITS: usize = 6;

/// What a store held after each commit, the one that made it first; and the models of that.
fn images() -> Vec<(Entries, Model)> {
    let backend = Arc::new(MemoryBackend::default());
    let mut store = Store::with_backend(backend.clone(), Some(&Settings::default())).unwrap();
    let mut images = vec![(backend.entries(), Model::default())];
    for seed in 0..COMMITS as u32 {
        let before = images[seed as usize].1.clone();
        let step = step(&before, seed);
        step.commit(&mut store, &before).unwrap();
        images.push((backend.entries(), before.with(&step)));
    }
    images
}

/// The database of one image, with the records of another.
fn with_records(database: &Entries, records: &Entries) -> Entries {
    let is_record = |key: &[u8]| key[0] == LAST_COMMIT.number();
    let database = database.iter().filter(|(key, _)| !is_record(key));
    database.chain(records.iter().filter(|(key, _)| is_record(key))).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn open(entries: Entries) -> Result<Store, StoreError> {
    Store::with_backend(Arc::new(MemoryBackend::holding(entries)), None)
}

#[test]
fn a_record_may_be_behind_by_the_commit_in_hand_and_by_no_more() {
    let images = images();
    for (held, (database, model)) in images.iter().enumerate() {
        for (recorded, (records, _)) in images.iter().enumerate() {
            let backend = Arc::new(MemoryBackend::holding(with_records(database, records)));
            match Store::with_backend(backend.clone(), None) {
                Ok(store) => {
                    assert!(held == recorded || held == recorded + 1, "held {held}, recorded {recorded}");
                    assert_eq!(Model::of(&store).unwrap(), *model);
                    let manifest = manifest::read(&*backend).unwrap().latest.unwrap();
                    let now = last_commit::read(&*backend).unwrap().vouch(String::new, &manifest);
                    assert!(matches!(now, Ok(Vouched::Last)), "the opening catches up: {now:?}");
                }
                Err(StoreError::Older(older)) => {
                    assert!(held < recorded || held > recorded + 1, "held {held}, recorded {recorded}: {older}");
                    let text = older.to_string();
                    let words = if held < recorded {
                        format!("that was commit {}, of 2", recorded + 1)
                    } else {
                        "the file last-commit is older than the store".to_owned()
                    };
                    assert!(text.contains(&words) && text.contains("replaying the same logs"), "{text}");
                }
                Err(error) => panic!("held {held}, recorded {recorded}: {error}"),
            }
        }
    }
}

#[test]
fn one_record_alone_does_not_vouch() {
    let (entries, model) = images().pop().unwrap();
    let keys: Vec<_> = entries.keys().filter(|key| key[0] == LAST_COMMIT.number()).cloned().collect();
    assert_eq!(keys.len(), 2);
    let mut opened = 0;
    for key in keys {
        let mut entries = entries.clone();
        *entries.get_mut(&key).unwrap().last_mut().unwrap() ^= 1;
        match open(entries) {
            // The later one was damaged: as after a crash before it was durable.
            Ok(store) => {
                opened += 1;
                assert_eq!(Model::of(&store).unwrap(), model);
            }
            Err(error) => assert!(error.to_string().contains("one of two records in the file last-commit"), "{error}"),
        }
    }
    assert_eq!(opened, 1);
}

/// Wherever an acceptance is cut short, the store is as doubtful as before or in its new epoch, and in the end it is accepted.
#[test]
fn a_store_is_accepted_as_a_whole_or_not_at_all() {
    let images = images();
    for (held, recorded) in [(2, 3), (2, 4), (3, 3), (1, 6), (6, 2)] {
        let (database, model) = &images[held];
        let entries = with_records(database, &images[recorded].0);
        let accepted = Model { changes: Vec::new(), ..model.clone() };
        let consistent = held == recorded;
        let mut at = 0;
        loop {
            let backend = Arc::new(FaultyBackend::holding(entries.clone()));
            backend.fail_after(at);
            let done = Store::accept_backend(backend.clone()).is_ok();
            for survivors in [Survivors::None, Survivors::All, Survivors::First(1), Survivors::Random(at)] {
                let image = backend.crash(survivors);
                let what = format!("held {held}, recorded {recorded}, write {at}, {survivors:?}");
                match open(image.entries()) {
                    Ok(store) => {
                        let found = Model::of(&store).unwrap();
                        assert!(found == accepted || consistent && !done && found == *model, "{what}");
                    }
                    Err(error) => assert!(matches!(error, StoreError::Older(_)) && !done, "{what}: {error}"),
                }
                let again = Arc::new(image);
                drop(Store::accept_backend(again.clone()).unwrap_or_else(|error| panic!("{what}: {error}")));
                let mut store = Store::with_backend(again, None).unwrap();
                assert_eq!(Model::of(&store).unwrap(), accepted, "{what}");
                assert!(store.generation() > recorded as u64 + 1, "{what}: no number is given twice");
                step(&accepted, 77).commit(&mut store, &accepted).unwrap();
            }
            if done {
                break;
            }
            at += 1;
        }
        assert!(at > 4, "{at}");
    }
}

#[test]
fn numbers_that_may_have_been_given_are_passed_over() {
    let images = images();
    let (database, _) = &images[2];
    let mut entries = with_records(database, &images[5].0);
    entries.retain(|key, _| key[0] != LAST_COMMIT.number());
    let backend = Arc::new(MemoryBackend::holding(entries));
    let (store, missing) = Store::accept_backend(backend).unwrap();
    assert_eq!(missing, Default::default(), "nothing is known");
    assert!(store.sequence().0 > 1 << 32 && store.generation() > 1 << 32);
    let (store, missing) =
        Store::accept_backend(Arc::new(MemoryBackend::holding(with_records(database, &images[5].0)))).unwrap();
    assert_eq!((missing.commits, missing.changes), (3, 33));
    assert!(store.sequence().0 > 55 && store.sequence().0 < 60 && store.generation() < 10);
}

/// What another process was told is durable does not go with the store that is replaced.
#[test]
fn a_store_that_was_written_to_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut store = Store::open(&path, Some(&Settings::default())).unwrap();
    let successor = Successor::begin(&path).unwrap();
    drop(successor.make(&Settings::default()).unwrap());
    let refused = |successor: Successor| match successor.put_in_place() {
        Err(StoreError::Backend(BackendError::Locked(_))) => {}
        other => panic!("{other:?}"),
    };
    refused(successor);
    let successor = Successor::begin(&path).unwrap();
    drop(successor.make(&Settings::default()).unwrap());
    let step = step(&Model::default(), 1);
    step.commit(&mut store, &Model::default()).unwrap();
    drop(store);
    refused(successor);
    let store = Store::open(&path, None).unwrap();
    assert_eq!(Model::of(&store).unwrap(), Model::default().with(&step));
    // And one that nobody touched is.
    let successor = Successor::begin(&path).unwrap();
    drop(successor.make(&Settings::default()).unwrap());
    drop(store);
    successor.put_in_place().unwrap();
    assert_eq!(Model::of(&Store::open(&path, None).unwrap()).unwrap(), Model::default());
}
