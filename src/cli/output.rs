//! Where results go: standard output, or a file that appears once it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::Ended;
use crate::cli::failure::Failure;

/// Bytes gathered before they are written: a system call a thousand rows.
const WRITE_BYTES: usize = 128 << 10;

/// Where results go. Nothing is certain to be written before [`Output::finish`].
pub struct Output {
    to: BufWriter<Box<dyn Write>>,
    /// What it is called in messages.
    name: String,
    file: Option<Unfinished>,
}

/// A file under its temporary name; goes when it is dropped unfinished.
struct Unfinished {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Self {
        Self::over(Box::new(io::stdout()), "standard output".into(), None)
    }

    /// The file at `path`, or standard output without one.
    pub fn to(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::stdout()) };
        let name = path.display().to_string();
        // A name of its own beside it: on the same disk, so that the renaming is one step; hidden, so that no pattern of logs
        // finds it.
        let mut temporary = OsString::from(".");
        temporary.push(path.file_name().unwrap_or_default());
        temporary.push(format!(".{}.partial", std::process::id()));
        let temporary = path.with_file_name(temporary);
        let made = File::create(&temporary).and_then(|file| Ok((file.try_clone()?, file)));
        let (to, file) = made.map_err(|error| Failure::of_new_file("the results", path, &error))?;
        let unfinished = Unfinished { file, temporary, path: path.to_owned() };
        Ok(Self::over(Box::new(to), name, Some(unfinished)))
    }

    fn over(to: Box<dyn Write>, name: String, file: Option<Unfinished>) -> Self {
        Self { to: BufWriter::with_capacity(WRITE_BYTES, to), name, file }
    }

    /// Writes `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.with(|to| to.write_all(bytes))
    }

    /// Writes a line of JSON.
    pub fn json(&mut self, row: &impl Serialize) -> Result<(), Failure> {
        self.with(|to| {
            serde_json::to_writer(&mut *to, row)?;
            to.write_all(b"\n")
        })
    }

    /// Lets `work` write.
    pub fn with<T>(&mut self, work: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> Result<T, Failure> {
        work(&mut self.to).map_err(|error| Failure::of_output(&self.name, &error))
    }

    /// Lets readers have what was written so far.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.with(|to| to.flush())
    }

    /// Where it goes, for what tells its own errors.
    pub fn writer(&mut self) -> &mut dyn Write {
        &mut self.to
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Brings everything written to where it belongs.
    pub fn finish(mut self) -> Result<Ended, Failure> {
        self.with(|to| to.flush())?;
        match self.file.as_ref().map(Unfinished::complete) {
            Some(Err(error)) => Err(Failure::of_output(&self.name, &error)),
            Some(Ok(())) | None => Ok(Ended::Done),
        }
    }
}

impl Unfinished {
    /// Gives it its name, once its bytes are on the disk: a crash leaves the old file or the new one, not an empty one.
    fn complete(&self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already when it was renamed.
        let _ = fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_appears_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let mut output = Output::to(Some(&path)).unwrap();
        output.write(b"a\n").unwrap();
        assert!(!path.exists());
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a\n");
        assert_eq!(names(folder.path()), ["rows.csv"]);
    }

    #[test]
    fn an_unfinished_file_leaves_the_old_one_alone_and_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        fs::write(&path, "old").unwrap();
        let mut output = Output::to(Some(&path)).unwrap();
        output.write(b"new").unwrap();
        drop(output);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["rows.csv"]);
    }

    #[test]
    fn a_broken_pipe_is_no_failure() {
        let failure = |kind: io::ErrorKind| Failure::of_output("x", &kind.into());
        assert!(matches!(failure(io::ErrorKind::BrokenPipe), Failure::NobodyReads));
        assert!(matches!(failure(io::ErrorKind::StorageFull), Failure::Failed(_)));
    }
}
