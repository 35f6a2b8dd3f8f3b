//! The commits of a store, and which of them is meant when it is asked for what was known once.

use std::fmt;
use std::str::FromStr;

use crate::model::error::{Error, ErrorKind};
use crate::model::history::Sequence;
use crate::model::time::Time;

/// A commit of a store, by what names it: `4171`, `commit:7` or `2026-11-02T10:00:00Z`.
///
/// ```
/// # fn main() -> backstitch::Result<()> {
/// use backstitch::{Sequence, Time, When};
///
/// assert_eq!("4171".parse::<When>()?, When::Change(Sequence(4_171)));
/// assert_eq!("commit:7".parse::<When>()?, When::Commit(7));
/// let monday: When = "2026-11-02T00:00:00Z".parse()?;
/// assert_eq!(monday, When::Moment(Time::parse("2026-11-02T00:00:00Z").unwrap()));
/// assert_eq!(monday.to_string(), "2026-11-02T00:00:00.000Z");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// The commit that wrote this change of the feed; 0 is before any was written, and nothing was known.
    Change(Sequence),
    /// The commit of this number, from 1: that one made the store, and nothing was known.
    Commit(u64),
    /// The last commit that was made at this moment or before it, by the clock of the machine; before the first, nothing was known.
    Moment(Time),
}

/// What stands before the number of a commit.
const COMMIT: &str = "commit:";

impl From<Sequence> for When {
    fn from(sequence: Sequence) -> Self {
        Self::Change(sequence)
    }
}

impl From<Time> for When {
    fn from(moment: Time) -> Self {
        Self::Moment(moment)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(sequence) => sequence.fmt(f),
            Self::Commit(number) => write!(f, "{COMMIT}{number}"),
            Self::Moment(moment) => moment.fmt(f),
        }
    }
}

impl FromStr for When {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let when = match text.strip_prefix(COMMIT) {
            Some(digits) => number(digits).map(Self::Commit),
            None => number(text)
                .map(|number| Self::Change(Sequence(number)))
                .or_else(|| Time::parse(text).map(Self::Moment)),
        };
        Ok(when.ok_or_else(|| WhenError(text.to_owned()))?)
    }
}

/// A commit, as the history of a store tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitStamp {
    /// Its number.
    pub generation: u64,
    /// When it was made.
    pub at: Time,
    /// The number of the last record of the change feed by then.
    pub sequence: Sequence,
}

impl CommitStamp {
    /// The one that made the store, of which the history says nothing: it comes before all that could be asked for.
    pub(crate) const MADE: Self = Self { generation: 1, at: Time::from_micros(i64::MIN), sequence: Sequence(0) };
}

impl fmt::Display for CommitStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commit {}, of {}, at change {}", self.generation, self.at, self.sequence)
    }
}

/// A text that names no commit.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} names no commit: expected the number of a change such as 4171, a commit such as commit:7, or a moment such as \
     2026-11-01T10:00:00Z"
)]
struct WhenError(String);

impl From<WhenError> for Error {
    fn from(error: WhenError) -> Self {
        Self::new(ErrorKind::Argument, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_and_back() {
        for text in ["0", "4171", "18446744073709551615", "commit:7", "commit:0", "2026-11-02T10:00:00.000001Z"] {
            assert_eq!(text.parse::<When>().unwrap().to_string(), text);
        }
        assert_eq!("2026-11-02T11:00:00+01:00".parse::<When>().unwrap().to_string(), "2026-11-02T10:00:00.000Z");
    }

    #[test]
    fn what_names_no_commit() {
        let many = "18446744073709551616";
        for text in
            ["", "-1", "+1", "commit:", "commit:-1", "commit: 1", "commit", "Commit:1", "2026-11-02", "monday", many]
        {
            let told = text.parse::<When>().unwrap_err();
            assert_eq!(told.kind(), ErrorKind::Argument);
            assert!(told.to_string().contains("a commit such as commit:7, or a moment"), "{told}");
        }
    }
}
