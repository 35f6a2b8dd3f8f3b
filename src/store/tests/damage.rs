//! Damage: flipped and cut bytes are found, named, and never answered with something else.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Model, events_of, link_rows, seen_rows, step};
use crate::model::history::Sequence;
use crate::model::settings::Settings;
use crate::store::Store;
use crate::store::backend::{Backend, MemoryBackend};
use crate::store::block::{self, BlockKey, BlockKind};
use crate::store::block_kinds;
use crate::store::decoded::DecodedEvents;
use crate::store::error::{Damage, StoreError};
use crate::store::last_commit::CommitRecord;
use crate::store::manifest::{self, Manifest};
use crate::store::run::RunEntry;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store of a few commits, and what it held after each.
fn filled(commits: u32) -> (Entries, Vec<Model>) {
    let backend = Arc::new(MemoryBackend::default());
    let mut store = Store::with_backend(backend.clone(), Some(&Settings::default())).unwrap();
    let mut states = vec![Model::default()];
    for seed in 0..commits {
        let before = states[states.len() - 1].clone();
        let step = step(&before, seed);
        step.commit(&mut store, &before).unwrap();
        states.push(before.with(&step));
    }
    (backend.entries(), states)
}

fn open(entries: Entries) -> Result<Store, StoreError> {
    Store::with_backend(Arc::new(MemoryBackend::holding(entries)), None)
}

/// The kind that a key names.
fn kind_of(key: &[u8]) -> BlockKind {
    block_kinds().find(|kind| kind.number() == key[0]).unwrap()
}

/// The keys of a kind.
pub(super) fn keys(entries: &Entries, word: &str) -> Vec<Vec<u8>> {
    entries.keys().filter(|key| kind_of(key).word() == word).cloned().collect()
}

