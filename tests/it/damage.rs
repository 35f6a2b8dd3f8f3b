//! Stores whose blocks went bad: told, mended, and made whole by the logs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use backstitch::{Engine, ErrorKind, Identity, Sequence, When};
use serde_json::Value;

use crate::harness::{Manner, copy_folder, damage_block, replay, text, totals};
use crate::place::binary;

/// Logs of which every second one comes back to the sessions of the one before: links, times and events in many runs.
fn logs(folder: &Path) -> Vec<PathBuf> {
    (0..6)
        .map(|file| {
            let lines: Vec<String> = (0..400)
                .map(|number| {
                    let session = file / 2 * 100 + number % 200;
                    let customer =
                        if number % 3 == 0 { format!(r#","ecommerceId":"c{}""#, number % 50) } else { String::new() };
                    let time = file * 1_000_000 + number * 1_000;
                    format!(r#"{{"timestamp":{time},"user":{{"identities":{{"sessionId":"s{session}"{customer}}}}}}}"#)
                })
                .collect();
            let path = folder.join(format!("{file}.ndjson"));
            std::fs::write(&path, text(&lines)).expect("written");
            path
        })
        .collect()
}

fn command(store: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--store").arg(store).output().expect("the binary runs")
}

#[test]
fn damage_is_told_and_repaired_and_the_logs_bring_back_what_was_lost() {
    for kind in ["links", "seen", "directory", "events"] {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, logs) = (folder.path().join("store"), logs(folder.path()));
        let mut engine = Engine::open(&store).expect("a new store");
        replay(&mut engine, &logs, Manner { batch_events: 1, ..Manner::default() });
        let (undisturbed, applied) = (totals(&engine), engine.feed().sequence());
        drop(engine);
        let sound = command(&store, &["verify", "--repair"]);
        assert_eq!(sound.status.code(), Some(0));
        let engine = Engine::open(&store).expect("a sound store");
        assert_eq!(
            engine.feed().changes(Sequence(0)).expect("kept").count() as u64,
            applied.0,
            "a sound store keeps its feed"
        );
        drop(engine);
        damage_block(&store, kind);

        let found = command(&store, &["verify"]);
        let (out, reason) = (String::from_utf8_lossy(&found.stdout), String::from_utf8_lossy(&found.stderr));
        assert_eq!(found.status.code(), Some(1), "{kind}: {out}{reason}");
        let word = format!("{kind} block");
        assert!(format!("{out}{reason}").contains(&word), "{kind} is named: {out}{reason}");
        assert!(format!("{out}{reason}").contains("verify --repair"), "so is the remedy: {out}{reason}");

        let repaired = command(&store, &["verify", "--repair", "--json"]);
        assert_eq!(repaired.status.code(), Some(0), "{kind}: {}", String::from_utf8_lossy(&repaired.stderr));
        let told: Value = serde_json::from_slice(&repaired.stdout).expect("one object");
        let lost = told["repaired"]["lost_events"].as_u64().expect("a number");
        assert_eq!((&told["sound"], lost > 0), (&Value::Bool(true), kind == "events"), "{kind}: {told}");

        let mut engine = Engine::open(&store).expect("a repaired store");
        assert_eq!(totals(&engine) == undisturbed, lost == 0, "{kind}");
        let told = engine.feed().changes(applied).err().map(|error| error.to_string());
        assert!(
            told.is_some_and(|told| told.contains("must begin again from a full export")),
            "{kind}: what was lost is in no feed"
        );
        let told = engine.known_at(When::Commit(2)).err().expect("the history has begun again");
        let begun = format!("the history begins with commit {}, of", engine.generation());
        assert!(told.kind() == ErrorKind::Forgotten && told.to_string().contains(&begun), "{kind}: {told}");
        assert_eq!(engine.commits().count(), 1, "{kind}");
        let summary = replay(&mut engine, &logs, Manner { batch_events: 1, ..Manner::default() });
        assert_eq!((summary.events.accepted, summary.sources.read), (lost, if lost > 0 { 6 } else { 0 }), "{kind}");
        assert_eq!(totals(&engine), undisturbed, "{kind}");
        assert!(engine.verify().expect("readable").is_sound(), "{kind}");
    }
}

/// What counts otherwise than it was written is rebuilt, or comes back with the logs; decisions that are lost are made again.
#[test]
fn renamed_events_are_mended_too() {
    let customer = |value: &str| Identity::new("ecommerceId", value);
    for kind in ["counted", "written", "recounts"] {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, logs) = (folder.path().join("store"), logs(folder.path()));
        let mut engine = Engine::open(&store).expect("a new store");
        replay(&mut engine, &logs, Manner { batch_events: 1, ..Manner::default() });
        let plain = totals(&engine);
        engine.rename([(customer("c7"), customer("c8"))]).expect("renamed");
        let renamed = totals(&engine);
        assert_ne!(renamed, plain);
        drop(engine);
        damage_block(&store, kind);
        let told = command(&store, &["verify"]);
        let said = [&told.stdout[..], &told.stderr].concat();
        assert!(String::from_utf8_lossy(&said).contains(&format!("{kind} block")), "{kind}: {told:?}");
        let repaired = command(&store, &["verify", "--repair", "--quiet"]);
        assert_eq!(repaired.status.code(), Some(0), "{kind}: {repaired:?}");
        let mut engine = Engine::open(&store).expect("mended");
        replay(&mut engine, &logs, Manner::default());
        if kind == "recounts" {
            assert_eq!(totals(&engine), plain, "the events count as they were written");
            engine.rename([(customer("c7"), customer("c8"))]).expect("renamed");
        }
        assert_eq!(totals(&engine), renamed, "{kind}");
        engine.rename_back([customer("c7")]).expect("renamed back");
        assert_eq!(totals(&engine), plain, "{kind}");
        assert!(engine.verify().expect("readable").is_sound(), "{kind}");
    }
}

/// What no event tells again is lost with all that names it; the rest is put into a new database, and the logs bring it back.
#[test]
fn what_cannot_be_mended_in_its_place_is_put_into_a_new_database() {
    for (kind, is_lost) in [("identities", true), ("sources", false), ("unlinks", false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, logs) = (folder.path().join("store"), logs(folder.path()));
        let mut engine = Engine::open(&store).expect("a new store");
        replay(&mut engine, &logs, Manner { batch_events: 1, ..Manner::default() });
        let before = totals(&engine);
        engine.unlink("s7", "c7").expect("unlinked");
        let position = engine.feed().position();
        drop(engine);
        damage_block(&store, kind);
        for arguments in [&["verify"][..], &["stats", "--shared"]] {
            let told = command(&store, arguments);
            let reason = String::from_utf8_lossy(&told.stderr).into_owned();
            assert_eq!(told.status.code(), Some(1), "{kind}: {arguments:?}");
            assert!(reason.contains(&format!("{kind} block")) && reason.contains("verify --repair"), "{reason}");
        }
        let repaired = command(&store, &["verify", "--repair", "--json"]);
        let reason = String::from_utf8_lossy(&repaired.stderr).into_owned();
        assert_eq!(repaired.status.code(), Some(0), "{kind}: {reason}");
        assert!(reason.contains("what could be read of it is in a new one"), "{reason}");
        let told: Value = serde_json::from_slice(&repaired.stdout).expect("one object");
        assert_eq!(told["repaired"]["rewritten"], true);
        assert_eq!(told["repaired"]["lost_identities"].as_u64() > Some(0), is_lost, "{kind}: {told}");
        assert_eq!(reason.contains("identities could not be read"), is_lost, "{reason}");

        let mut engine = Engine::open(&store).expect("a new database");
        let told = engine.feed().changes(position).err().expect("another epoch");
        assert_eq!(told.kind(), backstitch::ErrorKind::OtherEpoch);
        assert!(engine.feed().sequence() > position.sequence(), "no number is given twice");
        replay(&mut engine, &logs, Manner::default());
        if engine.resolver().view().unlinked().is_empty() {
            engine.unlink("s7", "c7").expect("unlinked");
        }
        engine.relink("s7", "c7").expect("linked");
        assert_eq!(totals(&engine), before, "{kind}");
        assert!(engine.verify().expect("readable").is_sound(), "{kind}");
        assert!(!store.join("next").exists() && !store.join("swap").exists());
    }
}

/// Whatever a swap of the two databases is cut short by, the next opening takes it to its end.
#[test]
fn a_swap_that_was_cut_short_is_taken_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = logs(folder.path());
    let made = |name: &str, logs: &[PathBuf]| {
        let path = folder.path().join(name);
        let mut engine = Engine::open(&path).expect("a new store");
        replay(&mut engine, logs, Manner::default());
        (path, totals(&engine))
    };
    let ((old, before), (new, after)) = (made("old", &logs[..2]), made("new", &logs));
    let names = |path: &Path| {
        let entries = std::fs::read_dir(path).expect("readable").map(|entry| entry.expect("readable").file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().expect("UTF-8")).collect();
        names.retain(|name| name != "backstitch");
        names.sort_unstable();
        names
    };
    let (old_names, new_names) = (names(&old), names(&new));
    for step in 0..=old_names.len() + new_names.len() + 1 {
        let store = folder.path().join(format!("step {step}"));
        copy_folder(&old, &store);
        copy_folder(&new, &store.join("next"));
        std::fs::write(store.join("mine"), "a note").expect("written");
        let gone = step.min(old_names.len());
        for name in &old_names[..gone] {
            let path = store.join(name);
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.expect("removed");
        }
        let mut said = "The store in the folder `next` takes the place of this one: its files are being deleted.\n";
        if let Some(moved) = step.checked_sub(old_names.len() + 1) {
            said = "The store in the folder `next` takes the place of this one: its files are being moved.\n";
            for name in &new_names[..moved] {
                std::fs::rename(store.join("next").join(name), store.join(name)).expect("moved");
            }
        }
        std::fs::write(store.join("swap"), said).expect("written");
        let engine = Engine::open(&store).unwrap_or_else(|error| panic!("step {step}: {error}"));
        assert_eq!(totals(&engine), after, "step {step}");
        assert!(engine.verify().expect("readable").is_sound());
        assert!(!store.join("next").exists() && !store.join("swap").exists() && store.join("mine").exists());
    }
    // Without the word that it is whole, the new one is nothing.
    copy_folder(&new, &old.join("next"));
    assert_eq!(totals(&Engine::open(&old).expect("a store")), before);
}

