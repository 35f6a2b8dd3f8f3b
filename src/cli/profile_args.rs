//! Flags of the commands about segments and traits.

use backstitch::{ProfileRule, ProfileRules};
use clap::Args;

use crate::cli::identity::Naming;
use crate::cli::reading::ReadAs;
use crate::cli::rows_args::RowsArgs;

/// By which rule a person's segments and traits follow from those of the events.
#[derive(Debug, Args)]
pub struct RuleArgs {
    /// Which value of a trait counts: latest, first, most-frequent or union; may be given several times [default: latest]
    #[arg(long = "rule", value_name = "TRAIT=RULE", value_parser = trait_rule)]
    pub traits: Vec<(String, ProfileRule)>,
    /// Which segments count, by the same words [default: latest]
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub segments_rule: Option<ProfileRule>,
}

fn rule(text: &str) -> Result<ProfileRule, String> {
    text.parse().map_err(|error: backstitch::Error| error.to_string())
}

fn trait_rule(text: &str) -> Result<(String, ProfileRule), String> {
    // A name may hold the sign, a rule does not.
    let (name, word) = text.rsplit_once('=').ok_or("write the name of a trait and a rule: age=first")?;
    Ok((name.to_owned(), rule(word)?))
}

impl RuleArgs {
    /// What the flags say, before what the configuration does.
    pub fn over(&self, configured: ProfileRules) -> ProfileRules {
        let rules = self.segments_rule.into_iter().fold(configured, ProfileRules::segments);
        self.traits.iter().fold(rules, |rules, (name, rule)| rules.of_trait(name, *rule))
    }
}

#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// A session ID, or `namespace:value` for another identity of the person
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub naming: Naming,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub read: ReadAs,
}

#[derive(Debug, Args)]
pub struct ProfilesArgs {
    #[command(flatten)]
    pub rows: RowsArgs,
    /// Write Parquet, with the columns of CSV; of a program that was built with it (`--features parquet`)
    #[arg(long, conflicts_with_all = ["csv", "csv_safe", "json"])]
    pub parquet: bool,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub read: ReadAs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_by_name() {
        assert_eq!(trait_rule("a=b=first"), Ok(("a=b".to_owned(), ProfileRule::First)));
        assert!(trait_rule("age").unwrap_err().contains("age=first"));
        assert!(trait_rule("age=newest").unwrap_err().contains("use one of latest"));
    }
}
