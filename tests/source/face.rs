//! The public face of the library, held: its names, that the command uses nothing else, and that no name means two things.

use std::collections::{BTreeMap, BTreeSet};

use crate::floors::{assert_none, code, files};

/// Everything that a user of the library can name. A name more is a promise more: think twice.
const FACE: &str = "
    Activity Attribute AttributionKind BarHash Change Changes Collector Consent Digest ECOMMERCE Engine Error ErrorKind EventHash
    Feed FeedPosition Field Fields FieldsBuilder FieldsError Forget Forgotten Generator Identity Junk KnownAt Levels LevelsError Limits
    Locate Lookback Namespaces NewFile Options PersonKind PersonPage Picture Policy Position Profile ProfileRule ProfileRules Profiles Progress Pushed Reading Reason Recipe
    Reject Repaired Replay Resolution Resolutions Resolver Result Retract RowFormat SESSION Sequence SessionTable Settings
    Source StoreReader Summary Time TimeUnit Totals Undone Verification View Visitor VisitorAction VisitorFile VisitorMemory VisitorStore VisitorUser When is_unseen visible limits
";

/// The rows of answers, and the parts of rows and summaries: they stand in `backstitch::rows`, since a caller seldom needs their names.
const ROWS: &str = "
    AttributionCounts BrokenLinks CommitRow CommonIdentity CrowdedRow DiffRow DuplicateRow EarlierValue EventCounts EventRow Evidence Explanation Exported FactCounts FirstReject Generated GraphCounts Holder IdentityRef Imported JunkCounts
    Located LocatedEvent LogErasure LogLine Logins LooksLike MemberRow Obstacle OptOutRow OwnerRow PairExplanation Party PersonRow PolicyShare PolicyShares ProfileRow ProfileValue RejectedActivity RelatedRow
    ResolutionRef SessionRow SharedRow Shares SourceCounts TableUpdate Tally Tie TombstoneRow WitnessRow
";

/// Modules of the root, each with whether it is hidden, and the names that it exports.
fn root(lib: &str) -> (Vec<(String, bool)>, BTreeSet<String>) {
    let text = code(lib);
    let mut modules = Vec::new();
    let mut hidden = false;
    for line in text.lines() {
        if let Some(module) = line.strip_prefix("pub mod ") {
            modules.push((module.trim_end_matches([';', ' ', '{']).to_owned(), hidden));
        }
        // Attributes that only choose the feature stand between.
        hidden = line == "#[doc(hidden)]" || hidden && line.starts_with("#[cfg(");
    }
    let names = text.split("pub use ").skip(1).flat_map(|rest| {
        let path = rest.split(';').next().unwrap_or_default();
        let names = path.split_once('{').map_or_else(|| path.rsplit("::").next().unwrap_or(path), |(_, names)| names);
        names.split(',').map(|name| name.trim().trim_end_matches('}').trim().to_owned()).collect::<Vec<_>>()
    });
    (modules, names.filter(|name| !name.is_empty()).collect())
}

/// What a file names of the library that is no name of its root.
fn behind_the_face(path: &str, text: &str, names: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for rest in code(text).split("backstitch::").skip(1) {
        let rest = rest.strip_prefix("rows::").unwrap_or(rest);
        let named = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default(),
        };
        let strangers = named.split(',').map(str::trim).filter(|name| !name.is_empty() && !names.contains(*name));
        faults.extend(strangers.map(|name| format!("{path}: `backstitch::{name}` is no name of the root")));
    }
    faults
}

/// The types that a file defines outside of its tests; associated types are none.
fn types(text: &str) -> Vec<String> {
    let text = code(text);
    let own = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let defined = |line: &str| {
        let indented = line.starts_with(' ');
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
        let is_type = match words.next()? {
            "struct" | "enum" | "trait" | "union" => true,
            "type" => !indented,
            _ => false,
        };
        let name = words.next()?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        is_type.then(|| name.to_owned())
    };
    own.lines().filter_map(defined).collect()
}

fn is_of_tests(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("tests.rs")
}

#[test]
fn the_names_of_the_face_are_these_and_modules_are_hidden() {
    let (modules, names) = root(include_str!("../../src/lib.rs"));
    let shown: Vec<_> = modules.iter().filter(|(module, hidden)| !hidden && module != "rows").collect();
    assert!(modules.len() > 5 && shown.is_empty(), "hide them: {shown:?}");
    let kept: BTreeSet<String> = [FACE, ROWS].into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect();
    let (new, gone): (Vec<_>, Vec<_>) = (names.difference(&kept).collect(), kept.difference(&names).collect());
    assert!(new.is_empty() && gone.is_empty(), "the face has changed: {new:?} are new, {gone:?} are gone");
}

#[test]
fn the_command_uses_the_face_alone() {
    let (_, names) = root(include_str!("../../src/lib.rs"));
    let all = files("src/cli", "rs");
    assert!(all.len() > 5, "the sources are where they are looked for");
    assert_none(all.iter().flat_map(|(path, text)| behind_the_face(path, text, &names)).collect());
}

#[test]
fn each_name_of_a_type_stands_once() {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in files("src", "rs").into_iter().filter(|(path, _)| !is_of_tests(path)) {
        for name in types(&text) {
            homes.entry(name).or_default().push(path.clone());
        }
    }
    assert!(homes.len() > 100, "the types are where they are looked for");
    let twice = homes.into_iter().filter(|(_, homes)| homes.len() > 1);
    assert_none(twice.map(|(name, homes)| format!("{name}: {}", homes.join(", "))).collect());
}

#[test]
fn the_rules_find_what_is_wrong() {
    let rows = BTreeSet::from(["SessionRow".to_owned()]);
    assert_eq!(behind_the_face("cli.rs", "use backstitch::rows::SessionRow;", &rows).len(), 0);
    assert_eq!(behind_the_face("cli.rs", "use backstitch::rows::{Lookup, SessionRow};", &rows).len(), 1);
    let lib = "#[doc(hidden)]\npub mod a;\n#[cfg(feature = \"x\")]\npub mod b;\npub use a::{Engine,\n    View};\npub use b::c::Time;\n";
    let (modules, names) = root(lib);
    assert_eq!(modules, [("a".to_owned(), true), ("b".to_owned(), false)]);
    assert_eq!(names, ["Engine", "Time", "View"].map(str::to_owned).into());
    let faults = |text: &str| behind_the_face("cli.rs", text, &names).len();
    assert_eq!(
        faults("use backstitch::{\n    Engine, View,\n};\nuse backstitch::Time;\nbackstitch::Engine::open(x);"),
        0
    );
    assert_eq!(faults("use backstitch::engine::Engine;"), 1);
    assert_eq!(faults("use backstitch::{Engine, model::time::Time};\nlet x: backstitch::Store = y;"), 2);
    let text = "pub struct A;\n    type B = u8;\npub(crate) enum C<T> {}\ntype D = u8;\n#[cfg(test)]\nmod tests {\nstruct E;\n}";
    assert_eq!(types(text), ["A", "C", "D"]);
}
