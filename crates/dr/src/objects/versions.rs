//! Versions of one key.

use aws_env::Error;
use aws_sdk_s3::types::EncodingType;

use super::bucket::{Bucket, time};
use super::entry::{ETag, Modified};
use super::list_xml::decode_key;

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
    let answer = bucket
        .s3
        .list_object_versions()
        .bucket(bucket.name())
        .prefix(key)
        .max_keys(20)
        // XML cannot carry every key.
        .encoding_type(EncodingType::Url)
        .send()
        .await
        .map_err(|error| bucket.call("ListObjectVersions", key).failed(error))?;
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let is_key = |of: Option<&str>| match of {
        Some(of) if encoded => decode_key(of).is_ok_and(|of| of == key),
        of => of == Some(key),
    };
    let objects = answer.versions().iter().map(|version| {
        (
            version.key(),
            Version {
                id: version.version_id().unwrap_or("null").to_owned(),
                etag: Some(ETag::parse(version.e_tag().unwrap_or_default())),
                modified: time(version.last_modified()),
                latest: version.is_latest() == Some(true),
            },
        )
    });
    let markers = answer.delete_markers().iter().map(|marker| {
        (
            marker.key(),
            Version {
                id: marker.version_id().unwrap_or("null").to_owned(),
                etag: None,
                modified: time(marker.last_modified()),
                latest: marker.is_latest() == Some(true),
            },
        )
    });
    let mut versions: Vec<Version> = objects
        .chain(markers)
        .filter(|(of, _)| is_key(*of))
        .map(|(_, version)| version)
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
    use aws_sdk_s3::types::ObjectVersion;
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
