//! Small stores, for tests of what is said about them.

use std::fs;

use backstitch::{Engine, View};

/// A line of a log: when, in milliseconds, and `namespace:value`s with blanks between.
pub fn line(millis: u64, identities: &str) -> String {
    let identities = identities.split(' ').filter_map(|identity| identity.split_once(':'));
    let identities: Vec<String> = identities.map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    format!("{{\"timestamp\":{millis},\"user\":{{\"identities\":{{{}}}}}}}\n", identities.join(","))
}

/// What a store in memory says that has read this log, and the name it has for the log.
pub fn replayed(log: &str) -> (View, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, log).unwrap();
    let mut engine = Engine::in_memory();
    engine.replay([path.to_str().unwrap()]).unwrap();
    let view = engine.resolver().view();
    let name = view.sources()[0].name.clone();
    (view, name)
}
