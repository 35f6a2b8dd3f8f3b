//! Panics of the database over its own damaged files: they become errors, and nothing of them is printed.
//!
//! One over memory that ran out ends the process, as it ends wherever else that runs out: the database has sealed the buffer that it could
//! not replace, and every other thread would wait for the new one for good.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{process, thread};

thread_local! {
    /// Whether this thread is in the database.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether the database has panicked in this process.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Whether the database has panicked in this process: it may hold its files open, and locked, until the process ends.
pub(crate) fn has_panicked() -> bool {
    PANICKED.load(Ordering::Relaxed)
}

/// Runs `work` of the database; `Err` where it panicked.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, ()> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_of_database(info) {
                told(info);
                return;
            }
            PANICKED.store(true, Ordering::Relaxed);
            if info.payload_as_str().is_some_and(|text| text.contains("failed to allocate")) {
                told(info);
                process::abort();
            }
        }));
    });
    let before = INSIDE.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(before);
    done.map_err(|_| ())
}

/// It has threads of its own, too.
fn is_of_database(info: &PanicHookInfo<'_>) -> bool {
    let is_its_thread = thread::current().name().is_some_and(|name| name.starts_with("sled"));
    let is_its_code = info.location().is_some_and(|location| location.file().contains("/sled-"));
    INSIDE.get() || is_its_thread || is_its_code
}
