//! Reads that may wait (for a terminal, or a pipe whose writer is idle or not there yet), in a way that can be stopped.
//!
//! Signals interrupt no read: a wait goes on until there is something to read. So it is a wait of a tenth of a second at a time, and the
//! flag that stops a replay is looked at in between. Elsewhere than on Unix a read waits as long as it takes.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::AtomicBool;

#[cfg(unix)]
use unix::Patient;

/// What another thread sets to end the work, where it can be ended.
pub type Stop<'s> = Option<&'s AtomicBool>;

/// Standard input.
///
/// # Errors
/// When there is none.
pub fn stdin<'s>(stop: Stop<'s>) -> io::Result<Box<dyn Read + Send + 's>> {
    #[cfg(unix)]
    if let Some(stop) = stop {
        use std::os::fd::AsFd;

        // What it holds, without a buffer of its own in between that would have to be asked too.
        return Ok(Box::new(Patient::new(File::from(io::stdin().as_fd().try_clone_to_owned()?), stop)));
    }
    let _ = stop;
    Ok(Box::new(io::stdin()))
}

/// A pipe or a device.
///
/// # Errors
/// When it cannot be opened.
pub fn open<'s>(path: &Path, stop: Stop<'s>) -> io::Result<Box<dyn Read + Send + 's>> {
    #[cfg(unix)]
    if let Some(stop) = stop {
        return Ok(Box::new(Patient::new(unix::open(path)?, stop)));
    }
    let _ = stop;
    Ok(Box::new(File::open(path)?))
}

/// Why a read gave nothing: it was stopped.
#[derive(Debug)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there a read waits"))]
struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the read was stopped")
    }
}

impl Error for Stopped {}

/// Whether a read ended because it was stopped.
pub fn was_stopped(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<Stopped>())
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, Read};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    use crate::ingest::patient::Stopped;

    /// Between two looks at the flag: soon enough for a person, seldom enough to cost nothing.
    const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

    /// A file that is read once there is something to read.
    pub struct Patient<'s> {
        file: File,
        stop: &'s AtomicBool,
    }

    impl<'s> Patient<'s> {
        pub fn new(file: File, stop: &'s AtomicBool) -> Self {
            Self { file, stop }
        }
    }

    impl Read for Patient<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            while !self.stop.load(Ordering::Relaxed) {
                match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&LOOK_EVERY)) {
                    Ok(0) | Err(Errno::INTR) => {}
                    Ok(_) => match self.file.read(room) {
                        // Another reader of the same pipe was faster.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        read => return read,
                    },
                    Err(error) => return Err(error.into()),
                }
            }
            Err(io::Error::other(Stopped))
        }
    }

    /// Opens a pipe without waiting for a writer: reading waits. Other systems than Linux would take a pipe that has no writer
    /// yet for one that ended.
    pub fn open(path: &Path) -> io::Result<File> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{Mode, OFlags};

            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
        }
        #[cfg(not(target_os = "linux"))]
        File::open(path)
    }
}
