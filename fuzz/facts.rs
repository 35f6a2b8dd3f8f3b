//! Files of facts: taken in, and what was taken in can be written out and taken in again.
#![no_main]

use std::sync::Arc;

use backstitch::Engine;
use backstitch::store::backend::MemoryBackend;
use libfuzzer_sys::fuzz_target;

mod base;

fuzz_target!(|bytes: &[u8]| {
    let memory = || Arc::new(MemoryBackend::default());
    let Ok((engine, _)) = Engine::import_facts_backend(memory(), bytes) else { return };
    base::ask(&engine);
    assert!(engine.verify().expect("a sound store").is_sound());
    let mut facts = Vec::new();
    engine.export_facts(&mut facts).expect("memory can be written");
    let (again, _) = Engine::import_facts_backend(memory(), &facts[..]).expect("what was written can be read");
    let digest = |engine: &Engine| engine.resolver().view().totals().expect("a sound store").digest;
    assert_eq!(digest(&again), digest(&engine));
});
