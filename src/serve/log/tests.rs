use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use super::*;

/// Files so small that a test fills several.
const SMALL: u64 = 1_000;

/// Where the child of the kill test writes.
const CHILD: &str = "BACKSTITCH_LOG_CHILD";

fn text(folder: &Path) -> String {
    segments(folder).unwrap().iter().map(|(_, path)| fs::read_to_string(path).unwrap()).collect()
}

/// Appends a line and waits for the answer.
fn append(log: &ActivityLog, line: &str) -> Result<LogPosition, AppendError> {
    let (tell, told) = channel();
    log.append(format!("{line}\n").into(), move |outcome| tell.send(outcome).unwrap())?;
    told.recv().unwrap()
}

#[test]
fn what_many_threads_append_is_there_once_in_files_of_a_size() {
    let folder = tempfile::tempdir().unwrap();
    let log = ActivityLog::with_segments(folder.path(), SMALL).unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let log = &log;
            scope.spawn(move || {
                let mut last = LogPosition::default();
                for number in 0..200 {
                    let place = append(log, &format!("{writer}-{number}")).unwrap();
                    assert!(place > last && place <= log.durable().position());
                    last = place;
                }
            });
        }
    });
    let end = log.durable().position();
    let durable = log.durable();
    drop(log);
    assert_eq!(durable.wait_beyond(end, Duration::ZERO), (end, true), "closed");
    let files = segments(folder.path()).unwrap();
    assert!(files.len() > 3, "{files:?}");
    assert_eq!(files.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=end.segment).collect::<Vec<_>>());
    for (_, path) in &files {
        let bytes = fs::metadata(path).unwrap().len();
        assert!(bytes <= SMALL + 100 && fs::read(path).unwrap().ends_with(b"\n"), "{bytes}");
    }
    let lines = text(folder.path());
    let expected = (0..4).flat_map(|writer| (0..200).map(move |number| format!("{writer}-{number}")));
    assert_eq!(lines.lines().map(str::to_owned).collect::<BTreeSet<_>>(), expected.collect());
    assert_eq!(lines.lines().count(), 800);
}

#[test]
fn the_start_of_a_line_is_cut_off_and_the_log_goes_on_behind_the_last_whole_one() {
    let long = "x".repeat(200_000);
    for (left, whole) in [("", ""), ("torn", ""), ("a\n", "a\n"), ("a\nb\nto", "a\nb\n"), (&long, "")] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(segment(folder.path(), 1), "first\n").unwrap();
        fs::write(segment(folder.path(), 2), left).unwrap();
        let log = ActivityLog::open(folder.path()).unwrap();
        assert_eq!(log.durable().position(), LogPosition { segment: 2, bytes: whole.len() as u64 });
        append(&log, "next").unwrap();
        drop(log);
        assert_eq!(text(folder.path()), format!("first\n{whole}next\n"));
    }
}

#[test]
fn one_process_writes_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = ActivityLog::open(folder.path()).unwrap();
    let refused = ActivityLog::open(folder.path()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InUse);
    assert!(refused.to_string().contains("stop it first"), "{refused}");
    drop(log);
    ActivityLog::open(folder.path()).unwrap();
}

#[test]
fn a_replay_of_the_folder_reads_the_files_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let log = ActivityLog::open(folder.path()).unwrap();
    append(&log, r#"{"timestamp":1,"user":{"identities":{"sessionId":"s"}}}"#).unwrap();
    let mut engine = crate::engine::Engine::in_memory();
    let summary = engine.replay([log.folder()]).unwrap();
    assert_eq!((summary.events.accepted, summary.sources.read), (1, 1));
}

#[test]
fn closed_files_are_compressed_and_hold_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    let log = ActivityLog::with_segments(folder.path(), 200).unwrap();
    for number in 0..20 {
        append(&log, &format!(r#"{{"timestamp":{number},"user":{{"identities":{{"sessionId":"s{number}"}}}}}}"#))
            .unwrap();
    }
    let end = log.durable().position();
    let plain = text(folder.path());
    drop(log);
    let sizes: Vec<u64> = segments(folder.path()).unwrap().iter().map(|(_, path)| pack::bytes(path).unwrap()).collect();
    for number in 1..end.segment {
        let path = segment(folder.path(), number);
        let before = fs::read(&path).unwrap();
        pack::pack(&path).unwrap();
        assert!(!path.exists());
        if number == 1 {
            // Killed before the plain one was removed.
            fs::write(&path, before).unwrap();
        }
    }
    let unpacked = || -> String {
        let read = |(_, path): &(u64, PathBuf)| io::read_to_string(pack::open(path).unwrap()).unwrap();
        segments(folder.path()).unwrap().iter().map(read).collect()
    };
    assert_eq!(unpacked(), plain);
    assert_eq!(
        segments(folder.path()).unwrap().iter().map(|(_, path)| pack::bytes(path).unwrap()).collect::<Vec<_>>(),
        sizes
    );
    let mut engine = crate::engine::Engine::in_memory();
    assert_eq!(engine.replay([folder.path()]).unwrap().events.accepted, 20);
    let log = ActivityLog::open(folder.path()).unwrap();
    assert!(!segment(folder.path(), 1).exists() && log.durable().position() == end);
    drop(log);
    pack::pack(&segment(folder.path(), end.segment)).unwrap();
    let log = ActivityLog::open(folder.path()).unwrap();
    assert_eq!(log.durable().position(), LogPosition { segment: end.segment + 1, bytes: 0 });
    assert_eq!(unpacked(), plain);
}

#[test]
fn what_cannot_be_written_is_refused_and_nothing_of_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let log = ActivityLog::with_segments(folder.path(), 1).unwrap();
    append(&log, "a").unwrap();
    // In the way of the next file.
    fs::create_dir(segment(folder.path(), 2)).unwrap();
    assert!(matches!(append(&log, "b"), Err(AppendError::Failed(_))));
    fs::remove_dir(segment(folder.path(), 2)).unwrap();
    append(&log, "c").unwrap();
    assert_eq!(text(folder.path()), "a\nc\n");
}

/// What the child of the kill test does: it appends from several threads and tells what was acknowledged. By itself it does nothing.
#[test]
fn a_child_that_appends() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let log = ActivityLog::with_segments(Path::new(&folder), SMALL).unwrap();
    let life = std::process::id();
    thread::scope(|scope| {
        for writer in 0..4 {
            let log = &log;
            scope.spawn(move || {
                for number in 0.. {
                    let line = format!("{life}-{writer}-{number}");
                    append(log, &line).unwrap();
                    // One write a line, so that a kill leaves no half of one.
                    std::io::stdout().write_all(format!("acknowledged {line}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_is_there_once_after_kills() {
    const KILLS: usize = 5;
    const BEFORE_A_KILL: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "serve::log::tests::a_child_that_appends", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = lines.map_while(|line| line.ok()).filter_map(|line| {
            let at = line.find("acknowledged ")?;
            Some(line[at + "acknowledged ".len()..].to_owned())
        });
        for (at, line) in told.enumerate() {
            acknowledged.push(line);
            if at == BEFORE_A_KILL + 7 * kill {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
    }
    ActivityLog::open(folder.path()).unwrap();
    assert!(acknowledged.len() > KILLS * BEFORE_A_KILL);
    let stored = text(folder.path());
    assert!(stored.ends_with('\n'));
    let mut once = BTreeSet::new();
    assert!(stored.lines().all(|line| once.insert(line)), "none twice");
    let lost: Vec<_> = acknowledged.iter().filter(|line| !once.contains(line.as_str())).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
