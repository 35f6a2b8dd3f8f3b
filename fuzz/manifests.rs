//! Manifests, and records of the last commit, whose checksum holds.
#![no_main]

use std::sync::Arc;

use backstitch::Engine;
use backstitch::store::backend::MemoryBackend;
use backstitch::store::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&length, rest)) = bytes.split_first() else { return };
    // A record, if there is one, before the manifest.
    let (record, manifest) = rest.split_at(usize::from(length).min(rest.len()));
    let mut entries = fuzzing::with_manifest(manifest);
    if !record.is_empty() {
        entries = fuzzing::with_record(entries, record);
    }
    fuzzing::read_records(entries.clone());
    let backend = || Arc::new(MemoryBackend::holding(entries.clone()));
    let _ = Engine::options().existing_only().over(backend());
    let _ = Engine::repair_backend(backend());
    let _ = Engine::accept_older_backend(backend());
});
