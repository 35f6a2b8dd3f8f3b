//! Ctrl-C: the first asks to stop where that is safe, the second ends at once. A command that has nothing to stop ends at the first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::failure::tell;

static STOP: AtomicBool = AtomicBool::new(false);

/// Whether somebody looks at `STOP`.
static CAN_STOP: AtomicBool = AtomicBool::new(false);

/// The folder that is deleted before a signal ends the process.
static LEFT_OVER: OnceLock<PathBuf> = OnceLock::new();

/// Tries to delete it: one fails where another thread makes a file in it at that moment.
const TRIES: usize = 100;

/// A flag that the first Ctrl-C (or request to terminate) sets.
pub fn stop() -> &'static AtomicBool {
    CAN_STOP.store(true, Ordering::Relaxed);
    listen();
    &STOP
}

/// Deletes a folder before a signal ends the process.
pub fn delete_at_end(folder: &Path) {
    LEFT_OVER.get_or_init(|| folder.to_owned());
    listen();
}

/// Catches the signals, from the first call on. Where they cannot be caught, Ctrl-C ends the process at once: every command survives that.
fn listen() {
    let _ = ctrlc::set_handler(|| {
        if !CAN_STOP.load(Ordering::Relaxed) || STOP.swap(true, Ordering::Relaxed) {
            if let Some(folder) = LEFT_OVER.get() {
                let _ = (0..TRIES).find(|_| fs::remove_dir_all(folder).is_ok() || !folder.exists());
            }
            process::exit(1);
        }
        tell("stopping where it is safe; Ctrl-C again ends at once");
    });
}
