//! `backstitch.toml`: what a log's lines look like and what a store is made with, told once instead of in flags.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;

use backstitch::{Field, Fields, FieldsError, Limits, ProfileRule, ProfileRules, Time, TimeUnit};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::value::Datetime;

use crate::cli::args::{Common, EventTimes};
use crate::cli::failure::Failure;
use crate::cli::reading;
use crate::cli::settings::{Asked, Told};
use crate::cli::text::visible;

/// The file that is read where it lies in the working directory and none is named.
const DEFAULT_FILE: &str = "backstitch.toml";

/// What a configuration says; where there is none, nothing.
#[derive(Debug)]
pub struct Config {
    /// What it names of a store's settings.
    pub asked: Asked,
    /// Where the lines of a log say what.
    pub fields: Fields,
    /// Whether segments and traits are kept.
    pub keep_profiles: bool,
    /// By which rules a person has them.
    pub rules: ProfileRules,
    /// The limits beyond which a replay lets the store set identities aside.
    pub quarantine: Option<Limits>,
}

impl Default for Config {
    fn default() -> Self {
        let (asked, fields, rules) = Default::default();
        Self { asked, fields, keep_profiles: true, rules, quarantine: None }
    }
}

impl Config {
    /// The one that was named, or that lies in the working directory.
    pub fn load(common: &Common) -> Result<Self, Failure> {
        let named = common.config.as_deref();
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => read(path, &text).map_err(Failure::Usage),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::Usage(format!(
                "cannot read the configuration {}: {error}: mend it, or name another (`--config`)",
                path.display()
            ))),
        }
    }
}

/// The file as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    unique: Option<Spanned<Unique>>,
    between: Option<Spanned<Vec<String>>>,
    junk: Option<Spanned<Vec<String>>>,
    builtin_junk: Option<Spanned<bool>>,
    fields: Paths,
    profiles: ProfileTable,
    quarantine: Option<WrittenLimits>,
}

/// Its table `quarantine`, which may be empty.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
struct WrittenLimits {
    customers: Option<u64>,
    sessions: Option<u64>,
}

impl WrittenLimits {
    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.customers = self.customers.unwrap_or(limits.customers);
        limits.sessions = self.sessions.unwrap_or(limits.sessions);
        limits
    }
}

/// Its table `profiles`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
struct ProfileTable {
    keep: Option<bool>,
    segments: Option<Spanned<String>>,
    traits: BTreeMap<String, Spanned<String>>,
}

/// Its table `fields`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
struct Paths {
    timestamp: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    identities: Option<Spanned<String>>,
    unit: Option<TimeUnit>,
    segments: Option<Spanned<String>>,
    traits: Option<Spanned<String>>,
    wrapper: Option<Spanned<String>>,
    not_before: Option<Spanned<WrittenTime>>,
    not_after: Option<Spanned<WrittenTime>>,
    namespaces: BTreeMap<String, Spanned<String>>,
}

/// A moment as it is written: a text, or a date as TOML has it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a date, a time and a zone, such as 2026-11-01T10:00:00Z")]
enum WrittenTime {
    Text(String),
    Date(Datetime),
}

/// The unique namespace: a name, or `false`.
struct Unique(Option<String>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NameOrFalse;

        impl Visitor<'_> for NameOrFalse {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a namespace, or false for none")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Unique, E> {
                Ok(Unique(Some(name.to_owned())))
            }

            fn visit_bool<E: Error>(self, unique: bool) -> Result<Unique, E> {
                if unique { Err(E::invalid_value(Unexpected::Bool(true), &self)) } else { Ok(Unique(None)) }
            }
        }

        from.deserialize_any(NameOrFalse)
    }
}

/// A place in a file.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    /// `backstitch.toml:3`: the line where `span` begins.
    fn of(&self, span: Option<Range<usize>>) -> String {
        let path = self.path.display();
        // What is missing altogether has no place.
        let Some(before) = span.and_then(|span| self.text.get(..span.start)) else { return path.to_string() };
        format!("{path}:{}", before.matches('\n').count() + 1)
    }

    /// The moment of the field `name`.
    fn moment(&self, name: &str, moment: &Option<Spanned<WrittenTime>>) -> Result<Option<Time>, String> {
        let Some(moment) = moment else { return Ok(None) };
        let text = match moment.get_ref() {
            WrittenTime::Text(text) => text.clone(),
            WrittenTime::Date(date) => date.to_string(),
        };
        let fault = |expected| format!("{}: fields.{name}: {expected}", self.of(Some(moment.span())));
        reading::moment(&text).map(Some).map_err(fault)
    }

    fn told<T, U>(&self, value: Option<Spanned<T>>, make: impl FnOnce(T) -> U) -> Option<Told<U>> {
        let by = self.of(Some(value.as_ref()?.span()));
        Some(Told { value: make(value?.into_inner()), by })
    }
}

