//! The contract, over every backend.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::{Id, Model, OwnedCommit, all_events, step};
use crate::model::event::Event;
use crate::model::identity::IdentityId;
use crate::model::link::Link;
use crate::model::namespace::Levels;
use crate::model::settings::{Junk, Settings};
use crate::model::totals::{StoreCounts, Totals};
use crate::store::backend::{Backend, MemoryBackend};
use crate::store::block::{self, BlockKey};
use crate::store::codec;
use crate::store::error::StoreError;
use crate::store::fault::FaultyBackend;
use crate::store::kinds;
use crate::store::last_commit::LAST_COMMIT;
use crate::store::recount::CountedEvent;
use crate::store::retract::{Fate, Retraction};
use crate::store::{Commit, Store};

/// Opens the same place again and again.
type Open<'a> = &'a dyn Fn(Option<&Settings>) -> Result<Store, StoreError>;

fn everywhere(test: fn(Open<'_>)) {
    for backend in [Arc::new(MemoryBackend::default()) as Arc<dyn Backend>, Arc::new(FaultyBackend::default())] {
        test(&|settings| Store::with_backend(Arc::clone(&backend), settings));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    test(&|settings| Store::open(&path, settings));
}

#[test]
fn what_is_committed_is_read_again() {
    everywhere(|open| {
        let mut model = Model::default();
        let mut store = open(Some(&Settings::default())).unwrap();
        for seed in 0..12 {
            let step = step(&model, seed);
            let before = store.generation();
            assert_eq!(step.commit(&mut store, &model).unwrap(), before + 1);
            model = model.with(&step);
            assert_eq!(Model::of(&store).unwrap(), model);
            drop(store);
            store = open(None).unwrap();
            assert_eq!(Model::of(&store).unwrap(), model, "opened again");
        }
        assert!(store.ledger.manifest().runs.len() < 5 * 8, "merged: {}", store.ledger.manifest().runs.len());
        assert!(store.check().unwrap().is_empty());
    });
}

#[test]
fn settings_written_before_a_unique_namespace_had_a_name_read_on() {
    for (unique, name) in [(true, Some("ecommerceId".to_owned())), (false, None)] {
        let mut bytes = Vec::new();
        codec::encode(&((vec!["email"], unique), (true, vec!["n/k"])), &mut bytes).unwrap();
        let junk = Junk { builtin: true, extra: vec!["n/k".into()] };
        let settings = Settings { levels: Levels { between: vec!["email".into()], unique: name }, junk };
        assert_eq!(codec::decode::<Settings>(&bytes), Ok(settings.clone()));
        let mut again = Vec::new();
        codec::encode(&settings, &mut again).unwrap();
        assert_eq!(again, bytes);
    }
    let named = Settings { levels: Levels { between: vec![], unique: Some("userId".into()) }, ..Settings::default() };
    let mut bytes = Vec::new();
    codec::encode(&named, &mut bytes).unwrap();
    assert_eq!(codec::decode::<Settings>(&bytes).unwrap().levels.unique.as_deref(), Some("userId"), "as it is spelled");
}

#[test]
fn a_store_keeps_its_settings() {
    everywhere(|open| {
        assert!(matches!(open(None), Err(StoreError::Missing(_))));
        let mut settings = Settings::default();
        settings.junk.extra = (0..5_000).map(|n| format!("junk-{n}")).collect();
        drop(open(Some(&settings)).unwrap());
        let other =
            Settings { levels: Levels { between: vec!["email".into()], ..Levels::default() }, ..Settings::default() };
        let text = match open(Some(&other)) {
            Err(error @ StoreError::Settings { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(text.contains("email") && text.contains("junk-17"), "names both");
        assert_eq!(*open(Some(&settings)).unwrap().settings(), settings);
    });
}

#[test]
fn snapshots_stay_readable_while_runs_are_merged_and_deleted() {
    everywhere(|open| {
        let mut store = open(Some(&Settings::default())).unwrap();
        let mut model = Model::default();
        let mut snapshots = Vec::new();
        for seed in 0..20 {
            let step = step(&model, seed);
            step.commit(&mut store, &model).unwrap();
            model = model.with(&step);
            if seed % 7 == 0 {
                snapshots.push((all_events(&store), model.events.len()));
            }
        }
        for (events, expected) in &snapshots {
            let mut scan = events.scan(0..u32::MAX);
            let mut count = 0;
            while let Some(group) = scan.next().unwrap() {
                count += group.len();
            }
            assert_eq!(count, *expected);
        }
        assert!(
            store.ledger.manifest().retired.iter().any(|(since, _)| *since < store.generation()),
            "a snapshot holds them"
        );
        snapshots.clear();
        for seed in 20..22 {
            let step = step(&model, seed);
            step.commit(&mut store, &model).unwrap();
            model = model.with(&step);
        }
        assert_nothing_is_left_behind(&store);
        assert!(store.ledger.manifest().retired.iter().all(|row| row.0 == store.generation()));
    });
}

/// Every block in the backend is of a run that the manifest names.
fn assert_nothing_is_left_behind(store: &Store) {
    let manifest = store.ledger.manifest();
    let named = manifest.runs.iter().chain(manifest.retired.iter().map(|row| &row.1));
    let named: BTreeSet<_> = named.flat_map(|run| kinds::keys(run)).collect();
    assert_eq!(named, store.backend().keys(&[2], &[255]).unwrap().into_iter().collect());
}

#[test]
fn a_rewriting_that_is_given_up_leaves_nothing_behind() {
    everywhere(|open| {
        let mut store = open(Some(&Settings::default())).unwrap();
        let mut model = Model::default();
        for seed in 0..3 {
            let step = step(&model, seed);
            step.commit(&mut store, &model).unwrap();
            model = model.with(&step);
        }
        let gone = |store: &mut Store| {
            store.rewrite(|_, event| fate(event), |_, _| CountedEvent::AsWritten, false).unwrap().unwrap()
        };
        let rewritten = gone(&mut store);
        assert!(rewritten.after.rows() < store.events().rows());
        drop(rewritten);
        assert_nothing_is_left_behind(&store);
        let rewritten = gone(&mut store);
        let step = step(&model, 3);
        step.commit(&mut store, &model).unwrap();
        model = model.with(&step);
        let seen = super::seen_rows(&model.seen);
        let (links, overwritten) = (super::link_rows(&model.links), Default::default());
        let retraction = Retraction {
            namespaces: &[],
            identities: Vec::new(),
            seen: &seen,
            links: &links,
            sources: &[],
            changes: &[],
            overwritten,
            recounts: &[],
            totals: Totals::default(),
            counts: StoreCounts::default(),
        };
        let refused = store.commit_rewritten(rewritten, retraction.clone());
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "it does not know what came in between: {refused:?}");
        assert_eq!(Model::of(&store).unwrap(), model);
        assert!(store.events().rows() > 0);
        assert_nothing_is_left_behind(&store);
        let rewritten = gone(&mut store);
        let rows = rewritten.after.rows();
        store.commit_rewritten(rewritten, retraction).unwrap();
        assert_eq!(store.events().rows(), rows);
        drop(store);
        let mut store = open(None).unwrap();
        assert_eq!(store.events().rows(), rows);
        store.trim(store.sequence()).unwrap();
        assert_nothing_is_left_behind(&store);
    });
}

/// Lets one event of each run go.
fn fate(event: &Event<'_>) -> Fate {
    if event.time.as_micros() == 5 { Fate::Goes } else { Fate::Stays }
}

#[test]
fn an_anchor_spans_blocks_and_a_cursor_finds_it() {
    everywhere(|open| {
        let mut store = open(Some(&Settings::default())).unwrap();
        let mut model = Model::default();
        for part in 0..2 {
            let mut step = OwnedCommit::default();
            if part == 0 {
                step.identities = (0..30).map(|n| (0, format!("s{n}"))).collect();
                step.seen = (0..30).map(|n| (n, (0, 0))).collect();
            }
            for n in 0..3_000_u32 {
                step.events.insert((13, (i64::from(n) * 7, Id::Line(u128::from(n) << 2 | part), vec![])), [0].into());
            }
            for anchor in [2, 12, 14, 29] {
                step.events.insert((anchor, (-3, Id::Line(part), vec![3, 4])), [1].into());
            }
            step.commit(&mut store, &model).unwrap();
            model = model.with(&step);
            assert!(store.events().runs[0].slots().len() > 5, "many blocks");
            let mut cursor = all_events(&store).cursor();
            let mut expected = BTreeMap::<u32, usize>::new();
            model.events.keys().for_each(|key| *expected.entry(key.0).or_default() += 1);
            for anchor in (0..31).chain((0..31).rev()).chain([13, 13, 99, 13, 2]) {
                let group = cursor.group(IdentityId(anchor)).unwrap();
                assert_eq!(group.len(), expected.get(&anchor).copied().unwrap_or(0), "{anchor}");
                assert_eq!(group.is_empty(), !expected.contains_key(&anchor));
            }
        }
        assert_eq!(Model::of(&store).unwrap(), model);
        let pieces = store.events().pieces(4);
        assert_eq!((pieces[0].start, pieces[pieces.len() - 1].end), (0, 30));
        assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
    });
}

#[test]
fn a_commit_that_contradicts_itself_changes_nothing() {
    everywhere(|open| {
        let mut store = open(Some(&Settings::default())).unwrap();
        let model = Model::default();
        let mut unseen = step(&model, 1);
        unseen.seen.remove(&3);
        assert!(matches!(unseen.commit(&mut store, &model), Err(StoreError::Invalid(_))));
        let link: Link = super::link((0, 1), (0, 0, 1));
        let twice = Commit { links: &[link, link], ..Commit::default() };
        assert!(matches!(store.commit(twice), Err(StoreError::Invalid(_))));
        assert_eq!(store.commit(Commit::default()).unwrap(), 1, "nothing to do");
        step(&model, 1).commit(&mut store, &model).unwrap();
        assert_eq!(Model::of(&store).unwrap(), model.clone().with(&step(&model, 1)));
    });
}

#[test]
fn a_failed_commit_poisons_the_store() {
    let backend = Arc::new(FaultyBackend::default());
    let mut store = Store::with_backend(backend.clone(), Some(&Settings::default())).unwrap();
    let model = Model::default();
    backend.fail_after(2);
    assert!(matches!(step(&model, 1).commit(&mut store, &model), Err(StoreError::Backend(_))));
    let text = step(&model, 1).commit(&mut store, &model).unwrap_err().to_string();
    assert!(text.contains("as the test asked") && text.contains("open the store again"), "{text}");
}

#[test]
fn a_commit_that_breaks_off_poisons_the_store() {
    let mut store = Store::with_backend(Arc::new(MemoryBackend::default()), Some(&Settings::default())).unwrap();
    let broken = catch_unwind(AssertUnwindSafe(|| store.ledger.transact::<()>(|_| panic!("on purpose"))));
    assert!(broken.is_err());
    let model = Model::default();
    let told = step(&model, 1).commit(&mut store, &model);
    assert!(matches!(told, Err(StoreError::Poisoned { .. })), "{told:?}");
}

#[test]
fn directories_that_are_no_store() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none");
    assert!(matches!(Store::open(&missing, None), Err(StoreError::Missing(_))));
    assert!(!missing.exists(), "asking makes nothing");
    std::fs::write(directory.path().join("thesis.txt"), "mine").unwrap();
    for path in [directory.path(), &directory.path().join("thesis.txt")] {
        assert!(matches!(Store::open(path, Some(&Settings::default())), Err(StoreError::Foreign(_))), "{path:?}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was added");
}

#[test]
fn a_store_in_use_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let _held = Store::open(directory.path(), Some(&Settings::default())).unwrap();
    let text = Store::open(directory.path(), None).unwrap_err().to_string();
    assert!(text.contains("in use") && text.contains(&directory.path().display().to_string()), "{text}");
}

/// sled takes what comes before a cut for all there is, and what it then holds is an earlier state. It must not pass for the last.
#[test]
fn a_database_cut_to_pieces_never_passes_for_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut states = vec![Model::default()];
    let mut store = Store::open(&path, Some(&Settings::default())).unwrap();
    for seed in 0..4 {
        let step = step(&states[seed as usize], seed);
        step.commit(&mut store, &states[seed as usize]).unwrap();
        states.push(states[seed as usize].clone().with(&step));
    }
    let feed = store.feed();
    let last = feed.position_at(feed.sequence());
    drop((store, feed));
    let whole = std::fs::metadata(path.join("db")).unwrap().len();
    let mut accepted = 0;
    for (at, length) in [0, 10, whole / 4, whole / 2, whole - 100].into_iter().enumerate() {
        let copy = directory.path().join(format!("copy{at}"));
        copy_directory(&path, &copy);
        std::fs::OpenOptions::new().write(true).open(copy.join("db")).unwrap().set_len(length).unwrap();
        for _ in 0..2 {
            let error = Store::open(&copy, Some(&Settings::default())).unwrap_err();
            assert!(error.to_string().contains("replay"), "cut at {length}: {error}");
            assert!(Store::open_damaged(&copy).is_err(), "cut at {length}: a repair must be told to accept it");
        }
        let Ok((store, missing)) = Store::accept(&copy) else { continue };
        accepted += 1;
        assert!(missing.commits > 0 && store.generation() > 5, "cut at {length}: {missing:?}");
        drop(store);
        let mut store = Store::open(&copy, None).unwrap();
        let found = Model::of(&store).unwrap();
        let earlier = states.iter().find(|state| state.events == found.events).expect("an earlier state");
        assert_eq!(found, Model { changes: Vec::new(), ..earlier.clone() }, "cut at {length}");
        assert!(matches!(store.feed().changes(last), Err(StoreError::OtherEpoch { .. })));
        assert!(
            matches!(store.feed().changes(last.sequence()), Err(StoreError::Trimmed { .. })),
            "numbers do not repeat"
        );
        let step = step(&found, 9);
        step.commit(&mut store, &found).unwrap();
        assert_eq!(Model::of(&store).unwrap(), found.with(&step));
    }
    assert!(accepted > 1, "{accepted}");
    assert_eq!(Model::of(&Store::open(&path, None).unwrap()).unwrap(), states[4]);
}

#[test]
fn a_store_of_another_format_says_what_wrote_it() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path(), Some(&Settings::default())).unwrap());
    let path = directory.path().join("last-commit");
    let mut bytes = std::fs::read(&path).unwrap();
    let text = b"written by backstitch 7.8.9\n";
    for slot in [0, 4_096] {
        bytes[slot + 3_072..][..text.len()].copy_from_slice(text);
        // A whole block, of a later format.
        let key = BlockKey { kind: LAST_COMMIT, run: 0, index: u32::from(slot > 0) };
        let length = bytes[slot] as usize;
        let block = &mut bytes[slot + 4..][..length];
        block[4] += 1;
        let sum = block::checksum(key, &block[..16], &block[24..]);
        block[16..24].copy_from_slice(&sum.to_le_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let told = Store::open(directory.path(), None).unwrap_err().to_string();
    assert!(told.contains("format 6 (written by backstitch 7.8.9) is unknown to this version"), "{told}");
}

#[test]
fn the_files_of_two_stores_do_not_pass_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| {
        let path = directory.path().join(name);
        let mut store = Store::open(&path, Some(&Settings::default())).unwrap();
        step(&Model::default(), 1).commit(&mut store, &Model::default()).unwrap();
        path
    });
    let why = || match Store::open(&one, None) {
        Err(error @ StoreError::Older(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let record = one.join("last-commit");
    let own = std::fs::read(&record).unwrap();
    std::fs::copy(other.join("last-commit"), &record).unwrap();
    assert!(why().contains("that of another store"), "{}", why());
    std::fs::write(&record, vec![0xff; own.len()]).unwrap();
    assert!(why().contains("last-commit is damaged"), "{}", why());
    std::fs::remove_file(&record).unwrap();
    assert!(why().contains("last-commit is missing"), "{}", why());
    std::fs::write(&record, &own).unwrap();
    Store::open(&one, None).unwrap();
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
