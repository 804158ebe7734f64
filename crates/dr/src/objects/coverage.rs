//! Which part of its bucket an inventory lists, as a parity tells it.

use serde::Serialize;

/// The part of a bucket that an inventory lists. Old versions are never compared, whether listed or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covers {
    /// Keys that begin with the prefix; all, when it is empty.
    Keys {
        /// How they begin.
        prefix: String,
        /// Old versions are listed as well.
        old_versions: bool,
    },
    /// Nobody knows, so that objects may be missing in it.
    Unknown {
        /// What stands in the way of knowing.
        why: String,
    },
}

impl Covers {
    pub(super) fn prefix(&self) -> Option<&str> {
        match self {
            Self::Keys { prefix, .. } => Some(prefix),
            Self::Unknown { .. } => None,
        }
    }

    /// As the report says it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Keys {
                prefix,
                old_versions,
            } => {
                let keys = if prefix.is_empty() {
                    "all keys".to_owned()
                } else {
                    format!("ONLY keys that begin with \"{}\"", prefix.escape_debug())
                };
                let versions = if *old_versions {
                    "all versions, of which the current ones are compared"
                } else {
                    "current versions only"
                };
                format!("{keys}, {versions}")
            }
            Self::Unknown { why } => format!("not known, objects may be missing in it: {why}"),
        }
    }
}

/// What two inventories list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CoversBoth {
    /// What the source's inventory lists.
    pub source: Covers,
    /// What the destination's inventory lists.
    pub destination: Covers,
}

impl CoversBoth {
    pub(super) fn are_known(&self) -> bool {
        self.source.prefix().is_some() && self.destination.prefix().is_some()
    }
}
