//! What is asked of a store's settings, by flags and configuration, and how it is held against a store.

use std::path::Path;

use backstitch::{Junk, Levels, Options, Settings};

use crate::cli::args::ReplayArgs;
use crate::cli::failure::Failure;
use crate::cli::text::visible;

/// Something that was told, and by what: a flag, or a line of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<T> {
    pub value: T,
    pub by: String,
}

/// What is asked of a store's settings. What is not is the store's own affair and, in a new one, as by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    pub unique: Option<Told<Option<String>>>,
    pub between: Option<Told<Vec<String>>>,
    pub junk: Option<Told<Vec<String>>>,
    pub builtin_junk: Option<Told<bool>>,
}

impl Asked {
    /// Names of levels, as they are kept.
    pub fn levels(names: &[String]) -> Vec<String> {
        names.iter().map(|name| name.trim().to_ascii_lowercase()).collect()
    }

    /// Junk values, as they are kept: their order and case say nothing.
    pub fn values(values: &[String]) -> Vec<String> {
        let mut values: Vec<String> = values.iter().map(|value| value.trim().to_lowercase()).collect();
        values.sort();
        values.dedup();
        values
    }

    /// With the flags of a replay, which go before what a configuration says.
    pub fn with_flags(mut self, replay: &ReplayArgs) -> Self {
        let by = |flag: &str| flag.to_owned();
        if let Some(name) = &replay.unique {
            self.unique = Some(Told { value: Some(name.trim().to_owned()), by: by("--unique") });
        }
        if replay.no_unique {
            self.unique = Some(Told { value: None, by: by("--no-unique") });
        }
        if !replay.between.is_empty() {
            self.between = Some(Told { value: Self::levels(&replay.between), by: by("--between") });
        }
        if !replay.junk.is_empty() {
            self.junk = Some(Told { value: Self::values(&replay.junk), by: by("--junk") });
        }
        if replay.keep_junk {
            self.builtin_junk = Some(Told { value: false, by: by("--keep-junk") });
        }
        self
    }

    /// `settings`, but for what is asked.
    pub fn over(&self, settings: &Settings) -> Settings {
        fn of<T: Clone>(told: &Option<Told<T>>, own: &T) -> T {
            told.as_ref().map_or_else(|| own.clone(), |told| told.value.clone())
        }
        let Settings { levels, junk } = settings;
        Settings {
            levels: Levels { unique: of(&self.unique, &levels.unique), between: of(&self.between, &levels.between) },
            junk: Junk { builtin: of(&self.builtin_junk, &junk.builtin), extra: of(&self.junk, &junk.extra) },
        }
    }

    /// How a new store is made.
    pub fn new_store(&self) -> Result<Options, Failure> {
        let settings = self.over(&Settings::default());
        settings.levels.check().map_err(|error| {
            // A default can clash only with a setting that was given.
            let by = self.by(error.setting).or(self.by("between")).or(self.by("unique")).unwrap_or("settings");
            Failure::Usage(format!("{by}: {}", visible(&error.to_string())))
        })?;
        Ok(settings.into())
    }

    /// Refuses a store that was made with other settings than are asked.
    pub fn hold(&self, stored: &Settings, store: &Path) -> Result<(), Failure> {
        let all: Vec<String> = stored
            .differences(&self.over(stored))
            .into_iter()
            .map(|one| {
                let by = self.by(one.setting).unwrap_or("settings");
                format!("{} = {}, but {by} asks for {}", one.setting, one.stored, one.asked)
            })
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "the store {} was made with {}: ask for the same, or leave it out (a store keeps its own), or name a new \
             store (`--store`)",
            store.display(),
            visible(&all.join("; and with "))
        )))
    }

    /// What told a setting.
    fn by(&self, setting: &str) -> Option<&str> {
        fn by<T>(told: &Option<Told<T>>) -> Option<&str> {
            told.as_ref().map(|told| told.by.as_str())
        }
        match setting {
            "unique" => by(&self.unique),
            "between" => by(&self.between),
            "junk" => by(&self.junk),
            _ => by(&self.builtin_junk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T>(value: T, by: &str) -> Option<Told<T>> {
        Some(Told { value, by: by.to_owned() })
    }

    fn text(failure: Failure) -> String {
        match failure {
            Failure::Usage(text) | Failure::Failed(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_asked_is_the_stores_own_affair() {
        let stored = Settings {
            levels: Levels { between: vec!["email".into()], unique: Some("customerNumber".into()) },
            junk: Junk { builtin: false, extra: vec!["n/k".into()] },
        };
        let hold = |asked: Asked| asked.hold(&stored, Path::new("s")).map_err(text);
        assert_eq!(hold(Asked::default()), Ok(()));
        let same = Asked { unique: told(Some("CUSTOMERNUMBER".into()), "--unique"), ..Asked::default() };
        assert_eq!(hold(same), Ok(()), "case does not count");
        let other = Asked { unique: told(None, "--no-unique"), between: told(vec![], "b.toml:2"), ..Asked::default() };
        let expected = r#"the store s was made with unique = "customerNumber", but --no-unique asks for false; and with between = ["email"], but b.toml:2 asks for []: "#;
        let refused = hold(other).unwrap_err();
        assert!(refused.starts_with(expected), "{refused}");
        let junk = Asked { junk: told(vec![], "--junk"), builtin_junk: told(true, "b.toml:9"), ..Asked::default() };
        let refused = hold(junk).unwrap_err();
        let expected =
            r#"junk = ["n/k"], but --junk asks for []; and with builtin_junk = false, but b.toml:9 asks for true"#;
        assert!(refused.contains(expected), "{refused}");
    }

    #[test]
    fn impossible_levels_are_blamed_on_what_told_them() {
        let refused = |asked: Asked| text(asked.new_store().unwrap_err());
        let session = Asked { unique: told(Some("sessionid".into()), "--unique"), ..Asked::default() };
        assert!(refused(session).starts_with("--unique: unique: \"sessionid\" is the lowest level"));
        let both = Asked { between: told(vec!["ecommerceid".into()], "b.toml:2"), ..Asked::default() };
        assert!(refused(both).starts_with("b.toml:2: unique: \"ecommerceId\" is among the levels below it"));
    }
}
