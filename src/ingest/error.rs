//! What can go wrong before there is a line.

use std::io;

use crate::model::error::{Error, ErrorKind};

/// Why a source could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// An argument names no file, folder or glob with a match.
    #[error("no such file, and no file matches: {0}")]
    NotFound(String),
    /// A folder holds no file that is read.
    #[error(
        "no logs in the folder {0}: hidden files, whose names begin with a dot, and stores are not read unless named one by one"
    )]
    EmptyFolder(String),
    /// The operating system refused.
    #[error("cannot read {name}")]
    Io {
        /// The source.
        name: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A compressed source breaks off or is damaged; what came before was delivered.
    #[error("{name} is {} {format} file, of which {}", damaged(error), was_read(error, *bytes))]
    Damaged {
        /// The source.
        name: String,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// How much of its content was delivered, in bytes after decompression.
        bytes: u64,
        /// What the decoder said.
        #[source]
        error: io::Error,
    },
    /// A source asks for more memory to be decompressed than any is given; what came before was delivered.
    #[error(
        "{name} is compressed with a window of more than 128 MiB (`zstd --long`), and what follows byte {bytes} of its content was not read: decompress it, or compress it with a smaller window"
    )]
    Window {
        /// The source.
        name: String,
        /// How much of its content was delivered, in bytes after decompression.
        bytes: u64,
    },
    /// A source is compressed in a way that this build does not read.
    #[error(
        "{name} is compressed with {feature}, which this build does not read: build it with the feature `{feature}`, or decompress the file"
    )]
    Compression {
        /// The source.
        name: String,
        /// The feature of the crate that reads it.
        feature: &'static str,
    },
}

/// Whether a compressed file merely breaks off.
fn is_cut_short(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

fn damaged(error: &io::Error) -> &'static str {
    if is_cut_short(error) { "an incomplete" } else { "a damaged" }
}

fn was_read(error: &io::Error, bytes: u64) -> String {
    match bytes {
        0 => "nothing was read".to_owned(),
        _ if is_cut_short(error) => format!("everything before byte {bytes} of its content was read"),
        // Its checksum comes last, and nothing else may have told.
        _ => format!(
            "everything before byte {bytes} of its content was read, perhaps not as it was packed: retract it before it is replayed again"
        ),
    }
}

impl IngestError {
    /// What the system said of a source.
    pub fn io(name: impl Into<String>, error: io::Error) -> Self {
        Self::Io { name: name.into(), error }
    }
}

impl From<IngestError> for Error {
    fn from(error: IngestError) -> Self {
        let kind = match &error {
            IngestError::NotFound(_) | IngestError::EmptyFolder(_) => ErrorKind::NoInput,
            IngestError::Io { error, .. } => ErrorKind::of_io(error, ErrorKind::Input),
            IngestError::Damaged { .. } => ErrorKind::DamagedInput,
            IngestError::Window { .. } => ErrorKind::Limit,
            IngestError::Compression { .. } => ErrorKind::Input,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_is_told_from_what_may_be_wrong() {
        let told = |kind: io::ErrorKind, bytes| {
            let error = IngestError::Damaged { name: "a.gz".into(), format: "gzip", bytes, error: kind.into() };
            error.to_string()
        };
        let cut = told(io::ErrorKind::UnexpectedEof, 7);
        assert_eq!(cut, "a.gz is an incomplete gzip file, of which everything before byte 7 of its content was read");
        let nothing = told(io::ErrorKind::UnexpectedEof, 0);
        assert_eq!(nothing, "a.gz is an incomplete gzip file, of which nothing was read");
        let damaged = told(io::ErrorKind::InvalidInput, 7);
        assert!(damaged.starts_with("a.gz is a damaged gzip file") && damaged.contains("retract it"), "{damaged}");
    }
}
