use aws_smithy_types::DateTime;

use crate::{Error, RegionClients};

/// A version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The object's key.
    pub key: String,
    /// `null` in S3's words, or none, in a bucket that is not versioned.
    pub version_id: Option<String>,
    /// Whether it marks the object as deleted, and has no content.
    pub is_delete_marker: bool,
    /// When S3 wrote it.
    pub modified: Option<DateTime>,
}

/// Lists every version and delete marker whose key begins with `prefix`. The SDK has no paginator for this list.
///
/// # Errors
/// When any page cannot be had, or S3 says that there is more and not where: what is missing from the list would
/// count as not there.
pub async fn list_versions(
    clients: &RegionClients,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<ObjectVersion>, Error> {
    let call = clients.call("S3", "ListObjectVersions", format!("{bucket}/{prefix}*"));
    let mut found = Vec::new();
    let mut markers = (None, None);
    loop {
        let (key, version) = markers.clone();
        let page = clients
            .s3
            .list_object_versions()
            .bucket(bucket)
            .prefix(prefix)
            .set_key_marker(key)
            .set_version_id_marker(version)
            .send()
            .await
            .map_err(|error| call.clone().failed(error))?;
        let objects = page.versions.into_iter().flatten().map(|version| {
            (
                false,
                version.key,
                version.version_id,
                version.last_modified,
            )
        });
        let deletions = page
            .delete_markers
            .into_iter()
            .flatten()
            .map(|marker| (true, marker.key, marker.version_id, marker.last_modified));
        found.extend(objects.chain(deletions).filter_map(
            |(is_delete_marker, key, version_id, modified)| {
                Some(ObjectVersion {
                    key: key?,
                    version_id,
                    is_delete_marker,
                    modified,
                })
            },
        ));
        if page.is_truncated != Some(true) {
            return Ok(found);
        }
        let next = (page.next_key_marker, page.next_version_id_marker);
        if next.0.is_none() || next == markers {
            return Err(Error::unexpected(
                call,
                "the list is cut off, and the answer does not say where it goes on",
            ));
        }
        markers = next;
    }
}

/// Deletes exactly `versions`, for good.
///
/// # Errors
/// At the first that cannot be deleted; a version that is gone already is none.
pub async fn delete_versions(
    clients: &RegionClients,
    bucket: &str,
    versions: &[ObjectVersion],
) -> Result<(), Error> {
    for ObjectVersion {
        key, version_id, ..
    } in versions
    {
        let deleted = clients
            .s3
            .delete_object()
            .bucket(bucket)
            .key(key)
            .set_version_id(version_id.clone())
            .send()
            .await;
        deleted.map_err(|error| {
            clients
                .call("S3", "DeleteObject", format!("{bucket}/{key}"))
                .failed(error)
        })?;
    }
    Ok(())
}
