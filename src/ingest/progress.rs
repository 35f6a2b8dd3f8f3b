//! How far the reading of a log is.

/// How far the reading of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of the files, as they lie on the disk, that were read.
    pub bytes: u64,
    /// Bytes of all the files; `None` where standard input is among them.
    pub bytes_total: Option<u64>,
    /// Lines that were decoded.
    pub events: u64,
}
