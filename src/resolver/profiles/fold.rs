//! From what events told to what a person's segments and traits are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::limits::{MAX_COUNTED_VALUES, MAX_UNION_VALUES};
use crate::model::profile::{ProfilePart, ProfileRule, ProfileRules, elements};
use crate::resolver::profiles::told::Tellers;

/// What is kept of the values that were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// All of them, to say what was before.
    All,
    /// What the rule needs: of the latest and the first, one.
    Needed,
}

/// The values that were told of one trait, or as segments, and who told them.
#[derive(Debug, Default)]
pub struct ToldValues {
    by_value: BTreeMap<Box<str>, Tellers>,
    /// Events that told any.
    told: u64,
}

impl ToldValues {
    fn add(&mut self, value: &str, tellers: Tellers, rule: ProfileRule, keeping: Keeping) {
        self.told += tellers.events;
        let one_is_enough = match rule {
            ProfileRule::Union => {
                for element in elements(value) {
                    self.add_one(element, tellers);
                }
                self.keep_first(MAX_UNION_VALUES);
                false
            }
            ProfileRule::MostFrequent => {
                self.add_one(value, tellers);
                self.keep_first(MAX_COUNTED_VALUES);
                false
            }
            ProfileRule::Latest | ProfileRule::First => {
                self.add_one(value, tellers);
                true
            }
        };
        if keeping == Keeping::Needed && one_is_enough && self.by_value.len() > 1 {
            let best = self.best(rule).map(|(value, tellers)| (value.into(), tellers));
            self.by_value.clear();
            self.by_value.extend(best);
        }
    }

    /// Keeps the first values by their bytes: one of them is never let go of, so what is known of it is all there is.
    fn keep_first(&mut self, most: usize) {
        while self.by_value.len() > most {
            self.by_value.pop_last();
        }
    }

    /// Events that told values among which the rule did not choose, since there are too many.
    pub fn left_out(&self, rule: ProfileRule) -> u64 {
        match rule {
            ProfileRule::MostFrequent => self.told - self.by_value.values().map(|tellers| tellers.events).sum::<u64>(),
            ProfileRule::Latest | ProfileRule::First | ProfileRule::Union => 0,
        }
    }

    fn add_one(&mut self, value: &str, tellers: Tellers) {
        match self.by_value.get_mut(value) {
            Some(known) => *known = known.and(tellers),
            None => drop(self.by_value.insert(value.into(), tellers)),
        }
    }

    /// The value that the rule chooses, and who told it; of a union, none.
    fn best(&self, rule: ProfileRule) -> Option<(&str, Tellers)> {
        let all = self.by_value.iter().map(|(value, tellers)| (&**value, *tellers));
        match rule {
            ProfileRule::Latest => all.max_by_key(|(_, tellers)| tellers.last),
            ProfileRule::First => all.min_by_key(|(_, tellers)| tellers.first),
            ProfileRule::MostFrequent => all.max_by_key(|(_, tellers)| (tellers.events, tellers.last)),
            ProfileRule::Union => None,
        }
    }

    /// What the value is by the rule, as JSON, and who told it.
    pub fn value(&self, rule: ProfileRule) -> Option<(Cow<'_, str>, Tellers)> {
        if rule != ProfileRule::Union {
            return self.best(rule).map(|(value, tellers)| (value.into(), tellers));
        }
        let tellers = self.by_value.values().copied().reduce(Tellers::and)?;
        let all: Vec<&str> = self.by_value.keys().map(|value| &**value).collect();
        Some((format!("[{}]", all.join(",")).into(), tellers))
    }

    /// The value that was told last before the latest one.
    pub fn before_latest(&self) -> Option<(&str, Tellers)> {
        let latest = self.best(ProfileRule::Latest)?.0;
        let others =
            self.by_value.iter().map(|(value, tellers)| (&**value, *tellers)).filter(|(value, _)| *value != latest);
        others.max_by_key(|(_, tellers)| tellers.last)
    }
}

