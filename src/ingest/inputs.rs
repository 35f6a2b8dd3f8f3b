//! Which sources do the arguments name?

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::str::Utf8Chunk;

use hashbrown::HashSet;
use serde::{Serialize, Serializer};
use walkdir::{DirEntry, WalkDir};

use crate::ingest::error::IngestError;
use crate::model::source::{STORE_MARKER, STORE_MARKER_TEXT};

/// The name of standard input, among the arguments and in reports.
pub const STDIN: &str = "-";

/// A source to be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file, by its canonical path (a pipe: by the path as it was given).
    File(PathBuf),
}

impl Input {
    /// The name it is remembered and reported by: `-`, or the path. Bytes of it that are not UTF-8 are written as `\xff`, so that two such
    /// files are two sources.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => STDIN.to_string(),
            Self::File(path) => path.as_os_str().as_encoded_bytes().utf8_chunks().map(in_writing).collect(),
        }
    }

    /// Bytes of the file as it lies on the disk; `None` for standard input, a pipe, or a file that is gone.
    pub fn file_bytes(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.len()),
        }
    }
}

fn in_writing(chunk: Utf8Chunk<'_>) -> String {
    let bytes = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
    std::iter::once(chunk.valid().to_owned()).chain(bytes).collect()
}

/// The sources that arguments name.
#[derive(Debug, Default)]
pub struct Expanded {
    /// In their order, each once.
    pub inputs: Vec<Input>,
    /// Links in folders that lead nowhere.
    pub broken: BrokenLinks,
    /// Folders below those that are named, or that a glob leads through, which cannot be read.
    pub unreadable: Vec<IngestError>,
}

impl Expanded {
    /// The sources, where all that was named can be read.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn all_readable(self) -> Result<Self, IngestError> {
        let Self { inputs, broken, unreadable } = self;
        match unreadable.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(Self { inputs, broken, unreadable: Vec::new() }),
        }
    }
}

/// Links in folders that lead nowhere, or round in a circle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokenLinks {
    /// How many there are.
    pub count: u64,
    /// The first.
    pub first: Option<String>,
}

/// As their number.
impl Serialize for BrokenLinks {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.count)
    }
}

