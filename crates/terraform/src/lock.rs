//! Who holds the lock of a state.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The ID that terraform gave a lock, and that `terraform force-unlock` asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LockId(String);

/// Text that cannot be the ID of a lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no lock ID: one has letters, digits and hyphens, and does not begin with a hyphen"
)]
pub struct LockIdError {
    text: String,
}

impl LockId {
    /// As terraform writes it: of most backends a UUID.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LockId {
    type Err = LockIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        // One that began with a hyphen would be taken for an option of terraform.
        let valid =
            (1..=128).contains(&text.len()) && !text.starts_with('-') && text.chars().all(plain);
        match valid {
            true => Ok(Self(text.to_owned())),
            false => Err(LockIdError {
                text: text.chars().take(64).collect(),
            }),
        }
    }
}

impl TryFrom<String> for LockId {
    type Error = LockIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LockId> for String {
    fn from(id: LockId) -> Self {
        id.0
    }
}

/// What terraform writes into a lock, and repeats when it finds one.
///
/// It is the content of the lock table's `Info`, of the `.tflock` object, and of the file beside a local state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LockInfo {
    /// What `terraform force-unlock` asks for.
    #[serde(rename = "ID")]
    pub id: LockId,
    /// What is being done, as in `OperationTypeApply`.
    #[serde(default)]
    pub operation: String,
    /// Anything more.
    #[serde(default)]
    pub info: String,
    /// User and host.
    #[serde(default)]
    pub who: String,
    /// Terraform's version.
    #[serde(default)]
    pub version: String,
    /// When it was taken.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// The state: a file, or bucket and key.
    #[serde(default)]
    pub path: String,
}

impl LockInfo {
    /// From the `Lock Info:` that an error of terraform ends with; `None` when it has none, or one without an ID.
    ///
    /// Colours and the bar at the left of terraform's boxes do not matter.
    pub fn from_message(text: &str) -> Option<Self> {
        let text = crate::json::without_colours(text);
        let mut lines = text
            .lines()
            .map(|line| line.trim_matches(|c: char| c.is_whitespace() || c == '│'))
            .skip_while(|line| *line != "Lock Info:")
            .skip(1);
        let mut info = Self {
            id: labelled(lines.next()?, "ID:")?.parse().ok()?,
            operation: String::new(),
            info: String::new(),
            who: String::new(),
            version: String::new(),
            created: None,
            path: String::new(),
        };
        for line in lines.take_while(|line| !line.is_empty()) {
            let fields = [
                ("Path:", &mut info.path),
                ("Operation:", &mut info.operation),
                ("Who:", &mut info.who),
                ("Version:", &mut info.version),
                ("Info:", &mut info.info),
            ];
            for (label, field) in fields {
                if let Some(value) = labelled(line, label) {
                    value.clone_into(field);
                }
            }
            if let Some(time) = labelled(line, "Created:") {
                info.created = go_time(time);
            }
        }
        Some(info)
    }
}

fn labelled<'a>(line: &'a str, label: &str) -> Option<&'a str> {
    line.strip_prefix(label).map(str::trim)
}

/// Go's form of a time: `2026-11-29 13:40:39.463066546 +0000 UTC`.
fn go_time(text: &str) -> Option<Timestamp> {
    let mut parts = text.split(' ');
    let (date, time, offset) = (parts.next()?, parts.next()?, parts.next()?);
    format!("{date}T{time}{offset}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "572326e7-b089-b773-982f-3115a5edb319";

    fn wanted() -> LockInfo {
        LockInfo {
            id: ID.parse().unwrap(),
            operation: "OperationTypeApply".to_owned(),
            info: String::new(),
            who: "jo@host".to_owned(),
            version: "1.11.4".to_owned(),
            created: Some("2026-11-29T13:40:39.463066546Z".parse().unwrap()),
            path: "b/staging/terraform.tfstate".to_owned(),
        }
    }

    // aws-behaviour: 23
    #[test]
    fn lock_info_from_json_is_that_of_the_lock_table() {
        let json = format!(
            r#"{{"ID":"{ID}","Operation":"OperationTypeApply","Info":"","Who":"jo@host","Version":"1.11.4",
                "Created":"2026-11-29T13:40:39.463066546Z","Path":"b/staging/terraform.tfstate"}}"#
        );
        assert_eq!(serde_json::from_str::<LockInfo>(&json).unwrap(), wanted());
    }

    #[test]
    fn lock_info_from_message_is_read_plain_and_in_a_coloured_box() {
        let plain = format!(
            "Error: Error acquiring the state lock\n\nError message: operation error S3: PutObject, api error \
             PreconditionFailed, RequestID: 1f0d2c0e-0000-4000-8000-2f6b1c6a9d11\nLock Info:\n  ID:        {ID}\n  \
             Path:      b/staging/terraform.tfstate\n  Operation: OperationTypeApply\n  Who:       jo@host\n  \
             Version:   1.11.4\n  Created:   2026-11-29 13:40:39.463066546 +0000 UTC\n  Info:      \n\n\n\
             Terraform acquires a state lock to protect the state from being written\nID: other\n"
        );
        assert_eq!(LockInfo::from_message(&plain), Some(wanted()));
        let boxed: String = plain
            .lines()
            .map(|line| format!("\u{1b}[31m│\u{1b}[0m \u{1b}[0m{line}\r\n"))
            .collect();
        assert_eq!(LockInfo::from_message(&boxed), Some(wanted()));
        assert_eq!(LockInfo::from_message("Error: no lock"), None);
        assert_eq!(LockInfo::from_message("Lock Info:\n  ID:        \n"), None);
    }

    #[test]
    fn lock_id_that_could_be_an_option_is_refused() {
        for bad in ["", "-lock=false", "a b", "a\n", "$(id)"] {
            let error = bad.parse::<LockId>().unwrap_err();
            assert!(error.to_string().contains("is no lock ID"), "{error}");
        }
    }
}
