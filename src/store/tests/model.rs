//! Random commits, against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::index::assert_found;
use super::{Id, Model, OwnedCommit, changes};
use crate::model::settings::Settings;
use crate::store::Store;
use crate::store::backend::MemoryBackend;

fn ids() -> impl Strategy<Value = Id> {
    prop_oneof![
        (0_u128..6).prop_map(|n| Id::Line(n << 100)),
        any::<u128>().prop_map(Id::Line),
        any::<[u8; 16]>().prop_map(Id::Uuid),
        "[a-zé𝄞]{0,12}".prop_map(Id::Text),
    ]
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![0_i64..5, (0_i64..100_000).prop_map(|n| n * 1_000), any::<i64>()]
}

type Row = ((u32, (i64, Id, Vec<u32>)), BTreeSet<u32>);

fn events() -> impl Strategy<Value = Vec<Row>> {
    let key = (times(), ids(), prop::collection::vec(any::<u32>(), 0..3));
    prop::collection::vec(((0_u32..9, key), prop::collection::btree_set(0_u32..4, 0..3)), 0..300)
}

fn steps() -> impl Strategy<Value = Vec<(Vec<Row>, bool)>> {
    prop::collection::vec((events(), any::<bool>()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_store_holds_what_the_model_holds(steps in steps(), texts in prop::collection::vec(".{0,40}", 12), extremes in any::<[i64; 4]>()) {
        let backend = Arc::new(MemoryBackend::default());
        let mut store = Store::with_backend(backend.clone(), Some(&Settings::default())).unwrap();
        let mut model = Model::default();
        for ((events, again), text) in steps.into_iter().zip(texts) {
            let at = model.identities.len() as u32;
            let step = OwnedCommit {
                identities: vec![(1, text)],
                seen: BTreeMap::from([(0, (extremes[0], extremes[1])), (at, (extremes[2], extremes[3]))]),
                links: BTreeMap::from([((at, 0), (extremes[0], extremes[3], u64::MAX)), ((0, 7), (1, 2, u64::from(at)))]),
                source: None,
                events: events.into_iter().collect(),
                changes: changes(at, 700 * (at % 3), at + 1),
                turned: BTreeSet::from([(at % 4, 1)]),
            };
            step.commit(&mut store, &model).unwrap();
            model = model.with(&step);
            if again {
                store = Store::with_backend(backend.clone(), None).unwrap();
            }
        }
        assert_found(&store, &model);
        prop_assert_eq!(Model::of(&store).unwrap(), model);
        prop_assert!(store.check().unwrap().is_empty());
    }
}