/// The sources that `args` name: files, folders (every file within that is not hidden, by name, stores left out),
/// quoted globs, and `-` for standard input. What exists under that very name is no glob.
///
/// # Errors
/// When an argument names nothing, or a folder that it names cannot be read.
pub fn expand(args: &[String]) -> Result<Expanded, IngestError> {
    let mut inputs = Expansion::default();
    for arg in args {
        if arg == STDIN {
            inputs.add(Input::Stdin);
            continue;
        }
        let path = Path::new(arg);
        match fs::metadata(path) {
            Ok(_) => inputs.path(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => inputs.glob(arg)?,
            Err(error) => return Err(IngestError::io(arg, error)),
        }
    }
    Ok(inputs.found)
}

#[derive(Default)]
struct Expansion {
    found: Expanded,
    known: HashSet<Input>,
    /// Broken links by their folder's full path, in which a link may lead to another.
    known_links: HashSet<PathBuf>,
}

impl Expansion {
    fn add(&mut self, input: Input) {
        if self.known.insert(input.clone()) {
            self.found.inputs.push(input);
        }
    }

    /// Whether what cannot be read is a link to nothing or to itself; it is noted then.
    fn is_broken_link(&mut self, path: &Path, error: &io::Error) -> bool {
        let is_link = || fs::symlink_metadata(path).is_ok_and(|entry| entry.is_symlink());
        let broken = error.kind() != io::ErrorKind::PermissionDenied && is_link();
        let place = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
        if broken && self.known_links.insert(place().unwrap_or_else(|| path.to_owned())) {
            self.found.broken.count += 1;
            self.found.broken.first.get_or_insert_with(|| path.display().to_string());
        }
        broken
    }

    fn path(&mut self, path: &Path) -> Result<(), IngestError> {
        let name = || path.display().to_string();
        let kind = fs::metadata(path).map_err(|error| IngestError::io(name(), error))?;
        if kind.is_dir() {
            return self.folder(path);
        }
        // A pipe may have no canonical path (`/dev/fd/63`), and needs none.
        let canonical = if kind.is_file() { fs::canonicalize(path) } else { std::path::absolute(path) };
        self.add(Input::File(canonical.map_err(|error| IngestError::io(name(), error))?));
        Ok(())
    }

    fn folder(&mut self, folder: &Path) -> Result<(), IngestError> {
        let hidden = |entry: &DirEntry| entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
        let store = |entry: &DirEntry| entry.file_type().is_dir() && is_store(entry.path());
        let mut empty = true;
        let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name();
        for entry in walk.into_iter().filter_entry(|entry| !hidden(entry) && !store(entry)) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let (path, is_named) = (error.path().unwrap_or(folder).to_path_buf(), error.depth() == 0);
                    let error = error.into_io_error().unwrap_or_else(|| io::Error::other("it leads in a circle"));
                    if self.is_broken_link(&path, &error) {
                        continue;
                    }
                    let error = IngestError::io(path.display().to_string(), error);
                    if is_named {
                        return Err(error);
                    }
                    self.found.unreadable.push(error);
                    empty = false;
                    continue;
                }
            };
            if entry.file_type().is_file() {
                self.path(entry.path())?;
                empty = false;
            }
        }
        if empty { Err(IngestError::EmptyFolder(folder.display().to_string())) } else { Ok(()) }
    }

    fn glob(&mut self, pattern: &str) -> Result<(), IngestError> {
        let nothing = || IngestError::NotFound(pattern.to_string());
        let paths = glob::glob(pattern).map_err(|_| nothing())?;
        // The option of the library that leaves hidden files out panics over a name that is not UTF-8.
        let parts = pattern.split(MAIN_SEPARATOR).filter(|part| part.starts_with('.'));
        let named: Vec<glob::Pattern> = parts.filter_map(|part| glob::Pattern::new(part).ok()).collect();
        let is_named = |name: &str| named.iter().any(|part| part.matches(name));
        let mut empty = true;
        for path in paths {
            let place = path.as_ref().map_or_else(glob::GlobError::path, PathBuf::as_path);
            let mut hidden = place.iter().filter_map(OsStr::to_str).filter(|name| name.starts_with('.'));
            if hidden.any(|name| !is_named(name)) {
                continue;
            }
            let path = match path {
                Ok(path) => path,
                Err(error) => {
                    let name = error.path().display().to_string();
                    self.found.unreadable.push(IngestError::io(name, error.into()));
                    empty = false;
                    continue;
                }
            };
            let broken = fs::metadata(&path).err().is_some_and(|error| self.is_broken_link(&path, &error));
            if broken || is_store(&path) {
                continue;
            }
            self.path(&path)?;
            empty = false;
        }
        if empty { Err(nothing()) } else { Ok(()) }
    }
}

