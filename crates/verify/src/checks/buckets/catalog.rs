use report::finding::Severity;

use crate::check::Check;

pub(crate) static EXISTS: Check = Check {
    id: "s3-exists",
    item: Some(5),
    severity: Severity::Critical,
    title: "the bucket exists, in the environment's region",
    why: "photos, documents or signatures have nowhere to go, or lie in another country",
    fix: "terraform apply; a name that somebody else has wants bucket_suffix of environments/staging",
};
pub(crate) static VERSIONING: Check = Check {
    id: "s3-versioning",
    item: Some(5),
    severity: Severity::High,
    title: "the bucket keeps versions",
    why: "what is overwritten or deleted by mistake is gone, and nothing replicates",
    fix: "terraform apply",
};
pub(crate) static ENCRYPTION: Check = Check {
    id: "s3-encryption",
    item: Some(5),
    severity: Severity::High,
    title: "new objects are encrypted with the stack's key; access logs with S3's own",
    why: "whoever may read the bucket reads the data, and access to the key cannot be withdrawn; S3 delivers access logs \
          to no bucket with a KMS key",
    fix: "terraform apply; objects that were written meanwhile keep the other encryption until they are copied onto themselves",
};
pub(crate) static GLACIER: Check = Check {
    id: "s3-lifecycle-glacier",
    item: Some(5),
    severity: Severity::Low,
    title: "objects go to Glacier after a year",
    why: "old objects cost five times as much, or the application finds young ones archived",
    fix: "terraform apply",
};
pub(crate) static DEEP_ARCHIVE: Check = Check {
    id: "s3-lifecycle-deep-archive",
    item: Some(5),
    severity: Severity::Low,
    title: "objects go to Deep Archive after seven years",
    why: "records that only the law asks for cost more than they need to, or take hours to be read too early",
    fix: "terraform apply",
};
pub(crate) static NONCURRENT: Check = Check {
    id: "s3-lifecycle-noncurrent",
    item: Some(5),
    severity: Severity::High,
    title: "overwritten and deleted versions are kept as long as promised, then expire",
    why: "a mistake that is noticed late cannot be undone, or old versions are paid for without end",
    fix: "terraform apply",
};
pub(crate) static MULTIPART: Check = Check {
    id: "s3-lifecycle-multipart",
    item: Some(5),
    severity: Severity::Low,
    title: "unfinished uploads are removed",
    why: "parts that nobody sees in a listing are paid for without end",
    fix: "terraform apply",
};
pub(crate) static CURRENT: Check = Check {
    id: "s3-lifecycle-current",
    item: Some(5),
    severity: Severity::Critical,
    title: "no rule deletes current objects; access logs are kept for a year at least",
    why: "health records, or what tells who read them, are deleted by the calendar",
    fix: "remove the expiration from the bucket's lifecycle rules, then terraform apply; bring objects back from their versions",
};
pub(crate) static BLOCK: Check = Check {
    id: "s3-public-block",
    item: Some(5),
    severity: Severity::Critical,
    title: "all four settings that block public access are on",
    why: "one wrong policy or ACL opens health records to everybody",
    fix: "terraform apply",
};
pub(crate) static NOT_PUBLIC: Check = Check {
    id: "s3-not-public",
    item: Some(5),
    severity: Severity::Critical,
    title: "the bucket's policy is not public",
    why: "health records are open to everybody as soon as the block is off",
    fix: "terraform apply, which puts the policy back",
};
pub(crate) static OUTSIDERS: Check = Check {
    id: "s3-outsiders",
    item: Some(5),
    severity: Severity::Critical,
    title: "the bucket's policy lets in nobody from outside the account",
    why: "another account, or a service on its behalf, reads or writes health records",
    fix: "terraform apply, which puts the policy back; look in CloudTrail for what was read",
};
pub(crate) static OWNERSHIP: Check = Check {
    id: "s3-ownership",
    item: Some(5),
    severity: Severity::Medium,
    title: "the bucket owns every object, and ACLs count for nothing",
    why: "an ACL on one object can open it past the bucket's policy",
    fix: "terraform apply",
};
pub(crate) static TLS: Check = Check {
    id: "s3-tls",
    item: Some(5),
    severity: Severity::High,
    title: "the bucket's policy denies everything without TLS",
    why: "health records can cross networks in the clear",
    fix: "terraform apply, which puts the statement DenyWithoutTls back",
};
pub(crate) static TLS_VERSION: Check = Check {
    id: "s3-tls-version",
    item: Some(5),
    severity: Severity::Medium,
    title: "the bucket's policy denies everything below TLS 1.2",
    why: "broken versions of TLS are accepted",
    fix: "terraform apply, which puts the statement DenyOldTls back",
};
pub(crate) static LOGGING: Check = Check {
    id: "s3-logging",
    item: Some(5),
    severity: Severity::Medium,
    title: "access to the bucket is logged to the log bucket",
    why: "nobody can tell who read which record",
    fix: "terraform apply",
};
pub(crate) static LOG_DELIVERY: Check = Check {
    id: "s3-log-delivery",
    item: Some(5),
    severity: Severity::Medium,
    title: "S3 may write the access logs of each data bucket to the log bucket",
    why: "logging is on, and nothing arrives; S3 tells nobody",
    fix: "terraform apply, which puts the statement S3DeliversAccessLogs back",
};
pub(crate) static REPLICATION: Check = Check {
    id: "s3-replication",
    item: Some(5),
    severity: Severity::High,
    title: "the bucket replicates to its copy in the DR region",
    why: "what is written now is lost with the region",
    fix: "terraform apply; then dr-replicate sync for what was written meanwhile, which S3 does not catch up on",
};
pub(crate) static REPLICATION_FAILURES: Check = Check {
    id: "s3-replication-failures",
    item: Some(5),
    severity: Severity::High,
    title: "S3 has not failed to replicate anything lately",
    why: "S3 does not try again: those objects are missing in the DR region",
    fix: "dr-replicate parity names them, dr-replicate sync copies them",
};

pub(crate) static CHECKS: &[&Check] = &[
    &EXISTS,
    &VERSIONING,
    &ENCRYPTION,
    &GLACIER,
    &DEEP_ARCHIVE,
    &NONCURRENT,
    &MULTIPART,
    &CURRENT,
    &BLOCK,
    &NOT_PUBLIC,
    &OUTSIDERS,
    &OWNERSHIP,
    &TLS,
    &TLS_VERSION,
    &LOGGING,
    &LOG_DELIVERY,
    &REPLICATION,
    &REPLICATION_FAILURES,
];
