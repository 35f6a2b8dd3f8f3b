//! Where a command may write: not into a store, not over a log, not over a source. Decided here alone; what writes a file takes
//! a [`Writable`].

use std::fs;
use std::path::{Path, PathBuf};

use backstitch::{Engine, Replay};
use same_file::Handle;
use walkdir::WalkDir;

use crate::cli::args::Common;
use crate::cli::failure::Failure;

/// Links that lead to each other are followed no further than the system does.
const MAX_LINKS: usize = 40;

/// A file that may be written.
#[derive(Debug)]
pub struct Writable {
    /// As it was named.
    path: PathBuf,
    /// Where that leads, in full; none where its folder does not exist, and it cannot be made.
    real: Option<PathBuf>,
    /// The file that is there, which may have other names.
    there: Option<Handle>,
    /// What it is for.
    what: &'static str,
}

impl Writable {
    /// The file at `path`, which is for `what`, unless it is in a store or one of its files.
    pub fn new(common: &Common, path: &Path, what: &'static str) -> Result<Self, Failure> {
        let real = leads_to(path);
        let there = real.as_deref().and_then(regular);
        let this = Self { path: path.to_owned(), real, there, what };
        this.outside_stores(&common.store)?;
        Ok(this)
    }

    /// A file of a test.
    #[cfg(test)]
    pub fn anywhere(path: &Path) -> Self {
        Self { path: path.to_owned(), real: None, there: None, what: "a test" }
    }

    fn outside_stores(&self, store: &Path) -> Result<(), Failure> {
        let Some(real) = &self.real else { return Ok(()) };
        let store = store.canonicalize().ok();
        let is_store = |folder: &Path| store.as_deref() == Some(folder) || Engine::is_store(folder);
        if real.ancestors().any(is_store) {
            return self.refuse("is inside a store");
        }
        if self.there.is_some() {
            let files = store.into_iter().flat_map(|store| WalkDir::new(store).into_iter().filter_map(Result::ok));
            if files.into_iter().any(|file| self.is(file.path())) {
                return self.refuse("is a file of the store");
            }
        }
        Ok(())
    }

    /// Unless it is one of the logs, or in a folder of them, where it would be read as one.
    pub fn beside_logs(self, logs: &[String]) -> Result<Self, Failure> {
        let Some(real) = &self.real else { return Ok(self) };
        if Replay::of(logs).files()?.iter().any(|log| log == real || self.is(log)) {
            self.refuse("is one of the logs")?;
        }
        let mut folders = logs.iter().filter_map(|log| Path::new(log).canonicalize().ok()).filter(|log| log.is_dir());
        if folders.any(|folder| real.starts_with(folder)) {
            self.refuse("is inside a folder of logs, and would be read as one of them")?;
        }
        Ok(self)
    }

    /// Unless it is a source of the store, or in a folder of them, where a replay of the folder would read it. The folder that a
    /// command works in, and those that hold it, are no folders of logs.
    pub fn beside_sources(self, engine: &Engine) -> Result<Self, Failure> {
        let Some(real) = &self.real else { return Ok(self) };
        let here = Path::new(".").canonicalize().unwrap_or_default();
        let view = engine.resolver().view();
        let names = view.sources().iter().filter(|source| !source.retracted).map(|source| Path::new(&source.name));
        for source in names.filter(|source| source.is_absolute()) {
            if source == real || self.is(source) {
                self.refuse("is a source of the store")?;
            }
            let depth = if source.starts_with(&here) { usize::MAX } else { 1 };
            let mut folders = source.ancestors().skip(1).take(depth).take_while(|folder| !here.starts_with(folder));
            if let Some(folder) = folders.find(|folder| real.starts_with(folder)) {
                let folder = folder.display();
                self.refuse(&format!("is inside {folder}, a folder of logs, and would be read as one of them"))?;
            }
        }
        Ok(self)
    }

    /// As it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is for.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Unless there is something that only takes what is added to it, or nothing at all: a device, a pipe, a folder.
    pub fn replaceable(self) -> Result<Self, Failure> {
        match self.real.as_deref().is_some_and(Path::exists) && self.there.is_none() {
            true => self.refuse("is not a regular file").map(|()| self),
            false => Ok(self),
        }
    }

    /// Whether the file that is there has this name too.
    fn is(&self, name: &Path) -> bool {
        self.there.is_some() && self.there == regular(name)
    }

    fn refuse(&self, why: &str) -> Result<(), Failure> {
        let path = self.real.as_deref().unwrap_or(&self.path).display();
        Err(Failure::Usage(format!("{path} {why}: name another file for {}", self.what)))
    }
}

/// Where a path leads, through links to what does not exist yet, too.
fn leads_to(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if let Ok(real) = path.canonicalize() {
            return Some(real);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let named = folder.canonicalize().ok()?.join(path.file_name()?);
        match fs::read_link(&named) {
            Ok(target) => path = named.with_file_name("").join(target),
            Err(_) => return Some(named),
        }
    }
    None
}

/// A regular file, by which it is known whatever its name. Nothing else is opened: a pipe would wait for a writer.
fn regular(path: &Path) -> Option<Handle> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Handle::from_path(path).ok()
}

#[cfg(test)]
mod tests {
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
        let common = Common { store: at("no.store"), config: None, read_only: false, json: false, quiet: false };
        let told = |name: &str| match Writable::new(&common, &at(name), "the results")
            .and_then(|file| file.beside_logs(&logs))
        {
            Ok(_) => "fine".to_owned(),
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
