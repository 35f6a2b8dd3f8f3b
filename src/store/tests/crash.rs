//! Crashes: the disk fails at every write in turn, the power goes, and the store is opened again.

use std::sync::Arc;

use super::{Model, step};
use crate::model::settings::Settings;
use crate::store::Store;
use crate::store::backend::MemoryBackend;
use crate::store::fault::{FaultyBackend, Survivors};

const COMMITS: u32 = 18;

/// Runs commits until the disk fails; the states that were acknowledged, and the one in flight.
fn run(backend: &Arc<FaultyBackend>) -> (Vec<Model>, Option<Model>) {
    let mut states = vec![Model::default()];
    let Ok(mut store) = Store::with_backend(backend.clone(), Some(&Settings::default())) else {
        return (Vec::new(), states.pop());
    };
    for seed in 0..COMMITS {
        let before = &states[states.len() - 1];
        let step = step(before, seed);
        let after = before.clone().with(&step);
        if step.commit(&mut store, before).is_err() {
            return (states, Some(after));
        }
        states.push(after);
    }
    (states, None)
}

fn check(image: MemoryBackend, acknowledged: &[Model], in_flight: Option<&Model>, what: &str) {
    let image = Arc::new(image);
    let store =
        Store::with_backend(image.clone(), Some(&Settings::default())).unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = Model::of(&store).unwrap_or_else(|error| panic!("{what}: {error}"));
    let last = acknowledged.last();
    assert!(Some(&found) == last || Some(&found) == in_flight || last.is_none() && found == Model::default(), "{what}");
    drop(store);
    // And life goes on.
    let mut store = Store::with_backend(image, None).unwrap();
    let step = step(&found, 1_000);
    step.commit(&mut store, &found).unwrap();
    assert_eq!(Model::of(&store).unwrap(), found.with(&step), "{what}: the commit after");
}

#[test]
fn a_crash_at_any_write_leaves_one_commit_or_the_next() {
    let whole = Arc::new(FaultyBackend::default());
    run(&whole);
    let writes = whole.writes();
    assert!(writes > 150, "{writes}");
    let random = if std::env::var_os("BACKSTITCH_ALL_WAYS").is_some() { 6 } else { 2 };
    println!("{writes} writes, {} ways to lose power at each", 4 + random);
    for at in 0..writes {
        let backend = Arc::new(FaultyBackend::default());
        backend.fail_after(at);
        let (acknowledged, in_flight) = run(&backend);
        let mut ways = vec![Survivors::None, Survivors::All, Survivors::First(1), Survivors::First(3)];
        ways.extend((0..random).map(|seed| Survivors::Random(at * 31 + seed)));
        for way in ways {
            check(backend.crash(way), &acknowledged, in_flight.as_ref(), &format!("write {at}, {way:?}"));
        }
    }
}

/// What the other tests rely on: on a disk that does not sync, what was acknowledged is seen to be lost.
#[test]
fn without_syncs_commits_are_lost() {
    let (mut lost, mut refused, mut kept) = (0, 0, 0);
    for seed in 0..60 {
        let backend = Arc::new(FaultyBackend::default());
        drop(Store::with_backend(backend.clone(), Some(&Settings::default())).unwrap());
        backend.lie();
        let (acknowledged, _) = run(&backend);
        let last = &acknowledged[COMMITS as usize];
        let image = Arc::new(backend.crash(Survivors::Random(seed)));
        match Store::with_backend(image, None).and_then(|store| Model::of(&store)) {
            Ok(found) if found == *last => kept += 1,
            Ok(_) => lost += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(lost + refused > 50, "{lost} went back, {refused} do not open, {kept} are whole");
}
