//! How many files may this process have open? Each connection is one.

/// Lets the process have as many open files as the system admits, up to `wanted`; says how many it may have.
#[cfg(unix)]
pub fn admit(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted_files = wanted as u64;
    // No limit is written as none.
    let most = maximum.map_or(wanted_files, |maximum| maximum.min(wanted_files));
    let admitted = match current {
        Some(current) if current < most => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum });
            if raised.is_ok() { most } else { current }
        }
        Some(current) => current,
        None => wanted_files,
    };
    usize::try_from(admitted).unwrap_or(usize::MAX)
}

/// Systems without such a limit.
#[cfg(not(unix))]
pub fn admit(wanted: usize) -> usize {
    wanted
}
