//! Files of a store some of whose bytes are others: opened, asked, mended. The database below panics over some of them; that is caught,
//! and must be.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use backstitch::Engine;
use libfuzzer_sys::fuzz_target;

mod base;

/// Paths below the store, and their bytes.
static BASE: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    base::live(&mut Engine::open(folder.path().join("store")).expect("a new store"));
    let mut all = Vec::new();
    let mut folders = vec![folder.path().join("store")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(folder.path().join("store")).expect("below it").to_path_buf();
                all.push((below, fs::read(path).expect("readable")));
            }
        }
    }
    all.sort_unstable();
    all
});

fn put(store: &Path, files: &[(PathBuf, Vec<u8>)]) {
    let _ = fs::remove_dir_all(store);
    for (name, bytes) in files {
        let path = store.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }
}

fuzz_target!(|edits: &[u8]| {
    let mut files = BASE.clone();
    for edit in edits.chunks_exact(6) {
        let place = usize::from(edit[0]) % files.len();
        let bytes = &mut files[place].1;
        let at = u32::from_le_bytes([edit[1], edit[2], edit[3], 0]) as usize % bytes.len().max(1);
        match edit[4] % 4 {
            0 | 1 => bytes.splice(at..(at + 1).min(bytes.len()), [edit[5]]).for_each(drop),
            2 => bytes.splice(at..at, [edit[5]]).for_each(drop),
            _ => bytes.truncate(at),
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    put(&store, &files);
    if let Ok(engine) = Engine::options().existing_only().open(&store) {
        base::ask(&engine);
    }
    let mended = Engine::repair(&store).is_ok();
    put(&store, &files);
    if let Ok((engine, _)) = Engine::accept_older(&store) {
        assert!(engine.verify().expect("a store that was mended").is_sound());
    } else {
        assert!(!mended, "what a repair mends is accepted as well");
    }
});
