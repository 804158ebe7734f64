//! Versions of one key.

use aws_env::{Error, VersionPages};

use super::bucket::{Bucket, time};
use super::entry::{ETag, Modified};

/// How many versions are looked at.
const NEWEST: i32 = 20;

/// A version or delete marker of one key.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: String,
    /// `None` for a delete marker.
    pub(super) etag: Option<ETag>,
    pub(super) modified: Modified,
    pub(super) latest: bool,
}

/// The newest versions of a whole key, the current one first.
pub(super) async fn versions(bucket: &Bucket, key: &str) -> Result<Vec<Version>, Error> {
    let call = bucket.call("ListObjectVersions", key);
    let mut pages = VersionPages::new(&bucket.s3, call, bucket.name(), key).page_size(NEWEST);
    // One page: what an undo asks for is among the newest.
    let page = pages.next().await?.unwrap_or_default();
    let mut versions: Vec<Version> = page
        .into_iter()
        .filter(|version| version.key == key)
        .map(|version| Version {
            id: version.version_id.unwrap_or_else(|| "null".to_owned()),
            etag: (!version.is_delete_marker)
                .then(|| ETag::parse(version.etag.as_deref().unwrap_or_default())),
            modified: time(version.modified.as_ref()),
            latest: version.latest,
        })
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse((version.latest, version.modified)));
    Ok(versions)
}

/// The delete marker that lies right on top of `version`: what a deletion left whose answer was lost. The
/// second request of such a deletion is refused, since its object is not there any more.
pub(super) async fn marker_over(
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
) -> Result<Option<String>, Error> {
    let Some(version) = version else {
        return Ok(None);
    };
    let versions = versions(bucket, key).await?;
    Ok(match versions.as_slice() {
        [marker, before, ..] if marker.latest && marker.etag.is_none() && before.id == version => {
            Some(marker.id.clone())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
    use aws_sdk_s3::types::{EncodingType, ObjectVersion};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    #[tokio::test]
    async fn versions_of_a_key_that_xml_cannot_name_are_requested_encoded() {
        let version = |key: &str| ObjectVersion::builder().key(key).version_id(key).build();
        let rule = mock!(aws_sdk_s3::Client::list_object_versions)
            .match_requests(|request| {
                request.encoding_type() == Some(&EncodingType::Url)
                    && request.prefix() == Some("a \u{1}%+")
            })
            .then_output(move || {
                ListObjectVersionsOutput::builder()
                    .encoding_type(EncodingType::Url)
                    .versions(version("a+%01%25%2B"))
                    .versions(version("a+%01%25%2Bc"))
                    .build()
            });
        let env = aws_env::AwsEnv::load(aws_env::Options::default()).await;
        let clients = env.unwrap().region("us-east-1".parse().unwrap());
        let mut bucket = Bucket::new(&clients, "s3://photos".parse().unwrap());
        bucket.s3 = mock_client!(aws_sdk_s3, RuleMode::Sequential, &[&rule]);
        let found = versions(&bucket, "a \u{1}%+").await.unwrap();
        let ids: Vec<_> = found.iter().map(|version| version.id.as_str()).collect();
        assert_eq!(ids, ["a+%01%25%2B"]);
    }
}