/// Reads the text of a configuration.
fn read(path: &Path, text: &str) -> Result<Config, String> {
    let place = Place { path, text };
    let file: File = toml::from_str(text).map_err(|error| {
        let what = error.message().trim_end().replace('\n', " ");
        format!("{}: {}: mend the line, or name another file (`--config`)", place.of(error.span()), visible(&what))
    })?;
    let fields = fields(&file.fields).map_err(|error| {
        format!("{}: fields.{}", place.of(span_of(&file.fields, &error.field)), visible(&error.to_string()))
    })?;
    let not_before = place.moment("not_before", &file.fields.not_before)?;
    let not_after = place.moment("not_after", &file.fields.not_after)?;
    let fields = EventTimes { not_before, not_after }.of(fields);
    let asked = Asked {
        unique: place.told(file.unique, |Unique(name)| name.map(|name| name.trim().to_owned())),
        between: place.told(file.between, |names| Asked::levels(&names)),
        junk: place.told(file.junk, |values| Asked::values(&values)),
        builtin_junk: place.told(file.builtin_junk, |builtin| builtin),
    };
    let keep_profiles = file.profiles.keep.unwrap_or(true);
    let quarantine = file.quarantine.as_ref().map(WrittenLimits::limits);
    Ok(Config { asked, fields, keep_profiles, rules: rules(&place, &file.profiles)?, quarantine })
}

fn fields(paths: &Paths) -> Result<Fields, FieldsError> {
    let mut fields = Fields::builder();
    if let Some(path) = &paths.timestamp {
        fields = fields.timestamp(path.get_ref());
    }
    if let Some(path) = &paths.id {
        fields = fields.id(path.get_ref());
    }
    if let Some(path) = &paths.identities {
        fields = fields.identities(path.get_ref());
    }
    if let Some(path) = &paths.segments {
        fields = fields.segments(path.get_ref());
    }
    if let Some(path) = &paths.traits {
        fields = fields.traits(path.get_ref());
    }
    if let Some(unit) = paths.unit {
        fields = fields.unit(unit);
    }
    if let Some(path) = &paths.wrapper {
        fields = fields.wrapper(path.get_ref());
    }
    for (name, path) in &paths.namespaces {
        fields = fields.namespace(name.trim(), path.get_ref());
    }
    fields.build()
}

/// The rules of the table `profiles`.
fn rules(place: &Place<'_>, told: &ProfileTable) -> Result<ProfileRules, String> {
    let rule = |name: &str, word: &Spanned<String>| {
        let found = word.get_ref().parse::<ProfileRule>();
        found.map_err(|error| {
            format!("{}: profiles.{}: {}", place.of(Some(word.span())), visible(name), visible(&error.to_string()))
        })
    };
    let mut rules = ProfileRules::new();
    if let Some(word) = &told.segments {
        rules = rules.segments(rule("segments", word)?);
    }
    for (name, word) in &told.traits {
        rules = rules.of_trait(name, rule(&format!("traits.{name}"), word)?);
    }
    Ok(rules)
}

/// Where a field is told.
fn span_of(paths: &Paths, field: &Field) -> Option<Range<usize>> {
    let path = match field {
        Field::Timestamp => paths.timestamp.as_ref(),
        Field::Id => paths.id.as_ref(),
        Field::Identities => paths.identities.as_ref(),
        Field::Segments => paths.segments.as_ref(),
        Field::Traits => paths.traits.as_ref(),
        Field::Wrapper => paths.wrapper.as_ref(),
        Field::Namespace(name) => paths.namespaces.iter().find(|(known, _)| known.trim() == name).map(|(_, path)| path),
    };
    path.map(Spanned::span)
}

#[cfg(test)]
mod tests {
    use backstitch::Settings;

    use super::*;

    fn told(text: &str) -> Result<Config, String> {
        read(Path::new("b.toml"), text)
    }

    #[test]
    fn an_empty_file_says_nothing() {
        let config = told("# nothing\n[fields]\n").unwrap();
        assert_eq!(config.fields, Fields::default());
        assert_eq!(config.asked.over(&Settings::default()), Settings::default());
    }

