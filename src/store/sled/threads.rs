//! The database starts threads of its own, and waits for ever where the system starts none; the pool in which a store is read panics. So
//! before the first opening of a process it is tried whether all of them can be had.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{env, io, thread};

/// Those that the database starts at once.
const OF_DATABASE: usize = 7;

/// Those are there from the first opening on.
static THERE: AtomicBool = AtomicBool::new(false);

/// Tries to have as many threads as it takes to open a store, all at once.
///
/// # Errors
/// How many there were to be, and what the system said.
pub fn try_to_have() -> Result<(), (usize, io::Error)> {
    if THERE.load(Ordering::Relaxed) {
        return Ok(());
    }
    let threads = OF_DATABASE + of_pool();
    at_once(threads).map_err(|error| (threads, error))?;
    THERE.store(true, Ordering::Relaxed);
    Ok(())
}

/// Those of the pool that all of a process share, as it counts them.
fn of_pool() -> usize {
    let asked = env::var("RAYON_NUM_THREADS").ok().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get))
}

/// Starts so many threads, of which none ends before all are there, and all are gone at the end.
fn at_once(threads: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let mut started = Vec::with_capacity(threads);
        let wait = || drop(gate.lock());
        let all = (0..threads).try_for_each(|_| {
            started.push(thread::Builder::new().spawn_scoped(scope, wait)?);
            Ok(())
        });
        drop(closed);
        // The end of a scope waits for what threads do, not for the threads, which count until they are gone.
        for thread in started {
            let _ = thread.join();
        }
        all
    })
}
