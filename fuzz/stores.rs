//! Stores in memory some of whose blocks say something else, with a checksum that holds: opened, asked, mended.
#![no_main]

use std::sync::{Arc, LazyLock};

use backstitch::Engine;
use backstitch::store::backend::MemoryBackend;
use backstitch::store::fuzzing::{Entries, seal_again};
use libfuzzer_sys::fuzz_target;

mod base;

/// Bytes of a block's header.
const HEADER: usize = 24;

static BASE: LazyLock<Entries> = LazyLock::new(base::entries);

fuzz_target!(|bytes: &[u8]| {
    let mut entries = BASE.clone();
    let keys: Vec<Vec<u8>> = entries.keys().cloned().collect();
    for edit in bytes.chunks_exact(5) {
        let key = &keys[usize::from(edit[0]) % keys.len()];
        let Some(block) = entries.get_mut(key) else { continue };
        let at = HEADER + usize::from(u16::from_le_bytes([edit[1], edit[2]])) % (block.len() - HEADER).max(1);
        match edit[3] % 4 {
            0 | 1 => block.splice(at..(at + 1).min(block.len()), [edit[4]]).for_each(drop),
            2 => block.splice(at..at, [edit[4]]).for_each(drop),
            _ => block.truncate(at.max(HEADER)),
        }
        seal_again(key, block);
        if edit[3] == u8::MAX {
            entries.remove(key);
        }
    }
    let backend = || Arc::new(MemoryBackend::holding(entries.clone()));
    if let Ok(engine) = Engine::options().existing_only().over(backend()) {
        base::ask(&engine);
    }
    let mended = [Engine::repair_backend(backend()), Engine::accept_older_backend(backend())];
    for (engine, _) in mended.into_iter().flatten() {
        assert!(engine.verify().expect("a store that was mended").is_sound());
    }
});
