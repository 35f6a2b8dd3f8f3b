//! Ctrl-C: the first asks to stop where that is safe, the second ends at once.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::failure::tell;

static STOP: AtomicBool = AtomicBool::new(false);

/// A flag that the first Ctrl-C (or request to terminate) sets.
pub fn stop() -> &'static AtomicBool {
    let asked = || {
        if STOP.swap(true, Ordering::Relaxed) {
            process::exit(1);
        }
        tell("stopping where it is safe; Ctrl-C again ends at once");
    };
    // Where signals cannot be caught, Ctrl-C ends at once, which every command survives.
    let _ = ctrlc::set_handler(asked);
    &STOP
}
