//! One heap for all threads of a replay or a collector.
//!
//! The allocator of the GNU C library gives threads heaps of their own, eight a core, and each keeps most of what was freed in it: threads that
//! take turns at decoding, writing and merging keep all that each of them ever had at a time. With one heap a replay takes an eighth less memory
//! and 8 % less time, since what one thread frees the next one finds in the cache. How many heaps there may be is read from the environment when
//! a process starts, so the process starts anew.

/// Stands in the environment of a process that was started anew. One that has more rights than its user, as of a file with capabilities, is
/// told nothing by `HEAPS`: newer loaders take it away there, and without a mark that they leave it would start anew for ever.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const STARTED_ANEW: &str = "BACKSTITCH_STARTED_ANEW";

/// Says how many heaps there may be.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: &str = "MALLOC_ARENA_MAX";

/// Starts the program anew in the same process, with one heap, unless the environment says how many. Where that cannot be, it goes on
/// as it is, and takes more memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn ensure() {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    if env::var_os(HEAPS).is_some() || env::var_os(STARTED_ANEW).is_some() {
        return;
    }
    let (Ok(program), mut arguments) = (env::current_exe(), env::args_os()) else { return };
    let name = arguments.next().unwrap_or_default();
    if program.exists() {
        // It comes back only where it failed.
        let _ = Command::new(program).arg0(name).args(arguments).env(HEAPS, "1").env(STARTED_ANEW, "1").exec();
    }
}

/// Other allocators have nothing to be told.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn ensure() {}
