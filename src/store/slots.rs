//! A file of two slots, each written in one piece: what lies beside the database and must not go back with it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Bytes of a slot: a page of the file system, so that writing the one never touches the other.
const SLOT_BYTES: usize = 4096;

/// Bytes before the value: its length, little endian.
const LENGTH_BYTES: usize = 4;

/// Where in a slot the program says its version: behind every value, in plain text, so that each program can read it whatever the
/// format of the value is.
const WRITER_AT: usize = 3_072;

/// How many slots there are.
const SLOTS: u8 = 2;

/// What it says.
const WRITER: &str = concat!("written by backstitch ", env!("CARGO_PKG_VERSION"), "\n");

/// The file; it need not be there.
#[derive(Debug)]
pub(crate) struct SlotFile {
    path: PathBuf,
}

impl SlotFile {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The slot that a key is about: its last byte.
    fn slot(key: &[u8]) -> u64 {
        u64::from(key.last().map_or(0, |byte| byte % SLOTS))
    }

    /// What lies in the slot of `key`; `None` where nothing was ever put there. What is damaged is handed out as it lies there: the
    /// reader finds that out.
    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        file.seek(SeekFrom::Start(Self::slot(key) * SLOT_BYTES as u64))?;
        let mut page = Vec::with_capacity(SLOT_BYTES);
        file.take(SLOT_BYTES as u64).read_to_end(&mut page)?;
        let Some((length, rest)) = page.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        Ok(match u32::from_le_bytes(*length) as usize {
            0 if rest.iter().all(|byte| *byte == 0) => None,
            length => Some(rest.get(..length).unwrap_or(rest).to_vec()),
        })
    }

    /// The program that wrote one of the slots, as it says itself; `None` where that cannot be read.
    pub(crate) fn writer(&self) -> Option<String> {
        let bytes = std::fs::read(&self.path).ok()?;
        let said = |slot: usize| {
            let page = bytes.get(slot * SLOT_BYTES..)?;
            let line = page.get(WRITER_AT..)?.split(|byte| *byte == b'\n').next()?;
            let version = std::str::from_utf8(line).ok()?.strip_prefix("written by ")?;
            version.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ').then(|| version.to_owned())
        };
        (0..usize::from(SLOTS)).find_map(said)
    }

    /// Puts a value into the slot of `key`. A longer one than fits is an error.
    pub(crate) fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let mut page = [0; SLOT_BYTES];
        let place = page[LENGTH_BYTES..WRITER_AT].get_mut(..value.len()).ok_or(ErrorKind::InvalidInput)?;
        place.copy_from_slice(value);
        page[..LENGTH_BYTES].copy_from_slice(&(value.len() as u32).to_le_bytes());
        page[WRITER_AT..].iter_mut().zip(WRITER.bytes()).for_each(|(place, byte)| *place = byte);
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
        file.seek(SeekFrom::Start(Self::slot(key) * SLOT_BYTES as u64))?;
        file.write_all(&page)
    }

    /// Returns once what was put would outlive a loss of power.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_hold_what_was_put() {
        let folder = tempfile::tempdir().unwrap();
        let file = SlotFile::at(folder.path().join("slots"));
        assert_eq!(file.get(&[0]).unwrap(), None);
        file.put(&[1], b"one").unwrap();
        assert_eq!((file.get(&[0]).unwrap(), file.get(&[1]).unwrap()), (None, Some(b"one".to_vec())));
        file.put(&[0], b"zero").unwrap();
        file.put(&[1], b"1").unwrap();
        file.sync().unwrap();
        assert_eq!((file.get(&[0]).unwrap(), file.get(&[1]).unwrap()), (Some(b"zero".to_vec()), Some(b"1".to_vec())));
        assert!(file.put(&[0], &[7; WRITER_AT - LENGTH_BYTES + 1]).is_err());
        assert_eq!(file.get(&[0]).unwrap(), Some(b"zero".to_vec()), "it is as it was");
        assert_eq!(file.writer(), Some(format!("backstitch {}", env!("CARGO_PKG_VERSION"))));
    }

    #[test]
    fn a_file_that_was_cut_gives_what_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = SlotFile::at(folder.path().join("slots"));
        file.put(&[0], b"zero").unwrap();
        file.put(&[1], b"one").unwrap();
        let whole = std::fs::read(&file.path).unwrap();
        for (bytes, zero, one) in [
            (SLOT_BYTES + LENGTH_BYTES + 2, Some(&b"zero"[..]), Some(&b"on"[..])),
            (SLOT_BYTES + 3, Some(b"zero"), None),
            (LENGTH_BYTES + 1, Some(b"z"), None),
            (0, None, None),
        ] {
            std::fs::write(&file.path, &whole[..bytes]).unwrap();
            let found = [0, 1].map(|slot| file.get(&[slot]).unwrap());
            assert_eq!(found, [zero.map(<[u8]>::to_vec), one.map(<[u8]>::to_vec)], "{bytes}");
        }
    }
}
