//! The file for rejected lines, which is added to: a replay that goes on must not lose those from before it was stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::cli::failure::{Failure, tell};
use crate::cli::writable::Writable;

/// How each line of it begins.
const BEGIN: &[u8] = br#"{"source":"#;

/// Bytes in which the end of the last whole line is looked for: more than a rejected line takes, however it is escaped.
const MAX_TAIL_BYTES: u64 = 1 << 20;

/// Between two looks for a reader of a pipe.
#[cfg(unix)]
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Opens it to add to it or, for a replay that reads everything again, empty.
pub fn open(file: &Writable, anew: bool, quiet: bool, stop: &AtomicBool) -> Result<File, Failure> {
    let failed = |error| Failure::of_new_file(file.what(), file.path(), &error);
    #[cfg(unix)]
    if fs::metadata(file.path()).is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_fifo(&found.file_type())) {
        return open_pipe(file.path(), quiet, stop)?.map_err(failed);
    }
    // A device takes what is written to it, and has nothing to be mended.
    let regular = !file.path().exists() || file.path().is_file();
    let mut opened = OpenOptions::new().create(true).read(regular).append(true).open(file.path()).map_err(failed)?;
    if regular && anew {
        opened.set_len(0).map_err(failed)?;
    } else if regular {
        mend(&mut opened).map_err(failed)?;
    }
    Ok(opened)
}

/// Opens a named pipe once somebody reads it, unless Ctrl-C comes first: to open it for writing waits for the one, and not for the other.
/// It is opened a single time, since a reader whose only writer goes has read to the end.
#[cfg(unix)]
fn open_pipe(path: &Path, quiet: bool, stop: &AtomicBool) -> Result<io::Result<File>, Failure> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    use rustix::io::Errno;

    let mut how = OpenOptions::new();
    how.write(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
    let mut told = quiet;
    let opened = loop {
        match how.open(path) {
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {}
            opened => break opened,
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Failure::Failed(format!("stopped before anybody read {}", path.display())));
        }
        if !told {
            tell(&format!("{} is a pipe that nobody reads yet: waiting for a reader", path.display()));
            told = true;
        }
        thread::sleep(LOOK_EVERY);
    };
    // A full pipe is waited for, as a disk is.
    Ok(opened.and_then(|pipe| {
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? - OFlags::NONBLOCK)?;
        Ok(pipe)
    }))
}

/// Ends the last line, so that what is added begins one of its own. Half a line that a killed run left goes: its source is read
/// again from before it.
fn mend(file: &mut File) -> io::Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    let from = end.saturating_sub(MAX_TAIL_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    (&mut *file).take(MAX_TAIL_BYTES).read_to_end(&mut tail)?;
    let begin = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = &tail[begin..];
    if line.is_empty() {
        return Ok(());
    }
    let ours = line.starts_with(BEGIN) || BEGIN.starts_with(line);
    if ours && serde_json::from_slice::<Value>(line).is_err() {
        return file.set_len(from + begin as u64);
    }
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(before: &str, anew: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.ndjson");
        std::fs::write(&path, before).unwrap();
        let file = Writable::anywhere(&path);
        open(&file, anew, true, &AtomicBool::new(false)).unwrap().write_all(b"new\n").unwrap();
        std::fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn rejected_lines_are_added_unless_the_log_is_read_anew() {
        assert_eq!(opened("", false), "new\n");
        assert_eq!(opened("old\n", false), "old\nnew\n");
        assert_eq!(opened("old\n", true), "new\n");
    }

    #[test]
    fn what_is_added_begins_a_line() {
        let whole = r#"{"source":"a.log","line_number":1,"reason":"r","detail":"d","line":"x"}"#;
        for cut in 1..whole.len() {
            assert_eq!(opened(&format!("old\n{}", &whole[..cut]), false), "old\nnew\n", "{cut}");
            assert_eq!(opened(&whole[..cut], false), "new\n", "{cut}");
        }
        assert_eq!(opened(whole, false), format!("{whole}\nnew\n"));
        assert_eq!(opened("something else", false), "something else\nnew\n", "nothing of another's is cut");
        let long = format!("{{\"source\":\"{}", "x".repeat(MAX_TAIL_BYTES as usize));
        assert_eq!(opened(&long, false), format!("{long}\nnew\n"), "no line of ours is so long");
    }
}
