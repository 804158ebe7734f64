//! `s3://BUCKET/PREFIX`.

use std::fmt;
use std::str::FromStr;

use settings::BucketName;
pub use settings::JOURNAL;

/// A bucket, or a folder of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// Name of the bucket.
    pub bucket: BucketName,
    /// Empty, or ends with `/`: `s3://b/photos` means `photos/…` and not `photos-old/…`.
    pub prefix: String,
}

/// Not an S3 URL.
#[derive(Debug, thiserror::Error)]
pub enum S3LocationError {
    /// It does not begin with `s3://`.
    #[error("{text:?} is not s3://BUCKET or s3://BUCKET/PREFIX")]
    Form {
        /// The text that was to be read.
        text: String,
    },
    /// Nothing follows the bucket.
    #[error("{text:?} is not s3://BUCKET/KEY")]
    NoKey {
        /// The text that was to be read.
        text: String,
    },
    /// The bucket's name is none.
    #[error("{text:?} names no bucket: {problem}")]
    Bucket {
        /// The text that was to be read.
        text: String,
        /// What is wrong with its name. Not a source: a parser of arguments shows nothing else.
        problem: settings::NameError,
    },
}

impl S3Location {
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
pub(super) fn split_url(text: &str) -> Result<(BucketName, &str), S3LocationError> {
    let rest = text
        .strip_prefix("s3://")
        .ok_or_else(|| S3LocationError::Form {
            text: text.to_owned(),
        })?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let bucket = bucket.parse().map_err(|problem| S3LocationError::Bucket {
        text: text.to_owned(),
        problem,
    })?;
    Ok((bucket, key))
}

impl FromStr for S3Location {
    type Err = S3LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (bucket, prefix) = split_url(text)?;
        let mut prefix = prefix.to_owned();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Ok(Self { bucket, prefix })
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_str_of_a_bucket_with_a_wrong_name_tells_what_is_wrong() {
        let error = "s3://x".parse::<S3Location>().unwrap_err();
        let reason = "x".parse::<BucketName>().unwrap_err().to_string();
        assert!(error.to_string().ends_with(&reason), "{error}");
        let error = "photos".parse::<S3Location>().unwrap_err();
        assert!(error.to_string().contains("s3://BUCKET"), "{error}");
    }

    #[test]
    fn from_str_of_a_prefix_makes_it_a_folder() {
        let place: S3Location = "s3://photos/2026".parse().unwrap();
        assert_eq!(place.to_string(), "s3://photos/2026/");
        assert_eq!("s3://photos/".parse::<S3Location>().unwrap().prefix, "");
        assert!("photos".parse::<S3Location>().is_err());
        assert!("s3://Photos".parse::<S3Location>().is_err());
    }

    #[test]
    fn overlaps_of_folders_is_true_when_one_holds_the_other() {
        let place = |text: &str| text.parse::<S3Location>().unwrap();
        assert!(place("s3://bbb").overlaps(&place("s3://bbb/x")));
        assert!(place("s3://bbb/x/y").overlaps(&place("s3://bbb/x")));
        assert!(!place("s3://bbb/x").overlaps(&place("s3://bbb/x-old")));
        assert!(!place("s3://bbb/x").overlaps(&place("s3://ccc/x")));
    }
}
