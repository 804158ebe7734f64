//! How something does, and how several things do together.

use report::Mark;
use serde::Serialize;

/// How something does. No data is [`Health::Unknown`], never [`Health::Ok`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Data says that all is well.
    Ok,
    /// Data says that it is not.
    Degraded,
    /// There is no data, or it could not be read.
    Unknown,
}

impl Health {
    /// Of two, what is known to be wrong before what is not known, and that before what is well.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        match (self, other) {
            (Self::Degraded, _) | (_, Self::Degraded) => Self::Degraded,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Ok, Self::Ok) => Self::Ok,
        }
    }
}

impl Health {
    pub(crate) fn shown(self) -> (Mark, &'static str) {
        match self {
            Self::Ok => (Mark::Ok, "ok"),
            Self::Degraded => (Mark::Wrong, "degraded"),
            Self::Unknown => (Mark::Unknown, "unknown"),
        }
    }
}

/// The worst of all; [`Health::Ok`] of none.
impl FromIterator<Self> for Health {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        all.into_iter().fold(Self::Ok, Self::worst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_of_several_is_degraded_before_unknown_before_ok() {
        use Health::{Degraded, Ok, Unknown};
        let worst = |all: &[Health]| all.iter().copied().collect::<Health>();
        assert_eq!(worst(&[Ok, Unknown]), Unknown);
        assert_eq!(worst(&[Unknown, Degraded]), Degraded);
        assert_eq!(worst(&[Degraded, Ok, Unknown]), Degraded);
        assert_eq!(worst(&[]), Ok);
    }
}
