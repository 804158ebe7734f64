//! What is left to S3 itself.

use report::ShellCommand;

use crate::spec::Spec;

/// The manifest is made by S3 itself, of what has not been replicated.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html>
pub(super) fn batch_command(spec: &Spec) -> ShellCommand {
    let bucket = spec.bucket_arn(&spec.primary);
    let manifest = serde_json::json!({"S3JobManifestGenerator": {
        "SourceBucket": bucket,
        "EnableManifestOutput": false,
        "Filter": {
            "EligibleForReplication": true,
            "ObjectReplicationStatuses": ["NONE", "FAILED"],
        },
    }});
    ShellCommand::new("aws s3control create-job")
        .option("--region", spec.primary.region.as_str())
        .option("--account-id", &spec.account)
        .option("--operation", r#"{"S3ReplicateObject":{}}"#)
        .option("--manifest-generator", manifest.to_string())
        .option("--report", r#"{"Enabled":false}"#)
        .words("--priority 1 --confirmation-required --role-arn ROLE")
        .comment("ROLE is one that batchoperations.s3.amazonaws.com may assume")
}