proptest! {
    #[test]
    fn flipped_or_cut_bytes_never_give_wrong_data(key in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<bool>()) {
        let (mut entries, states) = filled(3);
        let key = key.get(&entries.keys().cloned().collect::<Vec<_>>()).clone();
        let value = entries.get_mut(&key).unwrap();
        let at = at.index(value.len());
        if cut { value.truncate(at) } else { value[at] ^= 1 << bit }
        if let Ok(found) = open(entries).and_then(|store| Model::of(&store)) {
            prop_assert_eq!(states.last(), Some(&found), "{:?}", key);
        }
    }

    #[test]
    fn blocks_that_are_sealed_but_nonsense_never_panic(key in any::<prop::sample::Index>(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let (mut entries, _) = filled(3);
        let key = key.get(&entries.keys().cloned().collect::<Vec<_>>()).clone();
        let number = |range: std::ops::Range<usize>| u32::from_be_bytes(key[range].try_into().unwrap());
        let place = BlockKey { kind: kind_of(&key), run: number(1..5), index: number(5..9) };
        let value = entries.get_mut(&key).unwrap();
        let (generation, _) = block::unseal(place, value).unwrap();
        for (at, byte) in edits {
            let at = block::HEADER_BYTES + at.index(value.len() - block::HEADER_BYTES);
            value[at] = byte;
        }
        if cut.index(2) == 0 {
            value.truncate(block::HEADER_BYTES + cut.index(value.len() - block::HEADER_BYTES));
        }
        block::seal(place, generation, value);
        // Whatever they say: nothing may panic, and what is handed out must be usable.
        if let Ok(store) = open(entries.clone()) {
            let _ = store.load::<()>();
            let mut scan = store.events().scan(0..u32::MAX);
            while let Ok(Some(group)) = scan.next() {
                prop_assert!(group.events().count() == group.len());
            }
            prop_assert!(store.check().is_ok());
            let held = store.load_facts::<()>().map(|_| store.ledger.manifest().totals.identities);
            let mut feed = store.feed().changes(store.trimmed()).ok();
            while let Some(Ok(Some((_, change)))) = feed.as_mut().map(|feed| feed.next()) {
                prop_assert!(held.as_ref().is_ok_and(|&held| change.session.is_none_or(|id| u64::from(id.0) < held)) || held.is_err());
            }
        }
        let mut rows = DecodedEvents::default();
        let _ = rows.parse(&entries[&key][block::HEADER_BYTES..]);
    }
}

#[test]
fn damage_is_named_block_by_block() {
    let (entries, _) = filled(3);
    for kind in ["identities", "seen", "links", "sources", "events", "changes", "unlinks"] {
        let mut entries = entries.clone();
        // Of the newest run the first, behind which an index may lie.
        let key = keys(&entries, kind).into_iter().rfind(|key| key[5..] == [0; 4]).unwrap();
        *entries.get_mut(&key).unwrap().last_mut().unwrap() ^= 1;
        let store = open(entries).unwrap();
        let found = store.check().unwrap();
        let [Damage { block, .. }] = &found[..] else { panic!("{found:?}") };
        assert_eq!(block.map(BlockKey::bytes), Some(key));
        let text = Model::of(&store).unwrap_err().to_string();
        assert!(text.contains("in memory") && text.contains("checksum") && text.contains(';'), "{text}");
    }
}

/// Found by `fuzz/manifests.rs`: one more than the largest number is none.
#[test]
fn numbers_that_no_store_gives_are_damage() {
    let (entries, _) = filled(3);
    let last = |entries: &Entries| manifest::read(&MemoryBackend::holding(entries.clone())).unwrap().latest.unwrap();
    let changes: [fn(&mut Manifest); 3] = [
        |manifest| manifest.generation = u64::MAX,
        |manifest| manifest.totals.sequence = u64::MAX,
        |manifest| manifest.totals.trimmed = u64::MAX,
    ];
    for change in changes {
        let (mut entries, mut other) = (entries.clone(), last(&entries));
        change(&mut other);
        entries.extend([other.sealed().map(|(key, block)| (key.bytes(), block)).unwrap()]);
        let backend = MemoryBackend::holding(entries);
        CommitRecord::of(&other).put(&backend).unwrap();
        let entries = backend.entries();
        assert!(matches!(open(entries.clone()), Err(StoreError::Older(_))));
        let (accepted, _) = Store::accept_backend(Arc::new(MemoryBackend::holding(entries))).unwrap();
        assert!(accepted.generation() < manifest::MAX_NUMBER);
    }
}

/// Found by `fuzz/stores.rs`: what an event names is looked up in tables.
#[test]
fn events_that_name_what_is_not_there_are_damage() {
    let fewer: [fn(&mut Manifest); 2] =
        [|manifest| manifest.totals.sources -= 1, |manifest| manifest.totals.identities -= 3];
    for fewer in fewer {
        let (mut entries, _) = filled(3);
        add_manifest(&mut entries, fewer);
        let mut scan = open(entries).unwrap().events().scan(0..u32::MAX);
        let text = std::iter::from_fn(|| scan.next().map(|group| group.map(drop)).transpose()).find_map(Result::err);
        let text = text.expect("the last of them").to_string();
        assert!(text.contains("it names what the store does not hold"), "{text}");
    }
}

#[test]
fn another_version_is_told_from_damage() {
    let (mut entries, _) = filled(1);
    add_manifest(&mut entries, |manifest| {
        manifest.runs[0] = RunEntry { kind: 99, ..manifest.runs[0].entry() }.into();
    });
    assert!(matches!(open(entries), Err(StoreError::Version { .. })));
}

/// Adds a manifest that differs from the last one.
fn add_manifest(entries: &mut Entries, change: impl FnOnce(&mut Manifest)) {
    let mut manifest = manifest::read(&MemoryBackend::holding(entries.clone())).unwrap().latest.unwrap();
    manifest.generation += 1;
    change(&mut manifest);
    let (key, block) = manifest.sealed().unwrap();
    entries.insert(key.bytes(), block);
}

#[test]
fn a_manifest_that_numbers_fewer_records_than_there_are_is_damage() {
    let (mut entries, _) = filled(3);
    add_manifest(&mut entries, |manifest| manifest.totals.sequence = 12);
    let mut store = open(entries).unwrap();
    let last = store.sequence();
    assert!(matches!(store.feed().changes(Sequence(0)), Err(StoreError::Damaged(_))));
    assert!(matches!(store.trim(last), Err(StoreError::Damaged(_))));
}

#[test]
fn manifests_lost_are_not_a_new_store() {
    let (mut entries, _) = filled(2);
    entries.retain(|key, _| kind_of(key).word() != "manifest");
    let backend = Arc::new(MemoryBackend::holding(entries));
    assert!(matches!(Store::with_backend(backend, Some(&Settings::default())), Err(StoreError::NoManifest(_))));
    let foreign = Arc::new(MemoryBackend::default());
    foreign.put(vec![(b"other".to_vec(), vec![1])]).unwrap();
    assert!(matches!(Store::with_backend(foreign, Some(&Settings::default())), Err(StoreError::Foreign(_))));
}

#[test]
fn a_damaged_store_is_repaired_from_what_is_left() {
    let (mut entries, states) = filled(4);
    let state = states[4].clone();
    let events = keys(&entries, "events");
    let directories = keys(&entries, "directory");
    let directory = directories.iter().find(|key| key[1..5] == events[2][1..5]).unwrap();
    for key in [&keys(&entries, "seen")[0], &keys(&entries, "links")[1], &events[1], directory] {
        *entries.get_mut(key).unwrap().last_mut().unwrap() ^= 4;
    }
    let backend = Arc::new(MemoryBackend::holding(entries));
    assert!(matches!(Store::with_backend(backend.clone(), None), Err(StoreError::Damaged(_))));
    let mut store = Store::with_damaged_backend(backend.clone()).unwrap();
    assert_eq!(store.load_facts::<()>().unwrap().1.sources.len(), 4);
    let lost = store.drop_unreadable_events().unwrap();
    assert_eq!((lost.blocks, lost.events), (1, 41));
    store.rewrite_derived(&seen_rows(&state.seen), &link_rows(&state.links), None).unwrap();
    let mut store = Store::with_backend(backend, None).unwrap();
    assert!(store.check().unwrap().is_empty());
    let found = events_of(&store).unwrap();
    assert!(found.len() == state.events.len() - 40, "{} of {}", found.len(), state.events.len());
    // Replayed, what was lost is back.
    let mut again = step(&states[1], 1);
    (again.identities, again.seen, again.links, again.source) = Default::default();
    (again.changes, again.turned) = Default::default();
    let state = Model { changes: Vec::new(), ..state }; // the feed begins again
    again.commit(&mut store, &state).unwrap();
    assert_eq!(Model::of(&store).unwrap(), state);
}

#[test]
fn a_backup_that_fails_leaves_nothing_in_the_way_of_the_next() {
    let (mut entries, _) = filled(2);
    let store = open(entries.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    entries.get_mut(&keys(&entries, "events")[0]).unwrap().truncate(9);
    let damaged = open(entries).unwrap();
    assert!(damaged.backup(&copy).unwrap_err().is_damage() && !copy.exists());
    store.backup(&copy).unwrap();
    assert!(matches!(store.backup(&copy), Err(StoreError::Taken(_))) && copy.exists());
}