/// Whether a folder is a store, perhaps the very one that is replayed into: its files are no logs.
pub fn is_store(folder: &Path) -> bool {
    fs::read(folder.join(STORE_MARKER)).is_ok_and(|text| text == STORE_MARKER_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path, args: &[&str]) -> Result<Vec<String>, IngestError> {
        let args: Vec<_> = args
            .iter()
            .map(|arg| if *arg == STDIN { STDIN.to_string() } else { root.join(arg).display().to_string() })
            .collect();
        let root = root.canonicalize().unwrap();
        let inputs = expand(&args)?;
        Ok(inputs
            .inputs
            .iter()
            .map(|input| input.name().strip_prefix(&format!("{}/", root.display())).unwrap_or("-").to_string())
            .collect())
    }

    #[test]
    fn files_folders_globs_and_standard_input_each_once() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b/2.log", "b/1.log", "b/c/3.log", "b/.hidden", "b/.git/x", "a.log", "[a].log", ".h.log", "z.txt"]
        {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = |args: &[&str]| names(root.path(), args).unwrap();
        assert_eq!(
            found(&["z.txt", "b", "-", "b/1.log", "b/../z.txt", "-"]),
            ["z.txt", "b/1.log", "b/2.log", "b/c/3.log", "-"]
        );
        assert_eq!(found(&["*.log"]), ["[a].log", "a.log"]);
        assert_eq!(found(&["[a].log"]), ["[a].log"], "what exists is no glob");
        assert_eq!(found(&["b*"]), ["b/1.log", "b/2.log", "b/c/3.log"], "a glob may match a folder");
    }

    #[test]
    fn a_store_among_the_logs_is_none_of_them() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a.log", "logs/backstitch", "people.store/db", "people.store/blobs/1"] {
            fs::create_dir_all(root.path().join(name).parent().unwrap()).unwrap();
            fs::write(root.path().join(name), "a log may have any name").unwrap();
        }
        fs::write(root.path().join("people.store").join(STORE_MARKER), STORE_MARKER_TEXT).unwrap();
        assert_eq!(names(root.path(), &["."]).unwrap(), ["a.log", "logs/backstitch"]);
        assert_eq!(names(root.path(), &["*"]).unwrap(), ["a.log", "logs/backstitch"]);
        let error = names(root.path(), &["people.store"]).unwrap_err().to_string();
        assert!(error.contains("people.store") && error.contains("stores"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_skipped_and_counted() {
        use std::os::unix::fs::symlink;

        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("logs/sub")).unwrap();
        fs::create_dir(at("only")).unwrap();
        fs::write(at("logs/a.log"), "").unwrap();
        fs::write(at("logs/sub/b.log"), "").unwrap();
        for (target, link) in [
            ("nothing", "logs/1.dangling"),
            ("..", "logs/sub/2.loop"),
            ("3.self", "logs/3.self"),
            ("a.log", "logs/4.good"),
            ("nothing", "only/5.dangling"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        let found = |name: &str| expand(&[at(name).display().to_string()]);
        for name in ["logs", "logs/*", "l*"] {
            let Expanded { inputs, broken, .. } = found(name).unwrap();
            let names: Vec<String> = inputs.iter().map(Input::name).collect();
            let expected = ["logs/a.log", "logs/sub/b.log"].map(|log| at(log).canonicalize().unwrap());
            assert_eq!(names, expected.map(|log| log.display().to_string()), "{name}");
            assert_eq!(broken.count, 3, "{name}: {broken:?}");
            assert!(broken.first.as_ref().is_some_and(|first| first.ends_with("1.dangling")), "{name}: {broken:?}");
        }
        for (name, expected) in
            [("only", "no logs in the folder"), ("only/*", "no file matches"), ("logs/1.dangling", "no such file")]
        {
            let told = found(name).unwrap_err().to_string();
            assert!(told.contains(expected), "{name}: {told}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf8_are_told_apart_and_stop_no_glob() {
        use std::os::unix::ffi::OsStrExt;

        let root = tempfile::tempdir().unwrap();
        for name in [&b"a\xff.log"[..], b"a\xfe.log", b"b.log", b".c.log"] {
            fs::write(root.path().join(OsStr::from_bytes(name)), "").unwrap();
        }
        assert_eq!(names(root.path(), &["."]).unwrap(), [r"a\xfe.log", r"a\xff.log", "b.log"]);
        assert_eq!(names(root.path(), &["*.log"]).unwrap(), ["b.log"]);
        assert_eq!(names(root.path(), &[".*.log"]).unwrap(), [".c.log"]);
        assert_eq!(names(root.path(), &["**/*.log"]).unwrap(), ["b.log"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_read_stops_no_other() {
        use std::os::unix::fs::PermissionsExt;

        let unreadable = vec![IngestError::EmptyFolder("x".into())];
        assert!(Expanded { unreadable, ..Expanded::default() }.all_readable().is_err());
        assert!(Expanded::default().all_readable().is_ok());
        let root = tempfile::tempdir().unwrap();
        let sub = root.path().join("logs/sub");
        fs::create_dir_all(&sub).unwrap();
        fs::write(root.path().join("logs/a.log"), "").unwrap();
        fs::set_permissions(&sub, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read_dir(&sub).is_ok() {
            eprintln!("skipped: these tests run as a user who may read everything");
            return;
        }
        let found = expand(&[root.path().join("logs").display().to_string()]).unwrap();
        assert_eq!((found.inputs.len(), found.unreadable.len()), (1, 1));
        let told = found.unreadable[0].to_string();
        assert!(told.ends_with("logs/sub"), "{told}");
    }

    #[test]
    fn what_names_nothing_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        for arg in ["missing.log", "*.log", "[", "empty"] {
            let error = names(root.path(), &[arg]).unwrap_err().to_string();
            assert!(error.contains(arg), "{error}");
        }
    }
}
