//! What `Cargo.lock` says of the dependencies, held against `deny.toml`, which `cargo deny check` reads: where they come from, and
//! that each advisory that is let pass is still needed, and contained. It cannot see licences, nor advisories that are not known yet.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::floors::{assert_none, code, files};

const LOCK: &str = include_str!("../../Cargo.lock");
const DENY: &str = include_str!("../../deny.toml");

/// Where every crate comes from that is not ours.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

const OURS: [&str; 3] = ["backstitch", "backstitch-benches", "backstitch-tests"];

/// The advisories that are let pass, each with its crate and all that may need it.
const CONTAINED: [(&str, &str, &[&str]); 3] = [
    ("RUSTSEC-2024-0384", "instant 0.1.13", &["parking_lot 0.11.2", "parking_lot_core 0.8.6"]),
    ("RUSTSEC-2025-0057", "fxhash 0.2.1", &["sled 0.34.7"]),
    ("RUSTSEC-2025-0141", "bincode 1.3.3", &["backstitch 0.1.0"]),
];

/// Who may need the crates above that need a crate of an advisory.
const BETWEEN: [(&str, &[&str]); 3] = [
    ("parking_lot 0.11.2", &["sled 0.34.7"]),
    ("parking_lot_core 0.8.6", &["parking_lot 0.11.2"]),
    ("sled 0.34.7", &["backstitch 0.1.0", "backstitch-benches 0.0.0"]),
];

fn text<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    of.get(name)?.as_str()
}

fn parsed(text: &str) -> Table {
    text.parse().expect("TOML")
}

/// The packages of a lock file: names, versions, sources, checksums, dependencies.
fn packages(lock: &Table) -> Vec<&Value> {
    lock["package"].as_array().expect("packages").iter().collect()
}

/// `NAME VERSION` of a package.
fn named(package: &Value) -> String {
    format!("{} {}", text(package, "name").expect("a name"), text(package, "version").expect("a version"))
}

/// What is wrong with where packages come from.
fn strangers(lock: &Table) -> Vec<String> {
    let is_ours = |package: &Value| OURS.contains(&text(package, "name").unwrap_or_default());
    let is_sound = |package: &&Value| match text(package, "source") {
        None => is_ours(package),
        Some(source) => source == REGISTRY && text(package, "checksum").is_some_and(|checksum| checksum.len() == 64),
    };
    packages(lock).into_iter().filter(|package| !is_sound(package)).map(named).collect()
}

/// Who needs each package, by `NAME VERSION`.
fn needed_by(lock: &Table) -> BTreeMap<String, BTreeSet<String>> {
    let all: Vec<String> = packages(lock).into_iter().map(named).collect();
    let mut needed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages(lock) {
        let wanted = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        for wanted in wanted.map(|wanted| wanted.as_str().expect("a name")) {
            // The version stands there only where there are several.
            let mut words = wanted.split(' ');
            let (name, version) = (words.next().expect("a name"), words.next());
            let is_it = |known: &&String| {
                known.split_once(' ').is_some_and(|(n, v)| n == name && version.is_none_or(|w| w == v))
            };
            let known = all.iter().find(is_it).unwrap_or_else(|| panic!("{wanted} is locked"));
            needed.entry(known.clone()).or_default().insert(named(package));
        }
    }
    needed
}

#[test]
fn every_crate_comes_from_the_registry() {
    let lock = parsed(LOCK);
    assert!(packages(&lock).len() > 100, "they are where they are looked for");
    assert_none(strangers(&lock));
    let sources = &parsed(DENY)["sources"];
    assert_eq!([text(sources, "unknown-registry"), text(sources, "unknown-git")], [Some("deny"); 2]);
    let allowed = sources["allow-registry"].as_array().expect("a list");
    assert_eq!(allowed.iter().map(Value::as_str).collect::<Vec<_>>(), [REGISTRY.strip_prefix("registry+")]);
}

#[test]
fn each_advisory_that_is_let_pass_is_needed_and_contained() {
    let (lock, deny) = (parsed(LOCK), parsed(DENY));
    let ignored = deny["advisories"]["ignore"].as_array().expect("a list");
    let told: Vec<(&str, &str)> = ignored
        .iter()
        .map(|entry| {
            let (id, reason) = (text(entry, "id").expect("an id"), text(entry, "reason").expect("a reason"));
            let (name, why) = reason.split_once(": ").expect("the crate comes first");
            assert!(why.len() > 40, "{id}: why it is acceptable, and how it is contained");
            (id, name)
        })
        .collect();
    assert_eq!(told, CONTAINED.map(|(id, name, _)| (id, name)), "deny.toml and this test name the same");
    let needed = needed_by(&lock);
    let nobody = BTreeSet::new();
    for (name, by) in CONTAINED.into_iter().map(|(_, name, by)| (name, by)).chain(BETWEEN) {
        let found = needed.get(name).unwrap_or(&nobody);
        let expected: BTreeSet<String> = by.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(*found, expected, "who needs {name}: if no one does, its advisory goes");
    }
}

#[test]
fn bincode_is_named_in_one_file() {
    let names = |(path, text): &(String, String)| {
        (path != "src/store/codec.rs" && code(text).contains("bincode::")).then(|| path.clone())
    };
    let all = files("src", "rs");
    assert!(all.iter().any(|(path, text)| path == "src/store/codec.rs" && text.contains("bincode::")));
    assert_none(all.iter().filter_map(names).collect());
}

#[test]
fn the_rules_find_what_is_wrong() {
    let checksum = "0".repeat(64);
    let lock = parsed(&format!(
        r#"
        [[package]]
        name = "backstitch"
        version = "0.1.0"
        dependencies = ["a", "b 2.0.0"]
        [[package]]
        name = "a"
        version = "1.0.0"
        source = "{REGISTRY}"
        checksum = "{checksum}"
        [[package]]
        name = "b"
        version = "1.0.0"
        source = "git+https://example.org/b"
        [[package]]
        name = "b"
        version = "2.0.0"
        source = "{REGISTRY}"
        [[package]]
        name = "c"
        version = "1.0.0"
        "#
    ));
    assert_eq!(strangers(&lock), ["b 1.0.0", "b 2.0.0", "c 1.0.0"]);
    let ours = BTreeSet::from(["backstitch 0.1.0".to_owned()]);
    assert_eq!(needed_by(&lock), BTreeMap::from([("a 1.0.0".to_owned(), ours.clone()), ("b 2.0.0".to_owned(), ours)]));
}
