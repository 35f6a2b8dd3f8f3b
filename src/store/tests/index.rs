//! Single rows, found by the indexes of runs: those of the model; and runs that have no index, or one that rotted.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Model, link_rows, seen_rows, step};
use crate::model::identity::IdentityId;
use crate::model::link::Link;
use crate::model::namespace::NamespaceId;
use crate::model::settings::Settings;
use crate::store::Store;
use crate::store::backend::MemoryBackend;
use crate::store::kinds::identities;
use crate::store::manifest::{self, Manifest};
use crate::store::point::{PointReader, Unanswered};
use crate::store::run::{Run, RunEntry};
use crate::store::table::TableRow;

/// Asserts that every row of the model is found one by one, and nothing else.
pub(super) fn assert_found(store: &Store, model: &Model) {
    // Of all rows, each by a reader of its own: a question has a budget.
    let reader = || PointReader::new(store).unwrap();
    for (at, (namespace, value)) in model.identities.iter().enumerate() {
        let id = IdentityId(at as u32);
        assert_eq!(reader().identity(id), Ok((NamespaceId(*namespace), value.clone())));
        let found = reader().find(NamespaceId(*namespace), value).unwrap().unwrap();
        assert_eq!(model.identities[found.index()], (*namespace, value.clone()));
        let above: Vec<Link> = link_rows(&model.links).into_iter().filter(|link| link.lower == id).collect();
        assert_eq!(reader().links_above(id), Ok(above));
        let ends = model.links.keys().filter(|pair| pair.1 == id.0).map(|pair| IdentityId(pair.0));
        assert_eq!(reader().lower_ends(id), Ok(ends.collect::<BTreeSet<_>>()));
    }
    for (id, seen) in seen_rows(&model.seen) {
        assert_eq!(reader().seen(id), Ok(seen));
    }
    assert_eq!(reader().identity(IdentityId(model.identities.len() as u32)), Err(Unanswered));
    assert_eq!(reader().find(NamespaceId(1), "a value of nobody"), Ok(None));
}

fn filled() -> (Arc<MemoryBackend>, Model) {
    let backend = Arc::new(MemoryBackend::default());
    let mut store = Store::with_backend(backend.clone(), Some(&Settings::default())).unwrap();
    let mut model = Model::default();
    for seed in 0..4 {
        let step = step(&model, seed);
        step.commit(&mut store, &model).unwrap();
        model = model.with(&step);
    }
    (backend, model)
}

/// The store as an earlier version left it, which wrote no index.
fn without_indexes(backend: &MemoryBackend) -> MemoryBackend {
    let mut entries = backend.entries();
    let mut manifest: Manifest = manifest::read(backend).unwrap().latest.unwrap();
    for run in &mut manifest.runs {
        if [identities::SPEC.kind, Link::KIND].iter().any(|kind| kind.number() == run.kind) {
            run.index_keys().for_each(|key| drop(entries.remove(&key.bytes()).unwrap()));
            *run = Run::from(RunEntry { directory: 0, ..run.entry() });
        }
    }
    let (key, block) = manifest.sealed().unwrap();
    entries.insert(key.bytes(), block);
    MemoryBackend::holding(entries)
}

#[test]
fn a_store_of_an_earlier_version_gets_its_indexes_with_the_next_commit() {
    let (backend, model) = filled();
    assert_found(&Store::with_backend(backend.clone(), None).unwrap(), &model);
    let mut store = Store::with_backend(Arc::new(without_indexes(&backend)), None).unwrap();
    assert_eq!(Model::of(&store).unwrap(), model);
    assert!(store.check().unwrap().is_empty(), "it is sound");
    assert_eq!(PointReader::new(&store).err(), Some(Unanswered));
    let step = step(&model, 4);
    step.commit(&mut store, &model).unwrap();
    assert_found(&store, &model.with(&step));
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn an_index_that_rotted_is_told_and_written_again_by_a_repair() {
    let (backend, model) = filled();
    let entries = backend.entries();
    let held = manifest::read(&*backend).unwrap().latest.unwrap();
    let indexed = |run: &&Run| [identities::SPEC.kind, Link::KIND].iter().any(|kind| kind.number() == run.kind);
    let mut of_kinds = BTreeSet::new();
    for key in held.runs.iter().filter(indexed).flat_map(|run| run.index_keys()) {
        of_kinds.insert(key.kind.number());
        let mut rotten = entries.clone();
        *rotten.get_mut(&key.bytes()).unwrap().last_mut().unwrap() ^= 4;
        let mut store = Store::with_backend(Arc::new(MemoryBackend::holding(rotten)), None).unwrap();
        let damaged = store.check().unwrap();
        assert!(!damaged.is_empty() && damaged.iter().all(|damage| damage.to_string().contains("index block")));
        assert_eq!(Model::of(&store).unwrap(), model, "nothing else needs it");
        store.rewrite_derived(&seen_rows(&model.seen), &link_rows(&model.links), None).unwrap();
        assert!(store.check().unwrap().is_empty());
        assert_found(&store, &model);
    }
    assert_eq!(of_kinds.len(), 2);
}
