//! Buckets: names that are taken, destinations that keep no versions.

use aws_env::ErrorClass;
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::{Context, Diagnosis};

pub(super) async fn exists(context: Context<'_>, mut buckets: Vec<String>) -> Diagnosis {
    if buckets.is_empty() {
        let kinds = ["photos", "documents", "signatures", "logs"];
        let settings = context.settings;
        buckets = kinds
            .iter()
            .map(|kind| format!("{}-{kind}-{}", settings.project, settings.environment))
            .collect();
    }
    let mut findings = Vec::new();
    let mut next = Vec::new();
    for bucket in &buckets {
        let owner = owner(context, bucket).await;
        if owner == Ok(Owner::Us) {
            next.push(import(context, bucket));
        }
        if owner == Ok(Owner::Other) {
            next.push("set bucket_suffix in terraform.tfvars, to the account ID for example, then terraform apply".to_owned());
        }
        let seen = owner.map(|owner| match owner {
            Owner::Us => (
                false,
                "it is this account's: Terraform does not know of it".to_owned(),
            ),
            Owner::Other => (false, "it is somebody else's".to_owned()),
            Owner::Nobody => (true, "nobody has it now: run the command again".to_owned()),
        });
        findings.push(
            Finding::new("bucket-owner", bucket, "a name that is free", seen).fix("see below"),
        );
    }
    next.dedup();
    Diagnosis {
        trouble: "bucket-exists",
        meaning: "Names of buckets are unique in the world. This one is taken, by this account or by another.",
        findings,
        next,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Us,
    Other,
    Nobody,
}

/// The request names us as the owner (`aws_env::OwnerGuard`), and S3 answers 403 when it is another one; but it also
/// does when we may not look, and then our own list decides.
async fn owner(context: Context<'_>, bucket: &str) -> Observation<Owner> {
    let home = &context.clients.home;
    let head = home.s3.head_bucket().bucket(bucket).send().await;
    let error = match head {
        Ok(_) => return Ok(Owner::Us),
        Err(error) => home.call("S3", "HeadBucket", bucket).failed(error),
    };
    match (error.class, error.status) {
        (ErrorClass::Absent, _) => return Ok(Owner::Nobody),
        // In another region, denied, or not ours.
        (ErrorClass::Denied, _) | (_, Some(301 | 400)) => {}
        _ => return Err(error.into()),
    }
    let mut pages = home.s3.list_buckets().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            let error = home.call("S3", "ListBuckets", "this account").failed(error);
            Unobserved::because(format!("it is taken, by whom is not known: {error}"))
        })?;
        if page
            .buckets()
            .iter()
            .any(|found| found.name() == Some(bucket))
        {
            return Ok(Owner::Us);
        }
    }
    Ok(Owner::Other)
}

fn import(context: Context<'_>, bucket: &str) -> String {
    let kind = ["photos", "documents", "signatures", "logs"]
        .into_iter()
        .find(|kind| bucket.contains(kind))
        .unwrap_or("KIND");
    context
        .terraform()
        .words("import")
        .word(format!("module.storage.aws_s3_bucket.this[\"{kind}\"]"))
        .word(bucket)
        .into()
}

/// The destination of a replication has to keep versions, as its source has to.
pub(super) async fn versioning(context: Context<'_>, named: Option<String>) -> Diagnosis {
    let buckets: Vec<String> = match named {
        Some(bucket) => vec![bucket],
        None => {
            let pairs = context.settings.buckets.iter();
            pairs.map(|pair| pair.dr.to_string()).collect()
        }
    };
    let clients = context.regions.dr().clients();
    let mut findings = Vec::new();
    let mut next = Vec::new();
    for bucket in &buckets {
        let call = clients.call("S3", "GetBucketVersioning", bucket);
        let answer = clients
            .s3
            .get_bucket_versioning()
            .bucket(bucket)
            .send()
            .await;
        let seen = answer
            .map_err(|error| Unobserved::from(call.failed(error)))
            .map(|answer| match answer.status() {
                Some(status) => (status.as_str() == "Enabled", status.as_str().to_owned()),
                None => (false, "never enabled".to_owned()),
            });
        if matches!(seen, Ok((false, _))) {
            let enable = ShellCommand::new("aws s3api put-bucket-versioning")
                .option("--bucket", bucket)
                .words("--versioning-configuration Status=Enabled")
                .option("--region", clients.region.as_str());
            next.push(enable.into());
        }
        findings.push(
            Finding::new("destination-versioning", bucket, "versioning is enabled", seen)
                .fix("enable it, in terraform with a depends_on from the replication to it, then apply again"),
        );
    }
    Diagnosis {
        trouble: "destination-versioning",
        meaning: "S3 replicates versions: both buckets have to keep them before a replication can be set up.",
        findings,
        next,
    }
}
