//! What a log is that holds no events, told by its first bytes and lines.

use std::fmt;

/// A format that is not read, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LooksLike {
    /// Values between commas or semicolons.
    Csv,
    /// Values between tabs.
    Tsv,
    /// Text of two bytes a character.
    Utf16,
    /// A zip archive.
    Zip,
    /// A file compressed by bzip2.
    Bzip2,
    /// A file compressed by xz.
    Xz,
    /// A file compressed by lz4.
    Lz4,
    /// A Parquet file.
    Parquet,
    /// An Avro file.
    Avro,
    /// XML or HTML.
    Xml,
}

impl LooksLike {
    /// Told by how a source begins.
    pub(super) fn of_start(start: &[u8]) -> Option<Self> {
        Some(match start {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [b'{' | b'[', 0, ..] | [0, b'{' | b'[', ..] => Self::Utf16,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x04, 0x22, 0x4D, 0x18, ..] => Self::Lz4,
            [b'P', b'A', b'R', b'1', ..] => Self::Parquet,
            [b'O', b'b', b'j', 1, ..] => Self::Avro,
            _ => return None,
        })
    }

    /// Told by a line that is no JSON value.
    pub(super) fn of_line(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_start();
        if line.chars().any(|sign| sign.is_control() && !matches!(sign, '\t' | '\n' | '\r')) {
            return None;
        }
        match *line.as_bytes().first()? {
            b'{' | b'[' => None,
            b'<' => Some(Self::Xml),
            _ if line.contains('\t') => Some(Self::Tsv),
            _ if line.contains([',', ';']) => Some(Self::Csv),
            _ => None,
        }
    }
}

/// `CSV`, `a zip archive`: after *it looks like*.
impl fmt::Display for LooksLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Utf16 => "UTF-16",
            Self::Zip => "a zip archive",
            Self::Bzip2 => "a bzip2 file",
            Self::Xz => "an xz file",
            Self::Lz4 => "an lz4 file",
            Self::Parquet => "a Parquet file",
            Self::Avro => "an Avro file",
            Self::Xml => "XML",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_is_by_its_start() {
        for (start, expected) in [
            (&b"\xFF\xFE{\0\"\0"[..], LooksLike::Utf16),
            (b"\xFE\xFF\0{", LooksLike::Utf16),
            (b"{\0\"\0", LooksLike::Utf16),
            (b"\0[\0{", LooksLike::Utf16),
            (b"PK\x03\x04\x14", LooksLike::Zip),
            (b"BZh91AY", LooksLike::Bzip2),
            (b"\xFD7zXZ\0\0", LooksLike::Xz),
            (b"\x04\x22\x4D\x18d", LooksLike::Lz4),
            (b"PAR1\x15", LooksLike::Parquet),
            (b"Obj\x01", LooksLike::Avro),
        ] {
            assert_eq!(LooksLike::of_start(start), Some(expected), "{start:?}");
        }
        for start in [&b""[..], b"{", b"{\"a\":1}", b"PK", b"BZh,x", b"Object"] {
            assert_eq!(LooksLike::of_start(start), None, "{start:?}");
        }
    }

    #[test]
    fn what_a_line_shows() {
        for (line, expected) in [
            ("time,session", Some(LooksLike::Csv)),
            ("\"time\";\"session\"\r\n", Some(LooksLike::Csv)),
            ("time\tsession, too", Some(LooksLike::Tsv)),
            ("<?xml version=\"1.0\"?>", Some(LooksLike::Xml)),
            ("", None),
            (" \t", None),
            ("a b", None),
            ("{\"a\":1,", None),
            ("[1,", None),
            ("\u{1},", None),
        ] {
            assert_eq!(LooksLike::of_line(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(LooksLike::of_line(b"\xFF,"), None);
    }
}
