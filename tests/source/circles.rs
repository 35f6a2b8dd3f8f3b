//! No circle of imports inside a folder: of the files and folders that stand side by side, none needs itself through others.
//! (Between the folders of the crate the floors see to that.) The `mod.rs` of a folder stands for all in it, and is left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::floors::{assert_none, code, files};

/// A module by its path below the root of the crate: `["engine", "commit", "settle"]`.
type Path = Vec<String>;

/// For each folder, by its path: which of its members needs which others.
type Needs = BTreeMap<Path, BTreeMap<String, BTreeSet<String>>>;

fn module(file: &str) -> Path {
    let below = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    below.split('/').map(str::to_owned).collect()
}

/// Every path that begins with `crate::` or `super::` in a text, groups taken apart.
fn paths(text: &str) -> Vec<String> {
    let text = code(text);
    let own = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut found = Vec::new();
    for opening in ["crate::", "super::"] {
        for (at, _) in own.match_indices(opening) {
            if own[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '$')) {
                continue;
            }
            let end = own[at..].find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':'));
            let path = &own[at..end.map_or(own.len(), |end| at + end)];
            match own[at + path.len()..].strip_prefix('{').filter(|_| path.ends_with("::")) {
                Some(group) => {
                    let names = group.split('}').next().unwrap_or_default().split(',');
                    found.extend(names.map(|name| format!("{path}{}", name.trim())));
                }
                None => found.push(path.to_owned()),
            }
        }
    }
    found
}

/// Where a path leads, from the root of the crate; `from` is the module it stands in.
fn absolute(from: &Path, path: &str) -> Path {
    let mut words: Vec<&str> = path.split("::").filter(|word| !word.is_empty()).collect();
    let up = words.iter().take_while(|word| **word == "super").count();
    let base = if up == 0 { &[][..] } else { &from[..from.len().saturating_sub(up)] };
    words.drain(..up.max(1));
    base.iter().map(String::as_str).chain(words).map(str::to_owned).collect()
}

fn needs(sources: &[(String, String)]) -> Needs {
    let mut needs = Needs::new();
    for (file, text) in sources {
        if file.contains("/tests/") || file.ends_with("tests.rs") {
            continue;
        }
        let from = module(file);
        for path in paths(text) {
            let to = absolute(&from, &path);
            let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            // Where they part, two members of one folder stand side by side, if both are modules.
            let is_module = |member: &[String]| {
                let name = format!("src/{}", member.join("/"));
                sources.iter().any(|(file, _)| *file == format!("{name}.rs") || *file == format!("{name}/mod.rs"))
            };
            if common < from.len() && common < to.len() && is_module(&to[..=common]) {
                let members = needs.entry(from[..common].to_vec()).or_default();
                members.entry(from[common].clone()).or_default().insert(to[common].clone());
            }
        }
    }
    needs
}

/// The members of a folder that need themselves through others.
fn circle(members: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut left = members.clone();
    loop {
        // Who needs nobody that is left is in no circle.
        let before = left.len();
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|_, needed| needed.iter().any(|name| names.contains(name)));
        if left.len() == before {
            break;
        }
    }
    let needed: BTreeSet<String> = left.values().flatten().cloned().collect();
    left.into_keys().filter(|name| needed.contains(name)).collect()
}

fn circles(sources: &[(String, String)]) -> Vec<String> {
    let told = |(folder, members): (&Path, &BTreeMap<String, BTreeSet<String>>)| {
        let circle = circle(members);
        let names = circle.into_iter().collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| format!("src/{}: a circle of imports among {names}", folder.join("/")))
    };
    needs(sources).iter().filter_map(told).collect()
}

#[test]
fn no_folder_holds_a_circle() {
    let sources = files("src", "rs");
    assert!(needs(&sources).len() > 8, "folders are where they are looked for");
    assert_none(circles(&sources));
}

#[test]
fn a_circle_is_found() {
    let tree = |texts: &[(&str, &str)]| {
        circles(&texts.iter().map(|(path, text)| (format!("src/{path}.rs"), (*text).to_owned())).collect::<Vec<_>>())
    };
    let b = ("a/b", "use crate::a::c::C;\nuse crate::a::{self, d};");
    assert_eq!(tree(&[b, ("a/c", "use super::d::D;"), ("a/d", "//! [`crate::a::b`]"), ("a/mod", "")]), [""; 0]);
    let found = tree(&[b, ("a/c", "fn f() { super::d::g() }"), ("a/d", "use crate::a::{x, b::B};"), ("a/mod", "")]);
    assert_eq!(found, ["src/a: a circle of imports among b, c, d"]);
    // Between a file and a folder, seen from deep inside it.
    let found = tree(&[("a/b", "use crate::a::c::deep::X;"), ("a/c/mod", ""), ("a/c/deep", "use super::super::b::Y;")]);
    assert_eq!(found, ["src/a: a circle of imports among b, c"]);
    let within_tests = ("a/c", "#[cfg(test)]\nmod tests {\n    use crate::a::b::B;\n}");
    assert_eq!(tree(&[("a/b", "use crate::a::c::C;"), within_tests]), [""; 0]);
}
