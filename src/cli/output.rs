//! Where results go: standard output, or a file that appears once it is complete.

use std::io::{self, BufWriter, Stdout, Write};
use std::path::Path;

use backstitch::{Engine, NewFile};
use serde::Serialize;

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::failure::Failure;
use crate::cli::text::lines;
use crate::cli::writable::Writable;

/// Bytes gathered before they are written: a system call a thousand rows.
const WRITE_BYTES: usize = 128 << 10;

/// Where results go. Nothing is certain to be written before [`Output::finish`].
pub struct Output {
    to: Destination,
    /// What it is called in messages.
    name: String,
}

enum Destination {
    Stdout(BufWriter<Stdout>),
    File(NewFile),
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Self {
        let to = BufWriter::with_capacity(WRITE_BYTES, io::stdout());
        Self { to: Destination::Stdout(to), name: "standard output".into() }
    }

    /// A file, which takes the place of the one that is there.
    pub fn to(file: Writable) -> Result<Self, Failure> {
        let file = file.replaceable()?;
        let path = file.path();
        let to = NewFile::at(path).map_err(|error| Failure::of_new_file(file.what(), path, &error))?;
        Ok(Self { to: Destination::File(to), name: path.display().to_string() })
    }

    /// Where the results about a store go: the file at `path`, where that may be written, or standard output without one.
    pub fn about(common: &Common, engine: &Engine, path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            Some(path) => Self::to(Writable::new(common, path, "the results")?.beside_sources(engine)?),
            None => Ok(Self::stdout()),
        }
    }

    /// Writes `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.with(|to| to.write_all(bytes))
    }

    /// Writes lines for people.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.write(lines(text).as_bytes())
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
        work(self.writer()).map_err(|error| Failure::of_output(&self.name, &error))
    }

    /// Lets readers have what was written so far.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.with(|to| to.flush())
    }

    /// Where it goes, for what tells its own errors.
    pub fn writer(&mut self) -> &mut dyn Write {
        match &mut self.to {
            Destination::Stdout(to) => to,
            Destination::File(to) => to,
        }
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Brings everything written to where it belongs.
    pub fn finish(self) -> Result<Ended, Failure> {
        let finished = match self.to {
            Destination::Stdout(mut to) => to.flush(),
            Destination::File(to) => to.finish(),
        };
        finished.map(|()| Ended::Done).map_err(|error| Failure::of_output(&self.name, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_is_no_failure() {
        let failure = |kind: io::ErrorKind| Failure::of_output("x", &kind.into());
        assert!(matches!(failure(io::ErrorKind::BrokenPipe), Failure::NobodyReads));
        assert!(matches!(failure(io::ErrorKind::StorageFull), Failure::Failed(_)));
    }
}
