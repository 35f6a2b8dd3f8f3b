//! A small store of several commits, to change.
#![allow(dead_code, reason = "no target needs all of it")]

use std::sync::Arc;

use backstitch::store::backend::MemoryBackend;
use backstitch::store::fuzzing::Entries;
use backstitch::{Engine, Generator, Recipe};

/// A log of a few hundred events.
pub fn log() -> Vec<u8> {
    let mut log = Vec::new();
    Generator::new(Recipe { sessions: 24, seed: 1, repeats: true }).write(&mut log).expect("memory can be written");
    log
}

/// What is done to a store before it is changed.
pub fn live(engine: &mut Engine) {
    let log = log();
    let half = log.len() / 2;
    for (name, part) in [("one", &log[..half]), ("two", &log[half..]), ("both", &log[..])] {
        engine.ingest(name, part).expect("a log in memory");
    }
    let links =
        br#"{"timestamp":1793527200,"user":{"identities":{"sessionId":"s","email":"m","ecommerceId":"c"}},"id":"x"}"#;
    engine.ingest("links", &links[..]).expect("a line");
    engine.unlink("s", "c").expect("they are linked");
}

/// Its blocks.
pub fn entries() -> Entries {
    let backend = Arc::new(MemoryBackend::default());
    live(&mut Engine::options().over(backend.clone()).expect("a store in memory"));
    backend.entries()
}

/// Asks a store everything; whatever it answers, it answers.
pub fn ask(engine: &Engine) {
    let _ = engine.verify();
    let view = engine.resolver().view();
    let _ = (view.totals(), view.sessions(), view.shared());
    let _ = engine.resolver().resolve("s");
    if let Ok(mut changes) = engine.feed().changes(engine.feed().trimmed()) {
        while let Some(Ok(_)) = changes.next() {}
    }
    let _ = engine.export_facts(std::io::sink());
}
