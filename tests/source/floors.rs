//! Rules that prose cannot hold, run as tests: floors, line budgets, who may name what, banned calls, dead links,
//! fixtures nobody reads. Each rule is a function from text to faults, and is itself tried on a text at fault.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors of the crate, from the ground. Modules of one floor do not know each other.
const FLOORS: [&[&str]; 5] = [
    &["model"],
    &["ingest", "graph", "store", "visitor"],
    &["generate", "resolver"],
    &["engine", "export"],
    &["cli", "serve"],
];

/// Lines of a file. About 300 is good; what is longer is two things.
const MAX_LINES: usize = 600;

/// Lines of a function, from its name to the brace that closes it: what fills a screen is two thoughts.
const MAX_FUNCTION_LINES: usize = 70;

/// Bytes of all fixtures: they are told in words, not measured.
const MAX_FIXTURE_BYTES: u64 = 200_000;

/// Crates that one file alone may name (a folder, where it ends with a slash), below `src/`.
const KEPT: [(&str, &[&str]); 3] = [
    ("sled", &["store/sled.rs"]),
    ("bincode", &["store/codec.rs"]),
    ("petgraph", &["engine/check/verify.rs", "export/picture/dot.rs"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` with this extension: path from the root of the repository, and text.
pub fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let kept = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let made = name == "target" || name == "node_modules" || name.ends_with(".store");
        entry.depth() == 0 || !(made || name.starts_with('.'))
    };
    let all = walkdir::WalkDir::new(root().join(folder)).sort_by_file_name().into_iter().filter_entry(kept);
    all.filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|found| found == extension))
        .map(|entry| {
            let path = entry.path().strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            (path, fs::read_to_string(entry.path()).expect("source text"))
        })
        .collect()
}

/// All Rust text of the repository.
fn rust() -> Vec<(String, String)> {
    ["src", "tests", "benches", "fuzz", "examples"].into_iter().flat_map(|folder| files(folder, "rs")).collect()
}

#[track_caller]
pub fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// A text without its comment lines; the numbers of the lines stay.
pub fn code(text: &str) -> String {
    let line = |line: &str| if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() };
    text.lines().map(|text| line(text) + "\n").collect()
}

/// Where `path` (such as `crate::`) begins in a line, not as the tail of another word.
fn occurrences<'a>(line: &'a str, path: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(path).filter_map(move |(at, _)| {
        let inside = line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '$'));
        (!inside).then(|| &line[at + path.len()..])
    })
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// What is wrong with the imports of a file below `src/`.
fn imports(path: &str, text: &str) -> Vec<String> {
    let below = path.trim_start_matches("src/");
    let module = below.split('/').next().unwrap_or(below).trim_end_matches(".rs");
    let is_root = matches!(below, "lib.rs" | "main.rs");
    let mut faults = Vec::new();
    let Some(own) = floor(module).or(is_root.then_some(FLOORS.len())) else {
        return vec![format!("{path}: the module {module} is on no floor")];
    };
    // `super` from here is the root of the crate, where the file is the module itself.
    let top = below == format!("{module}.rs") || below == format!("{module}/mod.rs");
    let mut nested = false;
    for (number, line) in code(text).lines().enumerate() {
        let mut fault = |what: String| faults.push(format!("{path}:{}: {what}", number + 1));
        nested |= line.trim_start().starts_with("mod ") && line.ends_with('{');
        let through_super = occurrences(line, "super::").filter_map(|rest| match rest.strip_prefix("super::") {
            Some(rest) => Some(rest),
            None => (top && !nested).then_some(rest),
        });
        for rest in occurrences(line, "crate::").chain(through_super) {
            let target = word(rest);
            match floor(target) {
                _ if target == module => {}
                _ if module == "cli" => fault(format!("the command line uses `backstitch::`, not `crate::{target}`")),
                Some(other) if other < own => {}
                Some(_) => fault(format!("{module} may not know {target}")),
                None => fault(format!("`{target}` through the root of the crate: name the defining module")),
            }
        }
    }
    faults
}

/// Crates that are named where they may not be.
fn kept(path: &str, text: &str) -> Vec<String> {
    let below = path.trim_start_matches("src/");
    let mut faults = Vec::new();
    for (name, homes) in KEPT {
        let home = homes.iter().any(|home| below == *home || (home.ends_with('/') && below.starts_with(home)));
        for (number, line) in code(text).lines().enumerate() {
            let named = occurrences(line, name).any(|rest| rest.starts_with("::") || rest.starts_with(';'));
            if named && !home && !line.contains(&format!("::{name}::")) && !line.contains(&format!("mod {name};")) {
                faults.push(format!("{path}:{}: only {} may name {name}", number + 1, homes[0]));
            }
        }
    }
    faults
}

/// Calls that promise work or tests that are not there; a test that is ignored says why.
fn banned(path: &str, text: &str) -> Vec<String> {
    let words = [["to", "do!"].concat(), ["unimpl", "emented!"].concat(), ["#[ign", "ore]"].concat()];
    let text = code(text);
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let found = words.iter().filter(|word| line.contains(word.as_str()));
        faults.extend(found.map(|word| format!("{path}:{}: {word}", number + 1)));
    }
    // A statement that matches and tells nobody.
    let opening = ["matches", "!("].concat();
    for (at, _) in text.match_indices(&opening) {
        let line = text[..at].rsplit('\n').next().unwrap_or("");
        let mut depth = 0;
        let end = text[at..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ')' && depth == 0
        });
        if line.trim().is_empty() && end.is_some_and(|end| text[at + end + 1..].starts_with(';')) {
            faults.push(format!("{path}:{}: a match that nothing asserts", text[..at].lines().count() + 1));
        }
    }
    faults
}

/// Functions that are too long, as `rustfmt` lays them out: the brace that closes one stands under its first word.
fn long_functions(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut faults = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let Some((before, name)) = line.split_once("fn ") else { continue };
        let words = ["", "pub", "const", "async", "extern"];
        if !before
            .split_whitespace()
            .all(|part| part.starts_with("pub(") || part.ends_with(')') || words.contains(&part))
        {
            continue;
        }
        // A line that ends on this one, or a method that is only declared.
        if line.ends_with(['}', ';']) {
            continue;
        }
        let closing = format!("{indent}}}");
        let length = lines[at..].iter().position(|line| *line == closing).map_or(0, |end| end + 1);
        if length > MAX_FUNCTION_LINES {
            let name = word(name);
            faults.push(format!("{path}:{}: {name} has {length} lines, more than {MAX_FUNCTION_LINES}", at + 1));
        }
    }
    faults
}

/// Phrases that are not the field's words, each with the one that is; letters of either case.
const WORDS: [(&str, &str); 10] = [
    ("bears witness", "is evidence"),
    ("bear witness", "are evidence"),
    ("passed over", "ignored, skipped"),
    ("passes over", "ignores, skips"),
    ("whoever", "the caller"),
    ("nobody's", "anonymous"),
    ("begin anew", "start again"),
    ("begins anew", "starts again"),
    ("worked out anew", "rebuilt"),
    ("is no rfc", "is not valid RFC"),
];

/// Lines that say something in other words than the field's.
fn odd_words(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.to_lowercase();
        let odd = WORDS.iter().filter(|(odd, _)| line.contains(odd));
        faults.extend(odd.map(|(odd, word)| format!("{path}:{}: `{odd}`: say `{word}`", number + 1)));
    }
    faults
}

/// Targets of the relative links of a page.
fn links(page: &str) -> Vec<String> {
    let mut fenced = false;
    let mut links = Vec::new();
    for line in page.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let targets = line.match_indices("](").filter_map(|(at, _)| line[at + 2..].split(')').next());
        let local = |target: &&str| {
            !target.contains("://") && !target.starts_with(['#', '<']) && !target.starts_with("mailto:")
        };
        if !fenced {
            links.extend(targets.filter(local).map(|target| target.split('#').next().unwrap_or("").to_owned()));
        }
    }
    links
}

/// Dependencies that do not say what they are for.
fn unexplained(path: &str, manifest: &str) -> Vec<String> {
    let mut among = false;
    let mut faults = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            among = line.contains("dependencies");
        } else if among && line.contains('=') && !line.starts_with('#') && !line.contains(" # ") {
            faults.push(format!("{path}: say what it is for: {line}"));
        }
    }
    faults
}

#[test]
fn modules_import_from_floors_below_their_own() {
    let all = files("src", "rs");
    assert!(all.len() > 5, "the sources are where they are looked for");
    assert_none(all.iter().flat_map(|(path, text)| imports(path, text)).collect());
}

#[test]
fn sled_bincode_and_petgraph_are_named_at_home_alone() {
    assert_none(files("src", "rs").iter().flat_map(|(path, text)| kept(path, text)).collect());
}

#[test]
fn no_file_is_long() {
    let long = |(path, text): &(String, String)| {
        let lines = text.lines().count();
        (lines > MAX_LINES).then(|| format!("{path}: {lines} lines, more than {MAX_LINES}"))
    };
    assert_none(rust().iter().filter_map(long).collect());
}

#[test]
fn no_function_is_long() {
    let ours = ["src", "benches"].into_iter().flat_map(|folder| files(folder, "rs"));
    assert_none(ours.flat_map(|(path, text)| long_functions(&path, &text)).collect());
}

#[test]
fn nothing_is_left_undone() {
    assert_none(rust().iter().flat_map(|(path, text)| banned(path, text)).collect());
}

#[test]
fn the_words_are_those_of_the_field() {
    let own = |(path, _): &(String, String)| !path.ends_with("floors.rs");
    let all = rust().into_iter().filter(own).chain(files(".", "md"));
    assert_none(all.flat_map(|(path, text)| odd_words(&path, &text)).collect());
}

#[test]
fn links_lead_somewhere() {
    let mut faults = Vec::new();
    for (path, page) in files(".", "md") {
        let folder = root().join(&path).parent().map(Path::to_path_buf).expect("a file has a folder");
        let dead = links(&page).into_iter().filter(|link| !folder.join(link).exists());
        faults.extend(dead.map(|link| format!("{path}: {link} is not there")));
    }
    assert_none(faults);
}

#[test]
fn every_dependency_says_why() {
    let manifests: Vec<_> = files(".", "toml").into_iter().filter(|(path, _)| path.ends_with("Cargo.toml")).collect();
    assert_eq!(manifests.len(), 4, "of the crate, its tests, its benches and its fuzzing");
    assert_none(manifests.iter().flat_map(|(path, manifest)| unexplained(path, manifest)).collect());
}

#[test]
fn every_fixture_is_named_by_a_test_and_all_are_small() {
    let tests: String = files("tests", "rs").into_iter().map(|(_, text)| text).collect();
    let mut bytes = 0;
    let mut faults = Vec::new();
    for entry in fs::read_dir(root().join("fixtures")).expect("the fixtures") {
        let entry = entry.expect("readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        bytes += entry.metadata().expect("readable").len();
        if !tests.contains(&name) {
            faults.push(format!("fixtures/{name}: no test names it"));
        }
    }
    assert!(bytes > 0 && bytes <= MAX_FIXTURE_BYTES, "{bytes} bytes of fixtures");
    assert_none(faults);
}

#[test]
fn the_list_of_test_modules_is_whole_and_each_says_what_it_is_for() {
    let there = files("tests/it", "rs");
    let names = there.iter().filter_map(|(path, _)| path.strip_prefix("tests/it/")?.strip_suffix(".rs"));
    let names: BTreeSet<&str> = names.map(|name| name.strip_suffix("/mod").unwrap_or(name)).collect();
    let mut listed = BTreeSet::from(["main".to_owned()]);
    for (path, text) in &there {
        let Some(folder) = path.strip_suffix("main.rs").or(path.strip_suffix("mod.rs")) else { continue };
        let folder = folder.strip_prefix("tests/it/").expect("where they were looked for");
        let named = text.lines().filter(|line| line.contains("; // ")).filter_map(|line| line.strip_prefix("mod "));
        listed.extend(named.map(|line| format!("{folder}{}", word(line))));
    }
    assert_eq!(listed.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
}

#[test]
fn the_rules_find_what_is_wrong() {
    let import = |path: &str, text: &str| imports(path, text).len();
    assert_eq!(import("src/graph/forest.rs", "use crate::model::time::Time;\nuse super::links::Links;\n"), 0);
    assert_eq!(import("src/graph/forest.rs", "use crate::store::codec::Block;"), 1, "a sibling");
    assert_eq!(import("src/graph/forest.rs", "    let x = crate::engine::run();"), 1, "above, inline");
    assert_eq!(import("src/graph/forest.rs", "use super::super::store::Store;"), 1, "two floors by super");
    assert_eq!(import("src/graph/mod.rs", "use super::store::Store;"), 1, "a sibling by super");
    assert_eq!(import("src/graph/mod.rs", "mod tests {\n    use super::*;\n}"), 0);
    assert_eq!(import("src/graph/mod.rs", "use crate::Engine;"), 1, "through the root");
    assert_eq!(import("src/graph/mod.rs", "use crate::{model, store};"), 1, "through the root, grouped");
    assert_eq!(import("src/export/mod.rs", "use crate::engine::Engine;"), 1, "of the same floor");
    assert_eq!(import("src/cli/mod.rs", "use crate::engine::Engine;\nuse crate::cli::args::Args;"), 1);
    assert_eq!(import("src/cli/mod.rs", "use backstitch::engine::Engine;"), 0);
    assert_eq!(import("src/misc.rs", ""), 1, "on no floor");
    assert_eq!(import("src/graph/mod.rs", "//! [`crate::engine`] is above.\n"), 0, "prose is free");

    assert_eq!(kept("src/store/mod.rs", "use sled::Db;\nfn f(db: &sled::Db) {}\nmod sled;\n").len(), 2);
    assert_eq!(kept("src/store/sled.rs", "use sled::Db;").len(), 0);
    assert_eq!(kept("src/store/mod.rs", "use crate::store::sled::SledBackend;\nstruct Unsledded;").len(), 0);
    assert_eq!(kept("src/engine/check/verify.rs", "use petgraph::Graph;").len(), 0);
    assert_eq!(kept("src/graph/mod.rs", "use petgraph::Graph;").len(), 1);

    let function =
        |lines: usize| format!("    pub(crate) fn f() {{\n{}    }}\n\n    fn g();\n", "        x;\n".repeat(lines - 2));
    assert_eq!(long_functions("x.rs", &function(MAX_FUNCTION_LINES)), Vec::<String>::new());
    assert_eq!(long_functions("x.rs", &function(MAX_FUNCTION_LINES + 1)).len(), 1);

    let undone = [["to", "do!()"].concat(), ["    #[ign", "ore]"].concat(), ["    matches", "!(x, Some(_));"].concat()];
    for text in undone {
        assert_eq!(banned("x.rs", &text).len(), 1, "{text}");
    }
    assert_eq!(banned("x.rs", "    #[ignore = \"needs the real log\"]"), Vec::<String>::new());
    let told =
        ["assert!(matches", "!(x, Some(_)));\n", "    matches", "!(\n  x, Some(_)\n)\n", "let y = matches", "!(x, 1);"]
            .concat();
    assert_eq!(banned("x.rs", &told), Vec::<String>::new());

    assert_eq!(
        odd_words("x.rs", "/// The line is\n/// Passed over.\n"),
        ["x.rs:2: `passed over`: say `ignored, skipped`"]
    );
    assert_eq!(odd_words("x.rs", "/// Ignored.\n"), [""; 0]);

    assert_eq!(links("see [a](b.md#c), [d](https://e), [f](#g)\n```\n[h](i)\n```\n"), ["b.md"]);
    assert_eq!(unexplained("x", "[package]\na = 1\n[dependencies]\nb = \"1\"\nc = \"1\" # why\n").len(), 1);
}
