//! Which known value did a caller mean who wrote another?

use crate::graph::Graph;
use crate::model::identity::IdentityId;
use crate::model::namespace::NamespaceId;

/// Letters that may differ at most. A value that differs in more is another one.
const MOST_EDITS: usize = 3;

/// Letters of a value for each that may differ: in `s1` and `s2` one is too many.
const LETTERS_AN_EDIT: usize = 4;

/// The known identity of a namespace whose value is most like `value`: it differs in case or one letter, or is the only one that
/// begins with it, or differs in a few letters. Of several as near the first by value.
///
/// Looks at every identity once, and in a window about its diagonal alone.
pub fn nearest(graph: &Graph, namespace: NamespaceId, value: &str) -> Option<IdentityId> {
    let asked = value.to_lowercase();
    let most = (asked.chars().count() / LETTERS_AN_EDIT).min(MOST_EDITS);
    let mut best: Option<(usize, IdentityId)> = None;
    let mut begun: Option<IdentityId> = None;
    let mut begun_by = 0;
    let all = graph.identities().ids();
    for id in all.filter(|&id| graph.identities().namespace(id) == namespace && graph.is_known(id)) {
        let known = graph.identities().value(id).to_string();
        if known == value {
            continue;
        }
        let known = known.to_lowercase();
        if let Some(edits) = edits(&asked, &known, most) {
            let is_nearer =
                |&(other, kept): &(usize, IdentityId)| edits.cmp(&other).then_with(|| graph.compare(id, kept)).is_lt();
            if best.as_ref().is_none_or(is_nearer) {
                best = Some((edits, id));
            }
        }
        if most > 0 && known.starts_with(&asked) {
            begun_by += 1;
            begun = Some(id);
        }
    }
    let slip = best.filter(|&(edits, _)| edits <= 1);
    let begun = begun.filter(|_| begun_by == 1);
    slip.map(|(_, id)| id).or(begun).or(best.map(|(_, id)| id))
}

/// How many letters differ, are too many or too few, where these are no more than `most`.
fn edits(a: &str, b: &str, most: usize) -> Option<usize> {
    // A letter has at least a byte and at most four.
    if a.len().abs_diff(b.len()) > 4 * most {
        return None;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    // The row of the table of distances, of which only the cells near the diagonal can hold no more than `most`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, letter) in a.iter().enumerate() {
        let (from, to) = (at.saturating_sub(most), (at + most + 1).min(b.len()));
        let mut before = row[from];
        row[from] = if from == 0 { at + 1 } else { most + 1 };
        let mut least = row[from];
        for other in from..to {
            let above = if other + 1 > at + most { most + 1 } else { row[other + 1] };
            let edited = (before + usize::from(*letter != b[other])).min(above + 1).min(row[other] + 1);
            before = row[other + 1];
            row[other + 1] = edited;
            least = least.min(edited);
        }
        if least > most {
            return None;
        }
    }
    row.last().copied().filter(|&edits| edits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, as it stands in books.
    fn by_the_book(a: &str, b: &str) -> usize {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = match (i, j) {
                    (0, other) | (other, 0) => other,
                    _ => (table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]))
                        .min(table[i - 1][j] + 1)
                        .min(table[i][j - 1] + 1),
                };
            }
        }
        table[a.len()][b.len()]
    }

    #[test]
    fn edits_are_those_of_the_whole_table() {
        let mut words = vec![String::new()];
        for length in 0..5 {
            let longer: Vec<String> = words
                .iter()
                .filter(|word| word.len() == length)
                .flat_map(|word| ["a", "b"].map(|letter| word.clone() + letter))
                .collect();
            words.extend(longer);
        }
        words.extend(["zoë", "zoe", "sess-family-tablet", "sess-famly-tabelt"].map(str::to_owned));
        for a in &words {
            for b in &words {
                for most in 0..=MOST_EDITS {
                    let whole = by_the_book(a, b);
                    assert_eq!(edits(a, b, most), (whole <= most).then_some(whole), "{a} {b} {most}");
                }
            }
        }
    }
}
