//! Segments and traits as Parquet, read back.

use std::io::{self, Write};

use backstitch::rows::ProfileRow;
use backstitch::{Engine, PersonKind, ProfileRules};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use crate::place::{binary, file};

/// People of one row group.
const PEOPLE_A_GROUP: usize = 1 << 16;

fn kind(row: &ProfileRow) -> &'static str {
    match row.kind {
        PersonKind::Customer => "customer",
        PersonKind::Anonymous => "anonymous",
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut engine = Engine::in_memory();
    let people = PEOPLE_A_GROUP + 10;
    let line = |person: usize| {
        let segments = if person.is_multiple_of(3) { "" } else { r#","segments":["new","\"é"]"# };
        format!(
            "{{\"timestamp\":{person},\"user\":{{\"identities\":{{\"sessionId\":\"s{person}\"}}{segments},\"traits\":{{\"age\":{person}}}}}}}\n"
        )
    };
    engine.ingest("log", (0..people).map(line).collect::<String>().as_bytes()).expect("sound");
    let view = engine.resolver().view();
    let profiles = || view.profiles(&ProfileRules::new()).expect("sound");
    let mut file = tempfile::tempfile().expect("a file");
    assert_eq!(profiles().write_parquet(&mut file).expect("sound"), people as u64);
    let file = SerializedFileReader::new(file).expect("sound");
    assert_eq!(file.num_row_groups(), 2);
    let mut read = file.get_row_iter(None).expect("sound");
    let text = |field: &Field| match field {
        Field::Str(text) => Some(text.clone()),
        Field::Bytes(bytes) => Some(String::from_utf8(bytes.data().to_vec()).expect("sound")),
        Field::Null => None,
        other => panic!("{other:?}"),
    };
    for row in profiles() {
        let (row, read) = (row.expect("sound"), read.next().expect("sound").expect("sound"));
        let columns: Vec<(String, Option<String>)> =
            read.get_column_iter().map(|(name, field)| (name.clone(), text(field))).collect();
        let names = ProfileRow::NAMES.map(str::to_owned);
        let values = [
            Some(row.person.to_string()),
            Some(kind(&row).to_owned()),
            row.segments.clone(),
            Some(row.traits_as_json()),
        ];
        assert_eq!(columns, names.into_iter().zip(values).collect::<Vec<_>>());
    }
    assert!(read.next().is_none());
}

/// As the command writes it.
#[test]
fn the_command_writes_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &str| {
        let mut command = std::process::Command::new(binary());
        let output = command.args(arguments.split_whitespace()).current_dir(folder.path()).output().expect("it runs");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let log = file("fixtures/profiles.ndjson");
    run(&format!("replay {} --quiet", log.display()));
    run("profiles --parquet --output people.parquet");
    let file = std::fs::File::open(folder.path().join("people.parquet")).expect("written");
    let file = SerializedFileReader::new(file).expect("sound");
    let rows = file.get_row_iter(None).expect("sound");
    let people: Vec<String> = rows.map(|row| row.expect("sound").to_string()).collect();
    assert_eq!(people.len(), 2);
    assert!(people[0].contains("ecommerceId:anna") && people[1].contains("Chur"), "{people:?}");
}

#[test]
fn an_output_that_fails_is_told_and_no_people_are_a_file_too() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let view = Engine::in_memory().resolver().view();
    let profiles = || view.profiles(&ProfileRules::new()).expect("sound");
    assert!(
        profiles().write_parquet(&mut Full).expect_err("it fails").to_string().contains("Parquet cannot be written")
    );
    let mut file = tempfile::tempfile().expect("a file");
    assert_eq!(profiles().write_parquet(&mut file).expect("sound"), 0);
    assert_eq!(SerializedFileReader::new(file).expect("sound").num_row_groups(), 0);
}
