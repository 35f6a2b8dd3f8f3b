//! What the database leaves in its folder, and how often it writes.

use super::*;
use crate::model::settings::Settings;
use crate::store::Store;

fn made(path: &Path) -> Store {
    Store::open(path, Some(&Settings::default())).unwrap()
}

#[test]
fn a_snapshot_that_a_kill_left_half_written_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    drop(made(folder.path()));
    for (number, bytes) in [("0000000000000000", &b""[..]), ("FFFFFFFFFFFFFFFF", b"the start of a snapshot")] {
        let half = folder.path().join(format!("{SNAPSHOT}{number}{HALF_WRITTEN}"));
        fs::write(&half, bytes).unwrap();
        assert_eq!(Store::open(folder.path(), None).unwrap().generation(), 1);
    }
    assert_eq!(SledBackend::look(folder.path()).unwrap(), Folder::Store);
}

#[test]
fn a_closing_takes_a_snapshot_of_much_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for (round, blocks) in [(0, 20), (1, 400)] {
        let backend = SledBackend::open(folder.path()).unwrap();
        backend.put(entries(5, round, blocks)).unwrap();
        backend.sync().unwrap();
        drop(backend);
        let snapshot = snapshot(folder.path());
        assert_eq!(snapshot > 1 << 20, round == 1, "{snapshot}");
    }
}

#[test]
fn no_store_is_made_inside_another() {
    let folder = tempfile::tempdir().unwrap();
    let outer = folder.path().join("outer");
    let store = made(&outer);
    fs::create_dir(outer.join("empty")).unwrap();
    for inner in ["inner", "empty", "new/inner", "blobs/inner"] {
        let inner = outer.join(inner);
        let told = format!("{} is inside a store, and would go with it", inner.display());
        assert_eq!(Store::open(&inner, Some(&Settings::default())).unwrap_err().to_string(), told);
        assert_eq!(store.backup(&inner).unwrap_err().to_string(), told);
        assert!(Store::open(&inner, None).unwrap_err().to_string().ends_with("holds no store"));
    }
    store.backup(&folder.path().join("beside")).unwrap();
    // The program beside its stores is none.
    fs::write(folder.path().join(STORE_MARKER), "\u{7f}ELF").unwrap();
    drop(made(&folder.path().join("third")));
}

/// In a process of its own, whose memory no other test takes.
#[test]
#[cfg(target_os = "linux")]
fn what_was_read_is_let_go_of() {
    const CHILD: &str = "BACKSTITCH_TEST_READS";
    const BLOCKS: u32 = 12_000;
    if std::env::var_os(CHILD).is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "store::sled::tests::what_was_read_is_let_go_of";
        assert!(child.args([name, "--exact", "--nocapture"]).env(CHILD, "1").status().unwrap().success());
        return;
    }
    let memory = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse::<u64>().unwrap() >> 10
    };
    let folder = tempfile::tempdir().unwrap();
    let backend = SledBackend::open(folder.path()).unwrap();
    let key = |at: u32| [&[5, 0, 0, 0][..], &at.to_be_bytes()].concat();
    for at in (0..BLOCKS).step_by(500) {
        backend.put((at..at + 500).map(|at| (key(at), vec![7; 7 << 10])).collect()).unwrap();
    }
    backend.sync().unwrap();
    let before = memory();
    (0..BLOCKS).for_each(|at| assert!(backend.get(&key(at)).unwrap().is_some()));
    assert!(memory() < before + 32, "{before} MiB before, {} after", memory());
}

#[test]
fn blocks_are_written_once() {
    let [kinds, runs, blocks] = [4_u8, 5, 200];
    let folder = tempfile::tempdir().unwrap();
    let backend = SledBackend::open(folder.path()).unwrap();
    for run in 0..runs {
        for kind in 0..kinds {
            backend.put(entries(kind + 10, run, blocks.into())).unwrap();
        }
        backend.sync().unwrap();
    }
    drop(backend);
    let size = [kinds, runs, blocks].map(u64::from).iter().product::<u64>() * (7 << 10);
    let written = snapshot(folder.path());
    assert!(written < size * 5 / 4, "{written} bytes for {size}");
}

/// Blocks of a run, in the order of their keys.
fn entries(kind: u8, run: u8, blocks: u32) -> Vec<Entry> {
    (0..blocks).map(|at| (vec![kind, run, 0, (at >> 8) as u8, at as u8], vec![7; 7 << 10])).collect()
}

/// How far in the log of the database its last snapshot is: bytes that were written.
fn snapshot(folder: &Path) -> u64 {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let numbers = names.filter_map(|name| u64::from_str_radix(name.to_str()?.strip_prefix(SNAPSHOT)?, 16).ok());
    numbers.max().unwrap_or(0)
}

#[test]
fn a_store_that_a_kill_left_at_its_first_steps_is_made_again() {
    let whole = tempfile::tempdir().unwrap();
    drop(made(whole.path()));
    let settings = fs::read(whole.path().join(DATABASE_SETTINGS)).unwrap();
    for kept in [0, settings.len() - 4, settings.len()] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(BLOBS)).unwrap();
        fs::write(folder.path().join(DATABASE_SETTINGS), &settings[..kept]).unwrap();
        assert_eq!(made(folder.path()).generation(), 1, "{kept}");
    }
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for name in [DATABASE_SETTINGS, "notes.txt"] {
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    assert!(matches!(Store::open(folder.path(), Some(&Settings::default())), Err(StoreError::Foreign(_))));
    assert_eq!(fs::read(folder.path().join(DATABASE_SETTINGS)).unwrap(), b"mine");
}
