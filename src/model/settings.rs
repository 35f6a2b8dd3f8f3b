//! What a store is made with and keeps for life.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::namespace::Levels;

/// What a store is made with. It decides what the facts are, so a store remembers it and refuses to be opened under another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The levels of the namespaces.
    pub levels: Levels,
    /// Which values are no identities.
    pub junk: Junk,
}

/// Which identity values are junk, whatever their case, in quotes or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Junk {
    /// Whether the built-in list applies (`null`, `undefined`, `anonymous`, …, all zeros and dashes).
    pub builtin: bool,
    /// Values beyond it, compared without regard to case.
    pub extra: Vec<String>,
}

impl Default for Junk {
    fn default() -> Self {
        Self { builtin: true, extra: Vec::new() }
    }
}

/// A setting that is another than a store was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name: `unique`, `between`, `junk` (the values beyond the built-in list) or `builtin_junk`.
    pub setting: &'static str,
    /// What the store was made with, as in a configuration: `"ecommerceId"`, `false`, `["email"]`.
    pub stored: String,
    /// What was asked for.
    pub asked: String,
}

/// `unique is "customerNumber", not "ecommerceId"`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, not {}", self.setting, self.stored, self.asked)
    }
}

impl Settings {
    /// What is another in `asked` than in these, which a store was made with. None exactly where the two are equal.
    pub fn differences(&self, asked: &Settings) -> Vec<Difference> {
        let mut all = Vec::new();
        let mut hold = |setting, equal: bool, of: &dyn Fn(&Settings) -> String| {
            if !equal {
                all.push(Difference { setting, stored: of(self), asked: of(asked) });
            }
        };
        let (levels, other) = (&self.levels, &asked.levels);
        let unique = Levels { between: levels.between.clone(), unique: other.unique.clone() };
        hold("unique", *levels == unique, &|of| {
            of.levels.unique.as_ref().map_or("false".into(), |name| format!("{name:?}"))
        });
        let between = Levels { between: other.between.clone(), unique: levels.unique.clone() };
        hold("between", *levels == between, &|of| format!("{:?}", of.levels.between));
        hold("junk", self.junk.extra == asked.junk.extra, &|of| format!("{:?}", of.junk.extra));
        hold("builtin_junk", self.junk.builtin == asked.junk.builtin, &|of| of.junk.builtin.to_string());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_told_with_both_values() {
        let stored = Settings {
            levels: Levels { between: vec!["email".into()], unique: Some("customerNumber".into()) },
            junk: Junk { builtin: false, extra: vec!["n/k".into()] },
        };
        let told = |asked: &Settings| stored.differences(asked).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            told(&Settings::default()),
            [
                r#"unique is "customerNumber", not "ecommerceId""#,
                r#"between is ["email"], not []"#,
                r#"junk is ["n/k"], not []"#,
                "builtin_junk is false, not true"
            ]
        );
        let mut same = stored.clone();
        same.levels = Levels { between: vec!["Email".into()], unique: Some("customernumber".into()) };
        assert!(told(&same).is_empty());
        same.levels.unique = None;
        assert_eq!(told(&same), [r#"unique is "customerNumber", not false"#]);
    }
}
