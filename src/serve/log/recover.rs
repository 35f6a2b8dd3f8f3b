//! What a process that died has left of the log.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::serve::log::{LogPosition, pack, segment, segments};

/// Bytes that are looked at at once for the end of the last line.
const LOOK_BYTES: u64 = 64 << 10;

/// The last file of the log, open for appending, with the place behind its last whole line. What lies behind that is cut off.
/// Without any file it makes the first.
pub fn last_segment(folder: &Path) -> io::Result<(File, LogPosition)> {
    let all = segments(folder)?;
    for (number, _) in all.iter().filter(|(_, path)| pack::is_packed(path)) {
        // It was compressed, and what it was made of not removed yet.
        match fs::remove_file(segment(folder, *number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let (number, path) = match all.into_iter().next_back() {
        None => return new_segment(folder, 1),
        Some((number, path)) if pack::is_packed(&path) => return new_segment(folder, number + 1),
        Some(last) => last,
    };
    let mut file = File::options().read(true).append(true).open(path)?;
    let bytes = end_of_last_line(&mut file)?;
    if bytes < file.metadata()?.len() {
        file.set_len(bytes)?;
    }
    // Also lines that were written and never synced: from here on they count as durable.
    file.sync_all()?;
    Ok((file, LogPosition { segment: number, bytes }))
}

/// Makes a file of the log, durably.
pub fn new_segment(folder: &Path, number: u64) -> io::Result<(File, LogPosition)> {
    let file = File::options().create_new(true).append(true).open(segment(folder, number))?;
    // Its name must survive as its content does.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok((file, LogPosition { segment: number, bytes: 0 }))
}

/// Bytes up to and including the last line end.
fn end_of_last_line(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(LOOK_BYTES);
        block.clear();
        file.seek(SeekFrom::Start(start))?;
        file.by_ref().take(end - start).read_to_end(&mut block)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
