//! The logs that a command was given, and the files that results must not be written to.

use std::path::{Path, PathBuf};

use backstitch::{Engine, Replay};

use crate::cli::args::Common;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Refuses an empty list of logs, and says how to name one.
pub fn some_log(logs: &[String]) -> Result<(), Failure> {
    match logs {
        [] => {
            Err(Failure::Usage("no log given: name files, folders or patterns, or `-` to read standard input".into()))
        }
        _ => Ok(()),
    }
}

/// Refuses to write `what` over one of the logs, or into a folder of logs, where it would be read as one of them.
pub fn keep_logs(logs: &[String], path: &Path, what: &str) -> Result<(), Failure> {
    let Some(path) = settled(path) else { return Ok(()) };
    let refused = |why: &str| refused(&path, why, what);
    if Replay::of(logs).files()?.contains(&path) {
        return refused("is one of the logs");
    }
    let mut folders = logs.iter().filter_map(|log| Path::new(log).canonicalize().ok()).filter(|log| log.is_dir());
    if folders.any(|folder| path.starts_with(folder)) {
        return refused("is inside a folder of logs, and would be read as one of them");
    }
    Ok(())
}

/// Refuses to write `what` into the store.
pub fn keep_store(store: &Path, path: &Path, what: &str) -> Result<(), Failure> {
    match settled(path).zip(store.canonicalize().ok()) {
        Some((path, store)) if path.starts_with(&store) => refused(&path, "is inside the store", what),
        _ => Ok(()),
    }
}

/// Refuses to write `what` into the store, over one of its sources, or into a folder of them, where a replay of the folder would
/// read it. The folder that a command works in, and those that hold it, are no folders of logs.
pub fn keep_sources(common: &Common, engine: &Engine, path: &Path, what: &str) -> Result<(), Failure> {
    keep_store(&common.store, path, what)?;
    let Some(path) = settled(path) else { return Ok(()) };
    let here = Path::new(".").canonicalize().unwrap_or_default();
    let view = engine.resolver().view();
    let names = view.sources().iter().filter(|source| !source.retracted).map(|source| Path::new(&source.name));
    for source in names.filter(|source| source.is_absolute()) {
        if source == path {
            return refused(&path, "is a source of the store", what);
        }
        let depth = if source.starts_with(&here) { usize::MAX } else { 1 };
        let mut folders = source.ancestors().skip(1).take(depth).take_while(|folder| !here.starts_with(folder));
        if let Some(folder) = folders.find(|folder| path.starts_with(folder)) {
            let folder = folder.display();
            return refused(
                &path,
                &format!("is inside {folder}, a folder of logs, and would be read as one of them"),
                what,
            );
        }
    }
    Ok(())
}

/// Where the results about a store go: the file at `path`, where that may be written, or standard output without one.
pub fn output(common: &Common, engine: &Engine, path: Option<&Path>) -> Result<Output, Failure> {
    if let Some(path) = path {
        keep_sources(common, engine, path, "the results")?;
    }
    Output::to(path)
}

fn refused(path: &Path, why: &str, what: &str) -> Result<(), Failure> {
    Err(Failure::Usage(format!("{} {why}: name another file for {what}", path.display())))
}

/// The canonical path of a file that may not exist yet; none where its folder does not.
fn settled(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn results_never_go_where_logs_are_read() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["logs/old", "out"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for log in ["logs/1.log", "logs/old/0.log", "single.log"] {
            fs::write(at(log), "").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(at("single.log"), at("out/link.log")).unwrap();
        let logs = ["logs", "single.log"].map(|log| at(log).display().to_string());
        let told = |name: &str| match keep_logs(&logs, &at(name), "the results") {
            Ok(()) => "fine".to_owned(),
            Err(Failure::Usage(text)) => text,
            Err(other) => panic!("{other:?}"),
        };
        for name in ["single.log", "out/../single.log", "logs/old/0.log"] {
            let file = at(name).canonicalize().unwrap();
            let expected = "is one of the logs: name another file for the results";
            assert_eq!(told(name), format!("{} {expected}", file.display()));
        }
        #[cfg(unix)]
        assert!(told("out/link.log").contains("single.log is one of the logs"), "{}", told("out/link.log"));
        for name in ["logs/new.log", "out/../logs/old/new.log"] {
            assert!(told(name).contains("new.log is inside a folder of logs"), "{}", told(name));
        }
        for name in ["out/new.log", "logs.log", "missing/new.log", "single.log.new"] {
            assert_eq!(told(name), "fine", "{name}");
        }
    }
}
