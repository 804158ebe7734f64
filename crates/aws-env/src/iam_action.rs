//! The permissions that a call needs.

/// The actions of IAM without which AWS refuses `operation` of `service`, the latter as AWS abbreviates it (`S3`, `S3 Control`)
/// or as requests are signed for it (`s3`, `monitoring`). Most are called as the operation is; S3 has names of its own
/// ([permissions of S3's API operations](https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html)).
///
/// Where S3 wants another action for a version that is named, both are given: callers name versions. What a service does
/// with the caller's permissions besides, as KMS for encrypted objects and databases, is not among them, except
/// `iam:PassRole`. Empty for what needs no permission.
pub fn iam_actions(service: &str, operation: &str) -> Vec<String> {
    let service = service.to_ascii_lowercase();
    match service.as_str() {
        "s3" => s3(operation),
        "s3 control" | "s3-control" => match operation {
            "CreateJob" => owned(&["s3:CreateJob", "iam:PassRole"]),
            "GetPublicAccessBlock" => owned(&["s3:GetAccountPublicAccessBlock"]),
            _ => vec![format!("s3:{operation}")],
        },
        // AWS answers this even to those who are denied it.
        // <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
        "sts" if operation == "GetCallerIdentity" => Vec::new(),
        "monitoring" => vec![format!("cloudwatch:{operation}")],
        "cost explorer" => vec![format!("ce:{operation}")],
        "cloudwatch logs" => vec![format!("logs:{operation}")],
        "secrets manager" => vec![format!("secretsmanager:{operation}")],
        "service quotas" => vec![format!("servicequotas:{operation}")],
        _ => vec![format!("{service}:{operation}")],
    }
}

/// The action that AWS itself names in the message of a refusal, and the kind of policy that denies it, where one does
/// expressly. That may be an action of another service, as `kms:Decrypt` where S3 cannot read an object for the caller.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
pub(crate) fn named_by_aws(message: &str) -> Option<(&str, Option<&str>)> {
    // Secrets Manager says no more than this.
    // <https://repost.aws/knowledge-center/secrets-manager-cross-account-key>
    if message.contains("Access to KMS is not allowed") {
        return Some(("kms:Decrypt", None));
    }
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ":-*".contains(c)));
    let action = &rest[..end.unwrap_or(rest.len())];
    let (service, name) = action.split_once(':')?;
    if service.is_empty() || name.is_empty() {
        return None;
    }
    let denies = message
        .split_once("explicit deny in a")
        .and_then(|(_, by)| {
            let mut kinds = DENYING.into_iter();
            kinds.find(|kind| by.trim_start_matches(['n', ' ']).starts_with(kind))
        });
    Some((action, denies))
}

/// What AWS calls the policies that can deny.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
const DENYING: [&str; 7] = [
    "identity-based policy",
    "resource-based policy",
    "permissions boundary",
    "session policy",
    "service control policy",
    "resource control policy",
    "VPC endpoint policy",
];

fn s3(operation: &str) -> Vec<String> {
    let renamed: &[&str] = match operation {
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => &["s3:ListBucket"],
        "ListObjectVersions" => &["s3:ListBucketVersions"],
        "ListBuckets" => &["s3:ListAllMyBuckets"],
        "ListMultipartUploads" => &["s3:ListBucketMultipartUploads"],
        "ListParts" => &["s3:ListMultipartUploadParts"],
        "GetObject" | "HeadObject" | "SelectObjectContent" => {
            &["s3:GetObject", "s3:GetObjectVersion"]
        }
        "GetObjectAttributes" => &[
            "s3:GetObject",
            "s3:GetObjectAttributes",
            "s3:GetObjectVersion",
            "s3:GetObjectVersionAttributes",
        ],
        "GetObjectTagging" => &["s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
        "PutObjectTagging" => &["s3:PutObjectTagging", "s3:PutObjectVersionTagging"],
        "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => &["s3:PutObject"],
        "CopyObject" => &[
            "s3:GetObject",
            "s3:GetObjectTagging",
            "s3:GetObjectVersion",
            "s3:GetObjectVersionTagging",
            "s3:PutObject",
            "s3:PutObjectTagging",
        ],
        "UploadPartCopy" => &["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
        "DeleteObject" | "DeleteObjects" => &["s3:DeleteObject", "s3:DeleteObjectVersion"],
        "GetBucketEncryption" => &["s3:GetEncryptionConfiguration"],
        "PutBucketEncryption" | "DeleteBucketEncryption" => &["s3:PutEncryptionConfiguration"],
        "GetBucketLifecycleConfiguration" => &["s3:GetLifecycleConfiguration"],
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
            &["s3:PutLifecycleConfiguration"]
        }
        "GetBucketReplication" => &["s3:GetReplicationConfiguration"],
        "PutBucketReplication" => &["s3:PutReplicationConfiguration", "iam:PassRole"],
        "DeleteBucketReplication" => &["s3:PutReplicationConfiguration"],
        "GetPublicAccessBlock" => &["s3:GetBucketPublicAccessBlock"],
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => &["s3:PutBucketPublicAccessBlock"],
        "GetObjectLockConfiguration" => &["s3:GetBucketObjectLockConfiguration"],
        "PutObjectLockConfiguration" => &["s3:PutBucketObjectLockConfiguration"],
        "GetBucketAccelerateConfiguration" => &["s3:GetAccelerateConfiguration"],
        "GetBucketInventoryConfiguration" | "ListBucketInventoryConfigurations" => {
            &["s3:GetInventoryConfiguration"]
        }
        "GetBucketNotificationConfiguration" => &["s3:GetBucketNotification"],
        "GetBucketCors" => &["s3:GetBucketCORS"],
        "DeleteBucketTagging" => &["s3:PutBucketTagging"],
        "DeleteBucketOwnershipControls" => &["s3:PutBucketOwnershipControls"],
        _ => return vec![format!("s3:{operation}")],
    };
    owned(renamed)
}

fn owned(actions: &[&str]) -> Vec<String> {
    actions.iter().map(|&action| action.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::iam_actions;

    #[test]
    fn an_action_is_named_as_iam_names_it() {
        let rows = [
            ("S3", "GetBucketVersioning", "s3:GetBucketVersioning"),
            ("s3", "HeadBucket", "s3:ListBucket"),
            ("S3", "GetBucketEncryption", "s3:GetEncryptionConfiguration"),
            (
                "S3 Control",
                "GetPublicAccessBlock",
                "s3:GetAccountPublicAccessBlock",
            ),
            (
                "S3",
                "GetPublicAccessBlock",
                "s3:GetBucketPublicAccessBlock",
            ),
            (
                "monitoring",
                "GetMetricStatistics",
                "cloudwatch:GetMetricStatistics",
            ),
            ("CloudWatch", "PutMetricAlarm", "cloudwatch:PutMetricAlarm"),
            ("Cost Explorer", "GetCostAndUsage", "ce:GetCostAndUsage"),
            ("RDS", "DescribeDBInstances", "rds:DescribeDBInstances"),
            ("STS", "AssumeRole", "sts:AssumeRole"),
        ];
        for (service, operation, action) in rows {
            assert_eq!(
                iam_actions(service, operation),
                [action],
                "{service} {operation}"
            );
        }
        assert!(iam_actions("STS", "GetCallerIdentity").is_empty());
        let both = iam_actions("s3", "PutBucketReplication");
        assert_eq!(both, ["s3:PutReplicationConfiguration", "iam:PassRole"]);
    }
}
