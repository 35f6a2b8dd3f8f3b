//! What fuzzing begins from: `seeds FOLDER` writes a folder for each target that has a use for one.

use std::path::Path;
use std::sync::Arc;
use std::{env, fs};

use backstitch::Engine;
use backstitch::store::backend::MemoryBackend;
use backstitch::store::block_kinds;
use backstitch::store::fuzzing::bodies;

mod base;

fn main() -> std::io::Result<()> {
    let Some(folder) = env::args_os().nth(1) else {
        eprintln!("seeds: name the folder to write to");
        std::process::exit(2);
    };
    let put = |target: &str, number: usize, bytes: &[u8]| {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{number}")), bytes)
    };
    let log = base::log();
    for (number, line) in log.split(|&byte| byte == b'\n').take(6).enumerate() {
        put("lines", number, line)?;
        for first in 0..3 {
            let layouts = [[&[first][..], line].concat(), [&[first], &b"{\"items\":["[..], line, b"]}"].concat()];
            for (layout, bytes) in layouts.iter().enumerate() {
                put("logs", 6 * number + 2 * usize::from(first) + layout, bytes)?;
            }
        }
    }
    let manifest = block_kinds().position(|kind| kind.word() == "manifest").expect("a kind");
    for (number, (kind, body)) in bodies(&base::entries()).into_iter().enumerate() {
        put("blocks", number, &[&[kind][..], &body].concat())?;
        if usize::from(kind) == manifest {
            put("manifests", number, &[&[0][..], &body].concat())?;
        }
    }
    let mut engine = Engine::options().over(Arc::new(MemoryBackend::default())).expect("a store in memory");
    engine
        .ingest(
            "short",
            log.split_inclusive(|&byte| byte == b'\n').take(8).flatten().copied().collect::<Vec<_>>().as_slice(),
        )
        .expect("a log");
    let mut facts = Vec::new();
    engine.export_facts(&mut facts).expect("memory can be written");
    put("facts", 0, &facts)
}
