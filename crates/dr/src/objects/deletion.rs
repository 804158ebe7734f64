//! Delete markers, each only on the object that is expected there.

use std::collections::HashMap;

use aws_env::{Error, ErrorClass};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::{StreamExt as _, TryStreamExt as _};

use super::bucket::Bucket;
use super::entry::{ETag, NULL};
use super::examine::is_of_one_object;
use super::intercept::Unanswered;
use super::versions::{marker_over, versions};

/// What one DeleteObjects takes: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.
pub(super) const MOST: usize = 1_000;
/// Keys that are deleted one by one at once.
const AT_ONCE: usize = 16;

/// What is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The whole key.
    pub(super) key: String,
    /// Its whole key in the bucket that it is a copy of, where that is known.
    pub(super) source_key: Option<String>,
    /// The ETag that it must have.
    pub(super) etag: ETag,
    /// Its version, where the bucket keeps any.
    pub(super) version: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deleted {
    /// It has this delete marker, where the bucket makes any.
    Made(Option<String>),
    /// It is not any more what it was.
    Conflict,
    /// S3 did not do it, and says why.
    Refused(String),
}

/// Whether XML 1.0 can name the key: <https://www.w3.org/TR/xml/#charsets>. S3 takes keys that it cannot.
fn fits_xml(key: &str) -> bool {
    key.chars().all(|character| {
        matches!(character, '\t' | '\n' | '\r')
            || (character >= ' ' && !matches!(character, '\u{fffe}' | '\u{ffff}'))
    })
}

/// Two buckets of which the one may be replicated to the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deletion<'a> {
    /// Where objects get delete markers.
    pub(super) bucket: &'a Bucket,
    /// What it is a copy of: S3 replicates delete markers, too.
    pub(super) source: Option<&'a Bucket>,
}

/// Deletes up to [`MOST`] objects; tells what became of each, in their order.
///
/// # Errors
/// When a call fails; some may have been deleted then.
pub(super) async fn delete(of: Deletion<'_>, targets: &[Target]) -> Result<Vec<Deleted>, Error> {
    let (together, alone): (Vec<_>, Vec<_>) =
        targets.iter().partition(|target| fits_xml(&target.key));
    let mut outcomes = of.together(&together).await?;
    let deleted: Vec<(&str, Deleted)> = futures::stream::iter(alone)
        .map(|target| of.alone(target))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    outcomes.extend(deleted);
    Ok(targets
        .iter()
        .map(|target| {
            let outcome = outcomes.remove(target.key.as_str());
            outcome.unwrap_or_else(|| Deleted::Refused("S3 does not say".to_owned()))
        })
        .collect())
}

impl Deletion<'_> {
    async fn together<'t>(
        self,
        targets: &[&'t Target],
    ) -> Result<HashMap<&'t str, Deleted>, Error> {
        let bucket = self.bucket;
        let mut outcomes = HashMap::new();
        if targets.is_empty() {
            return Ok(outcomes);
        }
        let unexpected = |error: aws_sdk_s3::error::BuildError| {
            Error::unexpected(bucket.call("DeleteObjects", ""), error.to_string())
        };
        let objects = targets.iter().map(|target| {
            ObjectIdentifier::builder()
                .key(&target.key)
                .e_tag(target.etag.quoted())
                .build()
        });
        let objects = objects.collect::<Result<Vec<_>, _>>().map_err(unexpected)?;
        let delete = Delete::builder()
            .set_objects(Some(objects))
            .build()
            .map_err(unexpected)?;
        let unanswered = Unanswered::default();
        let answer = bucket
            .s3
            .delete_objects()
            .bucket(bucket.name())
            .delete(delete)
            .customize()
            .interceptor(unanswered.clone())
            .send()
            .await
            .map_err(|error| bucket.call("DeleteObjects", "").failed(error))?;
        let requested: HashMap<&str, &'t Target> = targets
            .iter()
            .map(|target| (target.key.as_str(), *target))
            .collect();
        let find = |key: Option<&str>| requested.get(key.unwrap_or_default()).copied();
        for object in answer.deleted() {
            if let Some(target) = find(object.key()) {
                let marker = object.delete_marker_version_id().map(str::to_owned);
                outcomes.insert(target.key.as_str(), Deleted::Made(marker));
            }
        }
        for error in answer.errors() {
            if let Some(target) = find(error.key()) {
                let code = error.code().unwrap_or("unknown error");
                let outcome = self.not_deleted(target, code, &unanswered).await?;
                outcomes.insert(target.key.as_str(), outcome);
            }
        }
        Ok(outcomes)
    }

    async fn alone(self, target: &Target) -> Result<(&str, Deleted), Error> {
        let bucket = self.bucket;
        let unanswered = Unanswered::default();
        let answer = bucket
            .s3
            .delete_object()
            .bucket(bucket.name())
            .key(&target.key)
            .if_match(target.etag.quoted())
            .customize()
            .interceptor(unanswered.clone())
            .send()
            .await
            .map_err(|error| bucket.call("DeleteObject", &target.key).failed(error));
        let outcome = match answer {
            Ok(answer) => Deleted::Made(answer.version_id),
            Err(error) if error.class == ErrorClass::Absent || error.status == Some(412) => {
                self.not_deleted(target, "PreconditionFailed", &unanswered)
                    .await?
            }
            Err(error) if is_of_one_object(&error) && !unanswered.any() => {
                Deleted::Refused(error.code.unwrap_or_else(|| "refused".to_owned()))
            }
            Err(error) => return Err(error),
        };
        Ok((&target.key, outcome))
    }

    /// What is known of an object whose deletion was refused. An answer that got lost is followed by a second request,
    /// which finds the first one's delete marker; a marker that a first request finds is somebody else's.
    async fn not_deleted(
        self,
        target: &Target,
        code: &str,
        unanswered: &Unanswered,
    ) -> Result<Deleted, Error> {
        let found = match unanswered.silent() {
            true => marker_over(self.bucket, &target.key, target.version.as_deref()).await?,
            false => None,
        };
        Ok(match found {
            Some(marker) if self.is_replicated(target, &marker).await? => Deleted::Conflict,
            Some(marker) => Deleted::Made(Some(marker)),
            None if matches!(code, "PreconditionFailed" | "NoSuchKey") => Deleted::Conflict,
            None => Deleted::Refused(code.to_owned()),
        })
    }

    /// Whether S3 has put this delete marker there as a copy of the source's: both have one ID.
    async fn is_replicated(self, target: &Target, marker: &str) -> Result<bool, Error> {
        let Some((source, key)) = self.source.zip(target.source_key.as_deref()) else {
            return Ok(false);
        };
        let versions = versions(source, key).await?;
        Ok(marker != NULL && versions.iter().any(|version| version.id == marker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_xml_of_keys_that_xml_cannot_name_is_false() {
        for key in ["a", "\t\n\r", "\u{85}\u{2028}", "\u{fffd}\u{1f600}"] {
            assert!(fits_xml(key), "{key:?}");
        }
        for key in ["\0", "a\u{1}b", "\u{1b}", "\u{fffe}", "\u{ffff}"] {
            assert!(!fits_xml(key), "{key:?}");
        }
    }
}