    #[test]
    fn every_key_is_heard() {
        let text = r#"
unique = " customerNumber "
between = ["DeviceID", "email"]
junk = ["N/K", "n/k", "x"]
builtin_junk = false
[fields]
timestamp = "sent_at"
id = "messageId"
identities = "user.identities"
segments = "groups"
traits = "context.traits"
unit = "ns"
wrapper = "data.items"
not_before = 2020-01-01T00:00:00Z
not_after = "2030-01-01T00:00:00+01:00"
[profiles]
keep = false
segments = "union"
[profiles.traits]
age = "first"
[fields.namespaces]
sessionId = "anonymousId"
email = 'context.a\.b.email'
"#;
        let config = told(text).unwrap();
        let fields = Fields::builder().timestamp("sent_at").id("messageId").identities("user.identities");
        let fields = fields
            .namespace("email", r"context.a\.b.email")
            .namespace("sessionId", "anonymousId")
            .segments("groups")
            .traits("context.traits")
            .unit(TimeUnit::Nanoseconds)
            .wrapper("data.items");
        let [first, last] = ["2020-01-01T00:00:00Z", "2029-12-31T23:00:00Z"].map(|text| Time::parse(text).unwrap());
        assert_eq!(config.fields, fields.build().unwrap().not_before(first).not_after(last));
        let rules = ProfileRules::new().segments(ProfileRule::Union).of_trait("age", ProfileRule::First);
        assert_eq!((config.keep_profiles, config.rules), (false, rules));
        let settings = config.asked.over(&Settings::default());
        assert_eq!(settings.levels.unique.as_deref(), Some("customerNumber"));
        assert_eq!(settings.levels.between, ["deviceid", "email"]);
        assert_eq!((settings.junk.builtin, &settings.junk.extra[..]), (false, &["n/k".to_owned(), "x".to_owned()][..]));
        assert_eq!(told("unique = false").unwrap().asked.over(&Settings::default()).levels.unique, None);
    }

    #[test]
    fn the_example_of_the_help_is_a_configuration() {
        let help = crate::cli::examples::REPLAY.lines().map(str::trim);
        let example: Vec<&str> =
            help.skip_while(|line| !line.starts_with("unique")).take_while(|line| !line.is_empty()).collect();
        let config = told(&example.join("\n")).unwrap();
        let fields = Fields::builder().timestamp("sentAt").namespace("sessionId", "anonymousId");
        assert_eq!(config.fields, fields.namespace("customerNumber", "userId").build().unwrap());
        assert_eq!(config.asked.over(&Settings::default()).levels.between, ["email"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, why) in [
            ("uniqe = 1", 1, "unknown field `uniqe`, expected one of `unique`"),
            ("\nunique = true", 2, "the name of a namespace, or false for none"),
            ("unique = 7", 1, "expected the name of a namespace"),
            ("\n\nbetween = \"email\"", 3, "expected a sequence"),
            ("junk = [1]", 1, "expected a string"),
            ("builtin_junk = \"yes\"", 1, "expected a boolean"),
            ("unique = \"a", 1, ""),
            ("unique = 'a'\nunique = 'b'", 2, "duplicate key"),
            ("fields = 1", 1, "expected a table"),
            ("[fields]\ntime = 'x'", 2, "unknown field `time`"),
            ("[fields]\nunit = 'sec'", 2, "unknown variant `sec`, expected one of `s`, `ms`, `us`, `ns`"),
            ("[fields]\nnot_before = 2020-01-01", 2, "fields.not_before: write a date, a time and a zone, such as"),
            ("[fields]\n\nnot_after = 'never'", 3, "fields.not_after: write a date, a time and a zone, such as"),
            ("[profiles]\nsegments = 'all'", 2, "profiles.segments: `all` is not a rule: use one of latest"),
            ("[profiles.traits]\n\nage = 'new'", 3, "profiles.traits.age: `new` is not a rule"),
            ("[profiles]\nage = 'first'", 2, "unknown field `age`"),
            ("[fields]\nnot_after = 5", 2, "expected a date, a time and a zone, such as"),
            ("[fields]\ntimestamp = ' '", 2, "fields.timestamp: the path is blank"),
            ("[fields]\nid = 'at'\ntimestamp = 'at'", 2, "fields.id: \"at\" clashes with timestamp"),
            ("[fields]\n\nwrapper = 'a.'", 3, "fields.wrapper: \"a.\" has an empty name"),
            ("[fields.namespaces]\nemail = 'a..b'", 2, "fields.namespaces.email: \"a..b\" has an empty name"),
            ("[fields.namespaces]\n'a:b' = 'x'", 2, "no colon"),
            ("[fields.namespaces]\nemail = 'x'\nEmail = 'y'", 2, "named twice"),
            ("[fields.namespaces]\nemail = ['x']", 2, "expected a string"),
        ] {
            let error = told(text).unwrap_err();
            assert!(error.starts_with(&format!("b.toml:{line}: ")) && error.contains(why), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
