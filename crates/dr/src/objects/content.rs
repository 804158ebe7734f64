//! Whether two versions have the same content, by whatever tells: checksums, else the bytes.

use aws_env::Error;
use aws_sdk_s3::types::ReplicationStatus;

use super::bucket::{Bucket, detail};
use super::compare::{Detail, Mode, Verdict, compare_details};

/// The largest objects that are read to compare them.
const LARGEST_READ: u64 = 256 << 20;

/// An object or one version of it. The key lies below the bucket's prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionOf<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) key: &'a str,
    /// The current one unless given.
    pub(super) version: Option<&'a str>,
}

/// What is known of the content of two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SameContent {
    Yes,
    No,
    /// No checksum tells, and they are too large to be read, or may not be.
    Unknown,
}

impl<'a> VersionOf<'a> {
    pub(super) fn current(bucket: &'a Bucket, key: &'a str) -> Self {
        Self {
            bucket,
            key,
            version: None,
        }
    }

    /// What HeadObject says, and whether it is a replica that S3 has written; `None` when there is no such object.
    pub(super) async fn seen(&self) -> Result<Option<(Detail, bool)>, Error> {
        let head = self.bucket.head(self.key, self.version).await?;
        Ok(head.map(|head| {
            let replica = head.replication_status() == Some(&ReplicationStatus::Replica);
            (detail(&head), replica)
        }))
    }
}

/// Compares by what HeadObject says of both, which is at hand, and reads both where that leaves it open.
pub(super) async fn same_content(
    (one, seen): (VersionOf<'_>, &Detail),
    (other, seen_other): (VersionOf<'_>, &Detail),
) -> SameContent {
    match compare_details(Mode::Auto, seen, seen_other) {
        Verdict::Equal(_) => SameContent::Yes,
        Verdict::Differs(_) => SameContent::No,
        Verdict::Archived => SameContent::Unknown,
        Verdict::NotProvable(_) if seen.size > LARGEST_READ => SameContent::Unknown,
        Verdict::NotProvable(_) => match same_bytes(one, other).await {
            Ok(true) => SameContent::Yes,
            Ok(false) => SameContent::No,
            // Also where the permission is missing: the comparison is of use only here.
            Err(_) => SameContent::Unknown,
        },
    }
}

/// Reads both, chunk by chunk.
pub(super) async fn same_bytes(one: VersionOf<'_>, other: VersionOf<'_>) -> Result<bool, Error> {
    let read = async |of: VersionOf<'_>| of.bucket.read(of.key, of.version).await;
    let (mut ours, mut theirs) = tokio::try_join!(read(one), read(other))?;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        let broken = |of: VersionOf<'_>, error: String| {
            Error::unexpected(of.bucket.call("GetObject", of.key), error)
        };
        let mut ended = false;
        if left.is_empty() {
            match ours.try_next().await {
                Ok(Some(chunk)) => left.extend_from_slice(&chunk),
                Ok(None) => ended = true,
                Err(error) => return Err(broken(one, error.to_string())),
            }
        }
        if right.is_empty() {
            match theirs.try_next().await {
                Ok(Some(chunk)) => right.extend_from_slice(&chunk),
                Ok(None) if ended => return Ok(left.is_empty()),
                Ok(None) => return Ok(false),
                Err(error) => return Err(broken(other, error.to_string())),
            }
        }
        if ended {
            return Ok(false);
        }
        let common = left.len().min(right.len());
        if left[..common] != right[..common] {
            return Ok(false);
        }
        left.drain(..common);
        right.drain(..common);
    }
}
