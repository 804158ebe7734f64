//! `s3://BUCKET/PREFIX`.

use std::fmt;
use std::str::FromStr;

use settings::BucketName;

/// Where a run keeps its journal in the destination bucket. Keys below it belong to no tree that is compared.
pub const JOURNAL: &str = ".dr-journal/";

/// A bucket, or a folder of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: BucketName,
    /// Empty, or ends with `/`: `s3://b/photos` means `photos/…` and not `photos-old/…`.
    pub prefix: String,
}

/// Not an S3 URL.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It does not begin with `s3://`.
    #[error("read {text:?} as s3://BUCKET or s3://BUCKET/PREFIX")]
    Form {
        /// As given.
        text: String,
    },
    /// Nothing follows the bucket.
    #[error("read {text:?} as s3://BUCKET/KEY")]
    NoKey {
        /// As given.
        text: String,
    },
    /// The bucket's name is none.
    #[error("read {text:?}")]
    Bucket {
        /// As given.
        text: String,
        /// Why.
        #[source]
        source: settings::NameError,
    },
}

impl Place {
    /// The whole bucket.
    pub fn whole(bucket: BucketName) -> Self {
        Self {
            bucket,
            prefix: String::new(),
        }
    }

    /// Whether one lies within the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.bucket == other.bucket
            && (self.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&self.prefix))
    }
}

/// The bucket of an S3 URL, and what follows it.
pub(super) fn split_url(text: &str) -> Result<(BucketName, &str), PlaceError> {
    let rest = text.strip_prefix("s3://").ok_or_else(|| PlaceError::Form {
        text: text.to_owned(),
    })?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let bucket = bucket.parse().map_err(|source| PlaceError::Bucket {
        text: text.to_owned(),
        source,
    })?;
    Ok((bucket, key))
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (bucket, prefix) = split_url(text)?;
        let mut prefix = prefix.to_owned();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Ok(Self { bucket, prefix })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_folder() {
        let place: Place = "s3://photos/2026".parse().unwrap();
        assert_eq!(place.to_string(), "s3://photos/2026/");
        assert_eq!("s3://photos/".parse::<Place>().unwrap().prefix, "");
        assert!("photos".parse::<Place>().is_err());
        assert!("s3://Photos".parse::<Place>().is_err());
    }

    #[test]
    fn folders_overlap_when_one_holds_the_other() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        assert!(place("s3://bbb").overlaps(&place("s3://bbb/x")));
        assert!(place("s3://bbb/x/y").overlaps(&place("s3://bbb/x")));
        assert!(!place("s3://bbb/x").overlaps(&place("s3://bbb/x-old")));
        assert!(!place("s3://bbb/x").overlaps(&place("s3://ccc/x")));
    }
}
