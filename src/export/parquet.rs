//! Segments and traits of everybody as Parquet.
//!
//! The columns are those of CSV: texts, of which segments and traits are marked as JSON. No compression: a column of equal texts is a
//! dictionary and runs of places in it.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::person::PersonKind;
use crate::resolver::{ProfileRow, Profiles};

/// The [names](ProfileRow::NAMES) of a row as columns; segments that nobody told are null.
const COLUMNS: &str = "message profiles {
    required binary person (STRING);
    required binary kind (STRING);
    optional binary segments (JSON);
    required binary traits (JSON);
}";

/// People of one row group, which is held in memory: some ten megabytes, and few enough groups for a reader of millions.
const PEOPLE_A_GROUP: usize = 1 << 16;

#[derive(Debug, thiserror::Error)]
enum ParquetFault {
    #[error("Parquet cannot be written: {0}")]
    Encoding(#[from] ParquetError),
    #[error("Parquet cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl From<ParquetFault> for Error {
    fn from(fault: ParquetFault) -> Self {
        let kind = match &fault {
            ParquetFault::Encoding(_) => ErrorKind::Output,
            ParquetFault::Output(error) => ErrorKind::of_io(error, ErrorKind::Output),
        };
        Self::new(kind, fault)
    }
}

/// What is encoded and not written yet: the encoder wants an output that may go to another thread.
#[derive(Clone, Default)]
struct Encoded(Arc<Mutex<Vec<u8>>>);

impl Write for Encoded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Encoded {
    fn write_to(&self, out: &mut dyn Write) -> Result<()> {
        let bytes = std::mem::take(&mut *self.0.lock());
        out.write_all(&bytes).map_err(|error| ParquetFault::from(error).into())
    }
}

impl Profiles {
    /// Writes the rows as a Parquet file (with the feature `parquet`), by the [names](ProfileRow::NAMES) of their fields; segments and traits are
    /// JSON, and segments that nobody told are null. Says how many rows there were. Holds some 65,000 rows at a time.
    ///
    /// # Errors
    /// When a row cannot be had, or `out` cannot be written.
    pub fn write_parquet(self, out: &mut dyn Write) -> Result<u64> {
        let encoded = Encoded::default();
        let mut rows = self;
        let columns = parse_message_type(COLUMNS).map_err(ParquetFault::from)?;
        let properties =
            WriterProperties::builder().set_created_by(concat!("backstitch ", env!("CARGO_PKG_VERSION")).into());
        let mut file = SerializedFileWriter::new(encoded.clone(), Arc::new(columns), Arc::new(properties.build()))
            .map_err(ParquetFault::from)?;
        let mut count = 0;
        loop {
            let group: Vec<ProfileRow> = rows.by_ref().take(PEOPLE_A_GROUP).collect::<Result<_>>()?;
            if group.is_empty() {
                break;
            }
            let mut writer = file.next_row_group().map_err(ParquetFault::from)?;
            write_group(&mut writer, &group).map_err(ParquetFault::from)?;
            writer.close().map_err(ParquetFault::from)?;
            encoded.write_to(out)?;
            count += group.len() as u64;
        }
        file.close().map_err(ParquetFault::from)?;
        encoded.write_to(out)?;
        Ok(count)
    }
}

fn write_group(
    writer: &mut SerializedRowGroupWriter<'_, Encoded>,
    rows: &[ProfileRow],
) -> std::result::Result<(), ParquetError> {
    let texts = |text: fn(&ProfileRow) -> String| rows.iter().map(|row| text(row).into_bytes().into()).collect();
    write_column(writer, texts(|row| row.person.to_string()), None)?;
    write_column(writer, texts(|row| kind(row).to_owned()), None)?;
    let told = rows.iter().map(|row| i16::from(row.segments.is_some())).collect::<Vec<_>>();
    let segments = rows.iter().filter_map(|row| Some(row.segments.as_ref()?.clone().into_bytes().into())).collect();
    write_column(writer, segments, Some(&told))?;
    write_column(writer, texts(ProfileRow::traits_as_json), None)
}

fn kind(row: &ProfileRow) -> &'static str {
    match row.kind {
        PersonKind::Customer => "customer",
        PersonKind::Anonymous => "anonymous",
    }
}

/// Writes the next column; `told` says of each row whether it has a value.
fn write_column(
    writer: &mut SerializedRowGroupWriter<'_, Encoded>,
    values: Vec<ByteArray>,
    told: Option<&[i16]>,
) -> std::result::Result<(), ParquetError> {
    if let Some(mut column) = writer.next_column()? {
        column.typed::<ByteArrayType>().write_batch(&values, told, None)?;
        column.close()?;
    }
    Ok(())
}