/// The end of the database's log is gone: the database itself notices nothing.
#[test]
fn a_store_that_went_back_is_found_out_accepted_when_told_to_and_made_whole_by_the_logs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, logs) = (folder.path().join("store"), logs(folder.path()));
    let mut engine = Engine::open(&store).expect("a new store");
    replay(&mut engine, &logs, Manner { batch_events: 1, ..Manner::default() });
    let (undisturbed, position) = (totals(&engine), engine.feed().position());
    drop(engine);
    let database = store.join("db");
    let whole = std::fs::metadata(&database).expect("there").len();
    std::fs::OpenOptions::new().write(true).open(&database).expect("writable").set_len(whole * 2 / 3).expect("cut");

    let log = logs[0].to_str().expect("UTF-8");
    for arguments in [&["stats"][..], &["verify"], &["verify", "--repair"], &["changes"], &["replay", log]] {
        let told = command(&store, arguments);
        let reason = String::from_utf8_lossy(&told.stderr).into_owned();
        assert_eq!((told.status.code(), &told.stdout[..]), (Some(1), &b""[..]), "{arguments:?}: {reason}");
        assert_eq!(reason.lines().count(), 1, "{reason}");
        assert!(reason.contains("is older than its last commit"), "{reason}");
        assert!(reason.contains("run `backstitch verify --repair --accept-older`, then replay the logs"), "{reason}");
    }
    assert_eq!(command(&store, &["verify", "--accept-older"]).status.code(), Some(2), "only with --repair");
    let accepted = command(&store, &["verify", "--repair", "--accept-older", "--json"]);
    let reason = String::from_utf8_lossy(&accepted.stderr).into_owned();
    assert_eq!(accepted.status.code(), Some(0), "{reason}");
    assert!(reason.contains("the store lacks its last") && reason.contains("replay the logs again"), "{reason}");
    let told: Value = serde_json::from_slice(&accepted.stdout).expect("one object");
    assert!(told["repaired"]["missing_commits"].as_u64() > Some(0), "{told}");

    let position = position.to_string();
    let told = command(&store, &["changes", "--since", &position]);
    let reason = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.status.code() == Some(1) && reason.contains("of another epoch"), "{reason}");
    let number = position.split(':').nth(1).expect("a number");
    let told = command(&store, &["changes", "--since", number]);
    let reason = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.status.code() == Some(1) && reason.contains("were trimmed"), "no number is given twice: {reason}");

    let mut engine = Engine::open(&store).expect("an accepted store");
    assert_ne!(totals(&engine), undisturbed);
    let summary = replay(&mut engine, &logs, Manner::default());
    assert!(summary.events.accepted > 0);
    assert_eq!(totals(&engine), undisturbed);
    assert!(engine.verify().expect("readable").is_sound());
}