/// What was told of one person.
#[derive(Debug, Default)]
pub struct ProfileFold {
    /// The segments: a list is a value.
    pub segments: ToldValues,
    /// The traits, by name.
    pub traits: BTreeMap<String, ToldValues>,
}

impl ProfileFold {
    /// Adds what some events told.
    pub fn add(&mut self, part: ProfilePart<'_>, tellers: Tellers, rules: &ProfileRules, keeping: Keeping) {
        if !part.segments.is_empty() {
            let rule = rules.rule_of_segments();
            match rule {
                // A list without elements says that there are none, which adds nothing to others.
                ProfileRule::Union if part.segments == "[]" => {}
                _ => self.segments.add(part.segments, tellers, rule, keeping),
            }
        }
        for (name, value) in part.each_trait() {
            let rule = rules.rule_of(&name);
            self.traits.entry(name).or_default().add(value, tellers, rule, keeping);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::EventHash;
    use crate::model::identity::IdentityId;
    use crate::model::time::Time;
    use crate::resolver::profiles::told::Teller;

    fn told(all: &[(i64, &str)], rule: ProfileRule, keeping: Keeping) -> ToldValues {
        let mut values = ToldValues::default();
        for &(micros, value) in all {
            let teller = Teller { time: Time::from_micros(micros), event: EventHash(7), anchor: IdentityId(0) };
            values.add(value, Tellers { events: 1, first: teller, last: teller }, rule, keeping);
        }
        values
    }

    #[test]
    fn each_rule_chooses_whatever_is_kept_and_in_whatever_order_it_is_told() {
        let all = [(3, "1"), (1, "2"), (5, "[1,2]"), (2, "1"), (4, "3"), (6, "[]")];
        let expected = [
            (ProfileRule::Latest, "[]"),
            (ProfileRule::First, "2"),
            (ProfileRule::MostFrequent, "1"),
            (ProfileRule::Union, "[1,2,3]"),
        ];
        for (rule, value) in expected {
            for keeping in [Keeping::All, Keeping::Needed] {
                for turn in 0..all.len() {
                    let mut turned = all;
                    turned.rotate_left(turn);
                    assert_eq!(told(&turned, rule, keeping).value(rule).unwrap().0, value, "{rule} {keeping:?}");
                }
            }
        }
        let before = told(&all, ProfileRule::Latest, Keeping::All);
        assert_eq!(before.before_latest().unwrap().0, "[1,2]");
    }

    #[test]
    fn what_is_counted_is_bounded_in_whatever_order_it_is_told() {
        // Quotation marks come before digits.
        let first: Vec<String> = (0..MAX_COUNTED_VALUES).map(|number| format!("\"{number:05}\"")).collect();
        let others: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        let mut all: Vec<(i64, &str)> = first.iter().map(|text| (0, text.as_str())).collect();
        all.push((1, &first[7]));
        (0..3).for_each(|time| all.extend(others.iter().map(|text| (time, text.as_str()))));
        for _ in 0..2 {
            all.reverse();
            let values = told(&all, ProfileRule::MostFrequent, Keeping::All);
            assert_eq!(values.value(ProfileRule::MostFrequent).unwrap().0, first[7]);
            assert_eq!((values.left_out(ProfileRule::MostFrequent), values.by_value.len()), (150, MAX_COUNTED_VALUES));
        }
    }

    #[test]
    fn a_union_is_bounded_in_whatever_order_it_is_told() {
        let texts: Vec<String> = (0..MAX_UNION_VALUES + 50).map(|number| format!("\"{number:05}\"")).collect();
        let mut all: Vec<(i64, &str)> = texts.iter().map(|text| (0, text.as_str())).collect();
        let value = |all: &[(i64, &str)]| {
            let values = told(all, ProfileRule::Union, Keeping::All);
            values.value(ProfileRule::Union).unwrap().0.into_owned()
        };
        let one = value(&all);
        all.reverse();
        assert_eq!(value(&all), one);
        assert_eq!(elements(&one).count(), MAX_UNION_VALUES);
    }
}
