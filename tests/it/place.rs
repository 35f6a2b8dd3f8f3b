//! Where things lie: the command, and the files of the repository.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A file of the repository. Tests run in a folder of their own, two below it.
pub fn file(path: &str) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/it lies in it");
    repository.join(path)
}

/// The command. Cargo builds it for the tests of its own package (`tests/source`), before any test runs, and puts it into the
/// folder above that of the tests.
pub fn binary() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| {
        let own = std::env::current_exe().expect("a test is a file");
        let folder = own.ancestors().nth(2).expect("a test lies in a folder of cargo's");
        let binary = folder.join(format!("backstitch{}", std::env::consts::EXE_SUFFIX));
        assert!(
            binary.is_file(),
            "{}: not there; `cargo test`, in the root of the repository, builds it",
            binary.display()
        );
        binary.into_os_string().into_string().expect("a path in UTF-8")
    });
    &BINARY
}
