use std::str::FromStr;

use crate::check::Check;

/// Which checks: an item of the checklist (`3`), one check (`rds-multi-az`), or an area (`rds`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// An item, 1 to 15.
    Item(u8),
    /// A check, or all whose id begins so before a hyphen.
    Id(String),
}

/// A pattern that fits no check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no check is called {0:?}: an item from 1 to 15, a check such as rds-multi-az, or an area such as rds"
)]
pub struct PatternError(String);

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pattern = match text.parse() {
            Ok(item) => Self::Item(item),
            Err(_) => Self::Id(text.to_owned()),
        };
        if crate::checks::all().any(|check| pattern.fits(check)) {
            Ok(pattern)
        } else {
            Err(PatternError(text.to_owned()))
        }
    }
}

impl Pattern {
    fn fits(&self, check: &Check) -> bool {
        match self {
            Self::Item(item) => check.item == Some(*item),
            Self::Id(id) => check
                .id
                .strip_prefix(id.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
        }
    }
}

/// Which checks are asked.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// These alone; all when empty.
    pub only: Vec<Pattern>,
    /// Not these.
    pub skip: Vec<Pattern>,
}

impl Selection {
    /// Whether `check` is asked.
    pub fn takes(&self, check: &Check) -> bool {
        let fits = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fits(check));
        (self.only.is_empty() || fits(&self.only)) && !fits(&self.skip)
    }
}
