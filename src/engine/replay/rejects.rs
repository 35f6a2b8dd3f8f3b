//! Rejected lines, kept with their reason.

use std::io::{BufWriter, Write};

use serde::Serialize;

use crate::engine::batch::decoded::RejectedLine;
use crate::engine::error::EngineError;
use crate::model::error::Error;

/// Where rejected lines go.
pub struct Rejects<'a>(Option<BufWriter<&'a mut (dyn Write + Send)>>);

/// A rejected line as it is written.
#[derive(Serialize)]
struct Written<'a> {
    source: &'a str,
    line_number: u64,
    reason: &'a str,
    detail: &'a str,
    line: &'a str,
}

impl<'a> Rejects<'a> {
    /// Rejects go to `file`, or nowhere.
    pub fn new(file: Option<&'a mut (dyn Write + Send)>) -> Self {
        Self(file.map(BufWriter::new))
    }

    /// Whether they go anywhere.
    pub fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Writes the rejected lines of a chunk, of which `before` lines of the source come before.
    pub fn write(&mut self, source: &str, before: u64, rejects: &[RejectedLine]) -> Result<(), Error> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        for rejected in rejects {
            let written = Written {
                source,
                line_number: before + rejected.number + 1,
                reason: rejected.reject.reason.word(),
                detail: &rejected.reject.detail,
                line: &String::from_utf8_lossy(&rejected.text),
            };
            serde_json::to_writer(&mut *file, &written).map_err(|error| EngineError::Rejects(error.into()))?;
            file.write_all(b"\n").map_err(EngineError::Rejects)?;
        }
        Ok(())
    }

    /// Hands everything written to the file.
    pub fn flush(&mut self) -> Result<(), Error> {
        match &mut self.0 {
            Some(file) => Ok(file.flush().map_err(EngineError::Rejects)?),
            None => Ok(()),
        }
    }
}
