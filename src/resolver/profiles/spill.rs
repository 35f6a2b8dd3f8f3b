//! What was told of the people of each part, in a temporary file each: how often one person's segments and traits changed is not bounded.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use crate::model::digest::EventHash;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::identity::IdentityId;
use crate::model::profile::ProfilePart;
use crate::model::time::Time;
use crate::resolver::profiles::told::{Teller, Tellers};

/// A temporary file failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep profiles in a temporary file in {}: see that there is room, or name another folder (TMPDIR)", std::env::temp_dir().display())]
struct SpillError(#[from] io::Error);

impl From<SpillError> for Error {
    fn from(error: SpillError) -> Self {
        Self::new(ErrorKind::of_io(&error.0, ErrorKind::Output), error)
    }
}

/// What was told, by part.
pub struct Spill {
    parts: Vec<BufWriter<File>>,
    /// Reused for each record.
    record: Vec<u8>,
}

impl Spill {
    /// For so many parts.
    pub fn new(parts: usize) -> Result<Self> {
        let parts = (0..parts)
            .map(|_| Ok(BufWriter::new(tempfile::tempfile()?)))
            .collect::<io::Result<_>>()
            .map_err(SpillError)?;
        Ok(Self { parts, record: Vec::new() })
    }

    /// Adds what some events told of a person.
    pub fn add(&mut self, part: usize, rank: u32, told: ProfilePart<'_>, tellers: Tellers) -> Result<()> {
        let record = &mut self.record;
        record.clear();
        record.extend_from_slice(&rank.to_le_bytes());
        record.extend_from_slice(&tellers.events.to_le_bytes());
        for teller in [tellers.first, tellers.last] {
            record.extend_from_slice(&teller.time.as_micros().to_le_bytes());
            record.extend_from_slice(&teller.event.0.to_le_bytes());
            record.extend_from_slice(&teller.anchor.0.to_le_bytes());
        }
        for text in [told.segments, told.traits] {
            record.extend_from_slice(&(text.len() as u32).to_le_bytes());
            record.extend_from_slice(text.as_bytes());
        }
        Ok(self.parts.get_mut(part).map_or(Ok(()), |file| file.write_all(record)).map_err(SpillError)?)
    }

    /// The parts, to be read.
    pub fn into_readers(self) -> Result<Vec<SpillReader>> {
        let reader = |part: BufWriter<File>| {
            let mut file = part.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            Ok(SpillReader(BufReader::new(file)))
        };
        Ok(self.parts.into_iter().map(reader).collect::<io::Result<_>>().map_err(SpillError)?)
    }
}

/// What was told of the people of a part.
pub struct SpillReader(BufReader<File>);

impl SpillReader {
    /// Calls `each` with everything that was added.
    pub fn each(&mut self, each: impl FnMut(u32, ProfilePart<'_>, Tellers)) -> Result<()> {
        Ok(each_record(&mut self.0, each).map_err(SpillError)?)
    }
}

fn each_record(from: &mut impl Read, mut each: impl FnMut(u32, ProfilePart<'_>, Tellers)) -> io::Result<()> {
    let mut texts = [String::new(), String::new()];
    loop {
        let rank = match number(from) {
            Ok(rank) => u32::from_le_bytes(rank),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let events = u64::from_le_bytes(number(from)?);
        let (first, last) = (teller(from)?, teller(from)?);
        for text in &mut texts {
            let length = u32::from_le_bytes(number(from)?);
            text.clear();
            from.take(length.into()).read_to_string(text)?;
        }
        let [segments, traits] = &texts;
        each(rank, ProfilePart { segments, traits }, Tellers { events, first, last });
    }
}

fn number<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn teller(from: &mut impl Read) -> io::Result<Teller> {
    Ok(Teller {
        time: Time::from_micros(i64::from_le_bytes(number(from)?)),
        event: EventHash(u128::from_le_bytes(number(from)?)),
        anchor: IdentityId(u32::from_le_bytes(number(from)?)),
    })
}
