//! `commits`: which commits can be asked for what was known?

use backstitch::rows::CommitRow;
use backstitch::{Engine, Sequence};

use crate::cli::Ended;
use crate::cli::args::Common;
use crate::cli::failure::{Failure, tell};
use crate::cli::opening;
use crate::cli::output::Output;

/// Lists the commits, one by one as they are read.
pub fn run(common: &Common) -> Result<Ended, Failure> {
    let engine = opening::open(common)?;
    let columns = Widths::of(&engine);
    let mut out = Output::stdout();
    if !common.json {
        out.text(&columns.heading())?;
    }
    for (at, row) in engine.commits().enumerate() {
        let row = row?;
        if at == 0 && engine.feed().trimmed() > Sequence(0) && !common.quiet {
            tell(&not_kept(&row));
        }
        match common.json {
            true => out.json(&row)?,
            false => out.text(&columns.line(&row))?,
        }
    }
    out.finish()
}

fn not_kept(first: &CommitRow) -> String {
    format!(
        "what was known before commit {} is not kept any more: it was trimmed, or a repair began the change feed again",
        first.commit
    )
}

/// How wide the columns of numbers are: as their last rows will be at most, which are not known yet.
#[derive(Debug)]
struct Widths {
    commit: usize,
    changes: usize,
    sequence: usize,
}

impl Widths {
    fn of(engine: &Engine) -> Self {
        let [commit, changes] = [engine.generation(), engine.feed().sequence().0].map(|last| last.to_string().len());
        let width = |name: &str, digits: usize| digits.max(name.len());
        Self { commit: width(COMMIT, commit), changes: width(CHANGES, changes), sequence: width(LAST, changes) }
    }

    fn cells(&self, [first, at, second, third]: [&str; 4]) -> String {
        let Self { commit, changes, sequence } = *self;
        format!("  {first:>commit$}  {at:<MOMENT$}  {second:>changes$}  {third:>sequence$}\n")
    }

    fn heading(&self) -> String {
        self.cells([COMMIT, "at", CHANGES, LAST])
    }

    /// Numbers are written as they can be asked for.
    fn line(&self, row: &CommitRow) -> String {
        let numbers = [row.commit, row.changes, row.sequence.0].map(|number| number.to_string());
        self.cells([&numbers[0], &row.at.to_string(), &numbers[1], &numbers[2]])
    }
}

const COMMIT: &str = "commit";
const CHANGES: &str = "changes";
const LAST: &str = "last change";

/// Signs of a moment with six decimals.
const MOMENT: usize = 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_last_rows() {
        let mut engine = Engine::in_memory();
        engine.replay(["fixtures/journeys.ndjson"]).unwrap();
        let row = engine.commits().next().unwrap().unwrap();
        let (widths, at) = (Widths::of(&engine), row.at.to_string());
        assert_eq!(widths.heading(), "  commit  at                           changes  last change\n");
        assert_eq!(widths.line(&row), format!("       2  {at:<27}       13           13\n"));
        let wide = Widths { commit: 7, changes: 8, ..widths };
        assert_eq!(wide.line(&row), format!("        2  {at:<27}        13           13\n"));
        assert!(not_kept(&row).starts_with("what was known before commit 2 is not kept"));
    }
}
