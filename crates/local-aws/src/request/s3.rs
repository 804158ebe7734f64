//! Operations of S3, told by method, path and query as in its API model.

use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::{header, query};
use crate::listing;

/// What an S3 request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
}

impl Target {
    /// `bucket` or `bucket/key`.
    pub(crate) fn name(&self) -> Option<String> {
        let bucket = self.bucket.as_ref()?;
        Some(match &self.key {
            Some(key) => format!("{bucket}/{key}"),
            None => bucket.clone(),
        })
    }
}

/// Subresources of a bucket by query parameter, with the operation's name between verb and end.
const BUCKET: [(&str, &str); 25] = [
    ("abac", "BucketAbac"),
    ("accelerate", "BucketAccelerateConfiguration"),
    ("acl", "BucketAcl"),
    ("analytics", "BucketAnalyticsConfiguration"),
    ("cors", "BucketCors"),
    ("encryption", "BucketEncryption"),
    (
        "intelligent-tiering",
        "BucketIntelligentTieringConfiguration",
    ),
    ("inventory", "BucketInventoryConfiguration"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("location", "BucketLocation"),
    ("logging", "BucketLogging"),
    ("metadataConfiguration", "BucketMetadataConfiguration"),
    ("metadataTable", "BucketMetadataTableConfiguration"),
    ("metrics", "BucketMetricsConfiguration"),
    ("notification", "BucketNotificationConfiguration"),
    ("object-lock", "ObjectLockConfiguration"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("policy", "BucketPolicy"),
    ("policyStatus", "BucketPolicyStatus"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("replication", "BucketReplication"),
    ("requestPayment", "BucketRequestPayment"),
    ("tagging", "BucketTagging"),
    ("versioning", "BucketVersioning"),
    ("website", "BucketWebsite"),
];

const OBJECT: [(&str, &str); 5] = [
    ("acl", "ObjectAcl"),
    ("legal-hold", "ObjectLegalHold"),
    ("retention", "ObjectRetention"),
    ("tagging", "ObjectTagging"),
    ("torrent", "ObjectTorrent"),
];

/// Operation and target of a request.
pub(super) fn read(parts: &Parts) -> (String, Target) {
    let target = target(parts);
    let operation = match (&target.bucket, &target.key) {
        (None, _) if parts.method == Method::OPTIONS => "Options".into(),
        (None, _) => "ListBuckets".into(),
        (Some(_), None) => bucket_operation(parts),
        (Some(_), Some(_)) => object_operation(parts),
    };
    (operation, target)
}

/// The bucket in `x-amz-copy-source: /bucket/key?versionId=…`, which may be encoded.
pub(super) fn source_bucket(parts: &Parts) -> Option<String> {
    let source = header(parts, "x-amz-copy-source")?;
    let source = percent_decode_str(source).decode_utf8_lossy();
    let bucket = source.trim_start_matches('/').split('/').next()?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

/// The header that names the account that must own the bucket.
pub(crate) const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";

/// The header that names the account that must own the bucket that a copy reads from.
pub(crate) const EXPECTED_SOURCE_OWNER: &str = "x-amz-source-expected-bucket-owner";

/// Operations that have no `ExpectedBucketOwner`: there is no bucket yet, or none alone.
const WITHOUT_EXPECTED_OWNER: [&str; 5] = [
    "CreateBucket",
    "CreateSession",
    "ListBuckets",
    "Options",
    "RenameObject",
];

/// The account that must own the bucket, where the operation can ask for one.
pub(super) fn expected_owner(parts: &Parts, operation: &str) -> Option<String> {
    if WITHOUT_EXPECTED_OWNER.contains(&operation) {
        return None;
    }
    account(parts, EXPECTED_OWNER)
}

/// A header that names an account; in a presigned URL it may be a query parameter.
pub(super) fn account(parts: &Parts, name: &'static str) -> Option<String> {
    let of_query = || {
        let value = query(parts, name)?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    header(parts, name).map(str::to_owned).or_else(of_query)
}

/// The query parameter for how a list shall write keys.
pub(crate) const ENCODING: &str = "encoding-type";

/// What a list is asked to do with keys that XML cannot carry.
pub(super) fn encoding(parts: &Parts, operation: &str) -> Option<String> {
    let value = query(parts, ENCODING).filter(|_| listing::has_encoding(operation))?;
    let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

/// The region in CreateBucket's body.
pub(super) fn location_constraint(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("LocationConstraint")?;
    let (value, _) = rest.split_once('>')?.1.split_once('<')?;
    let value = value.trim();
    // The old name of eu-west-1.
    let value = if value == "EU" { "eu-west-1" } else { value };
    (!value.is_empty()).then(|| value.to_owned())
}

/// The buckets in PutBucketReplication's body: `<Bucket>arn:aws:s3:::name</Bucket>`.
pub(super) fn replication_destinations(body: &[u8]) -> Vec<String> {
    let Some(document) = std::str::from_utf8(body)
        .ok()
        .and_then(|text| roxmltree::Document::parse(text).ok())
    else {
        return Vec::new();
    };
    document
        .descendants()
        .filter(|node| node.tag_name().name() == "Bucket")
        .filter_map(|node| node.text()?.rsplit(':').next())
        .map(str::to_owned)
        .collect()
}

fn bucket_operation(parts: &Parts) -> String {
    let has = |name| query(parts, name).is_some();
    let subresource = || {
        BUCKET
            .iter()
            .find(|(name, _)| has(*name))
            .map(|(_, name)| *name)
    };
    match parts.method.as_str() {
        "HEAD" => "HeadBucket".into(),
        "OPTIONS" => "Options".into(),
        "GET" if has("uploads") => "ListMultipartUploads".into(),
        "GET" if has("versions") => "ListObjectVersions".into(),
        "GET" if has("session") => "CreateSession".into(),
        "GET" if has("list-type") => "ListObjectsV2".into(),
        "POST" if has("delete") => "DeleteObjects".into(),
        "POST" if has("metadataConfiguration") => "CreateBucketMetadataConfiguration".into(),
        "POST" if has("metadataTable") => "CreateBucketMetadataTableConfiguration".into(),
        "PUT" if has("metadataInventoryTable") => {
            "UpdateBucketMetadataInventoryTableConfiguration".into()
        }
        "PUT" if has("metadataJournalTable") => {
            "UpdateBucketMetadataJournalTableConfiguration".into()
        }
        "POST" => "PostObject".into(),
        method => match (method, subresource()) {
            ("GET", Some("PublicAccessBlock")) => "GetPublicAccessBlock".into(),
            // Configurations with an id are listed when it is left out.
            ("GET", Some(name))
                if name.ends_with("Configuration") && is_listed(name) && !has("id") =>
            {
                format!("List{name}s")
            }
            ("GET", Some(name)) => format!("Get{name}"),
            ("PUT", Some(name)) => format!("Put{name}"),
            // The API model drops the word here and nowhere else.
            ("DELETE", Some("BucketLifecycleConfiguration")) => "DeleteBucketLifecycle".into(),
            ("DELETE", Some(name)) => format!("Delete{name}"),
            ("GET", None) => "ListObjects".into(),
            ("PUT", None) => "CreateBucket".into(),
            ("DELETE", None) => "DeleteBucket".into(),
            (method, _) => format!("{method} bucket"),
        },
    }
}

fn is_listed(name: &str) -> bool {
    ["Analytics", "IntelligentTiering", "Inventory", "Metrics"]
        .iter()
        .any(|kind| name.contains(kind))
}

fn object_operation(parts: &Parts) -> String {
    let has = |name| query(parts, name).is_some();
    let copies = header(parts, "x-amz-copy-source").is_some();
    let subresource = || {
        OBJECT
            .iter()
            .find(|(name, _)| has(*name))
            .map(|(_, name)| *name)
    };
    let name = match parts.method.as_str() {
        "HEAD" => "HeadObject",
        "OPTIONS" => "Options",
        "GET" if has("uploadId") => "ListParts",
        "GET" if has("attributes") => "GetObjectAttributes",
        "PUT" if has("uploadId") && copies => "UploadPartCopy",
        "PUT" if has("uploadId") => "UploadPart",
        "PUT" if has("renameObject") => "RenameObject",
        "PUT" if has("encryption") => "UpdateObjectEncryption",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "POST" if has("restore") => "RestoreObject",
        "POST" if has("select") => "SelectObjectContent",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        method => match (method, subresource()) {
            ("GET", Some(name)) => return format!("Get{name}"),
            ("PUT", Some(name)) => return format!("Put{name}"),
            ("DELETE", Some(name)) => return format!("Delete{name}"),
            ("GET", None) => "GetObject",
            ("PUT", None) if copies => "CopyObject",
            ("PUT", None) => "PutObject",
            ("DELETE", None) => "DeleteObject",
            (method, _) => return format!("{method} object"),
        },
    };
    name.to_owned()
}

fn target(parts: &Parts) -> Target {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let some = |text: &str| (!text.is_empty()).then(|| decode(text));
    let path = parts.uri.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    if let Some(bucket) = host_bucket(parts) {
        return Target {
            bucket: Some(bucket),
            key: some(path),
        };
    }
    match path.split_once('/') {
        Some((bucket, key)) => Target {
            bucket: some(bucket),
            key: some(key),
        },
        None => Target {
            bucket: some(path),
            key: None,
        },
    }
}

/// The bucket of a virtual-hosted request: `bucket.s3.region.amazonaws.com`, `bucket.s3.localhost`.
fn host_bucket(parts: &Parts) -> Option<String> {
    let host = header(parts, "host")?;
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let end = host.rfind(".s3.").or_else(|| host.rfind(".s3-"))?;
    (end > 0).then(|| host[..end].to_owned())
}
