//! The name of a run, as it may stand in policies and keys.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The name of a run, which keeps what it makes apart from what others make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// A text cannot be the name of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not 1 to 64 letters, digits and hyphens")]
pub struct RunIdError {
    text: String,
}

impl RunId {
    /// A new name: the second at which the run began; a hyphen; the microsecond of it in 5 hexadecimal digits; and 44 of the
    /// `random` bits. So names sort as their runs began, and of two that begin at once each has its own.
    pub fn new(began: Timestamp, random: u64) -> Self {
        let second = began.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        let microsecond = began.subsec_microsecond();
        let random = random & ((1 << 44) - 1);
        Self(format!("{second}-{microsecond:05x}{random:011x}"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_name = text.bytes().all(is_allowed) && text.bytes().any(|byte| byte != b'-');
        match is_name && text.len() <= 64 {
            true => Ok(Self(text.to_owned())),
            false => Err(RunIdError {
                text: text.to_owned(),
            }),
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_names_sort_as_their_runs_began_and_are_names() {
        let at = |time: &str, random| RunId::new(time.parse().unwrap(), random).to_string();
        let name = at("2026-11-30T02:59:05.999999Z", u64::MAX);
        assert_eq!(name, "20261130T025905Z-f423ffffffffffff");
        let names = [
            at("2026-11-30T02:59:05Z", u64::MAX),
            at("2026-11-30T02:59:05.000001Z", 0),
            at("2026-11-30T02:59:05.1Z", 9),
            name,
            at("2026-11-30T02:59:06Z", 0),
        ];
        assert!(names.is_sorted(), "{names:?}");
        for name in names {
            assert_eq!(name.parse::<RunId>().unwrap().as_str(), name);
        }
        let time = "2026-11-30T02:59:05Z";
        assert_ne!(at(time, 1), at(time, 2));
    }

    #[test]
    fn parse_of_a_run_takes_letters_digits_and_hyphens() {
        let name = "20261130T025905Z-0123456789abcdef";
        assert_eq!(name.parse::<RunId>().unwrap().as_str(), name);
        for wrong in ["", "-", "a b", "a_b", "a/b", "..", "ü", &"a".repeat(65)] {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong:?}");
        }
    }
}
